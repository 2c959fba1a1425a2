// Axes: which ticks, how much room their labels need, and how they are drawn.

#include <algorithm>
#include <cmath>

#include "core/figure/layout_parts.h"

namespace orrery::layout {

namespace {

float widest(const std::vector<std::string>& labels, const TextStyle& style, const TextMetrics& metrics) {
  float width = 0;
  for (const std::string& label : labels) width = std::max(width, metrics.width(label, style));
  return width;
}

bool isNumeric(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || c == '.' || c == ' ' || c == '-'; });
}

// Where a value lies along an axis, in 0..1 of its length.
double fraction(double value, const Range& range, const Axis& axis) {
  const bool log = axis.scale == ScaleKind::log;
  const double low = log ? std::log10(range.low) : range.low, high = log ? std::log10(range.high) : range.high;
  const double t = ((log ? std::log10(value) : value) - low) / (high - low);
  return axis.reversed ? 1 - t : t;
}

// 1, 2, 5, 10, 20 ...: the smallest nice stride that leaves `least` px between labelled categories.
int strideFor(double spacing, double least) {
  if (spacing <= 0) return 1;
  for (int power = 1;; power *= 10) {
    for (const int m : {1, 2, 5}) {
      if (m * power * spacing >= least || power >= 100000000) return m * power;
    }
  }
}

TickLabels categoryTicks(const Axis& axis, const Range& range, int stride) {
  TickLabels ticks;
  const auto count = static_cast<std::int64_t>(axis.categories.size());
  const auto first = static_cast<std::int64_t>(std::clamp(std::ceil(range.low), 0.0, static_cast<double>(count)));
  const auto last = static_cast<std::int64_t>(std::clamp(std::floor(range.high), -1.0, static_cast<double>(count - 1)));
  for (std::int64_t i = (first + stride - 1) / stride * stride; i <= last; i += stride) {
    ticks.at.push_back(static_cast<double>(i));
    ticks.labels.push_back(axis.categories[static_cast<std::size_t>(i)]);
  }
  return ticks;
}

TickLabels fixedTicks(const Axis& axis, const Range& range) {
  TickLabels ticks;
  for (const auto& [value, label] : axis.ticks) {
    const double slack = 1e-9 * (range.high - range.low);
    if (value < range.low - slack || value > range.high + slack) continue;
    ticks.at.push_back(value);
    ticks.labels.push_back(label);
  }
  return ticks;
}

TickLabels everyKth(const TickLabels& ticks, std::size_t k) {
  TickLabels kept;
  for (std::size_t i = 0; i < ticks.at.size(); i += k) {
    kept.at.push_back(ticks.at[i]);
    kept.labels.push_back(ticks.labels[i]);
  }
  return kept;
}

// Whether labels of these sizes keep `gap` between neighbours along an axis of this length.
template <class Extent>
bool fits(const TickLabels& ticks, const Axis& axis, const Range& range, double length, double gap, Extent extent) {
  std::vector<std::pair<double, double>> spans;
  for (std::size_t i = 0; i < ticks.at.size(); ++i) {
    const double centre = fraction(ticks.at[i], range, axis) * length, half = 0.5 * static_cast<double>(extent(ticks.labels[i]));
    spans.emplace_back(centre - half, centre + half);
  }
  std::sort(spans.begin(), spans.end());
  for (std::size_t i = 1; i < spans.size(); ++i) {
    if (spans[i].first - spans[i - 1].second < gap) return false;
  }
  return true;
}

template <class Extent>
TickLabels fittingTicks(const Axis& axis, const Range& range, double length, double perTick, double gap, Extent extent) {
  if (!axis.ticks.empty()) {
    const TickLabels all = fixedTicks(axis, range);
    for (std::size_t k = 1; k < all.at.size(); ++k) {
      const TickLabels kept = everyKth(all, k);
      if (fits(kept, axis, range, length, gap, extent)) return kept;
    }
    return all.at.size() > 1 ? everyKth(all, all.at.size()) : all;
  }
  const int most = std::clamp(static_cast<int>(std::lround(length / perTick)), 2, 6);
  TickLabels ticks;
  for (int wanted = most; wanted >= 1; --wanted) {
    ticks = labelledTicks(range, axis.scale == ScaleKind::log ? ScaleKind::log : ScaleKind::linear, wanted);
    if (fits(ticks, axis, range, length, gap, extent)) return ticks;
  }
  for (std::size_t k = 2; k <= ticks.at.size(); ++k) {
    const TickLabels kept = everyKth(ticks, k);
    if (fits(kept, axis, range, length, gap, extent)) return kept;
  }
  return ticks;
}

void chooseX(PanelWork& work, const Sizes& sizes, const TextMetrics& metrics) {
  const Axis& axis = work.panel->x;
  const TextStyle style = sizes.tickStyle();
  const double length = static_cast<double>(work.area.width);
  work.turnedX = false;
  const auto extent = [&](const std::string& label) { return metrics.width(label, style); };
  if (axis.scale != ScaleKind::categorical || axis.categories.empty() || !axis.ticks.empty()) {
    work.xTicks = fittingTicks(axis, work.x, length, 50.0 * static_cast<double>(sizes.unit), 4.0 * static_cast<double>(sizes.unit), extent);
    return;
  }
  // Words lie flat while they fit, or while standing upright would not show more of them (twice as many of very short ones); numbers stay flat
  // and thin out.
  const double spacing = length / (work.x.high - work.x.low);
  TickLabels all = categoryTicks(axis, work.x, 1);
  const double wide = static_cast<double>(widest(all.labels, style, metrics)) + 4.0 * static_cast<double>(sizes.unit);
  const double upright = 1.1 * static_cast<double>(sizes.text);
  if (wide <= spacing) {
    work.xTicks = std::move(all);
  } else if (strideFor(spacing, wide) <= (wide < 2.5 * upright ? 2 : 1) * strideFor(spacing, upright) || std::all_of(all.labels.begin(), all.labels.end(), isNumeric)) {
    work.xTicks = categoryTicks(axis, work.x, strideFor(spacing, wide));
  } else {
    work.turnedX = true;
    work.xTicks = categoryTicks(axis, work.x, strideFor(spacing, upright));
    for (std::string& label : work.xTicks.labels) label = fitted(label, style, 0.3f * work.cell.height, metrics);
  }
}

void chooseY(PanelWork& work, const Sizes& sizes, const TextMetrics& metrics) {
  const Axis& axis = work.panel->y;
  const TextStyle style = sizes.tickStyle();
  const double length = static_cast<double>(work.area.height);
  if (axis.scale != ScaleKind::categorical || axis.categories.empty() || !axis.ticks.empty()) {
    const auto extent = [&](const std::string&) { return sizes.text; };
    work.yTicks = fittingTicks(axis, work.y, length, 36.0 * static_cast<double>(sizes.unit), 2.0 * static_cast<double>(sizes.unit), extent);
    return;
  }
  const double spacing = length / (work.y.high - work.y.low);
  work.yTicks = categoryTicks(axis, work.y, strideFor(spacing, 1.1 * static_cast<double>(sizes.text)));
  for (std::string& label : work.yTicks.labels) label = fitted(label, style, 0.3f * work.cell.width, metrics);
}

Axis barAxis(const ColorBar& bar) {
  Axis axis;
  axis.scale = bar.logScale ? ScaleKind::log : ScaleKind::linear;
  return axis;
}

Range barRange(const ColorBar& bar) { return saneRange(bar.range, bar.logScale ? ScaleKind::log : ScaleKind::linear); }

float barBlockWidth(const PanelWork& work, const Sizes& sizes, const TextMetrics& metrics) {
  const ColorBar& bar = *work.panel->colorBar;
  float width = 2.5f * sizes.gap + sizes.bar + sizes.tick + sizes.gap + widest(work.barTicks.labels, sizes.tickStyle(), metrics);
  if (!bar.label.empty()) width += sizes.gap + sizes.lineHeight;
  return width;
}

float snap(float value, const Sizes& sizes) { return sizes.interactive ? std::floor(value) + 0.5f : value; }

Vec2 tickPlace(const PanelWork& work, double value, bool x) {
  const Rect& a = work.area;
  if (x) return {a.x + static_cast<float>(fraction(value, work.x, work.panel->x)) * a.width, a.bottom()};
  return {a.x, a.bottom() - static_cast<float>(fraction(value, work.y, work.panel->y)) * a.height};
}

// Axis names of a row or column stand on one line where that does not tear them from their own labels.
float nameMargin(const PanelWork& work, float own, float shared, const Sizes& sizes) {
  return work.shrink || shared - own > 2 * sizes.text ? own : shared;
}

// The ticks between the decades of a log axis, without labels.
std::vector<double> minorTicks(const Axis& axis, const Range& range) {
  std::vector<double> ticks;
  if (axis.scale != ScaleKind::log || !axis.ticks.empty() || range.high / range.low < 5 || range.high / range.low > 1e7) return ticks;
  for (int k = static_cast<int>(std::floor(std::log10(range.low))); k <= static_cast<int>(std::floor(std::log10(range.high))); ++k) {
    for (int m = 1; m <= 9; ++m) {
      const double value = m * std::pow(10.0, k);
      if (value >= range.low && value <= range.high) ticks.push_back(value);
    }
  }
  return ticks;
}

Color axisColor(const Drawing& d) { return d.sizes.interactive ? d.theme.muted.withAlpha(0.5f) : d.theme.text; }
Color tickTextColor(const Drawing& d) { return d.sizes.interactive ? d.theme.muted : d.theme.text; }

}  // namespace

void chooseTicks(PanelWork& work, const Sizes& sizes, const TextMetrics& metrics) {
  work.xTicks = {};
  work.yTicks = {};
  work.barTicks = {};
  if (work.framed() && work.panel->message.empty()) {
    if (work.panel->x.visible) chooseX(work, sizes, metrics);
    if (work.panel->y.visible) chooseY(work, sizes, metrics);
  }
  if (work.panel->colorBar && work.panel->message.empty()) {
    const auto extent = [&](const std::string&) { return sizes.text; };
    work.barTicks = fittingTicks(barAxis(*work.panel->colorBar), barRange(*work.panel->colorBar), static_cast<double>(work.area.height),
                                 36.0 * static_cast<double>(sizes.unit), 2.0 * static_cast<double>(sizes.unit), extent);
  }
}

Margins measureAxes(const PanelWork& work, const Sizes& sizes, const TextMetrics& metrics) {
  Margins m;
  const Panel& panel = *work.panel;
  if (!panel.message.empty()) return m;
  const TextStyle style = sizes.tickStyle();
  if (work.framed()) {
    if (panel.y.visible) {
      if (!work.yTicks.labels.empty()) {
        m.left = sizes.tick + sizes.gap + widest(work.yTicks.labels, style, metrics);
        m.top = 0.5f * sizes.text;
      }
      if (!panel.y.label.empty()) m.left += sizes.gap + sizes.lineHeight;
    }
    if (panel.x.visible) {
      const float labels = work.turnedX ? widest(work.xTicks.labels, style, metrics) : sizes.lineHeight;
      if (!work.xTicks.labels.empty()) m.bottom = sizes.tick + 0.6f * sizes.gap + labels;
      if (!panel.x.label.empty()) m.bottom += 0.4f * sizes.gap + sizes.lineHeight;
      // The last label may hang over the end of the axis.
      for (std::size_t i = 0; i < work.xTicks.at.size() && !work.turnedX; ++i) {
        const float half = 0.5f * metrics.width(work.xTicks.labels[i], style);
        const float at = static_cast<float>(fraction(work.xTicks.at[i], work.x, panel.x)) * work.area.width;
        m.right = std::max(m.right, at + half - work.area.width);
        m.left = std::max(m.left, half - at);
      }
    }
  }
  if (panel.colorBar) m.right = std::max(m.right, barBlockWidth(work, sizes, metrics));
  return m;
}

void drawGrid(const PanelWork& work, const Drawing& d) {
  const Rect& a = work.area;
  std::vector<std::vector<Vec2>> strokes;
  if (work.panel->x.grid) {
    for (const double value : work.xTicks.at) {
      const float x = snap(tickPlace(work, value, true).x, d.sizes);
      strokes.push_back({{x, a.y}, {x, a.bottom()}});
    }
  }
  if (work.panel->y.grid) {
    for (const double value : work.yTicks.at) {
      const float y = snap(tickPlace(work, value, false).y, d.sizes);
      strokes.push_back({{a.x, y}, {a.right(), y}});
    }
  }
  d.lines(std::move(strokes), d.theme.grid, d.sizes.line);
}

void drawAxes(const PanelWork& work, const Drawing& d) {
  const Panel& panel = *work.panel;
  const Sizes& s = d.sizes;
  const Rect& a = work.area;
  const float out = 0.5f * s.line;                         // the line lies outside the area: it never covers a cell
  const float axisX = a.x - out, axisY = a.bottom() + out;
  const Color line = axisColor(d), words = tickTextColor(d);
  if (panel.x.visible) {
    std::vector<std::vector<Vec2>> strokes{{{a.x - s.line, axisY}, {a.right(), axisY}}};
    for (const double value : minorTicks(panel.x, work.x)) {
      const float x = snap(tickPlace(work, value, true).x, s);
      strokes.push_back({{x, axisY}, {x, axisY + 0.55f * s.tick}});
    }
    for (const double value : work.xTicks.at) {
      const float x = std::clamp(snap(tickPlace(work, value, true).x, s), a.x - out, a.right() + out);
      strokes.push_back({{x, axisY}, {x, axisY + s.tick}});
    }
    d.lines(std::move(strokes), line, s.line);
    const float labelTop = axisY + s.tick + 0.6f * s.gap;
    for (std::size_t i = 0; i < work.xTicks.at.size(); ++i) {
      const float x = tickPlace(work, work.xTicks.at[i], true).x;
      if (work.turnedX) d.text(work.xTicks.labels[i], {x, labelTop}, HAlign::right, VAlign::middle, s.tickStyle(), words, 90);
      else d.text(work.xTicks.labels[i], {x, labelTop + 0.5f * s.lineHeight}, HAlign::center, VAlign::middle, s.tickStyle(), words);
    }
    const float bottom = a.bottom() + nameMargin(work, work.own.bottom, work.shared.bottom, s);
    d.text(panel.x.label, {a.x + 0.5f * a.width, bottom - 0.5f * s.lineHeight}, HAlign::center, VAlign::middle, s.textStyle(), words);
  }
  if (panel.y.visible) {
    std::vector<std::vector<Vec2>> strokes{{{axisX, a.y}, {axisX, a.bottom() + s.line}}};
    for (const double value : minorTicks(panel.y, work.y)) {
      const float y = snap(tickPlace(work, value, false).y, s);
      strokes.push_back({{axisX, y}, {axisX - 0.55f * s.tick, y}});
    }
    for (const double value : work.yTicks.at) {
      const float y = std::clamp(snap(tickPlace(work, value, false).y, s), a.y - out, a.bottom() + out);
      strokes.push_back({{axisX, y}, {axisX - s.tick, y}});
    }
    d.lines(std::move(strokes), line, s.line);
    for (std::size_t i = 0; i < work.yTicks.at.size(); ++i) {
      const float y = tickPlace(work, work.yTicks.at[i], false).y;
      d.text(work.yTicks.labels[i], {axisX - s.tick - s.gap, y}, HAlign::right, VAlign::middle, s.tickStyle(), words);
    }
    const float left = a.x - nameMargin(work, work.own.left, work.shared.left, s);
    d.text(panel.y.label, {left + 0.5f * s.lineHeight, a.y + 0.5f * a.height}, HAlign::center, VAlign::middle, s.textStyle(), words, 90);
  }
}

void drawColorBar(const PanelWork& work, const Drawing& d) {
  // One ramp for all bars, never destroyed: the value falls from 1 at the top to 0.
  static const Tensor& ramp = *new Tensor([] {
    std::vector<float> values(256);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = 1.0f - (static_cast<float>(i) + 0.5f) / 256.0f;
    return Tensor::from({256, 1}, values);
  }());
  const ColorBar& bar = *work.panel->colorBar;
  const Sizes& s = d.sizes;
  const Rect& a = work.area;
  const Rect body{a.right() + 2.5f * s.gap, a.y, s.bar, a.height};
  ImageItem image;
  image.to = body;
  image.data = ramp;
  image.map = mapOn(d.theme.kind, bar.map);
  d.list.items.emplace_back(std::move(image));
  const Color line = axisColor(d), words = tickTextColor(d);
  const Range range = barRange(bar);
  const Axis axis = barAxis(bar);
  std::vector<std::vector<Vec2>> strokes;
  for (std::size_t i = 0; i < work.barTicks.at.size(); ++i) {
    const float y = body.bottom() - static_cast<float>(fraction(work.barTicks.at[i], range, axis)) * body.height;
    strokes.push_back({{body.right(), snap(y, s)}, {body.right() + s.tick, snap(y, s)}});
    d.text(work.barTicks.labels[i], {body.right() + s.tick + s.gap, y}, HAlign::left, VAlign::middle, s.tickStyle(), words);
  }
  d.lines(std::move(strokes), line, s.line);
  const float labels = widest(work.barTicks.labels, s.tickStyle(), d.metrics);
  d.text(bar.label, {body.right() + s.tick + 2 * s.gap + labels + 0.5f * s.lineHeight, a.y + 0.5f * a.height}, HAlign::center, VAlign::middle,
         s.textStyle(), words, 90);
}

}  // namespace orrery::layout
