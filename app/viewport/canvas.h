#pragma once
// The window side of a canvas: a QWindow with a Vulkan surface, and what the pointer does in it. Everything slow is posted: drawing to the
// render thread, probing to the session's worker.

#include <QElapsedTimer>
#include <QPointer>
#include <QTimer>
#include <QWindow>
#include <memory>
#include <optional>

#include "app/viewport/canvas_state.h"
#include "app/viewport/render_thread.h"
#include "app/viewport/viewport.h"

namespace orrery::app {

class CanvasWindow;

class Viewport::Canvas {
 public:
  explicit Canvas(Viewport& owner);
  ~Canvas();

  CanvasWindow* window() { return window_; }  // owned by its container once there is one
  void setSession(Session* session);
  void pictureChanged();
  void change(const std::function<void(CanvasState&)>& edit);  // under the mutex; the picture is drawn again
  template <class T>
  T read(T (*get)(const CanvasState&)) const {
    const std::scoped_lock lock(state_->mutex);
    return get(*state_);
  }
  QImage grab();
  void fit(const std::string& panel);  // empty = all

  // From the window.
  void windowChanged();  // size, exposure, screen
  void surfaceGoes();    // before the native window is destroyed
  void mousePressed(QMouseEvent* event);
  void mouseMoved(QMouseEvent* event);
  void mouseReleased(QMouseEvent* event);
  void mouseDoubleClicked(QMouseEvent* event);
  void wheel(QWheelEvent* event);
  void keyPressed(QKeyEvent* event);
  void pointerLeft();
  bool dragEvent(QEvent* event);

 private:
  struct Mailbox;
  struct Hit {
    const PanelPlacement* panel = nullptr;
    const Panel* description = nullptr;
    const Handle* handle = nullptr;
    bool inArea = false;
  };
  std::shared_ptr<const Drawn> drawn() const;
  Hit hitAt(const Drawn& drawn, Vec2 at) const;
  void drawnChanged();
  void probeAt(Vec2 at);
  void sendProbe();
  void probed();
  void clearHover();
  void setHot(const Hit& hit, bool grabbed);
  void updateCursor(const Hit& hit);
  void send(PointerEvent::Kind kind, Vec2 at, Qt::KeyboardModifiers modifiers);
  void togglePin(Vec2 at);
  void lost(std::shared_ptr<gpu::Device> device);

  Viewport& owner_;
  std::shared_ptr<CanvasState> state_;
  Session* session_ = nullptr;  // only used on the window's thread
  std::shared_ptr<Mailbox> mailbox_;
  QPointer<CanvasWindow> window_;
  std::unique_ptr<RenderThread> thread_;

  // The pointer.
  Vec2 pointer_{};
  bool pointerInside_ = false;
  bool probeWanted_ = false, probeRunning_ = false;
  std::string hoverText_, hoverPanel_;
  QTimer probeAgain_;  // after a new picture: the same place has new values
  struct Press {
    Qt::MouseButton button = Qt::NoButton;
    Vec2 at{};
    PanelPlacement panel;  // as it was when the button went down
    std::string handle;
    bool inArea = false, paints = false, moved = false;
    std::array<double, 2> data{};
  };
  std::optional<Press> press_;
  QElapsedTimer lastRecovery_;
};

class CanvasWindow : public QWindow {
  Q_OBJECT

 public:
  explicit CanvasWindow(Viewport::Canvas& canvas);
  void detach() { canvas_ = nullptr; }

 protected:
  bool event(QEvent* event) override;
  void exposeEvent(QExposeEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;

 private:
  Viewport::Canvas* canvas_;
};

}  // namespace orrery::app
