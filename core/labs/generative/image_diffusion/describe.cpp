// What the lab image-diffusion offers: its parameters, presets and views.

#include <algorithm>

#include "core/labs/generative/image_diffusion/lab.h"
#include "core/labs/generative/shared/picture_choice.h"
#include "core/labs/generative/shared/stated_network.h"
#include "core/labs/generative/shared/step_grid.h"
#include "core/models/onnx_denoiser.h"

namespace orrery::generative {

namespace {

const std::string& textOf(const Values& values, const char* id) { return std::get<std::string>(values.find(id)->second); }
bool is(const Values& values, const char* id, std::initializer_list<std::string_view> any) {
  return std::find(any.begin(), any.end(), textOf(values, id)) != any.end();
}

bool remembers(const Values& values) { return is(values, "denoiser", {"memory", "local"}); }
// An ideal denoiser knows pictures, a network may be shown some.
bool hasPictures(const Values& values) { return remembers(values) || is(values, "experiment", {"inversion", "pictures"}); }

}  // namespace

LabEntry ImageDiffusion::describe() {
  LabEntry entry;
  entry.id = "generative/image-diffusion";
  entry.title = "Image diffusion";
  entry.summary = "Pictures out of noise, step by step";
  using namespace std::string_literals;
  const auto whole = [](std::int64_t v) { return Value(v); };
  const auto dropped = [](const Values& v) { return is(v, "denoiser", {"file"}); };
  const auto memory = [](const Values& v) { return remembers(v); };
  const auto local = [](const Values& v) { return is(v, "denoiser", {"local"}); };
  entry.parameters = {
      {"denoiser", "Denoiser", "A small network trained on ShapeWorld; the ideal denoiser of a set of pictures, which knows them by heart; the ideal "
       "one that looks at a window around each pixel only; or your own network.",
       "Denoiser", "tiny-dit"s,
       Choice{{{"tiny-dit", "Trained: tiny-dit"}, {"memory", "Perfect memory"}, {"local", "Local memory"}, {"file", "Your network"}}}},
      {"network", "Network file", "A safetensors file with the tensors of the authors' DiT, or an ONNX graph from pictures, a time and perhaps a class; a config.json "
       "beside it is read.", "Denoiser", Asset{}, FileWell{{"safetensors", "onnx"}, false}, "", dropped},
      {"heads", "Its heads", "Attention heads; 0 is what config.json says, or one per 64 of the width.", "Denoiser", whole(0),
       Integer{0, 64}, "", dropped},
      {"null-class", "Null class", "The class number of an ONNX graph that means no class, for guidance; −1 is what its metadata or config.json "
       "says. After the last of K one-hot classes, K is a row of zeros.", "Denoiser", whole(-1), Integer{-1, 10000}, "", dropped},
      {"set", "Pictures", "Which pictures the ideal denoiser knows, or a network is shown to take to their noise.", "Denoiser", "shapeworld"s,
       Choice{{{"shapeworld", "ShapeWorld: one shape"},
               {"patches", "Patches of your picture"},
               {"folder", "A folder of pictures"},
               {"array", "An array of pictures"}}}, "",
       [](const Values& v) { return hasPictures(v); }},
      {"image", "Your picture", "PNG or JPEG: its patches are the pictures.", "Denoiser", Asset{}, FileWell{{"image"}, false}, "",
       [](const Values& v) { return hasPictures(v) && is(v, "set", {"patches"}); }},
      {"folder", "Your folder", "PNG or JPEG pictures; the middle square of each is taken.", "Denoiser", Asset{}, FileWell{{"pictures"}, true}, "",
       [](const Values& v) { return hasPictures(v) && is(v, "set", {"folder"}); }},
      {"files", "Only these files", "Names of files of the folder, one per line; empty takes all its pictures.", "Denoiser", ""s,
       Text{true, 1 << 20}, "", [](const Values& v) { return hasPictures(v) && is(v, "set", {"folder"}); }},
      {"array", "Your array", "npy or npz: N×H×W, N×H×W×C or N×C×H×W; bytes, or floats in 0 … 1 or −1 … 1.", "Denoiser", Asset{},
       FileWell{{"npy", "npz"}, false}, "", [](const Values& v) { return hasPictures(v) && is(v, "set", {"array"}); }},
      {"side", "Side of a picture", "Your pictures become side × side pixels in colour.", "Denoiser", whole(32), Integer{8, 64}, "px",
       [](const Values& v) { return remembers(v) && !is(v, "set", {"shapeworld"}); }},
      {"memory", "Pictures in memory", "How many pictures the ideal denoiser knows.", "Denoiser", whole(512), Integer{4, 4096, true}, "",
       memory},
      {"window-far", "Window at much noise", "Pixels across that a pixel judges by where σ is 3 or more; it narrows with ln σ.", "Denoiser",
       whole(25), Integer{1, 127}, "px", local},
      {"window-near", "Window at little noise", "Pixels across that a pixel judges by where σ is 0.1 or less.", "Denoiser", whole(5),
       Integer{1, 127}, "px", local},
      {"experiment", "Rows compare", "What differs from row to row; the noise of a column is the same in all of them.", "Experiment",
       "classes"s,
       Choice{{{"classes", "Classes"},
               {"seeds", "Seeds"},
               {"samplers", "Samplers"},
               {"guidance", "Guidance"},
               {"budget", "Evaluations"},
               {"interpolation", "Between two noises"},
               {"inversion", "There and back"},
               {"pictures", "Between two pictures"}}}},
      {"taken", "Pictures taken", "Which pictures are sent to their noise.", "Experiment", "held-out"s,
       Choice{{{"held-out", "Unknown ones"}, {"known", "Known ones"}}}, "",
       [](const Values& v) { return is(v, "experiment", {"inversion", "pictures"}) && (remembers(v) || is(v, "set", {"shapeworld"})); }},
      {"class", "Shape", "What is asked for.", "Experiment", "square"s,
       Choice{{{"circle", "Circle"}, {"square", "Square"}, {"triangle", "Triangle"}, {"star", "Star"}, {"none", "Anything"}}}, "",
       [](const Values& v) {
         return (is(v, "denoiser", {"tiny-dit"}) || (remembers(v) && is(v, "set", {"shapeworld"}))) &&
                !is(v, "experiment", {"classes", "interpolation", "inversion", "pictures"});
       }},
      {"label", "Class number", "What is asked for; −1 is anything. Rows of classes begin here.", "Experiment", whole(0), Integer{-1, 9999},
       "", dropped},
      {"columns", "Columns", "Pictures in a row, each from its own noise.", "Experiment", whole(4), Integer{1, 12}},
      {"compared", "Samplers compared", "Their ids, separated by commas, as orrery data generative/samplers names them.", "Experiment",
       "euler, heun, dpm++2m, unipc, euler-a, em"s, Text{}, "", [](const Values& v) { return is(v, "experiment", {"samplers"}); }},
      {"guidances", "Guidance scales", "One row each, separated by commas.", "Experiment", "0, 1, 2, 4, 8"s, Text{}, "",
       [](const Values& v) { return is(v, "experiment", {"guidance"}); }},
      {"budgets", "Evaluations compared", "One row each, separated by commas.", "Experiment", "2, 4, 8, 16, 32"s, Text{}, "",
       [](const Values& v) { return is(v, "experiment", {"budget"}); }},
      {"sampler", "Sampler", "The same forty as on the sampler bench.", "Sampling", "dpm++2m"s, samplerChoice(), "",
       [](const Values& v) { return !is(v, "experiment", {"samplers"}); }},
      {"nfe", "Evaluations", "How many times a sampler may ask the denoiser; steps = evaluations / evaluations per step.", "Sampling",
       whole(16), Integer{1, 256, true}, "", [](const Values& v) { return !is(v, "experiment", {"budget"}); }},
      {"guidance", "Guidance w", "How far beyond the class's own answer: D_none + w (D_class − D_none); 1 is none.", "Sampling", 4.0,
       Real{0, 15, 0.1}, "",
       [](const Values& v) {
         return !is(v, "experiment", {"guidance", "inversion", "pictures"});
       }},
      {"eta", "Noise share η", "Of ancestral samplers and SDE solvers: 0 is the ODE.", "Sampling", 1.0, Real{0, 1.5, 0.01}},
      {"churn", "Churn", "EDM: how much noise is added again, over all steps.", "Sampling", 10.0, Real{0, 100, 1}, "",
       [](const Values& v) { return is(v, "sampler", {"edm"}) || is(v, "experiment", {"samplers"}); }},
      {"final-zero", "Final step to 0", "Adds a last step from the smallest level to D.", "Step grid", true, Switch{}},
      {"seed", "Seed", "All random numbers follow from it.", "Randomness", whole(7), Seed{}},
      {"beside", "Beside the state", "What the second grid of pictures shows.", "View", "clean"s,
       Choice{{{"clean", "What the denoiser expects"}, {"nearest", "Nearest known picture"}}}, "", memory},
      {"chosen", "Chosen picture", "Its place in the grid, row by row; click a picture.", "View", whole(0), Integer{0, 255}},
  };
  const auto grid = stepGridParameters("karras", 0.02, 80);
  const auto after = std::find_if(entry.parameters.begin(), entry.parameters.end(), [](const Parameter& p) { return p.id == "final-zero"; });
  entry.parameters.insert(after, grid.begin(), grid.end());
  const auto stated = statedNetworkParameters(dropped);
  entry.parameters.insert(entry.parameters.begin() + 2, stated.begin(), stated.end());  // after the network's file
  entry.presets = {
      {"classes", "Four shapes from the same noise", "Columns share their noise, rows ask for another shape.", {}},
      {"samplers",
       "One noise, many samplers",
       "Sixteen evaluations each: deterministic samplers agree on the picture, stochastic ones make another.",
       {{"experiment", "samplers"s}}},
      {"guidance",
       "Too much guidance",
       "w = 0 does not ask for the shape; 2 makes it surer; far beyond, colours leave their range.",
       {{"experiment", "guidance"s}, {"class", "triangle"s}}},
      {"budget",
       "How few steps are enough",
       "From two evaluations to thirty-two, same noise.",
       {{"experiment", "budget"s}}},
      {"between",
       "Between two noises",
       "Every row walks from one noise to another along the sphere, for one shape. Choose perfect memory, and it can only jump.",
       {{"experiment", "interpolation"s}, {"columns", whole(8)}}},
      {"there-and-back",
       "There and back",
       "Pictures the network never saw are taken to their noise by the same ODE run backwards, and out again. A perfect network would leave "
       "no trace of them there; perfect memory, which does not know them, finds too large a noise.",
       {{"experiment", "inversion"s},
        {"sampler", "euler"s},
        {"nfe", whole(64)},
        {"grid", "exponential"s},
        {"final-zero", false}}},
      {"few-pictures",
       "Four pictures in memory",
       "With four known pictures every noise ends in one of them, decided at large noise already.",
       {{"denoiser", "memory"s}, {"memory", whole(4)}, {"experiment", "seeds"s}, {"class", "none"s}, {"columns", whole(6)}}},
  };
  entry.presets.push_back({"memory",
                           "What perfect memory makes",
                           "The lowest loss there is on 512 pictures: whatever the noise, one of them comes out.",
                           {{"denoiser", "memory"s}, {"guidance", 1.0}, {"beside", "nearest"s}}});
  entry.presets.push_back({"local",
                           "What no memory holds",
                           "Every pixel judges by its neighbourhood only: places agree with different pictures, and new ones come out.",
                           {{"denoiser", "local"s}, {"experiment", "seeds"s}, {"class", "none"s}, {"columns", whole(6)}, {"beside", "nearest"s}}});
  entry.presets.push_back({"two-pictures",
                           "Between two pictures",
                           "Two unknown pictures are taken to their noises, and noises between these make pictures: along the sphere and along the line.",
                           {{"denoiser", "local"s},
                            {"experiment", "pictures"s},
                            {"columns", whole(8)},
                            {"sampler", "heun"s},
                            {"nfe", whole(64)},
                            {"grid", "exponential"s},
                            {"sigma-min", 0.1}}});
  entry.views = {{"noisy", "Noisy pictures"}, {"clean", "Denoised pictures"}, {"nearest", "Nearest known pictures"}, {"settling", "When it is decided"}, {"strip", "Film strip"}};
  Acceptance network;
  network.kinds = "a diffusion transformer (DiT) as safetensors, or an ONNX graph from pictures, a time and perhaps a class";
  network.parameter = "network";
  network.also = {{"denoiser", "file"s}, {"guidance", 1.0}};  // its own answers first
  network.score = [](const FileReport& report) {
    const auto has = [&](std::string_view name) {
      return std::any_of(report.tensors.begin(), report.tensors.end(), [&](const TensorSummary& t) { return t.name == name; });
    };
    if (report.kind == "onnx") return models::OnnxDenoiser::fits(report.inputs, report.outputs, 4) ? 95 : 0;
    return report.kind == "safetensors" && has("x_embedder.proj.weight") && has("final_layer.linear.weight") ? 95 : 0;
  };
  const auto known = [](const char* set) { return Values{{"denoiser", "local"s}, {"set", std::string(set)}, {"experiment", "seeds"s}}; };
  entry.accepts = {network, pictureAcceptance(known("patches")), pictureFolderAcceptance(known("folder")),
                   pictureArrayAcceptance(known("array"))};
  entry.make = [] { return std::make_unique<ImageDiffusion>(); };
  return entry;
}

}  // namespace orrery::generative
