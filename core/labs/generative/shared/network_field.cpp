// A user's network as a velocity field with its divergence. With the state x, the output y = N(s x, told) and u = a x + b y:
//   div u = 2 a + b s tr (dN/dx),   Hutchinson: e . (a e + b s (dN/dx) e)
// a, b and s follow from what the network predicts (generative.md C2) on the path x_t = (1 - t) x_0 + t eps:
//   u = (sigma' / sigma) x + (alpha' - sigma' alpha / sigma) D,   D = l_x x / alpha + l_y y.
// Shapes: state [n, 4] on the device in f32, Jacobian-vector products by the tape; double precision and forward tangents on the host.
// A network that is not made of layers that we know, an ONNX graph, is differentiated by central differences of its D, of 1/100 of a unit of
// x_t in f32 (rounding of about 1e-7 / 0.01, and a hundredth squared times the third derivative) and of 1e-5 on the host.

#include <algorithm>
#include <cmath>

#include "core/base/philox.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/fill.h"
#include "core/kernels/reduce.h"
#include "core/kernels/slice.h"
#include "core/labs/generative/shared/field_flow.h"
#include "core/models/mlp_denoiser.h"

namespace orrery::generative {

namespace {

using models::MlpDenoiser;
using nn::Variable;

constexpr std::uint32_t probePurpose = 45;
constexpr std::int64_t mostRows = 1 << 14;  // at once: 1024 units of a layer and their tangents fill 128 MiB

// u = ofState x + ofOutput N(inputScale x, told).
struct Reading {
  double ofState = 0, ofOutput = 1, inputScale = 1;
  std::vector<double> told;
};

Reading readingAt(const MlpDenoiser& network, double t) {
  const models::NetworkMeaning& meaning = network.meaning();
  const bool itself = meaning.prediction == diffusion::Prediction::velocity && meaning.process != nullptr && meaning.process->id == "flow";
  // Both ends of the path lack one of its halves: what is not a velocity already is asked a thousandth away.
  const double away = itself ? 1e-5 : 1e-3;  // the process "flow" ends there
  const double at = std::clamp(t, away, 1 - away);
  const FlowMoment m = FlowPath{}.at(at);
  const double level = m.sigma / m.alpha;
  Reading reading;
  reading.told = network.toldFeatures(level);
  if (itself) return reading;
  const double sigmaRate = m.halfVarianceRate / m.sigma, ofDenoised = m.alphaRate - sigmaRate * m.alpha / m.sigma;
  const diffusion::Linear denoised = meaning.denoised(level);
  reading.inputScale = meaning.inputScale(level) / m.alpha;
  reading.ofState = sigmaRate / m.sigma + ofDenoised * denoised.x / m.alpha;
  reading.ofOutput = ofDenoised * denoised.y;
  return reading;
}

// Rademacher signs of rows first ... first + n - 1, [n, 2].
Tensor signs(std::uint64_t seed, std::int64_t first, std::int64_t n) {
  std::vector<float> values;
  for (std::int64_t i = first; i < first + n; ++i) {
    const PhiloxBlock words = philox({static_cast<std::uint32_t>(i), 0, probePurpose, 0}, philoxKey(seed));
    for (const std::uint32_t word : {words[0], words[1]}) values.push_back(word >> 31 ? 1.0f : -1.0f);
  }
  return Tensor::from(Shape{n, 2}, values);
}

// (u, v, div, |u|^2) of points [n, 2], at most mostRows of them.
Tensor slopes(gpu::Stream& stream, const MlpDenoiser& network, const Reading& reading, const Tensor& points,
              const std::optional<Tensor>& probe) {
  const std::int64_t n = points.shape()[0];
  const MlpDenoiser::Layer &first = network.layers().front(), &last = network.layers().back();
  nn::Tape tape(stream);
  const Variable x = tape.leaf(points);
  // What is told is the same for all rows: its share of the first layer is a bias.
  std::vector<float> weight, bias;
  for (std::size_t r = 0; r < first.out; ++r) {
    const double* row = first.weight.data() + r * first.in;
    for (std::size_t k = 0; k < 2; ++k) weight.push_back(static_cast<float>(reading.inputScale * row[k]));
    double sum = first.bias[r];
    for (std::size_t k = 0; k < reading.told.size(); ++k) sum += row[2 + k] * reading.told[k];
    bias.push_back(static_cast<float>(sum));
  }
  const auto width = static_cast<std::int64_t>(first.out);
  Variable h = nn::linear(x, tape.constant(Tensor::from(Shape{width, 2}, weight)), tape.constant(Tensor::from(Shape{width}, bias)),
                          network.activation());
  for (std::size_t l = 1; l + 1 < network.layers().size(); ++l) {
    const MlpDenoiser::Layer& layer = network.layers()[l];
    h = nn::linear(h, tape.constant(layer.deviceWeight), tape.constant(layer.deviceBias), network.activation());
  }
  weight.clear(), bias.clear();
  for (const double w : last.weight) weight.push_back(static_cast<float>(reading.ofOutput * w));
  for (const double b : last.bias) bias.push_back(static_cast<float>(reading.ofOutput * b));
  Variable u = nn::linear(h, tape.constant(Tensor::from(Shape{2, static_cast<std::int64_t>(last.in)}, weight)),
                          tape.constant(Tensor::from(Shape{2}, bias)));
  if (reading.ofState != 0) u = nn::add(u, nn::affine(x, reading.ofState, 0));

  // Each direction's share of the trace lies in its own column.
  const auto along = [&](const Tensor& direction) {
    return kernels::binary(stream, kernels::Binary::mul, tape.jvp(u, std::array{x}, std::array{direction}), direction);
  };
  const auto axis = [&](float dx, float dy) {
    std::vector<float> values;
    for (std::int64_t i = 0; i < n; ++i) values.insert(values.end(), {dx, dy});
    return Tensor::from(Shape{n, 2}, values);
  };
  const Tensor shares = probe ? along(*probe) : kernels::binary(stream, kernels::Binary::add, along(axis(1, 0)), along(axis(0, 1)));
  const Variable trace = nn::sum(tape.constant(shares), 1), power = nn::sum(nn::square(u), 1);
  const Tensor parts[] = {u.value(), trace.value().reshaped(Shape{n, 1}), power.value().reshaped(Shape{n, 1})};
  return kernels::concat(stream, parts, 1);
}

std::array<double, 3> slopeOf(const MlpDenoiser& network, const Reading& reading, double x, double y) {
  // A value and its derivatives by x and by y.
  using Dual = std::array<double, 3>;
  std::vector<Dual> h{{reading.inputScale * x, reading.inputScale, 0}, {reading.inputScale * y, 0, reading.inputScale}};
  for (const double told : reading.told) h.push_back({told, 0, 0});
  for (std::size_t l = 0; l < network.layers().size(); ++l) {
    const MlpDenoiser::Layer& layer = network.layers()[l];
    std::vector<Dual> next(layer.out);
    for (std::size_t r = 0; r < layer.out; ++r) {
      Dual sum{layer.bias[r], 0, 0};
      for (std::size_t c = 0; c < layer.in; ++c) {
        for (std::size_t k = 0; k < 3; ++k) sum[k] += layer.weight[r * layer.in + c] * h[c][k];
      }
      if (l + 1 < network.layers().size()) {
        const double slope = kernels::unaryDerivativeReference(network.activation(), sum[0]);
        sum = {kernels::unaryReference(network.activation(), sum[0]), slope * sum[1], slope * sum[2]};
      }
      next[r] = sum;
    }
    h = std::move(next);
  }
  const double a = reading.ofState, b = reading.ofOutput;
  return {a * x + b * h[0][0], a * y + b * h[1][0], 2 * a + b * (h[0][1] + h[1][2])};
}

// u = ofState x + ofDenoised D(x / alpha; level).
struct Velocities {
  double ofState = 0, ofDenoised = 0, alpha = 1, level = 1;
};

Velocities velocitiesAt(double t) {
  const FlowMoment m = FlowPath{}.at(std::clamp(t, 1e-3, 1 - 1e-3));
  const double sigmaRate = m.halfVarianceRate / m.sigma;
  return {sigmaRate / m.sigma, m.alphaRate - sigmaRate * m.alpha / m.sigma, m.alpha, m.sigma / m.alpha};
}

// (u, v, div, |u|^2) of points [n, 2] by central differences, all asked for at once.
Tensor differences(gpu::Stream& stream, const models::PointDenoiser& network, const Velocities& v, const Tensor& points,
                   const std::optional<Tensor>& probe) {
  constexpr float h = 0.01f;
  const std::int64_t n = points.shape()[0];
  const auto axis = [&](float dx, float dy) {
    std::vector<float> values;
    for (std::int64_t i = 0; i < n; ++i) values.insert(values.end(), {dx, dy});
    return Tensor::from(Shape{n, 2}, values);
  };
  const std::vector<Tensor> directions = probe ? std::vector{*probe} : std::vector{axis(1, 0), axis(0, 1)};
  std::vector<Tensor> asked{points};
  for (const Tensor& direction : directions) {
    for (const float step : {h, -h}) asked.push_back(kernels::binary(stream, kernels::Binary::add, points, kernels::affine(stream, direction, step, 0)));
  }
  const Tensor scaled = kernels::affine(stream, kernels::concat(stream, asked, 0), static_cast<float>(1 / v.alpha), 0);
  const Tensor clean = network.denoise(stream, scaled, v.level);
  const auto part = [&](std::size_t i) {
    const auto first = static_cast<std::int64_t>(i) * n;
    return kernels::slice(stream, clean, 0, first, first + n);
  };
  Tensor shares;
  for (std::size_t k = 0; k < directions.size(); ++k) {
    const Tensor along = kernels::binary(stream, kernels::Binary::mul, directions[k],
                                         kernels::binary(stream, kernels::Binary::sub, part(2 * k + 1), part(2 * k + 2)));
    shares = k == 0 ? along : kernels::binary(stream, kernels::Binary::add, shares, along);
  }
  const Tensor trace = kernels::affine(stream, kernels::reduce(stream, shares, 1, kernels::Reduction::sum),
                                       static_cast<float>(v.ofDenoised / (2 * static_cast<double>(h))), static_cast<float>(2 * v.ofState));
  const Tensor u = kernels::binary(stream, kernels::Binary::add, kernels::affine(stream, points, static_cast<float>(v.ofState), 0),
                                   kernels::affine(stream, part(0), static_cast<float>(v.ofDenoised), 0));
  const Tensor power = kernels::reduce(stream, kernels::unary(stream, kernels::Unary::square, u), 1, kernels::Reduction::sum);
  const Tensor parts[] = {u, trace.reshaped(Shape{n, 1}), power.reshaped(Shape{n, 1})};
  return kernels::concat(stream, parts, 1);
}

std::array<double, 3> differencesOf(const models::PointDenoiser& network, const Velocities& v, double x, double y) {
  constexpr double h = 1e-5;
  const diffusion::State asked{x, y, x + h, y, x - h, y, x, y + h, x, y - h};
  const diffusion::State clean = network.denoise(asked / v.alpha, v.level);
  const double trace = (clean[2] - clean[4] + clean[7] - clean[9]) / (2 * h);
  return {v.ofState * x + v.ofDenoised * clean[0], v.ofState * y + v.ofDenoised * clean[1], 2 * v.ofState + v.ofDenoised * trace};
}

}  // namespace

std::shared_ptr<const PlaneField> networkField(std::shared_ptr<const models::PointDenoiser> network, std::optional<std::uint64_t> probes) {
  auto field = std::make_shared<PlaneField>();
  field->energy = true;
  const auto* layered = dynamic_cast<const MlpDenoiser*>(network.get());  // lives as long as `network`, which the functions keep
  field->onDevice = [network, layered, probes](gpu::Stream& stream, const Tensor& state, double t) {
    const Tensor points = kernels::slice(stream, state, 1, 0, 2);
    const std::int64_t n = points.shape()[0];
    std::vector<Tensor> parts;
    for (std::int64_t row = 0; row < n; row += mostRows) {
      const std::int64_t end = std::min(row + mostRows, n);
      const auto probe = probes ? std::optional(signs(*probes, row, end - row)) : std::nullopt;
      const Tensor some = n <= mostRows ? points : points.rows(row, end);
      parts.push_back(layered != nullptr ? slopes(stream, *layered, readingAt(*layered, t), some, probe)
                                         : differences(stream, *network, velocitiesAt(t), some, probe));
      // A tape's tensors are held until their work is done: a long way would hold them all.
      stream.wait();
      stream.submit();
    }
    return parts.size() == 1 ? parts.front() : kernels::concat(stream, parts, 0);
  };
  field->onHost = [network, layered](double t, double x, double y) {
    return layered != nullptr ? slopeOf(*layered, readingAt(*layered, t), x, y) : differencesOf(*network, velocitiesAt(t), x, y);
  };
  return field;
}

}  // namespace orrery::generative
