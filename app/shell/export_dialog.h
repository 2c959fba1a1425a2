#pragma once
// Export figure: format, size on paper, theme, one panel or all, with a preview of exactly what will be written.

#include <QDialog>
#include <QTimer>

#include "app/shell/figure_jobs.h"
#include "app/shell/settings.h"

class QCheckBox;
class QComboBox;
class QDoubleSpinBox;
class QLabel;
class QPushButton;
class QSpinBox;

namespace orrery::app {

class StagePane;

class ExportDialog : public QDialog {
  Q_OBJECT

 public:
  // `canvas` has the view (pan, zoom) the canvas shows; `aspect` is its height / width.
  ExportDialog(StagePane& pane, Settings& settings, const QString& panel, QWidget* parent);

  FigureRequest request() const;
  exporting::ExportOptions options() const;
  QString format() const;                            // "svg", "pdf", "png"

 signals:
  void written(const QString& path, const QStringList& notes);
  void failed(const orrery::Error& error);

 public slots:
  void exportTo(const QString& path);

 protected:
  void resizeEvent(QResizeEvent*) override { previewSoon(); }

 private:
  void build(const QString& panel);
  void applyPreset(int index);
  void unitChanged();
  void previewSoon() { previewTimer_.start(); }
  void preview();
  void updateEnabled();
  double pixelsPerUnit() const;                      // logical px (96 per inch)

  StagePane& pane_;
  Settings& settings_;
  double aspect_ = 0.625;
  QComboBox *format_, *size_, *unit_, *theme_, *panel_;
  QDoubleSpinBox *width_, *height_;
  QSpinBox* dpi_;
  QCheckBox *transparent_, *letters_, *recipe_, *outlines_;
  QLabel *preview_, *notes_;
  QPushButton* export_ = nullptr;
  QTimer previewTimer_;
  QString lastUnit_ = "mm";
  int drawing_ = 0;
  bool filling_ = false;
};

}  // namespace orrery::app
