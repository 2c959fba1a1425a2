#pragma once
// Walks the fields of a protobuf message that lies in a file, one after another, holding no more of it than a window of 64 KiB: a model of
// many GiB is walked without reading its weights. Wire format: https://protobuf.dev/programming-guides/encoding; its numbers are decoded by
// protozero. Inside core/modelfile damage is thrown as BrokenWire and becomes an Error where the file is opened.

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/modelfile/bounded_reader.h"

namespace orrery::modelfile {

struct BrokenWire {
  Error error;
};

// A file seen through a window. Used by one thread at a time.
class ProtoFile {
 public:
  explicit ProtoFile(BoundedReader reader) : reader_(std::move(reader)) {}
  const BoundedReader& reader() const { return reader_; }
  std::uint64_t size() const { return reader_.size(); }
  // The bytes offset ... offset + bytes - 1, at most 64 KiB, valid until the next call; the caller knows that they are inside.
  const char* look(std::uint64_t offset, std::uint64_t bytes);

 private:
  BoundedReader reader_;
  std::vector<std::byte> window_;
  std::uint64_t windowAt_ = 0;
};

struct ByteRange {
  std::uint64_t begin = 0, end = 0;
  std::uint64_t bytes() const { return end - begin; }
};

class ProtoMessage {
 public:
  ProtoMessage(ProtoFile& file, ByteRange range) : file_(&file), at_(range.begin), end_(range.end) {}

  // Goes to the next field; false at the end. Throws BrokenWire for field 0, a group, a wire type that does not exist, a number of more
  // than ten bytes and what goes on behind the end.
  bool next();

  enum class Wire { varint, fixed64, bytes, fixed32 };
  std::uint32_t field() const { return field_; }
  Wire wire() const { return wire_; }
  std::uint64_t offset() const { return fieldAt_; }  // of the field in the file

  // The field's content. Throws BrokenWire when the wire type is another.
  std::uint64_t number() const;  // varint, fixed64 or fixed32 as it is stored
  std::int64_t integer() const;
  float real() const;
  ByteRange range() const;
  ProtoMessage message() const { return {*file_, range()}; }
  std::string text() const;  // at most 16 MiB
  // Whole numbers, packed or one by one, appended.
  void append(std::vector<std::int64_t>& to, std::size_t most) const;

  [[noreturn]] void fail(std::string message, const char* id = "E-OX-02") const;

 private:
  std::uint64_t varint(std::uint64_t& at, std::uint64_t end) const;

  ProtoFile* file_;
  std::uint64_t at_, end_, fieldAt_ = 0;
  std::uint32_t field_ = 0;
  Wire wire_ = Wire::varint;
  std::uint64_t number_ = 0;
  ByteRange range_;
};

}  // namespace orrery::modelfile
