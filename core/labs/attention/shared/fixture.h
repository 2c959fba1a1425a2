#pragma once
// Reproducible test data of the attention labs, identical in C++ and GLSL (32-bit unsigned arithmetic): O'Neill's PCG output function,
// hashed over seed, row and column. F(R, C, s)[r, c] is in [-1, 1) with variance about 1/3.

#include <cstdint>
#include <vector>

#include "core/tensor/tensor.h"

namespace orrery::attention {

constexpr std::uint32_t pcg(std::uint32_t x) {
  const std::uint32_t state = x * 747796405u + 2891336453u;
  const std::uint32_t word = ((state >> ((state >> 28) + 4)) ^ state) * 277803737u;
  return (word >> 22) ^ word;
}

constexpr float fixtureValue(std::uint32_t seed, std::uint32_t row, std::uint32_t column) {
  return static_cast<float>(pcg(pcg(pcg(seed) + row) + column) >> 8) * 0x1p-23f - 1.0f;
}

// [rows, columns], times `factor`.
inline Tensor fixture(std::int64_t rows, std::int64_t columns, std::uint32_t seed, double factor = 1) {
  Tensor result(Shape{rows, columns});
  auto values = result.asMutable<float>();
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      values[static_cast<std::size_t>(r * columns + c)] = static_cast<float>(
          static_cast<double>(fixtureValue(seed, static_cast<std::uint32_t>(r), static_cast<std::uint32_t>(c))) * factor);
    }
  }
  return result;
}

}  // namespace orrery::attention
