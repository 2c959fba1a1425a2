#pragma once
// Figures with every mark, from fixed formulas: for layout goldens, exporter tests, and for looking at ("[.look]" in tests/export).

#include <cmath>
#include <memory>
#include <vector>

#include "core/base/philox.h"
#include "core/figure/figure.h"
#include "core/figure/marks/marks.h"
#include "core/figure/utf8.h"

namespace samples {

using namespace orrery;

// Every letter 0.55 em wide, every Chinese character 1 em: layouts that do not depend on the fonts of a machine.
class FixedMetrics : public TextMetrics {
 public:
  float width(std::string_view utf8, const TextStyle& style) const override {
    float em = 0;
    for (std::size_t at = 0; at < utf8.size();) em += isWide(nextCodePoint(utf8, at)) ? 1.0f : 0.55f;
    return em * style.size;
  }
  float ascent(const TextStyle& style) const override { return 0.95f * style.size; }
  float descent(const TextStyle& style) const override { return 0.25f * style.size; }
};

inline Tensor vectorOf(const std::vector<float>& values) { return Tensor::from({static_cast<std::int64_t>(values.size())}, values); }

template <class F>
Tensor map(const std::vector<float>& x, F f) {
  std::vector<float> y;
  for (const float v : x) y.push_back(static_cast<float>(f(static_cast<double>(v))));
  return vectorOf(y);
}

inline std::vector<float> grid(double low, double high, int n) {
  std::vector<float> x;
  for (int i = 0; i < n; ++i) x.push_back(static_cast<float>(low + (high - low) * i / (n - 1)));
  return x;
}

inline std::shared_ptr<LineMark> line(std::string id, std::string label, const Tensor& x, const Tensor& y, Paint paint) {
  auto mark = std::make_shared<LineMark>(std::move(id));
  mark->label = std::move(label);
  mark->x = x;
  mark->y = y;
  mark->paint = paint;
  return mark;
}

// The two curve panels of the window's drawing.
inline Panel distancePanel() {
  const std::vector<float> t = grid(0, 1, 101);
  Panel panel;
  panel.id = "distance";
  panel.title = "Distance to the exact density at t";
  panel.x.label = "time t (data at 0)";
  panel.x.reversed = true;
  panel.y.grid = true;
  auto noise = std::make_shared<BandMark>("noise");
  noise->label = "sampling noise";
  noise->x = vectorOf(t);
  noise->low = map(t, [](double) { return 0.005; });
  noise->high = map(t, [](double) { return 0.016; });
  panel.marks.push_back(noise);
  panel.marks.push_back(line("ode", "ODE", vectorOf(t), map(t, [](double v) { return 0.03 + 0.24 * std::pow(v, 1.6); }), Paint::of(Role::deterministic)));
  panel.marks.push_back(line("sde", "SDE", vectorOf(t), map(t, [](double v) { return 0.02 + 0.25 * std::pow(v, 2.2) + 0.006 * std::sin(25 * v); }), Paint::of(Role::stochastic)));
  return panel;
}

inline Panel shiftPanel() {
  const std::vector<float> t = grid(0, 1, 101);
  Panel panel;
  panel.id = "shift";
  panel.title = "Start shifted by \u00BD\u03C3: who forgets?";
  panel.x.label = "time t (data at 0)";
  panel.x.reversed = true;
  panel.y.grid = true;
  panel.y.range = Range{0, 0.3};
  panel.marks.push_back(line("ode", "ODE remembers", vectorOf(t), map(t, [](double v) { return 0.235 + 0.035 * v; }), Paint::of(Role::deterministic)));
  panel.marks.push_back(line("sde", "SDE forgets", vectorOf(t), map(t, [](double v) { return 0.27 * std::exp(-6 * (1 - v)); }), Paint::of(Role::stochastic)));
  return panel;
}

// Points around eight places on a ring, with straight or jittered paths from the origin's surroundings.
inline Panel particlePanel(bool stochastic, int particles, int trails) {
  constexpr int steps = 40;
  std::vector<float> xy, paths(static_cast<std::size_t>(steps * trails * 2));
  for (int i = 0; i < particles; ++i) {
    const auto words = philox({static_cast<std::uint32_t>(i), 0, 0, 0}, philoxKey(7));
    const auto normals = philoxNormals(words[0], words[1]);
    const double angle = 2 * std::numbers::pi * (i % 8) / 8;
    xy.push_back(static_cast<float>(std::cos(angle) + 0.075 * normals[0]));
    xy.push_back(static_cast<float>(std::sin(angle) + 0.075 * normals[1]));
  }
  for (int line = 0; line < trails; ++line) {
    const auto words = philox({static_cast<std::uint32_t>(line), 1, 0, 0}, philoxKey(7));
    const auto start = philoxNormals(words[0], words[1]);
    for (int s = 0; s < steps; ++s) {
      const double u = static_cast<double>(s) / (steps - 1);
      const auto jitterWords = philox({static_cast<std::uint32_t>(line), 2, static_cast<std::uint32_t>(s), 0}, philoxKey(7));
      const auto jitter = philoxNormals(jitterWords[0], jitterWords[1]);
      for (std::size_t k = 0; k < 2; ++k) {
        const double end = static_cast<double>(xy[static_cast<std::size_t>(line) * 2 + k]);
        const double noise = stochastic ? 0.05 * jitter[k] * (1 - u) : 0;
        paths[(static_cast<std::size_t>(s) * static_cast<std::size_t>(trails) + static_cast<std::size_t>(line)) * 2 + k] = static_cast<float>(1.0 * start[k] * (1 - u) + end * u + noise);
      }
    }
  }
  Panel panel;
  panel.id = stochastic ? "sde" : "ode";
  panel.title = stochastic ? "Reverse SDE \u03B6 = 1" : "Probability-flow ODE \u03B6 = 0";
  panel.note = stochastic ? "t = 0.18  \u03C3 = 0.41" : "same start, same \u03C3";
  panel.frameless = true;
  panel.equalAspect = true;
  panel.x.range = Range{-1.8, 1.8};
  panel.y.range = Range{-1.5, 1.5};
  auto trail = std::make_shared<PathsMark>("trails");
  trail->xy = Tensor::from({steps, trails, 2}, paths);
  trail->stepCount = steps;
  trail->paint = Paint::of(stochastic ? Role::stochastic : Role::deterministic, 0.6f);
  panel.marks.push_back(trail);
  auto points = std::make_shared<PointsMark>("particles");
  points->xy = Tensor::from({particles, 2}, xy);
  points->radius = 0.9f;
  points->name = "particle";
  panel.marks.push_back(points);
  return panel;
}

inline Figure canvasFigure(int particles = 800, int trails = 60) {
  Figure figure;
  figure.title = "SDE and ODE paths";
  figure.panels = {particlePanel(true, particles, trails), particlePanel(false, particles, trails), distancePanel(), shiftPanel()};
  for (int i = 0; i < 4; ++i) {
    figure.panels[static_cast<std::size_t>(i)].row = i / 2;
    figure.panels[static_cast<std::size_t>(i)].column = i % 2;
  }
  figure.rowWeights = {1.4f, 1.0f};
  return figure;
}

inline Figure attentionFigure() {
  const std::vector<std::string> tokens{"The", "animal", "did", "n't", "cross", "the", "street", "because", "it", "was", "too", "tired", "."};
  const auto n = static_cast<std::int64_t>(tokens.size());
  std::vector<float> weights;
  for (std::int64_t i = 0; i < n; ++i) {
    float sum = 0;
    std::vector<float> row;
    for (std::int64_t j = 0; j < n; ++j) row.push_back(j > i ? 0.0f : std::exp(-0.35f * static_cast<float>(i - j) + 1.3f * std::sin(static_cast<float>(i * 3 + j * 5))));
    for (const float w : row) sum += w;
    for (const float w : row) weights.push_back(w / sum);
  }
  Figure figure;
  figure.title = "Softmax attention";
  Panel heat;
  heat.id = "weights";
  heat.title = "What each token reads";
  heat.note = "head 5 of 12";
  heat.equalAspect = true;
  heat.x.scale = heat.y.scale = ScaleKind::categorical;
  heat.x.categories = heat.y.categories = tokens;
  heat.x.label = "key";
  heat.y.label = "query";
  heat.y.reversed = true;
  auto map = std::make_shared<HeatMapMark>("weight");
  map->value = Tensor::from({n, n}, weights);
  map->x = map->y = Range{-0.5, static_cast<double>(n) - 0.5};
  map->range = Range{0, 1};
  map->quantity = "weight";
  map->rowNames = map->columnNames = tokens;
  heat.marks.push_back(map);
  heat.colorBar = ColorBar{ColorMap::viridis, {0, 1}, false, "attention weight"};
  figure.panels.push_back(heat);

  Panel bars;
  bars.id = "entropy";
  bars.column = 1;
  bars.title = "Entropy of each row";
  bars.x.label = "entropy (nats)";
  bars.y.scale = ScaleKind::categorical;
  bars.y.categories = tokens;
  bars.y.reversed = true;
  auto mark = std::make_shared<BarsMark>("entropy");
  mark->horizontal = true;
  std::vector<float> entropy, at;
  for (std::int64_t i = 0; i < n; ++i) {
    double h = 0;
    for (std::int64_t j = 0; j <= i; ++j) {
      const double w = static_cast<double>(weights[static_cast<std::size_t>(i * n + j)]);
      h -= w * std::log(w);
    }
    entropy.push_back(static_cast<float>(h));
    at.push_back(static_cast<float>(i));
  }
  mark->position = vectorOf(at);
  mark->value = vectorOf(entropy);
  bars.marks.push_back(mark);
  auto rule = std::make_shared<RuleMark>("uniform");
  rule->at = std::log(static_cast<double>(n));
  rule->tag = "ln n";
  bars.marks.push_back(rule);
  figure.panels.push_back(bars);
  figure.columnWeights = {1.35f, 1.0f};
  return figure;
}

inline Figure detectionFigure() {
  Figure figure;
  figure.title = "Detection";
  Panel image;
  image.id = "image";
  image.title = "Image 000139";
  image.equalAspect = true;
  image.frameless = true;
  image.y.reversed = true;
  image.x.range = Range{0, 64};
  image.y.range = Range{0, 48};
  auto picture = std::make_shared<ImageMark>("image");
  std::vector<std::uint8_t> pixels;
  for (int y = 0; y < 48; ++y) {
    for (int x = 0; x < 64; ++x) {
      const bool square = x > 8 && x < 24 && y > 10 && y < 30, disc = (x - 44) * (x - 44) + (y - 26) * (y - 26) < 120;
      const std::uint8_t shade = static_cast<std::uint8_t>(60 + x + y);
      pixels.insert(pixels.end(), {static_cast<std::uint8_t>(disc ? 200 : shade), static_cast<std::uint8_t>(square ? 150 : shade), static_cast<std::uint8_t>(shade + 20), 255});
    }
  }
  picture->pixels = Tensor::from(Shape{48, 64, 4}, pixels);
  picture->x = {0, 64};
  picture->y = {0, 48};
  image.marks.push_back(picture);
  auto boxes = std::make_shared<BoxesMark>("boxes");
  boxes->boxes = {{9, 11, 15, 19, Paint::of(Role::truePositive), false, "square 0.93", "true positive", 0.93},
                  {33, 15, 22, 22, Paint::of(Role::falsePositive), false, "disc 0.61", "false positive: IoU 0.42", 0.61},
                  {50, 2, 10, 8, Paint::of(Role::missed), true, "missed", "missed", 0}};
  image.marks.push_back(boxes);
  figure.panels.push_back(image);

  Panel curve;
  curve.id = "pr-curve";
  curve.column = 1;
  curve.title = "Precision falls where recall is bought";
  curve.note = "IoU 0.50";
  curve.x.label = "recall";
  curve.y.label = "precision";
  curve.x.range = Range{0, 1};
  curve.y.range = Range{0, 1.02};
  const std::vector<float> r = grid(0, 1, 60);
  const char* names[] = {"square", "disc", "cross", "triangle"};
  for (int c = 0; c < 4; ++c) {
    auto mark = line(names[c], std::string(names[c]) + (c == 0 ? " AP 0.81" : ""), vectorOf(r), map(r, [c](double v) { return std::max(0.0, 1 - std::pow(v, 6 - 1.3 * c) * (0.5 + 0.12 * c)); }), Paint::series(c));
    mark->steps = c == 1;
    mark->dash = c == 2 ? std::vector<float>{4, 2} : std::vector<float>{};
    curve.marks.push_back(mark);
  }
  figure.panels.push_back(curve);
  return figure;
}

inline Figure fieldFigure() {
  constexpr int n = 48;
  std::vector<float> density;
  for (int r = 0; r < n; ++r) {
    for (int c = 0; c < n; ++c) {
      const double x = -2 + 4 * (c + 0.5) / n, y = -2 + 4 * (r + 0.5) / n;
      density.push_back(static_cast<float>(std::exp(-2 * ((x - 0.8) * (x - 0.8) + y * y)) + 0.8 * std::exp(-3 * ((x + 0.7) * (x + 0.7) + (y - 0.4) * (y - 0.4)))));
    }
  }
  Figure figure;
  Panel panel;
  panel.id = "field";
  panel.title = "Score field and density";
  panel.equalAspect = true;
  panel.x.label = "x\u2081";
  panel.y.label = "x\u2082";
  panel.x.range = panel.y.range = Range{-2, 2};
  auto heat = std::make_shared<HeatMapMark>("density");
  heat->value = Tensor::from({n, n}, density);
  heat->x = heat->y = Range{-2, 2};
  heat->map = ColorMap::magma;
  heat->smooth = true;
  heat->alphaFromValue = true;
  panel.marks.push_back(heat);
  auto contour = std::make_shared<ContourMark>("levels");
  contour->value = heat->value;
  contour->x = contour->y = heat->x;
  contour->levels = {0.1, 0.3, 0.5, 0.7, 0.9};
  panel.marks.push_back(contour);
  std::vector<float> at, vectors;
  for (int r = 0; r < 11; ++r) {
    for (int c = 0; c < 11; ++c) {
      const double x = -1.8 + 0.36 * c, y = -1.8 + 0.36 * r;
      at.insert(at.end(), {static_cast<float>(x), static_cast<float>(y)});
      vectors.insert(vectors.end(), {static_cast<float>(0.3 - x), static_cast<float>(0.1 - y)});
    }
  }
  auto field = std::make_shared<VectorFieldMark>("score");
  field->xy = Tensor::from({121, 2}, at);
  field->uv = Tensor::from({121, 2}, vectors);
  field->paint = Paint::of(Role::ink, 0.7f);
  panel.marks.push_back(field);
  panel.colorBar = ColorBar{ColorMap::magma, {0, 1}, false, "density"};
  figure.panels.push_back(panel);

  Panel error;
  error.id = "error";
  error.column = 1;
  error.title = "Error falls with the step size";
  error.x.label = "steps N";
  error.y.label = "error (W\u2082)";
  error.x.scale = error.y.scale = ScaleKind::log;
  error.y.grid = true;
  const std::vector<float> steps{4, 8, 16, 32, 64, 128, 256};
  auto euler = line("euler", "Euler", vectorOf(steps), map(steps, [](double s) { return 2 / s; }), Paint::series(0));
  euler->markers = true;
  auto heun = line("heun", "Heun", vectorOf(steps), map(steps, [](double s) { return 6 / (s * s); }), Paint::series(4));
  heun->markers = true;
  heun->dash = {4, 2};
  error.marks = {euler, heun};
  figure.panels.push_back(error);

  Panel links;
  links.id = "links";
  links.column = 2;
  links.title = "\u6CE8\u610F\u529B\u8FDE\u7EBF";
  links.frameless = true;
  links.x.range = Range{-0.6, 1.6};
  links.y.range = Range{-0.7, 5.7};
  links.y.reversed = true;
  std::vector<float> from, to, weight;
  auto words = std::make_shared<TextMark>("tokens");
  const char* tokens[] = {"the", "cat", "sat", "on", "the", "mat"};
  for (int i = 0; i < 6; ++i) {
    words->words.push_back({-0.05, static_cast<double>(i), tokens[i], Paint::of(Role::ink), HAlign::right, VAlign::middle});
    words->words.push_back({1.05, static_cast<double>(i), tokens[i], Paint::of(Role::ink), HAlign::left, VAlign::middle});
    for (int j = 0; j <= i; ++j) {
      from.insert(from.end(), {0.0f, static_cast<float>(i)});
      to.insert(to.end(), {1.0f, static_cast<float>(j)});
      weight.push_back(1.0f / static_cast<float>(1 + std::abs(i - j) * 2));
    }
  }
  auto lines = std::make_shared<LinksMark>("links");
  lines->from = Tensor::from({21, 2}, from);
  lines->to = Tensor::from({21, 2}, to);
  lines->weight = vectorOf(weight);
  links.marks = {lines, words};
  figure.panels.push_back(links);
  return figure;
}

}  // namespace samples
