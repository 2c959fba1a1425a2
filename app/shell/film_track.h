#pragma once
// One moving parameter of a film: which, its values in turn or its key frames, and the pace between them.

#include <QWidget>

#include "app/export/film_plan.h"

class QComboBox;
class QLineEdit;
class QToolButton;

namespace orrery::app {

class StagePane;

class FilmTrack : public QWidget {
  Q_OBJECT

 public:
  FilmTrack(StagePane& pane, const QString& parameter, QWidget* parent);

  QString parameter() const;
  void setParameter(const QString& id);
  Expected<exporting::Animation> animation() const;

  // The value the window shows now becomes a key frame where its play head stands; without a timeline, the next value. The first one replaces
  // the values proposed.
  void setKey();

 signals:
  void changed();
  void removeRequested();

 private:
  void propose();

  StagePane& pane_;
  QComboBox *parameter_, *pace_;
  QLineEdit* values_;
  QToolButton *key_, *remove_;
  bool proposed_ = true;  // nobody has touched the values
};

}  // namespace orrery::app
