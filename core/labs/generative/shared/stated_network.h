#pragma once
// The parameters with which a user says what a dropped network means, and the choices of samplers, grids and processes of core/diffusion.

#include <string>
#include <vector>

#include "core/diffusion/names.h"
#include "core/models/network_meaning.h"
#include "core/session/lab.h"

namespace orrery::generative {

Choice choiceOf(const std::vector<diffusion::Name>& names, std::vector<Choice::Option> before = {});
// All samplers that run from noise to data.
Choice samplerChoice();
// What a text lists, split at commas and semicolons; spaces and empty parts are left out.
std::vector<std::string> separated(const std::string& text);

// "prediction", "schedule", "told-time" in the group "Denoiser"; "file" leaves them to the network's config.json.
std::vector<Parameter> statedNetworkParameters(bool (*visible)(const Values&));
models::NetworkStated statedNetwork(const LabContext& context);

}  // namespace orrery::generative
