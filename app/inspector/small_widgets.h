#pragma once
// Small widgets shared by inspector and shell: a toggle switch, a label whose figures all have the same width, a heading, an elided label.

#include <QCheckBox>
#include <QComboBox>
#include <QLabel>
#include <QWheelEvent>
#include <string>

namespace orrery::app {

// English text declared by a lab or kernel, in the window's language.
QString shown(const std::string& english);

// "&File" -> "File", "文件(&F)" -> "文件".
QString withoutMnemonic(QString text);

class ToggleSwitch : public QCheckBox {
  Q_OBJECT

 public:
  explicit ToggleSwitch(QWidget* parent = nullptr);
  QSize sizeHint() const override { return {34, 20}; }
  QSize minimumSizeHint() const override { return sizeHint(); }

 protected:
  void paintEvent(QPaintEvent*) override;
  bool hitButton(const QPoint& at) const override { return rect().contains(at); }
};

// Qt 6.4 cannot ask a font for tabular figures, so each figure is drawn in the width of the widest one.
class TabularLabel : public QLabel {
  Q_OBJECT

 public:
  explicit TabularLabel(QWidget* parent = nullptr) : QLabel(parent) {}
  QSize sizeHint() const override;
  QSize minimumSizeHint() const override { return sizeHint(); }

 protected:
  void paintEvent(QPaintEvent*) override;

 private:
  double textWidth() const;
};

// Cuts its text with an ellipsis instead of asking for room.
class ElidedLabel : public QLabel {
  Q_OBJECT

 public:
  explicit ElidedLabel(QWidget* parent = nullptr) : QLabel(parent) {}
  QSize minimumSizeHint() const override { return {24, QLabel::minimumSizeHint().height()}; }

 protected:
  void paintEvent(QPaintEvent*) override;
};

// A combo box that leaves the wheel to the scroll area it lies in, and cuts a long text with an ellipsis.
class QuietComboBox : public QComboBox {
  Q_OBJECT

 public:
  explicit QuietComboBox(QWidget* parent = nullptr) : QComboBox(parent) { setFocusPolicy(Qt::StrongFocus); }

 protected:
  void wheelEvent(QWheelEvent* event) override { event->ignore(); }
  void paintEvent(QPaintEvent*) override;
};

QLabel* groupHeading(const QString& text, QWidget* parent);

}  // namespace orrery::app
