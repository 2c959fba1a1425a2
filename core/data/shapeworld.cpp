// ShapeWorld v1: scene draws, inside tests, raster, boxes and masks (see shapeworld.h). Integer arithmetic only.

#include "core/data/shapeworld.h"

#include <algorithm>
#include <cstdlib>

#include "core/base/philox.h"
#include "core/data/shapeworld_captions.h"

namespace orrery::shapeworld {

namespace {

// floor(16384 cos(3k deg) + 1/2); sin(3k deg) = cosine[(k + 90) mod 120].
constexpr std::array<int, 120> cosine{
    16384,  16362,  16294,  16182,  16026,  15826,  15582,  15296,  14968,  14598,  14189,  13741,  13255,  12733,  12176,  11585,  10963,
    10311,  9630,   8923,   8192,   7438,   6664,   5872,   5063,   4240,   3406,   2563,   1713,   857,    0,      -857,   -1713,  -2563,
    -3406,  -4240,  -5063,  -5872,  -6664,  -7438,  -8192,  -8923,  -9630,  -10311, -10963, -11585, -12176, -12733, -13255, -13741, -14189,
    -14598, -14968, -15296, -15582, -15826, -16026, -16182, -16294, -16362, -16384, -16362, -16294, -16182, -16026, -15826, -15582, -15296,
    -14968, -14598, -14189, -13741, -13255, -12733, -12176, -11585, -10963, -10311, -9630,  -8923,  -8192,  -7438,  -6664,  -5872,  -5063,
    -4240,  -3406,  -2563,  -1713,  -857,   0,      857,    1713,   2563,   3406,   4240,   5063,   5872,   6664,   7438,   8192,   8923,
    9630,   10311,  10963,  11585,  12176,  12733,  13255,  13741,  14189,  14598,  14968,  15296,  15582,  15826,  16026,  16182,  16294,
    16362};

constexpr int cosOf(int k) { return cosine[static_cast<std::size_t>(k % 120)]; }
constexpr int sinOf(int k) { return cosine[static_cast<std::size_t>((k + 90) % 120)]; }

constexpr std::array<std::array<int, 3>, 8> colours{
    {{220, 50, 47}, {240, 140, 30}, {235, 215, 50}, {60, 170, 70}, {40, 190, 200}, {50, 90, 210}, {150, 70, 190}, {240, 240, 240}}};
constexpr std::array<std::array<int, 3>, 4> tints{{{72, 80, 92}, {96, 78, 70}, {74, 88, 70}, {48, 50, 64}}};

// Draw n of a stream = word n & 3 of block n >> 2.
class Draws {
 public:
  Draws(const Options& options, std::uint32_t index, std::uint32_t stream)
      : key_(philoxKey(options.seed)), stream_(stream), index_(index), domain_(domainOf(options)) {}
  int bounded(std::uint32_t n, int K) {
    if (n >> 2 != block_) {
      block_ = n >> 2;
      words_ = philox({block_, stream_, index_, domain_}, key_);
    }
    return static_cast<int>(philoxBounded(words_[n & 3], static_cast<std::uint32_t>(K)));
  }

 private:
  std::array<std::uint32_t, 2> key_;
  std::uint32_t stream_, index_, domain_;
  std::uint32_t block_ = 0xffffffffu;
  PhiloxBlock words_{};
};

// Whether lattice point (X, Y) lies in the object, edges included.
bool inside(const Object& o, int X, int Y) {
  const int px = X - o.cx, py = Y - o.cy;
  switch (o.shape) {
    case ShapeClass::circle:
      return px * px + py * py <= o.radius * o.radius;
    case ShapeClass::square: {
      const int u = px * cosOf(o.angle) + py * sinOf(o.angle), v = -px * sinOf(o.angle) + py * cosOf(o.angle);
      return std::abs(u) <= 11585 * o.radius && std::abs(v) <= 11585 * o.radius;
    }
    case ShapeClass::triangle:
      for (int k = 0; k < 3; ++k) {
        const int t = o.angle + 20 + 40 * k;
        if (px * sinOf(t) - py * cosOf(t) > 8192 * o.radius) return false;
      }
      return true;
    case ShapeClass::star: {
      int outside = 0;
      for (int k = 0; k < 5; ++k) {
        const int t = o.angle + 24 * k;
        outside += px * sinOf(t) - py * cosOf(t) > 5063 * o.radius;
      }
      return outside <= 1;
    }
  }
  return false;
}

// How many of the pixel's 4 x 4 samples lie inside, 0..16.
int coverage(const Object& o, int x, int y, int unit) {
  // Far outside the circumscribed circle or deep inside the inscribed one (percent of r; a whole pixel of margin) no sample needs a look.
  constexpr std::array inscribed{100, 70, 49, 30};
  const int dx = x * unit + unit / 2 - o.cx, dy = y * unit + unit / 2 - o.cy, d2 = dx * dx + dy * dy;
  const int far = o.radius + unit, near = o.radius * inscribed[static_cast<std::size_t>(o.shape)] / 100 - unit;
  if (d2 > far * far) return 0;
  if (near > 0 && d2 < near * near) return 16;
  int count = 0;
  for (int j = 0; j < 4; ++j) {
    for (int i = 0; i < 4; ++i) count += inside(o, x * unit + unit * (2 * i + 1) / 8, y * unit + unit * (2 * j + 1) / 8);
  }
  return count;
}

struct PixelRange {
  int x0, y0, x1, y1;
};

// The pixels an object's bounding circle can touch.
PixelRange reach(const Object& o, int size) {
  const int unit = 2048 / size;
  auto clampPixel = [&](int value) { return std::clamp(value, 0, size); };
  return {clampPixel((o.cx - o.radius) / unit - 1), clampPixel((o.cy - o.radius) / unit - 1), clampPixel((o.cx + o.radius) / unit + 2),
          clampPixel((o.cy + o.radius) / unit + 2)};
}

int textureOffset(const Scene& scene, const Options& options, int X, int Y) {
  const int P = 7 + scene.scale;
  const int co = scene.orientation == 0   ? X
                 : scene.orientation == 1 ? Y
                 : scene.orientation == 2 ? (X + Y) >> 1
                                          : (X - Y + 2048) >> 1;
  switch (scene.texture) {
    case Texture::plain: return 0;
    case Texture::gradient: return ((co * 48) >> 11) - 24;
    case Texture::checkered: return (((X >> P) + (Y >> P)) & 1) != 0 ? 16 : -16;
    case Texture::striped: return ((co >> P) & 1) != 0 ? 16 : -16;
    case Texture::noisy: {
      const auto cell = static_cast<std::uint32_t>((X >> 6) | ((Y >> 6) << 8));
      const auto words = philox({cell, 2, scene.index, domainOf(options)}, philoxKey(options.seed));
      return static_cast<int>(philoxBounded(words[0], 49)) - 24;
    }
    case Texture::dotted: {
      const int q = 1 << (P + 1), e = X % q - q / 2, f = Y % q - q / 2, radius = 48 << scene.scale;
      return e * e + f * f <= radius * radius ? 20 : -8;
    }
  }
  return 0;
}

struct Raster {
  int size = 0;
  std::vector<std::uint8_t> rgb;      // empty when only boxes are wanted
  std::vector<std::int16_t> front;    // which annotation owns the pixel, -1 = none
};

bool crossesBorder(const Object& o) {
  return o.cx - o.radius < 0 || o.cy - o.radius < 0 || o.cx + o.radius > 2048 || o.cy + o.radius > 2048;
}

// Draw one object: composite its colour, mark its mask and claim the front of those pixels.
void draw(const Object& o, int slot, Raster& raster, std::vector<std::uint8_t>& mask, Annotation& note) {
  const int unit = 2048 / raster.size;
  const PixelRange range = reach(o, raster.size);
  for (int y = range.y0; y < range.y1; ++y) {
    for (int x = range.x0; x < range.x1; ++x) {
      const int c = coverage(o, x, y, unit);
      if (c == 0) continue;
      const std::size_t at = static_cast<std::size_t>(y) * static_cast<std::size_t>(raster.size) + static_cast<std::size_t>(x);
      if (!raster.rgb.empty()) {
        for (std::size_t channel = 0; channel < 3; ++channel) {
          auto& value = raster.rgb[at * 3 + channel];
          value = static_cast<std::uint8_t>((value * (16 - c) + colours[static_cast<std::size_t>(o.colour)][channel] * c + 8) >> 4);
        }
      }
      if (c < 8) continue;
      raster.front[at] = static_cast<std::int16_t>(slot);
      if (mask[at] != 0) continue;
      mask[at] = 1;
      if (note.area++ == 0) {
        note.x0 = x, note.x1 = x + 1, note.y0 = y, note.y1 = y + 1;
      } else {
        note.x0 = std::min(note.x0, x), note.x1 = std::max(note.x1, x + 1);
        note.y0 = std::min(note.y0, y), note.y1 = std::max(note.y1, y + 1);
      }
    }
  }
}

std::vector<Annotation> drawAll(const Scene& scene, Raster& raster, bool keepMasks) {
  const std::size_t size = static_cast<std::size_t>(raster.size), pixels = size * size;
  raster.front.assign(pixels, -1);
  std::vector<Annotation> notes;
  std::vector<std::uint8_t> mask(pixels);
  auto finish = [&](Annotation note) {
    if (keepMasks) {
      for (int y = note.y0; y < note.y1; ++y) {
        const auto* row = mask.data() + static_cast<std::size_t>(y) * size;
        note.mask.insert(note.mask.end(), row + note.x0, row + note.x1);
      }
    }
    notes.push_back(std::move(note));
    std::fill(mask.begin(), mask.end(), std::uint8_t{0});
  };

  // The crowd lies behind everything and is one annotation.
  if (!scene.crowd.empty()) {
    Annotation note;
    note.crowd = true;
    note.classId = static_cast<int>(scene.crowd.front().shape);
    for (const Object& member : scene.crowd) {
      draw(member, 0, raster, mask, note);
      note.truncated = note.truncated || crossesBorder(member);
    }
    finish(std::move(note));
  }
  for (std::size_t j = 0; j < scene.objects.size(); ++j) {
    Annotation note;
    note.object = static_cast<int>(j);
    note.classId = static_cast<int>(scene.objects[j].shape);
    note.truncated = crossesBorder(scene.objects[j]);
    draw(scene.objects[j], static_cast<int>(notes.size()), raster, mask, note);
    finish(std::move(note));
  }

  // Count what is left in front, then drop objects that own no pixel at this size.
  for (const std::int16_t owner : raster.front) {
    if (owner >= 0) ++notes[static_cast<std::size_t>(owner)].visible;
  }
  for (Annotation& note : notes) note.difficult = 4 * note.visible < note.area;
  std::erase_if(notes, [](const Annotation& note) { return note.area == 0; });
  return notes;
}

}  // namespace

std::uint32_t domainOf(const Options& options) {
  return 0x53570000u | static_cast<std::uint32_t>(options.profile) << 8 | static_cast<std::uint32_t>(options.split);
}

Scene makeScene(std::uint32_t index, const Options& options) {
  Scene scene;
  scene.index = index;
  Draws global(options, index, 0), style(options, index, 1);
  const bool dense = options.profile == Profile::dense;

  // Draw the number of objects, the background and its orientation.
  const int wanted = options.profile == Profile::single  ? 1
                     : options.profile == Profile::scene ? 1 + global.bounded(0, 4)
                                                         : 4 + global.bounded(0, 9);
  scene.texture = static_cast<Texture>(options.fixedTexture >= 0 ? options.fixedTexture : global.bounded(1, 6));
  scene.tint = global.bounded(2, 4);
  scene.orientation = style.bounded(0, 4);
  scene.scale = style.bounded(1, 2);

  // Place each object where it keeps its distance from the earlier ones; give up after eight attempts.
  constexpr std::array<std::array<int, 2>, 3> radii{{{112, 97}, {224, 129}, {384, 193}}};
  for (int j = 0; j < wanted; ++j) {
    Draws draws(options, index, static_cast<std::uint32_t>(16 + j));
    Object o;
    o.shape = static_cast<ShapeClass>(options.fixedClass >= 0 ? options.fixedClass : draws.bounded(0, 4));
    o.colour = options.fixedColour >= 0 ? options.fixedColour : draws.bounded(1, 8);
    if (options.holdout && options.split == Split::train && o.colour == (3 * static_cast<int>(o.shape) + 1) % 8) o.colour = (o.colour + 1) % 8;
    if (dense) {
      const int q = draws.bounded(2, 8);
      o.size = q < 4 ? 0 : q < 7 ? 1 : 2;
    } else {
      o.size = draws.bounded(2, 3);
    }
    const auto& [base, span] = radii[static_cast<std::size_t>(o.size)];
    o.radius = base + draws.bounded(3, span);
    const int margin = dense ? o.radius >> 1 : o.radius + 16;
    bool placed = false;
    for (std::uint32_t a = 0; a < 8 && !placed; ++a) {
      o.cx = margin + draws.bounded(4 + 4 * a, 2049 - 2 * margin);
      o.cy = margin + draws.bounded(5 + 4 * a, 2049 - 2 * margin);
      o.angle = draws.bounded(6 + 4 * a, 120);
      placed = std::all_of(scene.objects.begin(), scene.objects.end(), [&](const Object& other) {
        const int dx = o.cx - other.cx, dy = o.cy - other.cy, sum = o.radius + other.radius;
        const int d2 = dx * dx + dy * dy;
        return dense ? 4 * d2 >= sum * sum : 16 * d2 >= 9 * sum * sum;
      });
    }
    if (!placed) {
      ++scene.dropped;
      continue;
    }
    if (options.upright) o.angle = 0;
    scene.objects.push_back(o);
  }

  // Perhaps add a crowd: eight equal shapes on a ring.
  if (options.crowd && dense) {
    Draws draws(options, index, 8);
    if (draws.bounded(0, 8) == 0) {
      const int cx = 400 + draws.bounded(3, 1249), cy = 400 + draws.bounded(4, 1249);
      for (int k = 0; k < 8; ++k) {
        Object o;
        o.shape = static_cast<ShapeClass>(options.fixedClass >= 0 ? options.fixedClass : draws.bounded(1, 4));
        o.colour = options.fixedColour >= 0 ? options.fixedColour : draws.bounded(2, 8);
        o.radius = 80 + draws.bounded(static_cast<std::uint32_t>(5 + k), 33);
        o.angle = options.upright ? 0 : draws.bounded(static_cast<std::uint32_t>(13 + k), 120);
        o.cx = cx + ((220 * cosOf(15 * k)) >> 14);
        o.cy = cy + ((220 * sinOf(15 * k)) >> 14);
        scene.crowd.push_back(o);
      }
    }
  }
  Draws caption(options, index, 64);
  scene.caption = captionOf(scene, options.templates, [&](int n) { return caption.bounded(0, n); });
  return scene;
}

Picture render(const Scene& scene, int size, const Options& options) {
  Picture picture;
  picture.size = size;
  const int unit = 2048 / size;
  Raster raster;
  raster.size = size;

  // Paint the background: tint plus texture at the pixel's centre.
  raster.rgb.reserve(static_cast<std::size_t>(size * size * 3));
  const auto& tint = tints[static_cast<std::size_t>(scene.tint)];
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const int offset = textureOffset(scene, options, x * unit + unit / 2, y * unit + unit / 2);
      for (const int channel : tint) raster.rgb.push_back(static_cast<std::uint8_t>(std::clamp(channel + offset, 0, 255)));
    }
  }
  picture.annotations = drawAll(scene, raster, true);
  picture.rgb = std::move(raster.rgb);
  return picture;
}

std::vector<Annotation> annotate(const Scene& scene, int size) {
  Raster raster;
  raster.size = size;
  return drawAll(scene, raster, false);
}

}  // namespace orrery::shapeworld
