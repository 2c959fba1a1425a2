#pragma once
// Flows between two laws of the plane: the velocity u_t(x) = E[dx_t/dt | x_t = x] of an interpolation x_t of data x_0 and a base x_1, and
// how a cloud follows it. Sources: Lipman et al. 2023 (flow matching), Liu et al. 2022b (rectified flow), Albergo & Vanden-Eijnden 2023.
//
// Where data and base are mixtures and their coupling is independent, everything is a sum over components k that are jointly Gaussian in
// (x_t, dx_t/dt): x_t ~ N(c_k, S_k), and given x_t = x the velocity has mean v_k + A_k (x - c_k), A_k = Cov(dx_t/dt, x_t) S_k^-1. So
//   u = sum_k r_k u_k,   div u = sum_k r_k (tr A_k + s_k . u_k) - s . u,   s_k = -S_k^-1 (x - c_k),   s = grad ln p_t = sum_k r_k s_k.
// Units: data units; t = 0 is data, t = 1 the base (C1). Device in f32, the reference in double precision.

#include <array>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "core/labs/generative/shared/planar_density.h"
#include "core/tensor/tensor.h"

namespace orrery::generative {

// x_t = alpha x_0 + sigma eps at one time, with d alpha/dt and half of d sigma^2/dt = sigma sigma', which stays finite at sigma = 0.
struct FlowMoment {
  double alpha = 1, sigma = 0, alphaRate = -1, halfVarianceRate = 0;
};

enum class FlowPathKind { linear, floor, vp, ve, trigonometric };

// linear: (1 - t, t); floor: (1 - t, t + (1 - t) floor) (Lipman et al. 2023, eq. 22); vp: C1's; ve: (1, 0.01 (most / 0.01)^t);
// trigonometric: (cos, sin)(pi t / 2).
struct FlowPath {
  FlowPathKind kind = FlowPathKind::linear;
  double floor = 0;
  double most = 50;  // of ve: sigma at t = 1
  FlowMoment at(double t) const;
};
FlowPathKind flowPathOf(std::string_view id);  // "linear", "floor", "vp", "ve", "trig"

// One component at one time, x relative to (x, y).
struct FlowComponent {
  double x = 0, y = 0;               // c
  double logWeight = 0;              // ln (w_k / (2 pi sqrt det S_k))
  double pxx = 1, pxy = 0, pyy = 1;  // S^-1
  double u = 0, v = 0;               // velocity at c
  double axx = 0, axy = 0, ayx = 0, ayy = 0;
  double spread = 0;  // trace of the velocity's covariance given x: the same for every x
};

// A flow whose velocity is known exactly: from data to the standard normal base along a path, or along the straight path between two
// mixtures (K_0 K_1 components). Times where a component has no width (points at t = 0) cannot be evaluated.
struct ExactFlow {
  PlanarDensity data;
  FlowPath path;
  std::vector<kernels::Component> base;  // empty: N(0, I)

  std::vector<FlowComponent> at(double t) const;
  std::size_t count() const { return data.components.size() * (base.empty() ? 1 : base.size()); }
  bool pointsInData() const;  // whether the law at t = 0 has no density
};

struct FlowValue {
  double u = 0, v = 0, divergence = 0, logDensity = 0;
  double scoreX = 0, scoreY = 0;
  double variance = 0;  // tr Cov[dx_t/dt | x_t = x]: what no velocity field can explain
};
FlowValue evaluateFlow(std::span<const FlowComponent> components, double x, double y);

// On the device. points [n, 2] -> [n, 2]; state [n, 4] = (x, y, ., .) -> (u, v, div u, 0): the third coordinate integrates the divergence;
// points -> ln p [n].
Tensor flowVelocity(gpu::Stream& stream, std::span<const FlowComponent> components, const Tensor& points);
Tensor flowWithDivergence(gpu::Stream& stream, std::span<const FlowComponent> components, const Tensor& state);
Tensor flowLogDensity(gpu::Stream& stream, std::span<const FlowComponent> components, const Tensor& points);

// Kernel regression (Nadaraya 1964; Watson 1964) on pairs [m, 4] = (x_0, x_1): the mean of x_1 - x_0 over pairs, weighted by
// exp(-|x - x_t|^2 / (2 h^2)) with x_t the pair's point at t. As flowVelocity and flowWithDivergence otherwise.
Tensor regressedVelocity(gpu::Stream& stream, const Tensor& pairs, double width, double t, const Tensor& points);
Tensor regressedWithDivergence(gpu::Stream& stream, const Tensor& pairs, double width, double t, const Tensor& state);

// What a cloud follows: the velocity of every row at time t, of the cloud's shape.
using Velocity = std::function<Tensor(gpu::Stream&, const Tensor& cloud, double t)>;
enum class FlowSolver { euler, midpoint, heun, rk4 };
FlowSolver flowSolverOf(std::string_view id);
int evaluationsOf(FlowSolver solver);
// One step from t to `to` (either direction). `slope` is velocity(cloud, t) where the caller has it.
Tensor flowStep(gpu::Stream& stream, const Velocity& velocity, FlowSolver solver, const Tensor& cloud, double t, double to,
                const Tensor& slope = {});

// y + scale x.
Tensor addScaled(gpu::Stream& stream, const Tensor& y, const Tensor& x, double scale);

}  // namespace orrery::generative
