#pragma once
// The parameters with which a user says what a dropped network means, and the choices of samplers, grids and processes of core/diffusion.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/diffusion/names.h"
#include "core/models/mlp_denoiser.h"
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

// A user's perceptron (core/models/mlp_denoiser): "network", its file, what is stated of it, "activation" and "network-deviation".
std::vector<Parameter> perceptronParameters(bool (*visible)(const Values&), std::string_view schedule = "schedule");
bool perceptronChanged(const LabContext& context, std::string_view schedule = "schedule");
// `instead`: what to do without a file ("choose another shape"). Error: that, or of MlpDenoiser::open().
Expected<std::shared_ptr<const models::MlpDenoiser>> statedPerceptron(const LabContext& context, std::string_view instead,
                                                                      std::string_view schedule = "schedule");
// The same for a lab of the plane, whose points have two coordinates, and for one of the line.
Expected<std::shared_ptr<const models::MlpDenoiser>> statedPlanePerceptron(const LabContext& context, std::string_view instead,
                                                                           std::string_view schedule = "schedule");
Expected<std::shared_ptr<const models::MlpDenoiser>> statedLinePerceptron(const LabContext& context, std::string_view instead,
                                                                          std::string_view schedule = "schedule");
// Takes a perceptron of so many coordinates (0: of any) into the parameter "network" and sets `also`.
Acceptance perceptronAcceptance(Values also, int score, std::int64_t coordinates);
// What its answers say against what was stated of it: at a level where nothing of the data is left in `x`, what it calls noise has the
// deviation of the noise, 1. Empty: nothing.
std::string perceptronComplaint(const models::MlpDenoiser& network, const diffusion::State& x, double level);

}  // namespace orrery::generative
