#include "app/shell/transport_bar.h"

#include <QComboBox>
#include <QHBoxLayout>
#include <QToolButton>
#include <algorithm>
#include <cmath>

#include "app/inspector/icons.h"
#include "app/inspector/number_row.h"
#include "app/inspector/slider.h"
#include "app/inspector/small_widgets.h"
#include "app/inspector/theme.h"

namespace orrery::app {

TransportBar::TransportBar(QWidget* parent) : QWidget(parent) {
  setObjectName("stageFooter");
  setAttribute(Qt::WA_StyledBackground);
  auto* row = new QHBoxLayout(this);
  row->setContentsMargins(14, 10, 14, 10);
  row->setSpacing(6);
  const auto button = [&](const char* picture) {
    auto* made = new QToolButton(this);
    made->setIcon(icon(picture));
    made->setProperty("transport", true);
    made->setFocusPolicy(Qt::TabFocus);
    row->addWidget(made);
    return made;
  };
  start_ = button("start");
  back_ = button("step-back");
  play_ = button("play");
  play_->setObjectName("play");
  step_ = button("step");
  end_ = button("end");
  row->addSpacing(12);
  scrub_ = new Slider(this);
  row->addWidget(scrub_, 1);
  row->addSpacing(12);
  position_ = new TabularLabel(this);
  position_->setObjectName("muted");
  position_->setAlignment(Qt::AlignRight | Qt::AlignVCenter);
  row->addWidget(position_);
  row->addSpacing(6);
  speed_ = new QuietComboBox(this);
  for (const double speed : {0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 10.0}) speed_->addItem(QString::number(speed) + QStringLiteral("×"), speed);
  speed_->setFixedWidth(72);
  row->addWidget(speed_);
  loop_ = button("loop");
  loop_->setCheckable(true);
  record_ = button("record");
  record_->setObjectName("record");
  record_->setCheckable(true);
  record_->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
  connect(record_, &QToolButton::clicked, this, [this] { emit recordRequested(); });

  connect(start_, &QToolButton::clicked, this, [this] { goTo(false); });
  connect(end_, &QToolButton::clicked, this, [this] { goTo(true); });
  connect(back_, &QToolButton::clicked, this, [this] { step(-1); });
  connect(step_, &QToolButton::clicked, this, [this] { step(1); });
  connect(play_, &QToolButton::clicked, this, [this] { togglePlay(); });
  connect(loop_, &QToolButton::clicked, this, [this](bool on) {
    if (session_) session_->setLoop(on);
  });
  connect(speed_, &QComboBox::activated, this, [this](int index) {
    if (session_) session_->setSpeed(speed_->itemData(index).toDouble());
  });
  connect(scrub_, &Slider::fractionDragged, this, [this](double fraction) {
    const auto picture = session_ ? session_->picture() : nullptr;
    if (!picture || picture->frames < 2) return;
    if (!scrubbing_) {
      scrubbing_ = true;
      resumeAfterScrub_ = session_->playing();
      session_->pause();
    }
    session_->seek(std::llround(fraction * static_cast<double>(picture->frames - 1)));
  });
  connect(scrub_, &Slider::dragFinished, this, [this] {
    scrubbing_ = false;
    if (session_ && resumeAfterScrub_) session_->play();
    resumeAfterScrub_ = false;
  });
  connect(scrub_, &Slider::nudged, this, [this](int steps, bool page) { step(page ? steps * 10 : steps); });
  retranslate();
  hide();
}

void TransportBar::retranslate() {
  const auto name = [](QWidget* widget, const QString& text, const QString& key = {}) {
    widget->setAccessibleName(text);
    widget->setToolTip(key.isEmpty() ? text : text + "  (" + key + ")");
  };
  name(start_, tr("Go to start"), "Home");
  name(back_, tr("Step back"), QStringLiteral("←"));
  name(play_, tr("Play or pause"), tr("Space"));
  name(step_, tr("Step forward"), QStringLiteral("→"));
  name(end_, tr("Go to end"), "End");
  name(loop_, tr("Loop"), "L");
  name(record_, tr("Record what plays"), tr("Ctrl+Shift+R"));
  name(scrub_, tr("Position in time"));
  name(speed_, tr("Speed"));
  refresh();
}

void TransportBar::setSession(Session* session) {
  session_ = session;
  refresh();
}

void TransportBar::togglePlay() {
  if (!session_) return;
  const auto picture = session_->picture();
  if (session_->playing()) {
    session_->pause();
  } else {
    // At the end, play starts again from the beginning.
    if (picture && picture->frame + 1 >= picture->frames) session_->seek(0);
    session_->play();
  }
  refresh();
}

void TransportBar::step(int frames) {
  const auto picture = session_ ? session_->picture() : nullptr;
  if (!picture || picture->frames < 2) return;
  session_->pause();
  session_->seek(std::clamp<std::int64_t>(picture->frame + frames, 0, picture->frames - 1));
}

void TransportBar::goTo(bool end) {
  const auto picture = session_ ? session_->picture() : nullptr;
  if (!picture || picture->frames < 2) return;
  session_->seek(end ? picture->frames - 1 : 0);
}

void TransportBar::toggleLoop() {
  if (!session_) return;
  session_->setLoop(!session_->loop());
  refresh();
}

void TransportBar::setRecording(std::optional<double> seconds) {
  record_->setChecked(seconds.has_value());
  record_->setIcon(icon("record", seconds ? IconTone::danger : IconTone::text));
  record_->setText(seconds ? QString::number(*seconds, 'f', 1) + QStringLiteral(" s") : QString());
}

void TransportBar::refresh() {
  const auto picture = session_ ? session_->picture() : nullptr;
  const bool inTime = picture && picture->frames > 1;
  setVisible(inTime);
  if (!inTime) return;
  const NumberScale whole{0, 1e12, 1, false, true};
  const QString last = displayNumber(static_cast<double>(picture->frames - 1), whole);
  position_->setText(QStringLiteral("%1 %2 / %3").arg(shown(picture->frameUnit), displayNumber(static_cast<double>(picture->frame), whole), last));
  // Room for the last frame's number, so that nothing moves while it plays.
  position_->setMinimumWidth(position_->fontMetrics().horizontalAdvance(QStringLiteral("%1 %2 / %2 0").arg(shown(picture->frameUnit), last)));
  if (!scrubbing_) scrub_->setFraction(static_cast<double>(picture->frame) / static_cast<double>(picture->frames - 1));
  const bool playing = session_->playing();
  if (playing != play_->property("playing").toBool()) {
    play_->setProperty("playing", playing);
    play_->setIcon(icon(playing ? "pause" : "play"));
  }
  loop_->setChecked(session_->loop());
  const int speed = speed_->findData(session_->speed());
  if (speed >= 0) speed_->setCurrentIndex(speed);
  back_->setEnabled(picture->frame > 0);
  start_->setEnabled(picture->frame > 0);
  step_->setEnabled(picture->frame + 1 < picture->frames);
}

}  // namespace orrery::app
