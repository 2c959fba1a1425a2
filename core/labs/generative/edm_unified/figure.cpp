// The picture of the lab edm-unified.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/figure/place.h"
#include "core/labs/generative/edm_unified/lab.h"
#include "core/labs/generative/shared/curves.h"

namespace orrery::generative {

using diffusion::Moment;
using diffusion::Prediction;
using diffusion::State;

namespace {

constexpr double gap = std::numeric_limits<double>::quiet_NaN();

// Its name stands in the legend.
std::shared_ptr<LineMark> line(std::string id, const std::vector<double>& x, const std::vector<double>& y, Paint paint,
                               std::string label = {}) {
  auto mark = curveOf(std::move(id), x, y, paint, std::move(label));
  mark->directLabel = false;
  return mark;
}

std::shared_ptr<RuleMark> rule(std::string id, double at) {
  auto mark = std::make_shared<RuleMark>(std::move(id));
  mark->at = at;
  mark->paint = Paint::of(Role::accent);
  return mark;
}

std::string titleOf(Prediction prediction) {
  switch (prediction) {
    case Prediction::epsilon:
      return tr("Noise ε");
    case Prediction::data:
      return tr("Data x₀");
    case Prediction::score:
      return tr("Score");
    case Prediction::v:
      return tr("v");
    case Prediction::velocity:
      return tr("Velocity");
    case Prediction::edm:
      return tr("EDM's F");
  }
  return {};
}

}  // namespace

const EdmUnified::LawPath& EdmUnified::chosenPath() const {
  return *std::find_if(paths_.begin(), paths_.end(), [&](const LawPath& path) { return path.law.id == law_; });
}

std::string EdmUnified::firstOf(const std::string& what) const {
  return data_.dimension() == 1 ? what : trf("{}, first coordinate", what);
}

Panel EdmUnified::lawPanel() const {
  const NoisingLaw& law = chosenPath().law;
  Panel panel;
  panel.id = "law";
  panel.title = trf("{}: signal and noise", law.title);
  panel.x.label = tr("time t (data at 0)");
  panel.y.scale = ScaleKind::log;
  panel.y.label = tr("s and σ");
  constexpr int points = 161;
  constexpr double least = 1e-3, most = 300;  // what of them is shown
  std::vector<double> t, s, sigma;
  for (int i = 0; i < points; ++i) {
    const double time = std::clamp(law.sde.last * i / (points - 1.0), law.sde.first, law.sde.last);
    const Moment at = law.sde.at(time);
    t.push_back(time);
    s.push_back(at.alpha >= least ? at.alpha : gap);
    sigma.push_back(at.relative() >= least && at.relative() <= most ? at.relative() : gap);
  }
  panel.y.range = Range{least, most};
  panel.marks.push_back(line("s", t, s, Paint::series(0), tr("scale s(t)")));
  panel.marks.push_back(line("sigma", t, sigma, Paint::series(4), tr("noise level σ(t)")));
  auto points2 = std::make_shared<PointsMark>("knots");
  std::vector<float> xy;
  for (int k = 1; k < knots; ++k) {
    const auto [scale, level] = knotOf(k);
    const double time = law.sde.last * k / (knots - 1);
    xy.insert(xy.end(), {static_cast<float>(time), static_cast<float>(scale), static_cast<float>(time), static_cast<float>(level)});
    panel.handles.push_back({"s-" + std::to_string(k), time, scale, Handle::Kind::point, trf("scale s at t = {:.2g}", time)});
    panel.handles.push_back({"n-" + std::to_string(k), time, level, Handle::Kind::point, trf("noise level σ at t = {:.2g}", time)});
  }
  points2->xy = Tensor::from(Shape{static_cast<std::int64_t>(xy.size() / 2), 2}, xy);
  points2->paint = Paint::of(Role::muted);
  panel.marks.push_back(std::move(points2));
  panel.note = trf("σ from {:.3g} to {:.3g}", std::max(law.lowest(), fine_.back()), std::min(law.highest(), levels_.front()));
  return panel;
}

Panel EdmUnified::rawPanel() const {
  const LawWalk& fine = chosenPath().walk;
  Panel panel;
  panel.id = "raw";
  panel.title = trf("{}: its own coordinates", chosenPath().law.title);
  panel.x.label = tr("time t (data at 0)");
  panel.y.label = firstOf(tr("state xₜ"));
  panel.legend = false;
  const std::size_t d = data_.dimension(), every = std::max<std::size_t>(fine.raw.size() / 200, 1);
  std::vector<double> x, y, dotsX, dotsY;
  for (std::size_t k = 0; k < fine.raw.front().size(); k += d) {
    for (std::size_t i = 0; i < fine.raw.size(); i += every) x.push_back(fine.times[i]), y.push_back(fine.raw[i][k]);
    x.push_back(gap), y.push_back(gap);
    if (k / d % 4 != 1) continue;  // the solver's steps of a few, so that each can be followed
    for (std::size_t i = 0; i < coarse_.raw.size(); ++i) dotsX.push_back(coarse_.times[i]), dotsY.push_back(coarse_.raw[i][k]);
    dotsX.push_back(gap), dotsY.push_back(gap);
  }
  panel.marks.push_back(line("paths", x, y, Paint::of(Role::muted, 0.7f)));
  auto dots = line("solver", dotsX, dotsY, Paint::of(Role::estimate));
  dots->markers = coarse_.raw.size() <= 65;
  panel.marks.push_back(std::move(dots));
  panel.note = trf("path / chord {:.3f}", chosenPath().curvature);
  return panel;
}

Panel EdmUnified::scaledPanel() const {
  const LawPath& chosen = chosenPath();
  const LawWalk& fine = chosen.walk;
  Panel panel;
  panel.id = "scaled";
  panel.title = tr("Scaled: the same for every law");
  panel.x.label = tr("noise level σ");
  panel.x.scale = ScaleKind::log;
  panel.x.reversed = true;
  panel.y.label = firstOf(tr("x / √(1 + σ²)"));
  panel.legend = false;
  const std::size_t d = data_.dimension(), every = std::max<std::size_t>(fine.raw.size() / 200, 1);
  std::vector<double> x, y, dotsX, dotsY;
  // Drawn at the size of the variance-preserving state, so that beginning and end fit one axis.
  const auto put = [&](const LawWalk& walk, std::size_t i, std::size_t k, std::vector<double>& toX, std::vector<double>& toY) {
    const double level = walk.levels[i];
    toX.push_back(level);
    toY.push_back(walk.raw[i][k] / chosen.law.sde.at(walk.times[i]).alpha / std::sqrt(1 + level * level));
  };
  for (std::size_t k = 0; k < fine.raw.front().size(); k += d) {
    for (std::size_t i = 0; i < fine.raw.size(); i += every) put(fine, i, k, x, y);
    x.push_back(gap), y.push_back(gap);
    if (k / d % 4 != 1) continue;
    for (std::size_t i = 0; i < coarse_.raw.size(); ++i) {
      if (coarse_.levels[i] > 0) put(coarse_, i, k, dotsX, dotsY);  // 0 has no place on this axis
    }
    dotsX.push_back(gap), dotsY.push_back(gap);
  }
  panel.marks.push_back(line("paths", x, y, Paint::of(Role::muted, 0.7f)));
  auto dots = line("solver", dotsX, dotsY, Paint::of(Role::estimate));
  dots->markers = coarse_.raw.size() <= 65;
  panel.marks.push_back(std::move(dots));
  // With new noise in every step a path has no exact end; its law has.
  const std::string measure = data_.dimension() == 1 ? tr("W₁") : tr("SW₂");
  if (solver_.churn > 0)
    panel.note = trf("{} to the data's law {:.2g}, of {} particles", measure, distance_, counted_);
  else
    panel.note = network_ ? trf("your network off at the end by {:.2g}", chosen.error) : trf("error at the end {:.2g}", chosen.error);
  if (!complaint_.empty()) panel.note = complaint_;
  return panel;
}

Panel EdmUnified::scalesPanel() const {
  Panel panel;
  panel.id = "scales";
  panel.title = trf("What the network sees: {}", tr(view_->title));
  panel.x.label = tr("noise level σ");
  panel.x.scale = ScaleKind::log;
  panel.y.label = tr("standard deviation");
  panel.y.scale = ScaleKind::log;
  panel.y.range = Range{0.02, 120};
  std::vector<double> sigmas, input, target, out;
  const double variance = data_.variance();
  for (const double sigma : lossAt_) {
    const auto p = view_->at(sigma, dataDeviation_);
    sigmas.push_back(sigma);
    input.push_back(p.in * std::sqrt(variance + sigma * sigma));
    target.push_back(std::sqrt(std::pow(1 - p.skip, 2) * variance + std::pow(p.skip * sigma, 2)) / std::abs(p.out));
    out.push_back(std::abs(p.out));
  }
  panel.marks.push_back(line("input", sigmas, input, Paint::series(0), tr("input")));
  panel.marks.push_back(line("target", sigmas, target, Paint::series(4), tr("target")));
  auto amplified = line("out", sigmas, out, Paint::series(2), tr("|c_out|: error in D per error of F"));
  amplified->dash = {4, 2};
  panel.marks.push_back(std::move(amplified));
  panel.marks.push_back(rule("level", level_));
  panel.handles.push_back({"level", level_, 0, Handle::Kind::verticalLine, tr("Noise level shown σ")});
  return panel;
}

Panel EdmUnified::coefficientsPanel() const {
  Panel panel;
  panel.id = "coefficients";
  panel.title = tr("How it is wrapped: D = c_skip x + c_out F(c_in x; c_noise)");
  panel.x.label = tr("noise level σ");
  panel.x.scale = ScaleKind::log;
  panel.y.label = tr("coefficient");
  std::vector<double> skip, in, noise;
  double largest = 1e-12;
  for (const double sigma : lossAt_) {
    const auto p = view_->at(sigma, dataDeviation_);
    skip.push_back(p.skip), in.push_back(p.in), noise.push_back(p.noise);
    largest = std::max(largest, std::abs(p.noise));
  }
  // What the network is told runs to 999 or below 0: drawn to size 1.
  for (double& v : noise) v /= largest;
  panel.marks.push_back(line("skip", lossAt_, skip, Paint::series(0), tr("c_skip")));
  panel.marks.push_back(line("in", lossAt_, in, Paint::series(4), tr("c_in")));
  panel.marks.push_back(line("noise", lossAt_, noise, Paint::series(2), trf("c_noise / {:.3g}", largest)));
  panel.marks.push_back(rule("level", level_));
  return panel;
}

Panel EdmUnified::lossPanel() const {
  Panel panel;
  panel.id = "loss";
  panel.title = tr("Where is something left to learn?");
  panel.x.label = tr("noise level σ");
  panel.x.scale = ScaleKind::log;
  panel.y.label = tr("weighted loss");
  const double top = *std::max_element(lossDensity_.begin(), lossDensity_.end());
  std::vector<double> first = lossFirst_, density, zero(lossAt_.size(), 0.0);
  // The density of training levels has its own unit: drawn to half the height.
  double most = 1.2;
  for (const double v : lossLeast_) most = std::max(most, std::min(v, 6.0));
  for (const double v : lossDensity_) density.push_back(0.5 * most * v / std::max(top, 1e-12));
  panel.y.range = Range{0, 1.1 * most};
  auto band = std::make_shared<BandMark>("density");
  band->x = columnOf(lossAt_), band->low = columnOf(zero), band->high = columnOf(density);
  band->paint = Paint::of(Role::muted, 0.3f);
  band->label = tr("levels in training");
  band->directLabel = false;
  panel.marks.push_back(std::move(band));
  panel.marks.push_back(line("first", lossAt_, first, Paint::series(4), tr("a network that says 0")));
  panel.marks.push_back(line("least", lossAt_, lossLeast_, Paint::series(0), tr("the best network")));
  if (!lossNetwork_.empty()) panel.marks.push_back(line("network", lossAt_, lossNetwork_, Paint::of(Role::data), tr("your network")));
  if (view_->id == "edm" || view_->id == "data" || view_->id == "noise" || (view_->id == "flow" && logitNormal_)) {
    panel.marks.push_back(rule("p-mean", std::exp(mean_)));
    panel.handles.push_back({"p-mean", std::exp(mean_), 0, Handle::Kind::verticalLine, tr("Mean of ln σ in training")});
    auto width = rule("p-std", std::exp(mean_ + deviation_));
    width->dash = {4, 3};
    panel.marks.push_back(std::move(width));
    panel.handles.push_back({"p-std", std::exp(mean_ + deviation_), 0, Handle::Kind::verticalLine, tr("Deviation of ln σ in training")});
  }
  return panel;
}

// What a network of this parameterisation should say at the shown level against the state it sees, and the spread of single targets around
// it.
Panel EdmUnified::boardPanel(Prediction prediction, int column) const {
  Panel panel;
  panel.id = std::string(diffusion::idOf(prediction));
  panel.title = titleOf(prediction);
  panel.row = 2;
  panel.column = column;
  panel.columnSpan = 2;
  panel.legend = false;
  panel.x.label = firstOf(prediction == Prediction::edm ? tr("state x / s") : tr("state xₜ"));
  const diffusion::Sde& sde = chosenPath().law.sde;
  const Moment at = sde.at(diffusion::timeOf(sde, level_));
  const double relative = at.relative();
  constexpr int points = 121;
  std::vector<double> x, mean, low, high, network;
  const double reach = data_.quantile(0.9995, relative), least = data_.quantile(0.0005, relative);
  // In the plane along the line through the middle of the data, where the other coordinate stays.
  const std::size_t d = data_.dimension();
  State scaled;
  {
    std::vector<double> places;
    for (int i = 0; i < points; ++i) {
      places.push_back(least + (reach - least) * i / (points - 1.0));
      if (d == 2) places.push_back(data_.mean()[1]);
    }
    scaled = State(std::move(places));
  }
  const State clean = data_.denoise(scaled, relative), answered = network_ ? network_->denoise(scaled, relative) : State();
  const std::vector<double> spreads = data_.spread(scaled, relative);
  for (std::size_t i = 0; i < spreads.size(); ++i) {
    const double raw = at.alpha * scaled[d * i], around = std::sqrt(std::max(spreads[i], 0.0));
    const auto said = [&](double D) {
      return diffusion::convert(Prediction::data, prediction, State{D}, State{raw}, at, dataDeviation_)[0];
    };
    const double a = said(clean[d * i] - around), b = said(clean[d * i] + around);
    x.push_back(prediction == Prediction::edm ? scaled[d * i] : raw);
    mean.push_back(said(clean[d * i]));
    if (network_) network.push_back(said(answered[d * i]));
    low.push_back(std::min(a, b)), high.push_back(std::max(a, b));
  }
  auto band = std::make_shared<BandMark>("spread");
  band->x = columnOf(x), band->low = columnOf(low), band->high = columnOf(high);
  band->paint = Paint::of(Role::estimate, 0.22f);
  panel.marks.push_back(std::move(band));
  panel.marks.push_back(line("mean", x, mean, Paint::of(Role::estimate)));
  if (network_) panel.marks.push_back(line("network", x, network, Paint::of(Role::data)));
  return panel;
}

Figure EdmUnified::figure() const {
  Figure figure;
  figure.title = tr("One design space");
  if (view_ == nullptr) return figure;
  place(figure, lawPanel(), 0, 0, 4);
  place(figure, rawPanel(), 0, 4, 4);
  place(figure, scaledPanel(), 0, 8, 4);
  place(figure, scalesPanel(), 1, 0, 4);
  place(figure, coefficientsPanel(), 1, 4, 4);
  place(figure, lossPanel(), 1, 8, 4);
  int column = 0;
  for (const Prediction prediction :
       {Prediction::epsilon, Prediction::data, Prediction::v, Prediction::velocity, Prediction::score, Prediction::edm}) {
    figure.panels.push_back(boardPanel(prediction, column));
    column += 2;
  }
  figure.panels[6].y.label = trf("at σ = {:.3g}", level_);
  figure.rowWeights = {1.25f, 1.1f, 1};
  return figure;
}

}  // namespace orrery::generative
