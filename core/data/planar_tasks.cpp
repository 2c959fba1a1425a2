#include "core/data/planar_tasks.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/philox.h"
#include "core/base/text.h"
#include "core/data/points.h"

namespace orrery {
namespace {

constexpr std::uint32_t taskStream = 0x510, shuffleStream = 0x511;

// Four uniform numbers in (0, 1) for point i.
struct Draw {
  double u[4];
  Draw(std::uint64_t seed, std::int64_t i, std::uint32_t part) {
    const PhiloxBlock block = philox({static_cast<std::uint32_t>(i), part, taskStream, 0}, philoxKey(seed));
    for (std::size_t k = 0; k < 4; ++k) u[k] = (static_cast<double>(block[k]) + 0.5) / 4294967296.0;
  }
  // Two normal numbers (Box and Muller 1958) from the last two.
  double normal(int which) const {
    const double r = std::sqrt(-2 * std::log(u[2])), angle = 2 * std::numbers::pi * u[3];
    return which == 0 ? r * std::cos(angle) : r * std::sin(angle);
  }
};

double regressionTarget(const std::string& name, double x, double y) {
  if (name == "saddle") return x * y;
  if (name == "waves") return 0.5 * (std::sin(std::numbers::pi * x) + std::cos(1.5 * std::numbers::pi * y));
  const auto bump = [&](double cx, double cy) { return std::exp(-((x - cx) * (x - cx) + (y - cy) * (y - cy)) / 0.08); };
  return bump(-0.5, 0.4) - bump(0.5, 0.5) + bump(0.4, -0.5) - bump(-0.45, -0.45);
}

bool isRegression(const std::string& name) { return name == "saddle" || name == "waves" || name == "bumps"; }

}  // namespace

PlanarTask builtInTask(const std::string& name, std::int64_t count, double noise, std::uint64_t seed) {
  PlanarTask task;
  task.classes = !isRegression(name);
  for (std::int64_t i = 0; i < count; ++i) {
    const Draw where(seed, i, 0), jitter(seed, i, 1);
    const bool second = i % 2 == 1;
    double x = 2 * where.u[0] - 1, y = 2 * where.u[1] - 1;
    if (!task.classes) {
      task.xy.insert(task.xy.end(), {static_cast<float>(x), static_cast<float>(y)});
      task.target.push_back(static_cast<float>(regressionTarget(name, x, y) + noise * jitter.normal(0)));
      continue;
    }
    double label = second ? 1 : 0;
    if (name == "moons") {
      const double angle = std::numbers::pi * where.u[0];
      x = second ? 0.33 - 0.66 * std::cos(angle) : -0.33 + 0.66 * std::cos(angle);
      y = second ? 0.2 - 0.66 * std::sin(angle) : -0.2 + 0.66 * std::sin(angle);
    } else if (name == "circles") {
      const double angle = 2 * std::numbers::pi * where.u[0], r = second ? 0.8 : 0.35 * std::sqrt(where.u[1]);
      x = r * std::cos(angle), y = r * std::sin(angle);
    } else if (name == "spiral") {
      const double t = std::sqrt(where.u[0]), angle = 3.5 * std::numbers::pi * t + (second ? std::numbers::pi : 0);
      x = 0.9 * t * std::cos(angle), y = 0.9 * t * std::sin(angle);
    } else if (name == "blobs") {
      const double angle = 2 * std::numbers::pi * (std::floor(3 * where.u[0]) / 3 + (second ? 0.5 : 0) / 3);
      x = 0.6 * std::cos(angle) + 0.1 * where.normal(0), y = 0.6 * std::sin(angle) + 0.1 * where.normal(1);
    } else {
      label = (x > 0) != (y > 0) ? 1 : 0;  // xor
      // A gap along the axes keeps the classes apart.
      x += x > 0 ? 0.05 : -0.05, y += y > 0 ? 0.05 : -0.05;
    }
    x += noise * jitter.normal(0), y += noise * jitter.normal(1);
    task.xy.insert(task.xy.end(), {static_cast<float>(x), static_cast<float>(y)});
    task.target.push_back(static_cast<float>(label));
  }
  return task;
}

Expected<PlanarTask> taskFromFile(const std::string& path, std::uint64_t seed) {
  auto read = readPoints(path);
  if (!read) return read.error();
  const auto n = read->points.shape()[0], columns = read->points.shape()[1];
  if (columns < 3) {
    return makeError(
        ErrorCode::badInput,
        trf("{}: three columns are needed, x, y and a label; found {}. Add a column of labels, 0 or 1, or of numbers", path, columns));
  }
  if (n < 2) return makeError(ErrorCode::badInput, trf("{}: at least two points are needed, found {}", path, n));
  const auto values = read->points.as<float>();
  const auto at = [&](std::int64_t row, std::int64_t column) {
    return static_cast<double>(values[static_cast<std::size_t>(row * columns + column)]);
  };
  double low[3], high[3];
  for (int c = 0; c < 3; ++c) {
    low[c] = high[c] = at(0, c);
    for (std::int64_t i = 0; i < n; ++i) low[c] = std::min(low[c], at(i, c)), high[c] = std::max(high[c], at(i, c));
  }
  PlanarTask task;
  for (std::int64_t i = 0; i < n && task.classes; ++i) task.classes = at(i, 2) == 0 || at(i, 2) == 1;
  // One scale for both coordinates: distances keep their proportion.
  const double half = std::max({0.5 * (high[0] - low[0]), 0.5 * (high[1] - low[1]), 1e-12});
  const double spread = std::max(0.5 * (high[2] - low[2]), 1e-12);
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
  for (std::size_t i = order.size(); i > 1; --i) {
    const PhiloxBlock block = philox({static_cast<std::uint32_t>(i), 0, shuffleStream, 0}, philoxKey(seed));
    std::swap(order[i - 1], order[static_cast<std::size_t>((static_cast<std::uint64_t>(block[0]) * i) >> 32)]);
  }
  for (const std::int64_t i : order) {
    task.xy.push_back(static_cast<float>((at(i, 0) - 0.5 * (low[0] + high[0])) / half));
    task.xy.push_back(static_cast<float>((at(i, 1) - 0.5 * (low[1] + high[1])) / half));
    task.target.push_back(static_cast<float>(task.classes ? at(i, 2) : (at(i, 2) - 0.5 * (low[2] + high[2])) / spread));
  }
  return task;
}

}  // namespace orrery
