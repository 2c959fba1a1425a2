#pragma once
// The noise of a run: one Brownian path per coordinate in the variable sigma^2 (sigma = relative noise level), found by seed, coordinate
// and level alone. Any step count, grid and solver sees the same path; halving the step keeps it.
// Source: virtual Brownian tree, Li et al. 2020; Kidger 2022, section 5.5. The tree's clock u in [0, 1] numbers levels from 0 to
// treeTop by sigma = treeTop u^7 (Karras et al. 2022), and is split at dyadic points treeDepth times; levels closer than
// 2^-treeDepth in u share a leaf, where the path is no longer Brownian: at sigma = 0.01 that is a relative distance of 3e-6.
// Random numbers, key = seed: node n of coordinates 2j and 2j + 1 is the block of counter (j, n, 20, 0); draws off the path (EDM's churn,
// Langevin correctors) are counter (j, step, 21, purpose).

#include <cstdint>
#include <vector>

#include "core/diffusion/state.h"

namespace orrery::diffusion {

class Noise {
 public:
  static constexpr double treeTop = 16384;
  static constexpr int treeDepth = 24;

  Noise(std::uint64_t seed, std::size_t coordinates) : seed_(seed), coordinates_(coordinates) {}

  // W(sigma^2) for every coordinate; W(0) = 0. 0 <= sigma <= treeTop.
  State path(double sigma);
  // (W(a^2) - W(b^2)) / sqrt(a^2 - b^2): standard normal; steps that do not overlap are independent. a > b.
  State increment(double a, double b);
  // Standard normal and off the path.
  State fresh(std::uint32_t step, std::uint32_t purpose) const;

 private:
  State normals(std::uint32_t word, std::uint32_t kind, std::uint32_t last) const;

  std::uint64_t seed_;
  std::size_t coordinates_;
  // The nodes on the way to the last level asked for, by depth, and the path at that level: neighbouring levels share most of their way.
  struct Node {
    std::uint32_t index = 0;
    State normal;
  };
  std::vector<Node> way_;
  double lastLevel_ = -1;
  State last_;
};

}  // namespace orrery::diffusion
