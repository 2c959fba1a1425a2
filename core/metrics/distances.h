#pragma once
// Distances between samples of the plane: sliced Wasserstein, energy distance, maximum mean discrepancy. Points are [n, 2] f32, row-major.
// Pure functions of host memory; thread-safe.

#include <cstddef>
#include <span>
#include <vector>

namespace orrery {

// A sample projected on `directions` equispaced directions theta_l = pi (l + 1/2) / L and sorted along each: made once, compared often.
struct ProjectedSample {
  int directions = 0;
  std::size_t count = 0;
  std::vector<float> sorted;  // [directions, count]
};
ProjectedSample project(std::span<const float> points, int directions);

// Sliced Wasserstein-2: the root of the mean, over directions, of the squared W2 between the projections (differences of sorted values, or
// of the quantile functions when the counts differ). A shift by m gives exactly |m| / sqrt 2. Zero when either sample is empty.
double slicedWasserstein2(const ProjectedSample& a, const ProjectedSample& b);
double slicedWasserstein2(std::span<const float> a, std::span<const float> b, int directions = 64);

// Energy distance 2 E|X - Y| - E|X - X'| - E|Y - Y'| (Szekely and Rizzo 2004), unbiased: pairs of a point with itself are left out, so it
// may be slightly negative. Needs two points each, else 0.
double energyDistance(std::span<const float> a, std::span<const float> b);

// Squared maximum mean discrepancy with the kernel exp(-|x - y|^2 / (2 scale^2)) (Gretton et al. 2012, eq. 3), unbiased.
double squaredDiscrepancy(std::span<const float> a, std::span<const float> b, double scale);

}  // namespace orrery
