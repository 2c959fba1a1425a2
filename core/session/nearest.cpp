#include "core/session/nearest.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/base/text.h"

namespace orrery {

namespace {

// Levenshtein distance (insertions, deletions, substitutions cost 1), one row at a time.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

std::vector<std::string> nearest(std::string_view word, std::span<const std::string> names) {
  // Nobody means a name by a word of this length, and the distance is quadratic in it.
  if (word.empty() || word.size() > 100) return {};
  std::vector<std::pair<std::size_t, std::string>> ranked;
  for (const auto& name : names) {
    // Compare with the whole id and with its last part, since people leave the wing out.
    const auto last = std::string_view(name).substr(name.find('/') == std::string::npos ? 0 : name.find('/') + 1);
    std::size_t far = std::min(distance(word, name), distance(word, last));
    if (word.size() >= 3 && name.find(word) != std::string::npos) far = std::min<std::size_t>(far, 1);
    // Up to half of the letters wrong still reads as the same word.
    if (far <= std::max<std::size_t>(2, word.size() / 2)) ranked.emplace_back(far, name);
  }
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::string> result;
  for (std::size_t i = 0; i < std::min<std::size_t>(3, ranked.size()); ++i) result.push_back(ranked[i].second);
  return result;
}

std::string joined(std::span<const std::string> names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " " + tr("or") + " " : ", ";
    text += "'" + names[i] + "'";
  }
  return text;
}

}  // namespace orrery
