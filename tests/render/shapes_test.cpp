// Filled areas and lines: what covers a pixel exactly must colour it exactly.
#include <limits>

#include "tests/render/scene.h"

using namespace orrery;
using namespace orrery::testing;

namespace {

PathItem filled(std::vector<Vec2> outline, Color color = black) {
  PathItem item;
  item.lines = {std::move(outline)};
  item.closed = true;
  item.hasFill = true;
  item.fill = color;
  return item;
}

PathItem stroked(std::vector<Vec2> points, float width, Color color = black) {
  PathItem item;
  item.lines = {std::move(points)};
  item.hasStroke = true;
  item.stroke = {color, width, {}};
  return item;
}

std::vector<Vec2> rectangle(float x, float y, float w, float h) { return {{x, y}, {x + w, y}, {x + w, y + h}, {x, y + h}}; }

}  // namespace

TEST_CASE("a rectangle on whole pixels covers them exactly and nothing else") {
  render::Renderer renderer(sharedDevice());
  DisplayList list = blank(40, 30);
  list.items.push_back(filled(rectangle(5, 6, 10, 8), {1, 0, 0, 1}));
  const auto pixels = renderer.draw(list);
  REQUIRE(pixels.width == 40);
  REQUIRE(pixels.height == 30);
  int wrong = 0;
  for (int y = 0; y < 30; ++y) {
    for (int x = 0; x < 40; ++x) {
      const bool inside = x >= 5 && x < 15 && y >= 6 && y < 14;
      const Rgba p = at(pixels, x, y);
      if (p.r != 255 || p.g != (inside ? 0 : 255) || p.b != (inside ? 0 : 255) || p.a != 255) ++wrong;
    }
  }
  CHECK(wrong == 0);
  requireNoValidationMessage();
}

TEST_CASE("an edge through the middle of a pixel covers half of it, a corner a quarter") {
  render::Renderer renderer(sharedDevice());
  DisplayList list = blank(40, 30);
  list.items.push_back(filled(rectangle(5.5f, 6.5f, 10, 8)));
  const auto pixels = renderer.draw(list);
  // 2 levels: the coverage is rounded to 8 bits, and so is the blended result.
  CHECK(isNear(at(pixels, 5, 10), {127, 127, 127, 255}, 2));
  CHECK(isNear(at(pixels, 15, 10), {127, 127, 127, 255}, 2));
  CHECK(isNear(at(pixels, 10, 6), {127, 127, 127, 255}, 2));
  CHECK(isNear(at(pixels, 5, 6), {191, 191, 191, 255}, 2));
  CHECK(isNear(at(pixels, 10, 10), {0, 0, 0, 255}, 0));
  CHECK(isNear(at(pixels, 4, 10), {255, 255, 255, 255}, 0));
}

TEST_CASE("any polygon leaves as much ink as its area") {
  render::Renderer renderer(sharedDevice());
  DisplayList triangle = blank(100, 100);
  triangle.items.push_back(filled({{10.3f, 12.7f}, {83.1f, 31.9f}, {27.4f, 88.2f}}));
  const double area = 0.5 * std::abs((83.1 - 10.3) * (88.2 - 12.7) - (27.4 - 10.3) * (31.9 - 12.7));
  // Each of about 260 edge pixels is rounded to 1/255 twice: the errors are far below 0.1 % of the area together.
  CHECK(inkIn(renderer.draw(triangle), 0, 0, 100, 100) == Approx(area).epsilon(0.001));

  DisplayList star = blank(100, 100);  // not convex; its points lie on two circles
  std::vector<Vec2> outline;
  for (int i = 0; i < 10; ++i) {
    const float radius = i % 2 ? 15.0f : 40.0f, angle = static_cast<float>(i) * 0.6283185f;
    outline.push_back({50 + radius * std::sin(angle), 50 - radius * std::cos(angle)});
  }
  star.items.push_back(filled(outline));
  const double starArea = 10 * 0.5 * 15 * 40 * std::sin(0.6283185);
  CHECK(inkIn(renderer.draw(star), 0, 0, 100, 100) == Approx(starArea).epsilon(0.001));

  DisplayList ring = blank(100, 100);  // even-odd: the inner square is a hole
  PathItem item = filled(rectangle(10, 10, 60, 60));
  item.lines.push_back(rectangle(30, 30, 20, 20));
  ring.items.push_back(item);
  const auto pixels = renderer.draw(ring);
  CHECK(isNear(at(pixels, 40, 40), {255, 255, 255, 255}, 0));
  CHECK(inkIn(pixels, 0, 0, 100, 100) == Approx(3600 - 400).epsilon(1e-6));
}

TEST_CASE("rounded corners take their area away") {
  render::Renderer renderer(sharedDevice());
  DisplayList list = blank(100, 80);
  PathItem item = filled(rectangle(10, 10, 80, 60));
  item.cornerRadius = 12;
  list.items.push_back(item);
  const auto pixels = renderer.draw(list);
  const double area = 80 * 60 - (4 - 3.14159265) * 144;
  CHECK(inkIn(pixels, 0, 0, 100, 80) == Approx(area).epsilon(0.001));
  CHECK(isNear(at(pixels, 10, 10), {255, 255, 255, 255}, 0));
  CHECK(isNear(at(pixels, 50, 10), {0, 0, 0, 255}, 0));
}

TEST_CASE("a line is as wide as it says in every direction") {
  render::Renderer renderer(sharedDevice());
  for (const float width : {0.5f, 1.0f, 2.5f, 6.0f}) {
    for (const auto& [dx, dy] : {std::pair{60.0f, 0.0f}, {0.0f, 60.0f}, {36.0f, 48.0f}, {-55.0f, 24.0f}, {59.0f, 7.0f}}) {
      DisplayList list = blank(160, 160);
      list.items.push_back(stroked({{80.3f - dx / 2, 80.6f - dy / 2}, {80.3f + dx / 2, 80.6f + dy / 2}}, width));
      const double length = std::hypot(dx, dy);
      INFO("width " << width << " direction " << dx << ' ' << dy);
      // 2 %: a slanted line ends on whole pixels (half a pixel of its length at either end is uncertain).
      CHECK(inkIn(renderer.draw(list), 0, 0, 160, 160) == Approx(width * length).epsilon(0.02));
    }
  }
}

TEST_CASE("joins neither leave a gap nor cover twice") {
  render::Renderer renderer(sharedDevice());
  DisplayList list = blank(120, 120);
  std::vector<Vec2> circle;
  for (int i = 0; i < 72; ++i)
    circle.push_back({60 + 40 * std::cos(static_cast<float>(i) * 0.0872665f), 60 + 40 * std::sin(static_cast<float>(i) * 0.0872665f)});
  PathItem item = stroked(circle, 3, {0, 0, 0, 0.5f});
  item.closed = true;
  list.items.push_back(item);
  const auto pixels = renderer.draw(list);
  CHECK(inkIn(pixels, 0, 0, 120, 120) == Approx(0.5 * 3 * 2 * 3.14159265 * 40).epsilon(0.01));
  int darkest = 255;
  for (const auto byte : pixels.rgba) darkest = std::min<int>(darkest, byte);
  CHECK(darkest >= 126);  // nowhere darker than one layer of half-transparent black
}

TEST_CASE("dashes cover their share of the line") {
  render::Renderer renderer(sharedDevice());
  DisplayList list = blank(130, 20);
  PathItem item = stroked({{5, 10.5f}, {125, 10.5f}}, 1);
  item.stroke.dash = {8, 4};
  list.items.push_back(item);
  const auto pixels = renderer.draw(list);
  CHECK(inkIn(pixels, 0, 0, 130, 20) == Approx(80).epsilon(0.001));
  CHECK(isNear(at(pixels, 5, 10), {0, 0, 0, 255}, 0));
  CHECK(isNear(at(pixels, 14, 10), {255, 255, 255, 255}, 0));
  CHECK(isNear(at(pixels, 17, 10), {0, 0, 0, 255}, 0));
}

TEST_CASE("clips nest, and end where they end") {
  render::Renderer renderer(sharedDevice());
  DisplayList list = blank(50, 50);
  list.items.push_back(ClipItem{{10, 10, 30, 30}, false});
  list.items.push_back(ClipItem{{0, 0, 20, 50}, false});
  list.items.push_back(filled(rectangle(0, 0, 50, 50)));
  list.items.push_back(ClipItem{{}, true});
  list.items.push_back(filled(rectangle(30, 30, 20, 20), {1, 0, 0, 1}));
  list.items.push_back(ClipItem{{}, true});
  list.items.push_back(filled(rectangle(45, 0, 5, 5), {0, 0, 1, 1}));
  const auto pixels = renderer.draw(list);
  CHECK(isNear(at(pixels, 12, 12), {0, 0, 0, 255}, 0));
  CHECK(isNear(at(pixels, 22, 12), {255, 255, 255, 255}, 0));
  CHECK(isNear(at(pixels, 5, 12), {255, 255, 255, 255}, 0));
  CHECK(isNear(at(pixels, 35, 35), {255, 0, 0, 255}, 0));
  CHECK(isNear(at(pixels, 42, 42), {255, 255, 255, 255}, 0));
  CHECK(isNear(at(pixels, 47, 2), {0, 0, 255, 255}, 0));
}

TEST_CASE("enormous and undefined coordinates neither hang nor draw where they should not") {
  render::Renderer renderer(sharedDevice());
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  DisplayList list = blank(60, 60);
  PathItem dashed = stroked({{-1e30f, 30.5f}, {1e30f, 30.5f}}, 1);
  dashed.stroke.dash = {4, 4};
  list.items.push_back(dashed);
  list.items.push_back(stroked({{10, 10}, {nan, 20}, {inf, inf}, {10, 50}}, 2));
  list.items.push_back(filled({{20, 20}, {nan, nan}, {40, 20}, {40, 28}, {20, 28}}, {1, 0, 0, 1}));
  list.items.push_back(filled(rectangle(-1e20f, 50, 2e20f, 4), {0, 0, 1, 1}));
  list.items.push_back(filled({{-1e9f, 40}, {1e9f, 40}, {1e9f, 44}, {0, 44.5f}, {-1e9f, 44}}, {0, 1, 0, 1}));
  const auto pixels = renderer.draw(list);
  CHECK(isNear(at(pixels, 30, 24), {255, 0, 0, 255}, 0));
  CHECK(isNear(at(pixels, 0, 52), {0, 0, 255, 255}, 0));
  CHECK(isNear(at(pixels, 59, 42), {0, 255, 0, 255}, 1));
  CHECK(isNear(at(pixels, 5, 5), {255, 255, 255, 255}, 0));
  // Half of the dashed row is ink, wherever its phase is.
  CHECK(inkIn(pixels, 0, 30, 60, 31) == Approx(30).margin(4));
  requireNoValidationMessage();
}

TEST_CASE("a list without items is its ground; a transparent ground keeps straight alpha") {
  render::Renderer renderer(sharedDevice());
  const auto dark = renderer.draw(blank(7, 5, {15 / 255.0f, 17 / 255.0f, 21 / 255.0f, 1}));
  REQUIRE(dark.rgba.size() == 7 * 5 * 4);
  CHECK(isNear(at(dark, 6, 4), {15, 17, 21, 255}, 0));

  DisplayList list = blank(20, 20, {1, 1, 1, 0});
  list.items.push_back(filled(rectangle(5, 5, 10, 10), {0.2f, 0.4f, 0.8f, 0.5f}));
  const auto clear = renderer.draw(list);
  CHECK(isNear(at(clear, 1, 1), {0, 0, 0, 0}, 0));
  // 2 levels: the colour is stored multiplied by 1/2, so its last bit is lost.
  CHECK(isNear(at(clear, 10, 10), {51, 102, 204, 128}, 2));
  CHECK(renderer.draw(blank(0, 0)).rgba.empty());
}

TEST_CASE("twice the scale is the same picture with twice the pixels") {
  render::Renderer renderer(sharedDevice());
  DisplayList list = blank(41, 30);
  list.items.push_back(filled(rectangle(5.5f, 6, 10, 8)));
  const auto pixels = renderer.draw(list, 2);
  CHECK(pixels.width == 82);
  CHECK(isNear(at(pixels, 11, 12), {0, 0, 0, 255}, 0));
  CHECK(isNear(at(pixels, 10, 12), {255, 255, 255, 255}, 0));
  CHECK(inkIn(pixels, 0, 0, 82, 60) == Approx(320));
}
