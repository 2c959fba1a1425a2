#include "app/inspector/row_label.h"

#include <QContextMenuEvent>
#include <QMenu>
#include <QMouseEvent>

#include "app/inspector/icons.h"

namespace orrery::app {

RowLabel::RowLabel(const QString& text, QWidget* parent) : QLabel(text, parent) {
  setWordWrap(true);
  setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Preferred);
}

void RowLabel::mouseDoubleClickEvent(QMouseEvent* event) {
  if (event->button() == Qt::LeftButton) emit resetRequested();
}

void RowLabel::contextMenuEvent(QContextMenuEvent* event) {
  QMenu menu(this);
  menu.addAction(icon("reset", IconTone::muted), tr("Reset to default"), this, &RowLabel::resetRequested);
  menu.exec(event->globalPos());
}

}  // namespace orrery::app
