#include "core/modelfile/npy.h"

#include <charconv>
#include <cstring>
#include <optional>

#include "core/base/registry.h"
#include "core/base/text.h"
#include "core/modelfile/bounded_reader.h"
#include "core/modelfile/tensor_file.h"

namespace orrery::modelfile {

namespace {

constexpr unsigned char magic[] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

Error bad(const char* id, std::string message) { return makeError(ErrorCode::badInput, std::move(message), id); }

// Reads {'descr': '...', 'fortran_order': True, 'shape': (1, 2)} and nothing else.
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : text_(text) {}

  Expected<NpyHeader> parse() {
    skipSpace();
    if (!take('{')) return bad("E-NP-04", trf("the NumPy header must be a dictionary, found '{}' at column {}", around(), at_));
    bool haveDescr = false, haveOrder = false, haveShape = false;
    for (;;) {
      skipSpace();
      if (take('}')) break;
      auto key = readString();
      if (!key) return key.error();
      skipSpace();
      if (!take(':')) return unexpected();
      skipSpace();
      if (*key == "descr") {
        if (haveDescr) return twice(*key);
        haveDescr = true;
        if (auto read = readDescr(); !read) return read.error();
      } else if (*key == "fortran_order") {
        if (haveOrder) return twice(*key);
        haveOrder = true;
        if (takeWord("True")) header_.fortranOrder = true;
        else if (takeWord("False")) header_.fortranOrder = false;
        else return bad("E-NP-10", trf("'fortran_order' must be True or False, found '{}' at column {}", around(), at_));
      } else if (*key == "shape") {
        if (haveShape) return twice(*key);
        haveShape = true;
        if (auto read = readShape(); !read) return read.error();
      } else {
        return bad("E-NP-04", trf("unknown key '{}' in the NumPy header", shown(*key)));
      }
      skipSpace();
      if (take(',')) continue;
      if (take('}')) break;
      return unexpected();
    }
    skipSpace();
    if (at_ != text_.size()) return unexpected();
    if (!haveDescr || !haveOrder || !haveShape) {
      return bad("E-NP-04", trf("the NumPy header lacks the key '{}'", !haveDescr ? "descr" : !haveOrder ? "fortran_order" : "shape"));
    }
    return header_;
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (peek() != c || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }
  bool takeWord(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  void skipSpace() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r')) ++at_;
  }
  std::string around() const { return shown(text_.substr(at_, 12)); }
  Error unexpected() const { return bad("E-NP-05", trf("unexpected token '{}' at column {} of the NumPy header", around(), at_)); }
  Error twice(const std::string& key) const { return bad("E-NP-04", trf("key '{}' appears twice in the NumPy header", key)); }

  Expected<std::string> readString() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') return unexpected();
    ++at_;
    const std::size_t end = text_.find(quote, at_);
    if (end == std::string_view::npos || text_.substr(at_, end - at_).find('\\') != std::string_view::npos) return unexpected();
    std::string result(text_.substr(at_, end - at_));
    at_ = end + 1;
    return result;
  }

  Expected<void> readDescr() {
    // A list describes a structured type: skip it, balanced and bounded, and list the array as unsupported.
    if (peek() == '[') {
      int depth = 0;
      do {
        if (peek() == '[' || peek() == '(') ++depth;
        if (peek() == ']' || peek() == ')') --depth;
        if (depth > 64 || at_ >= text_.size()) return unexpected();
        ++at_;
      } while (depth > 0);
      header_.descr = "structured";
      header_.supported = false;
      return {};
    }
    auto text = readString();
    if (!text) return text.error();
    header_.descr = *text;
    const std::string& descr = header_.descr;
    if (descr == "|O" || descr == "O" || descr.find('O') != std::string::npos) {
      return bad("E-NP-06", tr("object arrays can run code when they are read; refused: save numbers with a numeric dtype instead"));
    }
    if (descr.size() < 2) return bad("E-NP-07", trf("dtype '{}' is not one NumPy writes", shown(descr)));
    const char order = descr[0];
    if (order != '<' && order != '>' && order != '|' && order != '=') {
      header_.supported = false;
      return {};
    }
    header_.bigEndian = order == '>';
    const std::string_view kind = std::string_view(descr).substr(1);
    static constexpr std::pair<std::string_view, ElementType> kinds[] = {
        {"b1", ElementType::boolean}, {"u1", ElementType::u8},  {"i1", ElementType::i8},  {"u2", ElementType::u16}, {"i2", ElementType::i16},
        {"u4", ElementType::u32},     {"i4", ElementType::i32}, {"u8", ElementType::u64}, {"i8", ElementType::i64}, {"f2", ElementType::f16},
        {"f4", ElementType::f32},     {"f8", ElementType::f64}};
    header_.supported = false;
    for (const auto& [name, type] : kinds) {
      if (kind == name) {
        header_.type = type;
        header_.supported = true;
      }
    }
    return {};
  }

  Expected<void> readShape() {
    if (!take('(')) return unexpected();
    for (;;) {
      skipSpace();
      if (take(')')) break;
      const std::size_t begin = at_;
      if (peek() == '-') return bad("E-NP-09", trf("shape has the negative extent '{}'", around()));
      std::uint64_t extent = 0;
      const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), extent);
      if (error == std::errc::result_out_of_range || extent > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        return bad("E-NP-09", trf("shape extent '{}' is too large", around()));
      }
      at_ = static_cast<std::size_t>(end - text_.data());
      if (error != std::errc() || at_ == begin) return unexpected();
      if (peek() == 'L') ++at_;   // Python 2 wrote 3L
      if (peek() == '.' || peek() == 'e') return bad("E-NP-09", trf("shape extents must be integers, found '{}' at column {}", around(), at_));
      header_.shape.push_back(static_cast<std::int64_t>(extent));
      if (header_.shape.size() > 32) return bad("E-NP-09", trf("rank {} is too large: at most 32 axes", header_.shape.size()));
      skipSpace();
      if (take(',')) continue;
      skipSpace();
      if (take(')')) break;
      return unexpected();
    }
    return {};
  }

  std::string_view text_;
  std::size_t at_ = 0;
  NpyHeader header_;
};

}  // namespace

Expected<NpyHeader> parseNpyHeader(std::span<const std::byte> head, std::uint64_t total) {
  if (head.size() < 10 || std::memcmp(head.data(), magic, sizeof(magic)) != 0) {
    return bad("E-NP-01", trf("not a NumPy file: expected the mark \\x93NUMPY and a header, found {}", bytesAsText(total)));
  }
  const unsigned major = std::to_integer<unsigned>(head[6]), minor = std::to_integer<unsigned>(head[7]);
  if (major < 1 || major > 3 || minor != 0) {
    return bad("E-NP-02", trf("NumPy format version {}.{} is not supported: expected 1.0, 2.0 or 3.0", major, minor));
  }
  if (major > 1 && head.size() < 12) return bad("E-NP-03", trf("the file ends inside the NumPy header, at byte {}", total));
  const std::uint64_t prefix = major == 1 ? 10 : 12;
  const std::uint64_t length = major == 1 ? littleEndian<std::uint16_t>(head, 8) : littleEndian<std::uint32_t>(head, 8);
  if (length > (1u << 20)) return bad("E-NP-03", trf("the NumPy header claims {}, at most 1 MiB is read", bytesAsText(length)));
  if (length > total - prefix || prefix + length > head.size()) {
    return bad("E-NP-03", trf("the NumPy header needs {}, {} are there: the file is truncated", bytesAsText(length), bytesAsText(total - prefix)));
  }
  auto header = HeaderParser(std::string_view(reinterpret_cast<const char*>(head.data() + prefix), length)).parse();
  if (!header) return header.error();
  header->dataOffset = prefix + length;

  const auto count = elementCount(header->shape);
  if (!count) return bad("E-NP-09", tr("the product of the shape overflows"));
  if (!header->supported) return header;
  const CheckedU64 bytes = CheckedU64(*count) * static_cast<std::uint64_t>(bitsOf(header->type) / 8);
  if (bytes.overflowed()) return bad("E-NP-09", tr("the product of the shape overflows"));
  header->dataBytes = bytes.value();
  const std::uint64_t stored = total - header->dataOffset;
  if (header->dataBytes > stored) {
    return bad("E-NP-11", trf("the header declares {}, {} are stored: the file is truncated or the shape is wrong", bytesAsText(header->dataBytes),
                              bytesAsText(stored)));
  }
  return header;
}

std::pair<Tensor, std::int64_t> npyValues(const NpyHeader& header, std::span<const std::byte> data) {
  const std::vector<std::int64_t>& shape = header.shape;
  Tensor tensor{Shape(shape)};
  auto values = tensor.asMutable<float>();
  if (!header.fortranOrder || shape.size() < 2) {
    const std::int64_t notFinite = toFloats(header.type, data.first(header.dataBytes), header.bigEndian, values);
    return {tensor, notFinite};
  }

  // Fortran order: the first index runs fastest. Walk the source once and scatter.
  std::vector<float> source(values.size());
  const std::int64_t notFinite = toFloats(header.type, data.first(header.dataBytes), header.bigEndian, source);
  std::vector<std::int64_t> index(shape.size(), 0), stride(shape.size(), 1);
  for (std::size_t axis = shape.size() - 1; axis-- > 0;) stride[axis] = stride[axis + 1] * shape[axis + 1];
  std::int64_t to = 0;
  for (const float value : source) {
    values[static_cast<std::size_t>(to)] = value;
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
      to += stride[axis];
      if (++index[axis] < shape[axis]) break;
      to -= stride[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return {tensor, notFinite};
}

namespace {

class NpySource : public TensorSource {
 public:
  NpySource(BoundedReader reader, NpyHeader header) : reader_(std::move(reader)), header_(std::move(header)) {
    TensorSummary summary{"array", header_.supported ? std::string(nameOf(header_.type)) : header_.descr, header_.shape, header_.dataBytes,
                          header_.supported && header_.shape.size() <= 8, {}};
    if (!header_.supported) summary.note = trf("dtype '{}' is not a plain number type", shown(header_.descr));
    else if (!summary.readable) summary.note = trf("rank {} is above 8", header_.shape.size());
    tensors_.push_back(std::move(summary));
    if (header_.supported && reader_.size() - header_.dataOffset > header_.dataBytes) {
      notes.push_back(trf("{} after the array's data are ignored", bytesAsText(reader_.size() - header_.dataOffset - header_.dataBytes)));
    }
  }
  const std::vector<TensorSummary>& tensors() const override { return tensors_; }
  Expected<std::pair<Tensor, std::int64_t>> read(std::size_t) const override {
    auto data = reader_.readAt(header_.dataOffset, header_.dataBytes);
    if (!data) return data.error();
    return npyValues(header_, *data);
  }

 private:
  BoundedReader reader_;
  NpyHeader header_;
  std::vector<TensorSummary> tensors_;
};

int probe(const FileHead& file) {
  return file.head.size() >= 6 && std::memcmp(file.head.data(), magic, sizeof(magic)) == 0 ? 95 : 0;
}

Expected<std::unique_ptr<TensorSource>> open(const std::string& path, const OpenOptions&) {
  auto reader = BoundedReader::open(path);
  if (!reader) return reader.error();
  auto head = reader->readAt(0, std::min<std::uint64_t>(reader->size(), (1u << 20) + 12));
  if (!head) return head.error();
  auto header = parseNpyHeader(*head, reader->size());
  if (!header) return header.error();
  return std::unique_ptr<TensorSource>(new NpySource(*reader, *header));
}

const Registration<TensorFileFormat> tensorFormat{{"npy", probe, open}};
const Registration<FileFormat> fileFormat{{"npy", "NumPy array", probe, [](const std::string& path, const InspectOptions& options) {
                                             return inspectTensorFile("npy", "NumPy array", path, options, open);
                                           }}};

}  // namespace

}  // namespace orrery::modelfile
