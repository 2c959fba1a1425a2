#pragma once
// Says, while files hover over the window, what letting them go will do.

#include <QFrame>

class QLabel;

namespace orrery::app {

class DropOverlay : public QFrame {
  Q_OBJECT

 public:
  explicit DropOverlay(QWidget* window);
  void showText(const QString& text, bool possible);
  QString text() const;

 private:
  QLabel* picture_ = nullptr;
  QLabel* text_ = nullptr;
};

}  // namespace orrery::app
