#pragma once
// Flows of pictures in tensor files, as Glow names their parts: "levels.<l>.steps.<k>." and then "actnorm.bias", "actnorm.logs" [C],
// "invconv.weight" [C, C], "coupling.0.weight" [h, C / 2, 3, 3], "coupling.2.weight" [h, h, 1, 1], "coupling.4.weight" [C or C / 2, h, 3,
// 3] and their biases; C = 12 at the first level of colour pictures, and twice as many at each level after. Mixings are whole matrices,
// whatever they were while they learnt.

#include <string>
#include <utility>
#include <vector>

#include "core/models/image_flow.h"

namespace orrery::models::flows {

struct ImageFlowFile {
  ImageFlowOptions options;  // levels, steps, hidden channels, coupling and channels as the tensors say; the size is the caller's
  nn::Weights weights;
};
// Error: badInput, when a tensor is missing, of another shape or not finite, or a mixing matrix is singular: says which.
Expected<ImageFlowFile> readImageFlow(const std::string& path, std::int64_t height, std::int64_t width);

// What readImageFlow() takes. Error: usage, for a flow with checkerboards, a logit or without a mixing.
Expected<std::vector<std::pair<std::string, Tensor>>> namedParts(const ImageFlow& flow, const nn::Weights& weights);

}  // namespace orrery::models::flows
