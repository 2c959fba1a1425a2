#include "app/shell/stage_pane.h"

#include <QPainter>
#include <QVBoxLayout>
#include <algorithm>

#include "app/inspector/small_widgets.h"
#include "app/inspector/theme.h"
#include "app/shell/error_card.h"
#include "app/shell/transport_bar.h"
#include "app/viewport/viewport.h"

namespace orrery::app {

namespace {
constexpr double busyAfter = 0.2;                    // s: below it nothing is shown (look.md, States)
}

// Two pixels above the canvas; always there, so that nothing moves when work begins.
class ProgressLine : public QWidget {
 public:
  explicit ProgressLine(QWidget* parent) : QWidget(parent) { setFixedHeight(2); }
  void set(double fraction, bool visible) {
    if (fraction == fraction_ && visible == visible_) return;
    fraction_ = fraction;
    visible_ = visible;
    update();
  }

 protected:
  void paintEvent(QPaintEvent*) override {
    QPainter painter(this);
    painter.fillRect(rect(), tokens().canvas);
    if (visible_) painter.fillRect(QRectF(0, 0, fraction_ < 0 ? width() : width() * fraction_, height()), tokens().accent);
  }

 private:
  double fraction_ = 0;
  bool visible_ = false;
};

StagePane::StagePane(std::unique_ptr<Session> session, QWidget* parent) : QWidget(parent), session_(std::move(session)) {
  setObjectName("stageBody");
  setAttribute(Qt::WA_StyledBackground);
  column_ = new QVBoxLayout(this);
  column_->setContentsMargins(0, 0, 0, 0);
  column_->setSpacing(0);
  marker_ = new QWidget(this);
  marker_->setFixedHeight(2);
  marker_->setAutoFillBackground(true);
  marker_->hide();
  column_->addWidget(marker_);
  progress_ = new ProgressLine(this);
  column_->addWidget(progress_);
  viewport_ = new Viewport(this);
  viewport_->setAccessibleName(tr("Canvas of %1").arg(shown(session_->lab().title)));
  column_->addWidget(viewport_, 1);
  transport_ = new TransportBar(this);
  column_->addWidget(transport_);

  viewport_->setTheme(themeInUse());
  viewport_->setSession(session_.get());
  transport_->setSession(session_.get());

  connect(viewport_, &Viewport::hovered, this, &StagePane::hovered);
  connect(viewport_, &Viewport::contextMenuRequested, this, &StagePane::contextMenuRequested);
  connect(viewport_, &Viewport::filesHovering, this, &StagePane::filesHovering);
  connect(viewport_, &Viewport::filesDropped, this, &StagePane::filesDropped);
  connect(viewport_, &Viewport::keyPressed, this, [this](int key, Qt::KeyboardModifiers modifiers) {
    emit activated();
    emit keyPressed(key, modifiers);
  });
  connect(viewport_, &Viewport::failed, this, [this](const QString& message) {
    auto* card = new ErrorCard(ErrorCard::Kind::failure, tr("The canvas cannot be drawn"), message, {}, this);
    column_->insertWidget(2, card, 0);
  });

  // The worker may report thousands of times a second while it plays; the window looks once per turn of its loop.
  session_->observe([this] {
    viewport_->pictureChanged();
    if (!pending_.exchange(true)) {
      QMetaObject::invokeMethod(
          this,
          [this] {
            pending_ = false;
            refresh();
            emit changed();
          },
          Qt::QueuedConnection);
    }
  });
  busyTimer_.setInterval(100);
  connect(&busyTimer_, &QTimer::timeout, this, &StagePane::refresh);
  refresh();
}

StagePane::~StagePane() {
  session_->observe({});
  viewport_->setSession(nullptr);
  // Widgets hold pointers to the session: they go first.
  delete viewport_;
  delete transport_;
}

void StagePane::applyTheme() {
  viewport_->setTheme(themeInUse());
  progress_->update();
  setActive(marker_->property("active").toBool(), !marker_->isHidden());
}

void StagePane::retranslate() {
  viewport_->setAccessibleName(tr("Canvas of %1").arg(shown(session_->lab().title)));
  transport_->retranslate();
  shownError_.clear();
  refresh();
}

void StagePane::setActive(bool active, bool several) {
  marker_->setProperty("active", active);
  marker_->setVisible(several);
  QPalette colors = marker_->palette();
  colors.setColor(QPalette::Window, active ? tokens().accent : tokens().border);
  marker_->setPalette(colors);
}

void StagePane::refresh() {
  transport_->refresh();
  const Progress progress = session_->progress();
  const bool show = progress.busy && progress.seconds > busyAfter;
  progress_->set(progress.fraction, show);
  // While busy nobody may report for a while, so the time is watched here.
  if (progress.busy != busyTimer_.isActive()) progress.busy ? busyTimer_.start() : busyTimer_.stop();
  showError();
}

void StagePane::showError() {
  const std::optional<Error> error = session_->error();
  const QString message = error && error->code != ErrorCode::cancelled ? QString::fromStdString(error->message) : QString();
  if (message == shownError_) return;
  shownError_ = message;
  if (errorCard_) errorCard_->deleteLater();
  errorCard_ = nullptr;
  if (message.isEmpty()) return;
  const QString lab = shown(session_->lab().title);
  errorCard_ = new ErrorCard(ErrorCard::Kind::failure, tr("%1 could not compute this").arg(lab), message, detailsOf(*error, lab), this);
  connect(errorCard_, &ErrorCard::dismissed, this, [this] { errorCard_ = nullptr; });
  if (error->code == ErrorCode::notFound || error->code == ErrorCode::badInput || error->code == ErrorCode::io)
    errorCard_->addAction(tr("Choose another file…"), [this] { emit locateRequested(); }, true);
  if (session_->canUndo()) errorCard_->addAction(tr("Undo %1").arg(shown(session_->undoText())), [this] { session_->undo(); }, false);
  column_->insertWidget(2, errorCard_, 0);
}

}  // namespace orrery::app
