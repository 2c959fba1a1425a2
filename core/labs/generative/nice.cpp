// NICE: additive couplings and a diagonal scale, trained live by maximum likelihood on points of the plane (nice/plane.cpp) or on pictures
// taken as rows of numbers (nice/pictures.cpp). Source: Dinh, Krueger and Bengio 2014. Forward is from data to latents; nats, bits.

#include "core/labs/generative/nice/pictures.h"
#include "core/labs/generative/nice/plane.h"
#include "core/labs/generative/shared/plane_flow_file.h"
#include "core/labs/generative/shared/plane_or_pictures.h"

namespace orrery::generative {

namespace {

class Nice final : public PlaneOrPictures {
 public:
  Nice() : PlaneOrPictures(std::make_unique<NicePlane>(), std::make_unique<NicePictures>()) {}
  static LabEntry describe();
};

LabEntry Nice::describe() {
  using namespace std::string_literals;
  const auto whole = [](std::int64_t v) { return Value(v); };
  LabEntry entry;
  entry.id = "generative/nice";
  entry.title = "NICE: additive coupling";
  entry.summary = "Invertible by construction, volume preserved";
  entry.parameters = {planeOrPicturesParameter()};
  const auto append = [&](std::vector<Parameter> more) { entry.parameters.insert(entry.parameters.end(), more.begin(), more.end()); };
  append(shownOnPlane(planeSceneParameters("moons")));
  append(pictureDataParameters(onPictures));
  append(shownOnPictures({{"dequantise", "Noise of one step",
                           "Uniform noise inside each step of the colours; without it a density is unbounded.", "Data", true, Switch{}}}));
  append({
      ownFlowParameter(),
      {"couplings", "Couplings K", "Layers of the flow; each moves one coordinate.", "Flow", whole(6), Integer{0, 16}, "", drawnFlow},
      {"scale-layer", "Scale layer", "A last layer that stretches each axis by a learned factor: the only one that changes volumes.",
       "Flow", true, Switch{}, "", drawnFlow},
      {"prior", "Law of the latents", "What the data are mapped to.", "Flow", "normal"s,
       Choice{{{"normal", "Normal"}, {"logistic", "Logistic"}}}},
      {"width", "Hidden width", "Units per hidden layer of each coupling's network.", "Flow", whole(64), Integer{8, 1024, true}, "",
       drawnFlowOnPlane},
      {"picture-width", "Hidden width", "Units per hidden layer of each coupling's network.", "Flow", whole(256), Integer{16, 1024, true},
       "", drawnFlowOnPictures},
      {"split", "Split", "Which values of a picture pass the first coupling; the next lets the others pass.", "Flow", "alternating"s,
       Choice{{{"alternating", "Every other"}, {"halves", "Halves"}, {"random", "Random half"}}}, "", drawnFlowOnPictures},
      {"depth", "Hidden layers", "Of each coupling's network.", "Flow", whole(2), Integer{1, 5}, "", drawnFlow},
  });
  append(flowTrainingParameters(NicePlane::trainingParameters(1000, 1e-2, 512)));
  append(pictureTrainingParameters(2e-3, 64, 600));
  append(flowPictureParameters(NicePlane::pictureParameters("origin")));
  append(shownOnPictures({
      {"rows", "Rows of pictures", "What the rows beside the samples show.", "Picture", "temperature"s,
       Choice{
           {{"temperature", "Temperature ladder"}, {"interpolation", "Between two pictures"}, {"inpainting", "Hidden pixels climb ln p"}}}},
      {"hidden-part", "Hidden pixels", "What is hidden of held-out pictures before it climbs the likelihood.", "Picture", "right"s,
       Choice{{{"right", "Right half"}, {"below", "Lower half"}, {"middle", "Middle"}, {"random", "Three quarters at random"}, {"painted", "Painted by you"}}}, "",
       [](const Values& v) { return onPictures(v) && std::get<std::string>(v.at("rows")) == "inpainting"; }},
      {"hidden-mask", "Painted pixels", "What is hidden: eight rows of eight. Drag over the pictures to hide, with Alt to show.", "Picture",
       "00003c3c3c3c0000"s, Text{}, "",
       [](const Values& v) {
         return onPictures(v) && std::get<std::string>(v.at("rows")) == "inpainting" && std::get<std::string>(v.at("hidden-part")) == "painted";
       }},
  }));
  append({{"lower-left", "Lower left", "What the lower left panel shows.", "Picture", "strip"s,
           Choice{{{"strip", "Layer by layer"}, {"jacobian", "Jacobian after each layer"}}}, "", onPlane},
          {"lower-right", "Lower right", "What the lower right panel shows.", "Picture", "spectrum"s,
           Choice{{{"spectrum", "Widths of the latents"}, {"inverse", "Error of the inverse"}, {"volumes", "Volume change per layer"}}}, "",
           onPlane}});
  append({NicePlane::seedParameter()});
  entry.presets = {
      {"shear-stack",
       "Shear stack",
       "Every layer shears along one axis, in turn. Drag the way through the layers and watch the grid.",
       {{"way", 0.5}, {"scale-layer", false}, {"lower-left", "jacobian"s}}},
      {"cannot-squeeze",
       "Cannot squeeze",
       "No scale layer: the couplings bend the moons but keep every area, so samples spread over as much of the plane as the prior's.",
       {{"scale-layer", false}}},
      {"scale-on",
       "Scale on",
       "The same stack with a scale at the end: mass concentrates, and the widths say how far each axis was stretched.",
       {{"scale-layer", true}, {"lower-right", "spectrum"s}}},
      {"symmetric-ring",
       "Held by symmetry",
       "On the ring the mean of one coordinate given the other is 0, so no small shift helps: additive couplings stay at the identity, and "
       "only the scale moves.",
       {{"scene", "ring8"s}}},
      {"deep",
       "Twelve shears",
       "More layers bend the spiral further.",
       {{"scene", "spiral"s}, {"couplings", whole(12)}, {"width", whole(32)}}},
      {"pictures",
       "Pictures in one row",
       "ShapeWorld pictures as 768 numbers: half of them told by the other half. The widths say which values the rest foretells.",
       {{"data", "single"s}, {"prior", "logistic"s}, {"way", 0.5}}},
      {"inpainting",
       "Hidden pixels climb ln p",
       "Half of each held-out picture is hidden; its values follow the gradient of the likelihood until a plausible half appears.",
       {{"data", "single"s}, {"prior", "logistic"s}, {"rows", "inpainting"s}, {"steps-per-frame", whole(50)}, {"way", 0.5}}},
      {"stiff",
       "Pictures without a scale",
       "No layer changes volume: every picture must fill as much room among the latents as a normal does, and a value costs more than its "
       "bits.",
       {{"data", "single"s}, {"scale-layer", false}, {"way", 0.5}}},
  };
  entry.views = {{"layers", "Cloud and grid on their way"},
                 {"density", "The model's density"},
                 {"samples", "Samples over data"},
                 {"likelihood", "Likelihood and entropy"},
                 {"areas", "Areas of small triangles"},
                 {"strip", "Layer by layer"},
                 {"jacobian", "Jacobian after each layer"},
                 {"spectrum", "Widths of the latents"},
                 {"inverse", "Error of the inverse"},
                 {"volumes", "Volume change per layer"},
                 {"stage", "Pictures on their way"},
                 {"rows", "Rows of pictures"},
                 {"bits", "Bits per dimension"},
                 {"masks", "What each coupling lets pass"},
                 {"widths", "Widths as a picture"}};
  entry.accepts = planeOrPicturesAcceptances();
  entry.accepts.push_back(planeFlowAcceptance(false));
  entry.files = "safetensors";
  entry.make = [] { return std::make_unique<Nice>(); };
  return entry;
}

}  // namespace

ORRERY_LAB(Nice);

}  // namespace orrery::generative
