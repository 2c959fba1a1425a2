#pragma once
// Networks in double precision with plain loops, to compare forward passes with. Rows are tokens, row-major.

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "core/kernels/check_support.h"
#include "core/models/recipe.h"
#include "tests/support/kernel_oracle.h"

namespace orrery::testing {

using Values = std::vector<double>;

class PlainWeights {
 public:
  explicit PlainWeights(const nn::Weights& weights) : weights_(weights) {}

  Values operator()(const std::string& name) const {
    for (const auto& w : weights_) {
      if (w.name == name) {
        const auto floats = w.value.toFloats();
        return {floats.begin(), floats.end()};
      }
    }
    FAIL("no weight " << name);
    return {};
  }

  // x W^T + b with W [out, in]; `transposed`: x W + b with W [in, out].
  Values dense(const Values& x, const std::string& name, bool transposed = false) const {
    const Values w = (*this)(name + ".weight"), b = (*this)(name + ".bias");
    const std::size_t out = b.size(), in = w.size() / out;
    Values y;
    for (std::size_t row = 0; row < x.size() / in; ++row) {
      for (std::size_t o = 0; o < out; ++o) {
        double sum = b[o];
        for (std::size_t i = 0; i < in; ++i) sum += w[transposed ? i * out + o : o * in + i] * x[row * in + i];
        y.push_back(sum);
      }
    }
    return y;
  }

  Values norm(const Values& x, const std::string& name, double epsilon) const;

 private:
  const nn::Weights& weights_;
};

// (x - mean) / sqrt(variance + epsilon) per row of d.
inline Values plainNorm(const Values& x, std::size_t d, double epsilon) {
  Values y;
  for (std::size_t row = 0; row < x.size() / d; ++row) {
    double mean = 0, variance = 0;
    for (std::size_t i = 0; i < d; ++i) mean += x[row * d + i] / static_cast<double>(d);
    for (std::size_t i = 0; i < d; ++i) variance += (x[row * d + i] - mean) * (x[row * d + i] - mean) / static_cast<double>(d);
    for (std::size_t i = 0; i < d; ++i) y.push_back((x[row * d + i] - mean) / std::sqrt(variance + epsilon));
  }
  return y;
}

inline Values PlainWeights::norm(const Values& x, const std::string& name, double epsilon) const {
  const Values gain = (*this)(name + ".weight"), shift = (*this)(name + ".bias");
  Values y = plainNorm(x, gain.size(), epsilon);
  for (std::size_t i = 0; i < y.size(); ++i) y[i] = y[i] * gain[i % gain.size()] + shift[i % gain.size()];
  return y;
}

// Columns [begin, end) of rows of `width`.
inline Values columns(const Values& x, std::size_t width, std::size_t begin, std::size_t end) {
  Values y;
  for (std::size_t row = 0; row < x.size() / width; ++row) {
    for (std::size_t i = begin; i < end; ++i) y.push_back(x[row * width + i]);
  }
  return y;
}

// Multi-head attention of n tokens with themselves, heads side by side in d columns (Vaswani et al. 2017, eq. 1).
inline Values plainAttention(const Values& q, const Values& k, const Values& v, std::size_t d, std::size_t heads, bool causal) {
  const std::size_t n = q.size() / d, h = d / heads;
  Values mixed(n * d, 0);
  for (std::size_t head = 0; head < heads; ++head) {
    for (std::size_t i = 0; i < n; ++i) {
      Values weight(n, 0);
      double sum = 0;
      for (std::size_t j = 0; j < (causal ? i + 1 : n); ++j) {
        double score = 0;
        for (std::size_t e = 0; e < h; ++e) score += q[i * d + head * h + e] * k[j * d + head * h + e];
        sum += weight[j] = std::exp(score / std::sqrt(static_cast<double>(h)));
      }
      for (std::size_t j = 0; j < n; ++j) {
        for (std::size_t e = 0; e < h; ++e) mixed[i * d + head * h + e] += weight[j] / sum * v[j * d + head * h + e];
      }
    }
  }
  return mixed;
}

// A convolution of stride p over a picture [channels, size, size] of floats, patch by patch: [patches, out] for a kernel [out, channels, p,
// p].
inline Values plainPatches(const std::vector<float>& picture, const Values& kernel, std::size_t channels, std::size_t size, std::size_t p) {
  const std::size_t side = size / p, out = kernel.size() / (channels * p * p);
  Values y;
  for (std::size_t t = 0; t < side * side; ++t) {
    for (std::size_t o = 0; o < out; ++o) {
      double sum = 0;
      for (std::size_t ch = 0; ch < channels; ++ch) {
        for (std::size_t r = 0; r < p; ++r) {
          for (std::size_t s = 0; s < p; ++s) {
            sum += kernel[((o * channels + ch) * p + r) * p + s] *
                   static_cast<double>(picture[(ch * size + t / side * p + r) * size + t % side * p + s]);
          }
        }
      }
      y.push_back(sum);
    }
  }
  return y;
}

inline void addTo(Values& x, const Values& y) {
  REQUIRE(x.size() == y.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
}

// Larger weights than a fresh network's, so that every part matters.
inline void shake(nn::Weights& weights, double size) {
  for (auto& w : weights) {
    const auto noise = kernels::testFloats(w.value.count(), 90, -size, size);
    std::vector<float> values = w.value.toFloats();
    for (std::size_t i = 0; i < values.size(); ++i) values[i] += noise[i];
    w.value = Tensor::from(w.value.shape(), values);
  }
}

// The shape of the weight of this name; fails the test when there is none.
inline Shape shapeOf(const nn::Weights& weights, const std::string& name) {
  for (const auto& w : weights) {
    if (w.name == name) return w.value.shape();
  }
  FAIL("no weight " << name);
  return {};
}

// A recipe with some of its settings changed.
inline models::Settings settingsOf(const models::Recipe& recipe, std::initializer_list<const char*> changes) {
  models::Settings settings(recipe.settings());
  for (const char* change : changes) REQUIRE(settings.set(change));
  return settings;
}

// A training from the recipe's beginning: the loss of every step, and what came of it. `again`: one batch over and over, to be learnt by
// heart.
struct ShortTraining {
  std::vector<double> losses;
  std::unique_ptr<models::Training> training;
  nn::Trainer trainer;
};
inline ShortTraining trainShortly(gpu::Stream& stream, const models::Recipe& recipe, const models::Settings& settings, int steps,
                                  bool again) {
  auto training = recipe.make(settings);
  REQUIRE(training->prepare());
  nn::Initializer draw(stream, 1);
  ShortTraining result{{}, nullptr, nn::Trainer(training->initial(draw), training->options())};
  for (int i = 0; i < steps; ++i) {
    result.losses.push_back(static_cast<double>(result.trainer.step(stream, training->loss(again ? 0 : i)).loss.toFloats()[0]));
  }
  result.training = std::move(training);
  return result;
}

}  // namespace orrery::testing
