#pragma once
// Flows of pictures in tensor files. Glow's parts are named "levels.<l>.steps.<k>." and then "actnorm.bias", "actnorm.logs" [C],
// "invconv.weight" [C, C], "coupling.0.weight" [h, C / 2, 3, 3], "coupling.2.weight" [h, h, 1, 1], "coupling.4.weight" [C or C / 2, h, 3,
// 3] and their biases; C = 12 at the first level of colour pictures, and twice as many at each level after. Mixings are whole matrices,
// whatever they were while they learnt. RealNVP's flows have no mixing and "levels.<l>.checkers.<k>.", whose couplings take and move C
// channels, before a level's squeeze; of either, "norm.running_mean" and "norm.running_var" [C] where it normalizes by batches; what no tensor says of them (the bound of a scale, the logit, which halves a squeeze makes) stands in
// the metadata of a safetensors file.

#include <string>
#include <utility>
#include <vector>

#include "core/models/flow_file.h"
#include "core/models/image_flow.h"

namespace orrery::models::flows {

struct ImageFlowFile {
  ImageFlowOptions options;  // as the tensors and the metadata say, the rest as in `otherwise`; the size is the caller's
  nn::Weights weights;
};
// Error: badInput, when a tensor is missing, of another shape or not finite, or a mixing matrix is singular: says which.
Expected<ImageFlowFile> readImageFlow(const std::string& path, std::int64_t height, std::int64_t width,
                                      const ImageFlowOptions& otherwise = {});

// What readImageFlow() takes: tensors and metadata.
std::vector<std::pair<std::string, Tensor>> namedParts(const ImageFlow& flow, const nn::Weights& weights);
Said saidOf(const ImageFlowOptions& options);

}  // namespace orrery::models::flows
