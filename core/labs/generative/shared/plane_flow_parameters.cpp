// What every lab of flows of the plane offers besides its layers: training, picture, seed.

#include "core/labs/generative/shared/plane_flow_lab.h"

namespace orrery::generative {

std::vector<Parameter> PlaneFlowLab::trainingParameters(std::int64_t steps, double learningRate, std::int64_t batch) {
  const auto whole = [](std::int64_t v) { return Value(v); };
  return {
      {"noise", "Noise on the data", "Deviation of the normal noise added to every point; points without width need some.", "Training", 0.0,
       Real{0, 0.5, 0.005}},
      {"learning-rate", "Learning rate η", "Length of Adam's steps; it falls to zero along a cosine.", "Training", learningRate,
       LogReal{1e-5, 1e-1}},
      {"batch", "Batch size", "Fresh exact samples per step.", "Training", whole(batch), Integer{64, 16384, true}},
      {"steps", "Steps", "Length of the run.", "Training", whole(steps), Integer{10, 20000, true}},
      {"steps-per-frame", "Steps per frame", "Steps between two pictures.", "Training", whole(10), Integer{1, 200, true}},
  };
}

std::vector<Parameter> PlaneFlowLab::pictureParameters(const std::string& colour) {
  const auto whole = [](std::int64_t v) { return Value(v); };
  return {
      {"way", "Way through the layers", "0 shows the data's side, 1 the latents'; drag it to move the cloud layer by layer.", "Picture",
       1.0, Real{0, 1, 0.01}},
      {"direction", "Direction", "What moves through the layers.", "Picture", std::string("to-latents"),
       Choice{{{"to-latents", "Data to latents"}, {"to-data", "Latents to data"}}}},
      {"colour", "Colour of the points", "What the colour of a point says.", "Picture", colour,
       Choice{{{"volume", "Volume change ln |det|"}, {"origin", "Where it came from"}}}},
      {"temperature", "Temperature T", "Multiplies the latents that samples are made from.", "Picture", 1.0, Real{0, 1.5, 0.01}},
      {"particles", "Points", "How many data points and samples are shown and measured.", "Picture", whole(2048),
       Integer{256, 1 << 16, true}},
      {"raster", "Cells of the density", "Per side of the picture of the density.", "Picture", whole(112), Integer{32, 512, true}},
      {"point-x", "Followed point x", "The point whose way is marked; drag it.", "Picture", 0.7071, Real{-12, 12}},
      {"point-y", "Followed point y", "The point whose way is marked; drag it.", "Picture", 0.7071, Real{-12, 12}},
  };
}

Parameter PlaneFlowLab::seedParameter() {
  return {"seed", "Seed", "Data, first weights and latents follow from it.", "Randomness", Value(std::int64_t{20261121}), Seed{}};
}

}  // namespace orrery::generative
