#pragma once
// The label of a parameter: double click or its menu puts the parameter back to its default.

#include <QLabel>

namespace orrery::app {

class RowLabel : public QLabel {
  Q_OBJECT

 public:
  RowLabel(const QString& text, QWidget* parent);

 signals:
  void resetRequested();

 protected:
  void mouseDoubleClickEvent(QMouseEvent* event) override;
  void contextMenuEvent(QContextMenuEvent* event) override;
};

}  // namespace orrery::app
