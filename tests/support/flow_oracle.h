#pragma once
// What flows are judged by in tests: random weights and rows, the determinant of a Jacobian, and the Jacobian as the tape has it.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/base/philox.h"
#include "core/models/flows.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_oracle.h"

namespace orrery::testing {

// Values in -1 to 1, fixed by (index, stream).
inline double noise(std::size_t i, std::uint32_t stream) {
  const PhiloxBlock words = philox({static_cast<std::uint32_t>(i), 0, stream, 0}, philoxKey(7));
  return 2 * static_cast<double>(philoxUniform(words[0])) - 1;
}

// The flow's weights with every element random, heads included.
inline nn::Weights randomWeights(gpu::Stream& stream, const models::flows::Flow& flow, double size = 0.5) {
  nn::Initializer draw(stream, 11);
  nn::Weights weights = flow.initial(draw);
  std::uint32_t number = 0;
  for (nn::NamedTensor& w : weights) {
    std::vector<float> values;
    for (std::int64_t i = 0; i < w.value.count(); ++i)
      values.push_back(static_cast<float>(size * noise(static_cast<std::size_t>(i), 100 + number)));
    w.value = Tensor::from(w.value.shape(), values);
    ++number;
  }
  return weights;
}

inline std::vector<float> randomRows(std::int64_t n, std::int64_t d, double reach = 2) {
  std::vector<float> rows;
  for (std::int64_t i = 0; i < n * d; ++i) rows.push_back(static_cast<float>(reach * noise(static_cast<std::size_t>(i), 5)));
  return rows;
}

// ln |det| and the sign by elimination with pivots.
inline std::array<double, 2> logDeterminant(std::vector<double> m, std::size_t d) {
  double logDet = 0, sign = 1;
  for (std::size_t k = 0; k < d; ++k) {
    std::size_t pivot = k;
    for (std::size_t r = k + 1; r < d; ++r) {
      if (std::abs(m[r * d + k]) > std::abs(m[pivot * d + k])) pivot = r;
    }
    for (std::size_t c = 0; c < d && pivot != k; ++c) std::swap(m[k * d + c], m[pivot * d + c]);
    if (pivot != k) sign = -sign;
    logDet += std::log(std::abs(m[k * d + k]));
    if (m[k * d + k] < 0) sign = -sign;
    for (std::size_t r = k + 1; r < d; ++r) {
      const double factor = m[r * d + k] / m[k * d + k];
      for (std::size_t c = k; c < d; ++c) m[r * d + c] -= factor * m[k * d + c];
    }
  }
  return {logDet, sign};
}

// d y_i / d x_j of every row on the device, from one backward pass per output: [row][i D + j].
inline std::vector<std::vector<double>> deviceJacobians(gpu::Stream& stream, const models::flows::Flow& flow, const nn::Weights& weights,
                                                        const std::vector<float>& rows) {
  const std::int64_t d = flow.dimensions(), n = static_cast<std::int64_t>(rows.size()) / d;
  std::vector<std::vector<double>> jacobians(static_cast<std::size_t>(n), std::vector<double>(static_cast<std::size_t>(d * d)));
  nn::Tape tape(stream);
  const nn::Variable x = tape.leaf(Tensor::from(Shape{n, d}, rows));
  const models::flows::Mapped mapped = flow.forward(nn::constants(tape, weights), x);
  for (std::int64_t i = 0; i < d; ++i) {
    std::vector<float> seed(rows.size(), 0.0f);
    for (std::int64_t row = 0; row < n; ++row) seed[static_cast<std::size_t>(row * d + i)] = 1;
    tape.backward(mapped.y, Tensor::from(Shape{n, d}, seed));
    const auto gradient = tape.gradient(x).toFloats();
    for (std::int64_t row = 0; row < n; ++row) {
      for (std::int64_t j = 0; j < d; ++j)
        jacobians[static_cast<std::size_t>(row)][static_cast<std::size_t>(i * d + j)] =
            static_cast<double>(gradient[static_cast<std::size_t>(row * d + j)]);
    }
  }
  return jacobians;
}

}  // namespace orrery::testing
