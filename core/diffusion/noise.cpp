// The virtual Brownian tree; convention and sources in noise.h.

#include "core/diffusion/noise.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "core/base/philox.h"

namespace orrery::diffusion {

State Noise::normals(std::uint32_t word, std::uint32_t kind, std::uint32_t last) const {
  State z(coordinates_);
  for (std::size_t i = 0; i < coordinates_; i += 2) {
    const PhiloxBlock block = philox({static_cast<std::uint32_t>(i / 2), word, kind, last}, philoxKey(seed_));
    const auto pair = philoxNormals(block[0], block[1]);
    z[i] = pair[0];
    if (i + 1 < coordinates_) z[i + 1] = pair[1];
  }
  return z;
}

State Noise::fresh(std::uint32_t step, std::uint32_t purpose) const { return normals(step, 21, purpose); }

State Noise::path(double sigma) {
  assert(sigma >= 0 && sigma <= treeTop);
  if (sigma == 0) return State(coordinates_);
  if (sigma == lastLevel_) return last_;
  const double u = std::pow(sigma / treeTop, 1.0 / 7), time = sigma * sigma;
  const auto timeAt = [](double place) { return treeTop * treeTop * std::pow(place, 14); };
  way_.resize(treeDepth + 2);
  const auto normal = [&](std::size_t depth, std::uint32_t index) -> const State& {
    Node& node = way_[depth];
    if (node.index != index + 1) node = {index + 1, normals(index, 20, 0)};
    return node.normal;
  };

  // Begin with the whole interval: W(0) = 0 and W(top).
  double low = 0, high = 1, timeLow = 0, timeHigh = treeTop * treeTop;
  State atLow(coordinates_), atHigh = treeTop * normal(0, 0);
  // Replaces one end of the interval, `into`, by the path between them.
  const auto bridge = [&](double middle, const State& z, State& into) {
    const double share = (middle - timeLow) / (timeHigh - timeLow);
    const double deviation = std::sqrt(std::max(0.0, (middle - timeLow) * (timeHigh - middle) / (timeHigh - timeLow)));
    for (std::size_t i = 0; i < coordinates_; ++i) into[i] = (1 - share) * atLow[i] + share * atHigh[i] + deviation * z[i];
  };

  // Split the interval around u at its middle, level by level.
  std::uint32_t index = 0;
  for (std::size_t depth = 0; depth < treeDepth; ++depth) {
    const double middle = 0.5 * (low + high), timeMiddle = timeAt(middle);
    const bool right = u >= middle;
    bridge(timeMiddle, normal(depth + 1, (1u << depth) + index), right ? atLow : atHigh);
    (right ? low : high) = middle;
    (right ? timeLow : timeHigh) = timeMiddle;
    index = 2 * index + (right ? 1 : 0);
  }
  // Bridge once more to the level itself.
  bridge(std::clamp(time, timeLow, timeHigh), normal(treeDepth + 1, (1u << treeDepth) + index), atLow);
  last_ = std::move(atLow);
  lastLevel_ = sigma;
  return last_;
}

State Noise::increment(double a, double b) {
  assert(a > b);
  const State before = path(a);
  return (before - path(b)) / std::sqrt(a * a - b * b);
}

}  // namespace orrery::diffusion
