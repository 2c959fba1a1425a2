// SVG 1.1 from the display list: text stays text, clips stay clips, tensors become circles, paths or an embedded PNG.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "app/export/export.h"
#include "app/export/png.h"
#include "app/export/raster.h"
#include "app/export/recipe.h"
#include "core/base/files.h"
#include "core/base/text.h"

namespace orrery::exporting {

namespace {

std::string base64(std::string_view bytes) {
  constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t word = 0;
    for (std::size_t k = 0; k < 3; ++k) word = word << 8 | (i + k < bytes.size() ? static_cast<std::uint8_t>(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k) out += i + k <= bytes.size() ? digits[(word >> (18 - 6 * k)) & 63] : '=';
  }
  return out;
}

// Three decimals at most: a thousandth of a pixel.
std::string num(double value) {
  std::string text = fmt::format("{:.3f}", value);
  while (text.ends_with('0')) text.pop_back();
  if (text.ends_with('.')) text.pop_back();
  return text == "-0" || text.empty() ? "0" : text;
}
std::string num(float value) { return num(static_cast<double>(value)); }

std::string fillOf(const Color& c) {
  return c.a < 1 ? fmt::format(R"(fill="{}" fill-opacity="{}")", c.toHex(), num(c.a)) : fmt::format(R"(fill="{}")", c.toHex());
}

std::string strokeOf(const Color& c, float width) {
  std::string text = fmt::format(R"(stroke="{}" stroke-width="{}")", c.toHex(), num(width));
  if (c.a < 1) text += fmt::format(R"( stroke-opacity="{}")", num(c.a));
  return text;
}

bool finite(Vec2 p) { return std::isfinite(p.x) && std::isfinite(p.y); }

class SvgWriter {
 public:
  SvgWriter(const DisplayList& list, const ExportOptions& options) : list_(list), options_(options) {}

  std::string run() {
    for (const Primitive& item : list_.items) std::visit(*this, item);
    for (; open_ > 0; --open_) body_ += "</g>\n";
    std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    out += fmt::format(R"(<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" version="1.1" width="{0}" height="{1}" viewBox="0 0 {0} {1}" font-family="{2}">)",
                       num(list_.size.x), num(list_.size.y), escapedXml(Fonts::familyList()));
    out += "\n";
    if (!options_.title.empty()) out += fmt::format("<title>{}</title>\n", escapedXml(options_.title));
    if (!options_.recipe.empty()) out += fmt::format("<metadata><orrery:recipe xmlns:orrery=\"{}\">{}</orrery:recipe></metadata>\n", recipeNamespace, escapedXml(options_.recipe));
    if (!definitions_.empty()) out += fmt::format("<defs>\n{}</defs>\n", definitions_);
    if (list_.ground.a > 0) out += fmt::format("<rect width=\"{}\" height=\"{}\" {}/>\n", num(list_.size.x), num(list_.size.y), fillOf(list_.ground));
    return out + body_ + "</svg>\n";
  }

  std::vector<std::string> notes;

  void operator()(const PathItem& item) {
    if (item.lines.empty()) return;
    std::string style = item.hasFill ? fillOf(item.fill) + " fill-rule=\"evenodd\"" : "fill=\"none\"";
    if (item.hasStroke) {
      style += fmt::format(" {} stroke-linejoin=\"round\"", strokeOf(item.stroke.color, item.stroke.width));
      if (!item.stroke.dash.empty()) {
        style += " stroke-dasharray=\"";
        for (std::size_t i = 0; i < item.stroke.dash.size(); ++i) {
          if (i) style += ',';
          style += num(item.stroke.dash[i]);
        }
        style += "\"";
      }
    }
    if (item.cornerRadius > 0 && item.lines.size() == 1 && item.lines[0].size() == 4) {
      const Vec2 a = item.lines[0][0], b = item.lines[0][2];
      body_ += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\" {}/>\n", num(std::min(a.x, b.x)), num(std::min(a.y, b.y)),
                           num(std::abs(b.x - a.x)), num(std::abs(b.y - a.y)), num(item.cornerRadius), style);
      return;
    }
    std::string d;
    for (const auto& line : item.lines) d += pathOf(line, item.closed || item.hasFill);
    if (!d.empty()) body_ += fmt::format("<path d=\"{}\" {}/>\n", d, style);
  }

  void operator()(const GlyphItem& item) {
    if (item.text.empty() || !finite(item.at)) return;
    const Fonts& fonts = Fonts::shared();
    const float ascent = fonts.ascent(item.style), descent = fonts.descent(item.style);
    float down = 0;
    if (item.v == VAlign::top) down = ascent;
    if (item.v == VAlign::middle) down = 0.5f * (ascent - descent);
    if (item.v == VAlign::bottom) down = -descent;
    const std::string turn = item.angle != 0 ? fmt::format(" transform=\"rotate({} {} {})\"", num(-item.angle), num(item.at.x), num(item.at.y)) : "";
    if (options_.textAsOutlines) {
      outlines(item, down, turn);
      return;
    }
    std::string style;
    if (item.h == HAlign::center) style += " text-anchor=\"middle\"";
    if (item.h == HAlign::right) style += " text-anchor=\"end\"";
    if (item.style.weight == Weight::medium) style += " font-weight=\"500\"";
    if (item.style.weight == Weight::semibold) style += " font-weight=\"600\"";
    if (item.style.tabular) style += " style=\"font-variant-numeric:tabular-nums\"";
    body_ += fmt::format("<text x=\"{}\" y=\"{}\" font-size=\"{}\"{} {}{} xml:space=\"preserve\">{}</text>\n", num(item.at.x), num(item.at.y + down),
                         num(item.style.size), style, fillOf(item.color), turn, escapedXml(item.text));
  }

  void operator()(const ImageItem& item) {
    if (item.data.empty() || item.data.shape().rank() < 2 || !(item.to.width > 0) || !(item.to.height > 0)) return;
    picture(pictureOf(item));
  }

  void operator()(const PointItem& item) {
    if (item.xy.empty()) return;
    if (markCount(item) > vectorMarkLimit) {
      notes.push_back(trf("{} points drawn as an image", formatNumber(static_cast<double>(markCount(item)))));
      picture(pictureOf(item, rasterScale));
      return;
    }
    const auto xy = item.xy.as<float>();
    const std::span<const float> scalars = item.scalar.empty() ? std::span<const float>{} : item.scalar.as<float>();
    beginClip(item.clip);
    const float line = std::max(1.0f, item.radius / 3);
    const bool stroked = item.shape == PointShape::ring || item.shape == PointShape::cross;
    body_ += stroked ? fmt::format("<g fill=\"none\" {}>\n", strokeOf(item.color, line)) : fmt::format("<g {}>\n", fillOf(item.color));
    const float reach = item.radius + 1;
    for (std::size_t i = 0; i + 1 < xy.size(); i += 2) {
      const Vec2 p = item.transform.apply(static_cast<double>(xy[i]), static_cast<double>(xy[i + 1]));
      if (!finite(p) || p.x < item.clip.x - reach || p.x > item.clip.right() + reach || p.y < item.clip.y - reach || p.y > item.clip.bottom() + reach) continue;
      std::string own;
      if (!scalars.empty()) {
        const Color color = colorOf(item, scalars, i / 2);
        if (color.a <= 0) continue;
        own = fmt::format(" {}=\"{}\"", stroked ? "stroke" : "fill", color.toHex());
      }
      body_ += pointOf(item.shape, p, item.radius, line, own);
    }
    body_ += "</g>\n</g>\n";
  }

  void operator()(const BundleItem& item) {
    if (item.xy.empty() || item.stepCount < 2) return;
    if (markCount(item) > vectorMarkLimit) {
      notes.push_back(trf("{} path points drawn as an image", formatNumber(static_cast<double>(markCount(item)))));
      picture(pictureOf(item, rasterScale));
      return;
    }
    const auto xy = item.xy.as<float>();
    const std::span<const float> alphas = item.scalar.empty() ? std::span<const float>{} : item.scalar.as<float>();
    const std::int64_t lines = item.xy.shape()[1];
    beginClip(item.clip);
    body_ += fmt::format("<g fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" stroke-linejoin=\"round\">\n", item.color.toHex(), num(item.width));
    for (std::int64_t line = 0; line < lines; ++line) {
      const auto at = [&](std::int64_t s) {
        const auto index = static_cast<std::size_t>(((item.firstStep + s) * lines + line) * 2);
        return item.transform.apply(static_cast<double>(xy[index]), static_cast<double>(xy[index + 1]));
      };
      // A fading line is cut where its alpha changes visibly: at most 12 pieces.
      const std::int64_t pieces = item.fade ? std::min<std::int64_t>(12, item.stepCount - 1) : 1;
      for (std::int64_t k = 0; k < pieces; ++k) {
        const std::int64_t from = k * (item.stepCount - 1) / pieces, to = (k + 1) * (item.stepCount - 1) / pieces;
        const float alpha = alphaOf(item, alphas, line, (from + to - 1) / 2);
        if (alpha <= 0.002f) continue;
        std::string d;
        std::vector<Vec2> run;
        for (std::int64_t s = from; s <= to; ++s) {
          const Vec2 p = at(s);
          if (finite(p)) run.push_back(p);
          if (!finite(p) || s == to) {
            if (run.size() > 1) d += pathOf(run, false);
            run.clear();
          }
        }
        if (!d.empty()) body_ += fmt::format("<path d=\"{}\" stroke-opacity=\"{}\"/>\n", d, num(alpha));
      }
    }
    body_ += "</g>\n</g>\n";
  }

  void operator()(const ClipItem& item) {
    if (!item.pop) {
      beginClip(item.rect);
      ++open_;
    } else if (open_ > 0) {
      body_ += "</g>\n";
      --open_;
    }
  }

 private:
  static std::string pathOf(const std::vector<Vec2>& line, bool close) {
    if (line.size() < 2) return {};
    std::string d;
    for (std::size_t i = 0; i < line.size(); ++i) {
      d += i == 0 ? 'M' : (i == 1 ? 'L' : ' ');
      d += num(line[i].x);
      d += ',';
      d += num(line[i].y);
    }
    if (close) d += 'Z';
    return d;
  }

  static std::string pointOf(PointShape shape, Vec2 p, float r, float line, const std::string& own) {
    switch (shape) {
      case PointShape::disc: return fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"{}\"{}/>\n", num(p.x), num(p.y), num(r), own);
      case PointShape::ring: return fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"{}\"{}/>\n", num(p.x), num(p.y), num(std::max(0.1f, r - 0.5f * line)), own);
      case PointShape::square: return fmt::format("<rect x=\"{0}\" y=\"{1}\" width=\"{2}\" height=\"{2}\"{3}/>\n", num(p.x - r), num(p.y - r), num(2 * r), own);
      case PointShape::cross: {
        const float a = r * 0.70710678f;
        return fmt::format("<path d=\"M{},{}l{},{}M{},{}l{},{}\"{}/>\n", num(p.x - a), num(p.y - a), num(2 * a), num(2 * a), num(p.x - a), num(p.y + a),
                           num(2 * a), num(-2 * a), own);
      }
      case PointShape::diamond: return fmt::format("<path d=\"M{0},{1}l{2},{2}l-{2},{2}l-{2},-{2}Z\"{3}/>\n", num(p.x), num(p.y - r), num(r), own);
    }
    return {};
  }

  // Opens a group clipped to the rectangle; the caller closes it.
  void beginClip(const Rect& r) {
    const auto known = std::find(clips_.begin(), clips_.end(), r);
    const auto index = known - clips_.begin();
    if (known == clips_.end()) {
      clips_.push_back(r);
      definitions_ += fmt::format("<clipPath id=\"clip{}\"><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/></clipPath>\n", index, num(r.x), num(r.y),
                                  num(std::max(0.0f, r.width)), num(std::max(0.0f, r.height)));
    }
    body_ += fmt::format("<g clip-path=\"url(#clip{})\">\n", index);
  }

  void picture(const Picture& p) {
    body_ += fmt::format("<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\"{} xlink:href=\"data:image/png;base64,{}\"/>\n", num(p.to.x),
                         num(p.to.y), num(p.to.width), num(p.to.height), p.smooth ? "" : " image-rendering=\"optimizeSpeed\" style=\"image-rendering:pixelated\"",
                         base64(encodePng(p.pixels, PngTexts{})));
  }

  void outlines(const GlyphItem& item, float down, const std::string& turn) {
    const Fonts& fonts = Fonts::shared();
    float x = item.at.x;
    const float width = fonts.width(item.text, item.style), size = item.style.size, y = item.at.y + down;
    if (item.h == HAlign::center) x -= 0.5f * width;
    if (item.h == HAlign::right) x -= width;
    std::string d;
    for (const PlacedGlyph& glyph : fonts.place(item.text, item.style)) {
      const auto add = [&](const char* letter, const Vec2* points, int count) {
        for (int i = 0; i < count; ++i) {
          d += i == 0 ? letter : " ";
          d += num(x + glyph.x + points[i].x * size);
          d += ',';
          d += num(y - points[i].y * size);
        }
      };
      for (const auto& command : fonts.outlineOf(glyph.face, glyph.glyph).commands) {
        switch (command.kind) {
          case GlyphOutline::Kind::move: add("M", command.points, 1); break;
          case GlyphOutline::Kind::line: add("L", command.points, 1); break;
          case GlyphOutline::Kind::quadratic: add("Q", command.points, 2); break;
          case GlyphOutline::Kind::cubic: add("C", command.points, 3); break;
          case GlyphOutline::Kind::close: d += 'Z'; break;
        }
      }
    }
    if (!d.empty()) body_ += fmt::format("<path d=\"{}\" {}{} aria-label=\"{}\"/>\n", d, fillOf(item.color), turn, escapedXml(item.text));
  }

  const DisplayList& list_;
  const ExportOptions& options_;
  std::string body_, definitions_;
  std::vector<Rect> clips_;
  int open_ = 0;
};

}  // namespace

Expected<Written> writeSvg(const DisplayList& list, const std::string& path, const ExportOptions& options) {
  SvgWriter writer(list, options);
  const std::string content = writer.run();
  if (auto written = writeFileAtomically(path, content); !written) return written.error();
  return Written{path, std::move(writer.notes)};
}

}  // namespace orrery::exporting
