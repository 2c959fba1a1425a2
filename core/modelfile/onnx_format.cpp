// ONNX as a file: what `inspect` and drag and drop say of it, and its weights as named tensors.

#include <algorithm>

#include "core/base/registry.h"
#include "core/base/text.h"
#include "core/modelfile/onnx.h"
#include "core/modelfile/tensor_file.h"

namespace orrery::modelfile {

namespace {

class OnnxSource : public TensorSource {
 public:
  explicit OnnxSource(OnnxModel model) : model_(std::move(model)) {
    notes = model_.notes;
    for (const OnnxTensor& weight : model_.weights) {
      TensorSummary summary{weight.name, onnxTypeName(weight.type), weight.shape, weight.bytes, !weight.problem && weight.shape.size() <= 8,
                            {}};
      if (weight.problem) {
        summary.note = weight.problem->message;
      } else if (!summary.readable) {
        summary.note = trf("rank {} is above 8", weight.shape.size());
      }
      tensors_.push_back(std::move(summary));
    }
  }
  const std::vector<TensorSummary>& tensors() const override { return tensors_; }
  const OnnxModel& model() const { return model_; }
  Expected<std::pair<Tensor, std::int64_t>> read(std::size_t index) const override {
    const OnnxTensor& weight = model_.weights[index];
    auto values = model_.values(weight);
    if (!values) return values.error();
    Tensor tensor{Shape(weight.shape)};
    std::int64_t notFinite = 0;
    const auto to = tensor.asMutable<float>();
    for (std::size_t i = 0; i < values->size(); ++i) {
      to[i] = static_cast<float>((*values)[i]);
      notFinite += std::isfinite(to[i]) ? 0 : 1;
    }
    return std::pair{std::move(tensor), notFinite};
  }

 private:
  OnnxModel model_;
  std::vector<TensorSummary> tensors_;
};

Expected<std::unique_ptr<TensorSource>> open(const std::string& path, const OpenOptions&) {
  auto model = OnnxModel::open(path);
  if (!model) return model.error();
  return std::unique_ptr<TensorSource>(std::make_unique<OnnxSource>(*std::move(model)));
}

// ONNX has no magic number: the fields of ModelProto must follow one another as far as the head goes, beginning with ir_version.
int probe(const FileHead& file) {
  if (file.isFolder) return 0;
  const std::string_view name = file.path;
  const int byName = name.ends_with(".onnx") ? 5 : 0;
  const auto byte = [&](std::size_t i) { return i < file.head.size() ? std::to_integer<unsigned>(file.head[i]) : 0u; };
  if (file.head.size() < 4 || byte(0) != 0x08 || byte(1) == 0 || byte(1) > 0x7F) return byName;
  std::size_t at = 2;
  int fields = 1;
  while (at < file.head.size()) {
    const unsigned key = byte(at++), field = key >> 3, wire = key & 7;
    // producer_name, producer_version, domain, doc_string, graph and opset_import are messages or texts, model_version a number.
    const bool text = wire == 2 && (field == 2 || field == 3 || field == 4 || field == 6 || field == 7 || field == 8 || field == 14);
    if (!text && !(wire == 0 && field == 5)) return byName;
    std::uint64_t value = 0;
    for (int shift = 0; at < file.head.size() && shift < 64; shift += 7) {
      const unsigned b = byte(at++);
      value |= static_cast<std::uint64_t>(b & 0x7F) << shift;
      if (b < 0x80) break;
    }
    ++fields;
    if (field == 7) return 90;
    if (wire == 2) {
      if (value > file.bytes) return byName;
      at += value;
    }
  }
  return fields >= 2 ? 70 : byName;
}

TensorSummary summaryOf(const OnnxPort& port) {
  TensorSummary summary{port.name, onnxTypeName(port.type), port.shape, 0, port.tensor && port.ranked, {}};
  if (!port.tensor)
    summary.note = tr("no tensor");
  else if (!port.ranked)
    summary.note = tr("its shape is not stated");
  return summary;
}

std::string shapeText(const OnnxPort& port) {
  if (!port.tensor || !port.ranked) return "?";
  std::string text;
  for (std::size_t i = 0; i < port.shape.size(); ++i) {
    const std::string extent = port.shape[i] >= 0 ? std::to_string(port.shape[i]) : port.extents[i].empty() ? "?" : shown(port.extents[i]);
    text += (i ? ", " : "") + extent;
  }
  return "[" + text + "]";
}

Expected<FileReport> inspect(const std::string& path, const InspectOptions& options) {
  auto report = inspectTensorFile("onnx", "ONNX model", path, options, open);
  if (!report || report->error) return report;
  const auto model = OnnxModel::open(path);
  if (!model) return model.error();
  report->counts["nodes"] = static_cast<std::int64_t>(model->nodes.size());
  const auto own = model->opsets.find("");
  if (own != model->opsets.end()) report->counts["opset"] = own->second;
  report->title =
      trf("{}, {} nodes, {} tensors, {}", tr("ONNX model"), model->nodes.size(), report->tensors.size(), bytesAsText(report->bytes));
  if (!model->producer.empty()) report->metadata["producer"] = shown(model->producer);
  for (const auto* ports : {&model->inputs, &model->outputs}) {
    for (const OnnxPort& port : *ports) {
      (ports == &model->inputs ? report->inputs : report->outputs).push_back(summaryOf(port));
      report->notes.push_back((ports == &model->inputs
                                   ? trf("input '{}': {} {}", shown(port.name), onnxTypeName(port.type), shapeText(port))
                                   : trf("output '{}': {} {}", shown(port.name), onnxTypeName(port.type), shapeText(port))));
    }
  }
  return report;
}

const Registration<TensorFileFormat> tensorFormat{{"onnx", probe, open}};
const Registration<FileFormat> fileFormat{{"onnx", "ONNX model", probe, inspect}};

}  // namespace

}  // namespace orrery::modelfile
