#pragma once
// Text as tokens, with a label for each that fits on an axis.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/expected.h"

namespace orrery::attention {

struct TextToken {
  std::uint32_t id = 0;               // byte, or Unicode code point
  std::size_t begin = 0, length = 1;  // in the text, bytes
  std::string label;                  // "a", "␣" for a space, "E4" for a byte that is no character of its own
};

// One token per byte.
std::vector<TextToken> byteTokens(std::string_view text);
// One token per UTF-8 character; a byte that is not part of one is a token of its own.
std::vector<TextToken> characterTokens(std::string_view text);

// Token numbers as text, apart by spaces, commas or lines. Error: something else among them, or none.
Expected<std::vector<TextToken>> numberTokens(std::string_view text);

}  // namespace orrery::attention
