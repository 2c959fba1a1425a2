// What the lab ddpm offers: its parameters, presets, views and files.

#include "core/labs/generative/ddpm/lab.h"

namespace orrery::generative {

namespace {

const std::string& textOf(const Values& values, const char* id) { return std::get<std::string>(values.find(id)->second); }
bool linear(const Values& values) { return textOf(values, "schedule") == "linear" || textOf(values, "schedule") == "zero-snr"; }
bool curved(const Values& values) { return textOf(values, "schedule") == "drawn"; }
bool scaled(const Values& values) { return textOf(values, "schedule") != "cosine"; }
bool mixed(const Values& values) { return textOf(values, "variance") == "interpolated"; }
bool clipped(const Values& values) { return textOf(values, "loss-weight") == "clipped"; }

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
           {"distance", "Distance to the exact density"}}};
}

}  // namespace

LabEntry Ddpm::describe() {
  LabEntry entry;
  entry.id = "generative/ddpm";
  entry.title = "Denoising diffusion";
  entry.summary = "Noise added step by step, and taken away again";
  using namespace std::string_literals;
  const auto whole = [](std::int64_t v) { return Value(v); };
  entry.parameters = planeSceneParameters("ring8");
  const std::vector<Parameter> own = {
      {"steps", "Steps T", "Length of the chain.", "Chain", whole(1000), Integer{2, 4000, true}},
      {"schedule", "Noise schedule", "How much noise each step adds.", "Chain", "linear"s, schedules(false)},
      {"keep-snr", "Keep the SNR", "Multiplies every β by 1000 / T, so that a shorter chain ends as noisy.", "Chain", true, Switch{}, "", scaled},
      {"beta-first", "First variance β₁", "Noise of the first step.", "Chain", 1e-4, LogReal{1e-6, 0.5}, "", linear},
      {"beta-last", "Last variance β(T)", "Noise of the last step.", "Chain", 0.02, LogReal{1e-6, 0.5}, "", linear},
      {"curve", "Values of β", "β at equal parts of the chain, separated by commas. Drag the points of the chart of the noise of a step to draw it.", "Chain",
       "0.0001, 0.005, 0.01, 0.015, 0.02"s, Text{}, "", curved},
      {"compare", "Compare with", "Another schedule, dashed in the charts.", "Chain", "none"s, schedules(true)},
      {"variance", "Reverse variance Σ", "How much noise a reverse step adds.", "Reverse", "beta-tilde"s,
       Choice{{{"beta", "β, as much as the forward step"},
               {"beta-tilde", "β˜, that of the posterior"},
               {"interpolated", "In between, in ln Σ"},
               {"analytic", "Best, from the posterior"}}}},
      {"interpolation", "Share of ln β", "0 is β˜, 1 is β.", "Reverse", 0.5, Real{0, 1, 0.01}, "", mixed},
      {"last-step-noise", "Noise in the last step", "Adds noise when going from t = 1 to data, too.", "Reverse", false, Switch{}},
      {"clip", "Clip x̂₀ at", "Clamps every coordinate of the denoised point; 0 does not.", "Reverse", 0.0, Real{0, 10, 0.1}},
      {"predict", "Prediction", "What a network would predict: sets the meaning of the loss weights.", "Loss", "epsilon"s,
       Choice{{{"epsilon", "Noise ε"}, {"x0", "Data x₀"}, {"v", "v = α ε − σ x₀"}, {"mean", "Mean of the step μ"}, {"score", "Score"}}}},
      {"loss-weight", "Loss weight", "Which noise levels dominate the loss.", "Loss", "simple"s,
       Choice{{{"simple", "Simple: all ε alike"}, {"bound", "That of the bound"}, {"clipped", "SNR clipped at γ"}}}},
      {"gamma", "Clip γ", "Weights of min(SNR, γ).", "Loss", 5.0, LogReal{0.1, 100}, "", clipped},
      {"particles", "Particles", "How many start together.", "Particles", whole(4096), Integer{256, 1 << 18, true}},
      {"trails", "Trails", "How many particles leave a trail.", "Particles", whole(12), Integer{0, 512}},
      {"trail-length", "Trail length", "Which share of the run a trail goes back.", "Particles", 0.15, Real{0.02, 1, 0.01}},
      {"pinned", "Pinned particle", "Its posterior p(x₀ | xₜ) is drawn as ellipses; −1 is none. Click a particle of the reverse chain to pin it.",
       "Particles", whole(-1), Integer{-1, (1 << 18) - 1}},
      {"density", "Exact density", "The exact density at this time behind the particles.", "Picture", true, Switch{}},
      {"film", "Film strip", "Eleven moments of the chain.", "Picture", "reverse"s,
       Choice{{{"reverse", "Reverse chain"}, {"forward", "Forward chain"}, {"off", "None"}}}},
      {"lower-left", "Lower left", "What the lower left panel shows.", "Picture", "schedule"s, charts()},
      {"lower-right", "Lower right", "What the lower right panel shows.", "Picture", "bound"s, charts()},
      {"seed", "Seed", "All random numbers follow from it.", "Randomness", whole(20261120), Seed{}},
  };
  entry.parameters.insert(entry.parameters.end(), own.begin(), own.end());
  entry.presets = {
      {"classic-1000",
       "Classic 1000",
       "A cloud without features until signal and noise are equal near step 259; then the blobs part.",
       {}},
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
       {{"scene", "point"s}, {"steps", whole(50)}, {"variance", "beta"s}, {"last-step-noise", true}, {"lower-left", "variance"s}, {"lower-right", "distance"s}}},
  };
  entry.views = {{"forward", "Forward chain"},        {"reverse", "Reverse chain"},      {"film", "Film strip"},
                 {"schedule", "Noise schedule"},            {"snr", "Signal to noise"},        {"beta", "Noise of a step"},  {"variance", "Variances of a step"},
                 {"bound", "Terms of the bound"},     {"weights", "Loss weights"},       {"distance", "Distance to the exact density"}};
  entry.accepts = {planeSceneAcceptance()};
  entry.make = [] { return std::make_unique<Ddpm>(); };
  return entry;
}

}  // namespace orrery::generative
