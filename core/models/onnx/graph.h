#pragma once
// An ONNX graph that runs: on the host in double precision, or on the device with f32 where x goes and double precision where shapes and
// the time go. What depends on nothing but weights is computed once, when the file is opened.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/expected.h"
#include "core/gpu/stream.h"
#include "core/modelfile/onnx.h"
#include "core/models/onnx/value.h"

namespace orrery::models::onnx {

class Graph {
 public:
  // Error: of the reader; an operator that is not run here (its name, node and version); a weight that cannot be read; sizes that do not
  // fit.
  static Expected<Graph> open(const std::string& path);

  const std::vector<modelfile::OnnxPort>& inputs() const { return inputs_; }
  const std::vector<modelfile::OnnxPort>& outputs() const { return outputs_; }
  std::size_t parameters() const { return parameters_; }
  const std::vector<std::string>& notes() const { return notes_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  // How many rows the table has from which the numbers of an input take theirs (an embedding of classes): those beyond do not exist. None
  // where no table can be told.
  std::optional<std::int64_t> rowsTakenBy(std::size_t input) const;

  // The outputs for these inputs, in the order of inputs(). `stream` null: everything on the host. May be called from several threads at
  // once, with a stream each. Between nodes it asks stopRequested() (core/base/stop.h); what takes long is submitted in pieces, so that the
  // device is never far ahead of that. Error: shapes that do not fit (the node's name), values too large, cancelled.
  Expected<std::vector<Value>> run(gpu::Stream* stream, const std::vector<Value>& inputs) const;

 private:
  struct Step {
    modelfile::OnnxNode node;
    std::map<std::string, Value> tensors;  // attributes that are tensors
    std::vector<std::size_t> from, to;     // slots; `nowhere` where left out
    std::vector<std::size_t> done;         // slots that are not needed after it
  };
  Expected<void> load(const modelfile::OnnxModel& model);
  Expected<void> fold();
  void planFrees();
  Expected<std::vector<Value>> runStep(gpu::Stream* stream, const Step& step, const std::vector<const Value*>& operands) const;
  std::int64_t versionFor(const std::string& domain) const;

  static constexpr std::size_t nowhere = static_cast<std::size_t>(-1);
  std::string path_;
  std::map<std::string, std::int64_t> opsets_;
  std::vector<modelfile::OnnxPort> inputs_, outputs_;
  std::vector<std::string> notes_;
  std::map<std::string, std::string> metadata_;
  std::vector<Step> steps_;
  std::vector<Value> constants_;  // by slot; without elements and shape [0] where a run makes the value
  std::vector<bool> known_;
  std::vector<std::size_t> inputSlots_, outputSlots_;
  std::size_t parameters_ = 0;
};

}  // namespace orrery::models::onnx
