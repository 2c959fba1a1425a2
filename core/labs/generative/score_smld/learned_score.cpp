// Formulas in learned_score.h.

#include "core/labs/generative/score_smld/learned_score.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/philox.h"
#include "core/kernels/elementwise.h"
#include "core/nn/operations.h"

namespace orrery::generative {

using diffusion::State;

namespace {

constexpr std::uint32_t samplePurpose = 0x540, signPurpose = 0x541;

Tensor pairsFrom(const std::vector<float>& values) { return Tensor::from(Shape{static_cast<std::int64_t>(values.size() / 2), 2}, values); }

}  // namespace

double ScoreScales::input(double level) const { return 1 / std::sqrt(variance + level * level); }

double ScoreScales::time(double level) const {
  return top > bottom ? std::clamp(std::log(level / bottom) / std::log(top / bottom), 0.0, 1.0) : 0.0;
}

LearnedScore::LearnedScore(ToyNetwork network, ScoreScales scales) : network_(std::move(network)), scales_(scales) {
  meaning_.prediction = diffusion::Prediction::epsilon;
  meaning_.time = models::ToldTime::logLevel;
}

Tensor LearnedScore::denoise(gpu::Stream& stream, const Tensor& x, double level) const {
  const Tensor F = network_.at(stream, kernels::affine(stream, x, static_cast<float>(scales_.input(level)), 0), scales_.time(level));
  return kernels::binary(stream, kernels::Binary::add, x, kernels::affine(stream, F, static_cast<float>(-level), 0));
}

State LearnedScore::denoise(const State& x, double level) const {
  const nn::Weights& weights = network_.average();
  const double c = scales_.input(level), time = scales_.time(level);
  std::vector<double> features;
  const double scale = std::sqrt(2.0 / static_cast<double>(ToyNetwork::frequencies));
  for (const double f : ToyNetwork::frequencyTable()) features.push_back(scale * std::cos(2 * std::numbers::pi * f * time));
  for (const double f : ToyNetwork::frequencyTable()) features.push_back(scale * std::sin(2 * std::numbers::pi * f * time));
  std::vector<std::vector<float>> matrices;
  for (const nn::NamedTensor& w : weights) matrices.push_back(w.value.toFloats());
  State result = x;
  std::vector<double> in, out;
  for (std::size_t i = 0; i + 1 < x.size(); i += 2) {
    in = {c * x[i], c * x[i + 1]};
    in.insert(in.end(), features.begin(), features.end());
    for (std::size_t layer = 0; 2 * layer < matrices.size(); ++layer) {
      const auto &w = matrices[2 * layer], &b = matrices[2 * layer + 1];
      out.assign(b.begin(), b.end());
      for (std::size_t r = 0; r < out.size(); ++r)
        for (std::size_t k = 0; k < in.size(); ++k) out[r] += static_cast<double>(w[r * in.size() + k]) * in[k];
      if (2 * layer + 2 < matrices.size())
        for (double& v : out) v /= 1 + std::exp(-v);  // SiLU
      in.swap(out);
    }
    result[i] = x[i] - level * in[0], result[i + 1] = x[i + 1] - level * in[1];
  }
  return result;
}

ScoreTraining::ScoreTraining(gpu::Stream& stream, const ToyNetworkOptions& options, ScoreObjective objective, State data,
                             std::vector<double> ladder)
    : network_(stream, options), objective_(objective), data_(std::move(data)), ladder_(std::move(ladder)) {
  double mean[2] = {0, 0}, squares = 0;
  const auto n = static_cast<double>(data_.size() / 2);
  for (std::size_t i = 0; i < data_.size(); ++i) mean[i % 2] += data_[i] / n;
  for (std::size_t i = 0; i < data_.size(); ++i) squares += (data_[i] - mean[i % 2]) * (data_[i] - mean[i % 2]) / (2 * n);
  scales_ = {*std::max_element(ladder_.begin(), ladder_.end()), *std::min_element(ladder_.begin(), ladder_.end()), std::max(squares, 1e-6)};
}

ScoreTraining::Samples ScoreTraining::samplesOf(std::int64_t step, std::int64_t batch) const {
  const auto n = static_cast<std::size_t>(batch);
  Samples samples{State(2 * n), State(2 * n), std::vector<double>(n)};
  for (std::size_t j = 0; j < n; ++j) {
    const PhiloxBlock words =
        philox({static_cast<std::uint32_t>(j), static_cast<std::uint32_t>(step), samplePurpose, 0}, philoxKey(network_.options().seed));
    const auto z = philoxNormals(words[0], words[1]);
    const std::size_t point = philoxBounded(words[2], static_cast<std::uint32_t>(data_.size() / 2));
    samples.level[j] = ladder_[philoxBounded(words[3], static_cast<std::uint32_t>(ladder_.size()))];
    for (std::size_t c = 0; c < 2; ++c) {
      samples.z[2 * j + c] = z[c];
      samples.x[2 * j + c] = data_[2 * point + c] + samples.level[j] * z[c];
    }
  }
  return samples;
}

Tensor ScoreTraining::train(gpu::Stream& stream, const Samples& samples, const std::vector<double>& exact) {
  const std::size_t n = samples.level.size();
  std::vector<float> x(2 * n), time(n);
  for (std::size_t j = 0; j < n; ++j) {
    time[j] = static_cast<float>(scales_.time(samples.level[j]));
    for (std::size_t c = 0; c < 2; ++c) x[2 * j + c] = static_cast<float>(scales_.input(samples.level[j]) * samples.x[2 * j + c]);
  }
  if (objective_ == ScoreObjective::implicit || objective_ == ScoreObjective::sliced) return trainBySlopes(stream, samples, x, time);
  const auto& wanted = explicitly() ? std::span<const double>(exact) : samples.z.values();
  const Tensor half(Tensor::from(Shape{static_cast<std::int64_t>(n)}, std::vector<float>(n, 0.5f)));
  return network_.train(stream, {pairsFrom(x), Tensor::from(Shape{static_cast<std::int64_t>(n)}, time),
                                 pairsFrom(std::vector<float>(wanted.begin(), wanted.end())), half});
}

// F at the samples and at both ends of a small step along every direction, in one batch; the slope along v is v.(F(+) - F(-)) / 2h.
Tensor ScoreTraining::trainBySlopes(gpu::Stream& stream, const Samples& samples, const std::vector<float>& x,
                                    const std::vector<float>& time) {
  const std::size_t n = samples.level.size();
  const bool sliced = objective_ == ScoreObjective::sliced;
  std::vector<float> places = x, times = time, slopes(2 * n, 0.0f), directions(2 * n);
  for (int d = 0; d < (sliced ? 1 : 2); ++d) {
    for (const double side : {1.0, -1.0}) {
      for (std::size_t j = 0; j < n; ++j) {
        const PhiloxBlock words = philox({static_cast<std::uint32_t>(j), static_cast<std::uint32_t>(network_.steps()), signPurpose, 0},
                                         philoxKey(network_.options().seed));
        const double level = samples.level[j], weight = -side * level * scales_.input(level) / (2 * difference);
        for (std::size_t c = 0; c < 2; ++c) {
          const double v = sliced ? ((words[c] & 1u) != 0 ? -1.0 : 1.0) : c == static_cast<std::size_t>(d) ? 1.0 : 0.0;
          directions[2 * j + c] = static_cast<float>(v);
          places.push_back(static_cast<float>(static_cast<double>(x[2 * j + c]) + side * difference * v));
          slopes.push_back(static_cast<float>(weight * v));
        }
      }
      times.insert(times.end(), time.begin(), time.end());
    }
  }
  const auto rows = static_cast<std::int64_t>(n);
  const Tensor at = pairsFrom(places), weights = pairsFrom(slopes),
               when = Tensor::from(Shape{static_cast<std::int64_t>(times.size())}, times);
  return network_.descend(stream, [&](nn::Tape& tape, std::span<const nn::Variable> all) {
    const nn::Variable F = network_.forward(all, tape.constant(at), when);
    const nn::Variable here = nn::slice(F, 0, 0, rows);
    const nn::Variable along = sliced ? nn::sum(nn::mul(here, tape.constant(pairsFrom(directions))), 1) : here;
    const nn::Variable square = nn::affine(nn::sum(nn::square(along)), 0.5 / static_cast<double>(n), 0);
    return nn::add(square, nn::affine(nn::sum(nn::mul(F, tape.constant(weights))), 1 / static_cast<double>(n), 0));
  });
}

double ScoreTraining::constantOf(const Samples& samples, const std::vector<double>& exact) const {
  const auto n = static_cast<double>(samples.level.size());
  double square = 0, left = 0;
  for (std::size_t i = 0; i < exact.size(); ++i)
    square += exact[i] * exact[i] / n, left += (samples.z[i] - exact[i]) * (samples.z[i] - exact[i]) / n;
  switch (objective_) {
    case ScoreObjective::denoising:
      return left / 2;  // E |z|^2 - E |sigma S|^2, with less noise
    case ScoreObjective::explicitly:
      return 0;
    case ScoreObjective::implicit:
    case ScoreObjective::sliced:
      break;
  }
  return -square / 2;
}

}  // namespace orrery::generative
