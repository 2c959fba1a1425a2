#include "core/labs/generative/shared/flow_field.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/kernels/elementwise.h"
#include "core/kernels/kernel.h"

namespace orrery::generative {
namespace {

struct Matrix {  // symmetric 2 x 2
  double xx = 0, xy = 0, yy = 0;
};

Matrix covarianceOf(const kernels::Component& c) {
  const double cosine = std::cos(c.angle), sine = std::sin(c.angle);
  return {cosine * cosine * c.along + sine * sine * c.across, cosine * sine * (c.along - c.across),
          sine * sine * c.along + cosine * cosine * c.across};
}

// The component of x ~ N(c, S) and a velocity of mean (u, v), variance trace `power`, covariance with x `cross`: all matrices of one
// component are symmetric here.
FlowComponent jointComponent(double logWeight, std::array<double, 2> c, const Matrix& S, std::array<double, 2> mean, const Matrix& cross,
                             double power) {
  FlowComponent k;
  const double determinant = S.xx * S.yy - S.xy * S.xy;
  k.x = c[0], k.y = c[1];
  k.logWeight = logWeight - std::log(2 * std::numbers::pi) - 0.5 * std::log(determinant);
  k.pxx = S.yy / determinant, k.pxy = -S.xy / determinant, k.pyy = S.xx / determinant;
  k.u = mean[0], k.v = mean[1];
  k.axx = cross.xx * k.pxx + cross.xy * k.pxy, k.axy = cross.xx * k.pxy + cross.xy * k.pyy;
  k.ayx = cross.xy * k.pxx + cross.yy * k.pxy, k.ayy = cross.xy * k.pxy + cross.yy * k.pyy;
  // tr (Cov(u) - A cross^T).
  k.spread = std::max(0.0, power - (k.axx * cross.xx + k.axy * cross.xy + k.ayx * cross.xy + k.ayy * cross.yy));
  return k;
}

enum class Output : std::uint32_t { velocity, divergence, logDensity };

// Component evaluations in one dispatch at most: a slow device must not be held longer than a frame.
constexpr std::int64_t mostAtOnce = std::int64_t{1} << 28;

Tensor run(gpu::Stream& stream, const char* shader, const Tensor& table, std::int64_t components, double time, double inverseWidth2,
           const Tensor& points, Output output) {
  const std::int64_t n = points.shape()[0], columns = output == Output::divergence ? 4 : 2;
  assert(points.shape().rank() == 2 && points.shape()[1] == columns && components > 0);
  Tensor result(output == Output::logDensity ? Shape{n} : Shape{n, columns});
  if (n == 0) return result;
  // Whole groups of four points are read and written.
  const auto quadsOf = [](gpu::BufferView view, std::uint64_t bytes) {
    view.bytes = (view.bytes + bytes - 1) / bytes * bytes;
    return view;
  };
  const std::uint64_t in = 16 * static_cast<std::uint64_t>(columns), out = output == Output::logDensity ? 16 : in;
  const gpu::Binding from{quadsOf(points.device(stream), in), gpu::Access::read}, by{table.device(stream), gpu::Access::read},
      to{quadsOf(result.deviceForWriting(stream), out), gpu::Access::write};
  const std::uint32_t lanes = stream.device().isCpu() ? 8 : 64;
  // Four components are nine loop iterations at most.
  const std::int64_t walked = std::min(components, kernels::mostIterations(stream.device()) / 9 * 4);
  const std::int64_t quads = (n + 3) / 4, slice = std::max<std::int64_t>(64, mostAtOnce / (4 * walked));
  const auto groupsOf = [&](std::int64_t count) { return (count + lanes - 1) / lanes; };
  Tensor sums;
  if (walked < components) sums = Tensor(Shape{groupsOf(std::min(slice, quads)) * lanes, 28});
  for (std::int64_t first = 0; first < quads; first += slice) {
    const std::int64_t count = std::min(slice, quads - first);
    for (std::int64_t begin = 0; begin < components; begin += walked) {
      const std::int64_t end = std::min(begin + walked, components);
      const struct {
        std::uint32_t first, quads, components, from, to;
        float time, inverseWidth2;
      } push{static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(count), static_cast<std::uint32_t>(components),
             static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end),   static_cast<float>(time),
             static_cast<float>(inverseWidth2)};
      const gpu::Binding handed = sums.empty() ? to : gpu::Binding{sums.deviceForWriting(stream), gpu::Access::readWrite};
      stream.dispatch(shader, {from, by, to, handed}, push, {static_cast<std::uint32_t>(groupsOf(count)), 1, 1},
                      {static_cast<std::uint32_t>(output), lanes, begin == 0 ? 1u : 0u, end == components ? 1u : 0u});
    }
  }
  return result;
}

Tensor tableOf(std::span<const FlowComponent> components) {
  constexpr double log2e = std::numbers::log2e;
  std::vector<float> values;
  values.reserve(16 * components.size());
  for (const FlowComponent& k : components) {
    for (const double v : {k.x, k.y, k.logWeight * log2e, k.axx + k.ayy, k.pxx * log2e, k.pxy * log2e, k.pyy * log2e, 0.0, k.u, k.v, k.axx,
                           k.axy, k.ayx, k.ayy, 0.0, 0.0})
      values.push_back(static_cast<float>(v));
  }
  return Tensor::from(Shape{static_cast<std::int64_t>(components.size()), 16}, values);
}

Tensor plain(gpu::Stream& stream, std::span<const FlowComponent> components, const Tensor& points, Output output) {
  return run(stream, "labs/generative/flow_field", tableOf(components), static_cast<std::int64_t>(components.size()), 0, 0, points, output);
}

Tensor regressed(gpu::Stream& stream, const Tensor& pairs, double width, double t, const Tensor& points, Output output) {
  return run(stream, "labs/generative/flow_field@kernel", pairs, pairs.shape()[0], t, std::numbers::log2e / (width * width), points,
             output);
}

}  // namespace

FlowMoment FlowPath::at(double t) const {
  switch (kind) {
    case FlowPathKind::linear:
      return {1 - t, t, -1, t};
    case FlowPathKind::floor: {
      const double sigma = t + (1 - t) * floor;
      return {1 - t, sigma, -1, sigma * (1 - floor)};
    }
    case FlowPathKind::vp: {
      constexpr double beta0 = 0.1, beta1 = 20;
      const double logAlpha = -0.25 * t * t * (beta1 - beta0) - 0.5 * t * beta0, alpha = std::exp(logAlpha);
      const double rate = -0.5 * (beta0 + t * (beta1 - beta0)) * alpha;
      // sigma^2 = 1 - alpha^2.
      return {alpha, std::sqrt(-std::expm1(2 * logAlpha)), rate, -alpha * rate};
    }
    case FlowPathKind::ve: {
      constexpr double least = 0.01;
      const double sigma = least * std::pow(most / least, t);
      return {1, sigma, 0, sigma * sigma * std::log(most / least)};
    }
    case FlowPathKind::trigonometric: {
      const double half = 0.5 * std::numbers::pi, c = std::cos(half * t), s = std::sin(half * t);
      return {t == 1 ? 0 : c, s, -half * s, half * s * c};
    }
  }
  return {};
}

FlowPathKind flowPathOf(std::string_view id) {
  if (id == "floor") return FlowPathKind::floor;
  if (id == "vp") return FlowPathKind::vp;
  if (id == "ve") return FlowPathKind::ve;
  if (id == "trig") return FlowPathKind::trigonometric;
  return FlowPathKind::linear;
}

bool ExactFlow::pointsInData() const {
  return path.at(0).sigma == 0 &&
         std::any_of(data.components.begin(), data.components.end(), [](const kernels::Component& c) { return c.along * c.across == 0; });
}

std::vector<FlowComponent> ExactFlow::at(double t) const {
  std::vector<FlowComponent> result;
  result.reserve(count());
  const FlowMoment m = path.at(t);
  for (const kernels::Component& k : data.components) {
    const Matrix C = covarianceOf(k);
    const double logWeight = std::log(std::max(k.weight, 1e-300));
    if (base.empty()) {
      const double a2 = m.alpha * m.alpha, s2 = m.sigma * m.sigma, ar = m.alpha * m.alphaRate, r = m.halfVarianceRate;
      const Matrix S{a2 * C.xx + s2, a2 * C.xy, a2 * C.yy + s2}, cross{ar * C.xx + r, ar * C.xy, ar * C.yy + r};
      // Cov(dx/dt) = alpha'^2 C + sigma'^2 I; sigma' = r / sigma.
      const double sigmaRate2 = m.sigma > 0 ? r * r / s2 : path.kind == FlowPathKind::linear ? 1 : 0;
      result.push_back(jointComponent(logWeight, {m.alpha * k.x, m.alpha * k.y}, S, {m.alphaRate * k.x, m.alphaRate * k.y}, cross,
                                      m.alphaRate * m.alphaRate * (C.xx + C.yy) + 2 * sigmaRate2));
      continue;
    }
    for (const kernels::Component& l : base) {
      const Matrix E = covarianceOf(l);
      const double a = 1 - t, a2 = a * a, b2 = t * t;
      const Matrix S{a2 * C.xx + b2 * E.xx, a2 * C.xy + b2 * E.xy, a2 * C.yy + b2 * E.yy},
          cross{t * E.xx - a * C.xx, t * E.xy - a * C.xy, t * E.yy - a * C.yy};
      result.push_back(jointComponent(logWeight + std::log(std::max(l.weight, 1e-300)), {a * k.x + t * l.x, a * k.y + t * l.y}, S,
                                      {l.x - k.x, l.y - k.y}, cross, C.xx + C.yy + E.xx + E.yy));
    }
  }
  return result;
}

FlowValue evaluateFlow(std::span<const FlowComponent> components, double x, double y) {
  std::vector<double> logit;
  logit.reserve(components.size());
  double largest = -1e308;
  for (const FlowComponent& k : components) {
    const double dx = x - k.x, dy = y - k.y;
    logit.push_back(k.logWeight - 0.5 * (k.pxx * dx * dx + 2 * k.pxy * dx * dy + k.pyy * dy * dy));
    largest = std::max(largest, logit.back());
  }
  FlowValue value;
  double sum = 0, square = 0;
  for (std::size_t i = 0; i < components.size(); ++i) {
    const FlowComponent& k = components[i];
    const double r = std::exp(logit[i] - largest), dx = x - k.x, dy = y - k.y;
    const double u = k.u + k.axx * dx + k.axy * dy, v = k.v + k.ayx * dx + k.ayy * dy;
    const double sx = -(k.pxx * dx + k.pxy * dy), sy = -(k.pxy * dx + k.pyy * dy);
    sum += r;
    value.u += r * u, value.v += r * v;
    value.scoreX += r * sx, value.scoreY += r * sy;
    value.divergence += r * (k.axx + k.ayy + sx * u + sy * v);
    value.variance += r * k.spread;
    square += r * (u * u + v * v);
  }
  for (double* part : {&value.u, &value.v, &value.scoreX, &value.scoreY, &value.divergence, &value.variance, &square}) *part /= sum;
  value.divergence -= value.scoreX * value.u + value.scoreY * value.v;
  value.variance += std::max(0.0, square - value.u * value.u - value.v * value.v);
  value.logDensity = largest + std::log(sum);
  return value;
}

Tensor flowVelocity(gpu::Stream& stream, std::span<const FlowComponent> components, const Tensor& points) {
  return plain(stream, components, points, Output::velocity);
}

Tensor flowWithDivergence(gpu::Stream& stream, std::span<const FlowComponent> components, const Tensor& state) {
  return plain(stream, components, state, Output::divergence);
}

Tensor flowLogDensity(gpu::Stream& stream, std::span<const FlowComponent> components, const Tensor& points) {
  return plain(stream, components, points, Output::logDensity);
}

Tensor regressedVelocity(gpu::Stream& stream, const Tensor& pairs, double width, double t, const Tensor& points) {
  return regressed(stream, pairs, width, t, points, Output::velocity);
}

Tensor regressedWithDivergence(gpu::Stream& stream, const Tensor& pairs, double width, double t, const Tensor& state) {
  return regressed(stream, pairs, width, t, state, Output::divergence);
}

FlowSolver flowSolverOf(std::string_view id) {
  if (id == "euler") return FlowSolver::euler;
  if (id == "midpoint") return FlowSolver::midpoint;
  if (id == "heun") return FlowSolver::heun;
  return FlowSolver::rk4;
}

int evaluationsOf(FlowSolver solver) { return solver == FlowSolver::euler ? 1 : solver == FlowSolver::rk4 ? 4 : 2; }

Tensor addScaled(gpu::Stream& stream, const Tensor& y, const Tensor& x, double scale) {
  return kernels::binary(stream, kernels::Binary::add, y, kernels::affine(stream, x, static_cast<float>(scale), 0));
}

Tensor flowStep(gpu::Stream& stream, const Velocity& velocity, FlowSolver solver, const Tensor& cloud, double t, double to,
                const Tensor& slope) {
  const double h = to - t;
  const Tensor k1 = slope.empty() ? velocity(stream, cloud, t) : slope;
  switch (solver) {
    case FlowSolver::euler:
      break;
    case FlowSolver::midpoint:
      return addScaled(stream, cloud, velocity(stream, addScaled(stream, cloud, k1, h / 2), t + h / 2), h);
    case FlowSolver::heun: {
      const Tensor k2 = velocity(stream, addScaled(stream, cloud, k1, h), to);
      return addScaled(stream, cloud, kernels::binary(stream, kernels::Binary::add, k1, k2), h / 2);
    }
    case FlowSolver::rk4: {
      const Tensor k2 = velocity(stream, addScaled(stream, cloud, k1, h / 2), t + h / 2);
      const Tensor k3 = velocity(stream, addScaled(stream, cloud, k2, h / 2), t + h / 2);
      const Tensor k4 = velocity(stream, addScaled(stream, cloud, k3, h), to);
      const Tensor outer = kernels::binary(stream, kernels::Binary::add, k1, k4),
                   inner = kernels::binary(stream, kernels::Binary::add, k2, k3);
      return addScaled(stream, addScaled(stream, cloud, outer, h / 6), inner, h / 3);
    }
  }
  return addScaled(stream, cloud, k1, h);
}

}  // namespace orrery::generative
