#include "app/shell/drop_overlay.h"

#include <QHBoxLayout>
#include <QLabel>
#include <algorithm>

#include "app/inspector/icons.h"
#include "app/inspector/theme.h"

namespace orrery::app {

DropOverlay::DropOverlay(QWidget* window) : QFrame(window) {
  setObjectName("dropOverlay");
  // The canvas is a native window; only another native window can lie above it.
  setAttribute(Qt::WA_NativeWindow);
  setAttribute(Qt::WA_TransparentForMouseEvents);
  auto* row = new QHBoxLayout(this);
  row->setContentsMargins(22, 18, 22, 18);
  row->setSpacing(14);
  picture_ = new QLabel(this);
  row->addWidget(picture_);
  text_ = new QLabel(this);
  text_->setFont(titleFont());
  text_->setWordWrap(true);
  row->addWidget(text_, 1);
  hide();
}

void DropOverlay::showText(const QString& text, bool possible) {
  picture_->setPixmap(icon(possible ? "drop" : "warning", possible ? IconTone::accent : IconTone::changed).pixmap(24, 24));
  text_->setText(text);
  setAccessibleName(text);
  // As wide as the words need up to half the window; at the bottom, where it hides least of what is dropped on.
  const int most = std::max(280, parentWidget()->width() / 2);
  const int width = std::min(most, text_->fontMetrics().horizontalAdvance(text) + 24 + 14 + 44 + 12);
  const int height = std::max(62, layout()->hasHeightForWidth() ? layout()->heightForWidth(width) : sizeHint().height());
  setGeometry((parentWidget()->width() - width) / 2, parentWidget()->height() - height - 96, width, height);
  show();
  raise();
}

QString DropOverlay::text() const { return text_->text(); }

}  // namespace orrery::app
