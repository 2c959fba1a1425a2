#pragma once
// Philox4x32-10, the counter-based random number generator of Salmon et al. 2011 ("Parallel random numbers: as easy as 1, 2, 3").
// The same function lives in shaders/include/philox.glsl; both give the same words for the same counter and key.
// Convention: key = (seed low, seed high); what the four counter words mean is stated by each user.

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace orrery {

using PhiloxBlock = std::array<std::uint32_t, 4>;

constexpr PhiloxBlock philox(PhiloxBlock counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{0xD2511F53u} * counter[0];
    const std::uint64_t product1 = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(product0)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

constexpr std::array<std::uint32_t, 2> philoxKey(std::uint64_t seed) {
  return {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
}

// Uniform in [0, 1) with 24 bits.
constexpr float philoxUniform(std::uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }

// floor(K * word / 2^32): an integer in [0, K), no rejection.
constexpr std::uint32_t philoxBounded(std::uint32_t word, std::uint32_t K) {
  return static_cast<std::uint32_t>((std::uint64_t{word} * K) >> 32);
}

// Two standard normals from two words (Box-Muller). The radius uses (word >> 8) + 0.5 so that it is never log(0).
inline std::array<double, 2> philoxNormals(std::uint32_t a, std::uint32_t b) {
  const double radius = std::sqrt(-2.0 * std::log((static_cast<double>(a >> 8) + 0.5) * 0x1p-24));
  const double angle = 2.0 * std::numbers::pi * (static_cast<double>(b >> 8) * 0x1p-24);
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

}  // namespace orrery
