#include "app/inspector/slider.h"

#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <algorithm>
#include <cmath>

#include "app/inspector/theme.h"

namespace orrery::app {

namespace {
constexpr double handleRadius = 6.5, trackHeight = 3;
constexpr double fineFactor = 0.1;                   // Shift: a tenth of the pointer's movement
}  // namespace

Slider::Slider(QWidget* parent) : QSlider(Qt::Horizontal, parent) {
  setRange(0, resolution);
  setSingleStep(resolution / 100);
  setPageStep(resolution / 10);
  setFocusPolicy(Qt::StrongFocus);
  setAttribute(Qt::WA_Hover);
  setCursor(Qt::PointingHandCursor);
}

void Slider::setFraction(double fraction) {
  const QSignalBlocker quiet(this);
  setValue(static_cast<int>(std::lround(std::clamp(fraction, 0.0, 1.0) * resolution)));
  update();
}

void Slider::paintEvent(QPaintEvent*) {
  const Tokens& t = tokens();
  QPainter painter(this);
  painter.setRenderHint(QPainter::Antialiasing);
  painter.setPen(Qt::NoPen);
  const double middle = height() / 2.0;
  const double x = handleRadius + fraction() * (width() - 2 * handleRadius);
  painter.setBrush(t.border);
  painter.drawRoundedRect(QRectF(0, middle - trackHeight / 2, width(), trackHeight), 1.5, 1.5);
  painter.setBrush(isEnabled() ? t.accent : t.faint);
  painter.drawRoundedRect(QRectF(0, middle - trackHeight / 2, x, trackHeight), 1.5, 1.5);
  if (hasFocus() || dragging_) {
    QColor halo = t.accent;
    halo.setAlphaF(0.3f);
    painter.setBrush(halo);
    painter.drawEllipse(QPointF(x, middle), handleRadius + 2.5, handleRadius + 2.5);
  }
  painter.setBrush(themeInUse() == ThemeKind::dark ? t.text : t.panel);
  if (themeInUse() == ThemeKind::light) painter.setPen(QPen(isEnabled() ? t.accent : t.faint, 1.5));
  const double radius = underMouse() || dragging_ ? handleRadius : handleRadius - 0.75;
  painter.drawEllipse(QPointF(x, middle), radius, radius);
}

double Slider::fractionAt(double x) const { return std::clamp((x - handleRadius) / std::max(1.0, width() - 2 * handleRadius), 0.0, 1.0); }

void Slider::dragTo(double fraction, Qt::KeyboardModifiers modifiers) {
  const bool snap = modifiers.testFlag(Qt::ControlModifier);
  if (snap) fraction = std::round(fraction * 20) / 20;
  setFraction(fraction);
  emit fractionDragged(this->fraction(), snap);
}

void Slider::mousePressEvent(QMouseEvent* event) {
  if (event->button() != Qt::LeftButton) return event->ignore();
  dragging_ = true;
  fine_ = event->modifiers().testFlag(Qt::ShiftModifier);
  anchorX_ = event->position().x();
  // With Shift the handle stays where it is and moves relative to the press; otherwise it jumps to the pointer.
  anchorFraction_ = fine_ ? fraction() : fractionAt(anchorX_);
  if (!fine_) dragTo(anchorFraction_, event->modifiers());
  event->accept();
  update();
}

void Slider::mouseMoveEvent(QMouseEvent* event) {
  if (!dragging_) return;
  const double x = event->position().x();
  const bool fine = event->modifiers().testFlag(Qt::ShiftModifier);
  if (fine != fine_) {
    anchorX_ = x;
    anchorFraction_ = fraction();
    fine_ = fine;
  }
  const double moved = (x - anchorX_) / std::max(1.0, width() - 2 * handleRadius);
  dragTo(fine_ ? std::clamp(anchorFraction_ + fineFactor * moved, 0.0, 1.0) : fractionAt(x), event->modifiers());
}

void Slider::mouseReleaseEvent(QMouseEvent* event) {
  if (!dragging_ || event->button() != Qt::LeftButton) return;
  dragging_ = false;
  update();
  emit dragFinished();
}

void Slider::keyPressEvent(QKeyEvent* event) {
  switch (event->key()) {
    case Qt::Key_Left:
    case Qt::Key_Down: emit nudged(-1, false); break;
    case Qt::Key_Right:
    case Qt::Key_Up: emit nudged(1, false); break;
    case Qt::Key_PageDown: emit nudged(-1, true); break;
    case Qt::Key_PageUp: emit nudged(1, true); break;
    case Qt::Key_Home: setFraction(0); emit fractionDragged(0, false); emit dragFinished(); break;
    case Qt::Key_End: setFraction(1); emit fractionDragged(1, false); emit dragFinished(); break;
    default: event->ignore(); return;
  }
  event->accept();
}

}  // namespace orrery::app
