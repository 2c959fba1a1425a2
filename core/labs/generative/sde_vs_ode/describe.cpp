// What the lab sde-vs-ode offers: its parameters, presets, views and files.

#include <algorithm>

#include "core/labs/generative/sde_vs_ode/lab.h"
#include "core/labs/generative/shared/stated_network.h"
#include "core/labs/generative/shared/step_grid.h"

namespace orrery::generative {

namespace {

const std::string& textOf(const Values& values, const char* id) { return std::get<std::string>(values.find(id)->second); }

bool drawn(const Values& values) { return textOf(values, "scene") == "drawn"; }
bool dropped(const Values& values) { return textOf(values, "scene") == "dropped"; }
bool fanShown(const Values& values) { return textOf(values, "lower-left") == "fan" || textOf(values, "lower-right") == "fan"; }
bool never(const Values&) { return false; }

bool uses(const Values& values, std::string_view solver) {
  return textOf(values, "solver-left") == solver || textOf(values, "solver-right") == solver;
}
bool asksNetwork(const Values& values) {
  return textOf(values, "denoiser-left") == "network" || textOf(values, "denoiser-right") == "network";
}

// Functions, because the registration of the lab runs before this file's own statics exist.
Choice denoisers() { return {{{"exact", "Exact"}, {"network", "Your network"}}}; }

Choice lowerPanels() {
  return {{{"distance", "Distance to the exact density"},
           {"energy", "Energy distance"},
           {"discrepancy", "Maximum mean discrepancy"},
           {"likelihood", "Likelihood under the exact density"},
           {"table", "All distances now"},
           {"forget", "Who forgets the start"},
           {"modes", "Mode mass"},
           {"fan", "One start, many futures"},
           {"marginals", "Marginals at time t"},
           {"difference", "Left minus right"},
           {"two-time", "Start against now"},
           {"network", "What the network gets wrong"},
           {"network-levels", "The network's error by noise level"}}};
}

int scoreOf(const FileReport& report) {
  if (report.error) return 0;
  if (report.kind == "image" || report.kind == "points") return 60;
  if (report.kind == "npy" || report.kind == "npz" || report.kind == "safetensors") {
    // A lone table of a few columns is a point set; archives of q, k, v belong elsewhere.
    for (const TensorSummary& tensor : report.tensors) {
      if (tensor.readable && tensor.shape.size() == 2 && tensor.shape[1] >= 2 && tensor.shape[1] <= 64)
        return report.tensors.size() == 1 ? 60 : 15;
    }
  }
  return 0;
}

}  // namespace

LabEntry SdeVsOde::describe() {
  LabEntry entry;
  entry.id = "generative/sde-vs-ode";
  entry.title = "SDE and ODE paths";
  entry.summary = "Same marginals, different paths";
  using namespace std::string_literals;
  const auto whole = [](std::int64_t v) { return Value(v); };
  entry.parameters = {
      {"scene", "Shape", "The density both samplers know exactly.", "Density", "ring8"s,
       Choice{{{"ring8", "Ring of 8"},
               {"grid25", "Grid of 25"},
               {"tri", "Three ellipses"},
               {"two-deltas", "Two points"},
               {"gauss", "One Gaussian"},
               {"ncsn-toy", "Two far blobs"},
               {"moons", "Two moons"},
               {"spiral", "Spiral"},
               {"pinwheel", "Pinwheel"},
               {"checker", "Checkerboard"},
               {"drawn", "Painted by you"},
               {"dropped", "From a file"}}}},
      {"spread", "Spread", "Multiplies the width of every blob.", "Density", 1.0, LogReal{0.1, 10}},
      {"file", "File", "Points as CSV or npy, or any image taken as a density.", "Density", Asset{},
       FileWell{{"points", "npy", "npz", "image"}, false}, "", dropped},
      {"invert", "Dark is dense", "Whether dark pixels hold the mass.", "Density", true, Switch{}, "", dropped},
      {"brush", "Brush radius", "Drag over a picture to paint; with the secondary button or Alt, to erase.", "Density", 0.15, Real{0.02, 1},
       "", drawn},
      {"strokes", "Painting", "The dabs of the painting: x,y,radius joined by semicolons.", "Density", ""s, Text{false, 1 << 18}, "",
       drawn},
      {"components", "Moved blobs", "Blobs dragged away from the scene's own places.", "Density", ""s, Text{}, "", never},
      {"noise-share-left", "Noise share left ζ", "0 is the probability-flow ODE, 1 the reverse SDE; every value has the same marginals.",
       "Samplers", 1.0, Real{0, 3, 0.01}},
      {"noise-share-right", "Noise share right ζ", "0 is the probability-flow ODE, 1 the reverse SDE; every value has the same marginals.",
       "Samplers", 0.0, Real{0, 3, 0.01}},
      {"solver-left", "Solver left",
       "With a noise share above 0, one-step solvers run in their ancestral form and the multistep DPM-Solver++ in its SDE form.",
       "Samplers", "em"s, cloudSolvers()},
      {"solver-right", "Solver right",
       "With a noise share above 0, one-step solvers run in their ancestral form and the multistep DPM-Solver++ in its SDE form.",
       "Samplers", "heun"s, cloudSolvers()},
      {"absolute-tolerance", "Absolute tolerance", "Of the adaptive solver, which chooses its own steps.", "Samplers", 1e-4,
       LogReal{1e-6, 0.1}, "", [](const Values& v) { return uses(v, "rk45"); }},
      {"relative-tolerance", "Relative tolerance", "Of the adaptive solver, which chooses its own steps.", "Samplers", 1e-3,
       LogReal{1e-6, 0.1}, "", [](const Values& v) { return uses(v, "rk45"); }},
      {"corrector-steps", "Corrector steps", "Langevin steps at every level.", "Samplers", whole(1), Integer{0, 10}, "",
       [](const Values& v) { return uses(v, "langevin-pc"); }},
      {"corrector-ratio", "Corrector signal to noise", "Sets the size of a Langevin step.", "Samplers", 0.16, Real{0.01, 0.5, 0.01}, "",
       [](const Values& v) { return uses(v, "langevin-pc"); }},
      {"steps", "Steps N", "Steps of both samplers; the Brownian path stays the same.", "Samplers", whole(128), Integer{2, 2000, true}},
      {"start-shift", "Start shifted by", "Moves the start cloud to the right, in units of its own deviation.", "What if", 0.0,
       Real{-1, 1, 0.01}, "σ"},
      {"start-shift-y", "Start shifted up by", "Moves the start cloud up, in units of its own deviation.", "What if", 0.0,
       Real{-1, 1, 0.01}, "σ"},
      {"start-scale", "Start widened by", "Multiplies the deviation of the start cloud.", "What if", 1.0, Real{0.2, 3, 0.01}},
      {"score-error", "Score error", "How much of the error below is in the exact score.", "What if", 0.0, Real{0, 1, 0.01}},
      {"score-error-kind", "Kind of error", "What an imperfect network does.", "What if", "shrink"s,
       Choice{{{"shrink", "Shrunken score"},
               {"constant", "Constant push"},
               {"field", "Smooth noise field"},
               {"missing", "A mode is missing"}}}},
      {"particles", "Particles", "How many start together.", "Particles", whole(4096), Integer{256, 1 << 18, true}},
      {"trails", "Trails", "How many particles leave a trail.", "Particles", whole(32), Integer{0, 512}},
      {"trail-length", "Trail length", "Which share of the run a trail goes back.", "Particles", 0.5, Real{0.02, 1, 0.01}},
      {"shared-start", "Shared start", "Both samplers start from the same cloud.", "Particles", true, Switch{}},
      {"shared-noise", "Shared noise", "Both samplers use the same Brownian path.", "Particles", true, Switch{}},
      {"traced", "Traced particle",
       "Its path and its posterior stand out; −1 is none. Click a particle to choose it, drag it to send it elsewhere.", "Particles",
       whole(-1), Integer{-1, (1 << 18) - 1}},
      {"moved-particle", "Moved particle", "Which particle was dragged, at which step and to where: particle,step,x,y.", "Particles", ""s,
       Text{}, "", never},
      {"fan-x", "Fan starts at x", "The one start of the fan-out panel, in deviations of the start cloud.", "Particles", 0.6,
       Real{-4, 4, 0.01}, "", fanShown},
      {"fan-y", "Fan starts at y", "The one start of the fan-out panel, in deviations of the start cloud.", "Particles", 0.25,
       Real{-4, 4, 0.01}, "", fanShown},
      {"schedule", "Shown as", "The scale of the picture: the paths are the same in all three.", "Picture", "edm"s,
       Choice{{{"edm", "Unscaled (EDM)"}, {"vp", "Variance preserving"}, {"linear", "Straight mix"}}}},
      {"density", "Exact density", "The exact density at this time behind the particles.", "Picture", true, Switch{}},
      {"vector-field", "Vector field", "Where the ODE pushes.", "Picture", false, Switch{}},
      {"lower-left", "Lower left", "What the lower left panel shows.", "Picture", "distance"s, lowerPanels()},
      {"lower-right", "Lower right", "What the lower right panel shows.", "Picture", "forget"s, lowerPanels()},
      {"seed", "Seed", "All random numbers follow from it.", "Randomness", whole(20261120), Seed{}},
  };
  const std::vector<Parameter> sides = {
      {"denoiser-left", "Denoiser left", "What the left sampler asks: the exact D, or a network of yours.", "Denoiser", "exact"s,
       denoisers()},
      {"denoiser-right", "Denoiser right", "What the right sampler asks: the exact D, or a network of yours.", "Denoiser", "exact"s,
       denoisers()}};
  const auto network = planeNetworkParameters(asksNetwork, "network-schedule");
  const auto samplers =
      std::find_if(entry.parameters.begin(), entry.parameters.end(), [](const Parameter& p) { return p.group == "Samplers"; });
  entry.parameters.insert(entry.parameters.insert(samplers, network.begin(), network.end()), sides.begin(), sides.end());
  const auto grid = stepGridParameters("karras", 0.002, 80);
  const auto after = std::find_if(entry.parameters.begin(), entry.parameters.end(), [](const Parameter& p) { return p.id == "start-shift"; });
  entry.parameters.insert(after, grid.begin(), grid.end());
  entry.presets = {
      {"two-roads",
       "Two roads",
       "Jagged against smooth, and the same density at every tick.",
       {{"noise-share-left", 1.0}, {"noise-share-right", 0.0}, {"solver-left", "euler-a"s}, {"steps", whole(256)}}},
      {"forgetful-and-faithful",
       "Forgetful and faithful",
       "The start is shifted by half its deviation: the ODE ends displaced, the SDE does not.",
       {{"start-shift", 0.5}, {"steps", whole(256)}}},
      {"bad-score",
       "Bad score",
       "The score is too small by a fifth: only noise repairs it.",
       {{"score-error", 0.2}, {"score-error-kind", "shrink"s}, {"steps", whole(256)}, {"lower-right", "marginals"s}}},
      {"too-few-steps",
       "Too few steps",
       "Eight steps: Heun smears between the modes, the SDE leaves a halo.",
       {{"steps", whole(8)}, {"lower-right", "modes"s}}},
  };
  entry.views = {{"left", "Left sampler"},
                 {"right", "Right sampler"},
                 {"distance", "Distance to the exact density"},
                 {"energy", "Energy distance"},
                 {"forget", "Who forgets the start"},
                 {"modes", "Mode mass"},
                 {"fan", "One start, many futures"},
                 {"marginals", "Marginals at time t"},
                 {"difference", "Left minus right"},
                 {"two-time", "Start against now"},
                 {"discrepancy", "Maximum mean discrepancy"},
                 {"likelihood", "Likelihood under the exact density"},
                 {"table", "All distances now"},
                 {"network", "What the network gets wrong"},
                 {"network-levels", "The network's error by noise level"}};
  entry.accepts = {{"points (CSV, npy) or an image as a density", "file", scoreOf, {{"scene", "dropped"s}}},
                   pointNetworkAcceptance({{"denoiser-right", "network"s}, {"lower-right", "network"s}}, 65, 2)};
  entry.make = [] { return std::make_unique<SdeVsOde>(); };
  return entry;
}

}  // namespace orrery::generative
