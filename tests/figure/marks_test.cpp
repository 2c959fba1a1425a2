#include <algorithm>
#include <cmath>

#include "tests/figure/sample_figures.h"
#include "tests/support/catch.h"

using namespace orrery;
using samples::vectorOf;

namespace {

const samples::FixedMetrics metrics;

// A panel of 100 x 100 px that shows [0, 10] x [0, 10], y upwards.
Frame frame(bool log = false) {
  DataTransform t{10, 0, -10, 100, false, false};
  if (log) t = {50, 0, -50, 100, true, true};            // [1, 100] on both axes
  return {{0, 0, 100, 100}, t, themeOf(ThemeKind::light), metrics, 1, false};
}

Frame reversedFrame() { return {{0, 0, 100, 100}, {10, 0, 10, 0, false, false}, themeOf(ThemeKind::light), metrics, 1, false}; }

template <class Item>
std::vector<Item> lowered(const Mark& mark, const Frame& where = frame()) {
  DisplayList list;
  mark.lower(where, list);
  std::vector<Item> result;
  for (const Primitive& primitive : list.items) {
    if (const auto* item = std::get_if<Item>(&primitive)) result.push_back(*item);
  }
  return result;
}

std::vector<std::string> channelNames(const Mark& mark) {
  std::vector<std::string> names;
  for (const Channel& channel : mark.channels()) names.push_back(channel.name);
  return names;
}

double length(const std::vector<std::vector<Vec2>>& lines, bool closed) {
  double sum = 0;
  for (const auto& line : lines) {
    for (std::size_t i = 1; i < line.size() + (closed ? 1 : 0); ++i) sum += std::hypot(line[i % line.size()].x - line[i - 1].x, line[i % line.size()].y - line[i - 1].y);
  }
  return sum;
}

}  // namespace

TEST_CASE("A heat map puts row 0 at y.low, whichever way the axis runs") {
  HeatMapMark mark("m");
  mark.value = Tensor::from({2, 2}, {0, 1, 2, 3});
  mark.x = mark.y = {0, 10};
  const auto upward = lowered<ImageItem>(mark);
  REQUIRE(upward.size() == 1);
  CHECK(upward[0].to == Rect{0, 0, 100, 100});
  CHECK(upward[0].flipped);                              // row 0 at the bottom
  CHECK(!lowered<ImageItem>(mark, reversedFrame())[0].flipped);
  CHECK(mark.bounds().x.high == 10);
  CHECK(channelNames(mark) == std::vector<std::string>{"value"});
}

TEST_CASE("A heat map under a reversed x axis is mirrored") {
  HeatMapMark mark("m");
  mark.value = Tensor::from({1, 3}, {1, 2, 3});
  mark.x = mark.y = {0, 10};
  Frame where = frame();
  where.transform.scaleX = -10;
  where.transform.offsetX = 100;
  const auto items = lowered<ImageItem>(mark, where);
  REQUIRE(items.size() == 1);
  const auto values = items[0].data.as<float>();
  CHECK(std::vector<float>(values.begin(), values.end()) == std::vector<float>{3, 2, 1});
}

TEST_CASE("Hovering a heat map names the row, the column and the exact value") {
  HeatMapMark mark("m");
  mark.value = Tensor::from({2, 2}, {0.1f, 0.2f, 0.3f, 0.1234f});
  mark.x = mark.y = {0, 10};
  mark.quantity = "weight";
  mark.rowNames = {"the", "dog"};
  mark.columnNames = {"a", "cat"};
  const auto probe = mark.probe(reversedFrame(), {75, 75});
  REQUIRE(probe);
  CHECK(probe->lines == std::vector<std::string>{"row 1 'dog' \u2192 column 1 'cat'", "weight 0.1234"});
  CHECK(probe->index == 3);
  CHECK(probe->x == 7.5);
  CHECK(!mark.probe(reversedFrame(), {175, 75}));
  mark.rowNames.clear();
  CHECK(mark.probe(frame(), {25, 75})->lines[0] == "row 0 \u2192 column 0 'a'");   // the bottom row is row 0
}

TEST_CASE("A line is broken at NaN, drawn as steps when asked, and cut to its panel") {
  LineMark mark("m");
  mark.x = vectorOf({0, 1, 2, 3, 4});
  mark.y = vectorOf({1, 2, NAN, 3, 4});
  auto paths = lowered<PathItem>(mark);
  REQUIRE(paths.size() == 1);
  CHECK(paths[0].lines == std::vector<std::vector<Vec2>>{{{0, 90}, {10, 80}}, {{30, 70}, {40, 60}}});
  CHECK(mark.bounds().y.high == 4);

  mark.y = vectorOf({1, 2, 2, 2, 2});
  mark.steps = true;
  paths = lowered<PathItem>(mark);
  CHECK(paths[0].lines[0][1] == Vec2{10, 90});           // post: the old value up to the new x
  CHECK(paths[0].lines[0][2] == Vec2{10, 80});

  mark.steps = false;
  mark.x = vectorOf({-1e6f, 1e6f});
  mark.y = vectorOf({-1e6f, 1e6f});
  paths = lowered<PathItem>(mark);
  REQUIRE(paths.size() == 1);
  for (const Vec2 p : paths[0].lines[0]) {
    CHECK(std::abs(p.x) < 200);
    CHECK(std::abs(p.x + p.y - 100) < 0.5f);             // still on the diagonal
  }
}

TEST_CASE("A line on log axes leaves out what has no logarithm") {
  LineMark mark("m");
  mark.x = vectorOf({1, 10, 0, 10, 100});
  mark.y = vectorOf({1, 10, 5, -3, 100});
  const auto paths = lowered<PathItem>(mark, frame(true));
  REQUIRE(paths.size() == 1);
  CHECK(paths[0].lines == std::vector<std::vector<Vec2>>{{{0, 100}, {50, 50}}});
  REQUIRE(lowered<PointItem>(mark, frame(true)).size() <= 1);
}

TEST_CASE("A long line keeps its extremes when it is thinned to the pixels") {
  std::vector<float> x, y;
  for (int i = 0; i < 100000; ++i) {
    x.push_back(static_cast<float>(i) * 1e-4f);
    y.push_back(i == 54321 ? 9.0f : 5 + 0.1f * std::sin(static_cast<float>(i)));
  }
  LineMark mark("m");
  mark.x = vectorOf(x);
  mark.y = vectorOf(y);
  const auto paths = lowered<PathItem>(mark);
  std::size_t count = 0;
  float top = 100;
  for (const auto& line : paths[0].lines) {
    count += line.size();
    for (const Vec2 p : line) top = std::min(top, p.y);
  }
  CHECK(count <= 4 * 102);
  CHECK(top == Approx(10));
}

TEST_CASE("Hovering a line snaps to its nearest point and says both exact values") {
  LineMark mark("m");
  mark.label = "ODE";
  mark.x = vectorOf({0, 5, 10});
  mark.y = vectorOf({0, 5, -0.517f});
  mark.xName = "t";
  const auto probe = mark.probe(frame(), {48, 55});
  REQUIRE(probe);
  CHECK(probe->lines == std::vector<std::string>{"ODE", "t = 5", "y = 5"});
  CHECK(probe->index == 1);
  CHECK(mark.probe(frame(), {99, 99})->lines[2] == "y = \u22120.517");
  CHECK(!mark.probe(frame(), {5, 5}));
}

TEST_CASE("A lone point of a line is shown as a dot") {
  LineMark mark("m");
  mark.x = vectorOf({3});
  mark.y = vectorOf({4});
  CHECK(lowered<PathItem>(mark).empty());
  const auto dots = lowered<PointItem>(mark);
  REQUIRE(dots.size() == 1);
  CHECK(dots[0].xy.as<float>()[0] == 3);
  mark.x = vectorOf({1, 2});
  mark.y = vectorOf({1, 2});
  CHECK(lowered<PointItem>(mark).empty());
  mark.markers = true;
  CHECK(lowered<PointItem>(mark)[0].xy.shape()[0] == 2);
}

TEST_CASE("A band fills between its curves and splits at NaN") {
  BandMark mark("m");
  mark.x = vectorOf({0, 1, 2, 3, 4});
  mark.low = vectorOf({1, 1, NAN, 1, 1});
  mark.high = vectorOf({2, 2, 2, 2, 2});
  const auto paths = lowered<PathItem>(mark);
  REQUIRE(paths.size() == 1);
  CHECK(paths[0].hasFill);
  REQUIRE(paths[0].lines.size() == 2);
  CHECK(paths[0].lines[0] == std::vector<Vec2>{{0, 80}, {10, 80}, {10, 90}, {0, 90}});
  CHECK(mark.bounds().y.low == 1);
  CHECK(channelNames(mark) == std::vector<std::string>{"x", "low", "high"});
}

TEST_CASE("Points are drawn from the very tensor, and known bounds save the download") {
  PointsMark mark("m");
  mark.xy = Tensor::from({3, 2}, {1, 1, NAN, 2, 9, 8});
  const auto items = lowered<PointItem>(mark);
  REQUIRE(items.size() == 1);
  CHECK(items[0].xy.storageId() == mark.xy.storageId());
  CHECK(mark.bounds().x.high == 9);
  CHECK(mark.bounds().y.low == 1);
  Bounds known;
  known.include(-5, -5);
  known.include(5, 5);
  mark.knownBounds = known;
  CHECK(mark.bounds().x.low == -5);
  CHECK(channelNames(mark) == std::vector<std::string>{"xy"});
}

TEST_CASE("Hovering a cloud finds the nearest point, the newest of equals, and its scalar") {
  PointsMark mark("m");
  mark.name = "particle";
  mark.xy = Tensor::from({4, 2}, {1, 1, 5, 5, 5, 5, NAN, NAN});
  mark.scalar = vectorOf({0, 0, 0.75f, 0});
  const auto probe = mark.probe(frame(), {51, 50});
  REQUIRE(probe);
  CHECK(probe->index == 2);
  CHECK(probe->lines == std::vector<std::string>{"particle 2", "x = (5, 5)", "value 0.75"});
  CHECK(!mark.probe(frame(), {80, 20}));
}

TEST_CASE("Paths draw the steps asked for and no others") {
  PathsMark mark("m");
  mark.xy = Tensor::from({3, 2, 2}, {0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5});
  mark.stepCount = 3;
  auto items = lowered<BundleItem>(mark);
  REQUIRE(items.size() == 1);
  CHECK(items[0].stepCount == 3);
  mark.firstStep = 1;
  mark.stepCount = 99;
  CHECK(lowered<BundleItem>(mark)[0].stepCount == 2);
  mark.stepCount = 1;                                    // one step is no line
  CHECK(lowered<BundleItem>(mark).empty());
  CHECK(mark.bounds().x.high == 5);
}

TEST_CASE("The longest arrow of a field has the length asked for and points along the vector") {
  VectorFieldMark mark("m");
  mark.xy = Tensor::from({2, 2}, {5, 5, 2, 2});
  mark.uv = Tensor::from({2, 2}, {3, 0, 0, 1});
  mark.length = 12;
  const auto paths = lowered<PathItem>(mark);
  REQUIRE(paths.size() == 1);
  REQUIRE(paths[0].lines.size() == 4);                   // shaft and head of each
  const auto& shaft = paths[0].lines[0];
  CHECK(shaft[1].x - shaft[0].x == Approx(12));
  CHECK(shaft[0].y == Approx(50));
  CHECK(paths[0].lines[2][1].y < paths[0].lines[2][0].y);   // up on the page for positive v
  CHECK(paths[0].lines[2][0].y - paths[0].lines[2][1].y == Approx(4));
}

TEST_CASE("A circle's contour is one closed ring of the right length") {
  constexpr int n = 101;
  std::vector<float> value;
  for (int r = 0; r < n; ++r) {
    for (int c = 0; c < n; ++c) value.push_back(std::hypot(10 * (static_cast<float>(c) + 0.5f) / n - 5, 10 * (static_cast<float>(r) + 0.5f) / n - 5));
  }
  ContourMark mark("m");
  mark.value = Tensor::from({n, n}, value);
  mark.x = mark.y = {0, 10};
  mark.levels = {3};
  const auto paths = lowered<PathItem>(mark);
  REQUIRE(paths.size() == 1);
  CHECK(paths[0].closed);
  REQUIRE(paths[0].lines.size() == 1);
  // Radius 3 units = 30 px. 0.5 %: chords over cells of 1 px are shorter than the arc.
  CHECK(length(paths[0].lines, true) == Approx(2 * 3.14159265 * 30).epsilon(0.005));
  for (const Vec2 p : paths[0].lines[0]) CHECK(std::hypot(p.x - 50, p.y - 50) == Approx(30).margin(0.05));
}

TEST_CASE("A contour that leaves the matrix is an open line; saddles do not cross; NaN cells are skipped") {
  ContourMark mark("m");
  mark.value = Tensor::from({2, 3}, {0, 0, 0, 1, 1, 1});
  mark.x = mark.y = {0, 10};
  mark.levels = {0.5};
  auto paths = lowered<PathItem>(mark);
  REQUIRE(paths.size() == 1);
  CHECK(!paths[0].closed);
  REQUIRE(paths[0].lines.size() == 1);
  CHECK(paths[0].lines[0].size() == 3);
  for (const Vec2 p : paths[0].lines[0]) CHECK(p.y == Approx(50));

  mark.value = Tensor::from({2, 2}, {1, 0, 0, 1});       // a saddle whose mean is on the level: two lines
  paths = lowered<PathItem>(mark);
  REQUIRE(paths[0].lines.size() == 2);

  mark.value = Tensor::from({2, 3}, {0, 0, 0, 1, 1, NAN});
  CHECK(lowered<PathItem>(mark)[0].lines[0].size() == 2);
  mark.levels = {7};
  CHECK(lowered<PathItem>(mark).empty());
}

TEST_CASE("Bars stand on their base, stack, and take their own colours") {
  BarsMark mark("m");
  mark.position = vectorOf({2, 4});
  mark.value = vectorOf({5, 8});
  mark.thickness = 1;
  auto paths = lowered<PathItem>(mark);
  REQUIRE(paths.size() == 1);                            // one colour, one path
  CHECK(paths[0].lines[0] == std::vector<Vec2>{{15, 50}, {25, 50}, {25, 100}, {15, 100}});
  CHECK(mark.bounds().y.low == 0);
  CHECK(mark.bounds().x.low == 1.5);
  mark.base = vectorOf({1, 5});
  CHECK(lowered<PathItem>(mark)[0].lines[0][2].y == 90);
  mark.paints = {Paint::of(Role::danger), Paint::of(Role::good)};
  CHECK(lowered<PathItem>(mark).size() == 2);
  mark.horizontal = true;
  mark.base = {};
  CHECK(lowered<PathItem>(mark)[0].lines[0] == std::vector<Vec2>{{0, 75}, {50, 75}, {50, 85}, {0, 85}});
  mark.names = {"cat", "dog"};
  const auto probe = mark.probe(frame(), {20, 60});
  REQUIRE(probe);
  CHECK(probe->lines == std::vector<std::string>{"dog", "8"});
}

TEST_CASE("Bars on a log axis start at the end of the axis") {
  BarsMark mark("m");
  mark.position = vectorOf({10});
  mark.value = vectorOf({10});
  mark.thickness = 1;
  const auto paths = lowered<PathItem>(mark, frame(true));
  REQUIRE(paths.size() == 1);
  CHECK(paths[0].lines[0][0].y == Approx(50));
  CHECK(paths[0].lines[0][2].y == Approx(100));
}

TEST_CASE("Hovering a picture says the pixel and its colour") {
  ImageMark mark("m");
  mark.pixels = Tensor::from(Shape{1, 2, 4}, std::vector<std::uint8_t>{1, 2, 3, 255, 10, 20, 30, 255});
  mark.x = mark.y = {0, 10};
  CHECK(mark.probe(reversedFrame(), {75, 50})->lines == std::vector<std::string>{"pixel (1, 0)", "RGB 10 20 30"});
  CHECK(lowered<ImageItem>(mark, reversedFrame())[0].data.storageId() == mark.pixels.storageId());
  mark.pixels = Tensor::from({2, 2}, {1, 2, 3, 4});      // not a picture
  CHECK(lowered<ImageItem>(mark).empty());
}

TEST_CASE("Boxes are outlined, dashed when asked, tagged inside the panel, and the smallest one answers") {
  BoxesMark mark("m");
  mark.boxes = {{1, 1, 8, 8, Paint::of(Role::estimate), false, "big", "", 0.5}, {4, 4, 2, 2, Paint::of(Role::missed), true, "", "a small one", 0.25}, {NAN, 0, 1, 1, {}, false, "", "", 0}};
  const auto paths = lowered<PathItem>(mark, reversedFrame());
  REQUIRE(paths.size() == 3);                            // two boxes and the ground of a tag
  CHECK(paths[0].lines[0] == std::vector<Vec2>{{10, 10}, {90, 10}, {90, 90}, {10, 90}});
  CHECK(paths[0].stroke.dash.empty());
  CHECK(!paths[1].stroke.dash.empty());
  CHECK(lowered<GlyphItem>(mark, reversedFrame())[0].text == "big");
  CHECK(mark.probe(reversedFrame(), {50, 50})->lines[0] == "a small one");
  CHECK(mark.probe(reversedFrame(), {20, 20})->lines[0] == "big");
  CHECK(channelNames(mark) == std::vector<std::string>{"xywh", "score"});
  CHECK(mark.channels()[1].data.as<float>()[0] == 0.5f);
}

TEST_CASE("Words stand where they should, in points") {
  TextMark mark("m");
  mark.words = {{5, 5, "hello", Paint::of(Role::ink), HAlign::center, VAlign::middle, 10, Weight::medium, 90}, {NAN, 1, "nowhere"}};
  Frame where = frame();
  where.unit = 2;
  const auto words = lowered<GlyphItem>(mark, where);
  REQUIRE(words.size() == 1);
  CHECK(words[0].at == Vec2{50, 50});
  CHECK(words[0].style.size == 20);
  CHECK(words[0].angle == 90);
}

TEST_CASE("A rule crosses the whole panel, keeps its tag inside, and vanishes outside the view") {
  RuleMark mark("m");
  mark.at = 9.5;
  mark.tag = "threshold";
  const auto paths = lowered<PathItem>(mark);
  REQUIRE(paths.size() == 1);
  CHECK(paths[0].lines[0] == std::vector<Vec2>{{95, 0}, {95, 100}});
  const auto tags = lowered<GlyphItem>(mark);
  REQUIRE(tags.size() == 1);
  CHECK(tags[0].h == HAlign::right);                     // no room to the right
  mark.at = 11;
  CHECK(lowered<PathItem>(mark).empty());
  mark.vertical = false;
  mark.at = 5;
  CHECK(lowered<PathItem>(mark)[0].lines[0] == std::vector<Vec2>{{0, 50}, {100, 50}});
  CHECK(mark.bounds().y.low == 5);
  CHECK(mark.bounds().x.low > mark.bounds().x.high);     // no opinion
}

TEST_CASE("Links are as wide and as strong as their weight; none for nothing") {
  LinksMark mark("m");
  mark.from = Tensor::from({3, 2}, {0, 0, 0, 1, 0, 2});
  mark.to = Tensor::from({3, 2}, {10, 0, 10, 1, 10, 2});
  mark.weight = vectorOf({1, 0.25f, 0});
  const auto paths = lowered<PathItem>(mark);
  REQUIRE(paths.size() == 2);
  CHECK(paths[1].stroke.width > 3 * paths[0].stroke.width);
  CHECK(paths[1].stroke.color.a > paths[0].stroke.color.a);
  mark.weight = vectorOf({NAN, NAN, NAN});
  CHECK(lowered<PathItem>(mark).empty());
}

TEST_CASE("Every mark bears being empty, having one value, constants, NaN and enormous numbers") {
  const std::vector<std::vector<float>> kinds{{}, {3}, {5, 5, 5}, {NAN, NAN, NAN}, {1, NAN, INFINITY, -INFINITY, 2}, {-3e38f, 3e38f}, {1e-38f, 2e-38f}};
  for (const auto& values : kinds) {
    const auto n = static_cast<std::int64_t>(values.size());
    std::vector<float> pairs;
    for (const float v : values) pairs.insert(pairs.end(), {v, v});
    const Tensor one = vectorOf(values), two = Tensor::from({n, 2}, pairs), matrix = Tensor::from({n > 0 ? 1 : 0, n}, values);
    Figure figure;
    for (const ScaleKind scale : {ScaleKind::linear, ScaleKind::log}) {
      Panel panel;
      panel.id = "p" + std::to_string(figure.panels.size());
      panel.column = static_cast<int>(figure.panels.size());
      panel.x.scale = panel.y.scale = scale;
      auto line = samples::line("line", "name", one, one, Paint::of(Role::ink));
      auto band = std::make_shared<BandMark>("band");
      band->x = band->low = band->high = one;
      auto points = std::make_shared<PointsMark>("points");
      points->xy = two;
      points->scalar = one;
      auto paths = std::make_shared<PathsMark>("paths");
      paths->xy = Tensor::from({n, 1, 2}, pairs);
      paths->stepCount = n;
      auto field = std::make_shared<VectorFieldMark>("field");
      field->xy = field->uv = two;
      auto contour = std::make_shared<ContourMark>("contour");
      contour->value = matrix;
      contour->levels = {0.5, NAN};
      auto bars = std::make_shared<BarsMark>("bars");
      bars->position = bars->value = one;
      auto links = std::make_shared<LinksMark>("links");
      links->from = links->to = two;
      links->weight = one;
      auto heat = std::make_shared<HeatMapMark>("heat");
      heat->value = matrix;
      panel.marks = {line, band, points, paths, field, contour, bars, links};
      if (scale == ScaleKind::linear) panel.marks.push_back(heat);
      figure.panels.push_back(panel);
    }
    const Layout layout = layOut(figure, {400, 200}, metrics);
    for (const PanelPlacement& placed : layout.panels) {
      REQUIRE((std::isfinite(placed.view.x.low) && std::isfinite(placed.view.x.high) && placed.view.x.low < placed.view.x.high));
      REQUIRE((std::isfinite(placed.transform.scaleX) && placed.transform.scaleX != 0));
    }
    for (const Primitive& primitive : layout.list.items) {
      if (const auto* path = std::get_if<PathItem>(&primitive)) {
        for (const auto& shape : path->lines) {
          for (const Vec2 p : shape) REQUIRE((std::isfinite(p.x) && std::isfinite(p.y)));
        }
      }
    }
    for (std::size_t i = 0; i < 2; ++i) {
      const Frame where{layout.panels[i].area, layout.panels[i].transform, themeOf(ThemeKind::light), metrics, 1, false};
      for (const auto& mark : figure.panels[i].marks) {
        (void)mark->probe(where, {where.area.x + 5, where.area.y + 5});
        CHECK(!mark->channels().empty());
      }
    }
  }
}
