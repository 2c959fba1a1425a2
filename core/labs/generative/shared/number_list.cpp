#include "core/labs/generative/shared/number_list.h"

#include <charconv>

#include "core/base/text.h"
#include "core/labs/generative/shared/stated_network.h"

namespace orrery::generative {

std::vector<double> numbersOf(const std::string& text) {
  std::vector<double> numbers;
  const char *at = text.data(), *end = at + text.size();
  while (at < end) {
    double value = 0;
    const auto [rest, fault] = std::from_chars(at, end, value);
    if (fault != std::errc()) return {};
    numbers.push_back(value);
    for (at = rest; at < end && (*at == ' ' || *at == ',' || *at == ';');) ++at;
  }
  return numbers;
}

Expected<std::vector<double>> numbersIn(const std::string& text, const std::string& what, const ListLimits& limits) {
  std::vector<double> result;
  for (const std::string& part : separated(text)) {
    double value = 0;
    const auto [rest, fault] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (fault != std::errc() || rest != part.data() + part.size() || !(value >= limits.low && value <= limits.high)) {
      return makeError(ErrorCode::usage,
                       trf("{}: expected numbers from {} to {}, separated by commas, found '{}'", what, limits.low, limits.high, part));
    }
    result.push_back(value);
  }
  if (result.size() < limits.least || result.size() > limits.most) {
    return makeError(ErrorCode::usage, trf("{}: expected {} to {} numbers separated by commas, found {}", what, limits.least, limits.most, result.size()));
  }
  return result;
}

}  // namespace orrery::generative
