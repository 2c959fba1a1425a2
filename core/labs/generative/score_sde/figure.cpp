// The picture of the lab score-sde.

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/figure/place.h"
#include "core/labs/generative/score_sde/lab.h"
#include "core/labs/generative/shared/plane_scene_panels.h"

namespace orrery::generative {

using diffusion::Moment;
using diffusion::State;

namespace {

constexpr std::size_t mostTrails = 10;

// States beyond the canvas are drawn at the size they would have with unit variance.
double shrunk(const Moment& m) { return m.alpha > 0.999 ? 1 / std::hypot(1, m.sigma) : 1.0; }

// Mean and variance of the data along x.
std::pair<double, double> momentsOf(const diffusion::PlaneMixture& mixture) {
  double mean = 0, squares = 0;
  for (const auto& c : mixture.components) {
    const double cosine = std::cos(c.angle), sine = std::sin(c.angle);
    mean += c.weight * c.x;
    squares += c.weight * (c.x * c.x + cosine * cosine * c.along + sine * sine * c.across);
  }
  return {mean, squares - mean * mean};
}

}  // namespace

// Room for data and for unit noise; an exploding variance is shown divided by its own size.
double ScoreSde::canvasHalf() const { return std::max(scene_.density.reach, 2.6); }

Panel ScoreSde::canvasPanel(bool forward) const {
  const double half = canvasHalf();
  Panel panel = planePanel(forward ? "forward" : "reverse", half);
  const auto now = static_cast<std::size_t>(frame_);
  const Moment at = sde_.at(times_[now]);
  panel.title = forward       ? tr("Demolition: dx = f x dt + g dw")
                : share_ == 0 ? tr("Rebuilding by the ODE")
                              : tr("Rebuilding by the reverse SDE");
  if (!forward && network_) panel.title = trf("{}, your network", panel.title);
  panel.note = forward         ? trf("t = {:.3g}, σ = {:.3g}", times_[now], at.sigma)
               : unstable_ > 0 ? trf("corrector unstable at {} of {} levels", unstable_, times_.size() - 1)
                               : trf("ζ = {:.3g}", share_);
  if (!forward && !networkErrors_.complaint.empty()) panel.note = networkErrors_.complaint;
  const double scale = shrunk(at);
  panel.marks.push_back(hostDensityMark(scene_, at.alpha * scale, at.relative(), half));
  // The way of a few particles from the beginning of the clock: noise for the way back, where it ends for the way there.
  const auto& clouds = forward ? forward_ : reverse_;
  const std::size_t from = forward ? now : 0, to = forward ? times_.size() - 1 : now;
  std::vector<double> x, y;
  for (std::size_t p = 0; p < std::min(mostTrails, particles_); ++p) {
    for (std::size_t i = from; i <= to; ++i) {
      const double s = shrunk(sde_.at(times_[i]));
      x.push_back(s * clouds[i][2 * p]), y.push_back(s * clouds[i][2 * p + 1]);
    }
    x.push_back(std::numeric_limits<double>::quiet_NaN()), y.push_back(std::numeric_limits<double>::quiet_NaN());
  }
  auto trails = curveOf("trails", x, y, Paint::of(forward ? Role::muted : Role::estimate, 0.45f));
  trails->width = 0.6f;
  panel.marks.push_back(std::move(trails));
  panel.marks.push_back(cloudMark("particles", pairsOf(clouds[now], scale), Paint::of(Role::data, 0.6f), half));
  if (forward) addBlobHandles(panel, scene_, at.alpha * scale);
  return panel;
}

Panel ScoreSde::ratesPanel() const {
  Panel panel;
  panel.id = "rates";
  panel.title = tr("Drift and diffusion");
  panel.x.label = tr("time t (data at 0)");
  panel.y.label = tr("rate");
  std::vector<double> x, f, g;
  constexpr double tallest = 60;  // the straight path's drift has no bound
  const double first = std::max(sde_.first, 1e-4);
  for (int i = 0; i <= 240; ++i) {
    const double t = first + (sde_.last - first) * i / 240.0;
    const auto sde = diffusion::ratesAt(sde_.at(t));
    if (sdeId_ == "flow" && std::abs(sde.drift) > tallest) break;
    x.push_back(t), f.push_back(sde.drift), g.push_back(std::sqrt(std::max(sde.diffusion2, 0.0)));
  }
  auto drift = curveOf("drift", x, f, Paint::series(4), "f"), diffusion = curveOf("diffusion", x, g, Paint::series(5), "g");
  drift->directLabel = diffusion->directLabel = false;
  panel.marks.push_back(std::move(drift));
  panel.marks.push_back(std::move(diffusion));
  if (sdeId_ != "flow") {
    panel.note = tr("drag a point to draw your own");
    std::vector<float> points[2];
    for (int k = 0; k < knots; ++k) {
      const auto sde = ratesAtKnot(k);
      const double t = static_cast<double>(k) / (knots - 1), size = std::sqrt(std::max(sde.diffusion2, 0.0));
      points[0].insert(points[0].end(), {static_cast<float>(t), static_cast<float>(sde.drift)});
      points[1].insert(points[1].end(), {static_cast<float>(t), static_cast<float>(size)});
      panel.handles.push_back({"f-" + std::to_string(k), t, sde.drift, Handle::Kind::point, trf("drift f at t = {:.2g}", t)});
      panel.handles.push_back({"g-" + std::to_string(k), t, size, Handle::Kind::point, trf("diffusion g at t = {:.2g}", t)});
    }
    for (int c = 0; c < 2; ++c) {
      auto knotsMark = std::make_shared<PointsMark>(c == 0 ? "drift-points" : "diffusion-points");
      knotsMark->xy = Tensor::from(Shape{knots, 2}, points[c]);
      knotsMark->paint = Paint::series(4 + c);
      knotsMark->radius = 3;
      panel.marks.push_back(std::move(knotsMark));
    }
  }
  auto rule = std::make_shared<RuleMark>("now");
  rule->at = times_[static_cast<std::size_t>(frame_)];
  rule->paint = Paint::of(Role::accent);
  panel.marks.push_back(std::move(rule));
  return panel;
}

// The variance along x: what the formula says, and what the clouds have.
Panel ScoreSde::variancePanel() const {
  Panel panel;
  panel.id = "variance";
  panel.title = tr("Variance on the way");
  panel.x.label = tr("time t (data at 0)");
  panel.y.label = tr("variance of x");
  panel.y.scale = sde_.exploding ? ScaleKind::log : ScaleKind::linear;
  const auto [mean, variance] = momentsOf(scene_.mixture);
  std::vector<double> t, theory, there, back, until;
  const std::size_t stride = std::max<std::size_t>(times_.size() / 80, 1);
  for (std::size_t i = 0; i < times_.size(); i += stride) {
    const Moment at = sde_.at(times_[i]);
    t.push_back(times_[i]);
    theory.push_back(at.alpha * at.alpha * variance + at.sigma * at.sigma);
    there.push_back(varianceOfX(forward_[i]));
    if (i > static_cast<std::size_t>(frame_)) continue;
    until.push_back(times_[i]);
    back.push_back(varianceOfX(reverse_[i]));
  }
  auto line = curveOf("theory", t, theory, Paint::of(Role::muted), tr("formula"));
  line->width = 3;
  line->directLabel = false;
  panel.marks.push_back(std::move(line));
  auto up = curveOf("there", t, there, Paint::series(4), tr("to noise")), down = curveOf("back", until, back, Paint::series(5), tr("back"));
  up->directLabel = down->directLabel = false;
  up->dash = {4, 3};
  panel.marks.push_back(std::move(up));
  panel.marks.push_back(std::move(down));
  auto rule = std::make_shared<RuleMark>("early");
  rule->at = early_;
  rule->paint = Paint::of(Role::accent);
  panel.marks.push_back(std::move(rule));
  panel.handles.push_back({"early", early_, 0, Handle::Kind::verticalLine, tr("Early time")});
  return panel;
}

Panel ScoreSde::twoTimesPanel() const {
  Panel panel;
  panel.id = "two-times";
  const std::size_t early = frameOf(early_), now = static_cast<std::size_t>(frame_);
  panel.title = tr("Does a path remember?");
  panel.note = trf("correlation {:.2f}", correlation());
  panel.x.label = trf("x at t = {:.2g}", times_[early]);
  panel.y.label = trf("x at t = {:.2g}", times_[now]);
  std::vector<float> xy;
  for (std::size_t i = 0; i < reverse_[now].size(); i += 2)
    xy.insert(xy.end(), {static_cast<float>(reverse_[early][i]), static_cast<float>(reverse_[now][i])});
  auto points = std::make_shared<PointsMark>("pairs");
  points->xy = Tensor::from(Shape{static_cast<std::int64_t>(xy.size() / 2), 2}, xy);
  points->paint = Paint::of(Role::estimate, 0.5f);
  points->radius = 1;
  panel.marks.push_back(std::move(points));
  return panel;
}

Panel ScoreSde::likelihoodPanel() const {
  Panel panel;
  panel.id = "likelihood";
  panel.title = network_ ? tr("ln p by your network's ODE") : tr("ln p by the ODE");
  panel.x.label = tr("exact ln p of a data point (nats)");
  panel.y.label = tr("by the ODE (nats)");
  double most = 0;
  std::vector<float> xy;
  Range range{1e300, -1e300};
  for (std::size_t p = 0; p < flowLog_.size(); ++p) {
    if (!std::isfinite(flowLog_[p])) continue;
    xy.insert(xy.end(), {static_cast<float>(exactLog_[p]), static_cast<float>(flowLog_[p])});
    most = std::max(most, std::abs(flowLog_[p] - exactLog_[p]));
    range.low = std::min({range.low, exactLog_[p], flowLog_[p]}), range.high = std::max({range.high, exactLog_[p], flowLog_[p]});
  }
  panel.note = trf("largest error {:.2g} nats", most);
  const std::vector<double> ends{range.low, range.high};
  panel.marks.push_back(curveOf("equal", ends, ends, Paint::of(Role::muted)));
  auto points = std::make_shared<PointsMark>("points");
  points->xy = Tensor::from(Shape{static_cast<std::int64_t>(xy.size() / 2), 2}, xy);
  points->paint = Paint::of(Role::estimate);
  points->radius = 2;
  panel.marks.push_back(std::move(points));
  return panel;
}

// What is wrong with the network's D now, over the canvas of the way back.
Panel ScoreSde::networkPanel() const {
  const Moment at = sde_.at(times_[static_cast<std::size_t>(frame_)]);
  const double scale = at.alpha * shrunk(at);
  return networkErrorMap(*stream_, table_, *network_, at.relative(), scale, canvasHalf(), networkErrors_.at(at.relative()),
                         networkErrors_.complaint);
}

Figure ScoreSde::figure() const {
  Figure figure;
  figure.title = tr("Score SDEs");
  if (reverse_.empty()) return figure;
  place(figure, canvasPanel(true), 0, 0);
  place(figure, canvasPanel(false), 0, 1);
  place(figure, ratesPanel(), 0, 2);
  place(figure, variancePanel(), 1, 0);
  place(figure, twoTimesPanel(), 1, 1);
  place(figure, likelihoodPanel(), 1, 2);
  if (network_) {
    place(figure, networkPanel(), 0, 3);
    place(figure, networkErrorChart(networkErrors_, sde_.at(times_[static_cast<std::size_t>(frame_)]).relative(), Paint::series(5)), 1, 3);
  }
  figure.rowWeights = {1.35f, 1};
  if (judged_) {
    place(figure, picturePanel(), 2, 0);
    place(figure, bitsPanel(), 2, 1, network_ ? 3 : 2);
    figure.rowWeights.push_back(0.7f);
  }
  return figure;
}

}  // namespace orrery::generative
