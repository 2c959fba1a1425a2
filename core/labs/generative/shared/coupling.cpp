#include "core/labs/generative/shared/coupling.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "core/base/philox.h"
#include "core/base/text.h"

namespace orrery::generative {
namespace {

double squaredDistance(std::span<const double> a, std::size_t i, std::span<const double> b, std::size_t j) {
  const double dx = a[2 * i] - b[2 * j], dy = a[2 * i + 1] - b[2 * j + 1];
  return dx * dx + dy * dy;
}

}  // namespace

Expected<std::vector<std::uint32_t>> optimalPairing(std::span<const double> a, std::span<const double> b) {
  const std::size_t n = a.size() / 2;
  if (a.size() != b.size()) {
    return makeError(
        ErrorCode::usage,
        trf("Optimal pairing needs two batches of equal size, found {} and {}: draw as many base points as data", n, b.size() / 2));
  }
  constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();
  std::vector<double> cost(n * n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) cost[i * n + j] = squaredDistance(a, i, b, j);

  // Start with prices that make every reduced cost non-negative: v_j = min_i c_ij, u_i = min_j (c_ij - v_j); pair what is free at 0.
  std::vector<double> u(n, 0), v(n, std::numeric_limits<double>::max());
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) v[j] = std::min(v[j], cost[i * n + j]);
  std::vector<std::uint32_t> columnOf(n, none), rowOf(n, none);
  for (std::size_t i = 0; i < n; ++i) {
    std::size_t best = 0;
    u[i] = std::numeric_limits<double>::max();
    for (std::size_t j = 0; j < n; ++j) {
      const double reduced = cost[i * n + j] - v[j];
      if (reduced < u[i]) u[i] = reduced, best = j;
    }
    if (rowOf[best] == none) rowOf[best] = static_cast<std::uint32_t>(i), columnOf[i] = static_cast<std::uint32_t>(best);
  }

  // Join every row that is left by a shortest augmenting path (Dijkstra over columns).
  std::vector<double> distance(n);
  std::vector<std::uint32_t> before(n);
  std::vector<char> done(n);
  std::vector<std::size_t> visited;
  for (std::size_t free = 0; free < n; ++free) {
    if (columnOf[free] != none) continue;
    std::fill(distance.begin(), distance.end(), std::numeric_limits<double>::max());
    std::fill(done.begin(), done.end(), 0);
    visited.clear();
    std::size_t row = free, end = n;
    double reached = 0;
    while (end == n) {
      const double* costs = cost.data() + row * n;
      double least = std::numeric_limits<double>::max();
      std::size_t next = 0;
      for (std::size_t j = 0; j < n; ++j) {
        if (done[j] != 0) continue;
        const double through = reached + costs[j] - u[row] - v[j];
        if (through < distance[j]) distance[j] = through, before[j] = static_cast<std::uint32_t>(row);
        if (distance[j] < least) least = distance[j], next = j;
      }
      reached = least;
      done[next] = 1;
      visited.push_back(next);
      if (rowOf[next] == none)
        end = next;
      else
        row = rowOf[next];
    }
    // Raise the prices along what was visited, then flip the path.
    u[free] += reached;
    for (const std::size_t j : visited) {
      const double gain = reached - distance[j];
      v[j] -= gain;
      if (rowOf[j] != none) u[rowOf[j]] += gain;
    }
    for (std::size_t j = end;;) {
      const std::uint32_t i = before[j];
      rowOf[j] = i;
      const std::uint32_t old = columnOf[i];
      columnOf[i] = static_cast<std::uint32_t>(j);
      if (i == free) break;
      j = old;
    }
  }
  return columnOf;
}

EntropicPlan entropicPlan(std::span<const double> a, std::span<const double> b, double epsilon, int iterations) {
  const std::size_t n = a.size() / 2, m = b.size() / 2;
  EntropicPlan plan{n, m, std::vector<double>(n * m), 0};
  std::vector<double> f(n, 0), g(m, 0), rowScale(n, 1), columnScale(m, 1);
  // Begin at f_i = min_j c_ij: no row of the kernel vanishes.
  for (std::size_t i = 0; i < n; ++i) {
    f[i] = std::numeric_limits<double>::max();
    for (std::size_t j = 0; j < m; ++j) f[i] = std::min(f[i], squaredDistance(a, i, b, j));
  }
  const auto rebuild = [&] {
    for (std::size_t i = 0; i < n; ++i) f[i] += epsilon * std::log(rowScale[i]), rowScale[i] = 1;
    for (std::size_t j = 0; j < m; ++j) g[j] += epsilon * std::log(columnScale[j]), columnScale[j] = 1;
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < m; ++j) plan.mass[i * m + j] = std::exp((f[i] + g[j] - squaredDistance(a, i, b, j)) / epsilon);
  };
  rebuild();
  const double rowMass = 1 / static_cast<double>(n), columnMass = 1 / static_cast<double>(m);
  std::vector<double> sums(m);
  for (int iteration = 0; iteration < iterations; ++iteration) {
    // Scale columns, then rows; a column that has underflowed is brought back by its potential.
    std::fill(sums.begin(), sums.end(), 0);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < m; ++j) sums[j] += rowScale[i] * plan.mass[i * m + j];
    bool lost = false;
    for (std::size_t j = 0; j < m; ++j) {
      if (sums[j] > 1e-250) {
        columnScale[j] = columnMass / sums[j];
        continue;
      }
      // g_j = -eps log sum_i exp((f_i - c_ij) / eps) with the largest term taken out.
      double largest = -std::numeric_limits<double>::max();
      for (std::size_t i = 0; i < n; ++i) largest = std::max(largest, f[i] + epsilon * std::log(rowScale[i]) - squaredDistance(a, i, b, j));
      g[j] = -largest, columnScale[j] = 1, lost = true;
    }
    if (lost) {
      rebuild();
      continue;
    }
    double extreme = 1;
    for (std::size_t i = 0; i < n; ++i) {
      double sum = 0;
      for (std::size_t j = 0; j < m; ++j) sum += plan.mass[i * m + j] * columnScale[j];
      rowScale[i] = rowMass / std::max(sum, 1e-300);
      extreme = std::max({extreme, rowScale[i], 1 / rowScale[i]});
    }
    for (const double s : columnScale) extreme = std::max({extreme, s, 1 / s});
    if (extreme > 1e60) rebuild();
  }
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < m; ++j) plan.mass[i * m + j] *= rowScale[i] * columnScale[j];
  for (std::size_t j = 0; j < m; ++j) {
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += plan.mass[i * m + j];
    plan.marginalError = std::max(plan.marginalError, std::abs(sum * static_cast<double>(m) - 1));
  }
  return plan;
}

double BaseLaw::reach() const { return kind == Kind::scene ? 1.2 * scene->density.reach : kind == Kind::uniform ? 2.0 : 2.4; }

Expected<BaseLaw> baseLaw(std::string_view id) {
  if (id == "normal") return BaseLaw{};
  if (id == "uniform") return BaseLaw{BaseLaw::Kind::uniform, {}};
  auto scene = planeScene(id);
  if (!scene) return scene.error();
  return BaseLaw{BaseLaw::Kind::scene, *std::move(scene)};
}

PairSource::Pairs PairSource::draw(std::size_t count, std::uint32_t purpose, std::uint32_t first) const {
  Pairs pairs;
  pairs.x0.resize(2 * count), pairs.x1.resize(2 * count);
  const auto ofData = cumulativeWeights(data.density);
  const auto ofBase = base.scene ? cumulativeWeights(base.scene->density) : std::vector<double>();
  const auto key = philoxKey(seed);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t j = first + static_cast<std::uint32_t>(i);
    const ExactPoint point = exactPoint(data.density, ofData, seed, purpose, j);
    pairs.x0[2 * i] = point.x[0], pairs.x0[2 * i + 1] = point.x[1];
    std::array<double, 2> x1{};
    if (base.kind == BaseLaw::Kind::scene) {
      x1 = exactPoint(base.scene->density, ofBase, seed, purpose + 1, j).x;
    } else {
      const PhiloxBlock words = philox({j, 0, purpose + 1, 0}, key);
      if (base.kind == BaseLaw::Kind::normal)
        x1 = philoxNormals(words[0], words[1]);
      else
        for (std::size_t c = 0; c < 2; ++c) x1[c] = std::numbers::sqrt3 * (2 * static_cast<double>(philoxUniform(words[c])) - 1);
    }
    pairs.x1[2 * i] = x1[0], pairs.x1[2 * i + 1] = x1[1];
  }
  if (coupling == Coupling::independent) return pairs;
  // Pair anew inside every batch.
  for (std::size_t begin = 0; begin < count; begin += batch) {
    const std::size_t size = std::min(batch, count - begin);
    const std::span<const double> x0(pairs.x0.data() + 2 * begin, 2 * size), x1(pairs.x1.data() + 2 * begin, 2 * size);
    std::vector<std::uint32_t> partner(size);
    if (coupling == Coupling::optimal) {
      partner = *optimalPairing(x1, x0);
    } else {
      const EntropicPlan plan = entropicPlan(x1, x0, epsilon);
      for (std::size_t i = 0; i < size; ++i) {
        const double* row = plan.mass.data() + i * size;
        double sum = 0, at = 0;
        for (std::size_t j = 0; j < size; ++j) sum += row[j];
        const double wanted =
            sum * static_cast<double>(philoxUniform(philox({first + static_cast<std::uint32_t>(begin + i), 0, purpose + 2, 0}, key)[0]));
        std::size_t j = 0;
        while (j + 1 < size && (at += row[j]) <= wanted) ++j;
        partner[i] = static_cast<std::uint32_t>(j);
      }
    }
    std::vector<double> paired(2 * size);
    for (std::size_t i = 0; i < size; ++i)
      for (std::size_t c = 0; c < 2; ++c) paired[2 * i + c] = x0[2 * partner[i] + c];
    std::copy(paired.begin(), paired.end(), pairs.x0.begin() + static_cast<std::ptrdiff_t>(2 * begin));
  }
  return pairs;
}

double meanSquaredDistance(const PairSource::Pairs& pairs) {
  double sum = 0;
  for (std::size_t i = 0; i < pairs.size(); ++i) sum += squaredDistance(pairs.x0, i, pairs.x1, i);
  return sum / static_cast<double>(std::max<std::size_t>(pairs.size(), 1));
}

}  // namespace orrery::generative
