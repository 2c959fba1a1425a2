#pragma once
// Pairings of data with base points, and pairs for training flows (Tong et al. 2024; Pooladian et al. 2023: minibatch optimal transport).
// Host code, double precision. Points are pairs (x, y), one after another.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/base/expected.h"
#include "core/labs/generative/shared/plane_scene.h"

namespace orrery::generative {

// The pairing of least total |a_i - b_p(i)|^2: p, by shortest augmenting paths after a greedy start (Jonker and Volgenant 1987), O(n^3) at
// worst. An Error when the sets differ in size.
Expected<std::vector<std::uint32_t>> optimalPairing(std::span<const double> a, std::span<const double> b);

// The plan of entropic transport with uniform marginals and cost |a_i - b_j|^2 (Cuturi 2013), scaled in the log domain where it must be
// (Schmitzer 2019); `epsilon` in data units squared.
struct EntropicPlan {
  std::size_t rows = 0, columns = 0;
  std::vector<double> mass;  // [rows, columns], sums to 1
  double marginalError = 0;  // of the columns: largest |sum * columns - 1|; rows are exact
};
EntropicPlan entropicPlan(std::span<const double> a, std::span<const double> b, double epsilon, int iterations = 200);

enum class Coupling { independent, optimal, entropic };

// What x_1 is drawn from: the standard normal, the uniform law of variance 1 per axis, or a scene.
struct BaseLaw {
  enum class Kind { normal, uniform, scene } kind = Kind::normal;
  std::optional<PlaneScene> scene;
  double reach() const;
};
Expected<BaseLaw> baseLaw(std::string_view id);  // "normal", "uniform" or a built-in scene

// Draws pairs. Pair j depends on seed, purpose and its batch of `batch` consecutive pairs alone: Philox counters (j, 0, purpose, .) for the
// data and (j, 0, purpose + 1, .) for the base; sampling from an entropic plan takes (j, 0, purpose + 2, 0).
struct PairSource {
  PlaneScene data;
  BaseLaw base;
  Coupling coupling = Coupling::independent;
  std::size_t batch = 256;
  double epsilon = 0.05;
  std::uint64_t seed = 0;

  struct Pairs {
    std::vector<double> x0, x1;
    std::size_t size() const { return x0.size() / 2; }
  };
  Pairs draw(std::size_t count, std::uint32_t purpose, std::uint32_t first = 0) const;
};
double meanSquaredDistance(const PairSource::Pairs& pairs);

}  // namespace orrery::generative
