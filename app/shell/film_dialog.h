#pragma once
// Export film: format, size, rate, length, and up to one number that moves while the film runs.

#include <QDialog>

#include "app/export/film_plan.h"
#include "app/shell/settings.h"

class QCheckBox;
class QComboBox;
class QDoubleSpinBox;
class QLabel;
class QLineEdit;
class QPushButton;
class QSpinBox;

namespace orrery::app {

class StagePane;

class FilmDialog : public QDialog {
  Q_OBJECT

 public:
  FilmDialog(StagePane& pane, Settings& settings, QWidget* parent);

  QString format() const;                            // "mp4", "webm", "gif"
  // What the fields say; the error names the field that is wrong.
  Expected<exporting::FilmPlan> plan() const;

 signals:
  void wanted(const orrery::exporting::FilmPlan& plan, const QString& path);

 public slots:
  void exportTo(const QString& path);

 private:
  void build();
  void update();

  StagePane& pane_;
  Settings& settings_;
  QComboBox *format_, *theme_, *parameter_, *pace_;
  QSpinBox *width_, *height_, *rate_;
  QDoubleSpinBox* seconds_;
  QLineEdit *from_, *to_;
  QCheckBox* still_;
  QLabel* note_;
  QPushButton* export_;
};

}  // namespace orrery::app
