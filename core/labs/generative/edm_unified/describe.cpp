// What the lab edm-unified offers: its parameters, presets and views.

#include <algorithm>

#include "core/labs/generative/edm_unified/lab.h"
#include "core/labs/generative/shared/stated_network.h"
#include "core/labs/generative/shared/step_grid.h"

namespace orrery::generative {

namespace {

using namespace std::string_literals;

const std::string& textOf(const Values& values, const char* id) { return std::get<std::string>(values.find(id)->second); }
bool inPlane(const Values& v) { return textOf(v, "data") == "plane"; }
bool droppedScene(const Values& v) { return inPlane(v) && textOf(v, "scene") == "dropped"; }
bool drawnScene(const Values& v) { return inPlane(v) && textOf(v, "scene") == "drawn"; }
bool networked(const Values& v) { return textOf(v, "denoiser") == "network"; }
bool planeNetworked(const Values& v) { return networked(v) && droppedScene(v); }
bool churned(const Values& v) { return std::get<double>(v.find("churn")->second) > 0; }
bool drawnLawChosen(const Values& v) { return textOf(v, "law") == "drawn"; }

// The plane's own, shown when the data lie there. Nothing is painted: the pictures show one coordinate.
std::vector<Parameter> sceneParameters() {
  std::vector<Parameter> parameters = planeSceneParameters("ring8");
  for (Parameter& p : parameters) {
    if (p.id == "scene" || p.id == "spread") p.visible = inPlane;
    if (p.id == "file" || p.id == "invert") p.visible = droppedScene;
    if (p.id == "strokes") p.visible = drawnScene;
  }
  std::erase_if(parameters, [](const Parameter& p) { return p.id == "brush"; });
  return parameters;
}

}  // namespace

LabEntry EdmUnified::describe() {
  LabEntry entry;
  entry.id = "generative/edm-unified";
  entry.title = "One design space";
  entry.summary = "DDPM, score matching and flow matching are one model with different knobs";
  // A function, because the registration of the lab runs before other files' statics exist.
  Choice views;
  for (const NetworkView& view : networkViews()) views.options.push_back({view.id, view.title});
  entry.parameters = {
      {"data", "Data", "A density whose denoiser is known exactly.", "Density", "1d-tri"s,
       Choice{{{"1d-tri", "Three modes on a line"}, {"1d-gauss", "One Gaussian on a line"}, {"plane", "A shape of the plane"}}}},
      {"width", "Its standard deviation", "Of the one Gaussian.", "Density", 0.5, Real{0.05, 5, 0.01}, "",
       [](const Values& v) { return textOf(v, "data") == "1d-gauss"; }},
      {"law", "Noising law s, σ", "Scale s(t) and noise level σ(t) of xₜ = s x₀ + s σ ε.", "Law", "edm"s,
       Choice{{{"vp", "Variance preserving SDE"},
               {"ve", "Variance exploding SDE"},
               {"edm", "EDM"},
               {"flow", "Flow matching, straight path"},
               {"trigonometric", "Trigonometric"},
               {"drawn", "Drawn by you"}}}},
      {"scale-curve", "Scale s(t)", "Values at evenly spaced times from 0 to 1, the first 1; or drag the points of its curve.", "Law",
       "1, 0.9, 0.6, 0.3, 0.1"s, Text{}, "", drawnLawChosen},
      {"level-curve", "Noise level σ(t)", "Values at the same times, rising from 0; or drag the points of its curve.", "Law",
       "0, 0.3, 1, 4, 30"s, Text{}, "", drawnLawChosen},
      {"preconditioning", "Preconditioning", "How a network is wrapped: D = c_skip x + c_out F(c_in x; c_noise).", "Network", "edm"s,
       views},
      {"measure", "Measure σ of the data", "Tells the preconditioning the data's own standard deviation.", "Network", true, Switch{}},
      {"data-deviation", "Data deviation σ_d", "What the preconditioning is told the data's standard deviation is.", "Network", 0.5,
       Real{0.05, 5, 0.01}, "", [](const Values& v) { return !std::get<bool>(v.find("measure")->second); }},
      {"flow-times", "Times t in training", "Of the straight path. Logit-normal: ln σ = logit t has the mean and the deviation below.",
       "Network", "uniform"s, Choice{{{"uniform", "Uniform"}, {"logit-normal", "Logit-normal"}}}, "",
       [](const Values& v) { return textOf(v, "preconditioning") == "flow"; }},
      {"p-mean", "Mean of ln σ in training", "Centre of EDM's noise levels in training; drag its line.", "Network", -1.2,
       Real{-5, 3, 0.05}},
      {"p-std", "Deviation of ln σ in training", "Width of EDM's noise levels in training; drag its line.", "Network", 1.2,
       Real{0.1, 3, 0.05}},
      {"level", "Noise level shown σ", "At which the six parameterisations are drawn; drag its line.", "Network", 0.5, LogReal{0.002, 80}},
      {"solver", "Solver", "Steps in the law's own time.", "Sampling", "heun"s,
       Choice{{{"euler", "Euler"}, {"heun", "Heun"}, {"rk4", "Runge–Kutta 4"}}}},
      {"alpha", "Second slope at α", "Of Heun's step: 1 is Heun's method, 1/2 the midpoint method, 2/3 Ralston's.", "Sampling", 1.0,
       Real{0.1, 1, 0.01}, "", [](const Values& v) { return textOf(v, "solver") == "heun"; }},
      {"steps", "Steps", "From the largest level to the smallest.", "Sampling", Value(std::int64_t{18}), Integer{2, 256, true}},
      {"final-zero", "Last step to 0", "After the smallest level a step to σ = 0, which is D.", "Sampling", false, Switch{}},
      {"churn", "Churn", "How much noise is added again, over all steps (S_churn).", "Sampling", 0.0, Real{0, 100, 1}},
      {"churn-from", "Churn from σ", "Noise is added above this level (S_tmin).", "Sampling", 0.0, Real{0, 10, 0.01}, "", churned},
      {"churn-to", "Churn up to σ", "Noise is added below this level (S_tmax).", "Sampling", 1000.0, Real{0, 1000, 1}, "", churned},
      {"churn-noise", "Churn noise", "Deviation of the added noise (S_noise).", "Sampling", 1.0, Real{0.98, 1.02, 0.001}, "", churned},
      {"seed", "Seed", "All random numbers follow from it.", "Sampling", Value(std::int64_t{20261123}), Seed{}},
  };
  const auto grid = stepGridParameters("karras", 0.002, 80);
  entry.parameters.insert(entry.parameters.end(), grid.begin(), grid.end());
  const auto scene = sceneParameters();
  entry.parameters.insert(entry.parameters.begin() + 2, scene.begin(), scene.end());
  std::vector<Parameter> denoiser = {{"denoiser", "Denoiser", "What the solver asks for D: the exact answer, or a network of yours.",
                                      "Denoiser", "exact"s, Choice{{{"exact", "Exact"}, {"network", "Your network"}}}}};
  auto network = planeNetworkParameters(networked, "network-schedule");
  for (Parameter& p : network) {
    if (p.id == "network-units" || p.id == "network-scale") p.visible = planeNetworked;
  }
  denoiser.insert(denoiser.end(), network.begin(), network.end());
  const auto law = std::find_if(entry.parameters.begin(), entry.parameters.end(), [](const Parameter& p) { return p.id == "law"; });
  entry.parameters.insert(law, denoiser.begin(), denoiser.end());
  entry.presets = {
      {"one-vector",
       "Six names, one vector",
       "ε, x₀, v, velocity, score and F say the same thing: each panel is a straight map of another, given the state.",
       {}},
      {"clocks",
       "Same curve, different clocks",
       "In their own coordinates the paths of the straight path bend little; scaled, they are those of every other law.",
       {{"law", "flow"s}, {"steps", Value(std::int64_t{8})}}},
      {"no-preconditioning",
       "No preconditioning",
       "A network that predicts x₀ sees inputs that grow with σ and is asked for nothing new at small σ; its loss is lopsided.",
       {{"preconditioning", "data"s}}},
      {"gaussian",
       "Nothing to learn",
       "On Gaussian data of the deviation it is told, EDM's F is 0 at every noise level: D = c_skip x.",
       {{"data", "1d-gauss"s}}},
      {"stochastic",
       "EDM stochastic",
       "Karras et al.'s setting for ImageNet-64: noise is added again in every step, paths are lost, and the cloud keeps the data's law.",
       {{"steps", Value(std::int64_t{256})}, {"final-zero", true}, {"churn", 40.0}, {"churn-from", 0.05}, {"churn-to", 50.0}, {"churn-noise", 1.003}}},
      {"own-law",
       "A law of your own",
       "Any s(t) above 0 and any rising σ(t) lead along the same scaled curves; drag the points.",
       {{"law", "drawn"s}}},
      {"plane",
       "In the plane",
       "The same for a ring of eight blobs, or for your points and pictures, whose deviation is σ_d: the pictures show one coordinate.",
       {{"data", "plane"s}}},
  };
  entry.views = {{"law", "Scale and noise level"},
                 {"raw", "Paths in the law's coordinates"},
                 {"scaled", "The same paths, scaled"},
                 {"scales", "What the network sees"},
                 {"coefficients", "The wrapping's coefficients"},
                 {"loss", "Loss per noise level"},
                 {"epsilon", "Noise ε"},
                 {"x0", "Data x₀"},
                 {"v", "v"},
                 {"velocity", "Velocity"},
                 {"score", "Score"},
                 {"F", "EDM's F"}};
  Acceptance shape = planeSceneAcceptance();
  shape.also["data"] = "plane"s;
  entry.accepts = {shape, pointNetworkAcceptance({{"denoiser", "network"s}}, 71, 1),
                   pointNetworkAcceptance({{"denoiser", "network"s}, {"data", "plane"s}}, 55, 2)};
  entry.make = [] { return std::make_unique<EdmUnified>(); };
  return entry;
}

}  // namespace orrery::generative
