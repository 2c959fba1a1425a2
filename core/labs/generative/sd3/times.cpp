// Times of training pairs. Sources: Esser et al. 2024, section 3.1. The velocity u = eps - x_0 of the straight path x_t = (1 - t) x_0 +
// t eps can be told from x_t up to Var[u | x_t] = Var[x_0 | x_t] / t^2; the best straight line of x_t is left with v / ((1 - t)^2 v + t^2),
// v the variance of the data (the determinant of (x_0, eps) -> (x_t, u) is 1). Between the two lies what only a network can learn: nothing
// at both ends. Draws are Philox words, key = seed, stream 61.

#include "core/labs/generative/sd3/times.h"

#include <algorithm>
#include <cmath>

#include "core/kernels/elementwise.h"
#include "core/kernels/histogram.h"
#include "core/kernels/philox.h"
#include "core/labs/generative/shared/curves.h"

namespace orrery::generative::sd3 {

using diffusion::LineMixture;
using kernels::Unary;

namespace {

constexpr std::int64_t bins = 64;
constexpr int curvePoints = 601, lossPoints = 61;
constexpr std::uint32_t drawStream = 61;

// Times of the law on the device: the same maps as in core/diffusion/time_law.cpp.
Tensor draw(gpu::Stream& stream, const diffusion::TimeLaw& law, double mean, double scale, std::int64_t count, std::uint64_t seed) {
  const kernels::RandomKey key{seed, drawStream, 0};
  const auto f = [](double v) { return static_cast<float>(v); };
  if (law.id == "logit-normal")
    return kernels::unary(stream, Unary::sigmoid, kernels::normal(stream, Shape{count}, key, f(mean), f(scale)));
  const Tensor u = kernels::uniform(stream, Shape{count}, key);
  constexpr double pi = std::numbers::pi;
  if (law.id == "mode") {
    // 1 + s / 2 - (1 + s) u - s / 2 cos(pi u)
    const Tensor cosine = kernels::unary(stream, Unary::cos, kernels::affine(stream, u, f(pi), 0));
    return kernels::binary(stream, kernels::Binary::add, kernels::affine(stream, u, f(-1 - scale), f(1 + scale / 2)),
                           kernels::affine(stream, cosine, f(-scale / 2), 0));
  }
  if (law.id == "cosmap") {
    const Tensor angle = kernels::affine(stream, u, f(pi / 2), 0), sine = kernels::unary(stream, Unary::sin, angle);
    return kernels::binary(stream, kernels::Binary::div, sine,
                           kernels::binary(stream, kernels::Binary::add, sine, kernels::unary(stream, Unary::cos, angle)));
  }
  return u;
}

// Points in 0 ... 1, denser at the ends, where densities turn.
std::vector<double> placesOf(int count) {
  std::vector<double> places;
  for (int i = 0; i < count; ++i) places.push_back(0.5 - 0.5 * std::cos(std::numbers::pi * (i + 0.5) / count));
  return places;
}

double varianceOf(const LineMixture& data) {
  double mean = 0, squares = 0;
  for (const auto& c : data.components) mean += c.weight * c.mean, squares += c.weight * (c.mean * c.mean + c.deviation * c.deviation);
  return squares - mean * mean;
}

Paint lawPaint(std::string_view id) { return Paint::series(id == "uniform" ? 6 : id == "logit-normal" ? 4 : id == "mode" ? 2 : 0); }

}  // namespace

Times::Times() {
  const LineMixture data = diffusion::threeModes();
  for (int i = 0; i < lossPoints; ++i) {
    const double t = 0.01 + 0.98 * i / (lossPoints - 1.0);
    lossAt_.push_back(t);
    least_.push_back(leastLoss(data, t));
    straight_.push_back(lineLoss(varianceOf(data), t));
  }
}

// Over the quantiles of x_t; Var[x_0 | x_t] = s^2 dD/dx in scaled coordinates, s = t / (1 - t).
double Times::leastLoss(const LineMixture& data, double t) {
  constexpr int nodes = 64;
  const double s = t / (1 - t), h = 1e-4 * std::hypot(s, 1);
  double sum = 0;
  for (int i = 0; i < nodes; ++i) {
    const double x = data.quantile((i + 0.5) / nodes, s);
    sum += s * s * (data.denoise({x + h}, s)[0] - data.denoise({x - h}, s)[0]) / (2 * h) / nodes;
  }
  return sum / (t * t);
}

double Times::lineLoss(double variance, double t) { return variance / ((1 - t) * (1 - t) * variance + t * t); }

bool Times::touched(const LabContext& context) const {
  return context.anyChanged({"law", "mean", "deviation", "mode-scale", "draws", "seed"});
}

Expected<void> Times::update(LabContext& context) {
  const auto* law = diffusion::timeLaw(context.text("law"));
  const double scale = law->id == "mode" ? context.number("mode-scale") : context.number("deviation");
  if (law->id == "mode" && !(scale >= diffusion::leastModeScale && scale <= diffusion::largestModeScale)) {
    return makeError(ErrorCode::usage,
                     trf("Mode law: at s = {:.4g} the map is not invertible, some times would be drawn from two places; s "
                         "lies between −1 and 2 / (π − 2) = 1.7519",
                         scale));
  }
  law_ = law, scale_ = scale;
  mean_ = context.number("mean");
  draws_ = context.integer("draws");
  auto& stream = context.stream();
  counts_ = kernels::histogram(stream, draw(stream, *law_, mean_, scale_, draws_, static_cast<std::uint64_t>(context.integer("seed"))),
                               {0, 1, bins});
  return {};
}

double Times::median() const {
  // Middle of the drawn law, by the map itself.
  return law_->time(0.5, mean_, scale_);
}

Panel Times::densityPanel(bool withLoss) const {
  Panel panel;
  panel.id = "density";
  panel.title = trf("Which times are trained? {}", tr(law_->title));
  panel.x.label = tr("time t (data at 0)");
  panel.x.range = Range{0, 1};
  panel.y.label = tr("density");
  panel.legend = withLoss;
  const auto counted = counts_.as<std::uint32_t>();
  std::vector<double> position, height, x = placesOf(curvePoints), y;
  double top = 1;
  for (std::int64_t b = 0; b < bins; ++b) {
    position.push_back((static_cast<double>(b) + 0.5) / bins);
    height.push_back(static_cast<double>(counted[static_cast<std::size_t>(b)]) * bins / static_cast<double>(draws_));
    top = std::max(top, height.back());
  }
  for (const double t : x) y.push_back(density(t));
  auto bars = std::make_shared<BarsMark>("drawn");
  bars->position = columnOf(position), bars->value = columnOf(height);
  bars->thickness = 1.0 / bins;
  bars->paint = Paint::of(Role::estimate, 0.3f);
  bars->label = tr("drawn");
  panel.marks.push_back(std::move(bars));
  auto curve = curveOf("density", x, y, Paint::of(Role::data), tr("exact"));
  curve->xName = tr("t"), curve->yName = tr("density");
  curve->directLabel = false;
  panel.marks.push_back(std::move(curve));
  if (withLoss) {
    // What a sample teaches, in its own unit: drawn to half the height.
    std::vector<double> gap;
    double most = 0;
    for (std::size_t i = 0; i < lossAt_.size(); ++i) gap.push_back(straight_[i] - least_[i]), most = std::max(most, gap.back());
    for (double& g : gap) g *= 0.6 * top / most;
    auto learnt = curveOf("learnable", lossAt_, gap, Paint::of(Role::stochastic), tr("what a network can learn there"));
    learnt->dash = {4, 2};
    learnt->directLabel = false;
    panel.marks.push_back(std::move(learnt));
  }
  panel.y.range = Range{0, 1.12 * top};
  if (law_->id == "logit-normal") {
    auto rule = std::make_shared<RuleMark>("median");
    rule->at = diffusion::timeOfLogit(mean_);
    rule->paint = Paint::of(Role::accent);
    panel.marks.push_back(std::move(rule));
    panel.handles.push_back({"mean", diffusion::timeOfLogit(mean_), 0, Handle::Kind::verticalLine, tr("Median of t: sigmoid(m)")});
    panel.note = trf("median {:.3f}", median());
  }
  return panel;
}

// How much of what only a network can learn a time of this law meets on average; of a uniform one it is 1.
double Times::learnableShare(const diffusion::TimeLaw& law, double mean, double scale) const {
  double gained = 0, uniform = 0;
  for (std::size_t i = 0; i < lossAt_.size(); ++i) {
    const double gap = straight_[i] - least_[i];
    gained += gap * law.density(lossAt_[i], mean, scale);
    uniform += gap;
  }
  return gained / uniform;
}

// The two losses of the velocity over time.
Panel Times::lossPanel() const {
  Panel panel;
  panel.id = "loss";
  panel.title = tr("Where is something left to learn?");
  panel.note = tr("velocity u = ε − x₀, three modes on a line");
  panel.x.label = tr("time t (data at 0)");
  panel.x.range = Range{0, 1};
  panel.y.label = tr("squared error of u");
  double top = 0;
  for (const double v : straight_) top = std::max(top, v);
  panel.y.range = Range{0, 1.1 * top};
  auto band = std::make_shared<BandMark>("learnable");
  band->x = columnOf(lossAt_), band->low = columnOf(least_), band->high = columnOf(straight_);
  band->paint = Paint::of(Role::stochastic, 0.3f);
  band->label = tr("what only a network can learn");
  band->directLabel = false;
  panel.marks.push_back(std::move(band));
  auto straight = curveOf("line", lossAt_, straight_, Paint::of(Role::muted), tr("best straight line of xₜ"));
  straight->directLabel = false;
  panel.marks.push_back(std::move(straight));
  auto least = curveOf("best", lossAt_, least_, Paint::of(Role::estimate), tr("best network"));
  least->directLabel = false;
  panel.marks.push_back(std::move(least));
  return panel;
}

Panel Times::lawsPanel() const {
  Panel panel;
  panel.id = "laws";
  panel.title = tr("How much of it does a time of each law meet?");
  panel.note = tr("a uniform one: × 1");
  panel.x.label = tr("time t (data at 0)");
  panel.x.range = Range{0, 1};
  panel.y.label = tr("density");
  const std::vector<double> x = placesOf(curvePoints);
  double top = 1;
  for (const auto& law : diffusion::timeLaws()) {
    const double scale = law.id == law_->id ? scale_ : law.id == "mode" ? 1.29 : 1;
    std::vector<double> y;
    for (const double t : x) y.push_back(law.density(t, law.id == law_->id ? mean_ : 0, scale));
    top = std::max(top, std::min(*std::max_element(y.begin(), y.end()), 6.0));
    const double met = learnableShare(law, law.id == law_->id ? mean_ : 0, scale);
    auto curve = curveOf(law.id, x, y, lawPaint(law.id), trf("{} × {:.2f}", tr(law.title), met));
    curve->width = law.id == law_->id ? 1.8f : 0.9f;
    curve->directLabel = false;
    panel.marks.push_back(std::move(curve));
  }
  panel.y.range = Range{0, 1.08 * top};
  return panel;
}

// The laws as maps of a uniform number.
Panel Times::mapPanel() const {
  Panel panel;
  panel.id = "map";
  panel.title = tr("From a uniform number to a time");
  panel.x.label = tr("uniform u");
  panel.x.range = panel.y.range = Range{0, 1};
  panel.y.label = tr("time t (data at 0)");
  for (const auto& law : diffusion::timeLaws()) {
    const double scale = law.id == law_->id ? scale_ : law.id == "mode" ? 1.29 : 1;
    std::vector<double> x, y;
    for (int i = 0; i <= 200; ++i) {
      const double u = std::clamp(i / 200.0, 1e-5, 1 - 1e-5);
      // The paper's maps of mode and CosMap both start where the others end; drawn so that all rise.
      x.push_back(law.id == "mode" ? 1 - u : u);
      y.push_back(law.time(u, law.id == law_->id ? mean_ : 0, scale));
    }
    auto curve = curveOf(law.id, x, y, lawPaint(law.id), tr(law.title));
    curve->width = law.id == law_->id ? 1.8f : 0.9f;
    curve->directLabel = false;
    panel.marks.push_back(std::move(curve));
  }
  return panel;
}

Panel Times::overview() const { return densityPanel(true); }

Figure Times::detail() const {
  Figure figure;
  place(figure, densityPanel(true), 0, 0);
  place(figure, lossPanel(), 0, 1);
  place(figure, lawsPanel(), 1, 0);
  place(figure, mapPanel(), 1, 1);
  return figure;
}

void Times::addMetrics(std::vector<Metric>& metrics) const {
  // By the midpoint rule in the logit, where every law here decays: dt = t (1 - t) d logit.
  constexpr int cells = 20000;
  double mass = 0, below = 0;
  for (int i = 0; i < cells; ++i) {
    const double t = diffusion::timeOfLogit(-36 + 72 * (i + 0.5) / cells), dt = t * (1 - t) * 72 / cells, p = density(t);
    mass += p * dt;
  }
  const double middle = diffusion::logitOf(median());
  for (int i = 0; i < cells; ++i) {
    const double t = diffusion::timeOfLogit(-36 + (middle + 36) * (i + 0.5) / cells);
    below += density(t) * t * (1 - t) * (middle + 36) / cells;
  }
  const auto counted = counts_.as<std::uint32_t>();
  double apart = 0, all = 0;
  for (std::int64_t b = 0; b < bins; ++b) {
    double expected = 0;
    for (int k = 0; k < 16; ++k) expected += density((static_cast<double>(b) + (k + 0.5) / 16) / bins) / 16 / bins;
    const double found = static_cast<double>(counted[static_cast<std::size_t>(b)]) / static_cast<double>(draws_);
    apart += std::abs(found - expected);
    all += found;
  }
  // Local maxima of the density, at 4000 times of evenly spaced logits.
  int peaks = 0;
  const auto at = [&](int i) { return density(diffusion::timeOfLogit(-20 + 40 * (i + 0.5) / 4000)); };
  for (int i = 1; i + 1 < 4000; ++i) peaks += at(i) > at(i - 1) && at(i) >= at(i + 1) ? 1 : 0;
  metrics.push_back({"times.mass", mass, ""});
  metrics.push_back({"times.median", median(), ""});
  metrics.push_back({"times.below-median", below, ""});
  metrics.push_back({"times.centre", density(0.5), ""});
  metrics.push_back({"times.peaks", static_cast<double>(peaks), ""});
  metrics.push_back({"times.histogram-error", apart, ""});
  metrics.push_back({"times.drawn-inside", all, ""});
  metrics.push_back({"times.gain-over-uniform", learnableShare(*law_, mean_, scale_), ""});
}

Changes Times::pointer(const PointerEvent& event, const Values&) const {
  if (event.kind != PointerEvent::Kind::drag || event.handle != "mean" || event.x <= 0 || event.x >= 1) return {};
  return {{"mean", std::clamp(diffusion::logitOf(event.x), -2.0, 2.0)}};
}

}  // namespace orrery::generative::sd3
