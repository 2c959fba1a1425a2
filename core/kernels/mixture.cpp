// ln p_t, score and denoiser of a Gaussian mixture p_0 = sum_k w_k N(mu_k, C_k) under x_t = alpha x_0 + sigma eps:
//   S_k = alpha^2 C_k + sigma^2 I,  b_k = S_k^-1 (alpha mu_k - x),  r_k ~ w_k N(x; alpha mu_k, S_k),
//   score = sum r_k b_k,  D = sum r_k (mu_k - alpha C_k b_k)          (generative.md C3; Tweedie's formula, Robbins 1956)
// Shapes: points [n, 2] in data units -> [n] nats or [n, 2]. Convention: weights are normalised; alpha > 0 and sigma > 0.
// The device works in the scaled state x / alpha at the relative level sigma / alpha; the reference here follows the formulas above as
// written.

#include "core/kernels/mixture.h"

#include <chrono>
#include <cmath>
#include <numbers>

#include "core/base/bench_job.h"
#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"

namespace orrery::kernels {

MixtureTable makeMixtureTable(std::span<const Component> components) {
  assert(!components.empty());
  MixtureTable result;
  result.count = static_cast<std::uint32_t>(components.size());
  result.spread = components[0].along;
  double total = 0;
  for (const Component& c : components) {
    total += c.weight;
    result.common = result.common && c.along == result.spread && c.across == result.spread;
  }
  std::vector<float> values;
  for (const Component& c : components) {
    const double log2w = std::log2(std::max(c.weight / total, 1e-300));
    if (result.common) {
      for (const double v : {c.x, c.y, -0.5 * (c.x * c.x + c.y * c.y), log2w}) values.push_back(static_cast<float>(v));
    } else {
      for (const double v : {c.x, c.y, log2w, std::cos(c.angle), c.along, c.across, std::sin(c.angle), 0.0})
        values.push_back(static_cast<float>(v));
    }
  }
  if (result.count > 16) {
    // Weightless components: 2^-1e30 of the others, and a covariance that divides.
    for (; result.count % 4 != 0; ++result.count) {
      const std::vector<float> empty =
          result.common ? std::vector<float>{0, 0, 0, -1e30f} : std::vector<float>{0, 0, -1e30f, 1, 1, 1, 0, 0};
      values.insert(values.end(), empty.begin(), empty.end());
    }
  }
  const auto rows = static_cast<std::int64_t>(values.size() / 4);
  result.table = Tensor::from(Shape{rows, 4}, values);
  return result;
}

std::array<std::uint32_t, 2> mixtureConstants(const MixtureTable& mixture) {
  return {mixture.common ? 1u : 0u, mixture.count <= 16 ? mixture.count : 0u};
}

gpu::Groups particleGroups(std::int64_t n) { return {static_cast<std::uint32_t>((n + 255) / 256), 1, 1}; }

gpu::BufferView inQuads(gpu::BufferView view) {
  view.bytes = (view.bytes + 31) / 32 * 32;
  return view;
}

Tensor mixture(gpu::Stream& stream, const MixtureTable& mixture, const Tensor& points, double alpha, double sigma, MixtureOutput output) {
  assert(points.dtype() == DType::f32 && points.shape().rank() == 2 && points.shape()[1] == 2 && alpha > 0 && sigma > 0);
  const std::int64_t n = points.shape()[0];
  Tensor result(output == MixtureOutput::logDensity ? Shape{n} : Shape{n, 2});
  if (n == 0) return result;
  const struct {
    std::uint32_t quads, components;
    float sigma, spread, inverseAlpha, logAlpha;
  } push{static_cast<std::uint32_t>((n + 3) / 4), mixture.count,
         static_cast<float>(sigma / alpha),       static_cast<float>(mixture.spread),
         static_cast<float>(1 / alpha),           static_cast<float>(std::log(alpha))};
  const auto constants = mixtureConstants(mixture);
  const gpu::Binding table{mixture.table.device(stream), gpu::Access::read};
  stream.dispatch(
      "kernels/mixture",
      {{inQuads(points.device(stream)), gpu::Access::read}, table, table, {inQuads(result.deviceForWriting(stream)), gpu::Access::write}},
      push, particleGroups(n), {constants[0], constants[1], static_cast<std::uint32_t>(output)});
  return result;
}

MixtureValue evaluateMixture(std::span<const Component> components, double x, double y, double alpha, double sigma) {
  struct Term {
    double logit, bx, by, mx, my;
  };
  std::vector<Term> terms;
  double total = 0, largest = -1e308;
  MixtureValue value;
  for (const Component& c : components) total += c.weight;
  for (const Component& c : components) {
    const double cosine = std::cos(c.angle), sine = std::sin(c.angle);
    const double s1 = alpha * alpha * c.along + sigma * sigma, s2 = alpha * alpha * c.across + sigma * sigma;
    const double dx = alpha * c.x - x, dy = alpha * c.y - y;
    const double u = (cosine * dx + sine * dy) / s1, v = (cosine * dy - sine * dx) / s2;
    const double quadratic = s1 * u * u + s2 * v * v;
    const double bx = cosine * u - sine * v, by = sine * u + cosine * v;
    const double cu = alpha * c.along * u, cv = alpha * c.across * v;
    terms.push_back(
        {std::log(std::max(c.weight / total, 1e-300)) - std::log(2 * std::numbers::pi) - 0.5 * std::log(s1 * s2) - 0.5 * quadratic, bx, by,
         c.x - (cosine * cu - sine * cv), c.y - (sine * cu + cosine * cv)});
    if (terms.back().logit > largest) {
      largest = terms.back().logit;
      value.likeliest = static_cast<int>(terms.size()) - 1;
    }
  }
  double sum = 0;
  for (const Term& t : terms) {
    const double r = std::exp(t.logit - largest);
    sum += r;
    value.score[0] += r * t.bx;
    value.score[1] += r * t.by;
    value.denoiser[0] += r * t.mx;
    value.denoiser[1] += r * t.my;
  }
  for (int i = 0; i < 2; ++i) {
    value.score[static_cast<std::size_t>(i)] /= sum;
    value.denoiser[static_cast<std::size_t>(i)] /= sum;
  }
  value.logDensity = largest + std::log(sum);
  return value;
}

namespace {

std::vector<Component> ring(int count, double radius, double deviation) {
  std::vector<Component> components;
  for (int k = 0; k < count; ++k) {
    const double angle = 2 * std::numbers::pi * k / count;
    components.push_back(
        {1.0 + 0.1 * k, radius * std::cos(angle), radius * std::sin(angle), deviation * deviation, deviation * deviation, 0});
  }
  return components;
}

std::vector<Component> ellipses(int count) {
  std::vector<Component> components = ring(count, 1.3, 0.2);
  for (int k = 0; k < count; ++k) {
    Component& c = components[static_cast<std::size_t>(k)];
    c.along = 0.02 + 0.03 * k;
    c.across = 0.05 / (1 + k);
    c.angle = 0.4 * k;
  }
  return components;
}

CheckCase check(const char* name, std::vector<Component> components, double alpha, double sigma, MixtureOutput output) {
  // Errors in f32: a logit of size q^2 / 2 S (up to about 100 at the clouds used) keeps 1e-5 of its last places, which moves weights and so
  // D and the score by the same relative amount; differences x - D are taken where they are not small against x. 3e-5 covers this three
  // times over.
  return {
      std::string(name) + ", alpha " + std::to_string(alpha).substr(0, 4) + ", sigma " + std::to_string(sigma).substr(0, 5), 3e-5,
      [=](gpu::Stream& stream) {
        const std::int64_t n = 1013;
        const auto points = testFloats(2 * n, 61, -2 * (alpha + sigma), 2 * (alpha + sigma));
        std::vector<double> expected;
        for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
          const MixtureValue v =
              evaluateMixture(components, static_cast<double>(points[2 * i]), static_cast<double>(points[2 * i + 1]), alpha, sigma);
          if (output == MixtureOutput::logDensity)
            expected.push_back(v.logDensity);
          else
            expected.insert(expected.end(), output == MixtureOutput::score ? v.score.begin() : v.denoiser.begin(),
                            output == MixtureOutput::score ? v.score.end() : v.denoiser.end());
        }
        return compare(mixture(stream, makeMixtureTable(components), Tensor::from(Shape{n, 2}, points), alpha, sigma, output), expected);
      }};
}

std::vector<CheckCase> checks(gpu::Device&) {
  std::vector<CheckCase> cases;
  for (const auto output : {MixtureOutput::logDensity, MixtureOutput::score, MixtureOutput::denoiser}) {
    const std::string suffix = output == MixtureOutput::logDensity ? " log density"
                               : output == MixtureOutput::score    ? " score"
                                                                   : " denoiser";
    cases.push_back(check(("ring of 8" + suffix).c_str(), ring(8, 1, 0.12), 1, 0.4, output));
    cases.push_back(check(("ring of 8" + suffix).c_str(), ring(8, 1, 0.12), 0.6, 0.8, output));
    cases.push_back(check(("ring of 33" + suffix).c_str(), ring(33, 1, 0.12), 0.8, 0.5, output));
    cases.push_back(check(("5 ellipses" + suffix).c_str(), ellipses(5), 0.7, 0.6, output));
    cases.push_back(check(("19 ellipses" + suffix).c_str(), ellipses(19), 1, 20, output));
    cases.push_back(check(("one point mass" + suffix).c_str(), {{1, 0.3, -0.2, 0, 0, 0}}, 0.9, 0.5, output));
  }
  return cases;
}

constexpr double flopsPerComponent = 30;  // generative.md C11

std::vector<BenchCase> benches(gpu::Device&) {
  std::vector<BenchCase> cases;
  for (const std::int64_t n : {std::int64_t{1} << 12, std::int64_t{1} << 16, std::int64_t{1} << 20}) {
    cases.push_back({std::to_string(n) + " points x 8", "", flopsPerComponent * 8 * static_cast<double>(n), 16.0 * static_cast<double>(n),
                     true, [n](gpu::Stream& stream) {
                       const Tensor points = Tensor::from(Shape{n, 2}, testFloats(2 * n, 1, -2, 2));
                       const MixtureTable table = makeMixtureTable(ring(8, 1, 0.12));
                       points.device(stream);
                       table.table.device(stream);
                       return [points, table](gpu::Stream& s) { mixture(s, table, points, 1, 0.4, MixtureOutput::score); };
                     }});
  }
  return cases;
}

const Registration<Kernel> registration{{"mixture", "Log density, score and denoiser of a Gaussian mixture", checks, benches}};

// The job named in the plan: one score step of 1,048,576 particles under 8 components.
Expected<double> scoreStepMilliseconds() {
  auto device = gpu::Device::open();
  if (!device) return device.error();
  gpu::Stream stream(*device);
  const std::int64_t n = 1 << 20;
  const Tensor points = Tensor::from(Shape{n, 2}, testFloats(2 * n, 1, -2, 2));
  const MixtureTable table = makeMixtureTable(ring(8, 1, 0.12));
  double best = 1e9;
  const auto began = std::chrono::steady_clock::now();
  for (int run = 0; run < 12 || std::chrono::steady_clock::now() - began < std::chrono::seconds(2); ++run) {
    // The first two runs upload, compile and touch the memory.
    const auto start = std::chrono::steady_clock::now();
    mixture(stream, table, points, 1, 0.4, MixtureOutput::score);
    stream.finish();
    const double milliseconds = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    if (run >= 2) best = std::min(best, milliseconds);
  }
  return best;
}

const Registration<BenchJob> job{
    {"mixture-score-step-1m-8", "One score evaluation of 1,048,576 particles under a mixture of 8", "ms", scoreStepMilliseconds}};

}  // namespace
}  // namespace orrery::kernels
