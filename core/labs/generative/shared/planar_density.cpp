// The scenes of generative.md C8 and the user's own densities, as Gaussian mixtures.

#include "core/labs/generative/shared/planar_density.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <numbers>

#include "core/base/philox.h"
#include "core/base/text.h"

namespace orrery::generative {

namespace {

using kernels::Component;
constexpr double pi = std::numbers::pi;

Component blob(double x, double y, double deviation, double weight = 1) {
  return {weight, x, y, deviation * deviation, deviation * deviation, 0};
}

// A component with covariance [[a, b], [b, c]].
Component ellipse(double weight, double x, double y, double a, double b, double c) {
  const double middle = 0.5 * (a + c), half = std::hypot(0.5 * (a - c), b);
  return {weight, x, y, middle + half, middle - half, half == 0 ? 0.0 : 0.5 * std::atan2(2 * b, a - c)};
}

// Two uniforms and two normals for point i of a built-in set: the sets are the same on every machine.
struct Draw {
  double u, v, z, w;
};
Draw drawFor(std::uint32_t i, std::uint32_t scene) {
  const PhiloxBlock a = philox({i, scene, 0x5CE7Eu, 0}, philoxKey(20261120)), b = philox({i, scene, 0x5CE7Eu, 1}, philoxKey(20261120));
  const auto normals = philoxNormals(b[0], b[1]);
  return {static_cast<double>(philoxUniform(a[0])), static_cast<double>(philoxUniform(a[1])), normals[0], normals[1]};
}

constexpr std::uint32_t setSize = 2048;
constexpr double setBandwidth = 0.03;

void normalise(PlanarDensity& density) {
  double total = 0;
  for (const Component& c : density.components) total += c.weight;
  for (Component& c : density.components) c.weight /= total;
}

}  // namespace

Expected<PlanarDensity> builtInDensity(std::string_view scene, double spread) {
  PlanarDensity density;
  auto& components = density.components;
  density.named = true;
  if (scene == "ring8") {
    for (int k = 0; k < 8; ++k) components.push_back(blob(std::cos(pi * k / 4), std::sin(pi * k / 4), 0.12 * spread));
  } else if (scene == "grid25") {
    for (int k = 0; k < 25; ++k) components.push_back(blob(0.6 * (k % 5 - 2), 0.6 * (k / 5 - 2), 0.05 * spread));
    density.reach = 1.7;
  } else if (scene == "tri") {
    components = {ellipse(0.3, -1, 0.2, 0.05, 0.02, 0.03), ellipse(0.5, 0.8, 0.5, 0.04, 0, 0.1), ellipse(0.2, 0.1, -1.1, 0.02, 0, 0.02)};
    for (Component& c : components) {
      c.along *= spread * spread;
      c.across *= spread * spread;
    }
    density.reach = 1.8;
  } else if (scene == "two-deltas") {
    components = {blob(-1, 0, 0), blob(1, 0, 0)};
  } else if (scene == "gauss") {
    components = {blob(0, 0, 0.5 * spread)};
  } else if (scene == "ncsn-toy") {
    components = {blob(-5, -5, spread, 0.2), blob(5, 5, spread, 0.8)};
    density.reach = 9;
  } else {
    density.named = false;
    for (std::uint32_t i = 0; i < setSize; ++i) {
      const double bandwidth = setBandwidth * spread;
      if (scene == "moons") {
        const Draw d = drawFor(i, 1);
        const double angle = pi * d.u;
        const bool upper = i % 2 == 0;
        const double x = upper ? std::cos(angle) : 1 - std::cos(angle), y = upper ? std::sin(angle) : 0.5 - std::sin(angle);
        components.push_back(blob(1.0 * (x - 0.5) + 0.05 * d.z, 1.2 * (y - 0.25) + 0.05 * d.w, bandwidth));
      } else if (scene == "spiral") {
        const Draw d = drawFor(i, 2);
        const double angle = 3 * pi * std::sqrt(d.u), radius = 0.14 * angle;
        components.push_back(blob(radius * std::cos(angle) + 0.03 * d.z, radius * std::sin(angle) + 0.03 * d.w, bandwidth));
      } else if (scene == "pinwheel") {
        // Johnson et al. 2016: arms of N(1, 0.3^2) x N(0, 0.1^2), turned by 0.25 e^x.
        const Draw d = drawFor(i, 3);
        const double radial = 1 + 0.3 * d.z, across = 0.1 * d.w, turn = 2 * pi * (i % 5) / 5 + 0.25 * std::exp(radial);
        components.push_back(blob(0.8 * (radial * std::cos(turn) - across * std::sin(turn)),
                                  0.8 * (radial * std::sin(turn) + across * std::cos(turn)), bandwidth));
      } else if (scene == "checker") {
        // The eight dark squares of a 4 x 4 board.
        const Draw d = drawFor(i, 4);
        const std::uint32_t square = i % 8, row = square / 2, column = 2 * (square % 2) + row % 2;
        components.push_back(blob(0.7 * (static_cast<double>(column) - 2 + d.u), 0.7 * (static_cast<double>(row) - 2 + d.v), bandwidth));
      } else {
        return makeError(ErrorCode::usage, trf("There is no density named '{}'; choose one of the list", std::string(scene)));
      }
    }
    density.reach = scene == "moons" ? 1.75 : 1.6;
  }
  normalise(density);
  return density;
}

Expected<PlanarDensity> densityOfPoints(std::span<const float> points, std::int64_t dimensions, double bandwidth) {
  const auto d = static_cast<std::size_t>(dimensions);
  const std::size_t n = d > 0 ? points.size() / d : 0;
  if (d < 2) return makeError(ErrorCode::badInput, trf("A density of the plane needs points of at least 2 columns, found {}", dimensions));
  if (n < 2) return makeError(ErrorCode::badInput, trf("A density needs at least 2 points, found {}", n));
  std::vector<double> mean(d, 0);
  for (std::size_t i = 0; i < n * d; ++i) mean[i % d] += static_cast<double>(points[i]) / static_cast<double>(n);

  // Find the axes to show: the two columns, or the first two principal axes by power iteration on the covariance.
  std::array<std::vector<double>, 2> axes{std::vector<double>(d, 0), std::vector<double>(d, 0)};
  axes[0][0] = axes[1][1] = 1;
  double told = 1;
  if (d > 2) {
    std::vector<double> covariance(d * d, 0);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t r = 0; r < d; ++r) {
        for (std::size_t c = 0; c < d; ++c) {
          covariance[r * d + c] += (static_cast<double>(points[i * d + r]) - mean[r]) * (static_cast<double>(points[i * d + c]) - mean[c]) /
                                   static_cast<double>(n);
        }
      }
    }
    for (std::size_t a = 0; a < 2; ++a) {
      for (std::size_t r = 0; r < d; ++r) axes[a][r] = 1.0 / static_cast<double>(r + a + 1);
      for (int iteration = 0; iteration < 300; ++iteration) {
        std::vector<double> next(d, 0);
        for (std::size_t r = 0; r < d; ++r) {
          for (std::size_t c = 0; c < d; ++c) next[r] += covariance[r * d + c] * axes[a][c];
        }
        if (a == 1) {
          double along = 0;
          for (std::size_t r = 0; r < d; ++r) along += next[r] * axes[0][r];
          for (std::size_t r = 0; r < d; ++r) next[r] -= along * axes[0][r];
        }
        double length = 0;
        for (const double v : next) length += v * v;
        if (length == 0) break;
        for (std::size_t r = 0; r < d; ++r) axes[a][r] = next[r] / std::sqrt(length);
      }
    }
    double shown = 0, all = 0;
    for (std::size_t r = 0; r < d; ++r) {
      all += covariance[r * d + r];
      for (std::size_t c = 0; c < d; ++c) shown += covariance[r * d + c] * (axes[0][r] * axes[0][c] + axes[1][r] * axes[1][c]);
    }
    told = all > 0 ? std::min(1.0, shown / all) : 1;
  }
  const std::size_t kept = std::min<std::size_t>(n, static_cast<std::size_t>(mostBlobs));
  PlanarDensity density;
  density.columns = dimensions, density.told = told;
  double variance = 0;
  for (std::size_t k = 0; k < kept; ++k) {
    const std::size_t i = k * n / kept;
    double x = 0, y = 0;
    for (std::size_t r = 0; r < d; ++r) {
      const double v = static_cast<double>(points[i * d + r]) - mean[r];
      x += axes[0][r] * v;
      y += axes[1][r] * v;
    }
    density.components.push_back(blob(x, y, bandwidth));
    variance += (x * x + y * y) / (2 * static_cast<double>(kept));
  }
  double size = 0;
  for (const double m : mean) size += m * m;
  // Equal points leave a variance of the rounding of their mean.
  if (!(variance > 1e-20 * size) || !std::isfinite(variance))
    return makeError(ErrorCode::badInput, tr("All points are the same or not finite: there is no spread to show"));
  const double scale = 0.7 / std::sqrt(variance);
  double reach = 1.2;
  for (Component& c : density.components) {
    c.x *= scale;
    c.y *= scale;
    reach = std::max(reach, 1.1 * std::max(std::abs(c.x), std::abs(c.y)));
  }
  density.reach = std::min(reach, 4.0);
  normalise(density);
  if (d == 2) {
    double squares = 0;
    for (std::size_t i = 0; i < n * d; ++i) squares += std::pow(static_cast<double>(points[i]) - mean[i % d], 2);
    density.units = FileUnits{mean[0], mean[1], 1 / scale, std::sqrt(squares / static_cast<double>(n * d))};
  }
  return density;
}

Expected<PlanarDensity> densityOfImage(std::span<const float> mass, std::int64_t height, std::int64_t width, double spread) {
  double total = 0;
  for (const float m : mass) total += static_cast<double>(m);
  if (!(total > 0)) return makeError(ErrorCode::badInput, tr("The image has no mass: every pixel counts as empty; try to invert it"));
  const double longest = static_cast<double>(std::max(height, width)), cell = 2.4 / longest;
  PlanarDensity density;

  // Walk the pixels in order and take one blob whenever another equal share of the mass has passed.
  const double share = total / static_cast<double>(mostBlobs);
  double passed = 0, next = 0.5 * share;
  for (std::int64_t row = 0; row < height; ++row) {
    for (std::int64_t c = 0; c < width; ++c) {
      // Odd rows run backwards, so that neighbours in the walk are neighbours in the picture.
      const std::int64_t column = row % 2 == 0 ? c : width - 1 - c;
      passed += static_cast<double>(mass[static_cast<std::size_t>(row * width + column)]);
      int taken = 0;
      for (; next < passed; next += share) ++taken;
      if (taken == 0) continue;
      const double x = (static_cast<double>(column) + 0.5 - 0.5 * static_cast<double>(width)) * cell;
      const double y = -(static_cast<double>(row) + 0.5 - 0.5 * static_cast<double>(height)) * cell;
      density.components.push_back(blob(x, y, 0.0, taken));
    }
  }
  // A blob stands for 1 / mostBlobs of the mass: its deviation is half the side of a square that holds that share, at least half a cell.
  const double side =
      std::sqrt(2.4 * 2.4 * static_cast<double>(height * width) / (longest * longest) / static_cast<double>(density.components.size()));
  const double deviation = 0.5 * std::max(cell, 0.7 * side) * spread;
  for (Component& b : density.components) b.along = b.across = deviation * deviation;
  normalise(density);
  return density;
}

Expected<std::vector<Dab>> parseDrawing(std::string_view text) {
  std::vector<Dab> drawing;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(';'), text.size());
    std::string_view item = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (item.empty()) continue;
    std::array<double, 3> values{};
    for (std::size_t i = 0; i < 3; ++i) {
      const auto [rest, fault] = std::from_chars(item.data(), item.data() + item.size(), values[i]);
      const bool good = fault == std::errc() && std::isfinite(values[i]) && std::abs(values[i]) < 1e3;
      item.remove_prefix(static_cast<std::size_t>(rest - item.data()));
      if (!good || (i < 2) != (!item.empty() && item[0] == ',') || (i == 2 && values[2] <= 0)) {
        return makeError(ErrorCode::usage, trf("Dab {} of the drawing is not 'x,y,radius'", drawing.size() + 1));
      }
      if (i < 2) item.remove_prefix(1);
    }
    drawing.push_back({values[0], values[1], values[2]});
  }
  return drawing;
}

std::string toText(const std::vector<Dab>& drawing) {
  std::string text;
  for (const Dab& dab : drawing) {
    if (!text.empty()) text += ';';
    text += fmt::format("{:.3f},{:.3f},{:.3f}", dab.x, dab.y, dab.radius);
  }
  return text;
}

Expected<PlanarDensity> densityOfDrawing(std::string_view text, double spread) {
  const auto drawing = parseDrawing(text);
  if (!drawing) return drawing.error();
  if (drawing->empty())
    return makeError(ErrorCode::usage, tr("The drawing is empty: paint something first, by dragging over the left or right picture"));
  PlanarDensity density;
  density.reach = 1.8;
  for (const Dab& dab : *drawing) density.components.push_back(blob(dab.x, dab.y, 0.5 * dab.radius * spread, dab.radius * dab.radius));
  normalise(density);
  return density;
}

std::string painted(std::string_view text, double x, double y, double radius, bool erase) {
  const auto parsed = parseDrawing(text);
  std::vector<Dab> drawing = parsed ? *parsed : std::vector<Dab>{};
  const auto near = [&](double within) { return [=](const Dab& dab) { return std::hypot(dab.x - x, dab.y - y) < within; }; };
  if (erase) {
    std::erase_if(drawing, near(radius));
  } else if (drawing.size() < static_cast<std::size_t>(mostBlobs) && std::none_of(drawing.begin(), drawing.end(), [&](const Dab& dab) {
               return near(radius / 3)(dab) && std::abs(dab.radius - radius) < 1e-3;
             })) {
    drawing.push_back({x, y, radius});
  }
  return toText(drawing);
}

namespace {

struct Move {
  std::size_t component;
  double x, y;
};

std::vector<Move> parseMoves(std::string_view text, std::string_view scene) {
  std::vector<Move> moves;
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos || text.substr(0, space) != scene) return moves;
  std::string rest(text.substr(space + 1));
  const char* at = rest.c_str();
  while (*at != '\0') {
    char* end = nullptr;
    const unsigned long k = std::strtoul(at, &end, 10);
    if (end == at || *end != ':') break;
    at = end + 1;
    const double x = std::strtod(at, &end);
    if (end == at || *end != ',') break;
    at = end + 1;
    const double y = std::strtod(at, &end);
    if (end == at) break;
    if (std::isfinite(x) && std::isfinite(y) && std::abs(x) < 1e3 && std::abs(y) < 1e3) moves.push_back({k, x, y});
    at = *end == ';' ? end + 1 : end;
    if (*end != ';') break;
  }
  return moves;
}

}  // namespace

void applyMoves(std::string_view moves, std::string_view scene, PlanarDensity& density) {
  for (const Move& move : parseMoves(moves, scene)) {
    if (move.component >= density.components.size()) continue;
    density.components[move.component].x = move.x;
    density.components[move.component].y = move.y;
    density.reach = std::max(density.reach, std::min(1.25 * std::max(std::abs(move.x), std::abs(move.y)), 20.0));
  }
}

std::string moved(std::string_view text, std::string_view scene, std::size_t component, double x, double y) {
  auto moves = parseMoves(text, scene);
  std::erase_if(moves, [&](const Move& move) { return move.component == component; });
  moves.push_back({component, x, y});
  std::sort(moves.begin(), moves.end(), [](const Move& a, const Move& b) { return a.component < b.component; });
  std::string result(scene);
  char separator = ' ';
  for (const Move& move : moves) {
    result += fmt::format("{}{}:{:.3f},{:.3f}", separator, move.component, move.x, move.y);
    separator = ';';
  }
  return result;
}

std::vector<double> cumulativeWeights(const PlanarDensity& density) {
  std::vector<double> sums;
  double sum = 0;
  for (const Component& c : density.components) sums.push_back(sum += c.weight);
  return sums;
}

ExactPoint exactPoint(const PlanarDensity& density, const std::vector<double>& cumulative, std::uint64_t seed, std::uint32_t purpose,
                      std::uint32_t j) {
  const PhiloxBlock pick = philox({j, 0, purpose, 0}, philoxKey(seed)), words = philox({j, 0, purpose, 1}, philoxKey(seed));
  const double u = (static_cast<double>(pick[0]) + 0.5) * 0x1p-32 * cumulative.back();
  const auto k = static_cast<std::size_t>(std::upper_bound(cumulative.begin(), cumulative.end(), u) - cumulative.begin());
  const Component& c = density.components[std::min(k, density.components.size() - 1)];
  const auto z = philoxNormals(words[0], words[1]);
  const double along = std::sqrt(c.along) * z[0], across = std::sqrt(c.across) * z[1];
  return {{c.x + std::cos(c.angle) * along - std::sin(c.angle) * across, c.y + std::sin(c.angle) * along + std::cos(c.angle) * across},
          philoxNormals(words[2], words[3])};
}

}  // namespace orrery::generative
