// What the pointer and the keys do in a canvas: hover reads out, click pins, drag pans or moves a handle, the wheel zooms, a double click
// fits.

#include <QDragEnterEvent>
#include <QGuiApplication>
#include <QKeyEvent>
#include <QMimeData>
#include <QMouseEvent>
#include <QStyleHints>
#include <QUrl>
#include <QWheelEvent>
#include <algorithm>
#include <cmath>

#include "app/viewport/canvas.h"
#include "app/viewport/decorations.h"

namespace orrery::app {

namespace {

// One notch of a wheel (120 units) magnifies by 1.2.
constexpr double zoomPerUnit = 1.0 / 120;
constexpr double zoomPerNotch = 1.2;
constexpr std::size_t mostPins = 12;

Vec2 positionOf(const QSinglePointEvent* event) {
  return {static_cast<float>(event->position().x()), static_cast<float>(event->position().y())};
}

QStringList filesOf(const QMimeData* data) {
  QStringList paths;
  if (!data || !data->hasUrls()) return paths;
  for (const QUrl& url : data->urls()) {
    if (url.isLocalFile()) paths << url.toLocalFile();
  }
  return paths;
}

// The transform of an axis that shows `range` between two pixels.
void fitAxis(const Range& range, bool log, float pixelLow, float pixelHigh, double& scale, double& offset) {
  const double low = log ? std::log10(range.low) : range.low, high = log ? std::log10(range.high) : range.high;
  scale = (static_cast<double>(pixelHigh) - static_cast<double>(pixelLow)) / (high - low);
  offset = static_cast<double>(pixelLow) - scale * low;
}

bool paintsIn(const Panel* panel) {
  return panel &&
         std::any_of(panel->handles.begin(), panel->handles.end(), [](const Handle& handle) { return handle.id.starts_with("paint"); });
}

}  // namespace

Viewport::Canvas::Hit Viewport::Canvas::hitAt(const Drawn& drawn, Vec2 at) const {
  Hit hit;
  for (const PanelPlacement& panel : drawn.layout.panels) {
    if (panel.card.contains(at)) hit.panel = &panel;
  }
  if (!hit.panel) return hit;
  hit.inArea = hit.panel->area.contains(at);
  hit.description = drawn.picture ? panelOf(drawn.picture->figure, hit.panel->id) : nullptr;
  if (!hit.description) return hit;
  // The nearest handle; points win over lines that cross them.
  float nearest = handleReach;
  for (const Handle& handle : hit.description->handles) {
    if (handle.id.starts_with("paint")) continue;
    float distance = distanceTo(handle, *hit.panel, at);
    if (distance < 0 || distance > handleReach) continue;
    if (handle.kind == Handle::Kind::point) distance *= 0.5f;
    if (distance <= nearest) {
      nearest = distance;
      hit.handle = &handle;
    }
  }
  return hit;
}

void Viewport::Canvas::setHot(const Hit& hit, bool grabbed) {
  const std::string panel = hit.panel ? hit.panel->id : "", handle = hit.handle ? hit.handle->id : "";
  const std::string hotPanel = hit.handle ? panel : "";
  bool same = false;
  {
    const std::scoped_lock lock(state_->mutex);
    const Decorations& now = state_->decorations;
    same = now.pointerPanel == panel && now.hotPanel == hotPanel && now.hotHandle == handle && now.grabbed == grabbed;
  }
  if (same) return;
  change([&](CanvasState& state) {
    state.decorations.pointerPanel = panel;
    state.decorations.hotPanel = hotPanel;
    state.decorations.hotHandle = handle;
    state.decorations.grabbed = grabbed;
  });
}

void Viewport::Canvas::updateCursor(const Hit& hit) {
  Qt::CursorShape shape = Qt::ArrowCursor;
  if (hit.handle) {
    shape = hit.handle->kind == Handle::Kind::verticalLine     ? Qt::SizeHorCursor
            : hit.handle->kind == Handle::Kind::horizontalLine ? Qt::SizeVerCursor
                                                               : Qt::SizeAllCursor;
  } else if (hit.inArea && paintsIn(hit.description)) {
    shape = Qt::CrossCursor;
  }
  if (window_->cursor().shape() != shape) window_->setCursor(shape);
}

void Viewport::Canvas::send(PointerEvent::Kind kind, Vec2 at, Qt::KeyboardModifiers modifiers) {
  if (!session_ || !press_) return;
  // The panel may have moved under the pointer since the press; its newest transform counts.
  const auto shown = drawn();
  const PanelPlacement* now = shown ? placementOf(shown->layout, press_->panel.id) : nullptr;
  const auto data = (now ? *now : press_->panel).transform.invert(at);
  PointerEvent event;
  event.kind = kind;
  event.panel = press_->panel.id;
  event.handle = press_->handle;
  event.x = data[0];
  event.y = data[1];
  event.fromX = press_->data[0];
  event.fromY = press_->data[1];
  event.shift = modifiers.testFlag(Qt::ShiftModifier);
  event.control = modifiers.testFlag(Qt::ControlModifier);
  event.alternate = modifiers.testFlag(Qt::AltModifier) || press_->button == Qt::RightButton;
  session_->pointer(event);
}

void Viewport::Canvas::mousePressed(QMouseEvent* event) {
  window_->requestActivate();
  pointer_ = positionOf(event);
  if (press_) return;  // a second button while one is down
  const auto shown = drawn();
  if (!shown) return;
  const Hit hit = hitAt(*shown, pointer_);
  if (!hit.panel) return;
  Press press;
  press.button = event->button();
  press.at = pointer_;
  press.panel = *hit.panel;
  press.inArea = hit.inArea;
  press.data = hit.panel->transform.invert(pointer_);
  const bool usable = hit.description && hit.description->message.empty();
  if (usable && press.button == Qt::LeftButton && hit.handle) press.handle = hit.handle->id;
  press.paints = usable && press.handle.empty() && hit.inArea && press.button != Qt::MiddleButton && paintsIn(hit.description);
  press_ = press;
  if (!press.handle.empty()) {
    setHot(hit, true);
    send(PointerEvent::Kind::press, pointer_, event->modifiers());
  } else if (press.paints && press.button == Qt::LeftButton) {
    send(PointerEvent::Kind::press, pointer_, event->modifiers());
  }
}

void Viewport::Canvas::mouseMoved(QMouseEvent* event) {
  pointer_ = positionOf(event);
  pointerInside_ = true;
  if (!press_) {
    const auto shown = drawn();
    if (!shown) return;
    const Hit hit = hitAt(*shown, pointer_);
    updateCursor(hit);
    setHot(hit, false);
    probeAt(pointer_);
    return;
  }
  Press& press = *press_;
  const Vec2 delta{pointer_.x - press.at.x, pointer_.y - press.at.y};
  if (!press.moved) {
    if (std::hypot(delta.x, delta.y) < static_cast<float>(QGuiApplication::styleHints()->startDragDistance()) / 2) return;
    press.moved = true;
    clearHover();
    // A right button that moves paints with the other colour; one that does not opens the menu.
    if (press.paints && press.button == Qt::RightButton) send(PointerEvent::Kind::press, press.at, event->modifiers());
  }
  if (!press.handle.empty() || press.paints) {
    send(PointerEvent::Kind::drag, pointer_, event->modifiers());
  } else if (press.button != Qt::RightButton && press.inArea) {
    if (window_->cursor().shape() != Qt::ClosedHandCursor) window_->setCursor(Qt::ClosedHandCursor);
    change([&](CanvasState& state) {
      state.view.pan(press.panel, delta);
      ++state.viewVersion;
    });
  }
}

void Viewport::Canvas::mouseReleased(QMouseEvent* event) {
  if (!press_ || event->button() != press_->button) return;
  pointer_ = positionOf(event);
  const Press press = *press_;
  const bool sentPress = !press.handle.empty() || (press.paints && (press.button == Qt::LeftButton || press.moved));
  if (sentPress) send(PointerEvent::Kind::release, pointer_, event->modifiers());
  if (!press.moved && press.button == Qt::LeftButton) {
    send(PointerEvent::Kind::click, pointer_, event->modifiers());
    if (press.handle.empty() && !press.paints) togglePin(pointer_);
  }
  press_.reset();
  if (const auto shown = drawn()) {
    const Hit hit = hitAt(*shown, pointer_);
    updateCursor(hit);
    setHot(hit, false);
  }
  if (!press.moved && press.button == Qt::RightButton) {
    emit owner_.contextMenuRequested(event->globalPosition().toPoint(), QString::fromStdString(press.panel.id),
                                     hoverPanel_ == press.panel.id ? QString::fromStdString(hoverText_) : QString());
  }
  if (pointerInside_) probeAt(pointer_);
}

void Viewport::Canvas::mouseDoubleClicked(QMouseEvent* event) {
  if (event->button() != Qt::LeftButton) return;
  const auto shown = drawn();
  if (!shown) return;
  const Hit hit = hitAt(*shown, positionOf(event));
  if (hit.panel && !hit.handle && !paintsIn(hit.description)) fit(hit.panel->id);
}

void Viewport::Canvas::wheel(QWheelEvent* event) {
  pointer_ = positionOf(event);
  const auto shown = drawn();
  if (!shown) return;
  const Hit hit = hitAt(*shown, pointer_);
  const int turned = event->angleDelta().y() != 0 ? event->angleDelta().y() : event->angleDelta().x();
  if (!hit.panel || !hit.description || turned == 0) return;
  const Rect& area = hit.panel->area;
  const bool besideX = pointer_.x < area.x || pointer_.x >= area.right(), besideY = pointer_.y < area.y || pointer_.y >= area.bottom();
  if (besideX && besideY) return;
  const bool both = hit.description->equalAspect || (!besideX && !besideY);
  // Several notches may have come before the next frame: continue from the view that was asked for last.
  PanelPlacement panel = *hit.panel;
  const double factor = std::pow(zoomPerNotch, turned * zoomPerUnit);
  change([&](CanvasState& state) {
    if (const auto asked = state.view.of(panel.id)) {
      DataTransform& t = panel.transform;
      const bool xUp = t.scaleX > 0, yUp = t.scaleY > 0;
      fitAxis(asked->x, t.logX, xUp ? area.x : area.right(), xUp ? area.right() : area.x, t.scaleX, t.offsetX);
      fitAxis(asked->y, t.logY, yUp ? area.y : area.bottom(), yUp ? area.bottom() : area.y, t.scaleY, t.offsetY);
    }
    state.view.zoom(panel, pointer_, factor, both || !besideX, both || !besideY);
    ++state.viewVersion;
  });
}

void Viewport::Canvas::keyPressed(QKeyEvent* event) {
  if (event->key() == Qt::Key_Escape && event->modifiers() == Qt::NoModifier) {
    bool had = false;
    {
      const std::scoped_lock lock(state_->mutex);
      had = !state_->decorations.pins.empty();
    }
    if (had) return change([](CanvasState& state) { state.decorations.pins.clear(); });
  }
  emit owner_.keyPressed(event->key(), event->modifiers());
}

void Viewport::Canvas::pointerLeft() {
  pointerInside_ = false;
  probeWanted_ = false;
  if (!press_) setHot({}, false);
  clearHover();
}

void Viewport::Canvas::togglePin(Vec2 at) {
  const auto shown = drawn();
  if (!shown) return;
  change([&](CanvasState& state) {
    auto& pins = state.decorations.pins;
    // A click on a pinned place takes the pin out.
    for (auto pin = pins.begin(); pin != pins.end(); ++pin) {
      const PanelPlacement* placement = placementOf(shown->layout, pin->panel);
      if (!placement) continue;
      const Vec2 place = placement->transform.apply(pin->x, pin->y);
      if (std::hypot(place.x - at.x, place.y - at.y) > handleReach) continue;
      pins.erase(pin);
      return;
    }
    if (!state.decorations.hover) return;
    if (pins.size() >= mostPins) pins.erase(pins.begin());
    pins.push_back(*state.decorations.hover);
    state.decorations.hover.reset();
  });
}

bool Viewport::Canvas::dragEvent(QEvent* event) {
  if (event->type() == QEvent::DragLeave) {
    emit owner_.filesHovering({});
    return true;
  }
  auto* drop = static_cast<QDropEvent*>(event);
  const QStringList paths = filesOf(drop->mimeData());
  if (paths.isEmpty()) return false;
  drop->setDropAction(Qt::CopyAction);
  drop->accept();
  if (event->type() == QEvent::DragEnter) emit owner_.filesHovering(paths);
  if (event->type() == QEvent::Drop) emit owner_.filesDropped(paths);
  return true;
}

}  // namespace orrery::app
