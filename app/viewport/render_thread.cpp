#include "app/viewport/render_thread.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "app/viewport/canvas_device.h"
#include "app/viewport/decorations.h"
#include "core/base/text.h"
#include "core/figure/fonts.h"

namespace orrery::app {

namespace {

using Clock = std::chrono::steady_clock;

// Work shorter than this shows no busy state (look.md).
constexpr double busyAfter = 0.2;
// The line of unknown progress moves this often; faster would take time from the work it reports.
constexpr auto busyInterval = std::chrono::milliseconds(66);
constexpr double busyPeriod = 1.6;  // seconds from side to side
// No display needs more; a mouse may report 1,000 moves a second.
constexpr auto shortestFrame = std::chrono::microseconds(8000);

double millisecondsSince(Clock::time_point start) { return std::chrono::duration<double, std::milli>(Clock::now() - start).count(); }

}  // namespace

struct RenderThread::Snapshot {
  std::shared_ptr<const Picture> picture;
  std::shared_ptr<gpu::Device> device;
  BusyLook busy;
  bool stillBusy = false;  // look again soon
  double busySeconds = 0;
  ThemeKind theme = ThemeKind::dark;
  bool overlayVisible = false;
  VkSurfaceKHR surface = VK_NULL_HANDLE;
  float width = 0, height = 0, scale = 1;
  ViewState view;
  std::uint64_t viewVersion = 0;
  Decorations decorations;
  double framesPerSecond = 0;
  bool grab = false;
};

RenderThread::RenderThread(std::shared_ptr<CanvasState> state) : state_(std::move(state)), thread_([this] { run(); }) {}

RenderThread::~RenderThread() {
  {
    const std::scoped_lock lock(state_->mutex);
    state_->quit = true;
  }
  state_->wake.notify_all();
  thread_.join();
}

void RenderThread::run() {
  CanvasState& state = *state_;
  std::unique_lock lock(state.mutex);
  constexpr auto never = Clock::time_point::max();
  auto lookAgain = never;
  while (!state.quit) {
    // Give a surface back that is about to be destroyed.
    if (state.surfaceInUse != VK_NULL_HANDLE && state.surfaceInUse != state.surface) {
      lock.unlock();
      if (device_) device_->releaseSurface();
      lock.lock();
      state.surfaceInUse = VK_NULL_HANDLE;
      state.answer.notify_all();
      continue;
    }
    const bool wantsGrab = state.grabsDone < state.grabsWanted;
    const auto now = Clock::now();
    if (!state.dirty && !wantsGrab && now < lookAgain) {
      if (lookAgain != never)
        state.wake.wait_until(lock, lookAgain);
      else
        state.wake.wait(lock);
      continue;
    }
    if (now - lastFrame_ < shortestFrame && !wantsGrab) {
      state.wake.wait_until(lock, lastFrame_ + shortestFrame);
      if (Clock::now() - lastFrame_ < shortestFrame) continue;
    }
    Snapshot snapshot;
    const bool needed = takeSnapshot(lock, snapshot);
    lookAgain = never;
    if (snapshot.stillBusy) {
      lookAgain = Clock::now() + (snapshot.busy.shown ? Clock::duration(busyInterval)
                                                      : std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(
                                                            std::max(0.01, busyAfter - snapshot.busySeconds + 0.005))));
    }
    if (!needed) continue;
    const int grabs = state.grabsWanted;
    lock.unlock();
    std::string failure;
    try {
      frame(snapshot);
    } catch (const gpu::DeviceLost&) {
      lost_ = snapshot.device;
      dropDevice();
      if (state.onLost) state.onLost(lost_);
    } catch (const SurfaceLost&) {
      if (device_) device_->releaseSurface();
    } catch (const std::exception& problem) {
      failure = problem.what();
      dropDevice();
    }
    lastFrame_ = Clock::now();
    if (failure != lastFailure_) {
      lastFailure_ = failure;
      if (!failure.empty() && state.onFailed) state.onFailed(failure);
    }
    const bool again = device_ && device_->wantsAnotherTry() && snapshot.surface != VK_NULL_HANDLE;
    lock.lock();
    state.dirty = state.dirty || again;
    if (state.grabsDone < grabs && !again) {
      state.grabsDone = grabs;
      state.answer.notify_all();
    }
  }
  state.surface = VK_NULL_HANDLE;
  lock.unlock();
  dropDevice();
  drawn_.reset();
  lock.lock();
  state.surfaceInUse = VK_NULL_HANDLE;
  state.grabsDone = state.grabsWanted;
  state.answer.notify_all();
}

// Copies what a frame needs; false when there is nothing new to draw.
bool RenderThread::takeSnapshot(std::unique_lock<std::mutex>&, Snapshot& snapshot) {
  CanvasState& state = *state_;
  bool changed = state.dirty;
  state.dirty = false;
  snapshot.grab = state.grabsDone < state.grabsWanted;
  if (state.session) {
    const auto preview = state.session->preview();
    snapshot.busy.previewed = preview != nullptr;
    snapshot.picture = preview ? preview : state.session->picture();
    snapshot.device = snapshot.picture ? snapshot.picture->device : state.session->device();
    const Progress progress = state.session->progress();
    snapshot.stillBusy = progress.busy;
    snapshot.busySeconds = progress.seconds;
    snapshot.busy.shown = progress.busy && progress.seconds >= busyAfter;
    snapshot.busy.fraction = progress.fraction;
    const double seconds = std::chrono::duration<double>(Clock::now() - began_).count();
    snapshot.busy.phase = state.reduceMotion ? 0.5 : std::fmod(seconds / busyPeriod, 1.0);
  }
  changed = changed || snapshot.grab || snapshot.busy.shown || busyShown_;
  busyShown_ = snapshot.busy.shown;
  if (!changed) return false;
  snapshot.theme = state.theme;
  snapshot.overlayVisible = state.overlayVisible;
  snapshot.width = state.width;
  snapshot.height = state.height;
  snapshot.scale = state.scale;
  snapshot.view = state.view;
  snapshot.viewVersion = state.viewVersion;
  snapshot.decorations = state.decorations;
  if (state.exposed) snapshot.surface = state.surface;
  state.surfaceInUse = snapshot.surface != VK_NULL_HANDLE ? snapshot.surface : state.surfaceInUse;
  const auto oldest = Clock::now() - std::chrono::seconds(1);
  snapshot.framesPerSecond =
      static_cast<double>(std::count_if(state.presentTimes.begin(), state.presentTimes.end(), [&](auto t) { return t >= oldest; }));
  return snapshot.width >= 1 && snapshot.height >= 1;
}

void RenderThread::dropDevice() { device_.reset(); }

void RenderThread::frame(const Snapshot& snapshot) {
  if (!snapshot.device || snapshot.device == lost_) return;
  if (!device_ || device_->device() != snapshot.device) {
    dropDevice();
    device_ = std::make_unique<CanvasDevice>(snapshot.device);
  }
  const bool laidOut = layOutIfNeeded(snapshot);
  const Theme& theme = themeOf(snapshot.theme);
  const DisplayList above = decorationsOf(*drawn_, snapshot.decorations, snapshot.busy, theme, Fonts::shared());

  const auto start = Clock::now();
  QImage grabbed;
  bool shown = false;
  if (snapshot.surface != VK_NULL_HANDLE) {
    OverlayContent overlay;
    if (snapshot.overlayVisible) {
      overlay.width = snapshot.width;
      overlay.height = snapshot.height;
      overlay.scale = snapshot.scale;
      overlay.theme = snapshot.theme;
      const auto milliseconds = [](double value) { return fmt::format("{:.2f} ms", value); };
      if (drawn_->picture) {
        overlay.rows.emplace_back(tr("Update"), milliseconds(drawn_->picture->updateMilliseconds));
        for (const gpu::Timing& timing : drawn_->picture->timings)
          overlay.rows.emplace_back(timing.name, milliseconds(timing.milliseconds));
      }
      overlay.rows.emplace_back(tr("Layout"), milliseconds(layoutMilliseconds_));
      overlay.rows.emplace_back(tr("Drawing"), milliseconds(drawMilliseconds_));
      overlay.rows.emplace_back(tr("Frames per second"), fmt::format("{:.0f}", snapshot.framesPerSecond));
      for (const Readout& pin : snapshot.decorations.pins) {
        std::string line;
        for (const std::string& part : pin.lines) line += (line.empty() ? "" : " · ") + part;
        overlay.probes.push_back(std::move(line));
      }
    }
    const auto pixels = [&](float length) { return static_cast<std::uint32_t>(std::max(1.0f, std::round(length * snapshot.scale))); };
    shown = device_->present(snapshot.surface, pixels(snapshot.width), pixels(snapshot.height), drawn_->layout.list, above, snapshot.scale,
                             snapshot.overlayVisible ? &overlay : nullptr, snapshot.grab ? &grabbed : nullptr);
    if (shown) drawMilliseconds_ = millisecondsSince(start);
  }
  const bool comesLater = snapshot.surface != VK_NULL_HANDLE && !shown && device_->wantsAnotherTry();
  if (snapshot.grab && grabbed.isNull() && !comesLater) {
    // There is no window to read from: draw the same lists off screen.
    DisplayList both = drawn_->layout.list;
    both.items.insert(both.items.end(), above.items.begin(), above.items.end());
    const render::Pixels pixels = device_->renderer().draw(both, snapshot.scale);
    grabbed = QImage(pixels.rgba.data(), pixels.width, pixels.height, 4 * pixels.width, QImage::Format_RGBX8888)
                  .convertToFormat(QImage::Format_RGB32)
                  .copy();
  }
  {
    CanvasState& state = *state_;
    const std::scoped_lock lock(state.mutex);
    if (laidOut) state.drawn = drawn_;
    if (snapshot.grab && !comesLater) {
      grabbed.setDevicePixelRatio(static_cast<qreal>(snapshot.scale));
      state.grabbed = grabbed;
    }
    if (shown) {
      ++state.presented;
      const auto now = Clock::now();
      state.presentTimes.push_back(now);
      while (state.presentTimes.front() < now - std::chrono::seconds(1)) state.presentTimes.pop_front();
    }
  }
  if (laidOut && state_->onDrawn) state_->onDrawn();
}

bool RenderThread::layOutIfNeeded(const Snapshot& snapshot) {
  if (drawn_ && drawn_->picture == snapshot.picture && layoutWidth_ == snapshot.width && layoutHeight_ == snapshot.height &&
      layoutTheme_ == snapshot.theme && layoutView_ == snapshot.viewVersion) {
    return false;
  }
  const auto start = Clock::now();
  auto drawn = std::make_shared<Drawn>();
  drawn->picture = snapshot.picture;
  LayoutOptions options;
  options.theme = snapshot.theme;
  options.interactive = true;
  options.view = [&snapshot](const std::string& panel) { return snapshot.view.of(panel); };
  static const Figure nothing;
  drawn->layout =
      layOut(snapshot.picture ? snapshot.picture->figure : nothing, {snapshot.width, snapshot.height}, Fonts::shared(), options);
  drawn_ = std::move(drawn);
  layoutWidth_ = snapshot.width;
  layoutHeight_ = snapshot.height;
  layoutTheme_ = snapshot.theme;
  layoutView_ = snapshot.viewVersion;
  layoutMilliseconds_ = millisecondsSince(start);
  return true;
}

}  // namespace orrery::app
