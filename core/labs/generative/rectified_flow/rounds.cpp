// The rounds of reflow: pairs, the velocity that averages them, the flow it makes, and the pairs of the next round.

#include <algorithm>
#include <cmath>

#include "core/kernels/slice.h"
#include "core/labs/generative/rectified_flow/lab.h"

namespace orrery::generative {

namespace {

constexpr int directionCount = 64;

struct Cancelled {};

Tensor baseEnds(const std::vector<float>& pairs) {
  std::vector<float> ends;
  for (std::size_t i = 0; i < pairs.size(); i += 4) ends.insert(ends.end(), {pairs[i + 2], pairs[i + 3]});
  return Tensor::from(Shape{static_cast<std::int64_t>(ends.size() / 2), 2}, ends);
}

}  // namespace

FlowRun runFlow(gpu::Stream& stream, const Velocity& velocity, const Tensor& start, std::int64_t steps, FlowSolver solver, bool open) {
  const std::int64_t m = start.shape()[0];
  const auto timeAt = [&](std::int64_t i) { return 1 - static_cast<double>(i) / static_cast<double>(steps); };
  std::vector<Tensor> states{start.reshaped(Shape{1, m, 2})}, rates;
  Tensor cloud = start;
  for (std::int64_t i = 0; i < steps; ++i) {
    rates.push_back(velocity(stream, cloud, timeAt(i)));
    const bool last = i + 1 == steps;
    cloud = flowStep(stream, velocity, last && open ? FlowSolver::euler : solver, cloud, timeAt(i), timeAt(i + 1), rates.back());
    states.push_back(cloud.reshaped(Shape{1, m, 2}));
  }
  rates.push_back(open ? rates.back() : velocity(stream, cloud, 0));
  FlowRun run;
  run.path = kernels::concat(stream, states, 0);
  run.bend.assign(static_cast<std::size_t>(m), 0);
  const auto first = start.as<float>(), last = cloud.as<float>();
  for (std::size_t s = 0; s < rates.size(); ++s) {
    const auto rate = rates[s].as<float>();
    const double weight = (s == 0 || s + 1 == rates.size() ? 0.5 : 1.0) / static_cast<double>(steps);
    for (std::size_t i = 0; i < run.bend.size(); ++i) {
      const double dx = static_cast<double>(first[2 * i] - last[2 * i] - rate[2 * i]),
                   dy = static_cast<double>(first[2 * i + 1] - last[2 * i + 1] - rate[2 * i + 1]);
      run.bend[i] += static_cast<float>(weight * (dx * dx + dy * dy));
    }
  }
  for (std::size_t i = 0; i < run.bend.size(); ++i) {
    const double dx = static_cast<double>(first[2 * i] - last[2 * i]), dy = static_cast<double>(first[2 * i + 1] - last[2 * i + 1]);
    run.straightness += static_cast<double>(run.bend[i]) / static_cast<double>(m);
    run.cost += (dx * dx + dy * dy) / static_cast<double>(m);
  }
  return run;
}

double pairsWithin(std::span<const float> pairs, double h, std::size_t probes) {
  const std::size_t n = pairs.size() / 4;
  std::vector<double> counts;
  for (std::size_t i = 0; i < std::min(probes, n); ++i) {
    double count = 0;
    for (std::size_t j = 0; j < n; ++j) {
      const double dx = static_cast<double>(pairs[4 * i + 2] - pairs[4 * j + 2]),
                   dy = static_cast<double>(pairs[4 * i + 3] - pairs[4 * j + 3]);
      if (dx * dx + dy * dy < h * h) ++count;
    }
    counts.push_back(count);
  }
  if (counts.empty()) return 0;
  std::nth_element(counts.begin(), counts.begin() + static_cast<std::ptrdiff_t>(counts.size() / 2), counts.end());
  return counts[counts.size() / 2];
}

Velocity RectifiedFlow::velocityOf(std::size_t round) const {
  if (training()) return [this](gpu::Stream& stream, const Tensor& cloud, double t) { return network_.at(stream, cloud, t); };
  if (round == 0 && settings_.source == RoundSource::dropped) return networkVelocity(dropped_, {});
  if (round == 0 && settings_.source == RoundSource::exact)
    return [this](gpu::Stream& stream, const Tensor& cloud, double t) {
      goOn(stream);
      return flowVelocity(stream, exact_->at(t), cloud);
    };
  return [this, round](gpu::Stream& stream, const Tensor& cloud, double t) {
    goOn(stream);
    return regressedVelocity(stream, rounds_[round].stored, settings_.width, t, cloud);
  };
}

// With a million pairs one evaluation takes a second on two CPU cores and its tensors megabytes: the device is not to be given hours of work
// that no newer value can end, nor a recording that no memory holds.
void RectifiedFlow::goOn(gpu::Stream& stream) const {
  if (building_ == nullptr) return;
  if (settings_.pairs >= 32768) stream.finish();
  if (building_->cancelled()) throw Cancelled{};
}

bool RectifiedFlow::openAtData(std::size_t round) const {
  return round == 0 && settings_.source == RoundSource::exact && exact_->pointsInData();
}

std::vector<float> RectifiedFlow::firstPairs() const {
  const auto drawn = source_.draw(static_cast<std::size_t>(settings_.pairs), 70);
  std::vector<float> pairs;
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    pairs.insert(pairs.end(), {static_cast<float>(drawn.x0[2 * i]), settings_.line ? 0 : static_cast<float>(drawn.x0[2 * i + 1]),
                               static_cast<float>(drawn.x1[2 * i]), settings_.line ? 0 : static_cast<float>(drawn.x1[2 * i + 1])});
  }
  return pairs;
}

// Keeps the base ends and replaces the data ends by where the flow takes them.
std::vector<float> RectifiedFlow::flowPairs(gpu::Stream& stream, std::size_t round) {
  const Velocity velocity = velocityOf(round);
  const Tensor ends = baseEnds(rounds_[round].pairs);
  Tensor cloud = ends;
  const auto steps = static_cast<double>(settings_.pairSteps);
  for (std::int64_t i = 0; i < settings_.pairSteps; ++i) {
    const bool open = i + 1 == settings_.pairSteps && openAtData(round);
    cloud = flowStep(stream, velocity, open ? FlowSolver::euler : settings_.pairSolver, cloud, 1 - static_cast<double>(i) / steps,
                     1 - static_cast<double>(i + 1) / steps);
  }
  const auto x0 = cloud.as<float>(), x1 = ends.as<float>();
  std::vector<float> pairs;
  for (std::size_t i = 0; i < x0.size(); i += 2) pairs.insert(pairs.end(), {x0[i], settings_.line ? 0 : x0[i + 1], x1[i], x1[i + 1]});
  return pairs;
}

void RectifiedFlow::judge(gpu::Stream& stream, Round& round, std::size_t index) {
  const Velocity velocity = velocityOf(index);
  const bool closed = index == 0 && settings_.source == RoundSource::exact;
  const std::size_t n = round.pairs.size() / 4;
  round.pairCost = 0;
  for (std::size_t i = 0; i < round.pairs.size(); i += 4) {
    const double dx = static_cast<double>(round.pairs[i + 2] - round.pairs[i]),
                 dy = static_cast<double>(round.pairs[i + 3] - round.pairs[i + 1]);
    round.pairCost += (dx * dx + dy * dy) / static_cast<double>(n);
  }
  round.run = runFlow(stream, velocity, starts_, flowSteps(), closed ? FlowSolver::rk4 : FlowSolver::heun, openAtData(index));

  // What the velocity leaves of the pairs' own, at midpoints of 16 parts of time.
  constexpr int times = 16;
  const std::size_t probes = std::min<std::size_t>(n, closed ? 4096 : 512);
  std::vector<Tensor> found;
  std::vector<double> rates;
  for (std::size_t i = 0; i < probes; ++i)
    for (std::size_t c = 0; c < 2; ++c) rates.push_back(static_cast<double>(round.pairs[4 * i + 2 + c] - round.pairs[4 * i + c]));
  for (int k = 0; k < times; ++k) {
    const double t = (k + 0.5) / times;
    std::vector<float> points;
    for (std::size_t i = 0; i < probes; ++i) {
      for (std::size_t c = 0; c < 2; ++c)
        points.push_back(static_cast<float>((1 - t) * static_cast<double>(round.pairs[4 * i + c]) +
                                            t * static_cast<double>(round.pairs[4 * i + 2 + c])));
    }
    found.push_back(velocity(stream, Tensor::from(Shape{static_cast<std::int64_t>(probes), 2}, points), t));
  }
  round.disagreement = 0;
  for (const Tensor& at : found) {
    const auto v = at.as<float>();
    for (std::size_t i = 0; i < v.size(); ++i) {
      const double d = rates[i] - static_cast<double>(v[i]);
      round.disagreement += d * d / (times * static_cast<double>(probes));
    }
  }

  // How far a few Euler steps land from the data.
  const ProjectedSample truth = project(data_, directionCount);
  round.floor = slicedWasserstein2(truth, project(otherData_, directionCount));
  round.stepErrors.clear();
  for (const std::int64_t steps : {1, 2, 4, 8, 16}) {
    Tensor cloud = starts_;
    for (std::int64_t i = 0; i < steps; ++i) {
      cloud = flowStep(stream, velocity, FlowSolver::euler, cloud, 1 - static_cast<double>(i) / static_cast<double>(steps),
                       1 - static_cast<double>(i + 1) / static_cast<double>(steps));
    }
    round.stepErrors.push_back({steps, slicedWasserstein2(truth, project(cloud.as<float>(), directionCount))});
  }
}

std::optional<double> RectifiedFlow::velocityError(gpu::Stream& stream) const {
  if (!exact_) return std::nullopt;
  constexpr int times = 16;
  const auto drawn = source_.draw(256, 83);
  const Velocity velocity = velocityOf(0);
  double sum = 0;
  for (int k = 0; k < times; ++k) {
    const double t = (k + 0.5) / times;
    std::vector<float> points;
    for (std::size_t i = 0; i < drawn.x0.size(); ++i) points.push_back(static_cast<float>((1 - t) * drawn.x0[i] + t * drawn.x1[i]));
    const Tensor x = Tensor::from(Shape{static_cast<std::int64_t>(points.size() / 2), 2}, points);
    const double off = rootMeanSquare(velocity(stream, x, t), flowVelocity(stream, exact_->at(t), x));
    sum += off * off / times;
  }
  return sum;
}

Expected<void> RectifiedFlow::checkPairs() const {
  const bool averages = settings_.source == RoundSource::regression || (settings_.source != RoundSource::network && settings_.round > 1);
  if (!averages || rounds_.empty()) return {};
  const double inside = pairsWithin(rounds_[0].pairs, settings_.width);
  if (inside >= 8) return {};
  return makeError(ErrorCode::usage,
                   trf("Fewer than 8 pairs lie inside one kernel width ({:.0f} of {} at h = {:.3g}): store more pairs or widen the kernel",
                       inside, settings_.pairs, settings_.width));
}

Expected<void> RectifiedFlow::buildRounds(LabContext& context) {
  gpu::Stream& stream = context.stream();
  building_ = &context;
  const struct Done {
    LabContext*& building;
    ~Done() { building = nullptr; }
  } done{building_};
  const auto wanted = static_cast<std::size_t>(training() ? 1 : settings_.round);
  try {
    while (rounds_.size() < wanted) {
      const std::size_t index = rounds_.size();
      context.progress(static_cast<double>(index) / static_cast<double>(wanted), trf("Round {} of {}", index + 1, wanted));
      Round round;
      round.pairs = index == 0 ? firstPairs() : flowPairs(stream, index - 1);
      round.stored = Tensor::from(Shape{static_cast<std::int64_t>(round.pairs.size() / 4), 4}, round.pairs);
      rounds_.push_back(std::move(round));
      if (auto enough = checkPairs(); !enough) return enough;
      judge(stream, rounds_.back(), index);
      goOn(stream);
    }
  } catch (const Cancelled&) {
    return makeError(ErrorCode::cancelled, tr("Cancelled"));
  }
  return {};
}

}  // namespace orrery::generative
