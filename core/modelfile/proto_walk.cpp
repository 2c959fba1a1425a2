#include "core/modelfile/proto_walk.h"

#include <algorithm>
#include <bit>
#include <protozero/varint.hpp>

#include "core/base/text.h"

namespace orrery::modelfile {

namespace {

constexpr std::uint64_t windowBytes = 1 << 16, longestText = 16u << 20;

}  // namespace

const char* ProtoFile::look(std::uint64_t offset, std::uint64_t bytes) {
  if (offset < windowAt_ || offset + bytes > windowAt_ + window_.size()) {
    auto read = reader_.readAt(offset, std::min(windowBytes, reader_.size() - offset));
    if (!read) throw BrokenWire{read.error()};
    window_ = *std::move(read);
    windowAt_ = offset;
  }
  return reinterpret_cast<const char*>(window_.data()) + (offset - windowAt_);
}

void ProtoMessage::fail(std::string message, const char* id) const {
  throw BrokenWire{makeError(ErrorCode::badInput, std::move(message), id)};
}

std::uint64_t ProtoMessage::varint(std::uint64_t& at, std::uint64_t end) const {
  const std::uint64_t bytes = std::min<std::uint64_t>(end - at, protozero::max_varint_length);
  const char* data = file_->look(at, bytes);
  const char* const begin = data;
  try {
    const std::uint64_t value = protozero::decode_varint(&data, begin + bytes);
    at += static_cast<std::uint64_t>(data - begin);
    return value;
  } catch (const protozero::varint_too_long_exception&) {
    fail(trf("not an ONNX model, or damaged: the number at offset {} is longer than 10 bytes", at));
  } catch (const protozero::end_of_buffer_exception&) {
    fail(trf("not an ONNX model, or truncated: the number at offset {} goes on behind the end of its message at {}", at, end));
  }
}

bool ProtoMessage::next() {
  if (at_ >= end_) return false;
  fieldAt_ = at_;
  const std::uint64_t key = varint(at_, end_);
  const std::uint64_t field = key >> 3;
  if (field == 0 || field > 0x1FFFFFFF) fail(trf("not an ONNX model: field number {} at offset {}", field, fieldAt_));
  field_ = static_cast<std::uint32_t>(field);
  const auto fixed = [&](std::uint64_t bytes) {
    if (end_ - at_ < bytes)
      fail(trf("not an ONNX model, or truncated: the number at offset {} goes on behind the end of its message at {}", at_, end_));
    const char* data = file_->look(at_, bytes);
    number_ = 0;
    for (std::uint64_t i = 0; i < bytes; ++i) number_ |= static_cast<std::uint64_t>(static_cast<unsigned char>(data[i])) << (8 * i);
    at_ += bytes;
  };
  switch (key & 7) {
    case 0:
      wire_ = Wire::varint;
      number_ = varint(at_, end_);
      return true;
    case 1:
      wire_ = Wire::fixed64;
      fixed(8);
      return true;
    case 2: {
      wire_ = Wire::bytes;
      const std::uint64_t bytes = varint(at_, end_);
      if (bytes > end_ - at_) {
        fail(trf("not an ONNX model, or truncated: field {} at offset {} says it has {} bytes, {} are left", field_, fieldAt_, bytes,
                 end_ - at_));
      }
      range_ = {at_, at_ + bytes};
      at_ += bytes;
      return true;
    }
    case 5:
      wire_ = Wire::fixed32;
      fixed(4);
      return true;
    default:
      fail(trf("not an ONNX model (wire type {} at offset {})", key & 7, fieldAt_), fieldAt_ == 0 ? "E-OX-01" : "E-OX-02");
  }
}

std::uint64_t ProtoMessage::number() const {
  if (wire_ == Wire::bytes) fail(trf("field {} at offset {} should be a number, found {} bytes", field_, fieldAt_, range_.bytes()));
  return number_;
}

std::int64_t ProtoMessage::integer() const { return std::bit_cast<std::int64_t>(number()); }

float ProtoMessage::real() const {
  if (wire_ != Wire::fixed32) fail(trf("field {} at offset {} should be a number of four bytes", field_, fieldAt_));
  return std::bit_cast<float>(static_cast<std::uint32_t>(number_));
}

ByteRange ProtoMessage::range() const {
  if (wire_ != Wire::bytes) fail(trf("field {} at offset {} should be bytes or a message, found a number", field_, fieldAt_));
  return range_;
}

std::string ProtoMessage::text() const {
  const ByteRange where = range();
  if (where.bytes() > longestText) fail(trf("the text at offset {} has {}, the limit is 16 MiB", fieldAt_, bytesAsText(where.bytes())));
  std::string result;
  for (std::uint64_t at = where.begin; at < where.end;) {
    const std::uint64_t bytes = std::min(windowBytes, where.end - at);
    result.append(file_->look(at, bytes), bytes);
    at += bytes;
  }
  return result;
}

void ProtoMessage::append(std::vector<std::int64_t>& to, std::size_t most) const {
  const auto take = [&](std::uint64_t value) {
    if (to.size() == most) fail(trf("field {} at offset {} lists more than {} numbers", field_, fieldAt_, most));
    to.push_back(std::bit_cast<std::int64_t>(value));
  };
  if (wire_ != Wire::bytes) return take(number_);
  for (std::uint64_t at = range_.begin; at < range_.end;) take(varint(at, range_.end));
}

}  // namespace orrery::modelfile
