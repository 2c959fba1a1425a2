// What the lab flow-matching offers: its parameters, presets, views and files.

#include <algorithm>

#include "core/labs/generative/flow_matching/lab.h"
#include "core/labs/generative/shared/picture_memory_lab.h"
#include "core/labs/generative/shared/plane_or_pictures.h"
#include "core/labs/generative/shared/stated_network.h"

namespace orrery::generative {

namespace {

const std::string& textOf(const Values& values, const char* id) { return std::get<std::string>(values.find(id)->second); }
bool baseFromFile(const Values& values) { return onPlane(values) && textOf(values, "base") == "file"; }

bool learning(const Values& values) { return onPlane(values) && textOf(values, "velocity") == "network"; }
bool dropping(const Values& values) { return onPlane(values) && textOf(values, "velocity") == "dropped"; }
bool sampling(const Values& values) { return !learning(values); }
bool samplingPoints(const Values& values) { return onPlane(values) && !learning(values); }
bool regressing(const Values& values) { return onPlane(values) && textOf(values, "velocity") == "regression"; }
bool withFloor(const Values& values) { return textOf(values, "path") == "floor"; }
bool exploding(const Values& values) { return textOf(values, "path") == "ve"; }
bool pairedBy(const Values& values, std::string_view coupling) { return onPlane(values) && textOf(values, "coupling") == coupling; }
bool entropic(const Values& values) { return pairedBy(values, "batch-sinkhorn"); }
bool batched(const Values& values) { return pairedBy(values, "batch-ot") || entropic(values); }
bool stored(const Values& values) { return regressing(values) || pairedBy(values, "full-ot"); }
bool densityShown(const Values& values) {
  return onPlane(values) && (textOf(values, "lower-left") == "density" || textOf(values, "lower-right") == "density");
}

Choice lowerPanels() {
  return {{{"loss", "What the loss is made of"},
           {"training", "Training"},
           {"distance", "Distance to the law at t"},
           {"density", "Density carried by the flow"},
           {"coupling", "Cost of the pairing"},
           {"residual", "Continuity residual"},
           {"determinant", "How the flow stretches"},
           {"error", "Where the velocity is wrong"}}};
}

}  // namespace

LabEntry FlowMatching::describe() {
  LabEntry entry;
  entry.id = "generative/flow-matching";
  entry.title = "Flow matching";
  entry.summary = "Regress a velocity, get a flow";
  using namespace std::string_literals;
  const auto whole = [](std::int64_t v) { return Value(v); };
  Choice bases = sceneOptions(false);
  bases.options.insert(bases.options.begin(), {{"normal", "Standard normal"}, {"uniform", "Uniform square"}});
  bases.options.push_back({"file", "From a file"});
  entry.parameters = PictureMemoryLab::dataParameters();
  const auto append = [&](const std::vector<Parameter>& more) { entry.parameters.insert(entry.parameters.end(), more.begin(), more.end()); };
  append(shownOnPlane(planeSceneParameters("ring8")));
  append(shownOnPlane({
      {"base", "Base law", "Where the flow starts at t = 1.", "Density", "normal"s, std::move(bases)},
      {"base-file", "Base file", "Points as CSV or npy, or any image taken as a density.", "Density", Asset{},
       FileWell{{"points", "npy", "npz", "image"}, false}, "", baseFromFile},
  }));
  append({
      {"path", "Path", "How a pair is joined.", "Flow", "linear"s,
       Choice{{{"linear", "Straight line"},
               {"floor", "Straight line with a floor"},
               {"vp", "Variance preserving"},
               {"ve", "Variance exploding"},
               {"trig", "Trigonometric"}}}},
      {"floor", "Floor σ_min", "How much the data are blurred.", "Flow", 0.0, Real{0, 0.1, 0.001}, "", withFloor},
      {"sigma-max", "Largest noise level σ", "Deviation of the noise at t = 1.", "Flow", 50.0, LogReal{0.5, 100}, "", exploding},
  });
  append(shownOnPlane({
      {"coupling", "Pairing", "Which data point goes with which base point.", "Flow", "independent"s,
       Choice{{{"independent", "Independent"},
               {"batch-ot", "Optimal in each batch"},
               {"batch-sinkhorn", "Entropic in each batch"},
               {"full-ot", "Optimal over all pairs"}}}},
      {"ot-batch", "Batch of the pairing B", "Larger batches pair better.", "Flow", whole(256), Integer{2, 2048, true}, "", batched},
      {"epsilon", "Entropy ε", "How blurred the entropic plan is, in data units squared.", "Flow", 0.05, LogReal{0.002, 10}, "", entropic},
      {"velocity", "Velocity from",
       "Exact for independent pairs; a kernel average of stored pairs; a network that learns while it plays; or a network of yours.",
       "Flow", "exact"s,
       Choice{{{"exact", "Closed form"},
               {"regression", "Kernel regression on pairs"},
               {"network", "Network, trained live"},
               {"dropped", "Your network"}}}},
      {"pairs", "Stored pairs", "How many pairs the regression averages, and the batch of the full pairing.", "Flow", whole(4096),
       Integer{64, 65536, true}, "", stored},
      {"kernel-width", "Kernel width h", "Which pairs count as being here.", "Flow", 0.06, LogReal{0.005, 0.5}, "", regressing},
  }));
  append({
      {"solver", "Solver", "How the flow is integrated from t = 1 to 0.", "Sampling", "rk4"s,
       Choice{{{"euler", "Euler"}, {"midpoint", "Midpoint"}, {"heun", "Heun"}, {"rk4", "Runge–Kutta 4"}}}},
      {"steps", "Steps N", "Steps from the base to the data.", "Sampling", whole(64), Integer{1, 1024, true}, "", sampling},
  });
  append(shownOnPlane({
      {"particles", "Particles", "How many start together.", "Sampling", whole(1 << 14), Integer{256, 1 << 18, true}, "", samplingPoints},
      {"divergence", "Divergence", "What the log-density adds up along a path.", "Sampling", "exact"s,
       Choice{{{"exact", "Exact"}, {"hutchinson", "Hutchinson's estimate"}}}, "", densityShown},
      {"train-steps", "Training steps", "Length of the run.", "Training", whole(600), Integer{10, 20000, true}, "", learning},
      {"steps-per-frame", "Steps per frame", "Steps between two pictures.", "Training", whole(4), Integer{1, 200, true}, "", learning},
      {"batch", "Batch size", "Pairs per step.", "Training", whole(1024), Integer{64, 65536, true}, "", learning},
      {"learning-rate", "Learning rate η", "Of Adam; it falls to 0 by a cosine.", "Training", 4e-3, LogReal{1e-5, 0.1}, "", learning},
      {"width", "Units per layer", "The same for every hidden layer.", "Training", whole(128), Integer{8, 512, true}, "", learning},
      {"depth", "Hidden layers", "With SiLU.", "Training", whole(3), Integer{1, 6}, "", learning},
      {"time-law", "Times drawn from", "Which times the training sees most.", "Training", "uniform"s,
       Choice{{{"uniform", "Uniform"}, {"logit-normal", "Logit-normal"}, {"beta", "Beta(½, 1): late in the flow"}}}, "", learning},
      {"shown-particles", "Particles shown", "They follow the network anew for every picture.", "Training", whole(1024),
       Integer{64, 16384, true}, "", learning},
      {"shown-steps", "Steps shown", "Steps of their way.", "Training", whole(10), Integer{1, 128, true}, "", learning},
      {"shown-time", "Time shown t", "Where on their way they are drawn: 0 is the end.", "Training", 0.0, Real{0, 1, 0.01}, "", learning},
      {"density", "Density", "The exact law at this time behind the particles.", "Picture", true, Switch{}},
      {"vector-field", "Vector field", "Where the flow pushes now.", "Picture", true, Switch{}},
      {"trails", "Trails", "How many particles leave a trail.", "Picture", whole(256), Integer{0, 4096, true}},
      {"pair-data-x", "Pair: data x", "One pair held out: drag its ends, and the field does not care.", "Picture", 0.9, Real{-6, 6, 0.01}},
      {"pair-data-y", "Pair: data y", "One pair held out: drag its ends, and the field does not care.", "Picture", 0.35, Real{-6, 6, 0.01}},
      {"pair-noise-x", "Pair: base x", "One pair held out: drag its ends, and the field does not care.", "Picture", -1.5,
       Real{-6, 6, 0.01}},
      {"pair-noise-y", "Pair: base y", "One pair held out: drag its ends, and the field does not care.", "Picture", -0.9,
       Real{-6, 6, 0.01}},
      {"dye-radius", "Dye: radius", "Particles that start inside this disc are coloured; 0 colours none.", "Picture", 0.0,
       Real{0, 2, 0.01}},
      {"dye-x", "Dye: x", "Centre of the dye at the start.", "Picture", 0.7, Real{-6, 6, 0.01}},
      {"dye-y", "Dye: y", "Centre of the dye at the start.", "Picture", 0.7, Real{-6, 6, 0.01}},
      {"heatmap-grid", "Density cells", "Cells along a side of the carried density and the residual.", "Picture", whole(64),
       Integer{16, 256, true}},
      {"paper-direction", "Paper's direction", "Labels time as Lipman et al. do: noise at 0, data at 1.", "Picture", false, Switch{}},
      {"lower-left", "Lower left", "What the lower left panel shows.", "Picture", "loss"s, lowerPanels()},
      {"lower-right", "Lower right", "What the lower right panel shows.", "Picture", "distance"s, lowerPanels()},
  }));
  append(PictureMemoryLab::pictureParameters());
  append({{"seed", "Seed", "All random numbers follow from it.", "Randomness", whole(20261121), Seed{}}});
  const auto sampled =
      std::find_if(entry.parameters.begin(), entry.parameters.end(), [](const Parameter& p) { return p.group == "Sampling"; });
  const auto network = planeNetworkParameters(dropping);
  entry.parameters.insert(sampled, network.begin(), network.end());
  entry.presets = {
      {"pairs-vs-field",
       "Pairs against field",
       "The lines of the pairs cross everywhere; the paths of the flow never do.",
       {{"scene", "tri"s}, {"trails", whole(96)}, {"density", false}, {"particles", whole(4096)}}},
      {"any-to-any",
       "Any to any",
       "Two moons become a spiral, with no Gaussian anywhere: press play and the network learns the way.",
       {{"scene", "spiral"s},
        {"base", "moons"s},
        {"velocity", "network"s},
        {"time-law", "beta"s},
        {"batch", whole(512)},
        {"steps-per-frame", whole(10)},
        {"vector-field", false},
        {"lower-left", "training"s},
        {"lower-right", "distance"s}}},
      {"ot-straightens",
       "Pairing straightens",
       "One Euler step: with independent pairs it ends at the mean, with batches paired by optimal transport it reaches for the data.",
       {{"coupling", "batch-ot"s},
        {"velocity", "regression"s},
        {"solver", "euler"s},
        {"steps", whole(1)},
        {"particles", whole(4096)},
        {"vector-field", false},
        {"lower-left", "coupling"s}}},
      {"heat",
       "Heat view",
       "With exploding variance the density spreads like ink in water.",
       {{"scene", "tri"s},
        {"path", "ve"s},
        {"sigma-max", 3.0},
        {"lower-left", "residual"s},
        {"lower-right", "density"s},
        {"heatmap-grid", whole(128)},
        {"particles", whole(4096)}}},
      {"learn-ring",
       "Learn it live",
       "Press play: the network turns noise into a ring within seconds.",
       {{"velocity", "network"s},
        {"time-law", "beta"s},
        {"batch", whole(512)},
        {"steps-per-frame", whole(10)},
        {"vector-field", false},
        {"lower-left", "training"s},
        {"lower-right", "loss"s}}},
  };
  entry.presets.push_back({"pictures",
                           "Pictures by the exact velocity",
                           "Noise flows to a set of pictures: straight lines at first, then every sample turns towards one picture of the set.",
                           {{"data", "single"s}}});
  entry.presets.push_back({"pictures-mean",
                           "One step ends at the mean",
                           "At t = 1 the velocity points from every noise to the mean of the set: one Euler step brings them all there.",
                           {{"data", "single"s}, {"solver", "euler"s}, {"steps", whole(1)}}});
  entry.views = {{"pairs", "Pairs"},
                 {"flow", "Flow"},
                 {"loss", "What the loss is made of"},
                 {"training", "Training"},
                 {"distance", "Distance to the law at t"},
                 {"density", "Density carried by the flow"},
                 {"coupling", "Cost of the pairing"},
                 {"residual", "Continuity residual"},
                 {"determinant", "How the flow stretches"},
                 {"error", "Where the velocity is wrong"}};
  for (View& view : PictureMemoryLab::views()) entry.views.push_back(std::move(view));
  entry.accepts = planeOrPicturesAcceptances();
  entry.accepts.push_back(pointNetworkAcceptance({{"data", "plane"s}, {"velocity", "dropped"s}, {"lower-right", "error"s}}, 60, 2));
  entry.make = [] { return std::make_unique<FlowMatching>(); };
  return entry;
}

}  // namespace orrery::generative
