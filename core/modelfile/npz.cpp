// The .npz format: a zip archive of .npy members (NumPy savez and savez_compressed).

#include <cstring>

#include "core/base/registry.h"
#include "core/base/text.h"
#include "core/modelfile/npy.h"
#include "core/modelfile/tensor_file.h"
#include "core/modelfile/zip.h"

namespace orrery::modelfile {

namespace {

class NpzSource : public TensorSource {
 public:
  explicit NpzSource(ZipDirectory zip) : zip_(std::move(zip)) {
    notes = zip_.notes();
    for (std::size_t i = 0; i < zip_.members().size(); ++i) {
      const ZipMember& member = zip_.members()[i];
      TensorSummary summary;
      summary.name = member.name;
      if (summary.name.ends_with(".npy")) summary.name.resize(summary.name.size() - 4);
      summary.bytes = member.bytes;
      summary.readable = false;
      NpyHeader header;
      if (!member.problem.empty()) {
        summary.note = trf("member '{}': {}", shown(member.name), member.problem);
      } else if (auto head = zip_.read(member, std::min<std::uint64_t>(member.bytes, (1u << 20) + 12)); !head) {
        summary.note = head.error().message;
        problems_.push_back(head.error());
      } else if (auto parsed = parseNpyHeader(*head, member.bytes); !parsed) {
        summary.note = parsed.error().message;
        problems_.push_back(parsed.error());
      } else {
        header = *parsed;
        summary.dtype = header.supported ? std::string(nameOf(header.type)) : header.descr;
        summary.shape = header.shape;
        summary.readable = header.supported && header.shape.size() <= 8;
        if (!header.supported) summary.note = trf("dtype '{}' is not a plain number type", shown(header.descr));
        else if (!summary.readable) summary.note = trf("rank {} is above 8", header.shape.size());
      }
      headers_.push_back(std::move(header));
      tensors_.push_back(std::move(summary));
    }
  }

  // When nothing in the archive is readable, the first member's problem is the file's.
  std::optional<Error> hopeless() const {
    for (const auto& tensor : tensors_) {
      if (tensor.readable || tensor.dtype.size() > 0) return std::nullopt;
    }
    if (!problems_.empty()) return problems_.front();
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      const std::string& id = zip_.members()[i].problemId;
      return makeError(ErrorCode::badInput, tensors_[i].note, id.empty() ? "E-NP-15" : id);
    }
    return std::nullopt;
  }

  const std::vector<TensorSummary>& tensors() const override { return tensors_; }
  Expected<std::pair<Tensor, std::int64_t>> read(std::size_t index) const override {
    auto bytes = zip_.read(zip_.members()[index]);
    if (!bytes) return bytes.error();
    const NpyHeader& header = headers_[index];
    return npyValues(header, std::span<const std::byte>(*bytes).subspan(header.dataOffset));
  }

 private:
  ZipDirectory zip_;
  std::vector<NpyHeader> headers_;
  std::vector<TensorSummary> tensors_;
  std::vector<Error> problems_;
};

int probe(const FileHead& file) {
  // The first member's name tells an npz from a PyTorch archive or an office document. A damaged archive is still tried as npz.
  if (file.head.size() < 4 || std::memcmp(file.head.data(), "PK\3\4", 4) != 0) {
    return file.head.size() >= 22 && std::memcmp(file.head.data(), "PK\5\6", 4) == 0 ? 60 : 0;
  }
  if (file.head.size() < 30) return 60;
  const std::size_t name = littleEndian<std::uint16_t>(file.head, 26);
  const std::string_view text(reinterpret_cast<const char*>(file.head.data()) + 30, std::min(name, file.head.size() - 30));
  return text.ends_with(".npy") ? 95 : 40;
}

Expected<std::unique_ptr<TensorSource>> open(const std::string& path, const OpenOptions&) {
  auto reader = BoundedReader::open(path);
  if (!reader) return reader.error();
  auto zip = ZipDirectory::open(*reader);
  if (!zip) return zip.error();
  auto source = std::make_unique<NpzSource>(std::move(*zip));
  if (auto error = source->hopeless()) return *error;
  return std::unique_ptr<TensorSource>(std::move(source));
}

const Registration<TensorFileFormat> tensorFormat{{"npz", probe, open}};
const Registration<FileFormat> fileFormat{{"npz", "NumPy archive", probe, [](const std::string& path, const InspectOptions& options) {
                                             return inspectTensorFile("npz", "NumPy archive", path, options, open);
                                           }}};

}  // namespace

}  // namespace orrery::modelfile
