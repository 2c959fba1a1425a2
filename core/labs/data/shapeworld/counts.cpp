// The lab data/shapeworld: what the first N scenes hold, beside what the draws promise.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/figure/marks/marks.h"
#include "core/labs/data/shapeworld/lab.h"

namespace orrery::data_labs {

using namespace shapeworld;

Chances chancesOf(const Options& options) {
  Chances chances;
  chances.classes.fill(1.0 / 4);
  chances.textures.fill(1.0 / 6);
  chances.sizes = options.profile == Profile::dense ? std::array{4.0 / 8, 3.0 / 8, 1.0 / 8} : std::array{1.0 / 3, 1.0 / 3, 1.0 / 3};
  if (options.fixedClass >= 0) chances.classes = {}, chances.classes[static_cast<std::size_t>(options.fixedClass)] = 1;
  if (options.fixedTexture >= 0) chances.textures = {}, chances.textures[static_cast<std::size_t>(options.fixedTexture)] = 1;
  // A held-out pair's colour becomes the next one.
  for (std::size_t k = 0; k < 4; ++k) {
    for (std::size_t c = 0; c < 8; ++c) {
      const double pair = chances.classes[k] * (options.fixedColour < 0                              ? 1.0 / 8
                                                : static_cast<std::size_t>(options.fixedColour) == c ? 1
                                                                                                     : 0);
      const bool held = options.holdout && options.split == Split::train && c == (3 * k + 1) % 8;
      chances.colours[held ? (c + 1) % 8 : c] += pair;
    }
  }
  return chances;
}

namespace {

// Horizontal bars of counts, and behind each the range of two standard deviations around what `trials` draws promise.
template <std::size_t N>
Panel countPanel(const char* id, const std::string& title, const std::array<std::string_view, N>& names,
                 const std::array<double, N>& counts, const std::array<double, N>& chances, double trials,
                 const std::vector<Paint>& paints) {
  Panel panel;
  panel.id = id;
  panel.title = title;
  panel.legend = false;
  panel.y.scale = ScaleKind::categorical;
  panel.y.reversed = true;
  for (const auto& name : names) panel.y.categories.push_back(tr(name));
  std::vector<float> position(N), value(N), low(N), high(N);
  double highest = 1;
  auto bars = std::make_shared<BarsMark>("counts"), band = std::make_shared<BarsMark>("expected");
  for (std::size_t i = 0; i < N; ++i) {
    const double mean = trials * chances[i], two = 2 * std::sqrt(mean * (1 - chances[i]));
    position[i] = static_cast<float>(i);
    value[i] = static_cast<float>(counts[i]);
    low[i] = static_cast<float>(mean - two);
    high[i] = static_cast<float>(mean + two);
    highest = std::max({highest, counts[i], mean + two});
    const std::string promised = trf("expected {:.0f} ± {:.0f}", mean, two);
    bars->names.push_back(fmt::format("{}: {}", panel.y.categories[i], promised));
    band->names.push_back(bars->names.back());
  }
  const std::int64_t n = N;
  band->position = bars->position = Tensor::from(Shape{n}, position);
  bars->value = Tensor::from(Shape{n}, value);
  band->base = Tensor::from(Shape{n}, low);
  band->value = Tensor::from(Shape{n}, high);
  bars->horizontal = band->horizontal = true;
  bars->thickness = 0.62;
  band->thickness = 0.94;
  bars->paints = paints;
  band->paint = Paint::of(Role::muted, 0.45f);
  panel.marks = {bars};
  // A thin line around each bar: white would be lost on a white ground.
  auto outline = std::make_shared<BoxesMark>("outlines");
  outline->lineWidth = 0.5f;
  for (std::size_t i = 0; i < N; ++i) {
    if (counts[i] <= 0) continue;
    BoxesMark::Box box;
    box.y = static_cast<double>(i) - 0.31, box.width = counts[i], box.height = 0.62;
    box.paint = Paint::of(Role::muted);
    outline->boxes.push_back(std::move(box));
  }
  panel.marks.push_back(outline);
  panel.marks.push_back(band);
  panel.x.range = Range{0, highest * 1.06};
  return panel;
}

Paint colourOf(std::size_t colour) {
  constexpr std::array<std::array<int, 3>, 8> table{
      {{220, 50, 47}, {240, 140, 30}, {235, 215, 50}, {60, 170, 70}, {40, 190, 200}, {50, 90, 210}, {150, 70, 190}, {240, 240, 240}}};
  const auto& [r, g, b] = table[colour];
  return Paint::custom({static_cast<float>(r) / 255, static_cast<float>(g) / 255, static_cast<float>(b) / 255, 1});
}

}  // namespace

Panel ShapeWorldLab::classPanel() const {
  std::vector<Paint> paints;
  for (int k = 0; k < 4; ++k) paints.push_back(Paint::series(k));
  Panel panel = countPanel("classes", tr("Classes"), classNames, counts_.classes, chancesOf(options_).classes, counts_.objects, paints);
  panel.note = trf("{} objects", counts_.objects);
  return panel;
}

Panel ShapeWorldLab::colourPanel() const {
  std::vector<Paint> paints;
  for (std::size_t c = 0; c < 8; ++c) paints.push_back(colourOf(c));
  Panel panel = countPanel("colours", tr("Colours"), colourNames, counts_.colours, chancesOf(options_).colours, counts_.objects, paints);
  panel.note = tr("grey: expected ± 2σ");
  return panel;
}

Panel ShapeWorldLab::sizePanel() const {
  Panel panel = countPanel("sizes", tr("Sizes"), sizeNames, counts_.sizes, chancesOf(options_).sizes, counts_.objects,
                           std::vector<Paint>(3, Paint::of(Role::data, 0.6f)));
  if (counts_.dropped > 0) panel.note = trf("{} without place", counts_.dropped);
  return panel;
}

Panel ShapeWorldLab::texturePanel() const {
  Panel panel = countPanel("textures", tr("Textures"), textureNames, counts_.textures, chancesOf(options_).textures, counts_.scenes,
                           std::vector<Paint>(6, Paint::of(Role::data, 0.6f)));
  panel.note = trf("{} scenes", counts_.scenes);
  return panel;
}

Panel ShapeWorldLab::pairPanel() const {
  Panel panel;
  panel.id = "pairs";
  panel.title = tr("Class and colour");
  panel.legend = false;
  panel.x.scale = panel.y.scale = ScaleKind::categorical;
  panel.y.reversed = true;
  for (const auto& name : classNames) panel.x.categories.push_back(tr(name));
  for (const auto& name : colourNames) panel.y.categories.push_back(tr(name));
  std::vector<float> value;
  double highest = 1;
  int empty = 0;
  for (const auto& row : counts_.pairs) {
    for (const double count : row) highest = std::max(highest, count), empty += count == 0;
  }
  auto words = std::make_shared<TextMark>("numbers");
  for (std::size_t c = 0; c < 8; ++c) {
    for (std::size_t k = 0; k < 4; ++k) {
      const double count = counts_.pairs[k][c];
      value.push_back(static_cast<float>(count));
      // Viridis is dark below two thirds: white there, black above.
      words->words.push_back({static_cast<double>(k), static_cast<double>(c), fmt::format("{:.0f}", count),
                              count < 0.66 * highest ? Paint::custom({1, 1, 1, 0.92f}) : Paint::custom({0.07f, 0.08f, 0.1f, 1}),
                              HAlign::center, VAlign::middle, 6.5f});
    }
  }
  auto map = std::make_shared<HeatMapMark>("pairs");
  map->value = Tensor::from(Shape{8, 4}, value);
  map->x = {-0.5, 3.5};
  map->y = {-0.5, 7.5};
  map->range = {0, highest};
  map->quantity = tr("objects");
  map->rowNames = panel.y.categories;
  map->columnNames = panel.x.categories;
  panel.marks = {map, words};
  panel.note = empty == 0 ? tr("all pairs appear") : trf("never: {} of 32 pairs", empty);
  return panel;
}

}  // namespace orrery::data_labs
