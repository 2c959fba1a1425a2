#pragma once
// TensorFile: named tensors in a file, whatever the format (safetensors, npz, npy). The directory is read at once, a tensor's data only
// when asked for. One format per .cpp; each registers a TensorFileFormat (and the FileFormat that `inspect` asks).

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/expected.h"
#include "core/base/file_format.h"
#include "core/modelfile/bounded_reader.h"
#include "core/modelfile/element_type.h"
#include "core/tensor/tensor.h"

namespace orrery::modelfile {

struct OpenOptions {
  bool lenient = false;   // accept trailing bytes and gaps: list what can be listed
};

// One format's view of an open file.
class TensorSource {
 public:
  virtual ~TensorSource() = default;
  virtual const std::vector<TensorSummary>& tensors() const = 0;
  // Values as f32, with the number of NaN or infinite ones. `index` is inside tensors() and that one is readable.
  virtual Expected<std::pair<Tensor, std::int64_t>> read(std::size_t index) const = 0;
  std::vector<std::string> notes;
  std::map<std::string, std::string> metadata;
};

struct TensorFileFormat {
  std::string_view id;
  int (*probe)(const FileHead&);
  Expected<std::unique_ptr<TensorSource>> (*open)(const std::string& path, const OpenOptions&);
};

class TensorFile {
 public:
  // By content. Error: not a tensor file, damaged, unreadable.
  static Expected<TensorFile> open(const std::string& path, const OpenOptions& options = {});

  const std::string& format() const { return format_; }
  const std::vector<TensorSummary>& tensors() const { return source_->tensors(); }
  const std::vector<std::string>& notes() const { return source_->notes; }
  const std::map<std::string, std::string>& metadata() const { return source_->metadata; }
  bool contains(std::string_view name) const;

  // The tensor as f32. Error: no such name (lists the ones there are), not a readable type, file damaged or changed.
  // `notFinite`, when given, receives the number of NaN and infinite values.
  Expected<Tensor> read(std::string_view name, std::int64_t* notFinite = nullptr) const;

 private:
  std::string format_;
  std::shared_ptr<const TensorSource> source_;
};

// The FileReport of a tensor file: shared by the formats' `inspect`. Counts NaN and infinities when the data are at most 64 MiB.
Expected<FileReport> inspectTensorFile(std::string_view format, std::string_view title, const std::string& path, const InspectOptions& options,
                                       Expected<std::unique_ptr<TensorSource>> (*open)(const std::string&, const OpenOptions&));

}  // namespace orrery::modelfile
