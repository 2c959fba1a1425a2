// The chain's network; formulas in network.h.

#include "core/labs/generative/ddpm/network.h"

#include <algorithm>
#include <cmath>

#include "core/base/philox.h"
#include "core/kernels/elementwise.h"

namespace orrery::generative {

using diffusion::Linear;
using diffusion::Prediction;
using diffusion::State;

namespace {

constexpr std::uint32_t dataPurpose = 48, noisePurpose = 49;

// The posterior's mean is pull x_0 + keep x_t.
Linear posterior(const Chain& chain, int t) {
  const auto i = static_cast<std::size_t>(t);
  return {chain.alpha(t - 1) * chain.beta[i] / chain.oneMinus[i],
          std::sqrt(std::max(0.0, 1 - chain.beta[i])) * chain.oneMinus[i - 1] / chain.oneMinus[i]};
}

Prediction predictionOf(const std::string& id) {
  return id == "x0" ? Prediction::data : id == "v" ? Prediction::v : id == "score" ? Prediction::score : Prediction::epsilon;
}

}  // namespace

Linear ChainTarget::ofPair(const Chain& chain, int t) const {
  const double a = chain.alpha(t), s = chain.sigma(t);
  if (id == "x0") return {1, 0};
  if (id == "v") return {-s, a};
  if (id == "score") return {0, -1 / s};
  if (id == "mean") {
    const Linear q = posterior(chain, t);
    return {q.x + q.y * a, q.y * s};
  }
  return {0, 1};
}

Linear ChainTarget::toData(const Chain& chain, int t) const {
  if (id == "mean") {
    const Linear q = posterior(chain, t);
    return {-q.y / q.x, 1 / q.x};
  }
  return diffusion::dataFrom(predictionOf(id), {chain.alpha(t), chain.sigma(t), 0, 0});
}

double ChainTarget::factor(const Chain& chain, int t) const {
  const double snr = chain.snr(t);
  if (id == "x0") return snr;
  if (id == "v") return snr / (1 + snr);
  if (id == "score") return chain.oneMinus[static_cast<std::size_t>(t)];
  if (id == "mean") {
    const double pull = posterior(chain, t).x;
    return snr / (pull * pull);
  }
  return 1;
}

ChainNetwork::ChainNetwork(gpu::Stream& stream, const ToyNetworkOptions& options, Chain chain, ChainTarget target,
                           std::vector<double> weight)
    : network_(stream, options), chain_(std::move(chain)), target_(std::move(target)), weight_(std::move(weight)) {
  double mean = 0;
  for (std::size_t t = 1; t < weight_.size(); ++t) mean += weight_[t] / static_cast<double>(weight_.size() - 1);
  for (double& w : weight_) w /= mean;
}

Tensor ChainNetwork::train(gpu::Stream& stream, const PlaneScene& scene, std::int64_t batch) {
  const std::int64_t step = network_.steps();
  const std::uint64_t seed = network_.options().seed;
  const auto n = static_cast<std::size_t>(batch);
  const State data = scene.draw(seed, n, dataPurpose, static_cast<std::uint32_t>(step * batch));
  std::vector<float> x(2 * n), target(2 * n), time(n), weight(n);
  const auto T = static_cast<std::uint32_t>(chain_.steps());
  for (std::size_t j = 0; j < n; ++j) {
    const PhiloxBlock words = philox({static_cast<std::uint32_t>(j), static_cast<std::uint32_t>(step), noisePurpose, 0}, philoxKey(seed));
    const auto eps = philoxNormals(words[0], words[1]);
    const int t = 1 + static_cast<int>(philoxBounded(words[2], T));
    const Linear wanted = target_.ofPair(chain_, t);
    for (std::size_t c = 0; c < 2; ++c) {
      x[2 * j + c] = static_cast<float>(chain_.alpha(t) * data[2 * j + c] + chain_.sigma(t) * eps[c]);
      target[2 * j + c] = static_cast<float>(wanted.x * data[2 * j + c] + wanted.y * eps[c]);
    }
    time[j] = static_cast<float>(t) / static_cast<float>(T);
    weight[j] = static_cast<float>(weight_[static_cast<std::size_t>(t)]);
  }
  return network_.train(stream, {Tensor::from(Shape{batch, 2}, x), Tensor::from(Shape{batch}, time), Tensor::from(Shape{batch, 2}, target),
                                 Tensor::from(Shape{batch}, weight)});
}

Tensor ChainNetwork::denoise(gpu::Stream& stream, const Tensor& state, int t) const {
  const double scale = chain_.scale(t);
  const Tensor x = kernels::affine(stream, state, static_cast<float>(scale), 0);
  const Tensor output = network_.at(stream, x, static_cast<double>(t) / chain_.steps());
  const Linear map = target_.toData(chain_, t);
  const Tensor ofOutput = kernels::affine(stream, output, static_cast<float>(map.y), 0);
  if (map.x == 0) return ofOutput;
  return kernels::binary(stream, kernels::Binary::add, ofOutput, kernels::affine(stream, x, static_cast<float>(map.x), 0));
}

std::vector<double> ChainNetwork::excess(gpu::Stream& stream, const PlaneScene& scene) const {
  return denoisingExcess(scene, chain_, [&](const Tensor& state, int t) { return denoise(stream, state, t); });
}

std::vector<double> denoisingExcess(const PlaneScene& scene, const Chain& chain,
                                    const std::function<Tensor(const Tensor& state, int t)>& denoise) {
  const int T = chain.steps();
  constexpr int most = 20;
  const std::size_t count = scene.density.components.size() <= 64 ? 256 : 32;
  std::vector<int> times{1};
  for (int k = 1; k < most; ++k)
    times.push_back(std::max(times.back() + 1, static_cast<int>(std::lround(std::pow(T, static_cast<double>(k) / (most - 1))))));
  while (times.size() > 1 && times.back() > T) times.pop_back();
  if (times.back() < T) times.push_back(T);
  std::vector<double> found;
  for (const int t : times) {
    const State points = evenSample(scene, chain.level(t), count), exact = scene.mixture.denoise(points, chain.level(t));
    std::vector<float> floats(points.begin(), points.end());
    const Tensor D = denoise(Tensor::from(Shape{static_cast<std::int64_t>(count), 2}, floats), t);
    const auto values = D.as<float>();
    double sum = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double off = static_cast<double>(values[i]) - exact[i];
      sum += 0.5 * off * off / static_cast<double>(count);
    }
    found.push_back(sum);
  }
  std::vector<double> result(static_cast<std::size_t>(T) + 1, 0);
  std::size_t k = 0;
  for (int t = 1; t <= T; ++t) {
    while (k + 2 < times.size() && t > times[k + 1]) ++k;
    if (times.size() == 1) {
      result[static_cast<std::size_t>(t)] = found[0];
      continue;
    }
    const double share = std::log(static_cast<double>(t) / times[k]) / std::log(static_cast<double>(times[k + 1]) / times[k]);
    result[static_cast<std::size_t>(t)] = (1 - share) * found[k] + share * found[k + 1];
  }
  return result;
}

double ChainNetwork::leastLoss(const DenoisingError& error) const {
  double sum = 0;
  for (int t = 1; t <= chain_.steps(); ++t) {
    const double toTarget = chain_.snr(t) / target_.factor(chain_, t);  // |target error|^2 = toTarget |x_0 error|^2
    sum += weight_[static_cast<std::size_t>(t)] * toTarget * 2 * error.at(chain_.level(t)) / chain_.steps();
  }
  return sum;
}

}  // namespace orrery::generative
