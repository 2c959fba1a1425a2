#pragma once
// Lines and columns of small text formats, shared by the VOC, YOLO and CSV readers.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/expected.h"

namespace orrery {

// The lines of a text, whatever ends them (LF, CRLF, CR), without the ends; the last empty one is left out.
std::vector<std::string_view> linesOf(std::string_view text);
// Words between spaces and tabs.
std::vector<std::string_view> wordsOf(std::string_view line);
std::string_view trimmed(std::string_view text);

// A whole token as a decimal number in the C locale: no hexadecimal, no decimal comma, no unit. NaN and infinities are refused too.
// The error's message is "'0,5' is not a number (use a point)" without a place.
enum class NumberFault : std::uint8_t { none, notANumber, comma, notFinite };
NumberFault readNumber(std::string_view token, double& value);
std::string describe(NumberFault fault, std::string_view token);

// Regular files in a folder with this extension (".xml", lower case), sorted by name, not recursive. Symbolic links to files count.
std::vector<std::string> filesWithExtension(const std::string& folder, std::string_view extension, std::size_t most = 1u << 22);
bool isFolder(const std::string& path);
bool isFile(const std::string& path);

}  // namespace orrery
