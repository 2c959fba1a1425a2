#pragma once
// The parameters with which a user says what a dropped network means, and the choices of samplers, grids and processes of core/diffusion.

#include <vector>

#include "core/diffusion/names.h"
#include "core/models/network_meaning.h"
#include "core/session/lab.h"

namespace orrery::generative {

Choice choiceOf(const std::vector<diffusion::Name>& names, std::vector<Choice::Option> before = {});
// All samplers that run from noise to data.
Choice samplerChoice();

// "prediction", "schedule", "told-time" in the group "Denoiser"; "file" leaves them to the network's config.json.
std::vector<Parameter> statedNetworkParameters(bool (*visible)(const Values&));
models::NetworkStated statedNetwork(const LabContext& context);

}  // namespace orrery::generative
