#include "core/modelfile/tensor_file.h"

#include "core/base/registry.h"
#include "core/base/text.h"

namespace orrery::modelfile {

Expected<TensorFile> TensorFile::open(const std::string& path, const OpenOptions& options) {
  auto reader = BoundedReader::open(path);
  if (!reader) return reader.error();
  auto head = reader->readAt(0, std::min<std::uint64_t>(reader->size(), 4096));
  if (!head) return head.error();
  const FileHead fileHead{path, *head, reader->size(), false};

  const TensorFileFormat* best = nullptr;
  int bestScore = 0;
  for (const TensorFileFormat& format : registered<TensorFileFormat>()) {
    if (const int score = format.probe(fileHead); score > bestScore) {
      bestScore = score;
      best = &format;
    }
  }
  // Nobody is sure: let inspectFile find the words for what it is.
  if (bestScore < 50) {
    auto report = inspectFile(path);
    if (!report) return report.error();
    if (report->error) return *report->error;
    if (best == nullptr) {
      return makeError(ErrorCode::badInput,
                       trf("'{}' holds no tensors: expected safetensors, npz or npy, found {}", shown(path), report->title), "E-IN-08");
    }
  }
  auto source = best->open(path, options);
  if (!source) return source.error();
  TensorFile file;
  file.format_ = std::string(best->id);
  file.source_ = std::move(*source);
  return file;
}

bool TensorFile::contains(std::string_view name) const {
  for (const auto& tensor : tensors()) {
    if (tensor.name == name) return true;
  }
  return false;
}

Expected<Tensor> TensorFile::read(std::string_view name, std::int64_t* notFinite) const {
  for (std::size_t i = 0; i < tensors().size(); ++i) {
    const TensorSummary& tensor = tensors()[i];
    if (tensor.name != name) continue;
    if (!tensor.readable) {
      return makeError(ErrorCode::unsupported, trf("tensor '{}' cannot be read: {}", shown(name), tensor.note), "E-IN-09");
    }
    auto result = source_->read(i);
    if (!result) return result.error();
    if (notFinite != nullptr) *notFinite = result->second;
    return result->first;
  }
  std::string names;
  for (std::size_t i = 0; i < tensors().size() && i < 8; ++i) names += (i ? ", " : "") + shown(tensors()[i].name);
  if (tensors().size() > 8) names += ", ...";
  return makeError(ErrorCode::notFound, trf("no tensor '{}' in the file; it holds {}", shown(name), names), "E-IN-10");
}

Expected<FileReport> inspectTensorFile(std::string_view format, std::string_view title, const std::string& path, const InspectOptions& options,
                                       Expected<std::unique_ptr<TensorSource>> (*open)(const std::string&, const OpenOptions&)) {
  FileReport report;
  report.kind = std::string(format);
  auto reader = BoundedReader::open(path);
  if (!reader) return reader.error();
  report.bytes = reader->size();
  auto source = open(path, {options.lenient});
  if (!source) {
    report.title = tr(title);
    report.error = source.error();
    return report;
  }
  report.tensors = (*source)->tensors();
  report.notes = (*source)->notes;
  report.metadata = (*source)->metadata;

  std::uint64_t dataBytes = 0;
  std::int64_t unreadable = 0;
  for (const auto& tensor : report.tensors) {
    dataBytes += tensor.bytes;
    unreadable += tensor.readable ? 0 : 1;
  }
  report.counts["tensors"] = static_cast<std::int64_t>(report.tensors.size());
  report.title = report.tensors.size() == 1 ? trf("{}, 1 tensor, {}", tr(title), bytesAsText(report.bytes))
                                            : trf("{}, {} tensors, {}", tr(title), report.tensors.size(), bytesAsText(report.bytes));
  if (unreadable > 0) {
    report.notes.push_back(trf("{} of {} tensors usable; {} skipped", static_cast<std::int64_t>(report.tensors.size()) - unreadable,
                               report.tensors.size(), unreadable));
  }

  // Look for NaN and infinities while that is quick.
  if (dataBytes <= (64u << 20)) {
    std::int64_t notFinite = 0;
    for (std::size_t i = 0; i < report.tensors.size(); ++i) {
      if (!report.tensors[i].readable) continue;
      auto values = (*source)->read(i);
      if (!values) {
        report.tensors[i].readable = false;
        report.tensors[i].note = values.error().message;
        if (!report.error) report.error = values.error();
        continue;
      }
      if (values->second > 0) report.tensors[i].note = trf("{} NaN or infinite values", values->second);
      notFinite += values->second;
    }
    if (notFinite > 0) report.notes.push_back(trf("weights contain {} NaN or infinite values; labs mask them", notFinite));
    report.counts["not-finite"] = notFinite;
  }
  return report;
}

}  // namespace orrery::modelfile
