// What the lab rectified-flow offers: its parameters, presets, views and files.

#include <algorithm>

#include "core/labs/generative/rectified_flow/lab.h"
#include "core/labs/generative/shared/stated_network.h"

namespace orrery::generative {

namespace {

const std::string& textOf(const Values& values, const char* id) { return std::get<std::string>(values.find(id)->second); }
bool baseFromFile(const Values& values) { return textOf(values, "base") == "file"; }
bool learning(const Values& values) { return textOf(values, "velocity") == "network"; }
bool dropping(const Values& values) { return textOf(values, "velocity") == "dropped"; }
bool averaging(const Values& values) { return !learning(values); }

Choice lowerPanels() {
  return {{{"straightness", "Straightness"}, {"budget", "Cost budget"}, {"steps", "What a few steps do"}, {"training", "Training"}}};
}

}  // namespace

LabEntry RectifiedFlow::describe() {
  LabEntry entry;
  entry.id = "generative/rectified-flow";
  entry.title = "Rectified flow";
  entry.summary = "Straighten the paths until one step is enough";
  using namespace std::string_literals;
  const auto whole = [](std::int64_t v) { return Value(v); };
  Choice bases = sceneOptions(false);
  bases.options.insert(bases.options.begin(), {{"normal", "Standard normal"}, {"uniform", "Uniform square"}});
  bases.options.push_back({"file", "From a file"});
  entry.parameters = planeSceneParameters("ring8");
  std::get<Choice>(entry.parameters[0].domain).options.push_back({"1d-tri", "Three modes on a line"});
  const std::vector<Parameter> own = {
      {"base", "Base law", "Where the flow starts at t = 1.", "Density", "normal"s, std::move(bases)},
      {"base-file", "Base file", "Points as CSV or npy, or any image taken as a density.", "Density", Asset{},
       FileWell{{"points", "npy", "npz", "image"}, false}, "", baseFromFile},
      {"round", "Reflow round k", "1 learns independent pairs; each further round learns the pairs that the round before makes.", "Rounds",
       whole(2), Integer{1, 5}},
      {"velocity", "Velocity from",
       "Round 1 in closed form, or a network of yours, and the others averaged over pairs; all averaged; or a network.", "Rounds", "exact"s,
       Choice{{{"exact", "Closed form, then kernel regression"},
               {"regression", "Kernel regression on pairs"},
               {"network", "Network, trained live"},
               {"dropped", "Your network, then kernel regression"}}}},
      {"pairs", "Pairs per round n", "What the next round learns from.", "Rounds", whole(8192), Integer{1024, 1 << 20, true}},
      {"kernel-width", "Kernel width h", "Which pairs count as being here.", "Rounds", 0.12, LogReal{1e-3, 0.5}, "", averaging},
      {"pair-solver", "Solver for pairs", "How a round makes the pairs of the next.", "Rounds", "rk4"s,
       Choice{{{"rk4", "Runge–Kutta 4"}, {"heun", "Heun"}, {"euler", "Euler"}}}},
      {"pair-steps", "Steps for pairs", "Steps of that solver.", "Rounds", whole(32), Integer{1, 256, true}},
      {"noise-share", "Noise share of the pairs ζ", "Pairs of a random sampler would cross again: only 0 is allowed.", "Rounds", 0.0,
       Real{0, 1, 0.1}},
      {"distil", "Distil", "From round 2 on the network learns the one step from t = 1 only.", "Training", false, Switch{}, "", learning},
      {"time-law", "Times drawn from", "Which times the training sees most.", "Training", "uniform"s,
       Choice{{{"uniform", "Uniform"}, {"logit-normal", "Logit-normal"}, {"ends", "Both ends more often"}}}, "", learning},
      {"train-steps", "Training steps", "Per round.", "Training", whole(300), Integer{10, 20000, true}, "", learning},
      {"steps-per-frame", "Steps per frame", "Steps between two pictures.", "Training", whole(5), Integer{1, 200, true}, "", learning},
      {"batch", "Batch size", "Pairs per step.", "Training", whole(1024), Integer{64, 65536, true}, "", learning},
      {"learning-rate", "Learning rate η", "Of Adam; it falls to 0 by a cosine.", "Training", 4e-3, LogReal{1e-5, 0.1}, "", learning},
      {"width", "Units per layer", "The same for every hidden layer.", "Training", whole(128), Integer{8, 512, true}, "", learning},
      {"depth", "Hidden layers", "With SiLU.", "Training", whole(3), Integer{1, 6}, "", learning},
      {"steps", "Sampling steps N", "Euler steps of the picture on the right.", "Sampling", whole(1), Integer{1, 256, true}},
      {"particles", "Particles", "How many fresh starts are followed.", "Sampling", whole(512), Integer{256, 1 << 14, true}},
      {"start-x", "Start: x", "One start whose way in every round is drawn; drag it.", "Picture", 1.1, Real{-4, 4, 0.01}},
      {"start-y", "Start: y", "One start whose way in every round is drawn; drag it.", "Picture", 0.9, Real{-4, 4, 0.01}},
      {"density", "Density", "The exact data density behind the picture.", "Picture", true, Switch{}},
      {"lower-left", "Lower left", "What the lower left panel shows.", "Picture", "straightness"s, lowerPanels()},
      {"lower-right", "Lower right", "What the lower right panel shows.", "Picture", "steps"s, lowerPanels()},
      {"seed", "Seed", "All random numbers follow from it.", "Randomness", whole(20261121), Seed{}},
  };
  entry.parameters.insert(entry.parameters.end(), own.begin(), own.end());
  const auto training =
      std::find_if(entry.parameters.begin(), entry.parameters.end(), [](const Parameter& p) { return p.group == "Training"; });
  const auto network = planeNetworkParameters(dropping);
  entry.parameters.insert(training, network.begin(), network.end());
  entry.presets = {
      {"one-step-is-the-mean",
       "One step is the mean",
       "Round 1, one step: every particle lands on the mean of the data.",
       {{"round", whole(1)}, {"steps", whole(1)}}},
      {"reflow-twice",
       "Reflow twice",
       "One step of round 1 gives the centre of the ring; one step of a later round lands on it.",
       {{"round", whole(3)}, {"steps", whole(1)}}},
      {"line",
       "1-D is special",
       "After one reflow the fan of lines no longer crosses, and one step is exact.",
       {{"scene", "1d-tri"s}, {"round", whole(2)}, {"kernel-width", 0.02}}},
      {"budget",
       "Budget bar",
       "Three parts always add up to the cost of the pairs: the flow's cost, disagreement and straightness.",
       {{"scene", "tri"s}, {"lower-left", "budget"s}}},
      {"reflow-live",
       "Reflow a network",
       "Press play: round 1 is learnt from independent pairs, round 2 from the pairs of round 1.",
       {{"velocity", "network"s},
        {"pairs", whole(4096)},
        {"pair-solver", "heun"s},
        {"pair-steps", whole(16)},
        {"lower-left", "training"s}}},
  };
  entry.views = {{"coupling", "Pairs"},     {"flow", "Flow"},
                 {"few", "A few steps"},    {"straightness", "Straightness"},
                 {"budget", "Cost budget"}, {"steps", "What a few steps do"},
                 {"training", "Training"}};
  entry.accepts = {planeSceneAcceptance(), pointNetworkAcceptance({{"velocity", "dropped"s}}, 58, 2)};
  entry.make = [] { return std::make_unique<RectifiedFlow>(); };
  return entry;
}

}  // namespace orrery::generative
