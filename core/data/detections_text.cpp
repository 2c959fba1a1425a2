// Lines, columns, numbers and folders for the text readers (see detections_text.h).

#include "core/data/detections_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>

#include "core/base/text.h"
#include "core/data/detections.h"

namespace orrery {

namespace fs = std::filesystem;

std::vector<std::string_view> linesOf(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find_first_of("\r\n");
    lines.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    const bool both = text[end] == '\r' && end + 1 < text.size() && text[end + 1] == '\n';
    text.remove_prefix(end + (both ? 2 : 1));
  }
  return lines;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n\f\v");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n\f\v") - begin + 1);
}

std::vector<std::string_view> wordsOf(std::string_view line) {
  std::vector<std::string_view> words;
  for (std::size_t at = line.find_first_not_of(" \t"); at != std::string_view::npos; at = line.find_first_not_of(" \t", at)) {
    const std::size_t end = std::min(line.find_first_of(" \t", at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

NumberFault readNumber(std::string_view token, double& value) {
  const std::string_view digits = token.starts_with("+") ? token.substr(1) : token;
  if (digits.empty() || digits.find_first_of("0123456789") == std::string_view::npos || digits.find_first_of("xX") != std::string_view::npos) {
    // "nan" and "inf" are understood by the parser but are no coordinates.
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return parsed.ec == std::errc() && parsed.ptr == digits.data() + digits.size() ? NumberFault::notFinite : NumberFault::notANumber;
  }
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (parsed.ptr != digits.data() + digits.size()) {
    return *parsed.ptr == ',' ? NumberFault::comma : NumberFault::notANumber;
  }
  if (parsed.ec == std::errc::result_out_of_range) {
    // Too small is zero; too large is refused.
    if (token.find("e-") == std::string_view::npos && token.find("E-") == std::string_view::npos) return NumberFault::notFinite;
    value = 0;
    return NumberFault::none;
  }
  if (parsed.ec != std::errc()) return NumberFault::notANumber;
  return std::isfinite(value) ? NumberFault::none : NumberFault::notFinite;
}

std::string describe(NumberFault fault, std::string_view token) {
  switch (fault) {
    case NumberFault::comma: return trf("'{}' is not a number (use a point)", printable(token));
    case NumberFault::notFinite: return trf("'{}' is not a finite number", printable(token));
    default: return trf("'{}' is not a number", printable(token));
  }
}

bool isFolder(const std::string& path) {
  std::error_code failure;
  return fs::is_directory(path, failure);
}

bool isFile(const std::string& path) {
  std::error_code failure;
  return fs::is_regular_file(path, failure);
}

std::vector<std::string> filesWithExtension(const std::string& folder, std::string_view extension, std::size_t most) {
  std::vector<std::string> files;
  std::error_code failure;
  for (auto at = fs::directory_iterator(folder, fs::directory_options::skip_permission_denied, failure); !failure && at != fs::directory_iterator();
       at.increment(failure)) {
    std::string end = at->path().extension().string();
    std::transform(end.begin(), end.end(), end.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    std::error_code ignored;
    if (end == extension && at->is_regular_file(ignored)) files.push_back(at->path().string());
    if (files.size() >= most) break;
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace orrery
