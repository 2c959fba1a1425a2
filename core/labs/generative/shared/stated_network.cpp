#include "core/labs/generative/shared/stated_network.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/labs/generative/shared/network_units.h"
#include "core/models/mlp_denoiser.h"
#include "core/models/onnx_denoiser.h"

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

std::vector<Parameter> pointNetworkParameters(bool (*visible)(const Values&), std::string_view schedule) {
  std::vector<Parameter> parameters = {
      {"network", "Network file", "A network from a point and a time: an ONNX graph, or a multilayer perceptron as safetensors; a config.json beside it is read.",
       "Denoiser", Asset{}, FileWell{{"onnx", "safetensors", "npz"}, false}, "", visible}};
  const auto stated = statedNetworkParameters(visible, schedule);
  parameters.insert(parameters.end(), stated.begin(), stated.end());
  parameters.push_back({"activation", "Between its layers", "The function between a perceptron's layers; a graph has its own.", "Denoiser", std::string("file"),
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

std::vector<Parameter> planeNetworkParameters(bool (*visible)(const Values&), std::string_view schedule) {
  std::vector<Parameter> parameters = pointNetworkParameters(visible, schedule);
  const auto units = networkUnitsParameters(visible);
  parameters.insert(parameters.end(), units.begin(), units.end());
  return parameters;
}

bool pointNetworkChanged(const LabContext& context, std::string_view schedule) {
  return networkUnitsChanged(context) || context.anyChanged({"network", "prediction", "told-time", "activation", "network-deviation"}) || context.changed(schedule);
}

Expected<PointNetwork> statedPointNetwork(const LabContext& context, std::string_view instead,
                                                                      std::string_view schedule) {
  const std::string& path = context.file("network").path;
  if (path.empty()) {
    return makeError(ErrorCode::usage,
                     trf("no network yet: drop an ONNX graph from a point and a time to what it predicts, or a safetensors file whose "
                         "matrices are the layers of such a perceptron, or {}",
                         instead));
  }
  const std::string& activation = context.text("activation");
  models::NetworkStated stated = statedNetwork(context, schedule);
  if (const double deviation = context.number("network-deviation"); deviation > 0) stated.dataDeviation = deviation;
  auto opened = models::openPointDenoiser(path, stated, activation == "file" ? "" : activation);
  if (!opened) return opened.error();
  // Weights that are finite may still overflow on the device.
  for (const double level : {0.05, 1.0, 20.0}) {
    const diffusion::State answer = (*opened)->denoise(diffusion::State((*opened)->dimension(), level), level);
    if (!std::all_of(answer.begin(), answer.end(), [](double v) { return std::abs(v) < std::numeric_limits<float>::max(); })) {
      return makeError(ErrorCode::badInput, trf("{}: at σ = {} the network answers no number: its weights are so large that they overflow", path,
                                                fmt::format("{:.3g}", level)));
    }
  }
  return opened;
}

Expected<PointNetwork> statedPlaneNetwork(const LabContext& context, std::string_view instead,
                                                                           std::string_view schedule) {
  auto network = statedPointNetwork(context, instead, schedule);
  if (network && (*network)->dimension() != 2) {
    return makeError(ErrorCode::badInput, trf("{}: the network's points have {} coordinates; this lab lies in the plane and needs 2",
                                              context.file("network").path, (*network)->dimension()));
  }
  if (!network || !context.values().contains("network-units")) return network;
  const auto units = networkUnits(context);
  if (!units) return units.error();
  return inUnits(*std::move(network), *units);
}

Expected<PointNetwork> statedLineNetwork(const LabContext& context, std::string_view instead,
                                                                          std::string_view schedule) {
  auto network = statedPointNetwork(context, instead, schedule);
  if (network && (*network)->dimension() != 1) {
    return makeError(ErrorCode::badInput, trf("{}: the network's points have {} coordinates; this lab lies on the line and needs 1",
                                              context.file("network").path, (*network)->dimension()));
  }
  return network;
}

Acceptance pointNetworkAcceptance(Values also, int score, std::int64_t coordinates) {
  Acceptance acceptance;
  acceptance.kinds = "a network of points: an ONNX graph, or a multilayer perceptron as safetensors";
  acceptance.parameter = "network";
  acceptance.also = std::move(also);
  acceptance.score = [score, coordinates](const FileReport& report) {
    if (report.kind == "onnx") {
      if (!models::OnnxDenoiser::fits(report.inputs, report.outputs, 2)) return 0;
      const bool fits = coordinates == 0 || std::any_of(report.outputs.begin(), report.outputs.end(), [&](const TensorSummary& port) {
                          return port.shape.size() == 2 && port.shape[1] == coordinates;
                        });
      return fits ? score : 0;
    }
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

void NetworkProbe::look(std::size_t at, const diffusion::State& x, const diffusion::State& clean, double level, std::size_t d) {
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double z = (x[i] - clean[i]) / level;
    sum += z, squares += z * z;
  }
  const auto count = static_cast<double>(x.size());
  Level& row = levels.at(at);
  row = {level, level * std::sqrt(squares / count * static_cast<double>(d)), std::sqrt(std::max(squares / count - sum * sum / (count * count), 0.0))};
  const bool far = at == 0 && !(row.noise > 0.7 && row.noise < 1.4), more = at > 0 && !(row.noise < 2);
  if (!complaint.empty() || !(far || more)) return;
  const std::string where = fmt::format("{:.3g}", level), found = fmt::format("{:.2g}", row.noise);
  complaint = far ? trf("its noise at σ = {} has deviation {}, not about 1: is what is said of the network true?", where, found)
                  : trf("its noise at σ = {} has deviation {}, more than twice what is there: is what is said of the network true?", where, found);
}

NetworkProbe probeNetwork(const models::PointDenoiser& network, const diffusion::State& x, double top, double bottom) {
  constexpr int steps = 40;                // from 80 down to 0.02 each takes a fifth of the level away
  constexpr std::size_t mostPoints = 128;  // the deviation of 256 numbers is off by 4%
  const std::size_t d = network.dimension(), n = std::min(mostPoints, x.size() / d);
  const auto first = x.begin();
  diffusion::State at(std::vector<double>(first, first + static_cast<std::ptrdiff_t>(n * d)));
  bottom = std::min(bottom, top / 100);
  NetworkProbe probe;
  for (int k = 0; k <= steps; ++k) {
    const double level = top * std::pow(bottom / top, static_cast<double>(k) / steps);
    const diffusion::State clean = network.denoise(at, level);
    if (k % (steps / 2) == 0) probe.look(static_cast<std::size_t>(2 * k / steps), at, clean, level, d);
    at += (std::pow(bottom / top, 1.0 / steps) - 1) * (at - clean);
  }
  // Its schedule's end answers for all above it. 5% more: DDPM's chain and its limit end at 157 and 152.
  if (const double most = network.highestLevel(); probe.complaint.empty() && top > 1.05 * most) {
    probe.complaint = trf("its noise schedule ends at σ = {}: of what lies above, up to {}, it has learnt nothing", fmt::format("{:.3g}", most),
                          fmt::format("{:.3g}", top));
  }
  return probe;
}

std::string NetworkProbe::summary() const {
  const auto each = [&](double Level::*value) {
    return fmt::format("{:.2g}, {:.2g}, {:.2g}", levels[0].*value, levels[1].*value, levels[2].*value);
  };
  return trf("your network at σ = {}: std ε̂ = {}, |x̂₀ − x| = {}", each(&Level::level), each(&Level::noise), each(&Level::moved));
}

std::vector<Metric> NetworkProbe::metrics() const {
  std::vector<Metric> result;
  const char* names[] = {"high", "middle", "low"};
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const std::string at = names[i];
    result.push_back({"probe.level." + at, levels[i].level, ""});
    result.push_back({"probe.noise." + at, levels[i].noise, ""});
    result.push_back({"probe.moved." + at, levels[i].moved, ""});
  }
  return result;
}

std::string pointNetworkComplaint(const models::PointDenoiser& network, const diffusion::State& x, double level) {
  return probeNetwork(network, x, level).complaint;
}

}  // namespace orrery::generative
