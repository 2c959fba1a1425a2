#pragma once
// Export film: format, size, rate, length, and the parameters that move while the film runs. The window stays usable behind it, so that key
// frames can be set from its sliders and its play head.

#include <QDialog>

#include "app/export/film_plan.h"
#include "app/shell/settings.h"

class QCheckBox;
class QComboBox;
class QDoubleSpinBox;
class QLabel;
class QPushButton;
class QSpinBox;
class QVBoxLayout;

namespace orrery::app {

class FilmTrack;
class StagePane;

class FilmDialog : public QDialog {
  Q_OBJECT

 public:
  FilmDialog(StagePane& pane, Settings& settings, QWidget* parent);

  StagePane& pane() const { return pane_; }
  QString format() const;                            // "mp4", "webm", "gif"
  // What the fields say; the error names the field that is wrong.
  Expected<exporting::FilmPlan> plan() const;

  FilmTrack& addTrack();

 signals:
  void wanted(const orrery::exporting::FilmPlan& plan, const QString& path);

 public slots:
  void exportTo(const QString& path);

 private:
  void build();
  void update();

  StagePane& pane_;
  Settings& settings_;
  QComboBox *format_, *theme_;
  QSpinBox *width_, *height_, *rate_;
  QDoubleSpinBox* seconds_;
  QVBoxLayout* tracksColumn_;
  QList<FilmTrack*> tracks_;
  QPushButton* another_;
  bool inTime_ = false;
  QCheckBox* still_;
  QLabel* note_;
  QPushButton* export_;
};

}  // namespace orrery::app
