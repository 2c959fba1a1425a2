#include "core/labs/attention/shared/token_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/base/text.h"

namespace orrery::attention {
namespace {

std::string labelOf(std::string_view bytes) {
  const auto first = static_cast<unsigned char>(bytes.front());
  if (bytes.size() > 1) return std::string(bytes);
  if (first == ' ') return "␣";
  if (first == '\n') return "↵";
  if (first == '\t') return "⇥";
  if (first < 0x20 || first >= 0x7f) return fmt::format("{:02X}", first);
  return std::string(bytes);
}

}  // namespace

std::vector<TextToken> byteTokens(std::string_view text) {
  std::vector<TextToken> tokens;
  for (std::size_t i = 0; i < text.size(); ++i) tokens.push_back({static_cast<unsigned char>(text[i]), i, 1, labelOf(text.substr(i, 1))});
  return tokens;
}

std::vector<TextToken> characterTokens(std::string_view text) {
  std::vector<TextToken> tokens;
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    std::size_t length = first < 0x80                    ? 1
                         : first >= 0xc2 && first < 0xe0 ? 2
                         : first >= 0xe0 && first < 0xf0 ? 3
                         : first >= 0xf0 && first < 0xf5 ? 4
                                                         : 1;
    std::uint32_t id = length == 1 ? first : first & (0xffu >> (length + 1));
    for (std::size_t k = 1; k < length; ++k) {
      const unsigned next = i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0u;
      if ((next & 0xc0u) != 0x80u) {
        length = 1, id = first;
        break;
      }
      id = id << 6 | (next & 0x3fu);
    }
    tokens.push_back({id, i, length, labelOf(text.substr(i, length))});
    i += length;
  }
  return tokens;
}

Expected<std::vector<TextToken>> numberTokens(std::string_view text) {
  constexpr std::string_view apart = " ,\t\r\n[]";
  std::vector<TextToken> tokens;
  for (std::size_t at = text.find_first_not_of(apart); at < text.size(); at = text.find_first_not_of(apart, at)) {
    const std::size_t end = std::min(text.find_first_of(apart, at), text.size());
    const std::string_view word = text.substr(at, end - at);
    std::uint32_t id = 0;
    const auto [stop, failure] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (failure != std::errc{} || stop != word.data() + word.size()) {
      return makeError(ErrorCode::usage, trf("'{}' is no token number: whole numbers from 0 are needed", word), "E-ATT-NUMBER");
    }
    tokens.push_back({id, at, word.size(), std::string(word)});
    at = end;
  }
  if (tokens.empty()) return makeError(ErrorCode::usage, tr("there is no token number in the text"), "E-ATT-TEXT");
  return tokens;
}

}  // namespace orrery::attention
