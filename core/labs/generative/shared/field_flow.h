#pragma once
// Any velocity field of the plane as a normalizing flow: each layer is one step of a solver along it, from data at t = 0 to latents at
// t = 1. Nothing is learnt. Source: Chen et al. 2018, eq. 8: d ln |det| / dt = div v. Two fields are made here: of a diffusion with the
// exact score of a mixture (Song et al. 2021, eq. 13 and 39), and of a network of the user's.

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/labs/generative/shared/flow_field.h"
#include "core/models/flows.h"
#include "core/models/point_denoiser.h"

namespace orrery::generative {

struct PlaneField {
  // A state [n, 4] = (x, y, integral of div v, integral of |v|^2) and how fast it changes.
  Velocity onDevice;
  // u, v, div at one place and time, in double precision.
  std::function<std::array<double, 3>(double t, double x, double y)> onHost;
  bool energy = false;  // the fourth number is told
};

// One step of the solver from time `from` to `to`, or where `adaptive` has a tolerance as many as that asks for.
models::flows::LayerPtr fieldStretch(std::shared_ptr<const PlaneField> field, FlowSolver solver, double from, double to,
                                     models::flows::AdaptivePtr adaptive = {});

// The probability-flow ODE of a diffusion of a mixture on the variance-preserving path, in K steps with times t_i = (i / K)^3: blobs are
// narrow where data begin. Components need a width.
std::vector<models::flows::LayerPtr> diffusionFlow(const std::vector<kernels::Component>& components, std::int64_t steps, FlowSolver solver,
                                                   models::flows::AdaptivePtr adaptive = {});

// The velocity that a user's network of points of the plane says on the path x_t = (1 - t) x_0 + t eps, whatever it predicts: a velocity on
// this path is the field itself, and anything else is turned into one (core/labs/generative/shared/network_velocity.h). The divergence is
// the exact trace of a perceptron's Jacobian, of an ONNX graph's one by central differences, or with `probes` Hutchinson's
// e . (dv/dx e) with one e of signs per row for the whole way:
// philox (row, 0, 45, 0), key = *probes. On the host always the exact one.
std::shared_ptr<const PlaneField> networkField(std::shared_ptr<const models::PointDenoiser> network, std::optional<std::uint64_t> probes);

}  // namespace orrery::generative
