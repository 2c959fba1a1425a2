#include "core/labs/generative/shared/error_histogram.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/base/text.h"
#include "core/labs/generative/shared/curves.h"

namespace orrery::generative {

void addErrorHistogram(Panel& panel, const std::vector<double>& sizes, int tickStep) {
  constexpr int bins = 24;
  constexpr int low = -9, high = -3;  // of log10 of the error
  std::vector<double> at(bins), share(bins, 0);
  for (std::size_t b = 0; b < bins; ++b) at[b] = low + (high - low) * (static_cast<double>(b) + 0.5) / bins;
  for (const double e : sizes) {
    const double place = (std::log10(std::max(e, 1e-12)) - low) / (high - low) * bins;
    share[static_cast<std::size_t>(std::clamp(place, 0.0, bins - 1.0))] += 100 / static_cast<double>(sizes.size());
  }
  auto bars = std::make_shared<BarsMark>("error");
  bars->position = columnOf(at), bars->value = columnOf(share);
  bars->thickness = 0.9 * (high - low) / bins;
  bars->paint = Paint::of(Role::estimate);
  panel.marks.push_back(bars);
  panel.x.range = Range{low, high};
  for (int e = low; e <= high; e += tickStep) panel.x.ticks.push_back({static_cast<double>(e), e == low ? trf("≤ {}", "1e−9") : fmt::format("1e−{}", -e)});
}

}  // namespace orrery::generative
