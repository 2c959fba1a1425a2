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
  const Moment at = way_.sde.at(way_.times[now]);
  panel.title = forward       ? tr("Demolition: dx = f x dt + g dw")
                : share_ == 0 ? tr("Rebuilding by the ODE")
                              : tr("Rebuilding by the reverse SDE");
  if (!forward && network_) panel.title = trf("{}, your network", panel.title);
  panel.note = forward             ? trf("t = {:.3g}, σ = {:.3g}", way_.times[now], at.sigma)
               : way_.unstable > 0 ? trf("corrector unstable at {} of {} levels", way_.unstable, way_.times.size() - 1)
                                   : trf("ζ = {:.3g}", share_);
  if (!forward && !networkErrors_.complaint.empty()) panel.note = networkErrors_.complaint;
  const double scale = shownScale(at);
  panel.marks.push_back(hostDensityMark(scene_, at.alpha * scale, at.relative(), half));
  const bool fanned = !forward && !fan_.reverse.empty();
  if (fanned) {
    addFan(panel);
  } else {
    addTrails(panel, forward);
  }
  panel.marks.push_back(
      cloudMark("particles", pairsOf((forward ? forward_ : way_.reverse)[now], scale), Paint::of(Role::data, 0.6f), half));
  if (fanned) {
    auto ends = cloudMark("fan-ends", pairsOf(fan_.reverse[now], shownScale(fan_.sde.at(fan_.times[now]))), Paint::of(fanRole()), half);
    ends->radius = 3;
    panel.marks.push_back(std::move(ends));
  }
  if (forward) addBlobHandles(panel, scene_, at.alpha * scale);
  return panel;
}

// The way of a few particles from the beginning of the clock: noise for the way back, where it ends for the way there.
void ScoreSde::addTrails(Panel& panel, bool forward) const {
  const auto now = static_cast<std::size_t>(frame_);
  const auto& clouds = forward ? forward_ : way_.reverse;
  const std::size_t from = forward ? now : 0, to = forward ? way_.times.size() - 1 : now;
  std::vector<double> x, y;
  for (std::size_t p = 0; p < std::min(mostTrails, particles_); ++p) {
    for (std::size_t i = from; i <= to; ++i) {
      const double s = shownScale(way_.sde.at(way_.times[i]));
      x.push_back(s * clouds[i][2 * p]), y.push_back(s * clouds[i][2 * p + 1]);
    }
    x.push_back(std::numeric_limits<double>::quiet_NaN()), y.push_back(std::numeric_limits<double>::quiet_NaN());
  }
  auto trails = curveOf("trails", x, y, Paint::of(forward ? Role::muted : Role::estimate, 0.45f));
  trails->width = 0.6f;
  panel.marks.push_back(std::move(trails));
}

// The ways of one start, run again and again: a fan, or one line.
void ScoreSde::addFan(Panel& panel) const {
  const auto now = static_cast<std::size_t>(frame_);
  const std::size_t count = fan_.reverse.front().size() / 2;
  std::vector<double> x, y;
  for (std::size_t p = 0; p < count; ++p) {
    for (std::size_t i = 0; i <= now; ++i) {
      const double s = shownScale(fan_.sde.at(fan_.times[i]));
      x.push_back(s * fan_.reverse[i][2 * p]), y.push_back(s * fan_.reverse[i][2 * p + 1]);
    }
    x.push_back(std::numeric_limits<double>::quiet_NaN()), y.push_back(std::numeric_limits<double>::quiet_NaN());
  }
  auto lines = curveOf("fan", x, y, Paint::of(fanRole(), 0.6f));
  lines->width = 0.7f;
  panel.marks.push_back(std::move(lines));
  panel.note = trf("one start {} times: spread {:.2g}", count, fanSpread());
}

Panel ScoreSde::ratesPanel() const {
  Panel panel;
  panel.id = "rates";
  panel.title = tr("Drift and diffusion");
  panel.x.label = tr("time t (data at 0)");
  panel.y.label = tr("rate");
  std::vector<double> x, f, g;
  constexpr double tallest = 60;  // the straight path's drift has no bound
  const double first = std::max(way_.sde.first, 1e-4);
  for (int i = 0; i <= 240; ++i) {
    const double t = first + (way_.sde.last - first) * i / 240.0;
    const auto sde = diffusion::ratesAt(way_.sde.at(t));
    if (way_.id == "flow" && std::abs(sde.drift) > tallest) break;
    x.push_back(t), f.push_back(sde.drift), g.push_back(std::sqrt(std::max(sde.diffusion2, 0.0)));
  }
  auto drift = curveOf("drift", x, f, Paint::series(4), "f"), diffusion = curveOf("diffusion", x, g, Paint::series(5), "g");
  drift->directLabel = diffusion->directLabel = false;
  panel.marks.push_back(std::move(drift));
  panel.marks.push_back(std::move(diffusion));
  if (way_.id != "flow") {
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
  rule->at = way_.times[static_cast<std::size_t>(frame_)];
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
  const bool comparing = !compared_.empty();
  panel.y.scale = way_.sde.exploding || comparing ? ScaleKind::log : ScaleKind::linear;
  const auto [mean, variance] = momentsOf(scene_.mixture);
  // What the formula says, and the variance of clouds of the frames up to `last`.
  struct Course {
    std::vector<double> t, theory, measured, until;
  };
  const auto courseOf = [&, variance = variance](const Way& way, const std::vector<State>& clouds, std::size_t last) {
    Course course;
    const std::size_t stride = std::max<std::size_t>(way.times.size() / 80, 1);
    for (std::size_t i = 0; i < way.times.size(); i += stride) {
      const Moment at = way.sde.at(way.times[i]);
      course.t.push_back(way.times[i]);
      course.theory.push_back(at.alpha * at.alpha * variance + at.sigma * at.sigma);
      if (i > last) continue;
      course.until.push_back(way.times[i]);
      course.measured.push_back(varianceOfX(clouds[i]));
    }
    return course;
  };
  const auto now = static_cast<std::size_t>(frame_);
  const auto add = [&](const std::string& id, const std::vector<double>& x, const std::vector<double>& y, Paint paint,
                       const std::string& name) {
    auto line = curveOf(id, x, y, paint, name);
    line->directLabel = false;
    panel.marks.push_back(line);
    return line;
  };
  if (comparing) {
    panel.title = tr("Three laws of variance");
    for (std::size_t k = 0; k < compared_.size(); ++k) {
      const Way& way = compared_[k];
      const Course course = courseOf(way, way.reverse, now);
      add("theory-" + way.id, course.t, course.theory, comparedPaint(k, 0.35f), "")->width = 3;
      add(way.id, course.until, course.measured, comparedPaint(k), comparedName(way.id));
    }
  } else {
    const Course there = courseOf(way_, forward_, way_.times.size()), back = courseOf(way_, way_.reverse, now);
    add("theory", there.t, there.theory, Paint::of(Role::muted), tr("formula"))->width = 3;
    add("there", there.until, there.measured, Paint::series(4), tr("to noise"))->dash = {4, 3};
    add("back", back.until, back.measured, Paint::series(5), tr("back"));
  }
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
  panel.x.label = trf("x at t = {:.2g}", way_.times[early]);
  panel.y.label = trf("x at t = {:.2g}", way_.times[now]);
  std::vector<float> xy;
  for (std::size_t i = 0; i < way_.reverse[now].size(); i += 2)
    xy.insert(xy.end(), {static_cast<float>(way_.reverse[early][i]), static_cast<float>(way_.reverse[now][i])});
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
  const Moment at = way_.sde.at(way_.times[static_cast<std::size_t>(frame_)]);
  const double scale = at.alpha * shownScale(at);
  return networkErrorMap(*stream_, table_, *network_, at.relative(), scale, canvasHalf(), networkErrors_.at(at.relative()),
                         networkErrors_.complaint);
}

Figure ScoreSde::figure() const {
  Figure figure;
  figure.title = tr("Score SDEs");
  if (way_.reverse.empty()) return figure;
  place(figure, canvasPanel(true), 0, 0);
  place(figure, canvasPanel(false), 0, 1);
  place(figure, ratesPanel(), 0, 2);
  place(figure, mapPanel(), 0, 3);
  place(figure, variancePanel(), 1, 0);
  place(figure, distancePanel(), 1, 1);
  place(figure, compared_.empty() ? twoTimesPanel() : comparedPanel(), 1, 2);
  place(figure, likelihoodPanel(), 1, 3);
  if (network_) {
    place(figure, networkPanel(), 0, 4);
    place(figure, networkErrorChart(networkErrors_, way_.sde.at(way_.times[static_cast<std::size_t>(frame_)]).relative(), Paint::series(5)),
          1, 4);
  }
  figure.rowWeights = {1.35f, 1};
  if (judged_) {
    place(figure, picturePanel(), 2, 0);
    place(figure, bitsPanel(), 2, 1, network_ ? 4 : 3);
    figure.rowWeights.push_back(0.7f);
  }
  return figure;
}

}  // namespace orrery::generative
