// ShapeWorld v1 (vision data set of this project; see shapeworld_raster.h for the table): background = tint + texture offset at the pixel's
// centre, then per object, from back to front, out = (bg (16 - c) + fg c + 8) >> 4 with c of 4 x 4 samples inside. A mask's pixel has c
// >= 8. Inside at p = sample - centre: circle |p|^2 <= r^2; square |u|, |v| <= 11585 r in the turned frame; triangle n.p <= 8192 r for
// three normals; star n.p > 5063 r for at most one of five. Everything is integer arithmetic that fits int32, so results are equal to the
// bit.

#include "core/kernels/shapeworld_raster.h"

#include <array>
#include <cmath>
#include <cstdlib>
#include <numbers>

#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"

namespace orrery::kernels {

namespace {

constexpr std::int64_t headWords = 8, objectWords = 4, preparedWords = 12;
constexpr std::uint32_t imagesOut = 0, pixelsOut = 1, ownersOut = 2;

Tensor raster(gpu::Stream& stream, const Tensor& scenes, int size, std::uint32_t output) {
  assert(scenes.dtype() == DType::u32 && scenes.shape().rank() == 2 && scenes.shape()[1] >= headWords &&
         scenes.shape()[1] % objectWords == 0);
  assert(size >= 8 && size <= 256 && (size & (size - 1)) == 0 && scenes.shape()[0] <= 65535);
  const std::int64_t batch = scenes.shape()[0];
  Tensor result = output == imagesOut ? Tensor(Shape{batch, 3, size, size}) : Tensor(Shape{batch, size, size}, DType::u32);
  if (result.empty()) return result;
  const std::int64_t capacity = (scenes.shape()[1] - headWords) / objectWords;
  const auto unit = static_cast<std::uint32_t>(2048 / size), places = static_cast<std::uint32_t>(capacity);

  // Look up once per object what every pixel needs of it. A table without objects still binds a buffer.
  Tensor objects(Shape{std::max<std::int64_t>(batch * capacity, 1), preparedWords}, DType::u32);
  const struct { std::uint32_t count, unit, capacity; } prepare{static_cast<std::uint32_t>(batch * capacity), unit, places};
  stream.dispatch("kernels/shapeworld_prepare",
                  {{scenes.device(stream), gpu::Access::read}, {objects.deviceForWriting(stream), gpu::Access::write}}, prepare,
                  {static_cast<std::uint32_t>((batch * capacity + 63) / 64), 1, 1});
  const struct { std::uint32_t size, unit, capacity; } push{static_cast<std::uint32_t>(size), unit, places};
  stream.dispatch("kernels/shapeworld_raster",
                  {{scenes.device(stream), gpu::Access::read},
                   {objects.device(stream), gpu::Access::read},
                   {result.deviceForWriting(stream), gpu::Access::write}},
                  push, {static_cast<std::uint32_t>((size * size + 63) / 64), static_cast<std::uint32_t>(batch), 1}, {output});
  return result;
}

}  // namespace

Tensor shapeWorldImages(gpu::Stream& stream, const Tensor& scenes, int size) { return raster(stream, scenes, size, imagesOut); }
Tensor shapeWorldPixels(gpu::Stream& stream, const Tensor& scenes, int size) { return raster(stream, scenes, size, pixelsOut); }
Tensor shapeWorldOwners(gpu::Stream& stream, const Tensor& scenes, int size) { return raster(stream, scenes, size, ownersOut); }

namespace {

// The reference: the formulas as written, every sample of every object, no shortcuts.

int cosineOf(int k) { return static_cast<int>(std::floor(16384 * std::cos((k % 120) * std::numbers::pi / 60) + 0.5)); }
int sineOf(int k) { return cosineOf(k + 90); }

bool inside(std::uint32_t shape, int angle, int r, int px, int py) {
  const auto along = [&](int t) { return px * sineOf(t) - py * cosineOf(t); };
  if (shape == 0) return px * px + py * py <= r * r;
  if (shape == 1) {
    const int u = px * cosineOf(angle) + py * sineOf(angle), v = -px * sineOf(angle) + py * cosineOf(angle);
    return std::abs(u) <= 11585 * r && std::abs(v) <= 11585 * r;
  }
  int outside = 0;
  if (shape == 2) {
    for (int k = 0; k < 3; ++k) outside += along(angle + 20 + 40 * k) > 8192 * r;
    return outside == 0;
  }
  for (int k = 0; k < 5; ++k) outside += along(angle + 24 * k) > 5063 * r;
  return outside <= 1;
}

int textureAt(std::span<const std::uint32_t> row, int X, int Y) {
  const int P = 7 + static_cast<int>(row[3]);
  const std::array<int, 4> coordinates{X, Y, (X + Y) >> 1, (X - Y + 2048) >> 1};
  const int co = coordinates[row[2]];
  switch (row[0]) {
    case 1:
      return ((co * 48) >> 11) - 24;
    case 2:
      return (((X >> P) + (Y >> P)) & 1) != 0 ? 16 : -16;
    case 3:
      return ((co >> P) & 1) != 0 ? 16 : -16;
    case 4:
      return static_cast<int>(philoxBounded(
                 philox({static_cast<std::uint32_t>((X >> 6) | ((Y >> 6) << 8)), 2, row[4], row[5]}, {row[6], row[7]})[0], 49)) -
             24;
    case 5: {
      const int q = 1 << (P + 1), e = X % q - q / 2, f = Y % q - q / 2, radius = 48 << row[3];
      return e * e + f * f <= radius * radius ? 20 : -8;
    }
    default:
      return 0;
  }
}

struct Reference {
  std::vector<std::uint32_t> pixels, owners;
  std::vector<double> images;
};

Reference reference(const std::vector<std::uint32_t>& table, std::int64_t batch, int size) {
  constexpr std::array<std::array<int, 3>, 8> colours{
      {{220, 50, 47}, {240, 140, 30}, {235, 215, 50}, {60, 170, 70}, {40, 190, 200}, {50, 90, 210}, {150, 70, 190}, {240, 240, 240}}};
  constexpr std::array<std::array<int, 3>, 4> tints{{{72, 80, 92}, {96, 78, 70}, {74, 88, 70}, {48, 50, 64}}};
  const std::size_t width = table.size() / static_cast<std::size_t>(batch),
                    area = static_cast<std::size_t>(size) * static_cast<std::size_t>(size);
  const int unit = 2048 / size;
  Reference out;
  out.images.resize(static_cast<std::size_t>(batch) * 3 * area);
  for (std::size_t scene = 0; scene < static_cast<std::size_t>(batch); ++scene) {
    const std::span row(table.data() + scene * width, width);
    for (int y = 0; y < size; ++y) {
      for (int x = 0; x < size; ++x) {
        const int offset = textureAt(row, x * unit + unit / 2, y * unit + unit / 2);
        std::array<int, 3> colour = tints[row[1]];
        for (int& v : colour) v = std::clamp(v + offset, 0, 255);
        std::uint32_t owner = 0;
        for (std::size_t at = headWords; at < width && row[at + 1] != 0; at += objectWords) {
          int covered = 0;
          for (int j = 0; j < 4; ++j) {
            for (int i = 0; i < 4; ++i) {
              covered += inside(row[at] & 255, static_cast<int>(row[at] >> 16), static_cast<int>(row[at + 1]),
                                x * unit + unit * (2 * i + 1) / 8 - static_cast<int>(row[at + 2]),
                                y * unit + unit * (2 * j + 1) / 8 - static_cast<int>(row[at + 3]));
            }
          }
          for (std::size_t c = 0; c < 3; ++c) colour[c] = (colour[c] * (16 - covered) + colours[row[at] >> 8 & 255][c] * covered + 8) >> 4;
          if (covered >= 8) owner = static_cast<std::uint32_t>((at - headWords) / objectWords) + 1;
        }
        const std::size_t pixel = static_cast<std::size_t>(y) * static_cast<std::size_t>(size) + static_cast<std::size_t>(x);
        out.pixels.push_back(static_cast<std::uint32_t>(colour[0] | colour[1] << 8 | colour[2] << 16) | 0xFF000000u);
        out.owners.push_back(owner);
        for (std::size_t c = 0; c < 3; ++c) out.images[(scene * 3 + c) * area + pixel] = (2.0 * colour[c] - 255) / 255;
      }
    }
  }
  return out;
}

// Scenes with every texture, class, colour and angle, some objects beyond the border; the last places of a row stay empty.
std::vector<std::uint32_t> testTable(std::int64_t batch, std::int64_t capacity, std::uint32_t seed) {
  std::vector<std::uint32_t> table, draws = testWords(batch * (8 + 8 * capacity), seed);
  std::size_t next = 0;
  const auto bounded = [&](std::uint32_t K) { return philoxBounded(draws[next++], K); };
  for (std::int64_t scene = 0; scene < batch; ++scene) {
    for (const std::uint32_t K : {6u, 4u, 4u, 2u}) table.push_back(bounded(K));
    table.insert(table.end(), {static_cast<std::uint32_t>(scene), 0x53570000u, seed, 0});
    const std::int64_t filled = capacity - (capacity > 1 ? bounded(2) : 0);
    for (std::int64_t o = 0; o < capacity; ++o) {
      const std::uint32_t kind = bounded(4) | bounded(8) << 8 | bounded(120) << 16, r = 80 + bounded(500), cx = bounded(2049),
                          cy = bounded(2049);
      table.insert(table.end(), {o < filled ? kind : 0, o < filled ? r : 0, o < filled ? cx : 0, o < filled ? cy : 0});
    }
  }
  return table;
}

std::vector<CheckCase> checks(gpu::Device&) {
  struct Problem {
    std::int64_t batch, capacity;
    int size;
  };
  std::vector<CheckCase> cases;
  for (const Problem& p : {Problem{12, 5, 32}, Problem{5, 12, 64}, Problem{3, 20, 128}, Problem{7, 1, 8}, Problem{2, 0, 16}}) {
    const std::string name = " of " + std::to_string(p.batch) + " scenes, " + std::to_string(p.size) + " px";
    const auto table = testTable(p.batch, p.capacity, 11);
    const auto scenes = [p, table] { return Tensor::from(Shape{p.batch, headWords + objectWords * p.capacity}, table); };
    // Integers: equal to the bit.
    cases.push_back({"pixels" + name, 0, [=](gpu::Stream& stream) {
                       return compareExactly(shapeWorldPixels(stream, scenes(), p.size), reference(table, p.batch, p.size).pixels);
                     }});
    cases.push_back({"owners" + name, 0, [=](gpu::Stream& stream) {
                       return compareExactly(shapeWorldOwners(stream, scenes(), p.size), reference(table, p.batch, p.size).owners);
                     }});
    // Two roundings of f32, of 1 / 255 and of the product: 2^-24 each.
    cases.push_back({"images" + name, 1.2e-7, [=](gpu::Stream& stream) {
                       return compare(shapeWorldImages(stream, scenes(), p.size), reference(table, p.batch, p.size).images);
                     }});
  }
  return cases;
}

std::vector<BenchCase> benches(gpu::Device&) {
  struct Problem {
    std::int64_t batch, capacity;
    int size;
  };
  std::vector<BenchCase> cases;
  for (const Problem& p : {Problem{64, 1, 32}, Problem{64, 4, 64}, Problem{32, 12, 128}}) {
    const double pixels = static_cast<double>(p.batch) * p.size * p.size;
    // Per pixel and object the distance test (10 operations), and 16 samples of 4 planes at the edge (a tenth of the pixels, 150
    // operations).
    cases.push_back(
        {std::to_string(p.batch) + " x " + std::to_string(p.size) + "^2, " + std::to_string(p.capacity) + " objects", "",
         pixels * (20 + 25.0 * static_cast<double>(p.capacity)), 12 * pixels, true, [p](gpu::Stream& stream) {
           const Tensor scenes = Tensor::from(Shape{p.batch, headWords + objectWords * p.capacity}, testTable(p.batch, p.capacity, 3));
           scenes.device(stream);
           return [scenes, p](gpu::Stream& s) { shapeWorldImages(s, scenes, p.size); };
         }});
  }
  return cases;
}

const Registration<Kernel> registration{{"shapeworld_raster", "ShapeWorld scenes to pixels, equal to the bit", checks, benches}};

}  // namespace
}  // namespace orrery::kernels
