#pragma once
// The thread that draws a canvas: takes the newest state, lays the figure out, records, presents; sleeps when nothing changes.
// It waits for fences, so that the window's thread never does.

#include <memory>
#include <thread>

#include "app/viewport/canvas_state.h"

namespace orrery::app {

class CanvasDevice;

class RenderThread {
 public:
  explicit RenderThread(std::shared_ptr<CanvasState> state);
  ~RenderThread();  // stops and joins

 private:
  struct Snapshot;
  void run();
  bool takeSnapshot(std::unique_lock<std::mutex>& lock, Snapshot& snapshot);
  void frame(const Snapshot& snapshot);
  bool layOutIfNeeded(const Snapshot& snapshot);
  void dropDevice();

  std::shared_ptr<CanvasState> state_;
  std::unique_ptr<CanvasDevice> device_;
  std::shared_ptr<gpu::Device> lost_;  // not to be used again

  // The last layout and what it was made from.
  std::shared_ptr<const Drawn> drawn_;
  float layoutWidth_ = 0, layoutHeight_ = 0;
  ThemeKind layoutTheme_ = ThemeKind::dark;
  std::uint64_t layoutView_ = 0;
  bool busyShown_ = false;
  double layoutMilliseconds_ = 0, drawMilliseconds_ = 0;
  std::chrono::steady_clock::time_point lastFrame_{}, began_ = std::chrono::steady_clock::now();
  std::string lastFailure_;
  std::thread thread_;  // last: starts when everything else is there
};

}  // namespace orrery::app
