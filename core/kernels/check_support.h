#pragma once
// What the kernels' own check and bench cases share: reproducible test data and dispatch sizes.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/philox.h"
#include "core/base/registry.h"
#include "core/gpu/cooperative_matrix.h"
#include "core/gpu/stream.h"
#include "core/tensor/tensor.h"

namespace orrery::kernels {

// Groups for `items` work items of which a group takes `perGroup` in one go; at most 4096 groups, the shaders walk on in strides.
inline gpu::Groups stridedGroups(std::int64_t items, std::int64_t perGroup) {
  return {static_cast<std::uint32_t>(std::clamp<std::int64_t>((items + perGroup - 1) / perGroup, items > 0 ? 1 : 0, 4096)), 1, 1};
}

// Uniform test values in [low, high), the same on every machine.
inline std::vector<float> testFloats(std::int64_t count, std::uint32_t seed, double low, double high) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const PhiloxBlock block = philox({static_cast<std::uint32_t>(i / 4), 0, 0x7E57u, 0}, philoxKey(seed));
    values[i] = static_cast<float>(low + (high - low) * static_cast<double>(philoxUniform(block[i % 4])));
  }
  return values;
}

// The same, as eighths for a variant on cooperative matrices: f16 holds those exactly, so that its products are as good as any.
inline std::vector<float> testFloats(std::int64_t count, std::uint32_t seed, double low, double high, std::string_view variant) {
  std::vector<float> values = testFloats(count, seed, low, high);
  if (variant == "matrix") {
    for (float& v : values) v = std::round(8 * v) / 8;
  }
  return values;
}

// The variants of a kernel that has all three; all but the last run on every device.
inline std::vector<std::string_view> variantsWithMatrix(gpu::Device& device) {
  std::vector<std::string_view> result{"scalar", "subgroup"};
  if (gpu::matrixShape(device)) result.push_back("matrix");
  return result;
}

inline std::vector<std::uint32_t> testWords(std::int64_t count, std::uint32_t seed) {
  std::vector<std::uint32_t> words(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < words.size(); ++i) {
    words[i] = philox({static_cast<std::uint32_t>(i / 4), 0, 0x7E58u, 0}, philoxKey(seed))[i % 4];
  }
  return words;
}

// Bitwise comparison of integer results: worst is 0 (equal) or 1, `where` the first difference.
template <class T>
Difference compareExactly(const Tensor& found, const std::vector<T>& expected) {
  const auto values = found.as<T>();
  if (values.size() != expected.size()) return {1, -1, static_cast<double>(values.size()), static_cast<double>(expected.size())};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (values[i] != expected[i]) {
      return {1, static_cast<std::int64_t>(i), static_cast<double>(values[i]), static_cast<double>(expected[i])};
    }
  }
  return {};
}

// The larger of two differences.
inline Difference worse(const Difference& a, const Difference& b) { return b.worst > a.worst ? b : a; }

}  // namespace orrery::kernels
