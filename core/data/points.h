#pragma once
// Point sets as text: one point per line, numbers separated by commas, semicolons, tabs or spaces, an optional header line, '#' comments.

#include <string>
#include <string_view>
#include <vector>

#include "core/base/expected.h"
#include "core/tensor/tensor.h"

namespace orrery {

struct PointSet {
  Tensor points;                        // [n, d] f32
  std::vector<std::string> names;       // column names from the header, or empty
  std::int64_t skipped = 0;             // lines with NaN or infinite values
};

constexpr std::int64_t mostPoints = 20'000'000;
constexpr std::int64_t mostDimensions = 64;

// Error: empty (E-PS-01), a line with another number of columns (E-PS-02), a text that is no number (E-PS-03), too many (E-PS-04), binary (E-PS-05).
Expected<PointSet> readPoints(const std::string& path);
Expected<PointSet> parsePoints(std::string_view text);

}  // namespace orrery
