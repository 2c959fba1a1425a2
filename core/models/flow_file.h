#pragma once
// Flows of rows in tensor files, under the names they have while they learn: "layers.<i>." and then, of
//   a coupling       "0.weight" [w, D], "0.bias" [w], "2.weight" [w, w] ..., "shift.weight" [D, w], "shift.bias" [D], and when it scales
//                    "scale.weight", "scale.bias" as the shift's
//   a normalization  "running_mean", "running_var" [D]
//   a scale          "log_scale" [D]
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

// Numbers and switches in metadata come back to the same bits. Reading takes `otherwise` where nothing is said. Error: badInput, when what
// is said is no such number, or none of `choices`.
std::string saidNumber(double value);
Expected<double> numberSaid(const Said& said, const std::string& path, const std::string& key, double otherwise, double low, double high);
Expected<std::string> choiceSaid(const Said& said, const std::string& path, const std::string& key, const std::string& otherwise,
                                 const std::vector<std::string>& choices);

struct FlowChain {
  enum class Kind { coupling, norm, scale };
  struct Part {
    Kind kind = Kind::coupling;
    bool affine = false;     // of a coupling
    std::int64_t width = 0;  // of its network
    int depth = 0;
  };
  std::int64_t dimensions = 0;
  std::vector<Part> parts;
  nn::Weights weights;  // in the order of the layers
  Said said;
  std::size_t couplings() const;
};
// Error: badInput, when there is no such chain in the file, or a tensor is missing, of another shape or not finite: says which.
Expected<FlowChain> readFlowChain(const std::string& path);

}  // namespace orrery::models::flows
