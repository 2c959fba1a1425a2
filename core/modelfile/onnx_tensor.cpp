#include "core/modelfile/onnx_tensor.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <set>

#include "core/base/text.h"

namespace orrery::modelfile {

namespace {

// Fields of TensorProto.
enum Field : std::uint32_t {
  dims = 1,
  dataType = 2,
  floatData = 4,
  int32Data = 5,
  stringData = 6,
  int64Data = 7,
  nameField = 8,
  rawData = 9,
  doubleData = 10,
  uint64Data = 11,
  externalData = 13,
  dataLocation = 14
};

bool holdsValues(std::uint32_t field) {
  return field == floatData || field == int32Data || field == stringData || field == int64Data || field == doubleData ||
         field == uint64Data;
}

// The typed field in which values of a type are kept when they are not raw.
std::uint32_t typedField(std::int64_t type) {
  switch (type) {
    case 1:
    case 14:
      return floatData;
    case 7:
      return int64Data;
    case 8:
      return stringData;
    case 11:
    case 15:
      return doubleData;
    case 12:
    case 13:
      return uint64Data;
    default:
      return int32Data;
  }
}

Error bad(const char* id, std::string message) { return makeError(ErrorCode::badInput, std::move(message), id); }

using Entries = std::vector<std::pair<std::string, std::string>>;

Entries sideEntries(ProtoFile& file, ByteRange tensor) {
  Entries entries;
  ProtoMessage message(file, tensor);
  while (message.next()) {
    if (message.field() != externalData) continue;
    std::string key, value;
    ProtoMessage entry = message.message();
    while (entry.next()) {
      if (entry.field() == 1) key = entry.text();
      if (entry.field() == 2) value = entry.text();
    }
    if (entries.size() < 64) entries.emplace_back(std::move(key), std::move(value));
  }
  return entries;
}

std::string entryOf(const Entries& entries, std::string_view key) {
  for (const auto& [k, value] : entries) {
    if (k == key) return value;  // the first of several
  }
  return {};
}

// Where its data lie in a side file.
std::optional<Error> placeInSide(OnnxTensor& tensor, const Entries& entries, std::uint64_t needed, const OpenSide& open) {
  const std::string name = shown(tensor.name), location = entryOf(entries, "location");
  const auto number = [&](const char* key, std::uint64_t otherwise, std::optional<std::uint64_t>& to) {
    const std::string text = entryOf(entries, key);
    std::uint64_t value = otherwise;
    if (!text.empty()) {
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
      if (error != std::errc() || end != text.data() + text.size()) {
        return std::optional(bad("E-OX-10", trf("'{}' of tensor '{}' should be a number of bytes, found '{}'", key, name, shown(text))));
      }
    }
    to = value;
    return std::optional<Error>();
  };
  std::optional<std::uint64_t> offset, length;
  if (auto error = number("offset", 0, offset)) return error;
  if (auto error = number("length", needed, length)) return error;
  auto side = open(location);
  if (!side) return makeError(side.error().code, trf("tensor '{}': {}", name, side.error().message), side.error().id);
  const CheckedU64 end = CheckedU64(*offset) + *length;
  if (*length != needed || end.overflowed() || end.value() > (*side)->size()) {
    return bad("E-OX-10", trf("the side file '{}' has {}, tensor '{}' needs {} from byte {} on and its length is given as {}",
                              shown(location), bytesAsText((*side)->size()), name, bytesAsText(needed), *offset, *length));
  }
  tensor.side = *side;
  tensor.raw = ByteRange{*offset, end.value()};
  return std::nullopt;
}

double valueAt(ElementType type, const std::byte* bytes) {
  const auto word = [&]<class T>(T) {
    T value;
    std::memcpy(&value, bytes, sizeof value);
    return value;
  };
  switch (type) {
    case ElementType::boolean:
      return word(std::uint8_t{}) != 0 ? 1 : 0;
    case ElementType::u8:
      return word(std::uint8_t{});
    case ElementType::i8:
      return word(std::int8_t{});
    case ElementType::u16:
      return word(std::uint16_t{});
    case ElementType::i16:
      return word(std::int16_t{});
    case ElementType::u32:
      return word(std::uint32_t{});
    case ElementType::i32:
      return word(std::int32_t{});
    case ElementType::u64:
      return static_cast<double>(word(std::uint64_t{}));
    case ElementType::i64:
      return static_cast<double>(word(std::int64_t{}));
    case ElementType::f16:
      return static_cast<double>(halfToFloat(word(std::uint16_t{})));
    case ElementType::bf16:
      return static_cast<double>(bfloatToFloat(word(std::uint16_t{})));
    case ElementType::f32:
      return static_cast<double>(word(float{}));
    case ElementType::f64:
      return word(double{});
    default:
      return std::nan("");
  }
}

// A whole number of a typed field as the type means it.
double asTyped(ElementType type, std::int64_t value) {
  switch (type) {
    case ElementType::boolean:
      return value != 0 ? 1 : 0;
    case ElementType::f16:
      return static_cast<double>(halfToFloat(static_cast<std::uint16_t>(value)));
    case ElementType::bf16:
      return static_cast<double>(bfloatToFloat(static_cast<std::uint16_t>(value)));
    case ElementType::u64:
      return static_cast<double>(std::bit_cast<std::uint64_t>(value));
    default:
      return static_cast<double>(value);
  }
}

// Real numbers of a typed field, packed or one by one.
void appendReals(ProtoFile& file, const ProtoMessage& field, std::size_t width, std::vector<double>& to) {
  const auto take = [&](std::uint64_t bits) {
    to.push_back(width == 4 ? static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits))) : std::bit_cast<double>(bits));
  };
  if (field.wire() != ProtoMessage::Wire::bytes) return take(field.number());
  const ByteRange range = field.range();
  for (std::uint64_t at = range.begin; at + width <= range.end; at += width) {
    const char* bytes = file.look(at, width);
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < width; ++i) bits |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
    take(bits);
  }
}

Error countWrong(const OnnxTensor& tensor, std::size_t found) {
  return bad("E-OX-07", trf("tensor '{}' holds {} values, its shape needs {}", shown(tensor.name), found, tensor.count));
}

Expected<std::vector<double>> rawValues(const BoundedReader& from, const OnnxTensor& tensor, ElementType type) {
  std::vector<double> values;
  values.reserve(tensor.count);
  const std::uint64_t width = static_cast<std::uint64_t>(bitsOf(type)) / 8;
  std::vector<std::byte> piece;
  for (std::uint64_t at = tensor.raw->begin; at < tensor.raw->end;) {
    piece.resize(std::min<std::uint64_t>(tensor.raw->end - at, 1 << 20));
    if (auto read = from.readAt(at, piece); !read) return read.error();
    for (std::uint64_t i = 0; i + width <= piece.size(); i += width) values.push_back(valueAt(type, piece.data() + i));
    at += piece.size();
  }
  return values;
}

Expected<std::vector<double>> sparseValues(const BoundedReader& file, const OnnxTensor& tensor) {
  const auto entries = readTensorValues(file, *tensor.entries);
  if (!entries) return entries.error();
  const auto places = readTensorValues(file, *tensor.indices);
  if (!places) return places.error();
  // Beside a small file a dense copy may be very large.
  if (tensor.count > (1u << 26))
    return bad("E-OX-07", trf("the sparse tensor '{}' has {} elements; at most 2^26 are read", shown(tensor.name), tensor.count));
  const std::size_t rank = tensor.shape.size(), n = entries->size();
  const bool linear = tensor.indices->shape.size() == 1;
  if (places->size() != (linear ? n : n * rank)) return countWrong(*tensor.indices, places->size());
  std::vector<double> values(tensor.count, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    double at = linear ? (*places)[i] : 0;
    bool inside = true;
    for (std::size_t axis = 0; !linear && axis < rank; ++axis) {
      const double index = (*places)[i * rank + axis], extent = static_cast<double>(tensor.shape[axis]);
      inside = inside && index >= 0 && index < extent;
      at = at * extent + index;
    }
    if (!inside || !(at >= 0) || at >= static_cast<double>(values.size()))
      return bad("E-OX-07", trf("entry {} of the sparse tensor '{}' lies outside of its shape", i, shown(tensor.name)));
    values[static_cast<std::size_t>(at)] = (*entries)[i];
  }
  return values;
}

}  // namespace

float floatAt(const char* bytes) {
  std::uint32_t bits = 0;
  for (int i = 0; i < 4; ++i) bits |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  return std::bit_cast<float>(bits);
}

std::optional<ElementType> onnxElementType(std::int64_t type) {
  switch (type) {
    case 1:
      return ElementType::f32;
    case 2:
      return ElementType::u8;
    case 3:
      return ElementType::i8;
    case 4:
      return ElementType::u16;
    case 5:
      return ElementType::i16;
    case 6:
      return ElementType::i32;
    case 7:
      return ElementType::i64;
    case 9:
      return ElementType::boolean;
    case 10:
      return ElementType::f16;
    case 11:
      return ElementType::f64;
    case 12:
      return ElementType::u32;
    case 13:
      return ElementType::u64;
    case 16:
      return ElementType::bf16;
    default:
      return std::nullopt;
  }
}

std::string onnxTypeName(std::int64_t type) {
  if (const auto known = onnxElementType(type)) return std::string(nameOf(*known));
  return type == 8 ? "string" : "type " + std::to_string(type);
}

OnnxTensor readTensorHeader(ProtoFile& file, ByteRange range, const OpenSide& side) {
  OnnxTensor tensor;
  tensor.message = range;
  ProtoMessage message(file, range);
  std::set<std::uint32_t> found;
  std::uint64_t typedBytes = 0;
  bool external = false;
  while (message.next()) {
    switch (message.field()) {
      case dims:
        message.append(tensor.shape, 32);
        break;
      case dataType:
        tensor.type = message.integer();
        break;
      case nameField:
        tensor.name = message.text();
        break;
      case rawData:
        tensor.raw = message.range();
        break;
      case dataLocation:
        external = message.integer() == 1;
        break;
      default:
        break;
    }
    if (!holdsValues(message.field())) continue;
    found.insert(message.field());
    typedBytes += message.wire() == ProtoMessage::Wire::bytes     ? message.range().bytes()
                  : message.wire() == ProtoMessage::Wire::fixed64 ? 8
                                                                  : 4;
  }
  const std::string name = shown(tensor.name);
  const auto count = elementCount(tensor.shape);
  const auto type = onnxElementType(tensor.type);
  const bool overflow = !count || (type && (CheckedU64(*count) * static_cast<std::uint64_t>(bitsOf(*type))).overflowed());
  if (overflow)
    message.fail(trf("dimension product overflows: tensor '{}' has the shape {}", name, Shape(tensor.shape).toString()), "E-OX-06");
  tensor.count = *count;
  const std::uint64_t needed = type ? tensor.count * static_cast<std::uint64_t>(bitsOf(*type)) / 8 : 0;
  tensor.bytes = needed;
  if (!type) {
    tensor.problem = tensor.type == 8 && tensor.raw
                         ? bad("E-OX-07", trf("tensor '{}': strings cannot be raw data", name))
                         : bad("E-OX-07", trf("tensor '{}' is of {}, which is listed but not read", name, onnxTypeName(tensor.type)));
  } else if (external) {
    if (tensor.raw || !found.empty()) {
      tensor.problem = bad("E-OX-17", trf("tensor '{}' is said to lie in a side file, but there are data in the model, too", name));
    } else {
      tensor.problem = placeInSide(tensor, sideEntries(file, range), needed, side);
    }
  } else if (found.size() + (tensor.raw ? 1 : 0) > 1) {
    tensor.problem =
        bad("E-OX-07", trf("tensor '{}' has its values in {} fields; one is allowed", name, found.size() + (tensor.raw ? 1 : 0)));
  } else if (tensor.count == 0 && ((tensor.raw && tensor.raw->bytes() > 0) || typedBytes > 0)) {
    tensor.problem = bad("E-OX-17", trf("tensor '{}' has 0 elements, but contains {} of data", name,
                                        bytesAsText(tensor.raw ? tensor.raw->bytes() : typedBytes)));
  } else if (tensor.raw) {
    if (tensor.raw->bytes() != needed) {
      tensor.problem =
          bad("E-OX-07", trf("tensor '{}' has {} of data, its shape {} and type {} need {}", name, bytesAsText(tensor.raw->bytes()),
                             Shape(tensor.shape).toString(), onnxTypeName(tensor.type), bytesAsText(needed)));
    }
  } else if (!found.empty() && *found.begin() != typedField(tensor.type)) {
    tensor.problem = bad("E-OX-07", trf("tensor '{}' is of {}, but its values lie in field {} of the format", name,
                                        onnxTypeName(tensor.type), *found.begin()));
  } else if (tensor.count > typedBytes) {
    // Every value takes at least a byte: nothing is set aside for values that cannot be there.
    tensor.problem = bad("E-OX-07", trf("tensor '{}' has {} of data, its shape {} and type {} need {}", name, bytesAsText(typedBytes),
                                        Shape(tensor.shape).toString(), onnxTypeName(tensor.type), bytesAsText(needed)));
  }
  return tensor;
}

std::vector<std::string> tensorNotes(ProtoFile& file, ByteRange range) {
  std::vector<std::string> notes;
  std::set<std::string> seen;
  for (const auto& [key, value] : sideEntries(file, range)) {
    const bool known = key == "location" || key == "offset" || key == "length" || key == "checksum" || key == "basepath";
    if (!known) notes.push_back(trf("the key '{}' of external data is unknown and ignored", shown(key)));
    if (!seen.insert(key).second) notes.push_back(trf("the key '{}' of external data is there twice; the first counts", shown(key)));
  }
  return notes;
}

Expected<std::vector<double>> readTensorValues(const BoundedReader& file, const OnnxTensor& tensor) {
  if (tensor.problem) return *tensor.problem;
  if (tensor.entries) return sparseValues(file, tensor);
  const ElementType type = *onnxElementType(tensor.type);
  if (tensor.raw) return rawValues(tensor.side ? *tensor.side : file, tensor, type);
  try {
    ProtoFile window(file);
    ProtoMessage message(window, tensor.message);
    std::vector<double> values;
    const std::uint32_t held = typedField(tensor.type);
    while (message.next()) {
      if (message.field() != held) continue;
      if (held == floatData || held == doubleData) {
        appendReals(window, message, held == floatData ? 4 : 8, values);
      } else {
        std::vector<std::int64_t> whole;
        message.append(whole, tensor.count + 1);
        for (const std::int64_t v : whole) values.push_back(asTyped(type, v));
      }
      if (values.size() > tensor.count) break;
    }
    if (values.size() != tensor.count) return countWrong(tensor, values.size());
    return values;
  } catch (BrokenWire& broken) {
    return std::move(broken.error);
  }
}

}  // namespace orrery::modelfile
