#include "app/cli/picture_size.h"

#include <charconv>

#include "core/base/text.h"

namespace orrery::cli {

namespace {

std::string endingOf(const std::string& path) {
  const auto slash = path.find_last_of('/');
  const auto dot = path.find_last_of('.');
  if (dot == std::string::npos || (slash != std::string::npos && dot < slash)) return {};
  auto text = path.substr(dot + 1);
  for (char& letter : text) letter = static_cast<char>(letter >= 'A' && letter <= 'Z' ? letter + 32 : letter);
  return text;
}

}  // namespace

Expected<std::string> knownEnding(const std::string& path, std::initializer_list<std::string_view> known) {
  const auto ending = endingOf(path);
  std::string list;
  for (const auto& one : known) {
    if (ending == one) return ending;
    list += (list.empty() ? "." : ", .") + std::string(one);
  }
  return makeError(ErrorCode::usage, trf("'{}' must end in one of {}", path, list));
}

Expected<Vec2> readSize(const std::string& text) {
  int width = 0, height = 0;
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, width);
  bool good = first.ec == std::errc() && first.ptr != end && (*first.ptr == 'x' || *first.ptr == 'X');
  if (good) {
    const auto second = std::from_chars(first.ptr + 1, end, height);
    good = second.ec == std::errc() && second.ptr == end;
  }
  if (!good) return makeError(ErrorCode::usage, trf("--size needs WIDTHxHEIGHT such as 1280x720, found '{}'", text));
  if (std::min(width, height) < smallestSide || std::max(width, height) > largestSide) {
    return makeError(ErrorCode::usage, trf("--size {}: each side must be {} to {} px", text, smallestSide, largestSide));
  }
  return Vec2{static_cast<float>(width), static_cast<float>(height)};
}

}  // namespace orrery::cli
