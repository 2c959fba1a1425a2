#pragma once
// Pan and zoom: which axis ranges each panel shows instead of its own. Works in pixels through the panel's transform, so logarithmic and
// reversed axes need no case of their own. Not thread-safe.

#include <map>
#include <optional>
#include <string>

#include "core/figure/figure.h"

namespace orrery::app {

class ViewState {
 public:
  std::optional<Bounds> of(const std::string& panel) const;
  // The content follows the pointer by `delta` px from where it was at `start`.
  void pan(const PanelPlacement& start, Vec2 delta);
  // `factor` > 1 magnifies; the data under `at` stay where they are.
  void zoom(const PanelPlacement& panel, Vec2 at, double factor, bool horizontally, bool vertically);
  void fit(const std::string& panel) { views_.erase(panel); }
  void fitAll() { views_.clear(); }
  const std::map<std::string, Bounds>& all() const { return views_; }

 private:
  void show(const PanelPlacement& panel, const Rect& pixels);
  std::map<std::string, Bounds> views_;
};

}  // namespace orrery::app
