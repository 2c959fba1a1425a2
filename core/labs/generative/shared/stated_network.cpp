#include "core/labs/generative/shared/stated_network.h"

#include <algorithm>
#include <cmath>
#include <limits>

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

std::vector<Parameter> statedNetworkParameters(bool (*visible)(const Values&), std::string_view schedule) {
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
      {std::string(schedule), "Its noise schedule", "Whose x_t the network takes.", "Denoiser", file,
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

models::NetworkStated statedNetwork(const LabContext& context, std::string_view schedule) {
  models::NetworkStated stated;
  for (const diffusion::Prediction p : diffusion::allPredictions) {
    if (context.text("prediction") == diffusion::idOf(p)) stated.prediction = p;
  }
  if (context.text(schedule) != "file") stated.process = context.text(schedule);
  const std::string& told = context.text("told-time");
  if (told == "steps") stated.time = models::ToldTime::steps;
  if (told == "unit") stated.time = models::ToldTime::unit;
  if (told == "log-level") stated.time = models::ToldTime::logLevel;
  if (told == "level") stated.time = models::ToldTime::level;
  return stated;
}

std::vector<Parameter> perceptronParameters(bool (*visible)(const Values&), std::string_view schedule) {
  std::vector<Parameter> parameters = {
      {"network", "Network file", "A safetensors file of a multilayer perceptron from a point and a time; a config.json beside it is read.",
       "Denoiser", Asset{}, FileWell{{"safetensors", "npz"}, false}, "", visible}};
  const auto stated = statedNetworkParameters(visible, schedule);
  parameters.insert(parameters.end(), stated.begin(), stated.end());
  parameters.push_back({"activation", "Between its layers", "The function between the network's layers.", "Denoiser", std::string("file"),
                        Choice{{{"file", "As its config.json says"},
                                {"silu", "SiLU"},
                                {"relu", "ReLU"},
                                {"tanh", "tanh"},
                                {"gelu", "GELU"},
                                {"softplus", "Softplus"}}},
                        "", visible});
  parameters.push_back({"network-deviation", "Its data deviation σ_d",
                        "By which EDM's F is scaled; 0 is as its config.json says, or one half.", "Denoiser", 0.0, Real{0, 10, 0.01}, "",
                        visible});
  return parameters;
}

bool perceptronChanged(const LabContext& context, std::string_view schedule) {
  return context.anyChanged({"network", "prediction", "told-time", "activation", "network-deviation"}) || context.changed(schedule);
}

Expected<std::shared_ptr<const models::MlpDenoiser>> statedPerceptron(const LabContext& context, std::string_view instead,
                                                                      std::string_view schedule) {
  const std::string& path = context.file("network").path;
  if (path.empty()) {
    return makeError(ErrorCode::usage,
                     trf("no network yet: drop a safetensors file whose matrices are the layers of a perceptron from a point "
                         "and a time to what it predicts, or {}",
                         instead));
  }
  const std::string& activation = context.text("activation");
  models::NetworkStated stated = statedNetwork(context, schedule);
  if (const double deviation = context.number("network-deviation"); deviation > 0) stated.dataDeviation = deviation;
  auto opened = models::MlpDenoiser::open(path, stated, activation == "file" ? "" : activation);
  if (!opened) return opened.error();
  // Weights that are finite may still overflow on the device.
  for (const double level : {0.05, 1.0, 20.0}) {
    const diffusion::State answer = opened->denoise(diffusion::State(opened->dimension(), level), level);
    if (!std::all_of(answer.begin(), answer.end(), [](double v) { return std::abs(v) < std::numeric_limits<float>::max(); })) {
      return makeError(ErrorCode::badInput, trf("{}: at σ = {} the network answers no number: its weights are so large that they overflow", path,
                                                fmt::format("{:.3g}", level)));
    }
  }
  return std::make_shared<const models::MlpDenoiser>(*std::move(opened));
}

Expected<std::shared_ptr<const models::MlpDenoiser>> statedPlanePerceptron(const LabContext& context, std::string_view instead,
                                                                           std::string_view schedule) {
  auto network = statedPerceptron(context, instead, schedule);
  if (network && (*network)->dimension() != 2) {
    return makeError(ErrorCode::badInput, trf("{}: the network's points have {} coordinates; this lab lies in the plane and needs 2",
                                              context.file("network").path, (*network)->dimension()));
  }
  return network;
}

Expected<std::shared_ptr<const models::MlpDenoiser>> statedLinePerceptron(const LabContext& context, std::string_view instead,
                                                                          std::string_view schedule) {
  auto network = statedPerceptron(context, instead, schedule);
  if (network && (*network)->dimension() != 1) {
    return makeError(ErrorCode::badInput, trf("{}: the network's points have {} coordinates; this lab lies on the line and needs 1",
                                              context.file("network").path, (*network)->dimension()));
  }
  return network;
}

Acceptance perceptronAcceptance(Values also, int score, std::int64_t coordinates) {
  Acceptance acceptance;
  acceptance.kinds = "a multilayer perceptron as safetensors";
  acceptance.parameter = "network";
  acceptance.also = std::move(also);
  acceptance.score = [score, coordinates](const FileReport& report) {
    std::vector<std::vector<std::int64_t>> matrices;
    for (const TensorSummary& tensor : report.tensors) {
      if (tensor.shape.size() > 2) return 0;
      if (tensor.shape.size() == 2) matrices.push_back(tensor.shape);
    }
    const bool fits = report.kind == "safetensors" && models::MlpDenoiser::fits(matrices);
    return fits && (coordinates == 0 || matrices.back()[0] == coordinates) ? score : 0;
  };
  return acceptance;
}

std::string perceptronComplaint(const models::MlpDenoiser& network, const diffusion::State& x, double level) {
  const diffusion::State clean = network.denoise(x, level);
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += (x[i] - clean[i]) * (x[i] - clean[i]) / (level * level);
  const double deviation = std::sqrt(sum / static_cast<double>(x.size()));
  if (deviation > 0.7 && deviation < 1.4) return {};
  return trf("its noise at σ = {} has deviation {}, not about 1: is what is said of the network true?", fmt::format("{:.3g}", level),
             fmt::format("{:.2g}", deviation));
}

}  // namespace orrery::generative
