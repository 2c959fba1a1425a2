#include "core/figure/fonts.h"

#include <fontconfig/fontconfig.h>
#include <ft2build.h>
#include FT_FREETYPE_H
#include FT_OUTLINE_H

#include <algorithm>
#include <array>
#include <cmath>
#include <mutex>
#include <strings.h>
#include <unordered_map>

#include "core/figure/utf8.h"

namespace orrery {

namespace {

constexpr std::array<const char*, 3> families{"Inter", "DejaVu Sans", "Noto Sans CJK SC"};
constexpr std::array<int, 3> fontconfigWeights{FC_WEIGHT_REGULAR, FC_WEIGHT_MEDIUM, FC_WEIGHT_DEMIBOLD};
constexpr std::uint32_t noFace = 0xFFFFFFFFu;    // no font installed: every glyph is a box
constexpr float boxAdvance = 0.55f, boxAdvanceWide = 1.0f, boxAscent = 0.95f, boxDescent = 0.25f;   // em, close to Inter's

struct FaceFile {
  std::string path;
  long index = 0;
  FT_Face face = nullptr;
  bool tried = false;
};

struct GlyphChoice {
  std::uint32_t face = noFace, glyph = 0;
  float advance = 0;                             // em
};

}  // namespace

struct Fonts::State {
  FT_Library library = nullptr;
  std::vector<FaceFile> files;
  std::array<std::vector<std::uint32_t>, 3> chain;                 // per weight: indices into `files`, in order of preference
  std::array<std::unordered_map<std::uint32_t, GlyphChoice>, 3> choices;
  std::array<float, 3> widestDigit{}, ascents{}, descents{};
  std::mutex mutex;

  State() {
    if (FT_Init_FreeType(&library) != 0) library = nullptr;
    if (library && FcInit()) findFaces();
    for (std::size_t weight = 0; weight < chain.size(); ++weight) {
      for (std::uint32_t digit = '0'; digit <= '9'; ++digit) widestDigit[weight] = std::max(widestDigit[weight], choose(weight, digit).advance);
      const FT_Face face = chain[weight].empty() ? nullptr : open(chain[weight].front());
      const float em = face ? static_cast<float>(face->units_per_EM) : 1;
      ascents[weight] = face ? static_cast<float>(face->ascender) / em : boxAscent;
      descents[weight] = face ? -static_cast<float>(face->descender) / em : boxDescent;
    }
  }

  // Ask fontconfig for each family and weight; keep the answer only when it is that family.
  void findFaces() {
    for (std::size_t weight = 0; weight < chain.size(); ++weight) {
      for (const char* family : families) addMatch(weight, family, true);
      if (chain[weight].empty()) addMatch(weight, "sans-serif", false);
    }
  }

  void addMatch(std::size_t weight, const char* family, bool mustBeFamily) {
    FcPattern* pattern = FcPatternCreate();
    FcPatternAddString(pattern, FC_FAMILY, reinterpret_cast<const FcChar8*>(family));
    FcPatternAddInteger(pattern, FC_WEIGHT, fontconfigWeights[weight]);
    FcPatternAddInteger(pattern, FC_SLANT, FC_SLANT_ROMAN);
    FcConfigSubstitute(nullptr, pattern, FcMatchPattern);
    FcDefaultSubstitute(pattern);
    FcResult result = FcResultNoMatch;
    FcPattern* match = FcFontMatch(nullptr, pattern, &result);
    FcPatternDestroy(pattern);
    if (!match) return;
    bool same = !mustBeFamily;
    FcChar8* name = nullptr;
    for (int i = 0; FcPatternGetString(match, FC_FAMILY, i, &name) == FcResultMatch; ++i) {
      same = same || strcasecmp(reinterpret_cast<const char*>(name), family) == 0;
    }
    FcChar8* path = nullptr;
    int index = 0;
    if (same && FcPatternGetString(match, FC_FILE, 0, &path) == FcResultMatch) {
      FcPatternGetInteger(match, FC_INDEX, 0, &index);
      const std::string file = reinterpret_cast<const char*>(path);
      const auto known = std::find_if(files.begin(), files.end(), [&](const FaceFile& f) { return f.path == file && f.index == index; });
      chain[weight].push_back(static_cast<std::uint32_t>(known - files.begin()));
      if (known == files.end()) files.push_back({file, index});
    }
    FcPatternDestroy(match);
  }

  // Faces are opened when first needed: the Chinese one is large and often not used.
  FT_Face open(std::uint32_t file) {
    FaceFile& entry = files[file];
    if (!entry.tried) {
      entry.tried = true;
      if (FT_New_Face(library, entry.path.c_str(), entry.index, &entry.face) != 0) entry.face = nullptr;
      if (entry.face && !FT_IS_SCALABLE(entry.face)) {
        FT_Done_Face(entry.face);
        entry.face = nullptr;
      }
    }
    return entry.face;
  }

  const GlyphChoice& choose(std::size_t weight, std::uint32_t code) {
    const auto found = choices[weight].find(code);
    if (found != choices[weight].end()) return found->second;
    GlyphChoice choice;
    choice.advance = isWide(code) ? boxAdvanceWide : boxAdvance;
    for (const std::uint32_t file : chain[weight]) {
      const FT_Face face = open(file);
      if (!face) continue;
      const FT_UInt glyph = FT_Get_Char_Index(face, code);
      // The first face also serves characters that no face has (its .notdef box).
      if (glyph == 0 && choice.face != noFace) continue;
      if (FT_Load_Glyph(face, glyph, FT_LOAD_NO_SCALE) != 0) continue;
      choice = {file, glyph, static_cast<float>(face->glyph->metrics.horiAdvance) / static_cast<float>(face->units_per_EM)};
      if (glyph != 0) break;
    }
    return choices[weight].emplace(code, choice).first->second;
  }
};

Fonts::Fonts() : state_(std::make_shared<State>()) {}

const Fonts& Fonts::shared() {
  static const Fonts& fonts = *new Fonts();      // never destroyed: worker threads may measure text until the very end
  return fonts;
}

std::vector<PlacedGlyph> Fonts::place(std::string_view utf8, const TextStyle& style) const {
  const std::lock_guard lock(state_->mutex);
  const auto weight = static_cast<std::size_t>(style.weight);
  std::vector<PlacedGlyph> placed;
  placed.reserve(utf8.size());
  float x = 0;
  for (std::size_t at = 0; at < utf8.size();) {
    const std::uint32_t code = nextCodePoint(utf8, at);
    const GlyphChoice& choice = state_->choose(weight, code);
    float advance = choice.advance, shift = 0;
    if (style.tabular && code >= '0' && code <= '9') {
      shift = 0.5f * (state_->widestDigit[weight] - advance);
      advance = state_->widestDigit[weight];
    }
    placed.push_back({choice.face, choice.glyph, (x + shift) * style.size});
    x += advance;
  }
  return placed;
}

float Fonts::width(std::string_view utf8, const TextStyle& style) const {
  const std::lock_guard lock(state_->mutex);
  const auto weight = static_cast<std::size_t>(style.weight);
  float x = 0;
  for (std::size_t at = 0; at < utf8.size();) {
    const std::uint32_t code = nextCodePoint(utf8, at);
    x += style.tabular && code >= '0' && code <= '9' ? state_->widestDigit[weight] : state_->choose(weight, code).advance;
  }
  return x * style.size;
}

float Fonts::ascent(const TextStyle& style) const { return state_->ascents[static_cast<std::size_t>(style.weight)] * style.size; }
float Fonts::descent(const TextStyle& style) const { return state_->descents[static_cast<std::size_t>(style.weight)] * style.size; }

GlyphBitmap Fonts::bitmapOf(std::uint32_t face, std::uint32_t glyph, float pixels, int quarterShift) const {
  const std::lock_guard lock(state_->mutex);
  GlyphBitmap result;
  const FT_Face opened = face == noFace || face >= state_->files.size() ? nullptr : state_->open(face);
  if (!opened) {
    // No font at all: an outlined box of an average letter's size.
    result.width = std::max(2, static_cast<int>(std::lround(0.45f * pixels)));
    result.height = std::max(2, static_cast<int>(std::lround(0.7f * pixels)));
    result.top = result.height;
    result.coverage.assign(static_cast<std::size_t>(result.width) * static_cast<std::size_t>(result.height), 0);
    for (int y = 0; y < result.height; ++y) {
      for (int x = 0; x < result.width; ++x) {
        const bool edge = x == 0 || y == 0 || x == result.width - 1 || y == result.height - 1;
        if (edge) result.coverage[static_cast<std::size_t>(y * result.width + x)] = 200;
      }
    }
    return result;
  }
  FT_Set_Char_Size(opened, 0, static_cast<FT_F26Dot6>(std::lround(pixels * 64)), 72, 72);
  // Light hinting snaps heights to the pixel grid and leaves widths alone, so subpixel positions stay true.
  if (FT_Load_Glyph(opened, glyph, FT_LOAD_NO_BITMAP | FT_LOAD_TARGET_LIGHT) != 0) return result;
  const FT_GlyphSlot slot = opened->glyph;
  if (slot->format == FT_GLYPH_FORMAT_OUTLINE) FT_Outline_Translate(&slot->outline, quarterShift * 16, 0);
  if (FT_Render_Glyph(slot, FT_RENDER_MODE_NORMAL) != 0) return result;
  const FT_Bitmap& bitmap = slot->bitmap;
  result.width = static_cast<int>(bitmap.width);
  result.height = static_cast<int>(bitmap.rows);
  result.left = slot->bitmap_left;
  result.top = slot->bitmap_top;
  result.coverage.resize(static_cast<std::size_t>(result.width) * static_cast<std::size_t>(result.height));
  for (int row = 0; row < result.height; ++row) {
    const std::uint8_t* source = bitmap.buffer + static_cast<std::ptrdiff_t>(row) * bitmap.pitch;
    std::copy(source, source + result.width, result.coverage.begin() + static_cast<std::ptrdiff_t>(row) * result.width);
  }
  return result;
}

GlyphOutline Fonts::outlineOf(std::uint32_t face, std::uint32_t glyph) const {
  using Kind = GlyphOutline::Kind;
  const std::lock_guard lock(state_->mutex);
  GlyphOutline result;
  const FT_Face opened = face == noFace || face >= state_->files.size() ? nullptr : state_->open(face);
  if (!opened) {
    result.commands = {{Kind::move, {{0.05f, 0}}}, {Kind::line, {{0.5f, 0}}}, {Kind::line, {{0.5f, 0.7f}}}, {Kind::line, {{0.05f, 0.7f}}}, {Kind::close, {}}};
    return result;
  }
  if (FT_Load_Glyph(opened, glyph, FT_LOAD_NO_SCALE) != 0 || opened->glyph->format != FT_GLYPH_FORMAT_OUTLINE) return result;
  struct Sink {
    GlyphOutline* outline;
    float em;
    bool open = false;
    Vec2 at(const FT_Vector* v) const { return {static_cast<float>(v->x) / em, static_cast<float>(v->y) / em}; }
    void close() {
      if (open) outline->commands.push_back({Kind::close, {}});
      open = false;
    }
  } sink{&result, static_cast<float>(opened->units_per_EM)};
  FT_Outline_Funcs functions{};
  functions.move_to = [](const FT_Vector* to, void* user) {
    auto& s = *static_cast<Sink*>(user);
    s.close();
    s.outline->commands.push_back({Kind::move, {s.at(to)}});
    s.open = true;
    return 0;
  };
  functions.line_to = [](const FT_Vector* to, void* user) {
    auto& s = *static_cast<Sink*>(user);
    s.outline->commands.push_back({Kind::line, {s.at(to)}});
    return 0;
  };
  functions.conic_to = [](const FT_Vector* control, const FT_Vector* to, void* user) {
    auto& s = *static_cast<Sink*>(user);
    s.outline->commands.push_back({Kind::quadratic, {s.at(control), s.at(to)}});
    return 0;
  };
  functions.cubic_to = [](const FT_Vector* first, const FT_Vector* second, const FT_Vector* to, void* user) {
    auto& s = *static_cast<Sink*>(user);
    s.outline->commands.push_back({Kind::cubic, {s.at(first), s.at(second), s.at(to)}});
    return 0;
  };
  FT_Outline_Decompose(&opened->glyph->outline, &functions, &sink);
  sink.close();
  return result;
}

std::string Fonts::familyList() { return "Inter, 'DejaVu Sans', 'Noto Sans CJK SC', sans-serif"; }

}  // namespace orrery
