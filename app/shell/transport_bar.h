#pragma once
// The bar below the stage: start, step back, play, step, end, scrubbing, speed, loop, record. Hidden when the lab does not run in time.

#include <QWidget>
#include <optional>

#include "core/session/session.h"

class QComboBox;
class QToolButton;

namespace orrery::app {

class Slider;
class TabularLabel;

class TransportBar : public QWidget {
  Q_OBJECT

 public:
  explicit TransportBar(QWidget* parent = nullptr);
  void setSession(Session* session);
  void refresh();                                    // from the session's newest picture
  void retranslate();

  void togglePlay();
  void step(int frames);
  void goTo(bool end);
  void toggleLoop();
  // Recording since so many seconds; none: not recording.
  void setRecording(std::optional<double> seconds);

 signals:
  void recordRequested();                            // begin, or end

 private:
  Session* session_ = nullptr;
  QToolButton *start_, *back_, *play_, *step_, *end_, *loop_, *record_;
  Slider* scrub_;
  TabularLabel* position_;
  QComboBox* speed_;
  bool scrubbing_ = false, resumeAfterScrub_ = false;
};

}  // namespace orrery::app
