// What the lab ddim offers: its parameters, presets, views and files.

#include "core/labs/generative/ddim/lab.h"
#include "core/labs/generative/shared/stated_network.h"

namespace orrery::generative {

namespace {

const std::string& textOf(const Values& values, const char* id) { return std::get<std::string>(values.find(id)->second); }
bool fixedPoint(const Values& values) {
  return textOf(values, "inversion") == "fixed-point" || textOf(values, "lower-left") == "round-trip" ||
         textOf(values, "lower-right") == "round-trip";
}
bool sampling(const Values& values) { return textOf(values, "inversion") == "off"; }

// A function, because the registration of the lab runs before this file's own statics exist.
Choice charts() {
  return {{{"convergence", "Error against steps"},
           {"walk", "Walk between two latents"},
           {"eta", "How much noise"},
           {"round-trip", "Round trips against steps"},
           {"histogram", "Errors of the round trip"},
           {"network", "What the network gets wrong"},
           {"network-levels", "The network's error by noise level"}}};
}

}  // namespace

LabEntry Ddim::describe() {
  LabEntry entry;
  entry.id = "generative/ddim";
  entry.title = "Deterministic diffusion";
  entry.summary = "The same network in twenty steps, without noise, and backwards";
  using namespace std::string_literals;
  const auto whole = [](std::int64_t v) { return Value(v); };
  entry.parameters = planeSceneParameters("ring8");
  const auto denoiser = planeDenoiserParameters("What every step asks for D: the exact answer, or a network of yours.");
  entry.parameters.insert(entry.parameters.end(), denoiser.begin(), denoiser.end());
  const std::vector<Parameter> own = {
      {"chain", "Timesteps T", "Length of the chain the network was trained on.", "Steps", whole(1000), Integer{10, 1000, true}},
      {"schedule", "Noise schedule", "How much noise each timestep has.", "Steps", "linear"s,
       Choice{{{"linear", "Linear β"}, {"scaled-linear", "Scaled linear β"}, {"cosine", "Cosine"}}}},
      {"steps", "Steps N", "How many of the timesteps are visited.", "Steps", whole(20), Integer{1, 1000, true}},
      {"spacing", "Spacing", "Which timesteps are visited.", "Steps", "linspace"s,
       Choice{{{"linspace", "Linspace: both ends"},
               {"leading", "Leading: not the last"},
               {"trailing", "Trailing: not the first"},
               {"quadratic", "Quadratic: dense near data"}}}},
      {"final", "Final level", "Where the last step goes.", "Steps", "x0"s,
       Choice{{{"x0", "To data"}, {"least", "To the least noise level"}}}},
      {"eta", "Noise share η", "0 is deterministic, 1 is DDPM on the same timesteps.", "Steps", 0.0, Real{0, 1.5, 0.01}},
      {"compare-steps", "Compare with steps", "The same latents in another number of steps; 0 compares with none.", "Steps", whole(0),
       Integer{0, 1000}, "", sampling},
      {"inversion", "Inversion", "Sends data to latents and back.", "Inversion", "off"s,
       Choice{{{"off", "Off: latents to samples"}, {"explicit", "Explicit"}, {"fixed-point", "Fixed point"}}}},
      {"iterations", "Iterations k", "Of the fixed point: how often the noise at the next level is asked for again.", "Inversion", whole(5),
       Integer{1, 50, true}, "", fixedPoint},
      {"interpolation", "Way from a to b", "Between two latents.", "Latents", "slerp"s,
       Choice{{{"slerp", "Circle (slerp)"}, {"lerp", "Line (lerp)"}}}, "", sampling},
      {"weight", "Share w of b", "Where on the way the present latent is.", "Latents", 0.5, Real{0, 1, 0.01}, "", sampling},
      {"a-x", "Latent a: x", "In deviations. Drag a in the picture.", "Latents", 1.3, Real{-4, 4, 0.01}, "", sampling},
      {"a-y", "Latent a: y", "In deviations. Drag a in the picture.", "Latents", 0.5, Real{-4, 4, 0.01}, "", sampling},
      {"b-x", "Latent b: x", "In deviations. Drag b in the picture.", "Latents", -1.3, Real{-4, 4, 0.01}, "", sampling},
      {"b-y", "Latent b: y", "In deviations. Drag b in the picture.", "Latents", 0.1, Real{-4, 4, 0.01}, "", sampling},
      {"particles", "Particles", "How many start together.", "Particles", whole(4096), Integer{256, 1 << 18, true}, "", sampling},
      {"trails", "Trails", "How many particles leave a trail.", "Particles", whole(48), Integer{0, 512}},
      {"density", "Exact density", "The exact density of the data and rings of one and two deviations of the latents.", "Picture", true,
       Switch{}},
      {"lower-left", "Lower left", "What the lower left panel shows.", "Picture", "convergence"s, charts()},
      {"lower-right", "Lower right", "What the lower right panel shows.", "Picture", "walk"s, charts()},
      {"seed", "Seed", "All random numbers follow from it.", "Randomness", whole(20261120), Seed{}},
  };
  entry.parameters.insert(entry.parameters.end(), own.begin(), own.end());
  entry.presets = {
      {"twenty-or-thousand",
       "20 steps or 1000",
       "Without noise the same latents end almost at the same samples.",
       {{"compare-steps", whole(1000)}}},
      {"eta-sweep",
       "How much noise?",
       "In 20 steps no noise is best; in 1000 it does not matter.",
       {{"eta", 1.0}, {"lower-right", "eta"s}}},
      {"invert-and-return",
       "Invert and return",
       "The explicit inversion misses by as much as a step errs; the fixed point does not, if it converges.",
       {{"scene", "tri"s},
        {"inversion", "explicit"s},
        {"steps", whole(40)},
        {"iterations", whole(10)},
        {"lower-left", "round-trip"s},
        {"lower-right", "histogram"s}}},
      {"slerp-walk",
       "Slerp walk",
       "Between opposite latents the straight line passes the origin, and its samples the middle of nowhere.",
       {{"a-x", 1.5},
        {"a-y", 0.3},
        {"b-x", -1.5},
        {"b-y", -0.25},
        {"interpolation", "lerp"s},
        {"lower-left", "walk"s},
        {"steps", whole(50)},
        {"lower-right", "convergence"s}}},
  };
  entry.views = {{"planes", "Latents and samples"}, {"convergence", "Error against steps"},      {"walk", "Walk between two latents"},
                 {"eta", "How much noise"},         {"round-trip", "Round trips against steps"}, {"histogram", "Errors of the round trip"},
                 {"network", "What the network gets wrong"}, {"network-levels", "The network's error by noise level"}};
  entry.accepts = {planeSceneAcceptance(), pointNetworkAcceptance({{"denoiser", "network"s}, {"lower-right", "network"s}}, 62, 2)};
  entry.make = [] { return std::make_unique<Ddim>(); };
  return entry;
}

}  // namespace orrery::generative
