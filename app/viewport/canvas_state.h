#pragma once
// What the window's thread and the render thread share. All fields are guarded by `mutex`; `wake` tells the render thread that something
// changed, `answer` tells waiting callers that it has done what they asked for.

#include <vulkan/vulkan.h>

#include <QImage>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "app/viewport/view_state.h"
#include "core/figure/figure.h"
#include "core/session/session.h"

namespace orrery::app {

// A read-out: lines of text at a place in a panel's data coordinates.
struct Readout {
  std::string panel;
  double x = 0, y = 0;
  std::vector<std::string> lines;
};

// What lies above the figure.
struct Decorations {
  std::optional<Readout> hover;
  Vec2 pointer;  // the hover card stands beside it
  std::vector<Readout> pins;
  std::string pointerPanel;         // the panel under the pointer shows its handles
  std::string hotPanel, hotHandle;  // the handle under the pointer, or grabbed
  bool grabbed = false;
};

// The last layout that was drawn: what picking works on.
struct Drawn {
  std::shared_ptr<const Picture> picture;
  Layout layout;
};

struct CanvasState {
  std::mutex mutex;
  std::condition_variable wake, answer;

  // Written by the window's thread.
  Session* session = nullptr;
  ThemeKind theme = ThemeKind::dark;
  bool overlayVisible = false, reduceMotion = false;
  VkSurfaceKHR surface = VK_NULL_HANDLE;
  bool exposed = false;
  float width = 0, height = 0, scale = 1;  // logical px, device px per logical px
  ViewState view;
  std::uint64_t viewVersion = 0;
  Decorations decorations;
  bool dirty = false, quit = false;
  int grabsWanted = 0;

  // Written by the render thread.
  std::shared_ptr<const Drawn> drawn;
  VkSurfaceKHR surfaceInUse = VK_NULL_HANDLE;
  QImage grabbed;
  int grabsDone = 0;
  std::uint64_t presented = 0;
  std::deque<std::chrono::steady_clock::time_point> presentTimes;  // of the last second before the newest

  // Called by the render thread without the mutex; they only post to the window's thread.
  std::function<void()> onDrawn;
  std::function<void(std::string)> onFailed;
  std::function<void(std::shared_ptr<gpu::Device>)> onLost;
};

}  // namespace orrery::app
