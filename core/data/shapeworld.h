#pragma once
// ShapeWorld v1: endless labelled pictures of circles, squares, triangles and stars, the same on every machine.
// Everything up to the 8-bit pixel is integer arithmetic; random numbers are Philox words keyed by the seed and counted by
// (block, stream, index, domain), so scene i never depends on scene j.
//
// A scene lives on a 2048 x 2048 integer lattice, whatever the image size (32, 64 or 128); a pixel is 2048 / size lattice units.
// Angles are steps of 3 degrees, 0 = up, clockwise. Boxes are half-open pixel rectangles [x0, y0, x1, y1).

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace orrery::shapeworld {

enum class Split : std::uint8_t { train, val, test, demo };
enum class Profile : std::uint8_t { single, scene, dense };
enum class ShapeClass : std::uint8_t { circle, square, triangle, star };
enum class Texture : std::uint8_t { plain, gradient, checkered, striped, noisy, dotted };

inline constexpr std::array<std::string_view, 4> classNames{"circle", "square", "triangle", "star"};
inline constexpr std::array<std::string_view, 8> colourNames{"red", "orange", "yellow", "green", "cyan", "blue", "purple", "white"};
inline constexpr std::array<std::string_view, 3> sizeNames{"small", "medium", "large"};
inline constexpr std::array<std::string_view, 6> textureNames{"plain", "gradient", "checkered", "striped", "noisy", "dotted"};

// Which pictures. None of the options consumes a draw: the other properties of a scene stay as they were. -1 = as drawn.
struct Options {
  std::uint64_t seed = 1;
  Split split = Split::train;
  Profile profile = Profile::single;
  bool upright = false;              // angle 0 for all
  bool crowd = false;                // dense only: one scene in eight gets a cluster of eight equal shapes behind everything
  bool holdout = false;              // train only: four class-colour pairs never appear
  int fixedTexture = -1, fixedColour = -1, fixedClass = -1;
  unsigned templates = 31;           // bit i allows caption template i
};

// The last counter word of every draw: splits and profiles never share one.
std::uint32_t domainOf(const Options& options);

struct Object {
  ShapeClass shape = ShapeClass::circle;
  int colour = 0;                    // index into colourNames
  int size = 0;                      // 0 small, 1 medium, 2 large
  int radius = 0, cx = 0, cy = 0;    // lattice units
  int angle = 0;                     // steps of 3 degrees
};

struct Scene {
  std::uint32_t index = 0;
  std::vector<Object> objects;       // accepted, in drawing order: later ones in front
  int dropped = 0;                   // slots that found no place in 8 attempts
  Texture texture = Texture::plain;
  int tint = 0, orientation = 0, scale = 0;
  std::vector<Object> crowd;         // empty, or the eight members, drawn first
  std::string caption;
};

// One object as the picture shows it.
struct Annotation {
  int classId = 0;                   // 0..3; COCO category id = classId + 1
  int x0 = 0, y0 = 0, x1 = 0, y1 = 0;
  int area = 0;                      // pixels of its own mask, occluded ones included
  int visible = 0;                   // pixels where it is in front
  bool difficult = false;            // less than a quarter visible
  bool truncated = false;            // its bounding circle crosses the border
  bool crowd = false;
  int object = -1;                   // index into Scene::objects, -1 for the crowd
  std::vector<std::uint8_t> mask;    // (y1 - y0) x (x1 - x0), 0 or 1, inside the box
};

struct Picture {
  int size = 0;
  std::vector<std::uint8_t> rgb;     // size x size x 3, row-major
  std::vector<Annotation> annotations;   // crowd first, then objects in drawing order; objects without a pixel are left out
};

Scene makeScene(std::uint32_t index, const Options& options);
Picture render(const Scene& scene, int size, const Options& options);
// Boxes only, without masks or pixels kept: what an evaluator needs, at a fraction of the work.
std::vector<Annotation> annotate(const Scene& scene, int size);

// The fixed vocabulary of 64 words, and a caption as 16 token ids: [bos] words [eos] [pad] ...
const std::array<std::string_view, 64>& vocabulary();
std::array<int, 16> tokenize(std::string_view caption);

}  // namespace orrery::shapeworld
