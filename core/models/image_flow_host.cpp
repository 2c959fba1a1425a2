// The same flow of pictures in double precision on the host, picture by picture, and what is made once: random rotations and their factors,
// the first values of actnorm. Sources: Kingma and Dhariwal 2018, sections 3.1 (actnorm's first batch) and 3.2 (W = P L (U + diag s)).
// Random numbers, key = seed: rotation i of C channels takes the normals of philox (j, i, 0x610, 0), shuffle i the words of (j, i, 0x611,
// 0).

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/philox.h"
#include "core/base/text.h"
#include "core/kernels/conv2d.h"
#include "core/kernels/lu.h"
#include "core/models/batch_statistics.h"
#include "core/models/image_flow.h"
#include "core/models/picture_boards.h"

namespace orrery::models::flows {
namespace {

using kernels::Doubles;

// Rows orthonormal: Gram and Schmidt on normal rows, each row twice, which leaves errors of rounding only.
std::vector<double> rotation(std::int64_t n, std::uint32_t index, std::uint64_t seed) {
  std::vector<double> rows;
  for (std::uint32_t j = 0; static_cast<std::int64_t>(rows.size()) < n * n; ++j) {
    const PhiloxBlock words = philox({j, index, 0x610, 0}, philoxKey(seed));
    for (const double z : philoxNormals(words[0], words[1])) rows.push_back(z);
  }
  rows.resize(static_cast<std::size_t>(n * n));
  const auto row = [&](std::int64_t i) { return std::span(rows).subspan(static_cast<std::size_t>(i * n), static_cast<std::size_t>(n)); };
  for (std::int64_t i = 0; i < n; ++i) {
    const auto mine = row(i);
    for (std::int64_t other = 0; other < 2 * i; ++other) {
      const auto done = row(other % i);
      const double share = std::inner_product(mine.begin(), mine.end(), done.begin(), 0.0);
      for (std::size_t k = 0; k < mine.size(); ++k) mine[k] -= share * done[k];
    }
    const double length = std::sqrt(std::inner_product(mine.begin(), mine.end(), mine.begin(), 0.0));
    for (double& v : mine) v /= length;
  }
  return rows;
}

// Fisher and Yates.
std::vector<std::uint32_t> shuffled(std::int64_t n, std::uint32_t index, std::uint64_t seed) {
  std::vector<std::uint32_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0u);
  for (std::uint32_t i = static_cast<std::uint32_t>(n); i-- > 1;) {
    const PhiloxBlock words = philox({i, index, 0x611, 0}, philoxKey(seed));
    std::swap(order[i], order[philoxBounded(words[0], i + 1)]);
  }
  return order;
}

// y = W x at every pixel, x [C, pixels].
void mix(const std::vector<double>& matrix, std::span<double> x, std::int64_t channels) {
  const auto c = static_cast<std::size_t>(channels), pixels = x.size() / c;
  const std::vector<double> from(x.begin(), x.end());
  std::fill(x.begin(), x.end(), 0.0);
  for (std::size_t o = 0; o < c; ++o) {
    for (std::size_t i = 0; i < c; ++i) {
      for (std::size_t p = 0; p < pixels; ++p) x[o * pixels + p] += matrix[o * c + i] * from[i * pixels + p];
    }
  }
}

// The four pixels of a 2 x 2 block become four channels, [C, H, W] -> [4 C, H / 2, W / 2]; and back.
void squeeze(std::span<double> x, std::int64_t channels, std::int64_t height, std::int64_t width, bool pixelsTogether, bool back) {
  const std::vector<double> from(x.begin(), x.end());
  std::size_t flat = 0;  // of the squeezed state
  for (std::int64_t channel = 0; channel < 4 * channels; ++channel) {
    const std::int64_t c = pixelsTogether ? channel % channels : channel / 4, block = pixelsTogether ? channel / channels : channel % 4;
    for (std::int64_t row = block / 2; row < height; row += 2) {
      for (std::int64_t column = block % 2; column < width; column += 2, ++flat) {
        const auto pixel = static_cast<std::size_t>((c * height + row) * width + column);
        back ? x[pixel] = from[flat] : x[flat] = from[pixel];
      }
    }
  }
}

}  // namespace

void ImageFlow::drawMixings(std::uint64_t seed) {
  for (const Stage& stage : stages_) {
    if (stage.kind != Kind::mixing) continue;
    const std::int64_t n = stage.channels;
    const auto count = static_cast<std::size_t>(n), index = fixed_.size();
    const auto tensorOf = [&](const std::vector<float>& values) { return Tensor::from(Shape{n, n}, values); };
    Fixed fixed;
    std::vector<float> permutation(count * count, 0.0f), ones(count * count, 0.0f), below(count * count, 0.0f), above(count * count, 0.0f);
    if (options_.mixing == Mixing::reverse) {
      for (std::size_t i = 0; i < count; ++i) fixed.order.push_back(static_cast<std::uint32_t>(count - 1 - i));
    } else if (options_.mixing == Mixing::shuffle) {
      fixed.order = shuffled(n, static_cast<std::uint32_t>(index), seed);
    } else {
      fixed.start = rotation(n, static_cast<std::uint32_t>(index), seed);
      const auto lu = kernels::luReference(Doubles(Shape{n, n}, fixed.start));
      fixed.order = lu.permutation;
      fixed.lower.assign(count * count, 0.0), fixed.upper.assign(count * count, 0.0);
      for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t j = 0; j < count; ++j) {
          if (j < i) fixed.lower[i * count + j] = lu.factors.values[i * count + j];
          if (j > i) fixed.upper[i * count + j] = lu.factors.values[i * count + j];
        }
        const double pivot = lu.factors.values[i * count + i];
        fixed.logS.push_back(std::log(std::abs(pivot)));
        fixed.sign.push_back(pivot < 0 ? -1.0 : 1.0);
      }
      fixed.signs = Tensor::from(Shape{n}, std::vector<float>(fixed.sign.begin(), fixed.sign.end()));
    }
    for (std::size_t i = 0; i < count; ++i) {
      permutation[fixed.order[i] * count + i] = 1;
      ones[i * count + i] = 1;
      for (std::size_t j = 0; j < count; ++j) (j < i ? below : above)[i * count + j] = i == j ? 0.0f : 1.0f;
    }
    fixed.permutation = tensorOf(permutation), fixed.ones = tensorOf(ones);
    fixed.belowMask = tensorOf(below), fixed.aboveMask = tensorOf(above);
    fixed_.push_back(std::move(fixed));
  }
}

std::vector<double> ImageFlow::mixingMatrix(const HostWeights& weights, std::size_t index) const {
  const Stage& stage = stages_.at(index);
  const Fixed& fixed = fixedOf(stage);
  const auto n = static_cast<std::size_t>(stage.channels);
  if (options_.mixing == Mixing::dense) return weights[stage.firstWeight];
  std::vector<double> w(n * n, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    double* row = &w[fixed.order[i] * n];
    if (options_.mixing != Mixing::lu) {
      row[i] = 1;
      continue;
    }
    // Row i of L (U + diag s).
    const auto& lower = weights[stage.firstWeight];
    const auto& upper = weights[stage.firstWeight + 1];
    const auto& logS = weights[stage.firstWeight + 2];
    for (std::size_t k = 0; k <= i; ++k) {
      const double l = k == i ? 1 : lower[i * n + k];
      row[k] += l * fixed.sign[k] * std::exp(logS[k]);
      for (std::size_t j = k + 1; j < n; ++j) row[j] += l * upper[k * n + j];
    }
  }
  return w;
}

double ImageFlow::mixingLogDet(const HostWeights& weights, std::size_t index) const {
  const Stage& stage = stages_.at(index);
  if (options_.mixing == Mixing::dense) {
    return kernels::luReference(Doubles(Shape{stage.channels, stage.channels}, weights[stage.firstWeight])).logAbsDet.at(0);
  }
  if (options_.mixing != Mixing::lu) return 0;
  const auto& logS = weights[stage.firstWeight + 2];
  return std::accumulate(logS.begin(), logS.end(), 0.0);
}

Expected<void> ImageFlow::check(const HostWeights& weights) const {
  for (const auto& values : weights) {
    if (std::any_of(values.begin(), values.end(), [](double v) { return !std::isfinite(v); })) {
      return makeError(ErrorCode::badInput, tr("a weight of the flow is no longer a number"));
    }
  }
  constexpr double least = 1e-6;
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    const Stage& stage = stages_[i];
    if (stage.kind != Kind::mixing || stage.weights == 0) continue;
    std::vector<double> pivots;
    const auto n = static_cast<std::size_t>(stage.channels);
    if (options_.mixing == Mixing::lu) {
      for (const double logS : weights[stage.firstWeight + 2]) pivots.push_back(std::exp(logS));
    } else {
      const auto lu = kernels::luReference(Doubles(Shape{stage.channels, stage.channels}, weights[stage.firstWeight]));
      for (std::size_t k = 0; k < n; ++k) pivots.push_back(std::abs(lu.factors.values[k * n + k]));
    }
    const double smallest = *std::min_element(pivots.begin(), pivots.end());
    if (!(smallest < least)) continue;
    return makeError(ErrorCode::badInput, trf("The mixing matrix of level {}, step {} is singular (a pivot of {:.1e}); the flow is not "
                                              "invertible",
                                              stage.level + 1, stage.step + 1, smallest));
  }
  return {};
}

Expected<void> ImageFlow::initializeActnorm(gpu::Stream& stream, nn::Weights& weights, const Tensor& batch) const {
  nn::Tape tape(stream);
  Moving moving{tape.constant(batch), {}};
  for (const Stage& stage : stages_) {
    if (stage.kind == Kind::actnorm) {
      // Mean and variance per channel over the batch and the pixels.
      const std::vector<float> x = moving.h.value().toFloats();
      const auto c = static_cast<std::size_t>(stage.channels), pixels = static_cast<std::size_t>(stage.height * stage.width);
      std::vector<double> mean(c, 0.0), square(c, 0.0);
      const auto count = static_cast<double>(x.size() / c);
      for (std::size_t i = 0; i < x.size(); ++i) mean[i / pixels % c] += static_cast<double>(x[i]) / count;
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double off = static_cast<double>(x[i]) - mean[i / pixels % c];
        square[i / pixels % c] += off * off / count;
      }
      std::vector<float> bias, logs;
      for (std::size_t k = 0; k < c; ++k) {
        if (!(square[k] > 1e-12)) {
          return makeError(ErrorCode::badInput,
                           trf("Channel {} of level {}, step {} has the variance 0 over the first batch, and actnorm cannot "
                               "make it 1: add noise to the pictures (fewer bits), or take pictures that differ",
                               k + 1, stage.level + 1, stage.step + 1));
        }
        bias.push_back(static_cast<float>(-mean[k]));
        logs.push_back(static_cast<float>(-0.5 * std::log(square[k])));
      }
      weights[stage.firstWeight].value = Tensor::from(Shape{stage.channels}, bias);
      weights[stage.firstWeight + 1].value = Tensor::from(Shape{stage.channels}, logs);
    }
    std::vector<nn::Variable> own;
    for (std::size_t i = 0; i < stage.weights; ++i) own.push_back(tape.constant(weights[stage.firstWeight + i].value));
    forwardStage(stage, own, moving);
  }
  return {};
}

namespace {

// s of a coupling, positive in double precision for every l above -700.
double scaleOf(double l, double least) { return least + (1 - least) / (1 + std::exp(-l - 2)); }

// What a coupling's network says of what passes of one picture, [in, H, W]: t, then l, as one vector.
std::vector<double> tellHost(const ImageFlow::Stage& stage, const HostWeights& weights, const ImageFlowOptions& options,
                             std::vector<double> passing) {
  const std::int64_t in = stage.kind == ImageFlow::Kind::checker ? stage.channels : stage.channels / 2, out = options.affine ? 2 * in : in;
  const auto weight = [&](std::size_t i, Shape shape) { return Doubles(std::move(shape), weights[stage.firstWeight + i]); };
  const auto rectify = [](Doubles& d) {
    for (double& v : d.values) v = std::max(v, 0.0);
  };
  kernels::Conv2dOptions around;
  around.padding = {1, 1};
  const std::int64_t hidden = options.hidden;
  Doubles h(Shape{1, in, stage.height, stage.width}, std::move(passing));
  h = kernels::conv2dReference(h, weight(0, Shape{hidden, in, 3, 3}), weight(1, Shape{hidden}), around);
  rectify(h);
  h = kernels::conv2dReference(h, weight(2, Shape{hidden, hidden, 1, 1}), weight(3, Shape{hidden}));
  rectify(h);
  return kernels::conv2dReference(h, weight(4, Shape{out, hidden, 3, 3}), weight(5, Shape{out}), around).values;
}

// Whether value k of what moves passes a coupling.
bool passes(const ImageFlow::Stage& stage, const ImageFlowOptions& options, std::size_t k) {
  if (stage.kind == ImageFlow::Kind::checker) {
    const auto at = static_cast<std::int64_t>(k);
    return boardPasses(options, stage.height, stage.width, at / stage.width % stage.height, at % stage.width) != stage.swapped;
  }
  const bool first = k < static_cast<std::size_t>(stage.channels * stage.height * stage.width / 2);
  return first != stage.swapped;
}

// A coupling forward, or back: ln |det| of its forward direction.
double coupleHost(const ImageFlow::Stage& stage, const HostWeights& weights, const ImageFlowOptions& options, std::span<double> h,
                  bool back) {
  const bool checker = stage.kind == ImageFlow::Kind::checker;
  // The network sees the passing half of the channels, or all of them with 0 where values move.
  std::vector<double> passing;
  for (std::size_t k = 0; k < h.size(); ++k) {
    if (passes(stage, options, k)) {
      passing.push_back(h[k]);
    } else if (checker) {
      passing.push_back(0);
    }
  }
  const std::size_t each = passing.size();
  const std::vector<double> told = tellHost(stage, weights, options, std::move(passing));
  double logDet = 0;
  for (std::size_t k = 0; k < h.size(); ++k) {
    if (passes(stage, options, k)) continue;
    const std::size_t at = checker || !(k >= each) ? k : k - each;
    double scale = 1;
    if (options.affine) {
      const double l = told[each + at];
      scale = checker || options.bounded ? std::exp(options.bound * std::tanh(l)) : scaleOf(l, options.leastScale);
      logDet += std::log(scale);
    }
    h[k] = back ? (h[k] - told[at]) / scale : h[k] * scale + told[at];
  }
  return logDet;
}

}  // namespace

double ImageFlow::forward(const HostWeights& weights, std::vector<double>& state, std::size_t first, std::size_t last) const {
  double logDet = 0;
  for (std::size_t i = first; i < last; ++i) {
    const Stage& stage = stages_[i];
    const std::int64_t c = stage.channels, pixels = stage.height * stage.width;
    const std::span<double> h = std::span(state).first(static_cast<std::size_t>(c * pixels));
    switch (stage.kind) {
      case Kind::squeeze:
        squeeze(h, c / 4, 2 * stage.height, 2 * stage.width, options_.pixelsTogether, false);
        break;
      case Kind::split:
        break;  // the second half is the first of what has left
      case Kind::actnorm:
        for (std::size_t k = 0; k < h.size(); ++k) {
          const std::size_t channel = k / static_cast<std::size_t>(pixels);
          h[k] = (h[k] + weights[stage.firstWeight][channel]) * std::exp(weights[stage.firstWeight + 1][channel]);
        }
        for (const double logs : weights[stage.firstWeight + 1]) logDet += logs * static_cast<double>(pixels);
        break;
      case Kind::norm:
        for (std::size_t k = 0; k < h.size(); ++k) {
          const std::size_t channel = k / static_cast<std::size_t>(pixels);
          const double width = weights[stage.firstWeight + 1][channel] + normEpsilon;
          h[k] = (h[k] - weights[stage.firstWeight][channel]) / std::sqrt(width);
          logDet -= 0.5 * std::log(width);
        }
        break;
      case Kind::mixing:
        mix(mixingMatrix(weights, i), h, c);
        logDet += mixingLogDet(weights, i) * static_cast<double>(pixels);
        break;
      case Kind::logit: {
        const double share = 1 - (options_.twoSided ? 2 : 1) * options_.alpha;
        for (double& v : h) {
          const double p = options_.alpha + share * v;
          logDet += std::log(share / (p * (1 - p)));
          v = std::log(p / (1 - p));
        }
        break;
      }
      case Kind::coupling:
      case Kind::checker:
        logDet += coupleHost(stage, weights, options_, h, false);
        break;
      case Kind::scale:
        break;
    }
  }
  return logDet;
}

void ImageFlow::inverse(const HostWeights& weights, std::vector<double>& state, std::size_t first, std::size_t last) const {
  for (std::size_t i = last; i-- > first;) {
    const Stage& stage = stages_[i];
    const std::int64_t c = stage.channels, pixels = stage.height * stage.width;
    const std::span<double> h = std::span(state).first(static_cast<std::size_t>(c * pixels));
    switch (stage.kind) {
      case Kind::squeeze:
        squeeze(h, c / 4, 2 * stage.height, 2 * stage.width, options_.pixelsTogether, true);
        break;
      case Kind::split:
        break;
      case Kind::actnorm:
        for (std::size_t k = 0; k < h.size(); ++k) {
          const std::size_t channel = k / static_cast<std::size_t>(pixels);
          h[k] = h[k] * std::exp(-weights[stage.firstWeight + 1][channel]) - weights[stage.firstWeight][channel];
        }
        break;
      case Kind::norm:
        for (std::size_t k = 0; k < h.size(); ++k) {
          const std::size_t channel = k / static_cast<std::size_t>(pixels);
          h[k] = h[k] * std::sqrt(weights[stage.firstWeight + 1][channel] + normEpsilon) + weights[stage.firstWeight][channel];
        }
        break;
      case Kind::mixing: {
        Doubles identity(Shape{c, c});
        for (std::int64_t k = 0; k < c; ++k) identity[k * c + k] = 1;
        const auto lu = kernels::luReference(Doubles(Shape{c, c}, mixingMatrix(weights, i)));
        mix(kernels::luSolveReference(lu, identity).values, h, c);
        break;
      }
      case Kind::logit: {
        const double share = 1 - (options_.twoSided ? 2 : 1) * options_.alpha;
        for (double& v : h) v = (1 / (1 + std::exp(-v)) - options_.alpha) / share;
        break;
      }
      case Kind::coupling:
      case Kind::checker:
        coupleHost(stage, weights, options_, h, true);
        break;
      case Kind::scale:
        break;
    }
  }
}

std::vector<double> ImageFlow::maskOf(std::size_t index) const {
  const Stage& stage = stages_.at(index);
  std::vector<double> mask(static_cast<std::size_t>(dimensions()), 1.0);
  const auto moving = static_cast<std::size_t>(stage.channels * stage.height * stage.width);
  for (std::size_t k = 0; k < moving; ++k) mask[k] = passes(stage, options_, k) ? 1 : 0;
  return mask;
}

StepCost trainingCost(const ImageFlowOptions& o, std::int64_t batch) {
  StepCost cost;
  double channels = static_cast<double>(o.channels), pixels = static_cast<double>(o.height * o.width);
  const auto h = static_cast<double>(o.hidden), pictures = static_cast<double>(batch);
  const auto couplings = [&](std::int64_t count, double in) {
    const double each = static_cast<double>(count) * pictures * pixels;
    cost.operations += 6 * each * (9 * h * in + h * h + 18 * h * in);
    cost.bytes += 2 * 4 * each * (4 * h + 8 * channels);
  };
  for (std::int64_t level = 0; level < o.levels; ++level) {
    couplings(o.checkers, channels);
    if (o.squeeze) channels *= 4, pixels /= 4;
    couplings(o.steps, channels / 2);
    channels /= 2;
  }
  return cost;
}

std::int64_t ImageFlow::levelsSqueezed(std::size_t stages) const {
  std::int64_t levels = 0;
  for (std::size_t i = 0; i < stages; ++i) levels += stages_[i].kind == Kind::squeeze ? 1 : 0;
  return levels;
}

// Level l squeezes [channels 2^l, height / 2^l, width / 2^l].
void ImageFlow::toPicture(std::vector<double>& state, std::size_t stages) const {
  for (std::int64_t l = levelsSqueezed(stages); l-- > 0;) {
    const std::int64_t c = options_.channels << l, h = options_.height >> l, w = options_.width >> l;
    squeeze(std::span(state).first(static_cast<std::size_t>(c * h * w)), c, h, w, options_.pixelsTogether, true);
  }
}

void ImageFlow::fromPicture(std::vector<double>& state, std::size_t stages) const {
  for (std::int64_t l = 0; l < levelsSqueezed(stages); ++l) {
    const std::int64_t c = options_.channels << l, h = options_.height >> l, w = options_.width >> l;
    squeeze(std::span(state).first(static_cast<std::size_t>(c * h * w)), c, h, w, options_.pixelsTogether, false);
  }
}

}  // namespace orrery::models::flows
