// What the lab score-smld offers: its parameters, presets and views.

#include <variant>

#include "core/labs/generative/score_smld/lab.h"
#include "core/labs/generative/shared/stated_network.h"

namespace orrery::generative {

LabEntry ScoreSmld::describe() {
  LabEntry entry;
  entry.id = "generative/score-smld";
  entry.title = "Score matching and Langevin";
  entry.summary = "Follow the slope of ln p, with noise; and why that fails in empty space";
  using namespace std::string_literals;
  const auto whole = [](std::int64_t v) { return Value(v); };
  const auto annealed = [](const Values& v) { return std::get<std::string>(v.find("mode")->second) == "annealed"; };
  // A plain chain asks a network at the smallest level.
  const auto laddered = [](const Values& v) {
    return std::get<std::string>(v.find("mode")->second) == "annealed" || std::get<std::string>(v.find("denoiser")->second) != "exact";
  };
  const auto ladder = [](const Values& v) {
    return std::get<std::string>(v.find("mode")->second) == "annealed" || std::get<std::string>(v.find("denoiser")->second) == "learned";
  };
  const auto learning = [](const Values& v) { return std::get<std::string>(v.find("denoiser")->second) == "learned"; };
  entry.parameters = planeSceneParameters("ncsn-toy");
  const auto sceneParameters = static_cast<std::ptrdiff_t>(entry.parameters.size());
  const std::vector<Parameter> own = {
      {"particles", "Particles", "How many chains run side by side.", "Density", whole(4096), Integer{64, 16384, true}},
      {"mode", "Chain", "Plain Langevin steps, steps with a Metropolis test, or steps down a ladder of noise levels.", "Langevin",
       "annealed"s, Choice{{{"plain", "Plain Langevin"}, {"mala", "With Metropolis test"}, {"annealed", "Annealed"}}}},
      {"step", "Step a", "Of a plain chain in data units squared; of an annealed one in units of the level's σ².", "Langevin", 0.05,
       LogReal{1e-4, 2}},
      {"levels", "Levels L", "Noise levels of the ladder; a plain chain takes levels × steps per level steps.", "Langevin", whole(10),
       Integer{1, 200, true}},
      {"steps-per-level", "Steps per level M", "How long the chain stays on a level.", "Langevin", whole(100), Integer{1, 1000, true}},
      {"sigma-max", "Largest noise level σ₁", "Where the ladder begins; about the largest distance between data points.", "Langevin", 20.0,
       LogReal{0.1, 100}, "", ladder},
      {"sigma-min", "Smallest noise level σ_L", "Where the ladder ends; at this level a plain chain asks a network of yours.", "Langevin",
       0.1, LogReal{1e-3, 10}, "", laddered},
      {"final-denoise", "Final denoising step", "Tweedie's step at the end: each particle moves to what is expected behind it.", "Langevin",
       true, Switch{}, "", annealed},
      {"start", "Start", "Where the particles begin.", "Langevin", "uniform"s,
       Choice{{{"uniform", "Uniform, −8 to 8"}, {"normal", "Normal"}, {"data", "The data"}}}},
      {"objective", "Objective", "What the network learns by. Explicit matching is told the exact score; the others see samples only.",
       "Training", "denoising"s,
       Choice{{{"denoising", "Denoising"}, {"sliced", "Sliced"}, {"implicit", "Implicit"}, {"explicit", "Explicit"}}}, "", learning},
      {"training-set", "Training set n", "How many points of the density the network ever sees.", "Training", whole(10000),
       Integer{16, 1000000, true}, "", learning},
      {"train-steps", "Training steps", "Length of the run.", "Training", whole(600), Integer{10, 20000, true}, "", learning},
      {"steps-per-frame", "Steps per frame", "Steps between two pictures.", "Training", whole(10), Integer{1, 200, true}, "", learning},
      {"batch", "Batch size", "Noisy points per step.", "Training", whole(512), Integer{64, 16384, true}, "", learning},
      {"learning-rate", "Learning rate η", "Of Adam; it falls to 0 by a cosine.", "Training", 4e-3, LogReal{1e-5, 0.1}, "", learning},
      {"width", "Units per layer", "The same for every hidden layer.", "Training", whole(128), Integer{8, 512, true}, "", learning},
      {"depth", "Hidden layers", "With SiLU.", "Training", whole(3), Integer{1, 6}, "", learning},
      {"shown-steps", "Steps per level shown", "Of the chain that is run under the network after every frame, in place of M.", "Training",
       whole(10), Integer{1, 100, true}, "", learning},
      {"shown-level", "Noise level shown σ", "At which the learnt score is drawn beside the exact one.", "Training", 0.5,
       LogReal{1e-3, 100}, "", learning},
      {"loss-level", "Noise level of the losses σ", "Of the data that the four objectives see.", "Objectives", 0.5, LogReal{0.05, 5}},
      {"samples", "Samples", "How many points the objectives average over.", "Objectives", whole(10000), Integer{16, 100000, true}},
      {"dimensions", "Dimensions d", "For the advised ratio of neighbouring levels: 3072 is a colour picture of 32 × 32.", "Objectives",
       whole(3072), Integer{1, 1000000, true}},
      {"probe-x", "Probe x", "Where the score is read; click the score's panel.", "Picture", 0.0, Real{-20, 20, 0.1}},
      {"probe-y", "Probe y", "Where the score is read; click the score's panel.", "Picture", 0.0, Real{-20, 20, 0.1}},
      {"seed", "Seed", "All random numbers follow from it.", "Randomness", whole(20261121), Seed{}},
  };
  entry.parameters.insert(entry.parameters.end(), own.begin(), own.end());
  // Behind the particles.
  auto denoiser =
      planeDenoiserParameters("Whose score the chain follows: the exact one, that of a network of yours, or of one that learns it here.");
  std::get<Choice>(denoiser.front().domain).options.push_back({"learned", "Network, trained live"});
  entry.parameters.insert(entry.parameters.begin() + sceneParameters + 1, denoiser.begin(), denoiser.end());
  entry.presets = {
      {"annealed", "Annealed cure", "Down a ladder from σ = 20 the modes get nearly their true shares, 0.2 and 0.8.", {}},
      {"empty-space",
       "Low-density failure",
       "Plain Langevin: each particle finds the nearer mode and stays; the shares are those of the start, one half.",
       {{"mode", "plain"s}}},
      {"too-big",
       "Step too big",
       "The variance of a plain chain is too large by 1 / (1 − a / 2σ²): here a = σ², and it doubles. The Metropolis test repairs it.",
       {{"scene", "gauss"s}, {"spread", 1.0}, {"mode", "plain"s}, {"step", 0.25}, {"levels", whole(1)}, {"start", "data"s}}},
      {"four-losses",
       "Four losses, one minimiser",
       "Explicit, implicit, sliced and denoising score matching differ by constants and by sampling noise.",
       {{"samples", whole(1000)}, {"loss-level", 0.3}}},
      {"learned",
       "Where nobody has been",
       "A network learns the score from 10 000 points by denoising. Where the data are it is right; in the empty space between and around "
       "them nothing "
       "told it, and at small noise levels its error is large there. Drag the modes apart.",
       {{"denoiser", "learned"s}, {"step", 0.15}}},
  };
  entry.views = {{"cloud", "Particles"},
                 {"trace", "Shares of the modes"},
                 {"distance", "Distance to the exact density"},
                 {"training", "Training loss"},
                 {"ladder", "Noise levels"},
                 {"losses", "Objectives"},
                 {"score", "Score"},
                 {"network", "What the network gets wrong"},
                 {"network-levels", "The network's error by noise level"}};
  entry.accepts = {planeSceneAcceptance(), pointNetworkAcceptance({{"denoiser", "network"s}}, 61, 2)};
  entry.make = [] { return std::make_unique<ScoreSmld>(); };
  return entry;
}

}  // namespace orrery::generative
