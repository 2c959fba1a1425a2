#include "app/viewport/decorations.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace orrery::app {

namespace {

constexpr float textSize = 10.5f, lineHeight = 15, cardPadding = 9, cardRadius = 6, pointerGap = 14;

std::vector<Vec2> corners(const Rect& r) { return {{r.x, r.y}, {r.right(), r.y}, {r.right(), r.bottom()}, {r.x, r.bottom()}}; }

void addBox(DisplayList& list, const Rect& rect, float radius, const Color& fill, const Color& border) {
  PathItem box;
  box.lines = {corners(rect)};
  box.closed = box.hasFill = true;
  box.fill = fill;
  box.cornerRadius = radius;
  if (border.a > 0) {
    box.hasStroke = true;
    box.stroke = {border, 1, {}};
  }
  list.items.emplace_back(std::move(box));
}

void addDisc(DisplayList& list, Vec2 center, float radius, const Color& fill, const Color& border, float width) {
  PathItem disc;
  std::vector<Vec2> outline;
  for (int i = 0; i < 24; ++i) {
    const float angle = static_cast<float>(i) * 0.261799388f;  // 24 corners: within 0.1 px of a circle of radius 8
    outline.push_back({center.x + radius * std::cos(angle), center.y + radius * std::sin(angle)});
  }
  disc.lines = {std::move(outline)};
  disc.closed = true;
  disc.hasFill = fill.a > 0;
  disc.fill = fill;
  disc.hasStroke = true;
  disc.stroke = {border, width, {}};
  list.items.emplace_back(std::move(disc));
}

// A card of lines beside `at`, kept inside the canvas.
void addCard(DisplayList& list, const std::vector<std::string>& lines, Vec2 at, const Theme& theme, const TextMetrics& metrics) {
  if (lines.empty()) return;
  const auto styleOf = [](std::size_t) { return TextStyle{textSize, Weight::regular, true}; };
  float width = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) width = std::max(width, metrics.width(lines[i], styleOf(i)));
  Rect card{at.x + pointerGap, at.y + pointerGap, std::ceil(width) + 2 * cardPadding,
            lineHeight * static_cast<float>(lines.size()) + 2 * cardPadding - 3};
  if (card.right() > list.size.x - 4) card.x = at.x - pointerGap - card.width;
  if (card.bottom() > list.size.y - 4) card.y = at.y - pointerGap - card.height;
  card.x = std::round(std::clamp(card.x, 4.0f, std::max(4.0f, list.size.x - card.width - 4))) + 0.5f;
  card.y = std::round(std::clamp(card.y, 4.0f, std::max(4.0f, list.size.y - card.height - 4))) + 0.5f;
  addBox(list, card, cardRadius, theme.canvas.withAlpha(0.94f), theme.border);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    GlyphItem text;
    text.text = lines[i];
    text.at = {card.x + cardPadding, card.y + cardPadding + lineHeight * static_cast<float>(i) + 9};
    text.style = styleOf(i);
    text.color = i == 0 && lines.size() > 1 ? theme.muted : theme.text;
    list.items.emplace_back(std::move(text));
  }
}

void addHandle(DisplayList& list, const Handle& handle, const PanelPlacement& panel, bool hot, bool grabbed, const Theme& theme,
               const TextMetrics& metrics) {
  const Vec2 at = panel.transform.apply(handle.x, handle.y);
  const Color fill = hot ? theme.accent : theme.panel;
  Vec2 label = at;
  if (handle.kind == Handle::Kind::point) {
    if (!panel.area.contains(at)) return;
    addDisc(list, at, hot ? 6.0f : 4.0f, hot ? fill : fill.withAlpha(0.6f), theme.accent, 1.5f);
  } else {
    // A grip on the line, in the middle of the panel, so that axis labels stay readable.
    const bool vertical = handle.kind == Handle::Kind::verticalLine;
    if (vertical ? at.x < panel.area.x - 0.5f || at.x > panel.area.right() + 0.5f
                 : at.y < panel.area.y - 0.5f || at.y > panel.area.bottom() + 0.5f)
      return;
    label = vertical ? Vec2{at.x, panel.area.y + panel.area.height / 2} : Vec2{panel.area.x + panel.area.width / 2, at.y};
    const float w = vertical ? 8.0f : 18.0f, h = vertical ? 18.0f : 8.0f;
    if (hot) {
      PathItem line;
      line.lines = vertical ? std::vector<std::vector<Vec2>>{{{at.x, panel.area.y}, {at.x, panel.area.bottom()}}}
                            : std::vector<std::vector<Vec2>>{{{panel.area.x, at.y}, {panel.area.right(), at.y}}};
      line.hasStroke = true;
      line.stroke = {theme.accent, 1, {}};
      list.items.emplace_back(std::move(line));
    }
    addBox(list, {std::round(label.x - w / 2) + 0.5f, std::round(label.y - h / 2) + 0.5f, w, h}, 4, fill, theme.accent);
  }
  if (hot && !handle.label.empty()) {
    std::vector<std::string> lines{handle.label};
    if (grabbed) {
      if (handle.kind == Handle::Kind::point)
        lines.push_back(fmt::format("({}, {})", formatNumber(handle.x), formatNumber(handle.y)));
      else
        lines.push_back(formatNumber(handle.kind == Handle::Kind::verticalLine ? handle.x : handle.y));
    }
    addCard(list, lines, label, theme, metrics);
  }
}

void addBusy(DisplayList& list, const Drawn& drawn, const BusyLook& busy, const Theme& theme) {
  if (!busy.previewed)
    for (const PanelPlacement& panel : drawn.layout.panels) addBox(list, panel.card, 6, theme.ground.withAlpha(0.2f), {0, 0, 0, 0});
  const float length = busy.fraction >= 0 ? 1 : 0.25f;
  const float from = busy.fraction >= 0 ? 0 : static_cast<float>(busy.phase) * (1 + length) - length;
  const float to = busy.fraction >= 0 ? static_cast<float>(std::clamp(busy.fraction, 0.0, 1.0)) : from + length;
  const float left = std::clamp(from, 0.0f, 1.0f) * list.size.x, right = std::clamp(to, 0.0f, 1.0f) * list.size.x;
  addBox(list, {left, 0, right - left, 2}, 0, theme.accent, {0, 0, 0, 0});
}

}  // namespace

const Panel* panelOf(const Figure& figure, const std::string& id) {
  for (const Panel& panel : figure.panels) {
    if (panel.id == id) return &panel;
  }
  return nullptr;
}

const PanelPlacement* placementOf(const Layout& layout, const std::string& id) {
  for (const PanelPlacement& panel : layout.panels) {
    if (panel.id == id) return &panel;
  }
  return nullptr;
}

float distanceTo(const Handle& handle, const PanelPlacement& panel, Vec2 pointer) {
  const Vec2 at = panel.transform.apply(handle.x, handle.y);
  const Rect reach{panel.area.x - handleReach, panel.area.y - handleReach, panel.area.width + 2 * handleReach,
                   panel.area.height + 2 * handleReach};
  if (!reach.contains(pointer)) return -1;
  float distance = -1;
  switch (handle.kind) {
    case Handle::Kind::point:
      distance = reach.contains(at) ? std::hypot(at.x - pointer.x, at.y - pointer.y) : -1;
      break;
    case Handle::Kind::verticalLine:
      distance = std::abs(at.x - pointer.x);
      break;
    case Handle::Kind::horizontalLine:
      distance = std::abs(at.y - pointer.y);
      break;
  }
  return std::isfinite(distance) ? distance : -1;
}

DisplayList decorationsOf(const Drawn& drawn, const Decorations& decorations, const BusyLook& busy, const Theme& theme,
                          const TextMetrics& metrics) {
  DisplayList list;
  list.size = drawn.layout.list.size;
  list.ground = {0, 0, 0, 0};
  for (const PanelPlacement& placement : drawn.layout.panels) {
    const Panel* panel = panelOf(drawn.picture->figure, placement.id);
    if (!panel || !panel->message.empty()) continue;
    const Handle* hot = nullptr;
    // Points would hide data: they show while the pointer is in their panel. A line's grip says that the line can be moved.
    const auto shows = [&](const Handle& handle) { return handle.kind != Handle::Kind::point || decorations.pointerPanel == placement.id; };
    for (const Handle& handle : panel->handles) {
      if (handle.id.starts_with("paint")) continue;  // stands for the whole panel
      if (decorations.hotPanel == placement.id && decorations.hotHandle == handle.id)
        hot = &handle;
      else if (shows(handle))
        addHandle(list, handle, placement, false, false, theme, metrics);
    }
    if (hot) addHandle(list, *hot, placement, true, decorations.grabbed, theme, metrics);
  }
  if (busy.shown) addBusy(list, drawn, busy, theme);
  const auto ringAt = [&](const Readout& readout) {
    const PanelPlacement* placement = placementOf(drawn.layout, readout.panel);
    if (!placement) return Vec2{-1e6f, -1e6f};
    const Vec2 at = placement->transform.apply(readout.x, readout.y);
    if (!placement->area.contains(at)) return Vec2{-1e6f, -1e6f};
    // On a halo, so that it is seen on every colour of a heat map.
    addDisc(list, at, 4.5f, {0, 0, 0, 0}, theme.canvas.withAlpha(0.75f), 3.5f);
    addDisc(list, at, 4.5f, {0, 0, 0, 0}, theme.accent, 1.5f);
    return at;
  };
  for (const Readout& pin : decorations.pins) {
    const Vec2 at = ringAt(pin);
    if (at.x > -1e5f) addCard(list, pin.lines, at, theme, metrics);
  }
  if (decorations.hover && !decorations.grabbed) {
    ringAt(*decorations.hover);
    addCard(list, decorations.hover->lines, decorations.pointer, theme, metrics);
  }
  return list;
}

}  // namespace orrery::app
