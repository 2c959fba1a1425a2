// What the lower panels of the lab flow-matching show: the parts of the loss, the cost of pairings, the density carried by the flow, and
// whether velocity and density obey the continuity equation; and the lab's figures.

#include <algorithm>
#include <cmath>

#include "core/kernels/elementwise.h"
#include "core/labs/generative/flow_matching/lab.h"

namespace orrery::generative {

namespace {

// Values of f at the centres of g x g cells over [-half, half]^2, with one more ring around them.
template <class F>
std::vector<double> withRing(std::int64_t g, double half, F f) {
  std::vector<double> values;
  const double cell = 2 * half / static_cast<double>(g);
  for (std::int64_t r = -1; r <= g; ++r)
    for (std::int64_t c = -1; c <= g; ++c)
      values.push_back(f(-half + (static_cast<double>(c) + 0.5) * cell, -half + (static_cast<double>(r) + 0.5) * cell));
  return values;
}

Continuity summary(std::vector<double> residual, const std::vector<double>& rate) {
  Continuity result;
  double largest = 0;
  for (std::size_t i = 0; i < residual.size(); ++i) {
    largest = std::max(largest, std::abs(residual[i]));
    result.largestRate = std::max(result.largestRate, std::abs(rate[i]));
  }
  result.relative = largest / std::max(result.largestRate, 1e-300);
  result.residual = std::move(residual);
  return result;
}

}  // namespace

Continuity continuityResidual(const ExactFlow& flow, double t, std::int64_t g, double half) {
  const double dt = 1e-4, low = std::max(t - dt, 0.0), high = std::min(t + dt, 1.0), cell = 2 * half / static_cast<double>(g);
  const auto now = flow.at(t), before = flow.at(low), after = flow.at(high);
  std::vector<double> px, py;
  withRing(g, half, [&](double x, double y) {
    const FlowValue value = evaluateFlow(now, x, y);
    const double p = std::exp(value.logDensity);
    px.push_back(p * value.u);
    py.push_back(p * value.v);
    return p;
  });
  std::vector<double> residual, rate;
  const auto stride = static_cast<std::size_t>(g + 2);
  for (std::int64_t r = 0; r < g; ++r) {
    for (std::int64_t c = 0; c < g; ++c) {
      const double x = -half + (static_cast<double>(c) + 0.5) * cell, y = -half + (static_cast<double>(r) + 0.5) * cell;
      const std::size_t at = static_cast<std::size_t>(r + 1) * stride + static_cast<std::size_t>(c + 1);
      const double divergence = (px[at + 1] - px[at - 1] + py[at + stride] - py[at - stride]) / (2 * cell);
      rate.push_back((std::exp(evaluateFlow(after, x, y).logDensity) - std::exp(evaluateFlow(before, x, y).logDensity)) / (high - low));
      residual.push_back(rate.back() + divergence);
    }
  }
  return summary(std::move(residual), rate);
}

Continuity heatResidual(const PlanarDensity& data, double tau, std::int64_t g, double half) {
  const double cell = 2 * half / static_cast<double>(g), dtau = 1e-5 * tau;
  const auto densityAt = [&](double x, double y, double variance) {
    return std::exp(kernels::evaluateMixture(data.components, x, y, 1, std::sqrt(variance)).logDensity);
  };
  const std::vector<double> p = withRing(g, half, [&](double x, double y) { return densityAt(x, y, tau); });
  std::vector<double> residual, rate;
  const auto stride = static_cast<std::size_t>(g + 2);
  for (std::int64_t r = 0; r < g; ++r) {
    for (std::int64_t c = 0; c < g; ++c) {
      const double x = -half + (static_cast<double>(c) + 0.5) * cell, y = -half + (static_cast<double>(r) + 0.5) * cell;
      const std::size_t at = static_cast<std::size_t>(r + 1) * stride + static_cast<std::size_t>(c + 1);
      const double laplace = (p[at + 1] + p[at - 1] + p[at + stride] + p[at - stride] - 4 * p[at]) / (cell * cell);
      rate.push_back((densityAt(x, y, tau + dtau) - densityAt(x, y, tau - dtau)) / (2 * dtau));
      residual.push_back(rate.back() - 0.5 * laplace);
    }
  }
  return summary(std::move(residual), rate);
}

// Points of the law of x_t at a dozen times, and what the best velocity leaves there.
void FlowMatching::prepareLoss() {
  probes_.clear();
  lossParts_.clear();
  if (!exactLaw()) return;
  const std::size_t count = exact_->count() > 512 ? 64 : 256;
  constexpr int times = 16;
  for (int i = 0; i < times; ++i) {
    const double t = (i + 0.5) / times;
    const auto components = exact_->at(t);
    std::vector<float> points = lawAt(t, 0);
    points.resize(2 * std::min(count, points.size() / 2));
    Probe probe{t, Tensor::from(Shape{static_cast<std::int64_t>(points.size() / 2), 2}, points), {}};
    LossPart part{t, 0, 0, 0};
    const auto n = static_cast<double>(points.size() / 2);
    double squares = 0;
    for (std::size_t j = 0; j + 1 < points.size(); j += 2) {
      const FlowValue value = evaluateFlow(components, static_cast<double>(points[j]), static_cast<double>(points[j + 1]));
      probe.velocity.insert(probe.velocity.end(), {value.u, value.v});
      part.irreducible += value.variance / n;
      squares += value.variance * value.variance / n;
    }
    part.irreducibleNoise = std::sqrt(std::max(0.0, squares - part.irreducible * part.irreducible) / n);
    probes_.push_back(std::move(probe));
    lossParts_.push_back(part);
  }
}

void FlowMatching::studyLoss(gpu::Stream& stream) {
  if (settings_.source == VelocitySource::exact) return;
  if (dropped_ && !lossParts_.empty() && lossParts_.front().error > 0) return;  // it does not change
  const Velocity v = velocity();
  std::vector<Tensor> found;
  for (const Probe& probe : probes_) found.push_back(v(stream, probe.points, probe.t));
  for (std::size_t i = 0; i < probes_.size(); ++i) {
    const auto values = found[i].as<float>();
    double sum = 0;
    for (std::size_t j = 0; j < values.size(); ++j) {
      const double d = static_cast<double>(values[j]) - probes_[i].velocity[j];
      sum += d * d;
    }
    lossParts_[i].error = 2 * sum / static_cast<double>(values.size());
  }
}

void FlowMatching::studyCoupling() {
  if (!couplingCost_.empty()) return;
  PairSource pairing = source_;
  pairing.coupling = Coupling::optimal;
  for (const std::size_t batch : {1u, 4u, 16u, 64u, 256u, 1024u}) {
    pairing.batch = batch;
    pairing.coupling = batch == 1 ? Coupling::independent : Coupling::optimal;
    couplingCost_.push_back({static_cast<double>(batch), meanSquaredDistance(pairing.draw(std::max<std::size_t>(batch, 1024), 53))});
  }
}

void FlowMatching::studyDensity(gpu::Stream& stream) {
  flowDensity_ = exactDensity_ = {};
  densityError_ = 0;
  if (training() || source_.base.kind == BaseLaw::Kind::uniform) return;
  const double t = time(), half = reach();
  const std::int64_t g = settings_.heatGrid;
  std::vector<float> states;
  for (std::int64_t r = 0; r < g; ++r) {
    for (std::int64_t c = 0; c < g; ++c) {
      const double x = half * (2 * (static_cast<double>(c) + 0.5) / static_cast<double>(g) - 1),
                   y = half * (2 * (static_cast<double>(r) + 0.5) / static_cast<double>(g) - 1);
      states.insert(states.end(), {static_cast<float>(x), static_cast<float>(y), 0, 0});
    }
  }
  // ln p_t(x_t) = ln p_1(x_1) + the integral of div u from t to 1 along the path through x_t.
  Tensor state = Tensor::from(Shape{g * g, 4}, states);
  const double from = exact_ && exact_->pointsInData() ? std::max(t, 0.02) : t;
  const auto steps = std::max<std::int64_t>(4, std::llround(64 * (1 - from)));
  const Velocity v = velocityWithDivergence();
  for (std::int64_t i = 0; i < steps && from < 1; ++i) {
    const double at = from + (1 - from) * static_cast<double>(i) / static_cast<double>(steps),
                 to = from + (1 - from) * static_cast<double>(i + 1) / static_cast<double>(steps);
    state = flowStep(stream, v, FlowSolver::rk4, state, at, to);
  }
  const auto end = state.as<float>();
  std::vector<float> last;
  for (std::int64_t i = 0; i < g * g; ++i)
    last.insert(last.end(), {end[static_cast<std::size_t>(4 * i)], end[static_cast<std::size_t>(4 * i + 1)]});
  ExactFlow base{source_.data.density, settings_.path,
                 source_.base.scene ? source_.base.scene->density.components : std::vector<kernels::Component>()};
  const Tensor lastPoints = Tensor::from(Shape{g * g, 2}, last);
  const auto ofBase = flowLogDensity(stream, base.at(1), lastPoints).toFloats();
  std::vector<float> density, exact;
  double peak = 0;
  for (std::size_t i = 0; i < ofBase.size(); ++i) {
    density.push_back(std::exp(ofBase[i] + end[4 * i + 2]));
    if (std::isfinite(density.back())) peak = std::max(peak, static_cast<double>(density.back()));
  }
  densityHigh_ = std::max(peak, 1e-12);
  flowDensity_ = Tensor::from(Shape{g, g}, density);
  if (!exactLaw()) return;
  std::vector<float> points;
  for (std::size_t i = 0; i < states.size(); i += 4) points.insert(points.end(), {states[i], states[i + 1]});
  const auto logarithm = flowLogDensity(stream, exact_->at(from), Tensor::from(Shape{g * g, 2}, points)).toFloats();
  double highest = -1e300;
  for (const float l : logarithm) highest = std::max(highest, static_cast<double>(l));
  for (std::size_t i = 0; i < logarithm.size(); ++i) {
    exact.push_back(std::exp(logarithm[i]));
    if (static_cast<double>(logarithm[i]) > highest - std::log(1000.0))
      densityError_ = std::max(densityError_, std::abs(static_cast<double>(ofBase[i] + end[4 * i + 2] - logarithm[i])));
  }
  densityHigh_ = std::exp(highest);
  exactDensity_ = Tensor::from(Shape{g, g}, exact);
}

void FlowMatching::studyResidual() {
  residual_ = {};
  if (!exactLaw()) return;
  const double t = std::clamp(time(), 0.02, 0.98);
  // Fewer cells for many components: the picture is computed on the host.
  std::int64_t g = settings_.heatGrid;
  while (g > 16 && g * g * static_cast<std::int64_t>(exact_->count()) > (std::int64_t{1} << 20)) g /= 2;
  const Continuity found = settings_.path.kind == FlowPathKind::ve
                               ? heatResidual(source_.data.density, std::pow(settings_.path.at(t).sigma, 2), g, reach())
                               : continuityResidual(*exact_, t, g, reach());
  std::vector<float> values(found.residual.begin(), found.residual.end());
  residual_ = Tensor::from(Shape{g, g}, values);
  residualShare_ = found.relative;
  residualHigh_ = std::max(0.1 * found.largestRate, 1e-9);
}

Panel FlowMatching::errorPanel() const {
  Panel panel;
  panel.id = "error";
  const FlowSettings& s = settings_;
  if (!exactLaw() || s.source == VelocitySource::exact) {
    panel.message = s.source == VelocitySource::exact
                        ? tr("The closed form makes no error: choose another source of the velocity")
                        : tr("There is no exact velocity to compare with: choose independent pairs of a closed form");
    return panel;
  }
  const double t = std::clamp(time(), exact_->pointsInData() ? 0.02 : 1e-3, 1.0), half = reach();
  constexpr std::int64_t cells = 48;
  gpu::Stream& stream = *stream_;
  const auto components = exact_->at(t);
  const Velocity v = velocity();
  std::vector<float> law = lawAt(t, 0);
  law.resize(std::min<std::size_t>(law.size(), 1024));
  const Tensor drawn = Tensor::from(Shape{static_cast<std::int64_t>(law.size() / 2), 2}, law), x = squareCentres(cells, half);
  panel.title = trf("Here the velocity is off by {:.2g}", rootMeanSquare(v(stream, drawn, t), flowVelocity(stream, components, drawn)));
  panel.note = complaint_.empty() ? trf("{}  root mean square under pₜ; contours: exact law", timeText()) : complaint_;
  drawErrorMap(panel, cells, half, v(stream, x, t), flowVelocity(stream, components, x), flowLogDensity(stream, components, x).toFloats(),
               tr("|velocity − exact velocity|"));
  return panel;
}

std::vector<Metric> FlowMatching::metrics() const {
  std::vector<Metric> result{{"time", time(), ""}};
  const auto tick = ticks_.upper_bound(frame_);
  if (tick != ticks_.begin()) {
    const FlowTick& now = std::prev(tick)->second;
    result.push_back({"sw2", now.sliced, ""});
    result.push_back({"sw2.floor", now.floor, ""});
    if (training()) result.push_back({"loss", now.loss, ""});
  }
  result.push_back({"pair-cost", meanSquaredDistance(truth_[0]), ""});
  if (!lossParts_.empty()) {
    double irreducible = 0, error = 0;
    for (const LossPart& part : lossParts_) {
      irreducible += part.irreducible / static_cast<double>(lossParts_.size());
      error += part.error / static_cast<double>(lossParts_.size());
    }
    result.push_back({"loss.irreducible", irreducible, ""});
    result.push_back({"loss.error", error, ""});
  }
  if (training()) {
    result.push_back({"step", static_cast<double>(stepsAt(frame_)), ""});
    result.push_back({"parameters", static_cast<double>(network_.parameters()), ""});
  } else {
    result.push_back({"evaluations", static_cast<double>(frame_ * evaluationsOf(settings_.solver)), ""});
  }
  if (shown("density") && !flowDensity_.empty()) result.push_back({"log-density.error", densityError_, "nats"});
  if (shown("residual") && !residual_.empty()) result.push_back({"residual", residualShare_, ""});
  for (const auto& [batch, cost] : couplingCost_) result.push_back({"pair-cost." + std::to_string(std::llround(batch)), cost, ""});
  return result;
}

}  // namespace orrery::generative
