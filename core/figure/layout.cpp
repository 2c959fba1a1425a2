// layOut(): figure -> display list. Cells on a grid; margins measured from the labels and shared along rows and columns, so that plotting
// areas line up; then every mark lowers itself into its area.

#include <algorithm>
#include <cmath>

#include "core/figure/layout_parts.h"

namespace orrery {

void Bounds::include(const Bounds& other) {
  x.low = std::min(x.low, other.x.low);
  x.high = std::max(x.high, other.x.high);
  y.low = std::min(y.low, other.y.low);
  y.high = std::max(y.high, other.y.high);
  positiveX = std::min(positiveX, other.positiveX);
  positiveY = std::min(positiveY, other.positiveY);
}

void Bounds::include(double xValue, double yValue) {
  if (std::isfinite(xValue)) {
    x.low = std::min(x.low, xValue);
    x.high = std::max(x.high, xValue);
    if (xValue > 0) positiveX = std::min(positiveX, xValue);
  }
  if (std::isfinite(yValue)) {
    y.low = std::min(y.low, yValue);
    y.high = std::max(y.high, yValue);
    if (yValue > 0) positiveY = std::min(positiveY, yValue);
  }
}

namespace layout {

Sizes sizesOf(const LayoutOptions& options) {
  Sizes sizes;
  sizes.interactive = options.interactive;
  const float unit = (options.interactive ? 1.25f : 96.0f / 72.0f) * (options.unit > 0 ? options.unit : 1.0f);
  sizes.unit = unit;
  sizes.text = (options.interactive ? 8.4f : 8.0f) * unit;
  sizes.title = (options.interactive ? 10.8f : 9.0f) * unit;
  sizes.line = options.interactive ? std::max(1.0f, 0.5f * unit) : 0.5f * unit;
  sizes.tick = 3 * unit;
  sizes.gap = 2.5f * unit;
  sizes.padding = options.interactive ? 9.6f * unit : 0;
  sizes.cellGap = (options.interactive ? 9.0f : 12.0f) * unit;
  sizes.outer = (options.interactive ? 9.6f : 6.0f) * unit;
  sizes.lineHeight = 1.25f * sizes.text;
  sizes.titleHeight = 1.35f * sizes.title;
  sizes.bar = 6 * unit;
  return sizes;
}

void Drawing::text(std::string words, Vec2 at, HAlign h, VAlign v, const TextStyle& style, const Color& color, float angle) const {
  if (words.empty()) return;
  list.items.emplace_back(GlyphItem{std::move(words), at, h, v, style, color, angle});
}

void Drawing::line(Vec2 from, Vec2 to, const Color& color, float width, std::vector<float> dash) const {
  PathItem path;
  path.lines = {{from, to}};
  path.hasStroke = true;
  path.stroke = {color, width, std::move(dash)};
  list.items.emplace_back(std::move(path));
}

void Drawing::lines(std::vector<std::vector<Vec2>> strokes, const Color& color, float width) const {
  if (strokes.empty()) return;
  PathItem path;
  path.lines = std::move(strokes);
  path.hasStroke = true;
  path.stroke = {color, width, {}};
  list.items.emplace_back(std::move(path));
}

namespace {

// The automatic range of one axis: the marks' extent and a margin. Zero is not crossed by a margin: counts and losses start at 0.
Range automatic(Range data, double margin, ScaleKind scale, double positive) {
  if (!(data.low <= data.high)) return saneRange({1, 0}, scale);
  if (data.low == data.high || margin <= 0) return saneRange(data, scale, positive);
  if (scale == ScaleKind::log) {
    const Range sane = saneRange(data, scale, positive);
    const double factor = std::pow(sane.high / sane.low, margin);
    return saneRange({sane.low / factor, sane.high * factor}, scale, positive);
  }
  const double room = margin * (data.high - data.low);
  Range result{data.low - room, data.high + room};
  if (data.low >= 0 && result.low < 0) result.low = 0;
  if (data.high <= 0 && result.high > 0) result.high = 0;
  return saneRange(result, scale);
}

Range rangeOf(const Axis& axis, const Range& data, double margin, double positive) {
  if (axis.range && axis.range->low != axis.range->high) {
    // A range given the wrong way round means the same range.
    const Range given{std::min(axis.range->low, axis.range->high), std::max(axis.range->low, axis.range->high)};
    return saneRange(given, axis.scale, positive);
  }
  if (axis.scale == ScaleKind::categorical && !axis.categories.empty()) return {-0.5, static_cast<double>(axis.categories.size()) - 0.5};
  return automatic(data, margin, axis.scale, positive);
}

void chooseRanges(PanelWork& work, const LayoutOptions& options) {
  const Panel& panel = *work.panel;
  std::optional<Bounds> view = options.view ? options.view(panel.id) : std::nullopt;
  const auto fixed = [](const Axis& axis) {
    return axis.range.has_value() || (axis.scale == ScaleKind::categorical && !axis.categories.empty());
  };
  const bool viewX = view && view->x.valid(), viewY = view && view->y.valid();
  const bool tight = std::any_of(panel.marks.begin(), panel.marks.end(), [](const auto& mark) { return mark && (mark->margin().x < 0 || mark->margin().y < 0); });
  // Ask the marks only when an axis needs it: bounds may download a tensor.
  Bounds data;
  Vec2 margin{0, 0};
  if (!((viewX || fixed(panel.x)) && (viewY || fixed(panel.y))) || panel.x.scale == ScaleKind::log || panel.y.scale == ScaleKind::log) {
    for (const auto& mark : panel.marks) {
      if (!mark) continue;
      data.include(mark->bounds());
      const Vec2 own = mark->margin();
      margin = {std::max(margin.x, own.x), std::max(margin.y, own.y)};
    }
    if (tight) margin = {0, 0};
  }
  const double positiveX = data.positiveX < 1e300 ? data.positiveX : 0, positiveY = data.positiveY < 1e300 ? data.positiveY : 0;
  work.x = viewX ? saneRange(view->x, panel.x.scale, positiveX) : rangeOf(panel.x, data.x, static_cast<double>(margin.x), positiveX);
  work.y = viewY ? saneRange(view->y, panel.y.scale, positiveY) : rangeOf(panel.y, data.y, static_cast<double>(margin.y), positiveY);
  const bool exact = tight || panel.x.scale == ScaleKind::categorical || panel.y.scale == ScaleKind::categorical || panel.y.reversed;
  work.shrink = panel.equalAspect && exact && !view && !panel.frameless;
}

bool canBeEqual(const Panel& panel) {
  return panel.equalAspect && panel.x.scale != ScaleKind::log && panel.y.scale != ScaleKind::log;
}

// One data unit gets one length: a smaller area for matrices and pictures, a wider range for clouds of points.
void equalize(PanelWork& work, Range x, Range y) {
  work.x = x;
  work.y = y;
  if (!canBeEqual(*work.panel)) return;
  const double dx = x.high - x.low, dy = y.high - y.low;
  const double scale = std::min(work.area.width / dx, work.area.height / dy);
  if (work.shrink) {
    const auto width = static_cast<float>(dx * scale), height = static_cast<float>(dy * scale);
    work.area = {work.area.x + 0.5f * (work.area.width - width), work.area.y + 0.5f * (work.area.height - height), width, height};
    return;
  }
  const double extraX = 0.5 * (work.area.width / scale - dx), extraY = 0.5 * (work.area.height / scale - dy);
  work.x = {x.low - extraX, x.high + extraX};
  work.y = {y.low - extraY, y.high + extraY};
}

// pixel = offset + scale * f(data).
void axisTransform(const Range& range, bool log, bool reversed, double from, double to, double& scale, double& offset) {
  const double low = log ? std::log10(range.low) : range.low, high = log ? std::log10(range.high) : range.high;
  if (reversed) std::swap(from, to);
  scale = (to - from) / (high - low);
  offset = from - scale * low;
}

void makeTransform(PanelWork& work) {
  const Panel& panel = *work.panel;
  DataTransform& t = work.transform;
  t.logX = panel.x.scale == ScaleKind::log;
  t.logY = panel.y.scale == ScaleKind::log;
  const Rect& a = work.area;
  axisTransform(work.x, t.logX, panel.x.reversed, static_cast<double>(a.x), static_cast<double>(a.right()), t.scaleX, t.offsetX);
  axisTransform(work.y, t.logY, panel.y.reversed, static_cast<double>(a.bottom()), static_cast<double>(a.y), t.scaleY, t.offsetY);
}

struct Grid {
  std::vector<float> x, width, y, height;
};

// Divide the length by weights with gaps between.
void divide(int count, const std::vector<float>& weights, float length, float gap, float outer, std::vector<float>& at, std::vector<float>& size) {
  float sum = 0;
  const auto weightOf = [&](int i) { return static_cast<std::size_t>(i) < weights.size() && weights[static_cast<std::size_t>(i)] > 0 ? weights[static_cast<std::size_t>(i)] : 1.0f; };
  for (int i = 0; i < count; ++i) sum += weightOf(i);
  const float room = std::max(1.0f * static_cast<float>(count), length - 2 * outer - gap * static_cast<float>(count - 1));
  float position = outer;
  for (int i = 0; i < count; ++i) {
    const float own = room * weightOf(i) / sum;
    at.push_back(position);
    size.push_back(own);
    position += own + gap;
  }
}

Grid makeGrid(const std::vector<PanelWork>& works, const Figure& figure, Vec2 size, const Sizes& sizes, bool single) {
  int rows = 1, columns = 1;
  if (!single) {
    for (const PanelWork& work : works) {
      rows = std::max(rows, work.panel->row + std::max(1, work.panel->rowSpan));
      columns = std::max(columns, work.panel->column + std::max(1, work.panel->columnSpan));
    }
  }
  Grid grid;
  divide(columns, single ? std::vector<float>{} : figure.columnWeights, size.x, sizes.cellGap, sizes.outer, grid.x, grid.width);
  divide(rows, single ? std::vector<float>{} : figure.rowWeights, size.y, sizes.cellGap, sizes.outer, grid.y, grid.height);
  return grid;
}

struct Place {
  std::size_t row = 0, column = 0, lastRow = 0, lastColumn = 0;
};

Place placeOf(const PanelWork& work, bool single) {
  if (single) return {};
  const Panel& p = *work.panel;
  const auto row = static_cast<std::size_t>(std::max(0, p.row)), column = static_cast<std::size_t>(std::max(0, p.column));
  return {row, column, row + static_cast<std::size_t>(std::max(1, p.rowSpan)) - 1, column + static_cast<std::size_t>(std::max(1, p.columnSpan)) - 1};
}

// Panels of a column share their left and right margins, panels of a row their top and bottom ones.
void shareMargins(std::vector<PanelWork>& works, const Grid& grid, bool single) {
  std::vector<float> left(grid.x.size(), 0), right(grid.x.size(), 0), top(grid.y.size(), 0), bottom(grid.y.size(), 0);
  for (const PanelWork& work : works) {
    const Place place = placeOf(work, single);
    top[place.row] = std::max(top[place.row], work.own.top);
    if (!work.framed()) continue;
    left[place.column] = std::max(left[place.column], work.own.left);
    right[place.lastColumn] = std::max(right[place.lastColumn], work.own.right);
    bottom[place.lastRow] = std::max(bottom[place.lastRow], work.own.bottom);
  }
  for (PanelWork& work : works) {
    const Place place = placeOf(work, single);
    work.shared = work.framed() ? Margins{left[place.column], right[place.lastColumn], top[place.row], bottom[place.lastRow]}
                                : Margins{0, work.own.right, top[place.row], 0};
  }
}

// The plotting area inside the margins. Frameless panels of the live canvas run to the card's edge.
void placeArea(PanelWork& work, const Sizes& sizes) {
  Rect inside = work.content;
  if (!work.framed() && sizes.interactive) {
    inside = {work.cell.x + 1, work.content.y, work.cell.width - 2, work.cell.bottom() - 1 - work.content.y};
  }
  const Margins& m = work.shared;
  Rect area{inside.x + m.left, inside.y + m.top, inside.width - m.left - m.right, inside.height - m.top - m.bottom};
  area.width = std::max(area.width, 4.0f);
  area.height = std::max(area.height, 4.0f);
  work.area = area;
}

// Whole pixels on the live canvas: one-pixel lines stay one pixel wide.
Rect snapped(const Rect& r) {
  const float x = std::round(r.x), y = std::round(r.y);
  return {x, y, std::max(1.0f, std::round(r.right()) - x), std::max(1.0f, std::round(r.bottom()) - y)};
}

void drawCard(const PanelWork& work, const Drawing& drawing) {
  const Rect r = work.cell;
  PathItem card;
  card.lines = {{{r.x + 0.5f, r.y + 0.5f}, {r.right() - 0.5f, r.y + 0.5f}, {r.right() - 0.5f, r.bottom() - 0.5f}, {r.x + 0.5f, r.bottom() - 0.5f}}};
  card.closed = true;
  card.hasFill = true;
  card.fill = work.framed() ? drawing.theme.panel : drawing.theme.canvas;
  card.hasStroke = true;
  card.stroke = {drawing.theme.border, 1, {}};
  card.cornerRadius = 6;
  drawing.list.items.emplace_back(std::move(card));
}

void drawPanel(const PanelWork& work, const Drawing& drawing, const std::string& letter) {
  const Panel& panel = *work.panel;
  if (drawing.sizes.interactive) drawCard(work, drawing);
  const bool empty = !panel.message.empty();
  if (!empty) {
    if (work.framed()) drawGrid(work, drawing);
    const Frame frame{work.area, work.transform, drawing.theme, drawing.metrics, drawing.sizes.unit, drawing.sizes.interactive};
    drawing.list.items.emplace_back(ClipItem{work.area, false});
    for (const auto& mark : panel.marks) {
      if (mark) mark->lower(frame, drawing.list);
    }
    drawing.list.items.emplace_back(ClipItem{{}, true});
    if (work.framed()) drawAxes(work, drawing);
    if (panel.colorBar) drawColorBar(work, drawing);
    drawCurveLabels(work, frame, drawing);
  } else {
    drawMessage(work, drawing);
  }
  drawHeading(work, drawing, letter);
}

const Theme& themeFor(const LayoutOptions& options) {
  static const Theme print = printTheme();
  if (options.interactive || options.theme == ThemeKind::dark) return themeOf(options.theme);
  return print;
}

}  // namespace
}  // namespace layout

Layout layOut(const Figure& figure, Vec2 size, const TextMetrics& metrics, const LayoutOptions& options) {
  using namespace layout;
  const Sizes sizes = sizesOf(options);
  const Theme& theme = themeFor(options);
  const bool single = !options.onlyPanel.empty();

  std::vector<PanelWork> works;
  std::vector<std::string> letters;
  for (const Panel& panel : figure.panels) {
    const std::string letter = options.panelLetters ? std::string(1, static_cast<char>('a' + static_cast<int>(letters.size() % 26))) : "";
    if (single && panel.id != options.onlyPanel) continue;
    PanelWork work;
    work.panel = &panel;
    works.push_back(std::move(work));
    letters.push_back(single ? "" : letter);
  }

  Layout result;
  result.list.size = size;
  result.list.ground = options.interactive ? theme.ground : theme.canvas;
  if (options.transparent && !options.interactive) result.list.ground = {0, 0, 0, 0};
  if (works.empty()) return result;

  // Place the cells.
  const Grid grid = makeGrid(works, figure, size, sizes, single);
  std::vector<Range> wishedX, wishedY;
  for (std::size_t i = 0; i < works.size(); ++i) {
    PanelWork& work = works[i];
    const Place place = placeOf(work, single);
    work.cell = {grid.x[place.column], grid.y[place.row], grid.x[place.lastColumn] + grid.width[place.lastColumn] - grid.x[place.column],
                 grid.y[place.lastRow] + grid.height[place.lastRow] - grid.y[place.row]};
    if (sizes.interactive) work.cell = snapped(work.cell);
    const float pad = sizes.padding;
    work.content = {work.cell.x + pad, work.cell.y + pad, std::max(4.0f, work.cell.width - 2 * pad), std::max(4.0f, work.cell.height - 2 * pad)};
    chooseRanges(work, options);
    wishedX.push_back(work.x);
    wishedY.push_back(work.y);
    planHeading(work, sizes, metrics, letters[i]);
    // A first guess of the margins: two digits and a label.
    work.own = work.framed() ? Margins{4 * sizes.text, sizes.text, headingHeight(work, sizes), 3 * sizes.text} : Margins{0, 0, headingHeight(work, sizes), 0};
  }

  // Ticks depend on the area, margins on the ticks: two rounds settle it, the third makes the result exact.
  for (int round = 0; round < 3; ++round) {
    shareMargins(works, grid, single);
    for (std::size_t i = 0; i < works.size(); ++i) {
      PanelWork& work = works[i];
      placeArea(work, sizes);
      equalize(work, wishedX[i], wishedY[i]);
      if (sizes.interactive) work.area = snapped(work.area);
      chooseTicks(work, sizes, metrics);
      if (round == 2) continue;
      work.own = measureAxes(work, sizes, metrics);
      work.own.top += headingHeight(work, sizes);
    }
  }

  const Drawing drawing{metrics, theme, sizes, result.list};
  for (std::size_t i = 0; i < works.size(); ++i) {
    PanelWork& work = works[i];
    makeTransform(work);
    drawPanel(work, drawing, letters[i]);
    PanelPlacement placement;
    placement.id = work.panel->id;
    placement.card = work.cell;
    placement.area = work.area;
    placement.transform = work.transform;
    placement.view.x = work.x;
    placement.view.y = work.y;
    result.panels.push_back(std::move(placement));
  }
  return result;
}

std::vector<std::pair<std::string, Tensor>> arraysOf(const Figure& figure) {
  std::vector<std::pair<std::string, Tensor>> arrays;
  for (const Panel& panel : figure.panels) {
    for (const auto& mark : panel.marks) {
      if (!mark) continue;
      for (Channel& channel : mark->channels()) arrays.emplace_back(panel.id + "." + mark->id() + "." + channel.name, std::move(channel.data));
    }
  }
  return arrays;
}

}  // namespace orrery
