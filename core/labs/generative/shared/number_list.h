#pragma once
// Numbers a user lists in a text.

#include <string>
#include <vector>

#include "core/base/expected.h"

namespace orrery::generative {

struct ListLimits {
  double low = 0, high = 0;              // of each number
  std::size_t least = 1, most = 12;      // of their count
};

// Split at spaces, commas and semicolons; empty where anything else stands among the numbers.
std::vector<double> numbersOf(const std::string& text);
// Split at commas and semicolons. Error: usage, "<what>: expected numbers from ..." or "... 1 to 12 numbers ...".
Expected<std::vector<double>> numbersIn(const std::string& text, const std::string& what, const ListLimits& limits);

}  // namespace orrery::generative
