// What the lab edm-unified offers: its parameters, presets and views.

#include "core/labs/generative/edm_unified/lab.h"
#include "core/labs/generative/shared/stated_network.h"

namespace orrery::generative {

LabEntry EdmUnified::describe() {
  LabEntry entry;
  entry.id = "generative/edm-unified";
  entry.title = "One design space";
  entry.summary = "DDPM, score matching and flow matching are one model with different knobs";
  using namespace std::string_literals;
  // A function, because the registration of the lab runs before other files' statics exist.
  Choice views;
  for (const NetworkView& view : networkViews()) views.options.push_back({view.id, view.title});
  entry.parameters = {
      {"data", "Data", "A density on the line whose denoiser is known exactly.", "Density", "1d-tri"s,
       Choice{{{"1d-tri", "Three modes on a line"}, {"1d-gauss", "One Gaussian on a line"}}}},
      {"width", "Its standard deviation", "Of the one Gaussian.", "Density", 0.5, Real{0.05, 5, 0.01}, "",
       [](const Values& v) { return std::get<std::string>(v.find("data")->second) == "1d-gauss"; }},
      {"law", "Noising law s, σ", "Scale s(t) and noise level σ(t) of xₜ = s x₀ + s σ ε.", "Law", "vp"s,
       Choice{{{"vp", "Variance preserving SDE"},
               {"ve", "Variance exploding SDE"},
               {"edm", "EDM"},
               {"flow", "Flow matching, straight path"},
               {"trigonometric", "Trigonometric"}}}},
      {"sigma-min", "Smallest noise level σ", "Where paths end.", "Law", 0.02, LogReal{0.0105, 0.5}},
      {"sigma-max", "Largest noise level σ", "Where paths begin.", "Law", 20.0, LogReal{2, 49}},
      {"preconditioning", "Preconditioning", "How a network is wrapped: D = c_skip x + c_out F(c_in x; c_noise).", "Network", "edm"s,
       views},
      {"measure", "Measure σ of the data", "Tells the preconditioning the data's own standard deviation.", "Network", true, Switch{}},
      {"data-deviation", "Data deviation σ_d", "What the preconditioning is told the data's standard deviation is.", "Network", 0.5,
       Real{0.05, 5, 0.01}, "", [](const Values& v) { return !std::get<bool>(v.find("measure")->second); }},
      {"p-mean", "Mean of ln σ in training", "Centre of EDM's noise levels in training; drag its line.", "Network", -1.2,
       Real{-5, 3, 0.05}},
      {"p-std", "Deviation of ln σ in training", "Width of EDM's noise levels in training.", "Network", 1.2, Real{0.1, 3, 0.05}},
      {"level", "Noise level shown σ", "At which the six parameterisations are drawn; drag its line.", "Network", 0.5, LogReal{0.002, 80}},
      {"solver", "Solver", "Steps in the law's own time.", "Sampling", "heun"s,
       Choice{{{"euler", "Euler"}, {"heun", "Heun"}, {"rk4", "Runge–Kutta 4"}}}},
      {"steps", "Steps", "From the largest level to the smallest.", "Sampling", Value(std::int64_t{12}), Integer{2, 256, true}},
      {"grid", "Grid", "How the noise levels are spaced.", "Sampling", "karras"s,
       Choice{{{"karras", "Karras"}, {"exponential", "Exponential"}, {"linear-sigma", "Linear in σ"}}}},
  };
  const auto networked = [](const Values& v) { return std::get<std::string>(v.find("denoiser")->second) == "network"; };
  std::vector<Parameter> denoiser = {{"denoiser", "Denoiser", "What the solver asks for D: the exact answer, or a network of yours.",
                                      "Denoiser", "exact"s, Choice{{{"exact", "Exact"}, {"network", "Your network"}}}}};
  const auto network = pointNetworkParameters(networked, "network-schedule");
  denoiser.insert(denoiser.end(), network.begin(), network.end());
  entry.parameters.insert(entry.parameters.begin() + 2, denoiser.begin(), denoiser.end());
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
  };
  entry.views = {{"raw", "Paths in the law's coordinates"},
                 {"scaled", "The same paths, scaled"},
                 {"scales", "What the network sees"},
                 {"loss", "Loss per noise level"},
                 {"epsilon", "Noise ε"},
                 {"x0", "Data x₀"},
                 {"v", "v"},
                 {"velocity", "Velocity"},
                 {"score", "Score"},
                 {"F", "EDM's F"}};
  entry.accepts = {pointNetworkAcceptance({{"denoiser", "network"s}}, 71, 1)};
  entry.make = [] { return std::make_unique<EdmUnified>(); };
  return entry;
}

}  // namespace orrery::generative
