#pragma once
// The inspector's slider: a thin track with a round handle. Shift moves ten times finer, Ctrl snaps to twentieths, the wheel is left to the
// scroll area. A QSlider underneath, so that keyboards and screen readers know it.

#include <QSlider>
#include <QWheelEvent>

namespace orrery::app {

class Slider : public QSlider {
  Q_OBJECT

 public:
  explicit Slider(QWidget* parent = nullptr);
  static constexpr int resolution = 100000;          // positions 0..resolution

  void setFraction(double fraction);                 // without a signal
  double fraction() const { return static_cast<double>(value()) / resolution; }
  QSize sizeHint() const override { return {160, 18}; }
  QSize minimumSizeHint() const override { return {60, 18}; }

 signals:
  void fractionDragged(double fraction, bool snap);  // while the button is held
  void dragFinished();
  void nudged(int steps, bool page);                 // arrow and page keys

 protected:
  void paintEvent(QPaintEvent*) override;
  void mousePressEvent(QMouseEvent* event) override;
  void mouseMoveEvent(QMouseEvent* event) override;
  void mouseReleaseEvent(QMouseEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;
  void wheelEvent(QWheelEvent* event) override { event->ignore(); }
  void enterEvent(QEnterEvent*) override { update(); }
  void leaveEvent(QEvent*) override { update(); }

 private:
  double fractionAt(double x) const;
  void dragTo(double fraction, Qt::KeyboardModifiers modifiers);

  bool dragging_ = false;
  double anchorX_ = 0, anchorFraction_ = 0;
  bool fine_ = false;
};

}  // namespace orrery::app
