// What the lab samplers offers: its parameters, presets and views.

#include <algorithm>

#include "core/diffusion/library_names.h"
#include "core/labs/generative/samplers/lab.h"
#include "core/labs/generative/shared/plane_scene.h"
#include "core/labs/generative/shared/stated_network.h"
#include "core/labs/generative/shared/step_grid.h"

namespace orrery::generative {

namespace {

const std::string& textOf(const Values& values, const char* id) { return std::get<std::string>(values.find(id)->second); }

// The sampler of a side: that of a library's name where there is one.
std::string samplerOf(const Values& values, const std::string& side) {
  const auto found = diffusion::fromLibrary(textOf(values, (side + "-name").c_str()));
  return found && found->sampler != nullptr ? found->sampler->id : textOf(values, side.c_str());
}
bool uses(const Values& values, std::string_view part) {
  return samplerOf(values, "left").find(part) != std::string::npos || samplerOf(values, "right").find(part) != std::string::npos;
}

bool networked(const Values& values) { return textOf(values, "scene") == "network"; }
bool onLine(const Values& values) { return textOf(values, "scene").starts_with("1d"); }

// Whether neither name of another library stands for a grid or for this side's sampler: then the choice here is what runs.
bool namesNoGrid(const Values& values) {
  for (const char* id : {"left-name", "right-name"})
    if (const auto found = diffusion::fromLibrary(textOf(values, id)); found && found->grid != nullptr) return false;
  return true;
}
bool namesNoSampler(const Values& values, const char* id) {
  const auto found = diffusion::fromLibrary(textOf(values, id));
  return !found || found->sampler == nullptr;
}

}  // namespace

LabEntry SamplerBench::describe() {
  LabEntry entry;
  entry.id = "generative/samplers";
  entry.title = "Sampler bench";
  entry.summary = "Forty samplers against the exact path";
  using namespace std::string_literals;
  const auto whole = [](std::int64_t v) { return Value(v); };
  entry.parameters = {
      {"particles", "Particles", "Starts in the plane; on the line there are 24, at the quantiles 0.03 to 0.97.", "Density", whole(64),
       Integer{8, 512, true}, "", [](const Values& v) { return !onLine(v); }},
      {"score-error", "Score error", "How much of the error below is in the score that the samplers see.", "What if", 0.0, Real{0, 1, 0.01}},
      {"score-error-kind", "Kind of error", "What an imperfect network does.", "What if", "shrink"s,
       Choice{{{"shrink", "Shrunken score"}, {"constant", "Constant push"}, {"field", "Smooth noise field"}}}, "",
       [](const Values& v) { return std::get<double>(v.find("score-error")->second) > 0; }},
      {"left", "Sampler left", "Runs beside the right one on the same start and the same Brownian path.", "Samplers", "heun"s, samplerChoice(),
       "", [](const Values& v) { return namesNoSampler(v, "left-name"); }},
      {"left-name", "Library name left",
       "In place of the choice above, a sampler and a grid as another library names them: sample_dpmpp_2m_sde + karras.", "Samplers", ""s,
       Text{}},
      {"right", "Sampler right", "Runs beside the left one on the same start and the same Brownian path.", "Samplers", "dpm++2m"s,
       samplerChoice(), "", [](const Values& v) { return namesNoSampler(v, "right-name"); }},
      {"right-name", "Library name right",
       "In place of the choice above, a sampler and a grid as another library names them: EulerDiscreteScheduler(use_karras_sigmas=True).",
       "Samplers", ""s, Text{}},
      {"nfe", "Evaluations", "How many times each of the two may ask the denoiser; steps = evaluations / evaluations per step.", "Samplers",
       whole(16), Integer{1, 1024, true}},
      {"contestants", "Chart shows", "Which samplers the error chart compares.", "Samplers", "classics"s,
       Choice{{{"classics", "Eight classics"},
               {"one-step", "One step, several evaluations"},
               {"multistep", "Multistep"},
               {"third", "Second or third order?"},
               {"adaptive", "Adaptive steps"},
               {"stochastic", "Stochastic, in law"},
               {"own", "Your choice"}}}},
      {"compared", "Samplers compared", "Their ids or other libraries' names, separated by commas; orrery show generative/samplers lists the ids.", "Samplers",
       "euler, heun, dpm++2m, unipc-2, rk45"s, Text{}, "", [](const Values& v) { return textOf(v, "contestants") == "own"; }},
      {"final-zero", "Final step to 0", "Adds a last step from the smallest level to D.", "Step grid", false, Switch{}},
      {"start-up", "Start-up", "Multistep samplers begin with lower orders, or with values of the exact path.", "Options", "self"s,
       Choice{{{"self", "On their own"}, {"exact", "From the exact path"}}}},
      {"second-difference", "3M second difference κ", "As commonly coded, the second difference lacks a factor 2 and the order stays 2.",
       "Options", "coded"s, Choice{{{"coded", "As coded, κ = 1"}, {"consistent", "Consistent, κ = 2"}}}},
      {"eta", "Noise share η", "Of ancestral samplers and SDE solvers: 0 is the ODE.", "Options", 1.0, Real{0, 1.5, 0.01}},
      {"noise-scale", "Noise scale", "Multiplies every random step.", "Options", 1.0, Real{0.9, 1.1, 0.001}},
      {"unipc-order", "UniPC order", "How many denoised states UniPC's predictor remembers.", "Options", whole(2), Integer{1, 3}, "",
       [](const Values& v) { return uses(v, "unipc"); }},
      {"unipc-variant", "UniPC variant", "The function B(h) of its weights.", "Options", "bh2"s, Choice{{{"bh1", "bh1"}, {"bh2", "bh2"}}}},
      {"unipc-corrector", "UniPC corrector", "Off: the predictor alone, one order lower.", "Options", true, Switch{}, "",
       [](const Values& v) { return uses(v, "unipc"); }},
      {"gradient-gamma", "Gradient estimation γ", "How far the direction is extrapolated from its last change; 1 is Euler.", "Options", 2.0,
       Real{1, 5, 0.05}, "", [](const Values& v) { return uses(v, "gradient-estimation"); }},
      {"lms-order", "LMS order", "How many directions LMS remembers.", "Options", whole(4), Integer{1, 4}, "",
       [](const Values& v) { return uses(v, "lms"); }},
      {"sde-form", "2M SDE form", "How the second-order term is weighted.", "Options", "midpoint"s,
       Choice{{{"midpoint", "Midpoint"}, {"heun", "Heun"}}}, "", [](const Values& v) { return uses(v, "2m-sde"); }},
      {"churn", "Churn", "EDM: how much noise is added again, over all steps.", "Options", 40.0, Real{0, 100, 1}, "",
       [](const Values& v) { return uses(v, "edm"); }},
      {"churn-from", "Churn from σ", "EDM churns above this level.", "Options", 0.05, Real{0, 10, 0.01}, "",
       [](const Values& v) { return uses(v, "edm"); }},
      {"churn-to", "Churn up to σ", "EDM churns below this level.", "Options", 50.0, Real{0, 500, 1}, "",
       [](const Values& v) { return uses(v, "edm"); }},
      {"churn-noise", "Churn noise", "EDM: deviation of the added noise.", "Options", 1.003, Real{0.98, 1.02, 0.001}, "",
       [](const Values& v) { return uses(v, "edm"); }},
      {"absolute-tolerance", "Absolute tolerance", "Of the adaptive samplers.", "Options", 1e-4, LogReal{1e-10, 0.1}, "",
       [](const Values& v) { return uses(v, "rk45") || uses(v, "adaptive"); }},
      {"relative-tolerance", "Relative tolerance", "Of the adaptive samplers.", "Options", 1e-3, LogReal{1e-10, 0.1}, "",
       [](const Values& v) { return uses(v, "rk45") || uses(v, "adaptive"); }},
      {"corrector-steps", "Corrector steps", "Langevin steps at every level.", "Options", whole(1), Integer{0, 10}, "",
       [](const Values& v) { return uses(v, "langevin"); }},
      {"corrector-ratio", "Corrector signal to noise", "Sets the size of a Langevin step.", "Options", 0.16, Real{0.01, 0.5, 0.01}, "",
       [](const Values& v) { return uses(v, "langevin"); }},
      {"third", "Lower right", "What the lower right panel shows of the left sampler.", "Picture", "ruler"s,
       Choice{{{"ruler", "Where the steps are"},
               {"own", "Error of each step"},
               {"map", "Error by start"},
               {"attempts", "Accepted and rejected"},
               {"overlay", "One start, every sampler"},
               {"churn", "EDM's error by churn"}}}},
      {"traced", "Traced start", "Which start the panel of one start shows; −1 is none. Click a particle to choose it.", "Picture", whole(-1),
       Integer{-1, 511}, "", [](const Values& v) { return textOf(v, "third") == "overlay"; }},
      {"seed", "Seed", "All random numbers follow from it.", "Randomness", whole(20261120), Seed{}},
  };
  entry.presets = {
      {"orders", "Measured orders", "Eight classics on the line: the slope of each curve is its order.", {}},
      {"third-order",
       "Second or third order?",
       "The widely copied 3M is of second order; with the missing factor 2 it is of third.",
       {{"contestants", "third"s}, {"start-up", "exact"s}, {"left", "dpm++3m"s}, {"right", "dpm++2m"s}}},
      {"fair-fight",
       "Fair fight",
       "Ring of 8, Karras grid, 24 evaluations: Heun loses to Euler at this budget.",
       {{"scene", "ring8"s},
        {"grid", "karras"s},
        {"sigma-min", 0.002},
        {"sigma-max", 80.0},
        {"nfe", whole(24)},
        {"left", "heun"s},
        {"right", "euler"s},
        {"particles", whole(128)}}},
      {"bad-grid",
       "Bad grid",
       "Steps equal in σ leave almost none where the data take shape.",
       {{"scene", "ring8"s},
        {"grid", "linear-sigma"s},
        {"sigma-min", 0.002},
        {"sigma-max", 80.0},
        {"nfe", whole(24)},
        {"left", "euler"s},
        {"right", "heun"s}}},
      {"high-order-backfires",
       "High order backfires",
       "Steps uniform in VP time are very uneven in ln σ: extrapolation suffers.",
       {{"scene", "ring8"s},
        {"grid", "vp"s},
        {"sigma-min", 0.002},
        {"sigma-max", 80.0},
        {"nfe", whole(24)},
        {"left", "euler"s},
        {"right", "unipc"s},
        {"unipc-order", whole(3)},
        {"contestants", "multistep"s}}},
      {"noise-in-law",
       "Noise, judged in law",
       "One Gaussian: the variance of every stochastic sampler is followed exactly.",
       {{"scene", "1d-gauss"s},
        {"contestants", "stochastic"s},
        {"left", "euler-a"s},
        {"right", "em"s},
        {"nfe", whole(64)},
        {"churn-from", 0.0},
        {"churn-to", 500.0},
        {"churn-noise", 1.0}}},
      {"churn-trade-off",
       "Churn trade-off",
       "The score is too small by a fiftieth: some churn repairs what follows from it, more adds error of its own steps.",
       {{"scene", "1d-gauss"s},
        {"grid", "karras"s},
        {"sigma-min", 0.002},
        {"sigma-max", 80.0},
        {"nfe", whole(64)},
        {"left", "edm"s},
        {"right", "heun"s},
        {"contestants", "own"s},
        {"compared", "heun, edm, euler-a, dpm++2m-sde"s},
        {"score-error", 0.02},
        {"churn", 5.0},
        {"churn-from", 0.0},
        {"churn-to", 500.0},
        {"churn-noise", 1.0},
        {"third", "churn"s}}},
      {"hard-starts",
       "Hard starts",
       "A few starts carry most of the error: those whose paths pass between two rows of blobs.",
       {{"scene", "grid25"s},
        {"grid", "karras"s},
        {"sigma-min", 0.002},
        {"sigma-max", 80.0},
        {"nfe", whole(20)},
        {"left", "dpm++2m"s},
        {"right", "heun"s},
        {"third", "map"s}}},
      {"adaptive-steps",
       "Steps that adapt",
       "Two samplers that choose their own steps: short ones where the paths turn, and some taken back where they turned too soon.",
       {{"scene", "ring8"s},
        {"sigma-min", 0.002},
        {"sigma-max", 80.0},
        {"left", "dpm-adaptive"s},
        {"right", "rk45"s},
        {"contestants", "adaptive"s},
        {"third", "attempts"s}}},
  };
  // The scenes of the plane after those of the line.
  auto scene = planeSceneParameters("1d-tri");
  auto& shapes = std::get<Choice>(scene.front().domain).options;
  shapes.insert(shapes.begin(), {{"1d-tri", "Three modes on a line"}, {"1d-gauss", "One Gaussian on a line"}});
  shapes.push_back({"network", "Your network"});
  scene.front().help = "The density whose denoiser is known exactly; of more than 256 blobs an even choice is kept.";
  for (Parameter& p : scene)
    if (p.id == "spread") p.visible = [](const Values& v) { return !onLine(v) && !networked(v); };
  entry.parameters.insert(entry.parameters.begin(), scene.begin(), scene.end());
  auto grid = stepGridParameters("exponential", 0.02, 20);
  grid.front().visible = namesNoGrid;
  const auto options = std::find_if(entry.parameters.begin(), entry.parameters.end(), [](const Parameter& p) { return p.id == "final-zero"; });
  entry.parameters.insert(options, grid.begin(), grid.end());
  const auto network = pointNetworkParameters(networked);
  entry.parameters.insert(entry.parameters.begin() + 1, network.begin(), network.end());
  entry.views = {{"error", "Error against evaluations"}, {"left", "Left sampler"},         {"right", "Right sampler"},
                 {"apart", "Where they part"},           {"ruler", "Where the steps are"}, {"names", "As libraries name them"},
                 {"own", "Error of each step"},          {"map", "Error by start"},       {"attempts", "Accepted and rejected"},
                 {"overlay", "One start, every sampler"}, {"churn", "EDM's error by churn"}};
  entry.accepts = {pointNetworkAcceptance({{"scene", "network"s}}, 70, 0), planeSceneAcceptance()};
  entry.make = [] { return std::make_unique<SamplerBench>(); };
  return entry;
}

}  // namespace orrery::generative
