#include <QDragEnterEvent>
#include <QKeyEvent>
#include <QMimeData>
#include <QMouseEvent>
#include <QPlatformSurfaceEvent>
#include <QWheelEvent>

#include "app/viewport/canvas.h"
#include "app/viewport/vulkan_window.h"

namespace orrery::app {

CanvasWindow::CanvasWindow(Viewport::Canvas& canvas) : canvas_(&canvas) {
  setSurfaceType(QSurface::VulkanSurface);
  if (QVulkanInstance* instance = qtVulkanInstance()) setVulkanInstance(instance);
}

void CanvasWindow::exposeEvent(QExposeEvent*) {
  if (canvas_) canvas_->windowChanged();
}

void CanvasWindow::resizeEvent(QResizeEvent*) {
  if (canvas_) canvas_->windowChanged();
}

bool CanvasWindow::event(QEvent* event) {
  if (!canvas_) return QWindow::event(event);
  switch (event->type()) {
    case QEvent::PlatformSurface:
      if (static_cast<QPlatformSurfaceEvent*>(event)->surfaceEventType() == QPlatformSurfaceEvent::SurfaceAboutToBeDestroyed)
        canvas_->surfaceGoes();
      break;
    case QEvent::MouseButtonPress:
      canvas_->mousePressed(static_cast<QMouseEvent*>(event));
      return true;
    case QEvent::MouseMove:
      canvas_->mouseMoved(static_cast<QMouseEvent*>(event));
      return true;
    case QEvent::MouseButtonRelease:
      canvas_->mouseReleased(static_cast<QMouseEvent*>(event));
      return true;
    case QEvent::MouseButtonDblClick:
      canvas_->mouseDoubleClicked(static_cast<QMouseEvent*>(event));
      return true;
    case QEvent::Wheel:
      canvas_->wheel(static_cast<QWheelEvent*>(event));
      return true;
    case QEvent::KeyPress:
      canvas_->keyPressed(static_cast<QKeyEvent*>(event));
      return true;
    case QEvent::Leave:
      canvas_->pointerLeft();
      break;
    case QEvent::DragEnter:
    case QEvent::DragMove:
    case QEvent::DragLeave:
    case QEvent::Drop:
      if (canvas_->dragEvent(event)) return true;
      break;
    default:
      break;
  }
  return QWindow::event(event);
}

}  // namespace orrery::app
