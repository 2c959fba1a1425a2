// What the lab ddpm offers: its parameters, presets, views and files.

#include <algorithm>

#include "core/labs/generative/ddpm/lab.h"
#include "core/labs/generative/shared/picture_memory_lab.h"
#include "core/labs/generative/shared/plane_or_pictures.h"
#include "core/labs/generative/shared/stated_network.h"

namespace orrery::generative {

namespace {

const std::string& textOf(const Values& values, const char* id) { return std::get<std::string>(values.find(id)->second); }
bool linear(const Values& values) { return textOf(values, "schedule") == "linear" || textOf(values, "schedule") == "zero-snr"; }
bool curved(const Values& values) { return textOf(values, "schedule") == "drawn"; }
bool scaled(const Values& values) { return textOf(values, "schedule") != "cosine"; }
bool mixed(const Values& values) { return textOf(values, "variance") == "interpolated"; }
bool network(const Values& values) { return onPlane(values) && textOf(values, "source") == "network"; }
bool dropped(const Values& values) { return onPlane(values) && textOf(values, "source") == "dropped"; }
bool exact(const Values& values) { return !network(values); }
bool pictured(const Values& values) { return onPlane(values) && textOf(values, "film") == "picture"; }
bool clipped(const Values& values) { return onPlane(values) && textOf(values, "loss-weight") == "clipped"; }

// Functions, because the registration of the lab runs before this file's own statics exist.
Choice schedules(bool none) {
  Choice choice;
  if (none) choice.options.push_back({"none", "Nothing"});
  for (const Choice::Option& option : {Choice::Option{"linear", "Linear β"}, Choice::Option{"scaled-linear", "Scaled linear β"},
                                       Choice::Option{"cosine", "Cosine"}, Choice::Option{"zero-snr", "Zero terminal SNR"}})
    choice.options.push_back(option);
  if (!none) choice.options.push_back({"drawn", "Drawn by hand"});
  return choice;
}

Choice charts() {
  return {{{"schedule", "Noise schedule"},
           {"snr", "Signal to noise"},
           {"beta", "Noise of a step"},
           {"variance", "Variances of a step"},
           {"bound", "Terms of the bound"},
           {"weights", "Loss weights"},
           {"distance", "Distance to the exact density"},
           {"training", "Training loss"}}};
}

}  // namespace

LabEntry Ddpm::describe() {
  LabEntry entry;
  entry.id = "generative/ddpm";
  entry.title = "Denoising diffusion";
  entry.summary = "Noise added step by step, and taken away again";
  using namespace std::string_literals;
  const auto whole = [](std::int64_t v) { return Value(v); };
  entry.parameters = PictureMemoryLab::dataParameters();
  const auto append = [&](const std::vector<Parameter>& more) { entry.parameters.insert(entry.parameters.end(), more.begin(), more.end()); };
  append(shownOnPlane(planeSceneParameters("ring8")));
  append({
      {"steps", "Steps T", "Length of the chain.", "Chain", whole(1000), Integer{2, 4000, true}},
      {"schedule", "Noise schedule", "How much noise each step adds.", "Chain", "linear"s, schedules(false)},
      {"keep-snr", "Keep the SNR", "Multiplies every β by 1000 / T, so that a shorter chain ends as noisy.", "Chain", true, Switch{}, "",
       scaled},
      {"beta-first", "First variance β₁", "Noise of the first step.", "Chain", 1e-4, LogReal{1e-6, 0.5}, "", linear},
      {"beta-last", "Last variance β(T)", "Noise of the last step.", "Chain", 0.02, LogReal{1e-6, 0.5}, "", linear},
      {"curve", "Values of β",
       "β at equal parts of the chain, separated by commas. Drag the points of the chart of the noise of a step to draw it.", "Chain",
       "0.0001, 0.005, 0.01, 0.015, 0.02"s, Text{}, "", curved},
      {"compare", "Compare with", "Another schedule, dashed in the charts.", "Chain", "none"s, schedules(true), "", onPlane},
      {"variance", "Reverse variance Σ", "How much noise a reverse step adds; under a network only the bound reads it.", "Reverse",
       "beta-tilde"s,
       Choice{{{"beta", "β, as much as the forward step"},
               {"beta-tilde", "β˜, that of the posterior"},
               {"interpolated", "In between, in ln Σ"},
               {"analytic", "Best, from the posterior"}}}},
      {"interpolation", "Share of ln β", "0 is β˜, 1 is β.", "Reverse", 0.5, Real{0, 1, 0.01}, "", mixed},
      {"last-step-noise", "Noise in the last step", "Adds noise when going from t = 1 to data, too.", "Reverse", false, Switch{}, "",
       exact},
      {"clip", "Clip x̂₀ at", "Clamps every coordinate of the denoised point; 0 does not.", "Reverse", 0.0, Real{0, 10, 0.1}},
  });
  append(shownOnPlane({
      {"source", "Denoiser", "What the reverse chain asks for D: the exact answer, a small network that learns while it plays, or yours.",
       "Network", "exact"s, Choice{{{"exact", "Exact"}, {"network", "Network, trained live"}, {"dropped", "Your network"}}}},
      {"predict", "Prediction", "What a network predicts; also sets the meaning of the loss weights.", "Network", "epsilon"s,
       Choice{{{"epsilon", "Noise ε"}, {"x0", "Data x₀"}, {"v", "v = α ε − σ x₀"}, {"mean", "Mean of the step μ"}, {"score", "Score"}}}},
      {"loss-weight", "Loss weight", "Which noise levels dominate the loss.", "Network", "simple"s,
       Choice{{{"simple", "Simple: all ε alike"}, {"bound", "That of the bound"}, {"clipped", "SNR clipped at γ"}}}},
      {"gamma", "Clip γ", "Weights of min(SNR, γ).", "Network", 5.0, LogReal{0.1, 100}, "", clipped},
      {"train-steps", "Training steps", "Length of the run.", "Network", whole(600), Integer{10, 20000, true}, "", network},
      {"steps-per-frame", "Steps per frame", "Steps between two pictures.", "Network", whole(4), Integer{1, 200, true}, "", network},
      {"batch", "Batch size", "Pairs per step.", "Network", whole(1024), Integer{64, 65536, true}, "", network},
      {"learning-rate", "Learning rate η", "Of Adam; it falls to 0 by a cosine.", "Network", 4e-3, LogReal{1e-5, 0.1}, "", network},
      {"width", "Units per layer", "The same for every hidden layer.", "Network", whole(128), Integer{8, 512, true}, "", network},
      {"depth", "Hidden layers", "With SiLU.", "Network", whole(3), Integer{1, 6}, "", network},
      {"shown-steps", "Steps of the reverse chain", "Under the network, on a sub-sequence of the timesteps, with its β˜.", "Network",
       whole(25), Integer{2, 200, true}, "", network},
      {"shown-time", "Time shown t / T", "Where on their way the network's particles are drawn: 0 is the end.", "Network", 0.0,
       Real{0, 1, 0.01}, "", network},
      {"particles", "Particles", "How many start together.", "Particles", whole(4096), Integer{256, 1 << 18, true}},
      {"trails", "Trails", "How many particles leave a trail.", "Particles", whole(12), Integer{0, 512}},
      {"trail-length", "Trail length", "Which share of the run a trail goes back.", "Particles", 0.15, Real{0.02, 1, 0.01}},
      {"pinned", "Pinned particle",
       "Its posterior p(x₀ | xₜ) is drawn as ellipses; −1 is none. Click a particle of the reverse chain to pin it.", "Particles",
       whole(-1), Integer{-1, (1 << 18) - 1}},
      {"density", "Exact density", "The exact density at this time behind the particles.", "Picture", true, Switch{}},
      {"film", "Film strip", "Eleven moments of the chain.", "Picture", "reverse"s,
       Choice{{{"reverse", "Reverse chain"},
               {"forward", "Forward chain"},
               {"picture", "A picture of yours turns to noise"},
               {"off", "None"}}}},
      {"picture", "Your picture", "PNG or JPEG: the forward chain of its pixels.", "Picture", Asset{}, FileWell{{"image"}, false}, "",
       pictured},
      {"lower-left", "Lower left", "What the lower left panel shows.", "Picture", "schedule"s, charts()},
      {"lower-right", "Lower right", "What the lower right panel shows.", "Picture", "bound"s, charts()},
  }));
  append(PictureMemoryLab::pictureParameters());
  append({{"seed", "Seed", "All random numbers follow from it.", "Randomness", whole(20261120), Seed{}}});
  const auto predict = std::find_if(entry.parameters.begin(), entry.parameters.end(), [](const Parameter& p) { return p.id == "predict"; });
  const auto stated = planeNetworkParameters(dropped, "network-schedule");
  entry.parameters.insert(predict, stated.begin(), stated.end());
  entry.presets = {
      {"classic-1000", "Classic 1000", "A cloud without features until signal and noise are equal near step 259; then the blobs part.", {}},
      {"too-short",
       "Too short",
       "Twenty steps of the usual β leave 80 % of the signal: the start of the reverse chain does not fit.",
       {{"steps", whole(20)}, {"keep-snr", false}, {"lower-right", "distance"s}}},
      {"linear-vs-cosine",
       "Linear against cosine",
       "The cosine schedule spends more steps where signal and noise are alike.",
       {{"schedule", "cosine"s}, {"compare", "linear"s}, {"lower-left", "snr"s}}},
      {"wrong-variance",
       "Wrong variance",
       "The data are one point: with Σ = β a halo remains, with β˜ none.",
       {{"scene", "point"s},
        {"steps", whole(50)},
        {"variance", "beta"s},
        {"last-step-noise", true},
        {"lower-left", "variance"s},
        {"lower-right", "distance"s}}},
      {"learn",
       "Learn it",
       "A network learns the noise while it plays; its bound falls towards that of the exact denoiser.",
       {{"source", "network"s}, {"lower-left", "training"s}}},
  };
  entry.presets.push_back({"memory",
                           "What a perfect denoiser remembers",
                           "The exact denoiser of a set of pictures: every sample ends in a picture of the set. Watch when it is decided which.",
                           {{"data", "single"s}, {"schedule", "cosine"s}, {"steps", whole(250)}}});
  entry.presets.push_back({"few-pictures",
                           "Four pictures",
                           "With four pictures in the set it is decided at once, far up in the noise.",
                           {{"data", "single"s}, {"memory", whole(4)}, {"schedule", "cosine"s}, {"steps", whole(250)}}});
  entry.views = {{"forward", "Forward chain"},
                 {"reverse", "Reverse chain"},
                 {"film", "Film strip"},
                 {"schedule", "Noise schedule"},
                 {"snr", "Signal to noise"},
                 {"beta", "Noise of a step"},
                 {"variance", "Variances of a step"},
                 {"bound", "Terms of the bound"},
                 {"weights", "Loss weights"},
                 {"distance", "Distance to the exact density"},
                 {"training", "Training loss"}};
  for (View& view : PictureMemoryLab::views()) entry.views.push_back(std::move(view));
  entry.accepts = planeOrPicturesAcceptances();
  entry.accepts.push_back(pointNetworkAcceptance({{"data", "plane"s}, {"source", "dropped"s}}, 64, 2));
  entry.make = [] { return std::make_unique<Ddpm>(); };
  return entry;
}

}  // namespace orrery::generative
