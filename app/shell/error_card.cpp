#include "app/shell/error_card.h"

#include <QApplication>
#include <QClipboard>
#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>
#include <QSysInfo>
#include <QToolButton>
#include <QVBoxLayout>

#include "app/inspector/icons.h"
#include "app/inspector/theme.h"

namespace orrery::app {

ErrorCard::ErrorCard(Kind kind, const QString& title, const QString& message, const QString& details, QWidget* parent)
    : QFrame(parent), message_(message) {
  setObjectName(kind == Kind::failure ? "errorCard" : "noticeBar");
  setAccessibleName(title);
  setAccessibleDescription(message);
  auto* row = new QHBoxLayout(this);
  row->setContentsMargins(24, 18, 20, 10);           // with the margin the stylesheet puts outside
  row->setSpacing(10);

  auto* picture = new QLabel(this);
  picture->setPixmap(icon(kind == Kind::failure ? "warning" : "info", kind == Kind::failure ? IconTone::danger : IconTone::accent).pixmap(16, 16));
  row->addWidget(picture, 0, Qt::AlignTop);

  auto* column = new QVBoxLayout;
  column->setSpacing(4);
  auto* heading = new QLabel(title, this);
  QFont bold = controlFont();
  bold.setWeight(QFont::DemiBold);
  heading->setFont(bold);
  heading->setWordWrap(true);
  column->addWidget(heading);
  auto* text = new QLabel(message, this);
  text->setWordWrap(true);
  text->setTextInteractionFlags(Qt::TextSelectableByMouse);
  text->setObjectName("muted");
  column->addWidget(text);
  auto* fold = new QLabel(details, this);
  fold->setWordWrap(true);
  fold->setFont(smallFont());
  fold->setObjectName("muted");
  fold->setTextInteractionFlags(Qt::TextSelectableByMouse);
  fold->hide();
  column->addWidget(fold);

  buttons_ = new QHBoxLayout;
  buttons_->setSpacing(8);
  if (!details.isEmpty()) {
    addAction(tr("Details"), [fold] { fold->setVisible(fold->isHidden()); });
    addAction(tr("Copy details"), [title, message, details] { QApplication::clipboard()->setText(title + "\n" + message + "\n" + details); });
  }
  buttons_->addStretch(1);
  column->addLayout(buttons_);
  row->addLayout(column, 1);

  auto* close = new QToolButton(this);
  close->setIcon(icon("close", IconTone::muted));
  close->setToolTip(tr("Dismiss"));
  close->setAccessibleName(tr("Dismiss"));
  row->addWidget(close, 0, Qt::AlignTop);
  connect(close, &QToolButton::clicked, this, [this] {
    emit dismissed();
    deleteLater();
  });
}

void ErrorCard::addAction(const QString& text, std::function<void()> action, bool primary) {
  auto* button = new QPushButton(text, this);
  button->setAccessibleName(text);
  if (primary) button->setProperty("primary", true);
  // The likely fix comes first.
  buttons_->insertWidget(primary ? 0 : std::max(0, buttons_->count() - 1), button);
  connect(button, &QPushButton::clicked, this, [action = std::move(action)] { action(); });
}

QString detailsOf(const Error& error, const QString& where) {
  QStringList lines;
  if (!error.id.empty()) lines << QString::fromStdString(error.id);
  if (!where.isEmpty()) lines << where;
  lines << QStringLiteral("Orrery " ORRERY_VERSION ", Qt %1, %2").arg(qVersion(), QSysInfo::prettyProductName());
  return lines.join("\n");
}

}  // namespace orrery::app
