// What the lab score-sde offers: its parameters, presets and views.

#include <algorithm>

#include "core/labs/generative/score_sde/lab.h"
#include "core/labs/generative/shared/stated_network.h"

namespace orrery::generative {

namespace {

bool chosen(const Values& values, std::initializer_list<std::string_view> any) {
  return std::find(any.begin(), any.end(), std::get<std::string>(values.find("sde")->second)) != any.end();
}

bool pictured(const Values& values) { return !std::get<Asset>(values.find("picture-network")->second).path.empty(); }
bool stated(const Values& values) { return pictured(values) || std::get<std::string>(values.find("denoiser")->second) == "network"; }

}  // namespace

LabEntry ScoreSde::describe() {
  LabEntry entry;
  entry.id = "generative/score-sde";
  entry.title = "Score SDEs";
  entry.summary = "Noise as a diffusion in time, and every way back";
  using namespace std::string_literals;
  const auto whole = [](std::int64_t v) { return Value(v); };
  entry.parameters = planeSceneParameters("tri");
  const auto sceneParameters = static_cast<std::ptrdiff_t>(entry.parameters.size());
  const std::vector<Parameter> own = {
      {"particles", "Particles", "How many points go to noise and come back.", "Density", whole(2048), Integer{64, 16384, true}},
      {"sde", "SDE", "Drift f and diffusion g of dx = f x dt + g dw.", "Diffusion", "vp"s,
       Choice{{{"vp", "Variance preserving SDE"},
               {"sub-vp", "Sub-VP SDE"},
               {"ve", "Variance exploding SDE"},
               {"flow", "Flow matching, straight path"},
               {"rates", "Your drift and diffusion"},
               {"moments", "Your signal and noise"}}}},
      {"beta-first", "β at the beginning", "f = −β / 2 and g² = β; β grows evenly.", "Diffusion", 0.1, LogReal{0.01, 50}, "",
       [](const Values& v) {
         return chosen(v, {"vp", "sub-vp"});
       }},
      {"beta-last", "β at the end", "f = −β / 2 and g² = β; β grows evenly.", "Diffusion", 20.0, LogReal{0.01, 50}, "",
       [](const Values& v) {
         return chosen(v, {"vp", "sub-vp"});
       }},
      {"sigma-min", "σ at the beginning", "σ grows by the same factor in equal times.", "Diffusion", 0.01, LogReal{1e-3, 500}, "",
       [](const Values& v) { return chosen(v, {"ve"}); }},
      {"sigma-max", "σ at the end", "σ grows by the same factor in equal times.", "Diffusion", 50.0, LogReal{1e-3, 500}, "",
       [](const Values& v) { return chosen(v, {"ve"}); }},
      {"drift", "Drift f", "Values at evenly spaced times from 0 to 1; or drag the points of its curve.", "Diffusion",
       "-0.05, -2.5, -5, -7.5, -10"s, Text{}, "", [](const Values& v) { return chosen(v, {"rates"}); }},
      {"diffusion", "Diffusion g", "Values at evenly spaced times from 0 to 1; or drag the points of its curve.", "Diffusion",
       "0.3, 2.3, 3.2, 3.9, 4.5"s, Text{}, "", [](const Values& v) { return chosen(v, {"rates"}); }},
      {"alphas", "Signal α", "Values at evenly spaced times from 0 to 1, the first is 1.", "Diffusion", "1, 0.9, 0.6, 0.2, 0.01"s, Text{},
       "", [](const Values& v) { return chosen(v, {"moments"}); }},
      {"sigmas", "Noise σ", "Values at evenly spaced times from 0 to 1, the first is 0; σ/α must rise.", "Diffusion",
       "0, 0.4, 0.8, 0.97, 1"s, Text{}, "", [](const Values& v) { return chosen(v, {"moments"}); }},
      {"first-time", "First time ε", "Where the way back ends: at 0 the score has no bound.", "Diffusion", 1e-3, LogReal{1e-5, 1e-2}},
      {"noise-share", "Noise share ζ", "0 is the ODE, 1 the reverse SDE; every value has the same law at each time.", "Way back", 1.0,
       Real{0, 2, 0.01}},
      {"predictor", "Predictor", "How one step back is taken.", "Way back", "em"s,
       Choice{{{"em", "Euler–Maruyama"},
               {"reverse-diffusion", "Reverse diffusion"},
               {"ancestral", "Ancestral"},
               {"rk4", "ODE, Runge–Kutta 4"}}}},
      {"corrector-steps", "Corrector steps", "Langevin steps at every level.", "Way back", whole(0), Integer{0, 20}},
      {"corrector-ratio", "Corrector signal to noise", "Sets the size of a Langevin step.", "Way back", 0.16, Real{0.01, 2, 0.01}, "",
       [](const Values& v) { return std::get<std::int64_t>(v.find("corrector-steps")->second) > 0; }},
      {"steps", "Steps N", "From noise to data.", "Way back", whole(200), Integer{4, 1000, true}},
      {"grid", "Grid", "Steps equal in ln σ or in t.", "Way back", "level"s,
       Choice{{{"level", "Uniform in ln σ"}, {"time", "Uniform in t"}}}},
      {"early", "Early time", "Whose x is drawn against the present one; drag its line in the variance chart.", "Picture", 0.4,
       Real{0, 1, 0.01}},
      {"end-law", "Law at the end", "What the likelihood takes for the density of pure noise.", "Likelihood", "exact"s,
       Choice{{{"exact", "The exact one"}, {"prior", "The normal prior"}}}},
      {"compare", "Compare VP, sub-VP and VE",
       "The three diffusions of the literature with the same predictor and steps, beside the chosen one.", "Way back", false, Switch{}},
      {"replays", "Replays of one start", "How often one particle's way back is run again from where it began, with other noise.",
       "Picture", whole(0), Integer{0, 64}},
      {"replayed", "Particle replayed", "Which one; click the picture of the way back to choose the nearest.", "Picture", whole(0),
       Integer{0, 16383}, "", [](const Values& v) { return std::get<std::int64_t>(v.find("replays")->second) > 0; }},
      {"probes", "Hutchinson probes", "Random directions per point for the divergence; 0 takes it exactly.", "Likelihood", whole(0),
       Integer{0, 16}},
      {"probe-law", "Directions of the probes", "Normal numbers have the larger spread: the diagonal, too, is then guessed.", "Likelihood",
       "signs"s, Choice{{{"signs", "Random signs"}, {"normal", "Normal numbers"}}}, "",
       [](const Values& v) { return std::get<std::int64_t>(v.find("probes")->second) > 0; }},
      {"picture-network", "Network of pictures",
       "A diffusion transformer as safetensors: the likelihood of a picture under it, in bits per dimension, by the ODE of this SDE.",
       "Likelihood of a picture", Asset{}, FileWell{{"safetensors"}, false}},
      {"picture", "Your picture", "PNG or JPEG; its middle square is taken, and without one a picture of ShapeWorld's.",
       "Likelihood of a picture", Asset{}, FileWell{{"image"}, false}, "", pictured},
      {"picture-heads", "Its heads", "Attention heads; 0 is what config.json says, or one per 64 of the width.", "Likelihood of a picture",
       whole(0), Integer{0, 64}, "", pictured},
      {"picture-probes", "Probes of the picture", "Random directions for the divergence; the spread over them is the error.",
       "Likelihood of a picture", whole(4), Integer{1, 32}, "", pictured},
      {"picture-steps", "Steps of the picture", "Of Runge–Kutta in ln σ from the picture to noise, four evaluations each.",
       "Likelihood of a picture", whole(24), Integer{4, 256, true}, "", pictured},
      {"seed", "Seed", "All random numbers follow from it.", "Randomness", whole(20261122), Seed{}},
  };
  entry.parameters.insert(entry.parameters.end(), own.begin(), own.end());
  // Behind the particles.
  auto denoiser = planeDenoiserParameters("Whose score leads back: the exact one, or that of a network of yours.");
  for (Parameter& p : denoiser) {
    if (p.id == "prediction" || p.id == "network-schedule" || p.id == "told-time") p.visible = stated;
  }
  entry.parameters.insert(entry.parameters.begin() + sceneParameters + 1, denoiser.begin(), denoiser.end());
  entry.presets = {
      {"sde",
       "There by chance, back by chance",
       "The reverse SDE: a path forgets its past, the law at each time is that of the way there.",
       {}},
      {"joint",
       "Joint or marginal",
       "The ODE: one-time laws are the same, but now every path remembers; the scatter becomes a curve.",
       {{"scene", "gauss"s}, {"noise-share", 0.0}, {"predictor", "rk4"s}, {"steps", whole(100)}}},
      {"corrector",
       "A corrector rescues few steps",
       "Fifty steps of Euler–Maruyama leave a halo around every blob, 0.13 nats of −ln p; two Langevin corrections at every level take it "
       "away.",
       {{"scene", "ring8"s}, {"particles", whole(4096)}, {"steps", whole(50)}, {"corrector-steps", whole(2)}}},
      {"three",
       "Three SDEs, one data law",
       "VP, sub-VP and VE: the variance goes three different ways, and the clouds that come back are the same but for sampling noise.",
       {{"compare", true}, {"particles", whole(4096)}, {"predictor", "ancestral"s}, {"steps", whole(300)}}},
      {"fan",
       "One start, many ways back",
       "The same start run again and again: a fan under the SDE; at noise share 0 a single line.",
       {{"replays", whole(12)}, {"steps", whole(80)}, {"predictor", "ancestral"s}}},
      {"exploding", "Variance exploding", "The data stay where they are and drown.", {{"sde", "ve"s}}},
      {"own",
       "A diffusion of your own",
       "Noise comes in two bursts. Drag the points of f and g: the law at each time follows, and every way back still arrives.",
       {{"sde", "rates"s}, {"drift", "0, -6, 0, -6, 0"s}, {"diffusion", "0.3, 3.5, 0.3, 3.5, 0.3"s}, {"noise-share", 0.5}}},
      {"bits",
       "One probe or the trace",
       "The likelihood by the ODE with one random direction per point: right on average, with a spread.",
       {{"probes", whole(1)}, {"noise-share", 0.0}, {"predictor", "rk4"s}, {"steps", whole(100)}}},
  };
  entry.views = {{"forward", "To noise"},
                 {"reverse", "Back"},
                 {"rates", "Drift and diffusion"},
                 {"variance", "Variance"},
                 {"distance", "Distance to the exact density"},
                 {"two-times", "Two times of a path"},
                 {"compared", "Three diffusions"},
                 {"likelihood-map", "Bits over the plane"},
                 {"likelihood", "Likelihood"},
                 {"network", "What the network gets wrong"},
                 {"network-levels", "The network's error by noise level"},
                 {"picture", "A picture and its noise"},
                 {"bits", "Bits per dimension of a picture"}};
  Acceptance transformer;
  transformer.kinds = "a diffusion transformer (DiT) as safetensors";
  transformer.parameter = "picture-network";
  transformer.score = [](const FileReport& report) {
    const auto has = [&](std::string_view name) {
      return std::any_of(report.tensors.begin(), report.tensors.end(), [&](const TensorSummary& t) { return t.name == name; });
    };
    return report.kind == "safetensors" && has("x_embedder.proj.weight") && has("final_layer.linear.weight") ? 50 : 0;
  };
  entry.accepts = {planeSceneAcceptance(), pointNetworkAcceptance({{"denoiser", "network"s}}, 63, 2), transformer};
  entry.make = [] { return std::make_unique<ScoreSde>(); };
  return entry;
}

}  // namespace orrery::generative
