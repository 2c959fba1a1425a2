#pragma once
// The canvas: a QWindow with a Vulkan surface and a swapchain of ours inside a QWidget container, drawn by a render thread of its own on
// the session's device. The window's thread never waits for the GPU. Owns pan, zoom, hover, handles and the ImGui overlay.

#include <QWidget>
#include <memory>
#include <optional>
#include <string>

#include "core/figure/figure.h"
#include "core/session/session.h"

namespace orrery::app {

class Viewport : public QWidget {
  Q_OBJECT

 public:
  explicit Viewport(QWidget* parent = nullptr);
  ~Viewport() override;

  // The session whose pictures are shown; not owned, must outlive its use here (call setSession(nullptr) first). Takes the observer role
  // away from nobody: the shell calls pictureChanged() when the session reports something new.
  void setSession(Session* session);
  void pictureChanged();  // may be called from any thread

  void setTheme(ThemeKind theme);
  void setOverlayVisible(bool visible);  // probes and GPU timings (key H)
  bool overlayVisible() const;
  void setReduceMotion(bool reduce);

  void fit();  // resets pan and zoom of all panels (key F)
  // Options for an export that shows what the canvas shows (pan, zoom), for the given theme.
  LayoutOptions exportOptions(ThemeKind theme) const;

  // The canvas as it is now (screenshots, tests, copy figure). Blocks until the next frame is drawn.
  QImage grabCanvas();
  double framesPerSecond() const;   // of presented frames during the last second
  quint64 presentedFrames() const;  // since start

 signals:
  void hovered(const QString& text);  // exact values under the pointer, one line; empty when nothing
  void contextMenuRequested(const QPoint& globalPosition, const QString& panelId, const QString& valueText);
  void filesHovering(const QStringList& paths);  // drag over the canvas; empty list = left
  void filesDropped(const QStringList& paths);
  void keyPressed(int key, Qt::KeyboardModifiers modifiers);  // keys the canvas does not use itself
  void failed(const QString& message);                        // the surface or device cannot be used; the shell shows it

 public:
  class Canvas;  // canvas.h

 private:
  std::unique_ptr<Canvas> canvas_;
};

}  // namespace orrery::app
