#include "app/viewport/canvas.h"

#include <QCoreApplication>
#include <QDragEnterEvent>
#include <QKeyEvent>
#include <QMimeData>
#include <QUrl>
#include <algorithm>
#include <cmath>

#include "app/viewport/decorations.h"
#include "app/viewport/vulkan_window.h"
#include "core/base/text.h"
#include "core/figure/fonts.h"

namespace orrery::app {

namespace {

// How long grab() waits for a first picture before it takes what there is.
constexpr int grabPatience = 10'000;  // ms
// A device is opened anew for a canvas at most this often; the session's own recovery has the same rhythm.
constexpr qint64 recoveryPause = 60'000;  // ms
// While the picture moves, what the pointer shows is asked for again this often.
constexpr int probeInterval = 100;        // ms
constexpr float interactiveUnit = 1.25f;  // px per point on the live canvas, as layOut() has it

}  // namespace

// Probes run on the session's worker and may outlive the canvas: the mailbox is what both hold.
struct Viewport::Canvas::Mailbox {
  std::mutex mutex;
  std::function<void()> post;  // queues probed() on the window's thread; empty when the canvas is gone
  bool done = false;
  std::optional<Readout> readout;
};

Viewport::Canvas::Canvas(Viewport& owner)
    : owner_(owner), state_(std::make_shared<CanvasState>()), mailbox_(std::make_shared<Mailbox>()), window_(new CanvasWindow(*this)) {
  const auto post = [this](auto&& call) {
    QMetaObject::invokeMethod(window_.data(), std::forward<decltype(call)>(call), Qt::QueuedConnection);
  };
  state_->onDrawn = [this, post] { post([this] { drawnChanged(); }); };
  state_->onFailed = [this, post](std::string message) {
    post([this, message = std::move(message)] { emit owner_.failed(QString::fromStdString(message)); });
  };
  state_->onLost = [this, post](std::shared_ptr<gpu::Device> device) { post([this, device = std::move(device)] { lost(device); }); };
  mailbox_->post = [this, post] { post([this] { probed(); }); };
  probeAgain_.setSingleShot(true);
  probeAgain_.setInterval(probeInterval);
  QObject::connect(&probeAgain_, &QTimer::timeout, window_.data(), [this] {
    if (pointerInside_ && !press_) probeAt(pointer_);
  });
  thread_ = std::make_unique<RenderThread>(state_);
}

Viewport::Canvas::~Canvas() {
  {
    const std::scoped_lock lock(mailbox_->mutex);
    mailbox_->post = {};
  }
  thread_.reset();  // joined: no callback comes any more
  if (window_) window_->detach();
}

void Viewport::Canvas::change(const std::function<void(CanvasState&)>& edit) {
  {
    const std::scoped_lock lock(state_->mutex);
    edit(*state_);
    state_->dirty = true;
  }
  state_->wake.notify_all();
}

void Viewport::Canvas::setSession(Session* session) {
  session_ = session;
  probeRunning_ = probeWanted_ = false;
  press_.reset();
  {
    const std::scoped_lock lock(mailbox_->mutex);
    mailbox_->done = false;
    mailbox_->readout.reset();
  }
  change([session](CanvasState& state) {
    state.session = session;
    state.decorations = {};
    state.view.fitAll();
    ++state.viewVersion;
  });
}

void Viewport::Canvas::pictureChanged() {
  change([](CanvasState&) {});
}

void Viewport::Canvas::fit(const std::string& panel) {
  change([&panel](CanvasState& state) {
    if (panel.empty())
      state.view.fitAll();
    else
      state.view.fit(panel);
    ++state.viewVersion;
  });
}

QImage Viewport::Canvas::grab() {
  QElapsedTimer timer;
  timer.start();
  for (;;) {
    std::unique_lock lock(state_->mutex);
    const int wanted = ++state_->grabsWanted;
    state_->wake.notify_all();
    const auto rest = std::chrono::milliseconds(std::max<qint64>(1, grabPatience - timer.elapsed()));
    const bool answered = state_->answer.wait_for(lock, rest, [&] { return state_->grabsDone >= wanted || state_->quit; });
    const bool waitsForFirst = state_->session && !(state_->drawn && state_->drawn->picture) && !state_->session->error();
    if (!answered || !waitsForFirst || timer.elapsed() >= grabPatience) return std::exchange(state_->grabbed, {});
    state_->answer.wait_for(lock, std::chrono::milliseconds(20));
  }
}

void Viewport::Canvas::windowChanged() {
  QVulkanInstance* instance = qtVulkanInstance();
  const bool exposed = window_->isExposed();
  VkSurfaceKHR surface = VK_NULL_HANDLE;
  if (exposed && instance) {
    surface = QVulkanInstance::surfaceForWindow(window_.data());
    if (surface == VK_NULL_HANDLE)
      emit owner_.failed(QCoreApplication::translate("Canvas", "This display does not let Vulkan draw into a window."));
  }
  const QSize size = window_->size();
  const auto ratio = static_cast<float>(window_->devicePixelRatio());
  change([&](CanvasState& state) {
    state.exposed = exposed && surface != VK_NULL_HANDLE;
    if (surface != VK_NULL_HANDLE) state.surface = surface;
    state.width = static_cast<float>(size.width());
    state.height = static_cast<float>(size.height());
    state.scale = ratio;
  });
}

void Viewport::Canvas::surfaceGoes() {
  std::unique_lock lock(state_->mutex);
  state_->surface = VK_NULL_HANDLE;
  state_->exposed = false;
  state_->dirty = true;
  state_->wake.notify_all();
  // The only wait for the GPU on this thread: the native window must not go before the swapchain on it.
  state_->answer.wait(lock, [this] { return state_->surfaceInUse == VK_NULL_HANDLE; });
}

std::shared_ptr<const Drawn> Viewport::Canvas::drawn() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->drawn;
}

void Viewport::Canvas::drawnChanged() {
  if (pointerInside_ && !press_ && !probeAgain_.isActive()) probeAgain_.start();
}

// --- Probing

void Viewport::Canvas::probeAt(Vec2 at) {
  pointer_ = at;
  probeWanted_ = true;
  sendProbe();
}

void Viewport::Canvas::sendProbe() {
  if (!probeWanted_ || probeRunning_ || !session_) return;
  probeWanted_ = false;
  const auto shown = drawn();
  if (!shown || !shown->picture) return clearHover();
  const Hit hit = hitAt(*shown, pointer_);
  if (!hit.panel || !hit.inArea || !hit.description || !hit.description->message.empty()) return clearHover();
  probeRunning_ = true;
  const ThemeKind theme = read<ThemeKind>([](const CanvasState& state) { return state.theme; });
  session_->onWorker([mailbox = mailbox_, shown, id = hit.panel->id, at = pointer_, theme] {
    std::optional<Readout> readout;
    const Panel* panel = panelOf(shown->picture->figure, id);
    const PanelPlacement* placement = placementOf(shown->layout, id);
    if (panel && placement) {
      const Frame frame{placement->area, placement->transform, themeOf(theme), Fonts::shared(), interactiveUnit, true};
      float nearest = 1e30f;
      try {
        for (const auto& mark : panel->marks) {
          const auto probe = mark ? mark->probe(frame, at) : std::nullopt;
          // The mark drawn last lies on top.
          if (!probe || probe->lines.empty() || probe->distance > nearest) continue;
          nearest = probe->distance;
          readout = Readout{id, probe->x, probe->y, probe->lines};
        }
      } catch (const std::exception&) {
        // A lost device or full memory: the next update reports it; there is nothing to read here.
        readout.reset();
      }
    }
    const std::scoped_lock lock(mailbox->mutex);
    mailbox->readout = std::move(readout);
    mailbox->done = true;
    if (mailbox->post) mailbox->post();
  });
}

void Viewport::Canvas::probed() {
  std::optional<Readout> readout;
  {
    const std::scoped_lock lock(mailbox_->mutex);
    if (!mailbox_->done) return;
    mailbox_->done = false;
    readout = std::move(mailbox_->readout);
  }
  probeRunning_ = false;
  if (!pointerInside_ || press_) readout.reset();
  std::string text;
  if (readout) {
    for (const std::string& line : readout->lines) text += (text.empty() ? "" : " · ") + line;
  }
  hoverPanel_ = readout ? readout->panel : "";
  change([&](CanvasState& state) {
    state.decorations.hover = std::move(readout);
    state.decorations.pointer = pointer_;
  });
  if (text != hoverText_) {
    hoverText_ = text;
    emit owner_.hovered(QString::fromStdString(hoverText_));
  }
  sendProbe();
}

void Viewport::Canvas::clearHover() {
  bool had = false;
  {
    const std::scoped_lock lock(state_->mutex);
    had = state_->decorations.hover.has_value();
  }
  if (had) change([](CanvasState& state) { state.decorations.hover.reset(); });
  if (!hoverText_.empty()) {
    hoverText_.clear();
    hoverPanel_.clear();
    emit owner_.hovered({});
  }
}

void Viewport::Canvas::lost(std::shared_ptr<gpu::Device> device) {
  if (!session_ || session_->device() != device) return;  // the session has noticed by itself
  if (lastRecovery_.isValid() && lastRecovery_.elapsed() < recoveryPause) {
    emit owner_.failed(
        QCoreApplication::translate("Canvas", "The GPU device was lost twice within a minute; choose another one in the device menu."));
    return;
  }
  lastRecovery_.start();
  session_->onWorker([session = session_, device] {
    if (session->device() != device) return;
    if (auto opened = gpu::Device::open()) session->setDevice(*opened);
  });
}

}  // namespace orrery::app
