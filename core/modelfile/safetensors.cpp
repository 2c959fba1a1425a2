// The safetensors format (Hugging Face): 8 bytes header length, a JSON header, tensor data without gaps.
// The header is read by a SAX handler that accepts exactly the format's shape: duplicate keys, odd numbers and deep nesting are named.

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/base/registry.h"
#include "core/base/text.h"
#include "core/modelfile/tensor_file.h"

namespace orrery::modelfile {

namespace {

constexpr std::uint64_t longestHeader = 100'000'000;
constexpr std::size_t mostTensors = 1'048'576;
constexpr int deepest = 64;

Error bad(const char* id, std::string message) { return makeError(ErrorCode::badInput, std::move(message), id); }

struct Entry {
  std::string name, dtype;
  std::vector<std::int64_t> shape;
  std::vector<std::uint64_t> offsets;
  bool haveDtype = false, haveShape = false, haveOffsets = false;
};

// Builds the entries; stops at the first thing the format does not allow.
class HeaderHandler : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;
  std::optional<Error> error;

  bool null() override { return scalar("null"); }
  bool boolean(bool) override { return scalar("true or false"); }
  bool number_integer(number_integer_t value) override { return wrongNumber(std::to_string(value)); }
  bool number_float(number_float_t, const string_t& text) override { return wrongNumber(text); }
  bool number_unsigned(number_unsigned_t value) override {
    if (depth_ == 3 && inEntry_ && inArray_ && key_ == "shape") {
      if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return fail("E-ST-12", trf("shape of '{}' overflows", name()));
      entries.back().shape.push_back(static_cast<std::int64_t>(value));
      return true;
    }
    if (depth_ == 3 && inEntry_ && inArray_ && key_ == "data_offsets") {
      entries.back().offsets.push_back(value);
      return true;
    }
    return scalar(std::to_string(value));
  }
  bool string(string_t& value) override {
    if (depth_ == 2 && inMetadata_) {
      metadata.emplace(key_, value);
      return true;
    }
    if (depth_ == 2 && inEntry_ && key_ == "dtype") {
      entries.back().dtype = value;
      return true;
    }
    if (depth_ == 3 && inArray_) return wrongNumber("\"" + shown(value) + "\"");
    return scalar("\"" + shown(value) + "\"");
  }
  bool binary(binary_t&) override { return scalar("binary"); }

  bool start_object(std::size_t) override {
    if (++depth_ > deepest) return fail("E-ST-08", trf("the header is nested deeper than {}", deepest));
    if (depth_ == 1) return true;
    if (depth_ == 2 && !inArray_) {
      if (key_ == "__metadata__") {
        inMetadata_ = true;
        return true;
      }
      if (entries.size() >= mostTensors) return fail("E-ST-04", trf("more than {} tensors", mostTensors));
      entries.push_back({key_, {}, {}, {}});
      seen_.clear();
      inEntry_ = true;
      return true;
    }
    if (inMetadata_) return fail("E-ST-10", trf("metadata '{}' must be a string", shown(key_)));
    return deeper();
  }
  bool end_object() override {
    if (depth_ == 2) inMetadata_ = inEntry_ = false;
    --depth_;
    return true;
  }
  bool start_array(std::size_t) override {
    if (++depth_ > deepest) return fail("E-ST-08", trf("the header is nested deeper than {}", deepest));
    if (inMetadata_) return fail("E-ST-10", trf("metadata '{}' must be a string", shown(key_)));
    if (depth_ == 3 && inEntry_ && !inArray_ && (key_ == "shape" || key_ == "data_offsets")) {
      inArray_ = true;
      return true;
    }
    return deeper();
  }
  bool end_array() override {
    if (depth_ == 3) inArray_ = false;
    --depth_;
    return true;
  }
  bool key(string_t& value) override {
    key_ = value;
    if (depth_ == 1) {
      if (value.size() > 65535) return fail("E-ST-08", tr("a tensor name is longer than 65 535 bytes"));
      if (!names_.insert(value).second) return fail("E-ST-09", trf("tensor '{}' appears twice", shown(value)));
    } else if (depth_ == 2 && inMetadata_) {
      if (metadata.contains(value)) return fail("E-ST-09", trf("metadata key '{}' appears twice", shown(value)));
    } else if (depth_ == 2 && inEntry_) {
      if (!seen_.insert(value).second) return fail("E-ST-09", trf("'{}' appears twice in tensor '{}'", shown(value), name()));
      Entry& entry = entries.back();
      if (value == "dtype") entry.haveDtype = true;
      else if (value == "shape") entry.haveShape = true;
      else if (value == "data_offsets") entry.haveOffsets = true;
      else return fail("E-ST-08", trf("unknown key '{}' in tensor '{}'", shown(value), name()));
    }
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return fail("E-ST-08", trf("invalid JSON at byte {} of the header", position));
  }

 private:
  std::string name() const { return entries.empty() ? shown(key_) : shown(entries.back().name); }
  bool fail(const char* id, std::string message) {
    if (!error) error = bad(id, std::move(message));
    return false;
  }
  // Nesting where the format has none: keep counting, so that the depth limit answers a bomb and this one an ordinary slip.
  bool deeper() {
    if (!tooDeep_) tooDeep_ = bad("E-ST-08", trf("'{}' in tensor '{}' is not what the format allows", shown(key_), name()));
    return true;
  }
  bool scalar(const std::string& what) {
    if (inMetadata_) return fail("E-ST-10", trf("metadata '{}' must be a string, found {}", shown(key_), what));
    return fail("E-ST-08", trf("'{}' in tensor '{}' cannot be {}", shown(key_), name(), what));
  }
  bool wrongNumber(const std::string& text) {
    if (inMetadata_) return scalar(text);
    return fail("E-ST-13", trf("'{}' of tensor '{}' must be a non-negative integer, found {}", shown(key_), name(), text));
  }

 public:
  std::optional<Error> tooDeep_;

 private:
  int depth_ = 0;
  bool inArray_ = false, inMetadata_ = false, inEntry_ = false;
  std::string key_;
  std::set<std::string> names_, seen_;
};

// Offset of the first byte that is not UTF-8, or npos.
std::size_t firstBadUtf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    const std::size_t length = c < 0x80 ? 1 : c >= 0xC2 && c < 0xE0 ? 2 : c >= 0xE0 && c < 0xF0 ? 3 : c >= 0xF0 && c < 0xF5 ? 4 : 0;
    if (length == 0 || i + length > text.size()) return i;
    for (std::size_t k = 1; k < length; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xC0) != 0x80) return i;
    }
    i += length;
  }
  return std::string_view::npos;
}

// Bits per element, or 0 for a type nobody knows.
int bitsOfDtype(const std::string& dtype, ElementType& type) {
  static const std::map<std::string, ElementType> known = {
      {"BOOL", ElementType::boolean}, {"U8", ElementType::u8},   {"I8", ElementType::i8},       {"U16", ElementType::u16},
      {"I16", ElementType::i16},      {"U32", ElementType::u32}, {"I32", ElementType::i32},     {"U64", ElementType::u64},
      {"I64", ElementType::i64},      {"F16", ElementType::f16}, {"BF16", ElementType::bf16},   {"F32", ElementType::f32},
      {"F64", ElementType::f64},      {"F4", ElementType::f4},   {"F6_E2M3", ElementType::f6},  {"F6_E3M2", ElementType::f6},
      {"F8_E4M3", ElementType::f8},   {"F8_E5M2", ElementType::f8}, {"F8_E8M0", ElementType::f8}};
  const auto found = known.find(dtype);
  if (found == known.end()) return 0;
  type = found->second;
  return bitsOf(type);
}

class SafetensorsSource : public TensorSource {
 public:
  SafetensorsSource(BoundedReader reader, std::uint64_t dataStart) : reader_(std::move(reader)), dataStart_(dataStart) {}
  const std::vector<TensorSummary>& tensors() const override { return tensors_; }
  Expected<std::pair<Tensor, std::int64_t>> read(std::size_t index) const override {
    const TensorSummary& summary = tensors_[index];
    auto data = reader_.readAt(dataStart_ + begins_[index], summary.bytes);
    if (!data) return data.error();
    Tensor tensor{Shape(summary.shape)};
    const std::int64_t notFinite = toFloats(types_[index], *data, false, tensor.asMutable<float>());
    return std::pair{std::move(tensor), notFinite};
  }
  void add(TensorSummary summary, std::uint64_t begin, ElementType type) {
    tensors_.push_back(std::move(summary));
    begins_.push_back(begin);
    types_.push_back(type);
  }

 private:
  BoundedReader reader_;
  std::uint64_t dataStart_;
  std::vector<TensorSummary> tensors_;
  std::vector<std::uint64_t> begins_;
  std::vector<ElementType> types_;
};

Expected<std::unique_ptr<TensorSource>> open(const std::string& path, const OpenOptions& options) {
  auto reader = BoundedReader::open(path);
  if (!reader) return reader.error();
  const std::uint64_t size = reader->size();
  if (size < 8) return bad("E-ST-01", trf("too short: {}, a safetensors header needs at least 8", bytesAsText(size)));
  auto first = reader->readAt(0, 8);
  if (!first) return first.error();
  const std::uint64_t length = littleEndian<std::uint64_t>(*first, 0);
  if (length > longestHeader) return bad("E-ST-04", trf("the header says it has {} bytes, the limit is 100 MB: this is not a safetensors file", length));
  if (length > size - 8) {
    return bad("E-ST-05", trf("the file is truncated: its header needs {}, {} are present", bytesAsText(length), bytesAsText(size - 8)));
  }
  auto header = reader->readAt(8, length);
  if (!header) return header.error();
  const std::string_view text(reinterpret_cast<const char*>(header->data()), header->size());
  if (text.empty() || text[0] != '{') return bad("E-ST-07", trf("the header must start with '{{' at byte 8, found '{}'", shown(text.substr(0, 4))));
  if (const std::size_t at = firstBadUtf8(text); at != std::string_view::npos) {
    return bad("E-ST-07", trf("the header is not UTF-8: first bad byte at {}", at + 8));
  }

  // Parse; trailing spaces are padding and allowed.
  HeaderHandler handler;
  const bool parsed = nlohmann::json::sax_parse(text, &handler);
  if (handler.error) return *handler.error;
  if (handler.tooDeep_) return *handler.tooDeep_;
  if (!parsed) return bad("E-ST-08", tr("invalid JSON in the header"));

  // Check every entry against its own numbers.
  const std::uint64_t dataBytes = size - 8 - length;
  auto source = std::make_unique<SafetensorsSource>(*reader, 8 + length);
  source->metadata = handler.metadata;
  struct Extent {
    std::uint64_t begin, end;
    const Entry* entry;
  };
  std::vector<Extent> extents;
  for (const Entry& entry : handler.entries) {
    const std::string name = shown(entry.name);
    if (!entry.haveDtype || !entry.haveShape || !entry.haveOffsets) {
      return bad("E-ST-08", trf("tensor '{}' lacks '{}'", name, !entry.haveDtype ? "dtype" : !entry.haveShape ? "shape" : "data_offsets"));
    }
    if (entry.offsets.size() != 2) return bad("E-ST-14", trf("data_offsets of '{}' needs 2 numbers, found {}", name, entry.offsets.size()));
    if (entry.shape.size() > 32) return bad("E-ST-12", trf("'{}' has rank {}, at most 32 axes are read", name, entry.shape.size()));
    const auto count = elementCount(entry.shape);
    if (!count) return bad("E-ST-12", trf("shape of '{}' overflows", name));
    const std::uint64_t begin = entry.offsets[0], end = entry.offsets[1];
    if (end < begin) return bad("E-ST-14", trf("tensor '{}' ends at byte {} before it begins at {}", name, end, begin));

    ElementType type = ElementType::u8;
    const int bits = bitsOfDtype(entry.dtype, type);
    TensorSummary summary{entry.name, bits > 0 ? std::string(nameOf(type)) : shown(entry.dtype), entry.shape, end - begin, true, {}};
    if (bits == 0) {
      summary.readable = false;
      summary.note = trf("unknown dtype '{}'", shown(entry.dtype));
      source->notes.push_back(trf("tensor '{}': unknown dtype '{}', not readable", name, shown(entry.dtype)));
    } else {
      const CheckedU64 total = CheckedU64(*count) * static_cast<std::uint64_t>(bits);
      if (total.overflowed()) return bad("E-ST-12", trf("shape of '{}' overflows", name));
      if (total.value() % 8 != 0) return bad("E-ST-17", trf("tensor '{}': {} x {} bits is not whole bytes", name, *count, bits));
      if (total.value() / 8 != end - begin) {
        return bad("E-ST-15", trf("tensor '{}' has {} of data, but its shape and dtype need {}", name, bytesAsText(end - begin), bytesAsText(total.value() / 8)));
      }
      if (!isReadable(type) || entry.shape.size() > 8) {
        summary.readable = false;
        summary.note = isReadable(type) ? trf("rank {} is above 8", entry.shape.size()) : trf("dtype '{}' is listed but not read", entry.dtype);
      }
    }
    if (end > dataBytes) {
      if (!options.lenient) return bad("E-ST-16", trf("the file is truncated by {}: tensor '{}' ends at byte {} of the data", bytesAsText(end - dataBytes), name, end));
      summary.readable = false;
      summary.note = tr("its data are cut off");
    }
    extents.push_back({begin, end, &entry});
    source->add(std::move(summary), begin, type);
  }

  // The data must be covered once, without gap, overlap or rest.
  std::stable_sort(extents.begin(), extents.end(), [](const Extent& a, const Extent& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  std::uint64_t reached = 0;
  const Entry* previous = nullptr;
  for (const Extent& extent : extents) {
    if (extent.begin != reached) {
      const std::string before = previous ? shown(previous->name) : tr("the start of the data");
      const std::string message = extent.begin > reached
                                      ? trf("gap between '{}' and '{}' at byte {}", before, shown(extent.entry->name), reached)
                                      : trf("overlap between '{}' and '{}' at byte {}", before, shown(extent.entry->name), extent.begin);
      if (!options.lenient) return bad("E-ST-14", message);
      source->notes.push_back(message);
    }
    reached = std::max(reached, extent.end);
    previous = extent.entry;
  }
  if (reached < dataBytes) {
    const std::string message = trf("{} after the last tensor: not a clean safetensors file; list its tensors with --lenient", bytesAsText(dataBytes - reached));
    if (!options.lenient) return bad("E-ST-16", message);
    source->notes.push_back(message);
  }
  return std::unique_ptr<TensorSource>(std::move(source));
}

int probe(const FileHead& file) {
  if (file.isFolder) return 0;
  const std::string_view name = file.path;
  const bool named = name.ends_with(".safetensors");
  if (file.head.size() >= 9) {
    const std::uint64_t length = littleEndian<std::uint64_t>(file.head, 0);
    const bool brace = file.head[8] == std::byte{'{'};
    // A text file's first 8 bytes read as a huge number; a real header is below 100 MB.
    if (brace && length <= longestHeader) return 95;
    if (length > 0 && length <= longestHeader && named) return 50;
  }
  // Only the name speaks for it: let the reader say what is wrong, unless somebody knows better.
  return named ? 5 : 0;
}

const Registration<TensorFileFormat> tensorFormat{{"safetensors", probe, open}};
const Registration<FileFormat> fileFormat{{"safetensors", "safetensors weights", probe, [](const std::string& path, const InspectOptions& options) {
                                             return inspectTensorFile("safetensors", "safetensors weights", path, options, open);
                                           }}};

// --- model.safetensors.index.json: names of tensors -> shard files beside it ------------------------------------------------------------------

int probeIndex(const FileHead& file) {
  const std::string_view head(reinterpret_cast<const char*>(file.head.data()), file.head.size());
  return !file.isFolder && head.find("\"weight_map\"") != std::string_view::npos ? 90 : 0;
}

Expected<FileReport> inspectIndex(const std::string& path, const InspectOptions& options) {
  auto reader = BoundedReader::open(path);
  if (!reader) return reader.error();
  if (reader->size() > longestHeader) return bad("E-ST-04", trf("the index has {}, the limit is 100 MB", bytesAsText(reader->size())));
  auto bytes = reader->readAt(0, reader->size());
  if (!bytes) return bytes.error();
  FileReport report;
  report.kind = "safetensors-index";
  report.bytes = reader->size();
  report.title = tr("safetensors index");
  const auto json = nlohmann::json::parse(std::string_view(reinterpret_cast<const char*>(bytes->data()), bytes->size()), nullptr, false);
  if (json.is_discarded() || !json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object()) {
    report.error = bad("E-ST-08", tr("expected a JSON object with 'weight_map', an object of tensor name: shard file"));
    return report;
  }

  // Open each shard once; a shard is a plain name beside the index.
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : json["weight_map"].items()) {
    if (!shard.is_string()) {
      report.error = bad("E-ST-18", trf("the shard of tensor '{}' must be a file name", shown(tensor)));
      return report;
    }
    shards.insert(shard.get<std::string>());
  }
  std::size_t number = 0;
  for (const std::string& shard : shards) {
    ++number;
    if (shard.empty() || shard.find('/') != std::string::npos || shard.find('\\') != std::string::npos || shard == ".." || shard == "." ||
        shard.find('\0') != std::string::npos || shard.find(':') != std::string::npos) {
      report.error = bad("E-ST-18", trf("shard '{}' lies outside the index's folder; refused", shown(shard)));
      return report;
    }
    const auto side = std::filesystem::path(path).parent_path() / shard;
    std::error_code ignored;
    if (std::filesystem::is_symlink(side, ignored)) {
      report.notes.push_back(trf("shard {} of {} ('{}') is a link; links are not followed", number, shards.size(), shown(shard)));
      continue;
    }
    auto source = open(side.string(), {options.lenient});
    if (!source) {
      report.notes.push_back(source.error().code == ErrorCode::notFound
                                 ? trf("shard {} of {} missing: '{}'", number, shards.size(), shown(shard))
                                 : trf("shard {} of {} ('{}'): {}", number, shards.size(), shown(shard), source.error().message));
      continue;
    }
    report.tensors.insert(report.tensors.end(), (*source)->tensors().begin(), (*source)->tensors().end());
  }
  report.counts["tensors"] = static_cast<std::int64_t>(report.tensors.size());
  report.counts["shards"] = static_cast<std::int64_t>(shards.size());
  const std::size_t all = json["weight_map"].size();
  if (report.tensors.size() < all) report.notes.push_back(trf("{} of {} tensors usable", report.tensors.size(), all));
  report.title = trf("safetensors index, {} shards, {} of {} tensors", shards.size(), report.tensors.size(), all);
  return report;
}

const Registration<FileFormat> indexFormat{{"safetensors-index", "safetensors index", probeIndex, inspectIndex}};

}  // namespace

}  // namespace orrery::modelfile
