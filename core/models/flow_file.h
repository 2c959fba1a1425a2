#pragma once
// Flows of rows in tensor files, under the names they have while they learn: "layers.<i>." and then, of
//   a coupling       "0.weight" [w, D], "0.bias" [w], "2.weight" [w, w] ..., "shift.weight" [D, w], "shift.bias" [D], and when it scales
//                    "scale.weight", "scale.bias" as the shift's
//   a normalization  "running_mean", "running_var" [D]
//   a scale          "log_scale" [D]
//   a ridge          "w" [D], "u" [D], "b" [1]
//   a centre         "centre" [D], "a" [1], "b" [1]
//   a velocity       "0.weight" [w, D + 1], "0.bias" [w], "2.weight" [w, w] ... "2 h.weight" [D, w], "2 h.bias" [D] with h hidden layers
// Which dimensions a coupling moves, its bound and the law of the latents are no tensors: they stand in the metadata of a safetensors file,
// or are the caller's. What is common to all flows in files, those of pictures included (image_flow_file.h), is here too.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/modelfile/tensor_file.h"
#include "core/models/flows.h"

namespace orrery::models::flows {

using Said = std::map<std::string, std::string>;  // metadata

// What the file says of the tensor of this name; null when it has none.
const TensorSummary* summaryOf(const modelfile::TensorFile& file, const std::string& name);
// The tensor of this name. Error: badInput, when it is not there, of another shape or not finite: says which.
Expected<Tensor> readNamed(const modelfile::TensorFile& file, const std::string& path, const std::string& name, const Shape& shape);

// Variances, by the end of their name "running_var", are at least 0. Error: badInput, when one is not.
Expected<void> checkStatistics(const std::string& path, const std::string& name, const Tensor& tensor);

// Numbers and switches in metadata come back to the same bits. Reading takes `otherwise` where nothing is said. Error: badInput, when what
// is said is no such number, or none of `choices`.
std::string saidNumber(double value);
Expected<double> numberSaid(const Said& said, const std::string& path, const std::string& key, double otherwise, double low, double high);
Expected<std::string> choiceSaid(const Said& said, const std::string& path, const std::string& key, const std::string& otherwise,
                                 const std::vector<std::string>& choices);

struct FlowChain {
  enum class Kind { coupling, norm, scale, planar, radial, continuous };
  struct Part {
    Kind kind = Kind::coupling;
    bool affine = false;     // of a coupling
    std::int64_t width = 0;  // of its network, or of a velocity's
    int depth = 0;           // hidden layers
  };
  std::int64_t dimensions = 0;
  std::vector<Part> parts;
  nn::Weights weights;  // in the order of the layers
  Said said;
  std::size_t couplings() const;
};
// What a reader can make layers of: couplings with normalizations and scales, or all kinds.
enum class FlowKinds { couplings, all };
// Error: badInput, when there is no such chain in the file, or a tensor is missing, of another shape or not finite: says which.
Expected<FlowChain> readFlowChain(const std::string& path, FlowKinds kinds = FlowKinds::couplings);

}  // namespace orrery::models::flows
