#include "core/labs/generative/shared/stated_network.h"

namespace orrery::generative {

Choice choiceOf(const std::vector<diffusion::Name>& names, std::vector<Choice::Option> before) {
  Choice choice{std::move(before)};
  for (const diffusion::Name& name : names) choice.options.push_back({name.id, name.title});
  return choice;
}

Choice samplerChoice() {
  Choice choice = choiceOf(diffusion::samplerNames());
  std::erase_if(choice.options, [](const Choice::Option& option) { return option.id == "ddim-inversion"; });
  return choice;
}

std::vector<std::string> separated(const std::string& text) {
  std::vector<std::string> result(1);
  for (const char c : text) {
    if (c == ',' || c == ';') {
      result.emplace_back();
    } else if (c != ' ') {
      result.back() += c;
    }
  }
  std::erase(result, std::string());
  return result;
}

std::vector<Parameter> statedNetworkParameters(bool (*visible)(const Values&)) {
  const Value file = std::string("file");
  return {
      {"prediction", "It predicts", "What the network's output means.", "Denoiser", file,
       Choice{{{"file", "As its config.json says"},
               {"epsilon", "Noise ε"},
               {"x0", "Data x₀"},
               {"v", "v"},
               {"score", "Score"},
               {"velocity", "Velocity"},
               {"F", "EDM's F"}}},
       "", visible},
      {"schedule", "Its noise schedule", "Whose x_t the network takes.", "Denoiser", file,
       choiceOf(diffusion::processNames(), {{"file", "As its config.json says"}}), "", visible},
      {"told-time", "It is told", "How the network is told the time.", "Denoiser", file,
       Choice{{{"file", "As its config.json says"},
               {"steps", "The step, 0 to 999"},
               {"unit", "The time, 0 to 1"},
               {"log-level", "ln σ / 4"},
               {"level", "The noise level σ"}}},
       "", visible},
  };
}

models::NetworkStated statedNetwork(const LabContext& context) {
  models::NetworkStated stated;
  for (const diffusion::Prediction p : diffusion::allPredictions) {
    if (context.text("prediction") == diffusion::idOf(p)) stated.prediction = p;
  }
  if (context.text("schedule") != "file") stated.process = context.text("schedule");
  const std::string& told = context.text("told-time");
  if (told == "steps") stated.time = models::ToldTime::steps;
  if (told == "unit") stated.time = models::ToldTime::unit;
  if (told == "log-level") stated.time = models::ToldTime::logLevel;
  if (told == "level") stated.time = models::ToldTime::level;
  return stated;
}

}  // namespace orrery::generative
