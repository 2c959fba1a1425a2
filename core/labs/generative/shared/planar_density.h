#pragma once
// Densities of the plane as Gaussian mixtures: the built-in scenes of generative.md C8, point sets and images (every point or cell a blob),
// and what the user paints. Host code in double precision.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/expected.h"
#include "core/kernels/mixture.h"

namespace orrery::generative {

// Where points of a file of two columns went: what lies at x here is (centreX, centreY) + unit x there, and `deviation` is theirs over both
// columns about their mean, in the file's units.
struct FileUnits {
  double centreX = 0, centreY = 0, unit = 1, deviation = 1;
};

struct PlanarDensity {
  std::vector<kernels::Component> components;  // weights sum to 1
  std::int64_t columns = 2;                    // of the points behind it; more than 2: their first two principal axes are shown,
  double told = 1;                             // which hold this share of their variance
  double reach = 1.5;                          // half the side of the square that shows it, data units
  bool named = false;                          // few enough components to speak of modes and to drag them
  std::optional<FileUnits> units{};            // of points of two columns; none where a picture or principal axes stand for the data
};

// "ring8", "grid25", "tri", "two-deltas", "gauss", "ncsn-toy", "moons", "spiral", "pinwheel", "checker". `spread` multiplies every
// deviation.
Expected<PlanarDensity> builtInDensity(std::string_view scene, double spread);

// Blobs of deviation `bandwidth` (in units of the normalised set) at points [n, d]: centred, scaled to a standard deviation of 0.7 per
// axis, at most `mostBlobs`, chosen evenly. d > 2 is projected on its first two principal axes.
constexpr std::int64_t mostBlobs = 2048;
Expected<PlanarDensity> densityOfPoints(std::span<const float> points, std::int64_t dimensions, double bandwidth);

// Blobs at the cells of an image [height, width] of masses >= 0, row 0 at the top: at most `mostBlobs` by stratified choice, deviation half
// a cell times `spread`.
Expected<PlanarDensity> densityOfImage(std::span<const float> mass, std::int64_t height, std::int64_t width, double spread);

// Painting. A drawing is text: dabs "x,y,r" joined by ';' (data units, three decimals). A dab is a blob of deviation r / 2.
struct Dab {
  double x = 0, y = 0, radius = 0.15;
};
Expected<std::vector<Dab>> parseDrawing(std::string_view text);
std::string toText(const std::vector<Dab>& drawing);
Expected<PlanarDensity> densityOfDrawing(std::string_view text, double spread);
// The drawing after the brush passed (x, y): a new dab unless one of the same size lies within a third of its radius; erasing removes every
// dab whose centre the brush covers.
std::string painted(std::string_view drawing, double x, double y, double radius, bool erase);

// Moved components: text "scene k:x,y;k:x,y". Applies only to the scene it names.
void applyMoves(std::string_view moves, std::string_view scene, PlanarDensity& density);
std::string moved(std::string_view moves, std::string_view scene, std::size_t component, double x, double y);

// Point j of an exact sample of p_0, and its own standard normal pair: counter (j, 0, purpose, .), key seed.
struct ExactPoint {
  std::array<double, 2> x{}, noise{};
};
ExactPoint exactPoint(const PlanarDensity& density, const std::vector<double>& cumulative, std::uint64_t seed, std::uint32_t purpose,
                      std::uint32_t j);
std::vector<double> cumulativeWeights(const PlanarDensity& density);

}  // namespace orrery::generative
