#pragma once
// Reading UTF-8 one code point at a time; a malformed byte gives U+FFFD and costs one byte.

#include <cstdint>
#include <string_view>

namespace orrery {

inline std::uint32_t nextCodePoint(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = byte(at);
  int extra = 0;
  std::uint32_t code = lead;
  if (lead < 0x80) {
    extra = 0;
  } else if (lead >= 0xC2 && lead < 0xE0) {
    extra = 1;
    code = lead & 0x1Fu;
  } else if (lead >= 0xE0 && lead < 0xF0) {
    extra = 2;
    code = lead & 0x0Fu;
  } else if (lead >= 0xF0 && lead < 0xF5) {
    extra = 3;
    code = lead & 0x07u;
  } else {
    ++at;
    return 0xFFFD;
  }
  if (at + static_cast<std::size_t>(extra) >= text.size() && extra > 0) {
    ++at;
    return 0xFFFD;
  }
  for (int i = 1; i <= extra; ++i) {
    const std::uint8_t next = byte(at + static_cast<std::size_t>(i));
    if ((next & 0xC0) != 0x80) {
      ++at;
      return 0xFFFD;
    }
    code = (code << 6) | (next & 0x3Fu);
  }
  at += static_cast<std::size_t>(extra) + 1;
  return code;
}

// Scripts set without spaces between words: a line may break before such a character, and it is about one em wide.
inline bool isWide(std::uint32_t code) {
  return (code >= 0x1100 && code <= 0x115F) || (code >= 0x2E80 && code <= 0xA4CF) || (code >= 0xAC00 && code <= 0xD7A3) ||
         (code >= 0xF900 && code <= 0xFAFF) || (code >= 0xFE30 && code <= 0xFE4F) || (code >= 0xFF00 && code <= 0xFF60) ||
         (code >= 0x20000 && code <= 0x3FFFD);
}

}  // namespace orrery
