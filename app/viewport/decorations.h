#pragma once
// What the canvas draws above the figure: handles, the hover highlight and its card, pinned read-outs, the busy state. Pure.

#include "app/viewport/canvas_state.h"
#include "core/figure/fonts.h"

namespace orrery::app {

struct BusyLook {
  bool shown = false;
  bool previewed = false;  // the picture is of this work already
  double fraction = -1;  // -1 = unknown
  double phase = 0;      // 0..1, moves the line of an unknown fraction; constant with reduced motion
};

DisplayList decorationsOf(const Drawn& drawn, const Decorations& decorations, const BusyLook& busy, const Theme& theme,
                          const TextMetrics& metrics);

// px within which a handle can be grabbed, and the distance of a pointer to it; < 0 when the handle is not in sight.
constexpr float handleReach = 9;
float distanceTo(const Handle& handle, const PanelPlacement& panel, Vec2 pointer);

const Panel* panelOf(const Figure& figure, const std::string& id);
const PanelPlacement* placementOf(const Layout& layout, const std::string& id);

}  // namespace orrery::app
