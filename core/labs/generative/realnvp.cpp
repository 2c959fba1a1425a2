// RealNVP: affine couplings, trained live by maximum likelihood on points of the plane (realnvp/plane.cpp) or on pictures, on several
// scales (realnvp/pictures.cpp). Source: Dinh, Sohl-Dickstein and Bengio 2017. Forward is from data to latents; nats, bits.

#include "core/labs/generative/realnvp/pictures.h"
#include "core/labs/generative/realnvp/plane.h"
#include "core/labs/generative/shared/plane_flow_file.h"
#include "core/labs/generative/shared/plane_or_pictures.h"

namespace orrery::generative {

namespace {

class RealNvp final : public PlaneOrPictures {
 public:
  RealNvp() : PlaneOrPictures(std::make_unique<RealNvpPlane>(), std::make_unique<RealNvpPictures>()) {}
  static LabEntry describe();
};

// Flows of pictures with checkerboards: Glow has none.
Acceptance pictureFlowAcceptance() {
  Acceptance acceptance;
  acceptance.kinds = "a flow of pictures (safetensors with levels.0.checkers.0.coupling.0.weight ...)";
  acceptance.parameter = "weights";
  acceptance.also = {{"data", std::string("single")}};
  acceptance.score = [](const FileReport& report) {
    for (const TensorSummary& tensor : report.tensors) {
      if (!report.error && tensor.name == "levels.0.checkers.0.coupling.0.weight") return 85;
    }
    return 0;
  };
  return acceptance;
}

Choice masksChoice() { return RealNvpPictures::masksChoice(); }

LabEntry RealNvp::describe() {
  using namespace std::string_literals;
  const auto whole = [](std::int64_t v) { return Value(v); };
  LabEntry entry;
  entry.id = "generative/realnvp";
  entry.title = "RealNVP: affine coupling";
  entry.summary = "Each half moves and stretches the other";
  entry.parameters = {planeOrPicturesParameter()};
  const auto append = [&](std::vector<Parameter> more) { entry.parameters.insert(entry.parameters.end(), more.begin(), more.end()); };
  append(shownOnPlane(planeSceneParameters("ring8")));
  append(pictureDataParameters(onPictures));
  append(shownOnPictures({
      {"alpha", "Logit α", "Values go through logit(α + (1 − α) x): it keeps them away from the ends.", "Data", 0.05, Real{0, 0.2, 0.005}},
      {"logit", "Form of the logit", "How the range is narrowed before the logit.", "Data", "one"s,
       Choice{{{"one", "α + (1 − α) x"}, {"two", "α + (1 − 2α) x"}}}},
  }));
  append({
      ownFlowParameter(),
      {"couplings", "Couplings K", "Layers of the flow; each moves one coordinate.", "Flow", whole(6), Integer{1, 12}, "",
       drawnFlowOnPlane},
      {"couplings-per-stage", "Couplings per stage K", "So many with each kind of mask on each level.", "Flow", whole(3), Integer{1, 12},
       "", drawnFlowOnPictures},
      {"levels", "Levels L", "Each halves the size; behind each but the last, half of the values leave.", "Flow", whole(2), Integer{1, 4},
       "", drawnFlowOnPictures},
      {"masks", "Masks", "Checkerboards of pixels before a squeeze, halves of the channels behind it.", "Flow", "both"s, masksChoice(), "",
       drawnFlowOnPictures},
      {"mask", "Painted mask",
       "Which pixels pass the first coupling of each level; the next lets the others pass. Drag over the masks to paint: eight rows of eight.", "Flow",
       "f0f0f0f00f0f0f0f"s, Text{}, "",
       [](const Values& v) { return drawnFlowOnPictures(v) && std::get<std::string>(v.at("masks")) == "painted"; }},
      {"scale-bound", "Scale bound c", "A layer stretches by at most exp(c); 0 is NICE, which keeps volumes.", "Flow", 2.0,
       Real{0, 5, 0.05}},
      {"width", "Hidden width", "Units per hidden layer of each coupling's network.", "Flow", whole(64), Integer{16, 512, true}, "",
       drawnFlowOnPlane},
      {"depth", "Hidden layers", "Of each coupling's network.", "Flow", whole(2), Integer{1, 5}, "", drawnFlowOnPlane},
      {"batch-norm", "Batch normalization",
       "Between couplings: a shift and a scale per coordinate, or per channel of pictures, from the statistics of the batches.", "Flow",
       false, Switch{}, "", drawnFlow},
      {"norm-momentum", "Momentum of the statistics ρ", "How much of the running mean and variance a step keeps; 0 takes the batch's own.",
       "Flow", 0.1, Real{0, 0.99, 0.01}, "", [](const Values& v) { return drawnFlow(v) && std::get<bool>(v.at("batch-norm")); }},
      {"hidden", "Hidden channels", "Of each coupling's network of convolutions.", "Flow", whole(32), Integer{16, 512, true}, "",
       drawnFlowOnPictures},
      {"actnorm", "Actnorm", "Before every coupling a shift and scale per channel, set by the first batch.", "Flow", false, Switch{}, "",
       drawnFlowOnPictures},
      {"compare", "Train beside it", "Further flows on the same batches, for the chart of bits.", "Flow", "none"s,
       Choice{{{"none", "Nothing"}, {"masks", "The other masks"}, {"additive", "A scale bound of 0"}}}, "", drawnFlowOnPictures},
  });
  append(shownOnPlane({{"plane-compare", "Train beside it", "A second flow on the same batches, for the chart of the likelihood.", "Flow", "none"s,
                        Choice{{{"none", "Nothing"}, {"additive", "A scale bound of 0"}}}}}));
  append(flowTrainingParameters(RealNvpPlane::trainingParameters(1000, 5e-3, 512)));
  append(pictureTrainingParameters(3e-3, 32, 300));
  append(flowPictureParameters(RealNvpPlane::pictureParameters("volume")));
  append(shownOnPictures({
      {"rows", "Rows of pictures", "What is done to latents in the rows beside the samples.", "Picture", "levels"s,
       Choice{{{"levels", "One level drawn anew"}, {"temperature", "Temperature ladder"}, {"interpolation", "Between two pictures"}}}},
  }));
  append({RealNvpPlane::seedParameter()});
  entry.presets = {
      {"nice-vs-realnvp",
       "NICE and RealNVP on a ring",
       "Two flows on the same batches: with a scale bound of 0 volumes stay, and the likelihood stops higher. The cells of the grid shrink "
       "inside the blobs.",
       {{"scene", "ring8"s}, {"plane-compare", "additive"s}}},
      {"bridges",
       "Bridges",
       "One Gaussian must be torn into far blobs: a continuous map keeps filaments between them.",
       {{"scene", "ring8"s}, {"spread", 0.5}, {"direction", "to-data"s}, {"way", 0.0}, {"colour", "origin"s}}},
      {"moons", "Two moons", "Two interleaved arcs unfold into one round cloud.", {{"scene", "moons"s}, {"colour", "origin"s}}},
      {"deep",
       "Twelve small layers",
       "More layers with a tighter bound share the work.",
       {{"couplings", whole(12)}, {"scale-bound", 1.0}, {"width", whole(32)}, {"scene", "pinwheel"s}}},
      {"normalized",
       "Normalized between couplings",
       "Twelve couplings with batch normalization between them: each sees coordinates of mean 0 and variance 1, and the shrinking shows in "
       "the volumes.",
       {{"couplings", whole(12)}, {"batch-norm", true}, {"width", whole(32)}, {"scene", "pinwheel"s}}},
      {"pictures",
       "Pictures on two scales",
       "Checkerboards, a squeeze, halves of the channels; half of the values leave and the rest goes on at half the size.",
       {{"data", "single"s}, {"scale-bound", 1.0}, {"way", 0.5}, {"temperature", 0.7}}},
      {"fine-scale",
       "Resample the fine scale only",
       "Held-out pictures whose latents of one level are drawn anew: level 1 left first and holds texture, what stayed holds the layout.",
       {{"data", "single"s}, {"scale-bound", 1.0}, {"rows", "levels"s}, {"way", 0.5}, {"temperature", 0.7}}},
      {"masks",
       "Checkerboards against channels",
       "Three flows on the same batches with as many couplings each: both kinds of masks, checkerboards alone, halves of the channels "
       "alone.",
       {{"data", "single"s},
        {"scale-bound", 1.0},
        {"compare", "masks"s},
        {"couplings-per-stage", whole(2)},
        {"hidden", whole(16)},
        {"way", 0.5},
        {"temperature", 0.7}}},
  };
  entry.views = {{"layers", "Cloud and grid on their way"},
                 {"density", "The model's density"},
                 {"samples", "Samples over data"},
                 {"likelihood", "Likelihood and entropy"},
                 {"volumes", "Volume change per layer"},
                 {"strip", "Layer by layer"},
                 {"inverse", "Error of the inverse"},
                 {"stage", "Pictures on their way"},
                 {"rows", "Rows of pictures"},
                 {"bits", "Bits per dimension"},
                 {"masks", "What each coupling lets pass"},
                 {"exits", "Latents of every level"}};
  entry.accepts = planeOrPicturesAcceptances();
  entry.accepts.push_back(planeFlowAcceptance(true));
  entry.accepts.push_back(pictureFlowAcceptance());
  entry.files = "safetensors";
  entry.make = [] { return std::make_unique<RealNvp>(); };
  return entry;
}

}  // namespace

ORRERY_LAB(RealNvp);

}  // namespace orrery::generative
