#pragma once
// Exact densities without a network: a Gaussian mixture in the plane under the path x_t = alpha x_0 + sigma_t eps (generative.md C3).

#include <array>
#include <span>
#include <vector>

#include "core/tensor/tensor.h"

namespace orrery::kernels {

// One component: weight (any positive number; the table normalises), mean, and a covariance given by its principal variances (data units
// squared) and the angle of the first axis in radians.
struct Component {
  double weight = 1, x = 0, y = 0;
  double along = 0, across = 0, angle = 0;
};

// The components as the shaders read them. `common`: all covariances are c^2 I with one c^2 = spread, which is about twice as fast.
struct MixtureTable {
  Tensor table;
  std::uint32_t count = 0;  // more than 16 components are padded to a multiple of four by weightless ones
  bool common = true;
  double spread = 0;
};
MixtureTable makeMixtureTable(std::span<const Component> components);  // at least one, weights not negative and not all zero

enum class MixtureOutput : std::uint32_t { logDensity, score, denoiser };

// At points x_t [n, 2], for scale alpha > 0 and noise sigma_t > 0: ln p_t [n] (nats), the score [n, 2], or D = E[x_0 | x_t] [n, 2].
Tensor mixture(gpu::Stream& stream, const MixtureTable& mixture, const Tensor& points, double alpha, double sigma, MixtureOutput output);

// The same in double precision for one point.
struct MixtureValue {
  double logDensity = 0;
  std::array<double, 2> score{}, denoiser{};
  int likeliest = 0;  // component of the largest responsibility
};
MixtureValue evaluateMixture(std::span<const Component> components, double x, double y, double alpha, double sigma);

// Specialisation constants 0 and 1 of every shader that includes mixture.glsl.
std::array<std::uint32_t, 2> mixtureConstants(const MixtureTable& mixture);

// Groups of 64 lanes for n particles, four to a lane.
gpu::Groups particleGroups(std::int64_t n);
// [n, 2] tensors are bound as whole groups of four particles; device memory comes in multiples of 256 bytes, so the rest of the last
// exists.
gpu::BufferView inQuads(gpu::BufferView view);

}  // namespace orrery::kernels
