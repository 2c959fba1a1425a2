// Arrays and metrics as JSON, CSV or NPZ.

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <iterator>

#include <nlohmann/json.hpp>

#include "app/export/export.h"
#include "core/base/files.h"
#include "core/base/text.h"

namespace orrery::exporting {

namespace {

using Arrays = std::vector<std::pair<std::string, Tensor>>;

std::string quotedJson(const std::string& text) { return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace); }

// The shortest text that reads back as the same number; null where JSON has none.
template <class T>
void appendJson(std::string& out, T value) {
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) {
      out += "null";
      return;
    }
  }
  fmt::format_to(std::back_inserter(out), "{}", value);
}

template <class T>
void appendCsv(std::string& out, T value) {
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) {
      out += std::isnan(value) ? "NaN" : (value > 0 ? "inf" : "-inf");
      return;
    }
  }
  fmt::format_to(std::back_inserter(out), "{}", value);
}

// Calls visit(span of values in their own type); half precision is widened to float.
template <class Visit>
void withValues(const Tensor& tensor, Visit visit) {
  if (tensor.empty()) {
    visit(std::span<const float>{});
    return;
  }
  switch (tensor.dtype()) {
    case DType::f32: visit(tensor.as<float>()); break;
    case DType::i32: visit(tensor.as<std::int32_t>()); break;
    case DType::u32: visit(tensor.as<std::uint32_t>()); break;
    case DType::u8: visit(tensor.as<std::uint8_t>()); break;
    case DType::f16:
    case DType::bf16: {
      const std::vector<float> values = tensor.toFloats();
      visit(std::span<const float>(values));
      break;
    }
  }
}

std::string jsonOf(const Arrays& arrays, const std::vector<Metric>& metrics) {
  std::string out = "{\n\"metrics\": {";
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    out += (i ? ",\n  " : "\n  ") + quotedJson(metrics[i].name) + ": ";
    appendJson(out, metrics[i].value);
  }
  out += "\n},\n\"arrays\": {";
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    const auto& [name, tensor] = arrays[i];
    out += (i ? ",\n  " : "\n  ") + quotedJson(name) + ": {\"shape\": [";
    for (int axis = 0; axis < tensor.shape().rank(); ++axis) out += fmt::format("{}{}", axis ? ", " : "", tensor.shape()[axis]);
    out += "], \"data\": [";
    withValues(tensor, [&](auto values) {
      for (std::size_t k = 0; k < values.size(); ++k) {
        if (k) out += ",";
        appendJson(out, values[k]);
      }
    });
    out += "]}";
  }
  return out + "\n}\n}\n";
}

std::string quotedCsv(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
  return out;
}

std::string csvOf(const Arrays& arrays, const std::vector<Metric>& metrics) {
  int rank = 0;
  for (const auto& [name, tensor] : arrays) rank = std::max(rank, tensor.shape().rank());
  std::string out = "array";
  for (int axis = 0; axis < rank; ++axis) out += fmt::format(",index{}", axis);
  out += ",value\n";
  for (const Metric& metric : metrics) {
    out += quotedCsv("metric." + metric.name) + std::string(static_cast<std::size_t>(rank), ',') + ",";
    appendCsv(out, metric.value);
    out += "\n";
  }
  for (const auto& [name, tensor] : arrays) {
    const std::string head = quotedCsv(name);
    const Shape& shape = tensor.shape();
    std::vector<std::int64_t> index(static_cast<std::size_t>(shape.rank()), 0);
    const std::string rest(static_cast<std::size_t>(rank - shape.rank()), ',');
    withValues(tensor, [&](auto values) {
      for (const auto value : values) {
        out += head;
        for (const std::int64_t i : index) fmt::format_to(std::back_inserter(out), ",{}", i);
        out += rest + ",";
        appendCsv(out, value);
        out += "\n";
        // Count up like an odometer.
        for (int axis = shape.rank() - 1; axis >= 0; --axis) {
          if (++index[static_cast<std::size_t>(axis)] < shape[axis]) break;
          index[static_cast<std::size_t>(axis)] = 0;
        }
      }
    });
  }
  return out;
}

template <class T>
void appendLittle(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) out += static_cast<char>((value >> (8 * i)) & 0xFF);
}

// NPY version 1.0: the header is padded so that the data begin at a multiple of 64.
std::string npyOf(std::string_view descr, const std::vector<std::int64_t>& extents, std::string_view data) {
  std::string shape = "(";
  for (const std::int64_t extent : extents) shape += fmt::format("{},", extent);
  if (extents.size() > 1) shape.pop_back();
  shape += ")";
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}", descr, shape);
  while ((10 + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  std::string out("\x93NUMPY\x01\x00", 8);
  appendLittle(out, static_cast<std::uint16_t>(header.size()));
  return out + header + std::string(data);
}

std::string npyOf(const Tensor& tensor) {
  static_assert(std::endian::native == std::endian::little, "npy members are written little-endian as they lie in memory");
  const auto& extents = tensor.shape().extents();
  const auto raw = [&](std::span<const std::byte> bytes) { return std::string_view(reinterpret_cast<const char*>(bytes.data()), std::min<std::size_t>(bytes.size(), tensor.bytes())); };
  const bool empty = tensor.empty();
  switch (tensor.dtype()) {
    case DType::f32: return npyOf("<f4", extents, empty ? std::string_view{} : raw(tensor.host()));
    case DType::i32: return npyOf("<i4", extents, empty ? std::string_view{} : raw(tensor.host()));
    case DType::u32: return npyOf("<u4", extents, empty ? std::string_view{} : raw(tensor.host()));
    case DType::u8: return npyOf("|u1", extents, empty ? std::string_view{} : raw(tensor.host()));
    case DType::f16: return npyOf("<f2", extents, empty ? std::string_view{} : raw(tensor.host()));
    case DType::bf16: break;
  }
  // numpy has no bfloat16: widen.
  const std::vector<float> values = empty ? std::vector<float>{} : tensor.toFloats();
  return npyOf("<f4", extents, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
}

// A zip archive of stored members (PKWARE APPNOTE 6.3): local header and data of each, then the central directory.
class Zip {
 public:
  // False when the archive would need the 64-bit extension.
  bool add(const std::string& name, std::string_view data) {
    constexpr std::size_t limit = 0xFFFF0000u;
    if (data.size() >= limit || out_.size() + data.size() >= limit || count_ == 0xFFFE || name.size() > 0xFFFF) return false;
    const auto offset = static_cast<std::uint32_t>(out_.size());
    std::string common;
    appendLittle(common, std::uint16_t{20});                 // version needed
    appendLittle(common, std::uint16_t{0x0800});             // names are UTF-8
    appendLittle(common, std::uint16_t{0});                  // stored
    appendLittle(common, std::uint16_t{0});                  // time 00:00
    appendLittle(common, std::uint16_t{0x0021});             // 1980-01-01: the same data give the same bytes
    appendLittle(common, crc32(std::as_bytes(std::span(data.data(), data.size()))));
    appendLittle(common, static_cast<std::uint32_t>(data.size()));
    appendLittle(common, static_cast<std::uint32_t>(data.size()));
    appendLittle(common, static_cast<std::uint16_t>(name.size()));
    appendLittle(common, std::uint16_t{0});                  // no extra field
    out_ += std::string_view("PK\x03\x04", 4);
    out_ += common;
    out_ += name;
    out_ += data;
    directory_ += std::string_view("PK\x01\x02", 4);
    appendLittle(directory_, std::uint16_t{20});             // made by
    directory_ += common;
    for (int i = 0; i < 3; ++i) appendLittle(directory_, std::uint16_t{0});   // comment, disk, internal attributes
    appendLittle(directory_, std::uint32_t{0});
    appendLittle(directory_, offset);
    directory_ += name;
    ++count_;
    return true;
  }

  std::string finish() {
    const auto start = static_cast<std::uint32_t>(out_.size());
    out_ += directory_;
    out_ += std::string_view("PK\x05\x06", 4);
    appendLittle(out_, std::uint16_t{0});
    appendLittle(out_, std::uint16_t{0});
    appendLittle(out_, count_);
    appendLittle(out_, count_);
    appendLittle(out_, static_cast<std::uint32_t>(directory_.size()));
    appendLittle(out_, start);
    appendLittle(out_, std::uint16_t{0});
    return std::move(out_);
  }

 private:
  std::string out_, directory_;
  std::uint16_t count_ = 0;
};

Expected<std::string> npzOf(const Arrays& arrays, const std::vector<Metric>& metrics, const std::string& path) {
  Zip zip;
  bool fits = true;
  for (const auto& [name, tensor] : arrays) fits = fits && zip.add(name + ".npy", npyOf(tensor));
  for (const Metric& metric : metrics) {
    char bytes[sizeof(double)];
    std::memcpy(bytes, &metric.value, sizeof bytes);
    fits = fits && zip.add("metric." + metric.name + ".npy", npyOf("<f8", {}, {bytes, sizeof bytes}));
  }
  if (!fits) return makeError(ErrorCode::unsupported, trf("cannot write '{}': the arrays exceed the 4 GiB of a zip archive; export one panel, or fewer steps", path), "E-OUT-02");
  return zip.finish();
}

}  // namespace

Expected<Written> writeData(const std::vector<std::pair<std::string, Tensor>>& arrays, const std::vector<Metric>& metrics, const std::string& path) {
  std::string ending = std::filesystem::path(path).extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  std::string content;
  if (ending == ".json") {
    content = jsonOf(arrays, metrics);
  } else if (ending == ".csv") {
    content = csvOf(arrays, metrics);
  } else if (ending == ".npz") {
    auto npz = npzOf(arrays, metrics, path);
    if (!npz) return npz.error();
    content = std::move(*npz);
  } else {
    return makeError(ErrorCode::usage, trf("'{}' does not say which kind of data to write: let the name end in .json, .csv or .npz", path), "E-OUT-01");
  }
  if (auto written = writeFileAtomically(path, content); !written) return written.error();
  return Written{path, {}};
}

}  // namespace orrery::exporting
