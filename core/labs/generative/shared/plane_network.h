#pragma once
// A user's network in place of the exact denoiser of a plane scene: how it is chosen, asked and measured against the exact one. The
// error of a level is that under p_t: root mean square of |D_network - D| over exact samples.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/diffusion/state.h"
#include "core/figure/figure.h"
#include "core/labs/generative/shared/plane_scene.h"
#include "core/models/point_denoiser.h"

namespace orrery::generative {

using PlaneNetwork = std::shared_ptr<const models::PointDenoiser>;

// "denoiser", "exact" or "network", and planeNetworkParameters(), with "network-schedule" for the network's schedule.
std::vector<Parameter> planeDenoiserParameters(std::string help);
// What they choose: null is the exact denoiser. `known`: the network that is open, kept as long as nothing else is said of it. Error:
// statedPlaneNetwork().
Expected<PlaneNetwork> chosenPlaneNetwork(const LabContext& context, PlaneNetwork known);

// D of pairs by the device, in f32, for states of the host.
diffusion::State denoiseOnDevice(gpu::Stream& stream, const models::PointDenoiser& network, const diffusion::State& x, double level);

// What is stated of a network may be so wrong that particles run away beyond all numbers.
template <class Values>
bool allFinite(const Values& values) {
  return std::all_of(values.begin(), values.end(), [](auto v) { return std::isfinite(v); });
}
Error ranAway();

struct NetworkErrors {
  std::vector<std::pair<double, double>> levels;  // (level, error), falling levels
  std::string complaint;                          // what is suspicious about its answers
  double at(double level) const;                  // of the nearest level
};
// Over the rows of x [n, 2], which has the law of this level.
double networkError(gpu::Stream& stream, const kernels::MixtureTable& exact, const models::PointDenoiser& network, const Tensor& x,
                    double level);
// At levels from top down to bottom, equal in ln level, over points of the scene whose random numbers follow from the seed.
NetworkErrors judgeNetwork(gpu::Stream& stream, const kernels::MixtureTable& exact, const models::PointDenoiser& network,
                           const PlaneScene& scene, double top, double bottom, std::uint64_t seed);

// What is drawn of the error: that of D, or that of the score times the level, |D_network - D| / level.
enum class ErrorOf { denoiser, score };

// |D_network - D| over the plane at one level, in a picture that shows the state times `scale`; `error` is networkError() there.
Panel networkErrorMap(gpu::Stream& stream, const kernels::MixtureTable& exact, const models::PointDenoiser& network, double level,
                      double scale, double half, double error, const std::string& complaint, ErrorOf of = ErrorOf::denoiser);
// The errors against the level, with a line at `now`.
Panel networkErrorChart(const NetworkErrors& errors, double now, Paint paint, ErrorOf of = ErrorOf::denoiser);

}  // namespace orrery::generative
