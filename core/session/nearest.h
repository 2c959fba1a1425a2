#pragma once
// Which of the known names a mistyped one was probably meant to be.

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace orrery {

// Up to three names, nearest first by edit distance (a name that contains the word counts as near). Empty when nothing is close.
std::vector<std::string> nearest(std::string_view word, std::span<const std::string> names);

// "a", "a or b", "a, b or c".
std::string joined(std::span<const std::string> names);

}  // namespace orrery
