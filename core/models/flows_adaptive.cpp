#include "core/models/flows_adaptive.h"

#include <algorithm>
#include <cmath>

#include "core/diffusion/dormand_prince.h"
#include "core/kernels/elementwise.h"

namespace orrery::models::flows {
namespace {

using namespace diffusion::dormand_prince;

// |error| against what is allowed, one number at a time.
template <class Values>
double scaled(const Values& error, const Values& before, const Values& after, double tolerance) {
  double sum = 0;
  for (std::size_t i = 0; i < error.size(); ++i) {
    const double size = std::max(std::abs(static_cast<double>(before[i])), std::abs(static_cast<double>(after[i])));
    const double one = static_cast<double>(error[i]) / (tolerance * (1 + size));
    sum += one * one;
  }
  return std::sqrt(sum / static_cast<double>(std::max<std::size_t>(1, error.size())));
}

// `moved`: y + h sum c_j k_j; `measured`: the scaled error of a step.
template <class Y, class Slope, class Moved, class Measured>
Y solved(const Slope& slope, const Moved& moved, const Measured& measured, Y y, double from, double to, std::int64_t& evaluations) {
  if (from == to) return y;
  const double whole = std::abs(to - from), sign = to > from ? 1 : -1;
  StepControl control(whole, 1e-6 * whole);
  double place = 0;
  std::vector<Y> k(stages);
  k[0] = slope(y, from);
  ++evaluations;
  while (whole - place > 1e-12 * whole) {
    const double h = control.step(whole - place);
    Y next = y;
    for (std::size_t stage = 1; stage < stages; ++stage) {
      next = moved(&y, sign * h, k, std::span(A[stage], stage));
      k[stage] = slope(next, from + sign * (place + C[stage] * h));
    }
    evaluations += stages - 1;
    const double error = measured(moved(nullptr, h, k, std::span(E)), y, next);
    if (control.hopeless(error)) return next;  // what is no number stays none
    if (!control.taken(error)) continue;
    place += h;
    y = next;
    k[0] = k[stages - 1];  // the last evaluation of this step is the first of the next
  }
  return y;
}

}  // namespace

Tensor solveAdaptive(gpu::Stream& stream, const std::function<Tensor(const Tensor&, double)>& slope, const Tensor& y, double from,
                     double to, double tolerance, std::int64_t& evaluations) {
  const auto moved = [&](const Tensor* start, double h, const std::vector<Tensor>& k, std::span<const double> weights) {
    Tensor sum = start != nullptr ? *start : Tensor();
    for (std::size_t j = 0; j < weights.size(); ++j) {
      if (weights[j] == 0) continue;
      const Tensor way = kernels::affine(stream, k[j], static_cast<float>(h * weights[j]), 0);
      sum = sum.empty() ? way : kernels::binary(stream, kernels::Binary::add, sum, way);
    }
    return sum;
  };
  const auto measured = [&](const Tensor& error, const Tensor& before, const Tensor& after) {
    return scaled(error.toFloats(), before.toFloats(), after.toFloats(), tolerance);
  };
  return solved<Tensor>(slope, moved, measured, y, from, to, evaluations);
}

std::vector<double> solveAdaptive(const std::function<std::vector<double>(const std::vector<double>&, double)>& slope,
                                  std::vector<double> y, double from, double to, double tolerance, std::int64_t& evaluations) {
  using Y = std::vector<double>;
  const auto moved = [](const Y* start, double h, const std::vector<Y>& k, std::span<const double> weights) {
    Y sum = start != nullptr ? *start : Y(k[0].size(), 0.0);
    for (std::size_t j = 0; j < weights.size(); ++j)
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += h * weights[j] * k[j][i];
    return sum;
  };
  const auto measured = [&](const Y& error, const Y& before, const Y& after) { return scaled(error, before, after, tolerance); };
  return solved<Y>(slope, moved, measured, std::move(y), from, to, evaluations);
}

}  // namespace orrery::models::flows
