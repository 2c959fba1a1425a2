// Points, bundles and images straight from tensors, and text.
#include <limits>

#include "core/figure/fonts.h"
#include "tests/render/scene.h"

using namespace orrery;
using namespace orrery::testing;

namespace {

constexpr float notANumber = std::numeric_limits<float>::quiet_NaN();

double darkest(const render::Pixels& pixels, int& x, int& y) {
  double best = 0, sumX = 0, sumY = 0;
  for (int j = 0; j < pixels.height; ++j) {
    for (int i = 0; i < pixels.width; ++i) {
      const double ink = (255 - at(pixels, i, j).r) / 255.0;
      best += ink;
      sumX += ink * (i + 0.5);
      sumY += ink * (j + 0.5);
    }
  }
  x = static_cast<int>(std::lround(sumX / best * 100));
  y = static_cast<int>(std::lround(sumY / best * 100));
  return best;
}

Rgba sampled(ColorMap map, float position) {
  const Color c = sample(map, position);
  return {static_cast<int>(std::lround(c.r * 255)), static_cast<int>(std::lround(c.g * 255)), static_cast<int>(std::lround(c.b * 255)),
          255};
}

}  // namespace

TEST_CASE("a point lies at its data position with the area of its shape") {
  render::Renderer renderer(sharedDevice());
  const double r = 6;
  const double line = r / 3;  // width of ring and cross
  const std::pair<PointShape, double> shapes[] = {{PointShape::disc, 3.14159265 * r * r},
                                                  {PointShape::ring, 3.14159265 * (r * r - (r - line) * (r - line))},
                                                  {PointShape::square, 4 * r * r},
                                                  {PointShape::diamond, 2 * r * r},
                                                  {PointShape::cross, 4 * r * line - 2 * line * line}};  // arms with pointed ends
  for (const auto& [shape, area] : shapes) {
    DisplayList list = blank(100, 80);
    PointItem item;
    item.xy = Tensor::from(Shape{1, 2}, {2.0f, 100.0f});
    item.transform = {10, 5.25, -20, 65.5, false, true};  // y = 65.5 - 20 log10(100) = 25.5
    item.clip = {0, 0, 100, 80};
    item.shape = shape;
    item.radius = static_cast<float>(r);
    item.color = black;
    list.items.push_back(item);
    int x = 0, y = 0;
    const double ink = darkest(renderer.draw(list), x, y);
    INFO("shape " << static_cast<int>(shape));
    // The distance function rounds corners within half a pixel: below 5 % of these areas.
    CHECK(ink == Approx(area).epsilon(0.05));
    // Hundredths of a pixel: the centre of gravity is exact up to the rounding of about 40 edge pixels.
    CHECK(std::abs(x - 2525) <= 10);
    CHECK(std::abs(y - 2550) <= 10);
  }
  requireNoValidationMessage();
}

TEST_CASE("points that are NaN, infinite, outside of a log axis or of the clip are not drawn") {
  render::Renderer renderer(sharedDevice());
  DisplayList list = blank(60, 60);
  PointItem item;
  const float inf = std::numeric_limits<float>::infinity();
  item.xy = Tensor::from(Shape{7, 2}, {notANumber, 1.0f, 1.0f, notANumber, inf, 1.0f, 1.0f, -3.0f, 1e30f, 1.0f, 50.0f, 1.0f, 20.0f, 1.0f});
  item.transform = {1, 0, 1, 30, false, true};
  item.clip = {10, 10, 30, 40};
  item.radius = 3;
  item.color = black;
  list.items.push_back(item);
  const auto pixels = renderer.draw(list);
  CHECK(inkIn(pixels, 17, 27, 24, 34) == Approx(28.3).epsilon(0.05));  // pi r^2
  CHECK(inkIn(pixels, 0, 0, 60, 60) == Approx(inkIn(pixels, 17, 27, 24, 34)));
}

TEST_CASE("points are coloured through the map, and NaN stays transparent") {
  render::Renderer renderer(sharedDevice());
  DisplayList list = blank(80, 20);
  PointItem item;
  item.xy = Tensor::from(Shape{3, 2}, {10.5f, 10.5f, 30.5f, 10.5f, 50.5f, 10.5f});
  item.clip = {0, 0, 80, 20};
  item.radius = 4;
  item.color = black;
  item.scalar = Tensor::from(Shape{3}, {2.0f, 3.5f, notANumber});
  item.map = ColorMap::magma;
  item.low = 2;
  item.high = 4;
  list.items.push_back(item);
  const auto pixels = renderer.draw(list);
  CHECK(isNear(at(pixels, 10, 10), sampled(ColorMap::magma, 0), 0));
  CHECK(isNear(at(pixels, 30, 10), sampled(ColorMap::magma, 0.75f), 0));
  CHECK(isNear(at(pixels, 50, 10), {255, 255, 255, 255}, 0));
}

TEST_CASE("the cells of a heat map have exactly the colours of sample()") {
  render::Renderer renderer(sharedDevice());
  std::vector<float> values;
  for (int i = 0; i < 35; ++i) values.push_back(static_cast<float>(i) * 0.03f - 0.02f);  // also below and above the range
  values[17] = notANumber;
  for (const ColorMap map : {ColorMap::viridis, ColorMap::diverging, ColorMap::gray, ColorMap::cyclic}) {
    for (const bool flipped : {false, true}) {
      DisplayList list = blank(80, 60);
      ImageItem item;
      item.to = {5, 5, 70, 50};
      item.data = Tensor::from(Shape{5, 7}, values);
      item.map = map;
      item.flipped = flipped;
      list.items.push_back(item);
      const auto pixels = renderer.draw(list);
      int wrong = 0;
      for (int y = 5; y < 55; ++y) {
        for (int x = 5; x < 75; ++x) {
          const int row = (y - 5) / 10, column = (x - 5) / 10;
          const float value = values[static_cast<std::size_t>((flipped ? 4 - row : row) * 7 + column)];
          const Rgba expected = std::isnan(value) ? Rgba{255, 255, 255, 255} : sampled(map, value);
          if (!isNear(at(pixels, x, y), expected, 0)) ++wrong;
        }
      }
      CHECK(wrong == 0);
      CHECK(isNear(at(pixels, 4, 30), {255, 255, 255, 255}, 0));
      CHECK(isNear(at(pixels, 75, 30), {255, 255, 255, 255}, 0));
    }
  }
}

TEST_CASE("an image of more cells than pixels shows the cell under each pixel's centre") {
  render::Renderer renderer(sharedDevice());
  std::vector<float> values(300 * 210);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>((i * 7919) % 1009) / 1008;
  DisplayList list = blank(100, 70);
  ImageItem item;
  item.to = {0, 0, 100, 70};
  item.data = Tensor::from(Shape{210, 300}, values);
  list.items.push_back(item);
  const auto pixels = renderer.draw(list);
  int wrong = 0;
  for (int y = 0; y < 70; ++y) {
    for (int x = 0; x < 100; ++x) {
      const float value = values[static_cast<std::size_t>((3 * y + 1) * 300 + 3 * x + 1)];
      if (!isNear(at(pixels, x, y), sampled(ColorMap::viridis, value), 0)) ++wrong;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("an image is coloured anew when its values, its range or its map change") {
  render::Renderer renderer(sharedDevice());
  DisplayList list = blank(40, 40);
  ImageItem item;
  item.to = {0, 0, 20, 20};
  item.data = Tensor::from(Shape{1, 1}, {0.25f});
  list.items.push_back(item);
  item.to = {20, 20, 20, 20};
  item.data = Tensor::from(Shape{1, 1}, {0.75f});
  list.items.push_back(item);
  auto& first = std::get<ImageItem>(list.items[0]);
  for (int frame = 0; frame < 8; ++frame) {
    const float value = 0.1f * static_cast<float>(frame);
    first.data.asMutable<float>()[0] = value;
    const auto pixels = renderer.draw(list);
    CHECK(isNear(at(pixels, 5, 5), sampled(ColorMap::viridis, value), 0));
    CHECK(isNear(at(pixels, 25, 25), sampled(ColorMap::viridis, 0.75f), 0));
  }
  first.high = 1.4;
  CHECK(isNear(at(renderer.draw(list), 5, 5), sampled(ColorMap::viridis, 0.5f), 3));  // 0.7 / 1.4 lies on a boundary of the table
  first.high = 1;
  first.map = ColorMap::magma;
  CHECK(isNear(at(renderer.draw(list), 5, 5), sampled(ColorMap::magma, 0.7f), 0));
  requireNoValidationMessage();
}

TEST_CASE("an image on a log scale, smooth, faint by value, or of colours") {
  render::Renderer renderer(sharedDevice());
  DisplayList list = blank(120, 40);
  ImageItem item;
  item.data = Tensor::from(Shape{1, 3}, {0.0f, 0.1f, 10.0f});
  item.to = {0, 0, 30, 10};
  item.low = 0.001;
  item.high = 10;
  item.logScale = true;
  list.items.push_back(item);
  ImageItem smooth;
  smooth.data = Tensor::from(Shape{1, 2}, {0.0f, 1.0f});
  smooth.to = {40, 0, 40, 10};
  smooth.smooth = true;
  smooth.map = ColorMap::gray;
  list.items.push_back(smooth);
  ImageItem faint;
  faint.data = Tensor::from(Shape{1, 2}, {0.25f, 1.0f});
  faint.to = {0, 20, 20, 10};
  faint.map = ColorMap::gray;
  faint.alphaFromValue = true;
  faint.alpha = 0.8f;
  list.items.push_back(faint);
  ImageItem colors;
  colors.data = Tensor::from(Shape{1, 2, 4}, std::vector<std::uint8_t>{255, 0, 0, 255, 10, 20, 30, 128});
  colors.to = {40, 20, 20, 10};
  list.items.push_back(colors);
  const auto pixels = renderer.draw(list);
  CHECK(isNear(at(pixels, 5, 5), sampled(ColorMap::viridis, 0), 0));
  CHECK(isNear(at(pixels, 15, 5), sampled(ColorMap::viridis, 0.5f), 3));  // one table entry: log2 in single precision at a boundary
  CHECK(isNear(at(pixels, 25, 5), sampled(ColorMap::viridis, 1), 0));
  CHECK(isNear(at(pixels, 41, 5), {0, 0, 0, 255}, 0));        // beyond the centre of the first cell
  CHECK(isNear(at(pixels, 60, 5), {134, 134, 134, 255}, 1));  // 0.525 of the way from centre to centre
  CHECK(isNear(at(pixels, 5, 25), {216, 216, 216, 255}, 2));  // gray 64 at alpha 0.2 on white
  CHECK(isNear(at(pixels, 15, 25), {255, 255, 255, 255}, 1));
  CHECK(isNear(at(pixels, 45, 25), {255, 0, 0, 255}, 0));
  CHECK(isNear(at(pixels, 55, 25), {132, 137, 142, 255}, 2));
  requireNoValidationMessage();
}

TEST_CASE("the lines of a bundle are as wide as they say, fade with age and break at NaN") {
  render::Renderer renderer(sharedDevice());
  for (const float width : {1.0f, 4.0f}) {
    DisplayList list = blank(120, 100);
    BundleItem item;
    // Three lines of 4 steps: straight, bent, and with a NaN.
    std::vector<float> xy;
    const float lines[3][4][2] = {{{10, 10.5f}, {40, 10.5f}, {70, 10.5f}, {100, 10.5f}},
                                  {{10, 30}, {40, 50}, {70, 30}, {100, 50}},
                                  {{10, 80.5f}, {notANumber, notANumber}, {70, 80.5f}, {100, 80.5f}}};
    for (int step = 0; step < 4; ++step) {
      for (const auto& line : lines) xy.insert(xy.end(), {line[step][0], line[step][1]});
    }
    item.xy = Tensor::from(Shape{4, 3, 2}, xy);
    item.stepCount = 4;
    item.clip = {0, 0, 120, 100};
    item.width = width;
    item.color = black;
    list.items.push_back(item);
    auto pixels = renderer.draw(list);
    INFO("width " << width);
    CHECK(inkIn(pixels, 0, 0, 120, 20) == Approx(90 * width).epsilon(0.02));
    // 5 %: native lines leave out the outer corner of a bend.
    CHECK(inkIn(pixels, 0, 20, 120, 60) == Approx(3 * std::hypot(30, 20) * width).epsilon(0.05));
    CHECK(inkIn(pixels, 0, 70, 120, 100) == Approx(30 * width).epsilon(0.03));

    std::get<BundleItem>(list.items[0]).fade = true;
    std::get<BundleItem>(list.items[0]).scalar = Tensor::from(Shape{3}, {1.0f, 0.0f, 0.5f});
    pixels = renderer.draw(list);
    CHECK(isNear(at(pixels, 25, 10), {170, 170, 170, 255}, 2));  // the oldest of three segments: alpha 1/3
    CHECK(isNear(at(pixels, 85, 10), {0, 0, 0, 255}, 2));
    CHECK(inkIn(pixels, 0, 20, 120, 60) == 0);
    CHECK(isNear(at(pixels, 85, 80), {127, 127, 127, 255}, 2));

    // Only the last two steps.
    std::get<BundleItem>(list.items[0]).fade = false;
    std::get<BundleItem>(list.items[0]).firstStep = 2;
    std::get<BundleItem>(list.items[0]).stepCount = 2;
    pixels = renderer.draw(list);
    CHECK(inkIn(pixels, 0, 0, 69, 20) == 0);
    CHECK(inkIn(pixels, 0, 0, 120, 20) == Approx(30 * width).epsilon(0.03));
  }
  requireNoValidationMessage();
}

TEST_CASE("text leaves its ink where it was measured") {
  render::Renderer renderer(sharedDevice());
  const Fonts& fonts = Fonts::shared();
  const TextStyle style{24, Weight::semibold, false};
  const float width = fonts.width("HILLE", style);
  const auto box = [](const render::Pixels& pixels) {
    std::array<int, 4> b{10000, 10000, -1, -1};
    for (int y = 0; y < pixels.height; ++y) {
      for (int x = 0; x < pixels.width; ++x) {
        if (at(pixels, x, y).r > 127) continue;
        b = {std::min(b[0], x), std::min(b[1], y), std::max(b[2], x + 1), std::max(b[3], y + 1)};
      }
    }
    return b;
  };
  const auto drawn = [&](HAlign h, VAlign v, float angle) {
    DisplayList list = blank(300, 300);
    list.items.push_back(GlyphItem{"HILLE", {150, 150}, h, v, style, black, angle});
    return box(renderer.draw(list));
  };
  // 3 px: side bearings of H and E at this size; capitals are 0.73 em high in Inter and DejaVu alike.
  const auto left = drawn(HAlign::left, VAlign::baseline, 0);
  CHECK(std::abs(left[0] - 150) <= 3);
  CHECK(std::abs(static_cast<float>(left[2]) - (150 + width)) <= 3);
  CHECK(left[3] == 150);
  CHECK(std::abs(left[3] - left[1] - 17.5) <= 1.5);
  const auto right = drawn(HAlign::right, VAlign::top, 0);
  CHECK(std::abs(right[2] - 150) <= 3);
  CHECK(std::abs(static_cast<float>(right[3]) - (150 + fonts.ascent(style))) <= 1);
  const auto up = drawn(HAlign::left, VAlign::baseline, 90);
  CHECK(up[2] == 150);
  CHECK(std::abs(static_cast<float>(up[1]) - (150 - width)) <= 3);
  CHECK(std::abs(up[3] - 150) <= 3);
  // A quarter turn moves the same pixels: as much ink, and as high as it was wide.
  CHECK(up[3] - up[1] == left[2] - left[0]);
  const auto middle = drawn(HAlign::center, VAlign::middle, 0);
  CHECK(std::abs(middle[0] + middle[2] - 300) <= 3);
  requireNoValidationMessage();
}

TEST_CASE("a thousand different glyph sizes fit, and text far outside costs nothing") {
  render::Renderer renderer(sharedDevice());
  DisplayList list = blank(600, 400);
  for (int i = 0; i < 300; ++i) {
    list.items.push_back(GlyphItem{"Orrery 0123456789",
                                   {10, 10 + static_cast<float>(i)},
                                   HAlign::left,
                                   VAlign::baseline,
                                   TextStyle{8 + static_cast<float>(i) * 0.1f},
                                   {0, 0, 0, 0.1f},
                                   0});
    list.items.push_back(GlyphItem{"far", {1e7f, 1e7f}, HAlign::left, VAlign::baseline, TextStyle{}, black, 0});
  }
  CHECK(inkIn(renderer.draw(list), 0, 0, 600, 400) > 1000);
  requireNoValidationMessage();
}

TEST_CASE("the same list gives the same bytes") {
  render::Renderer renderer(sharedDevice());
  DisplayList list = blank(64, 64);
  list.items.push_back(GlyphItem{"x = −1.284", {4, 20}, HAlign::left, VAlign::baseline, TextStyle{}, black, 0});
  PointItem points;
  std::vector<float> xy;
  for (int i = 0; i < 2000; ++i) xy.push_back(static_cast<float>((i * 7919) % 640) / 10);
  points.xy = Tensor::from(Shape{1000, 2}, xy);
  points.clip = {0, 0, 64, 64};
  points.color = {0.2f, 0.4f, 0.9f, 0.5f};
  list.items.push_back(points);
  const auto first = renderer.draw(list), second = renderer.draw(list);
  CHECK(first.rgba == second.rgba);
}

TEST_CASE("a renderer on a new device draws the same tensors") {
  DisplayList list = blank(40, 40);
  ImageItem item;
  item.to = {0, 0, 40, 40};
  item.data = Tensor::from(Shape{2, 2}, {0.0f, 0.25f, 0.5f, 1.0f});
  list.items.push_back(item);
  const auto first = [&] {
    auto device = gpu::Device::open({-1, true});
    REQUIRE(device);
    render::Renderer renderer(*device);
    return renderer.draw(list).rgba;
  }();
  auto device = gpu::Device::open({-1, true});
  REQUIRE(device);
  render::Renderer renderer(*device);
  CHECK(renderer.draw(list).rgba == first);
  (*device)->injectDeviceLost(1);
  CHECK_THROWS_AS(renderer.draw(list), gpu::DeviceLost);
}
