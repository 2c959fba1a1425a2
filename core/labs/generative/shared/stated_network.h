#pragma once
// The parameters with which a user says what a dropped network means, and the choices of samplers, grids and processes of core/diffusion.

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/diffusion/names.h"
#include "core/models/point_denoiser.h"
#include "core/models/network_meaning.h"
#include "core/session/lab.h"

namespace orrery::generative {

Choice choiceOf(const std::vector<diffusion::Name>& names, std::vector<Choice::Option> before = {});
// All samplers that run from noise to data.
Choice samplerChoice();
// What a text lists, split at commas and semicolons; spaces and empty parts are left out.
std::vector<std::string> separated(const std::string& text);

// "prediction", "schedule", "told-time" in the group "Denoiser"; "file" leaves them to the network's config.json. A lab that has a
// "schedule" of its own gives the network's another id.
std::vector<Parameter> statedNetworkParameters(bool (*visible)(const Values&), std::string_view schedule = "schedule");
models::NetworkStated statedNetwork(const LabContext& context, std::string_view schedule = "schedule");

// A user's network of points (core/models/point_denoiser): "network", its file, what is stated of it, "activation" and "network-deviation".
std::vector<Parameter> pointNetworkParameters(bool (*visible)(const Values&), std::string_view schedule = "schedule");
// The same for a lab of the plane with the parameters of plane_scene.h, with those of network_units.h.
std::vector<Parameter> planeNetworkParameters(bool (*visible)(const Values&), std::string_view schedule = "schedule");
bool pointNetworkChanged(const LabContext& context, std::string_view schedule = "schedule");
using PointNetwork = std::shared_ptr<const models::PointDenoiser>;
// `instead`: what to do without a file ("choose another shape"). Error: that, or of models::openPointDenoiser().
Expected<PointNetwork> statedPointNetwork(const LabContext& context, std::string_view instead, std::string_view schedule = "schedule");
// The same for a lab of the plane, whose points have two coordinates (where it has planeNetworkParameters() the network is asked in its own
// units), and for one of the line.
Expected<PointNetwork> statedPlaneNetwork(const LabContext& context, std::string_view instead, std::string_view schedule = "schedule");
Expected<PointNetwork> statedLineNetwork(const LabContext& context, std::string_view instead, std::string_view schedule = "schedule");
// Takes a perceptron or an ONNX graph of so many coordinates (0: of any) into the parameter "network" and sets `also`.
Acceptance pointNetworkAcceptance(Values also, int score, std::int64_t coordinates);

// A network asked at three noise levels (generative.md C10): far up, far down and between. The points are `x` at the level `top` and go down
// by Euler's method on the network's own ODE, in equal steps of ln(level), so that further down they are such as it expects.
struct NetworkProbe {
  struct Level {
    double level = 0;
    double moved = 0;  // |x0hat - x|, root mean square over points
    double noise = 0;  // deviation of eps-hat = (x - x0hat) / level over all coordinates
  };
  std::array<Level, 3> levels;
  // What contradicts what was stated: where nothing of the data is left in x the noise it finds has the deviation of the noise, 1, and
  // nowhere does it find more than twice the noise that is there. Empty: nothing.
  std::string complaint;
  // At levels falling from the first: `x` of points of d coordinates and what the network makes of them.
  void look(std::size_t at, const diffusion::State& x, const diffusion::State& clean, double level, std::size_t d);
  std::string summary() const;  // the numbers in one line
  std::vector<Metric> metrics() const;
};
NetworkProbe probeNetwork(const models::PointDenoiser& network, const diffusion::State& x, double top, double bottom = 0.02);
// Its complaint.
std::string pointNetworkComplaint(const models::PointDenoiser& network, const diffusion::State& x, double level);

}  // namespace orrery::generative
