#include "app/inspector/file_row.h"

#include <QDragEnterEvent>
#include <QFileDialog>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QMimeData>
#include <QStyle>
#include <QToolButton>
#include <QUrl>
#include <QVBoxLayout>

#include "app/inspector/icons.h"
#include "app/inspector/small_widgets.h"
#include "app/inspector/theme.h"

namespace orrery::app {

DropFrame::DropFrame(QWidget* parent) : QFrame(parent) {
  setObjectName("fileWell");
  setAcceptDrops(true);
}

void DropFrame::setOver(bool over) {
  setProperty("over", over);
  style()->unpolish(this);
  style()->polish(this);
}

void DropFrame::dragEnterEvent(QDragEnterEvent* event) {
  const QList<QUrl> urls = event->mimeData()->urls();
  if (urls.size() != 1 || !urls.front().isLocalFile()) return event->ignore();
  setOver(true);
  event->acceptProposedAction();
}

void DropFrame::dragLeaveEvent(QDragLeaveEvent*) { setOver(false); }

void DropFrame::dropEvent(QDropEvent* event) {
  setOver(false);
  if (event->mimeData()->urls().isEmpty()) return;
  event->acceptProposedAction();
  emit dropped(event->mimeData()->urls().front().toLocalFile());
}

FileRow::FileRow(const Parameter& parameter, const FileWell& domain, QWidget* parent) : ParameterRow(parameter, parent), folder_(domain.folder) {
  auto* well = new DropFrame(this);
  auto* layout = new QHBoxLayout(well);
  layout->setContentsMargins(8, 3, 4, 3);
  layout->setSpacing(2);
  name_ = new ElidedLabel(well);
  name_->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Preferred);
  layout->addWidget(name_, 1);
  const auto button = [&](const QString& picture, const QString& text) {
    auto* made = new QToolButton(well);
    made->setIcon(icon(picture, IconTone::muted));
    made->setToolTip(text);
    describe(made, text);
    made->setCursor(Qt::PointingHandCursor);
    layout->addWidget(made);
    return made;
  };
  clear_ = button("close", tr("Clear"));
  browse_ = button("folder", folder_ ? tr("Choose a folder") : tr("Choose a file"));
  column_->insertWidget(1, well);
  connect(browse_, &QToolButton::clicked, this, &FileRow::browse);
  connect(clear_, &QToolButton::clicked, this, [this] { emit edited(Value{Asset{}}, false); });
  connect(well, &DropFrame::dropped, this, &ParameterRow::typed);
}

QWidget* FileRow::focusTarget() { return browse_; }

void FileRow::browse() {
  const QString start = path_.isEmpty() ? QString() : QFileInfo(path_).absolutePath();
  const QString chosen = folder_ ? QFileDialog::getExistingDirectory(window(), shown(parameter().label), start)
                                 : QFileDialog::getOpenFileName(window(), shown(parameter().label), start);
  if (!chosen.isEmpty()) emit typed(chosen);
}

void FileRow::showValue(const Value& value) {
  const auto* asset = std::get_if<Asset>(&value);
  if (!asset) return;
  path_ = QString::fromStdString(asset->path);
  clear_->setVisible(!path_.isEmpty());
  name_->setText(path_.isEmpty() ? (folder_ ? tr("Drop a folder here") : tr("Drop a file here")) : QFileInfo(path_).fileName());
  name_->setToolTip(path_);
  QPalette colors = name_->palette();
  colors.setColor(QPalette::WindowText, path_.isEmpty() ? tokens().muted : tokens().text);
  name_->setPalette(colors);
  name_->setObjectName(path_.isEmpty() ? "muted" : "");
  name_->style()->unpolish(name_);
  name_->style()->polish(name_);
}

}  // namespace orrery::app
