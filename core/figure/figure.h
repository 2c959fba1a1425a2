#pragma once
// Figure: the declarative description of a picture. A lab returns one; layOut() turns it into a DisplayList.
// Panels stand on a grid of rows and columns; each has two axes and any number of marks.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/figure/color.h"
#include "core/figure/display_list.h"
#include "core/figure/fonts.h"
#include "core/tensor/tensor.h"

namespace orrery {

struct Range {
  double low = 0, high = 1;
  bool valid() const { return low < high; }
  void include(double value) { if (value < low) low = value; if (value > high) high = value; }
};

// Extent in data coordinates; an empty range (low > high) means "no opinion".
struct Bounds {
  Range x{1e300, -1e300}, y{1e300, -1e300};
  double positiveX = 1e300, positiveY = 1e300;   // smallest positive value: where a log axis starts when the data reach zero
  void include(const Bounds& other);
  void include(double xValue, double yValue);    // NaN and infinities are ignored, each axis for itself
};

enum class ScaleKind : std::uint8_t { linear, log, categorical };

struct Axis {
  std::string label;                        // sentence case, unit in parentheses: "time t (data at 0)"
  ScaleKind scale = ScaleKind::linear;
  std::optional<Range> range;               // none: the union of the marks' bounds with a small margin
  std::vector<std::string> categories;      // categorical: entry i sits at i, the axis spans [-0.5, n - 0.5]; every k-th label shown if crowded
  bool reversed = false;
  bool visible = true;                      // ticks and labels
  bool grid = false;
  std::vector<std::pair<double, std::string>> ticks;   // fixed ticks instead of automatic ones
};

// What a mark sees while it lowers itself.
struct Frame {
  Rect area;                                // the panel's plotting area in px
  DataTransform transform;
  const Theme& theme;
  const TextMetrics& metrics;
  float unit = 1;                           // px per look.md point: line widths and text sizes scale with it
  bool interactive = false;                 // live canvas (true) or export (false)
};

// One array behind a mark, named for `orrery data`: "<panel>.<mark>.<channel>".
struct Channel {
  std::string name;                         // "x", "y", "value", "xy", ...
  Tensor data;
};

// What a hover shows: text lines with exact values, and where the mark thinks the pointer is (data coordinates), for the highlight.
struct Probe {
  std::vector<std::string> lines;
  double x = 0, y = 0;
  std::int64_t index = -1;                  // row of the mark's data, or -1
  float distance = 0;                       // px from the pointer: the nearest probe wins
};

// How a mark looks in a legend. Lines and areas (bands) can carry their name themselves, along Mark::labelPath.
struct Swatch {
  enum class Kind : std::uint8_t { line, area, point } kind = Kind::line;
  Paint paint;
  std::vector<float> dash;                  // points, for lines
  PointShape shape = PointShape::disc;
};

class Mark {
 public:
  explicit Mark(std::string id) : id_(std::move(id)) {}
  virtual ~Mark() = default;
  const std::string& id() const { return id_; }             // unique inside its panel: "sde-particles"
  virtual Bounds bounds() const = 0;
  virtual void lower(const Frame& frame, DisplayList& list) const = 0;
  virtual std::vector<Channel> channels() const = 0;
  // May download tensors: called on the session's worker, never on the window's thread.
  virtual std::optional<Probe> probe(const Frame&, Vec2 /*pixel*/) const { return std::nullopt; }

  // Room to leave around bounds() on an automatic axis, as fractions of the extent; negative = none whatever the other marks ask for (images).
  virtual Vec2 margin() const { return {0.04f, 0.05f}; }
  virtual std::optional<Swatch> swatch() const { return std::nullopt; }      // none = no legend entry
  // The curve in px along which the name may stand; empty = the name goes to the legend.
  virtual std::vector<std::vector<Vec2>> labelPath(const Frame&) const { return {}; }

  // Legend: name and swatch; empty name = no entry. direct = the name stands at the mark itself (curves).
  std::string label;
  bool directLabel = true;

 private:
  std::string id_;
};

struct ColorBar {
  ColorMap map = ColorMap::viridis;
  Range range;
  bool logScale = false;
  std::string label;                        // quantity and unit
};

// Something the user can grab. Dragging it calls Lab::pointer() with this id.
struct Handle {
  std::string id;                           // "component-3", "threshold"
  double x = 0, y = 0;                      // data coordinates
  enum class Kind : std::uint8_t { point, verticalLine, horizontalLine } kind = Kind::point;
  std::string label;                        // shown on hover
};

struct Panel {
  std::string id;                           // "sde", "pr-curve": stable, used by `orrery data` and by export of one panel
  std::string title;                        // states the question or the finding
  std::string note;                         // right-aligned in the title row: "t = 0.18  sigma = 0.41"
  int row = 0, column = 0, rowSpan = 1, columnSpan = 1;
  Axis x, y;
  bool equalAspect = false;                 // one data unit has the same length on both axes
  bool frameless = false;                   // no axes at all, the marks fill the panel (image grids, text)
  std::vector<std::shared_ptr<const Mark>> marks;   // drawn in order
  std::optional<ColorBar> colorBar;
  bool legend = true;                       // for marks with a label and directLabel = false
  std::vector<Handle> handles;
  std::string message;                      // shown instead of the marks when not empty: an error or an empty state
};

struct Figure {
  std::string title;                        // not drawn; document title
  std::vector<Panel> panels;
  std::vector<float> rowWeights, columnWeights;     // relative sizes; missing = 1
};

struct LayoutOptions {
  ThemeKind theme = ThemeKind::light;
  bool interactive = false;                 // live canvas: panels as cards on the theme's ground
  bool transparent = false;                 // export without ground
  bool panelLetters = false;                // a, b, c ...
  float unit = 1;                           // size factor of text and lines
  std::string onlyPanel;                    // export one panel by id
  // View changes per panel id: replaces the axis ranges (pan and zoom of the live canvas).
  std::function<std::optional<Bounds>(const std::string& panelId)> view;
};

// Where a panel came to lie: for picking, panning and handles.
struct PanelPlacement {
  std::string id;
  Rect card;                                // the whole cell
  Rect area;                                // the plotting area
  DataTransform transform;
  Bounds view;                              // axis ranges in use
};

struct Layout {
  DisplayList list;
  std::vector<PanelPlacement> panels;
};

// Pure: the same figure, size and metrics give the same list.
Layout layOut(const Figure& figure, Vec2 size, const TextMetrics& metrics, const LayoutOptions& options = {});

// Every array of every mark as {"<panel>.<mark>.<channel>", tensor}.
std::vector<std::pair<std::string, Tensor>> arraysOf(const Figure& figure);

// Nice tick positions: 3 to 6 of them, steps 1, 2, 2.5, 5 x 10^k; for log scales decades (with 2 and 5 when the range is short).
std::vector<double> ticksFor(Range range, ScaleKind scale, int wanted = 5);
// A number as the axes write it: "0.25", "1 000", "1e−5", with the true minus sign. `step` sets the decimals (0 = as needed, 4 significant).
std::string formatNumber(double value, double step = 0);

}  // namespace orrery
