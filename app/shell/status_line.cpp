#include "app/shell/status_line.h"

#include <QHBoxLayout>
#include <QTimer>
#include <QToolButton>
#include <cmath>

#include "app/inspector/icons.h"
#include "app/inspector/small_widgets.h"
#include "app/inspector/theme.h"
#include "app/shell/check_runner.h"
#include "app/shell/stage_pane.h"
#include "app/viewport/viewport.h"

namespace orrery::app {

namespace {
constexpr double nameAfter = 1.0;                    // s of work before its name, percentage and cancel appear (look.md, States)
constexpr int sayFor = 6000;                         // ms
}

StatusLine::StatusLine(CheckRunner& check, QWidget* parent) : QStatusBar(parent), check_(check) {
  setSizeGripEnabled(false);
  auto* body = new QWidget(this);
  auto* row = new QHBoxLayout(body);
  row->setContentsMargins(10, 0, 12, 0);
  row->setSpacing(12);
  device_ = new QToolButton(body);
  device_->setFont(smallFont());
  device_->setCursor(Qt::PointingHandCursor);
  device_->setToolTip(tr("Show how this device's kernels compare with the reference"));
  row->addWidget(device_);
  hover_ = new ElidedLabel(body);
  hover_->setFont(smallFont());
  hover_->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Preferred);
  row->addWidget(hover_, 1);
  busy_ = new TabularLabel(body);
  busy_->setFont(smallFont());
  row->addWidget(busy_);
  cancel_ = new QToolButton(body);
  cancel_->setFont(smallFont());
  cancel_->setText(tr("Cancel"));
  cancel_->setAccessibleName(tr("Cancel the computation"));
  cancel_->hide();
  row->addWidget(cancel_);
  numbers_ = new TabularLabel(body);
  numbers_->setFont(smallFont());
  row->addWidget(numbers_);
  addWidget(body, 1);
  connect(device_, &QToolButton::clicked, this, &StatusLine::reportRequested);
  connect(cancel_, &QToolButton::clicked, this, &StatusLine::cancelRequested);
  connect(&check_, &CheckRunner::changed, this, [this] { setDevice(deviceName_); });
}

void StatusLine::setDevice(const QString& name) {
  deviceName_ = name;
  device_->setText(name + QStringLiteral(" · ") + check_.sentence());
  device_->setAccessibleName(device_->text());
  // A disagreement must not look like an ordinary remark.
  const bool bad = check_.state() == CheckRunner::State::disagreed || check_.state() == CheckRunner::State::failed;
  device_->setIcon(bad ? icon("warning", IconTone::danger) : QIcon());
  device_->setToolButtonStyle(bad ? Qt::ToolButtonTextBesideIcon : Qt::ToolButtonTextOnly);
}

void StatusLine::setHover(const QString& text) {
  hoverText_ = text;
  hover_->setText(said_.isEmpty() || !text.isEmpty() ? text : said_);
}

void StatusLine::say(const QString& text) {
  said_ = text;
  hover_->setText(text);
  hover_->setToolTip(text);
  QTimer::singleShot(sayFor, this, [this, text] {
    if (said_ != text) return;
    said_.clear();
    hover_->setToolTip({});
    setHover(hoverText_);
  });
}

void StatusLine::showPane(StagePane* pane) {
  if (!pane) {
    numbers_->clear();
    busy_->clear();
    cancel_->hide();
    return;
  }
  const auto picture = pane->session().picture();
  QStringList parts;
  if (picture) parts << tr("update %1 ms").arg(picture->updateMilliseconds, 0, 'f', picture->updateMilliseconds < 10 ? 1 : 0);
  if (pane->viewport().framesPerSecond() >= 0.5) parts << tr("%1 fps").arg(std::lround(pane->viewport().framesPerSecond()));
  numbers_->setText(parts.join(QStringLiteral(" · ")));
  numbers_->updateGeometry();

  const Progress progress = pane->session().progress();
  const bool busy = progress.busy && progress.seconds > nameAfter;
  cancel_->setVisible(busy);
  if (!busy) {
    busy_->clear();
    busy_->updateGeometry();
    return;
  }
  QString text = progress.what.empty() ? tr("computing…") : QString::fromStdString(progress.what);
  if (progress.fraction > 0) {
    text += QStringLiteral("  %1 %").arg(std::lround(100 * progress.fraction));
    const double left = progress.seconds * (1 - progress.fraction) / progress.fraction;
    if (left > 1) text += QStringLiteral("  ") + tr("%1 s left").arg(std::lround(left));
  }
  busy_->setText(text);
  busy_->updateGeometry();
}

}  // namespace orrery::app
