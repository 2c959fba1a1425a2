#include "core/labs/generative/score_sde/picture_bits.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/philox.h"
#include "core/base/text.h"

namespace orrery::generative {

using diffusion::State;

namespace {

constexpr std::uint32_t signPurpose = 0x5E1, stepPurpose = 0x5E2;
constexpr double nudge = 0.02;        // of the level: the step of the central difference
constexpr double eightBits = 7;       // log2 of 256 values over the width 2 of -1 ... 1

State signsOf(std::size_t count, int probe, std::uint64_t seed) {
  State signs(count);
  for (std::size_t i = 0; i < count; ++i) {
    const PhiloxBlock words = philox({static_cast<std::uint32_t>(i / 4), static_cast<std::uint32_t>(probe), signPurpose, 0}, philoxKey(seed));
    signs[i] = (words[i % 4] & 1u) != 0 ? 1 : -1;
  }
  return signs;
}

}  // namespace

double PictureBits::mean() const {
  double sum = 0;
  for (const double b : probes) sum += b / static_cast<double>(probes.size());
  return sum;
}

double PictureBits::error() const {
  if (probes.size() < 2) return 0;
  const double middle = mean();
  double squares = 0;
  for (const double b : probes) squares += (b - middle) * (b - middle);
  const auto n = static_cast<double>(probes.size());
  return std::sqrt(squares / (n - 1) / n);
}

State dequantizedPicture(const std::vector<std::uint8_t>& values, std::uint64_t seed) {
  State x(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const PhiloxBlock words = philox({static_cast<std::uint32_t>(i / 4), 0, stepPurpose, 0}, philoxKey(seed));
    x[i] = (static_cast<double>(values[i]) + static_cast<double>(philoxUniform(words[i % 4]))) / 128 - 1;
  }
  return x;
}

Expected<PictureBits> pictureBits(const diffusion::Denoiser& denoise, const State& picture, const PictureBitsOptions& options,
                                  const std::function<bool(double)>& progress) {
  const std::size_t d = picture.size(), probes = static_cast<std::size_t>(options.probes);
  std::vector<State> signs;
  for (int p = 0; p < options.probes; ++p) signs.push_back(signsOf(d, p, options.seed));

  // x - D and d - v . (dD/dx v) of every probe: the picture and two nudged ones per probe in one batch.
  struct Slope {
    State x;
    std::vector<double> divergence;
  };
  PictureBits result;
  const auto slopeAt = [&](const State& x, double logLevel) {
    const double level = std::exp(logLevel), h = nudge * level;
    State batch((1 + 2 * probes) * d);
    for (std::size_t i = 0; i < d; ++i) {
      batch[i] = x[i];
      for (std::size_t p = 0; p < probes; ++p) {
        batch[(1 + 2 * p) * d + i] = x[i] + h * signs[p][i];
        batch[(2 + 2 * p) * d + i] = x[i] - h * signs[p][i];
      }
    }
    const State clean = denoise(batch, level);
    result.evaluations += static_cast<int>(1 + 2 * probes);
    Slope slope{State(d), std::vector<double>(probes, static_cast<double>(d))};
    for (std::size_t i = 0; i < d; ++i) {
      slope.x[i] = x[i] - clean[i];
      for (std::size_t p = 0; p < probes; ++p)
        slope.divergence[p] -= signs[p][i] * (clean[(1 + 2 * p) * d + i] - clean[(2 + 2 * p) * d + i]) / (2 * h);
    }
    return slope;
  };

  State x = picture;
  std::vector<double> gained(probes, 0.0);
  const double from = std::log(options.low), h = (std::log(options.high) - from) / options.steps;
  for (int n = 0; n < options.steps; ++n) {
    if (progress && !progress(static_cast<double>(n) / options.steps)) return makeError(ErrorCode::cancelled, tr("Cancelled"));
    const double at = from + n * h;
    const Slope k1 = slopeAt(x, at), k2 = slopeAt(x + (h / 2) * k1.x, at + h / 2), k3 = slopeAt(x + (h / 2) * k2.x, at + h / 2),
                k4 = slopeAt(x + h * k3.x, at + h);
    x += (h / 6) * (k1.x + 2 * k2.x + 2 * k3.x + k4.x);
    for (std::size_t p = 0; p < probes; ++p)
      gained[p] += h / 6 * (k1.divergence[p] + 2 * k2.divergence[p] + 2 * k3.divergence[p] + k4.divergence[p]);
  }
  double end = -0.5 * static_cast<double>(d) * std::log(2 * std::numbers::pi * options.endVariance);
  for (const double v : x) end -= v * v / (2 * options.endVariance);
  for (const double g : gained) {
    result.probes.push_back(-(end + g) / (static_cast<double>(d) * std::numbers::ln2) + eightBits);
    if (!std::isfinite(result.probes.back()))
      return makeError(ErrorCode::badInput, tr("The picture's likelihood is no number under this network: check what is said of it"));
  }
  result.end = std::move(x);
  return result;
}

}  // namespace orrery::generative
