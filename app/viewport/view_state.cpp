#include "app/viewport/view_state.h"

#include <algorithm>
#include <cmath>

namespace orrery::app {

namespace {

// Points are placed in single precision (24 bits): a range shorter than this share of its position would put neighbouring values on a grid
// that is coarser than the pixels.
constexpr double finest = 1e-4;
constexpr double largest = 1e30;

bool isShowable(const Range& range) {
  const double size = std::max(std::abs(range.low), std::abs(range.high));
  return std::isfinite(range.low) && std::isfinite(range.high) && range.low < range.high && size < largest &&
         range.high - range.low > finest * size && range.high - range.low > 1e-30;
}

}  // namespace

std::optional<Bounds> ViewState::of(const std::string& panel) const {
  const auto found = views_.find(panel);
  return found == views_.end() ? std::nullopt : std::optional(found->second);
}

void ViewState::show(const PanelPlacement& panel, const Rect& pixels) {
  // Far corners may overflow single precision when zooming out: compute in double.
  const auto a = panel.transform.invert({pixels.x, pixels.y}), b = panel.transform.invert({pixels.right(), pixels.bottom()});
  Bounds view;
  view.x = {std::min(a[0], b[0]), std::max(a[0], b[0])};
  view.y = {std::min(a[1], b[1]), std::max(a[1], b[1])};
  if (isShowable(view.x) && isShowable(view.y)) views_[panel.id] = view;
}

void ViewState::pan(const PanelPlacement& start, Vec2 delta) {
  show(start, {start.area.x - delta.x, start.area.y - delta.y, start.area.width, start.area.height});
}

void ViewState::zoom(const PanelPlacement& panel, Vec2 at, double factor, bool horizontally, bool vertically) {
  const Rect& area = panel.area;
  const auto shrink = static_cast<float>(1 / factor);
  Rect seen = area;
  if (horizontally) {
    seen.x = at.x + (area.x - at.x) * shrink;
    seen.width = area.width * shrink;
  }
  if (vertically) {
    seen.y = at.y + (area.y - at.y) * shrink;
    seen.height = area.height * shrink;
  }
  show(panel, seen);
}

}  // namespace orrery::app
