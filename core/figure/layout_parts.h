#pragma once
// The pieces of layOut(): sizes, one panel's work sheet, axes, headings, legends, curve labels. Internal to core/figure.

#include <string>
#include <vector>

#include "core/figure/figure.h"
#include "core/figure/ticks.h"

namespace orrery::layout {

// Every length of a figure, in px.
struct Sizes {
  float unit = 1;                           // px per point
  float text = 8, title = 9;                // font sizes
  float line = 0.5f;                        // axes
  float tick = 3, gap = 3;                  // tick length; space between tick, label, axis name
  float padding = 0, cellGap = 12, outer = 0;
  float lineHeight = 10;                    // of `text`
  float titleHeight = 12;
  float bar = 6;                            // width of a colour bar
  bool interactive = false;

  TextStyle textStyle() const { return {text, Weight::regular, false}; }
  TextStyle tickStyle() const { return {text, Weight::regular, true}; }
  TextStyle titleStyle() const { return {title, Weight::semibold, false}; }
  TextStyle curveStyle() const { return {text, Weight::semibold, false}; }
};

Sizes sizesOf(const LayoutOptions& options);

struct Margins {
  float left = 0, right = 0, top = 0, bottom = 0;
};

struct LegendEntry {
  std::string text;
  Swatch swatch;
  float x = 0;                              // from the left of the content
  int row = 0;
};

struct PanelWork {
  const Panel* panel = nullptr;
  Rect cell, content, area;                 // content = cell without padding
  Margins own, shared;
  Range x, y;                               // in use
  bool shrink = false;                      // equal aspect by a smaller area instead of a wider range
  TickLabels xTicks, yTicks, barTicks;
  bool turnedX = false;                     // tick labels of x stand upright
  std::vector<std::string> titleLines;
  bool noteOnOwnLine = false;
  std::vector<LegendEntry> legend;
  int legendRows = 0;
  DataTransform transform;

  bool framed() const { return !panel->frameless; }
};

struct Drawing {
  const TextMetrics& metrics;
  const Theme& theme;
  const Sizes& sizes;
  DisplayList& list;

  void text(std::string words, Vec2 at, HAlign h, VAlign v, const TextStyle& style, const Color& color, float angle = 0) const;
  void line(Vec2 from, Vec2 to, const Color& color, float width, std::vector<float> dash = {}) const;
  void lines(std::vector<std::vector<Vec2>> strokes, const Color& color, float width) const;   // one item for all of them
};

// Lines no wider than `width`, broken at spaces and between Chinese characters; at most `maxLines`, the last one cut with an ellipsis.
std::vector<std::string> wrap(const std::string& text, const TextStyle& style, float width, int maxLines, const TextMetrics& metrics);
std::string fitted(const std::string& text, const TextStyle& style, float width, const TextMetrics& metrics);

// axes.cpp
void chooseTicks(PanelWork& work, const Sizes& sizes, const TextMetrics& metrics);
Margins measureAxes(const PanelWork& work, const Sizes& sizes, const TextMetrics& metrics);
void drawGrid(const PanelWork& work, const Drawing& drawing);
void drawAxes(const PanelWork& work, const Drawing& drawing);
void drawColorBar(const PanelWork& work, const Drawing& drawing);

// headings.cpp
void planHeading(PanelWork& work, const Sizes& sizes, const TextMetrics& metrics, const std::string& letter);
float headingHeight(const PanelWork& work, const Sizes& sizes);
void drawHeading(const PanelWork& work, const Drawing& drawing, const std::string& letter);
void drawMessage(const PanelWork& work, const Drawing& drawing);
bool goesToLegend(const Panel& panel, const Mark& mark);

// curve_labels.cpp
void drawCurveLabels(const PanelWork& work, const Frame& frame, const Drawing& drawing);

}  // namespace orrery::layout
