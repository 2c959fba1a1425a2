// What the lab glow offers: its parameters, presets and views.

#include "core/labs/generative/glow/lab.h"

namespace orrery::generative {

namespace {

bool is(const Values& values, const char* id, std::string_view wanted) { return std::get<std::string>(values.at(id)) == wanted; }
bool drawn(const Values& values) { return std::get<Asset>(values.at("weights")).path.empty(); }
bool twoPictures(const Values& values) { return is(values, "rows", "two-pictures"); }
bool twoFolders(const Values& values) { return is(values, "rows", "attribute") && is(values, "attribute", "folders"); }
bool inHand(const Values& values) { return is(values, "matrix", "plane"); }

}  // namespace

Choice Glow::mixingChoice() {
  return {{{"reverse", "Reversal"}, {"shuffle", "Fixed shuffle"}, {"dense", "1×1, whole matrix"}, {"lu", "1×1, LU factors"}}};
}

Choice Glow::couplingChoice() { return {{{"additive", "Additive"}, {"affine", "Affine"}}}; }

LabEntry Glow::describe() {
  using namespace std::string_literals;
  const auto whole = [](std::int64_t v) { return Value(v); };
  LabEntry entry;
  entry.id = "generative/glow";
  entry.title = "Glow: a flow of pictures";
  entry.summary = "Actnorm, invertible 1×1 convolutions, several scales";
  entry.parameters = {
      {"data", "Pictures", "What the flow learns.", "Data", "single"s, pictureChoice()},
      {"weights", "Your flow",
       "A tensor file with Glow's names: actnorm, invconv, coupling. It sets the shape of the flow; training goes on "
       "from it.",
       "Flow", Asset{}, FileWell{{"safetensors", "npz"}, false}},
      {"levels", "Levels L", "Each halves the size; behind each but the last, half of the values leave.", "Flow", whole(2), Integer{1, 4},
       "", drawn},
      {"steps-per-level", "Steps per level K", "A step is actnorm, mixing, coupling.", "Flow", whole(4), Integer{1, 32}, "", drawn},
      {"mixing", "Mixing", "What is done to the channels between couplings.", "Flow", "lu"s, mixingChoice(), "", drawn},
      {"coupling", "Coupling", "Whether one half of the channels only moves the other, or scales it too.", "Flow", "affine"s,
       couplingChoice(), "", drawn},
      {"least-scale", "Least scale m", "s = m + (1 − m) sigmoid(l + 2): the inverse multiplies by at most 1/m; 0 is Glow's own.", "Flow",
       0.0, Real{0, 0.9, 0.05}, "", [](const Values& v) { return is(v, "coupling", "affine"); }},
      {"hidden", "Hidden channels h", "Of each coupling's network.", "Flow", whole(32), Integer{16, 512, true}, "", drawn},
      {"compare", "Train beside it", "Further flows on the same batches, for the chart of bits.", "Flow", "none"s,
       Choice{{{"none", "Nothing"}, {"mixings", "The other mixings"}, {"couplings", "The other coupling"}}}, "", drawn},
      {"learning-rate", "Learning rate η", "Length of Adam's steps; it falls along a cosine.", "Training", 6e-3, LogReal{1e-5, 1e-1}},
      {"batch", "Batch size", "Pictures per step.", "Training", whole(32), Integer{4, 512, true}},
      {"steps", "Steps", "Length of the run.", "Training", whole(600), Integer{10, 20000, true}},
      {"steps-per-frame", "Steps per frame", "Steps between two pictures.", "Training", whole(10), Integer{1, 200, true}},
      {"way", "Way through the flow", "0 shows the pictures' side, 1 the latents'; drag it to go stage by stage.", "Picture", 0.5,
       Real{0, 1, 0.01}},
      {"direction", "Direction", "What moves through the flow.", "Picture", "to-latents"s,
       Choice{{{"to-latents", "Pictures to latents"}, {"to-data", "Latents to pictures"}}}},
      {"temperature", "Temperature T", "Multiplies the latents that samples are made from.", "Picture", 0.7, Real{0, 1.2, 0.01}},
      {"step", "Step shown", "Whose mixing matrix and actnorm are shown, counted through all levels.", "Picture", whole(1),
       Integer{1, 128}},
      {"matrix", "Matrix shown", "The mixing matrix of the step, or one of two channels as a map of the plane.", "Picture", "step"s,
       Choice{{{"step", "Of the step"}, {"plane", "Two channels in the hand"}}}},
      {"w11", "W, row 1 column 1", "Drag the first column.", "Picture", 0.8, Real{-5, 5, 0.01}, "", inHand},
      {"w21", "W, row 2 column 1", "Drag the first column.", "Picture", 0.6, Real{-5, 5, 0.01}, "", inHand},
      {"w12", "W, row 1 column 2", "Drag the second column.", "Picture", -0.6, Real{-5, 5, 0.01}, "", inHand},
      {"w22", "W, row 2 column 2", "Drag the second column.", "Picture", 0.8, Real{-5, 5, 0.01}, "", inHand},
      {"rows", "Rows of pictures", "What is done to latents in the rows beside the samples.", "Picture", "temperature"s,
       Choice{{{"temperature", "Temperature ladder"},
               {"interpolation", "Between two pictures"},
               {"levels", "One level drawn anew"},
               {"attribute", "More of an attribute"},
               {"two-pictures", "Between two pictures of yours"}}}},
      {"first-image", "First picture", "PNG or JPEG; its middle square.", "Picture", Asset{}, FileWell{{"image"}, false}, "", twoPictures},
      {"second-image", "Second picture", "PNG or JPEG; its middle square.", "Picture", Asset{}, FileWell{{"image"}, false}, "",
       twoPictures},
      {"attribute", "Attribute", "The mean latent with it less the mean latent without it is added, more and more.", "Picture",
       "brightness"s,
       Choice{
           {{"brightness", "Brightness"}, {"size", "Size of the shape"}, {"warmth", "Warm colour"}, {"folders", "Two folders of yours"}}},
       "", [](const Values& v) { return is(v, "rows", "attribute"); }},
      {"amount", "Amount of the attribute",
       "Of the way between the two means, added in the last column and taken away in the first; drag the slider below the pictures.",
       "Picture", 0.75, Real{0, mostAmount, 0.05}, "", [](const Values& v) { return is(v, "rows", "attribute"); }},
      {"with-folder", "Folder with it", "Pictures that have the attribute.", "Picture", Asset{}, FileWell{{}, true}, "", twoFolders},
      {"without-folder", "Folder without it", "Pictures that lack it.", "Picture", Asset{}, FileWell{{}, true}, "", twoFolders},
      {"seed", "Seed", "Batches, first weights and latents follow from it.", "Randomness", whole(20261121), Seed{}},
  };
  const auto data = pictureDataParameters(nullptr);
  entry.parameters.insert(entry.parameters.begin() + 1, data.begin(), data.end());
  entry.presets = {
      {"mixings",
       "Shuffle, rotation or learned mixing",
       "Four flows on the same batches: a reversal, a fixed shuffle, and 1×1 convolutions that learn.",
       {{"compare", "mixings"s}, {"steps-per-level", whole(3)}, {"hidden", whole(16)}}},
      {"actnorm",
       "Actnorm's first batch",
       "Before any training: every channel of the first batch comes out with mean 0 and variance 1.",
       {{"step", whole(1)}, {"way", 0.15}}},
      {"ladder",
       "Temperature ladder",
       "One picture at T = 0; then smooth, varied, noisy.",
       {{"rows", "temperature"s}, {"least-scale", 0.5}, {"temperature", 1.0}, {"direction", "to-data"s}, {"way", 0.27}}},
      {"volumes",
       "Where the log-determinant comes from",
       "Additive couplings contribute exactly nothing: all of the volume is actnorm's and the mixing's.",
       {{"coupling", "additive"s}, {"compare", "couplings"s}, {"hidden", whole(16)}}},
      {"levels",
       "One level drawn anew",
       "Held-out pictures whose latents of a single level are replaced: what left first holds detail, what stayed longest holds the "
       "layout.",
       {{"rows", "levels"s}, {"least-scale", 0.5}, {"temperature", 1.0}}},
      {"attribute",
       "More of an attribute",
       "Held-out pictures along the mean difference between bright and dark pictures, among the latents.",
       {{"rows", "attribute"s}, {"least-scale", 0.5}, {"attribute", "brightness"s}}},
      {"exploding",
       "No exploding inverse",
       "With a least scale of a half, latents far from the middle still give pictures. Set it to 0 and compare the samples, at T = 1.",
       {{"least-scale", 0.5}, {"temperature", 1.0}}},
      {"two-channels",
       "Two channels in the hand",
       "A mixing of two channels as a map of the plane: a rotation keeps areas; stretch a column and ln |det W| pays for it.",
       {{"matrix", "plane"s}, {"steps-per-level", whole(2)}, {"hidden", whole(16)}}},
      {"scenes",
       "Scenes of many shapes",
       "Several shapes at once, 24 pixels a side and three levels: slower, and harder.",
       {{"data", "scene"s}, {"side", whole(24)}, {"levels", whole(3)}, {"steps-per-level", whole(3)}, {"steps-per-frame", whole(5)}}},
  };
  entry.views = {{"stage", "Pictures on their way"}, {"samples", "Samples"},
                 {"rows", "Rows of pictures"},       {"bits", "Bits per dimension"},
                 {"strip", "Stage by stage"},        {"volumes", "Log-determinant per step"},
                 {"matrix", "Mixing matrix"},        {"actnorm", "Before and after actnorm"},
                 {"inverse", "Error of the inverse"}};
  Acceptance weights;
  weights.kinds = "a flow of pictures (safetensors with levels.0.steps.0.actnorm.bias ...)";
  weights.parameter = "weights";
  weights.score = [](const FileReport& report) {
    if (report.error || report.tensors.empty()) return 0;
    for (const TensorSummary& tensor : report.tensors) {
      if (tensor.name == "levels.0.steps.0.actnorm.bias") return 80;
    }
    return 0;
  };
  entry.accepts = pictureAcceptances();
  entry.accepts.push_back(weights);
  entry.files = "safetensors";
  entry.make = [] { return std::make_unique<Glow>(); };
  return entry;
}

}  // namespace orrery::generative
