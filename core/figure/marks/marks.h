#pragma once
// The marks. Each has its own .cpp; all fields are in data coordinates unless px is said. Channel names are given in brackets.

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "core/figure/figure.h"

namespace orrery {

// A matrix as coloured cells. Row r covers y.low + [r, r+1) * (y.high - y.low) / h, column c likewise in x: row 0 is at the bottom of an
// ordinary y axis and at the top of a reversed one (matrices, images). The same rule holds for ContourMark and ImageMark. [value]
class HeatMapMark : public Mark {
 public:
  using Mark::Mark;
  Tensor value;                             // [h, w] f32
  Range x{0, 1}, y{0, 1};                   // extent of the whole matrix
  ColorMap map = ColorMap::viridis;
  Range range{0, 1};                        // colour range
  bool logScale = false;
  bool smooth = false;
  float alpha = 1;
  bool alphaFromValue = false;
  std::string quantity;                     // hover: "weight"
  bool matrix = true;                       // hover: "row 3 → column 5"; false: samples of a function, "x = 0.4, y = 1.2"
  std::vector<std::string> rowNames, columnNames;   // hover: names of rows and columns
  Bounds bounds() const override;
  Vec2 margin() const override;
  void lower(const Frame&, DisplayList&) const override;
  std::vector<Channel> channels() const override;
  std::optional<Probe> probe(const Frame&, Vec2) const override;
};

// y against x. [x, y]  NaN breaks the line.
class LineMark : public Mark {
 public:
  using Mark::Mark;
  Tensor x, y;                              // [n] f32
  Paint paint = Paint::of(Role::estimate);
  float width = 1;                          // points
  std::vector<float> dash;
  bool steps = false;                       // staircase (post)
  std::string xName, yName;                 // hover
  bool markers = false;                     // a small disc at every point
  Bounds bounds() const override;
  Vec2 margin() const override;
  std::optional<Swatch> swatch() const override;
  std::vector<std::vector<Vec2>> labelPath(const Frame&) const override;
  void lower(const Frame&, DisplayList&) const override;
  std::vector<Channel> channels() const override;
  std::optional<Probe> probe(const Frame&, Vec2) const override;
};

// The area between two curves. [x, low, high]
class BandMark : public Mark {
 public:
  using Mark::Mark;
  Tensor x, low, high;                      // [n] f32
  Paint paint = Paint::of(Role::muted, 0.25f);
  Bounds bounds() const override;
  Vec2 margin() const override;
  std::optional<Swatch> swatch() const override;
  std::vector<std::vector<Vec2>> labelPath(const Frame&) const override;
  void lower(const Frame&, DisplayList&) const override;
  std::vector<Channel> channels() const override;
};

// A cloud of points. [xy, scalar]
class PointsMark : public Mark {
 public:
  using Mark::Mark;
  Tensor xy;                                // [n, 2] f32
  Tensor scalar;                            // optional [n]
  Paint paint = Paint::of(Role::data);
  PointShape shape = PointShape::disc;
  float radius = 1.5f;                      // points
  ColorMap map = ColorMap::viridis;
  Range range{0, 1};
  std::string name = "point";               // hover: "particle 2 317"
  std::optional<Bounds> knownBounds;        // saves a download when the axis ranges are fixed
  Bounds bounds() const override;
  std::optional<Swatch> swatch() const override;
  void lower(const Frame&, DisplayList&) const override;
  std::vector<Channel> channels() const override;
  std::optional<Probe> probe(const Frame&, Vec2) const override;
};

// Many paths of equal length. [xy]
class PathsMark : public Mark {
 public:
  using Mark::Mark;
  Tensor xy;                                // [steps, lines, 2] f32
  std::int64_t firstStep = 0, stepCount = 0;
  Tensor lineAlpha;                         // optional [lines]
  Paint paint = Paint::of(Role::estimate, 0.6f);
  float width = 0.75f;
  bool fade = true;
  std::optional<Bounds> knownBounds;
  Bounds bounds() const override;
  std::optional<Swatch> swatch() const override;
  void lower(const Frame&, DisplayList&) const override;
  std::vector<Channel> channels() const override;
};

// Arrows on a grid. [xy, uv]
class VectorFieldMark : public Mark {
 public:
  using Mark::Mark;
  Tensor xy, uv;                            // [n, 2] f32; the longest arrow is `length` points
  float length = 14;
  Paint paint = Paint::of(Role::muted, 0.8f);
  Bounds bounds() const override;
  void lower(const Frame&, DisplayList&) const override;
  std::vector<Channel> channels() const override;
};

// Level lines of a matrix (marching squares). [value]
class ContourMark : public Mark {
 public:
  using Mark::Mark;
  Tensor value;                             // [h, w] f32, sample (r, c) at the cell centre
  Range x{0, 1}, y{0, 1};
  std::vector<double> levels;
  Paint paint = Paint::of(Role::muted);
  float width = 0.75f;
  Bounds bounds() const override;
  Vec2 margin() const override;
  std::optional<Swatch> swatch() const override;
  void lower(const Frame&, DisplayList&) const override;
  std::vector<Channel> channels() const override;
};

// Bars, vertical or horizontal. [position, value]
class BarsMark : public Mark {
 public:
  using Mark::Mark;
  Tensor position, value;                   // [n] f32
  Tensor base;                              // optional [n]: bars start here instead of at 0 (stacking)
  double thickness = 0.8;                   // in units of the position axis
  bool horizontal = false;
  Paint paint = Paint::of(Role::estimate);
  std::vector<Paint> paints;                // optional, one per bar
  std::vector<std::string> names;           // hover
  Bounds bounds() const override;
  Vec2 margin() const override;
  std::optional<Swatch> swatch() const override;
  void lower(const Frame&, DisplayList&) const override;
  std::vector<Channel> channels() const override;
  std::optional<Probe> probe(const Frame&, Vec2) const override;
};

// A picture. [pixels]
class ImageMark : public Mark {
 public:
  using Mark::Mark;
  Tensor pixels;                            // [h, w, 4] u8 RGBA
  Range x{0, 1}, y{0, 1};                   // where it lies; row 0 at y.low (use a reversed y axis)
  bool smooth = false;
  Bounds bounds() const override;
  Vec2 margin() const override;
  void lower(const Frame&, DisplayList&) const override;
  std::vector<Channel> channels() const override;
  std::optional<Probe> probe(const Frame&, Vec2) const override;
};

// Rectangles, e.g. detections on an image. [xywh, score]
class BoxesMark : public Mark {
 public:
  using Mark::Mark;
  struct Box {
    double x = 0, y = 0, width = 0, height = 0;
    Paint paint;
    bool dashed = false;
    std::string tag;                        // short text on the box
    std::string hover;
    double score = 0;
  };
  std::vector<Box> boxes;
  float lineWidth = 1;
  Bounds bounds() const override;
  void lower(const Frame&, DisplayList&) const override;
  std::vector<Channel> channels() const override;
  std::optional<Probe> probe(const Frame&, Vec2) const override;
};

// Words at places. [xy]
class TextMark : public Mark {
 public:
  using Mark::Mark;
  struct Word {
    double x = 0, y = 0;
    std::string text;
    Paint paint;
    HAlign h = HAlign::left;
    VAlign v = VAlign::baseline;
    float size = 8;                         // points
    Weight weight = Weight::regular;
    float angle = 0;
  };
  std::vector<Word> words;
  Bounds bounds() const override;
  void lower(const Frame&, DisplayList&) const override;
  std::vector<Channel> channels() const override;
};

// A straight line across the panel: x = value or y = value. [value]
class RuleMark : public Mark {
 public:
  using Mark::Mark;
  bool vertical = true;
  double at = 0;
  Paint paint = Paint::of(Role::muted);
  std::vector<float> dash{3, 3};
  float width = 0.75f;
  std::string tag;                          // text at the end of the line
  Bounds bounds() const override;
  Vec2 margin() const override;
  void lower(const Frame&, DisplayList&) const override;
  std::vector<Channel> channels() const override;
};

// Lines joining two sets of places, width and alpha by weight (attention between two rows of tokens). [from, to, weight]
class LinksMark : public Mark {
 public:
  using Mark::Mark;
  Tensor from, to;                          // [n, 2] f32
  Tensor weight;                            // [n] f32 in 0..1
  Paint paint = Paint::of(Role::query);
  float maximumWidth = 4;
  Bounds bounds() const override;
  void lower(const Frame&, DisplayList&) const override;
  std::vector<Channel> channels() const override;
};

}  // namespace orrery
