#pragma once
// Writes npy and npz files byte by byte, well formed or with one thing wrong.

#include <zlib.h>

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <vector>

#include "tests/support/scratch.h"

namespace orrery::testing {

inline std::string npyWith(const std::string& dictionary, const std::string& data, char major = 1) {
  std::string header = dictionary;
  const std::size_t prefix = major == 1 ? 10 : 12;
  while ((prefix + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  std::string length = major == 1 ? little<std::uint16_t>(static_cast<std::uint16_t>(header.size())) : little<std::uint32_t>(static_cast<std::uint32_t>(header.size()));
  return std::string("\x93NUMPY") + major + '\0' + length + header + data;
}

inline std::string npy(const std::string& descr, const std::string& shape, const std::string& data, const std::string& order = "False") {
  return npyWith("{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }", data);
}

inline std::string floats(std::initializer_list<float> values) {
  std::string bytes(values.size() * 4, '\0');
  std::memcpy(bytes.data(), values.begin(), bytes.size());
  return bytes;
}

struct Member {
  std::string name, content;
  bool deflate = false;
  std::uint32_t declared = 0xFFFFFFFF;      // inflated size to claim instead of the true one
  std::uint16_t flags = 0, method = 0xFFFF;
  std::string localName;                    // another name in the local header
  bool wrongCrc = false;
};

inline std::string deflated(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  ::deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

inline std::string zip(const std::vector<Member>& members, const std::string& prefix = {}, const std::string& comment = {}) {
  std::string body, central;
  for (const Member& member : members) {
    const std::string packed = member.deflate ? deflated(member.content) : member.content;
    std::uint32_t crc = static_cast<std::uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(member.content.data()), member.content.size()));
    if (member.wrongCrc) crc ^= 1;
    const std::uint16_t method = member.method != 0xFFFF ? member.method : member.deflate ? 8 : 0;
    const std::uint32_t size = member.declared != 0xFFFFFFFF ? member.declared : static_cast<std::uint32_t>(member.content.size());
    const auto offset = static_cast<std::uint32_t>(body.size());
    const std::string& localName = member.localName.empty() ? member.name : member.localName;
    const std::string common = little<std::uint16_t>(member.flags) + little<std::uint16_t>(method) + little<std::uint32_t>(0) + little<std::uint32_t>(crc) +
                               little<std::uint32_t>(static_cast<std::uint32_t>(packed.size())) + little<std::uint32_t>(size);
    body += "PK\3\4" + little<std::uint16_t>(20) + common + little<std::uint16_t>(static_cast<std::uint16_t>(localName.size())) + little<std::uint16_t>(0) + localName + packed;
    central += "PK\1\2" + little<std::uint16_t>(20) + little<std::uint16_t>(20) + common +
               little<std::uint16_t>(static_cast<std::uint16_t>(member.name.size())) + std::string(12, '\0') + little<std::uint32_t>(offset) + member.name;
  }
  return prefix + body + central + "PK\5\6" + std::string(4, '\0') + little<std::uint16_t>(static_cast<std::uint16_t>(members.size())) +
         little<std::uint16_t>(static_cast<std::uint16_t>(members.size())) + little<std::uint32_t>(static_cast<std::uint32_t>(central.size())) +
         little<std::uint32_t>(static_cast<std::uint32_t>(body.size())) + little<std::uint16_t>(static_cast<std::uint16_t>(comment.size())) + comment;
}

}  // namespace orrery::testing
