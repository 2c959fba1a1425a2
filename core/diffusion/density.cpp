// Exact denoisers; formulas in density.h.

#include "core/diffusion/density.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace orrery::diffusion {

State Gaussian::denoise(const State& x, double level) const {
  const double share = deviation * deviation / (deviation * deviation + level * level);
  State result = x;
  for (std::size_t i = 0; i < x.size(); ++i) result[i] = mean + share * (x[i] - mean);
  return result;
}

State Gaussian::exact(const State& x, double from, double to) const {
  const double c2 = deviation * deviation, factor = std::sqrt((c2 + to * to) / (c2 + from * from));
  State result = x;
  for (std::size_t i = 0; i < x.size(); ++i) result[i] = mean + factor * (x[i] - mean);
  return result;
}

State LineMixture::denoise(const State& x, double level) const {
  struct AtLevel {
    double mean, share, halfInverse, logWeight;
  };
  std::vector<AtLevel> prepared;
  for (const Component& c : components) {
    const double own = c.deviation * c.deviation, variance = own + level * level;
    prepared.push_back({c.mean, own / variance, 0.5 / variance, std::log(c.weight) - 0.5 * std::log(variance)});
  }
  State result = x;
  std::vector<double> logits(prepared.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    double largest = -std::numeric_limits<double>::infinity();
    for (std::size_t k = 0; k < prepared.size(); ++k) {
      const double d = x[i] - prepared[k].mean;
      logits[k] = prepared[k].logWeight - prepared[k].halfInverse * d * d;
      largest = std::max(largest, logits[k]);
    }
    double sum = 0, mean = 0;
    for (std::size_t k = 0; k < prepared.size(); ++k) {
      const double r = std::exp(logits[k] - largest);
      sum += r;
      mean += r * (prepared[k].mean + prepared[k].share * (x[i] - prepared[k].mean));
    }
    result[i] = mean / sum;
  }
  return result;
}

double LineMixture::logDensity(double x, double level) const {
  double largest = -std::numeric_limits<double>::infinity(), total = 0;
  std::vector<double> logits;
  for (const Component& c : components) {
    total += c.weight;
    const double variance = c.deviation * c.deviation + level * level, d = x - c.mean;
    logits.push_back(std::log(c.weight) - 0.5 * (std::log(2 * std::numbers::pi * variance) + d * d / variance));
    largest = std::max(largest, logits.back());
  }
  double sum = 0;
  for (const double logit : logits) sum += std::exp(logit - largest);
  return largest + std::log(sum / total);
}

double LineMixture::cumulative(double x, double level) const {
  double sum = 0, total = 0;
  for (const Component& c : components) {
    sum += c.weight * 0.5 * std::erfc((c.mean - x) / (std::sqrt(c.deviation * c.deviation + level * level) * std::numbers::sqrt2));
    total += c.weight;
  }
  return sum / total;
}

double LineMixture::quantile(double q, double level) const {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const Component& c : components) {
    const double reach = 40 * std::sqrt(c.deviation * c.deviation + level * level);
    low = std::min(low, c.mean - reach);
    high = std::max(high, c.mean + reach);
  }
  // Newton inside a shrinking bracket, halving where it would leave it.
  double x = 0.5 * (low + high);
  for (int iteration = 0; iteration < 200; ++iteration) {
    const double excess = cumulative(x, level) - q;
    (excess > 0 ? high : low) = x;
    const double slope = std::exp(logDensity(x, level));
    double next = slope > 0 ? x - excess / slope : x;
    if (!(next > low && next < high)) next = 0.5 * (low + high);
    if (std::abs(next - x) <= 1e-15 * (1 + std::abs(x))) return next;
    x = next;
  }
  return x;
}

State LineMixture::exact(const State& x, double from, double to) const {
  State result = x;
  for (std::size_t i = 0; i < x.size(); ++i) result[i] = quantile(cumulative(x[i], from), to);
  return result;
}

LineMixture threeModes() { return {{{0.3, -1.5, 0.35}, {0.5, 0.4, 0.3}, {0.2, 1.6, 0.2}}}; }

namespace {

// One component at one level, in its own axes.
struct Prepared {
  double x, y, cosine, sine, alongInverse, acrossInverse, alongShare, acrossShare, logWeight;
};

std::vector<Prepared> prepare(const std::vector<PlaneMixture::Component>& components, double level) {
  std::vector<Prepared> prepared;
  for (const auto& c : components) {
    if (!(c.weight > 0)) continue;
    const double along = c.along + level * level, across = c.across + level * level;
    prepared.push_back({c.x, c.y, std::cos(c.angle), std::sin(c.angle), 1 / along, 1 / across, c.along / along, c.across / across,
                        std::log(c.weight) - 0.5 * std::log(along * across)});
  }
  return prepared;
}

}  // namespace

State PlaneMixture::denoise(const State& x, double level) const {
  const auto prepared = prepare(components, level);
  State result = x;
  std::vector<double> logits(prepared.size()), meansX(prepared.size()), meansY(prepared.size());
  for (std::size_t i = 0; i + 1 < x.size(); i += 2) {
    double largest = -std::numeric_limits<double>::infinity();
    for (std::size_t k = 0; k < prepared.size(); ++k) {
      const Prepared& c = prepared[k];
      const double dx = x[i] - c.x, dy = x[i + 1] - c.y, u = c.cosine * dx + c.sine * dy, v = c.cosine * dy - c.sine * dx;
      logits[k] = c.logWeight - 0.5 * (u * u * c.alongInverse + v * v * c.acrossInverse);
      meansX[k] = c.x + c.cosine * c.alongShare * u - c.sine * c.acrossShare * v;
      meansY[k] = c.y + c.sine * c.alongShare * u + c.cosine * c.acrossShare * v;
      largest = std::max(largest, logits[k]);
    }
    double sum = 0, meanX = 0, meanY = 0;
    for (std::size_t k = 0; k < prepared.size(); ++k) {
      if (logits[k] < largest - 60) continue;  // below 1e-26 of the largest
      const double r = std::exp(logits[k] - largest);
      sum += r;
      meanX += r * meansX[k];
      meanY += r * meansY[k];
    }
    result[i] = meanX / sum;
    result[i + 1] = meanY / sum;
  }
  return result;
}

double PlaneMixture::logDensity(double x, double y, double level) const {
  double largest = -std::numeric_limits<double>::infinity(), total = 0;
  for (const Component& c : components) total += c.weight;
  std::vector<double> logits;
  for (const Prepared& c : prepare(components, level)) {
    const double dx = x - c.x, dy = y - c.y, u = c.cosine * dx + c.sine * dy, v = c.cosine * dy - c.sine * dx;
    logits.push_back(c.logWeight - 0.5 * (u * u * c.alongInverse + v * v * c.acrossInverse));
    largest = std::max(largest, logits.back());
  }
  double sum = 0;
  for (const double logit : logits) sum += std::exp(logit - largest);
  return largest + std::log(sum / (2 * std::numbers::pi * total));
}

State referencePath(const Denoiser& denoiser, const State& start, double from, double to, int steps) {
  State x = start;
  const double h = std::log(from / to) / steps;
  const auto slope = [&](const State& at, double place) { return denoiser(at, from * std::exp(-place * h)) - at; };
  for (int i = 0; i < steps; ++i) {
    const State k1 = slope(x, i), k2 = slope(x + 0.5 * h * k1, i + 0.5), k3 = slope(x + 0.5 * h * k2, i + 0.5),
                k4 = slope(x + h * k3, i + 1);
    x += h / 6 * (k1 + 2 * k2 + 2 * k3 + k4);
  }
  return x;
}

State PlaneMixture::reference(const State& x, double from, double to, int steps) const {
  return referencePath([this](const State& at, double level) { return denoise(at, level); }, x, from, to, steps);
}

namespace {

// Shares of the points at this place, in the order of `among`; empty: of all of them.
std::vector<double> sharesOf(const PointSet& set, std::span<const double> x, double level, const std::vector<std::size_t>& among) {
  std::vector<double> shares(among.empty() ? set.size() : among.size());
  double largest = -std::numeric_limits<double>::infinity();
  for (std::size_t k = 0; k < shares.size(); ++k) {
    const float* point = set.points.data() + (among.empty() ? k : among[k]) * set.dimension;
    double squares = 0;
    for (std::size_t i = 0; i < set.dimension; ++i) {
      const double d = x[i] - static_cast<double>(point[i]);
      squares += d * d;
    }
    shares[k] = -squares / (2 * level * level);
    largest = std::max(largest, shares[k]);
  }
  double sum = 0;
  for (double& share : shares) sum += share = std::exp(share - largest);
  for (double& share : shares) share /= sum;
  return shares;
}

constexpr double leastShare = 1e-12;  // below the rounding of the others together

}  // namespace

State PointSet::denoise(const State& x, double level, const std::vector<std::size_t>& among) const {
  State result(x.size());
  for (std::size_t first = 0; first < x.size(); first += dimension) {
    const auto shares = sharesOf(*this, x.values().subspan(first, dimension), level, among);
    for (std::size_t k = 0; k < shares.size(); ++k) {
      if (shares[k] < leastShare) continue;
      const float* point = points.data() + (among.empty() ? k : among[k]) * dimension;
      for (std::size_t i = 0; i < dimension; ++i) result[first + i] += shares[k] * static_cast<double>(point[i]);
    }
  }
  return result;
}

PointSet::Answer PointSet::ask(std::span<const double> x, double level) const {
  Answer answer{State(dimension), 1, 0};
  double entropy = 0, squares = 0;
  const auto shares = sharesOf(*this, x, level, {});
  for (std::size_t k = 0; k < shares.size(); ++k) {
    if (shares[k] < leastShare) continue;
    entropy -= shares[k] * std::log(shares[k]);
    const float* point = points.data() + k * dimension;
    for (std::size_t i = 0; i < dimension; ++i) {
      const auto y = static_cast<double>(point[i]);
      answer.mean[i] += shares[k] * y;
      squares += shares[k] * y * y;
    }
  }
  for (const double m : answer.mean) squares -= m * m;
  answer.candidates = std::exp(std::max(entropy, 0.0));
  answer.variance = std::max(squares, 0.0) / static_cast<double>(dimension);
  return answer;
}

PointSet::Nearest PointSet::nearest(std::span<const double> x) const { return nearestBut(size(), x); }

PointSet::Nearest PointSet::nearestBut(std::size_t except, std::span<const double> x) const {
  Nearest best{0, std::numeric_limits<double>::infinity()};
  for (std::size_t k = 0; k < size(); ++k) {
    if (k == except) continue;
    const float* point = points.data() + k * dimension;
    double squares = 0;
    // Give up on a point as soon as it is worse than the best.
    for (std::size_t i = 0; i < dimension && squares < best.distance; ++i) {
      const double d = x[i] - static_cast<double>(point[i]);
      squares += d * d;
    }
    if (squares < best.distance) best = {k, squares};
  }
  best.distance = std::sqrt(best.distance / static_cast<double>(dimension));
  return best;
}

}  // namespace orrery::diffusion
