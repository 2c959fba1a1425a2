#pragma once
// A file well: shows the file in use, takes a dropped one, browses, clears.

#include <QFrame>

#include "app/inspector/parameter_row.h"

class QToolButton;

namespace orrery::app {

class ElidedLabel;

// The frame that takes drops.
class DropFrame : public QFrame {
  Q_OBJECT

 public:
  explicit DropFrame(QWidget* parent);

 signals:
  void dropped(const QString& path);

 protected:
  void dragEnterEvent(QDragEnterEvent* event) override;
  void dragLeaveEvent(QDragLeaveEvent* event) override;
  void dropEvent(QDropEvent* event) override;

 private:
  void setOver(bool over);
};

class FileRow : public ParameterRow {
  Q_OBJECT

 public:
  FileRow(const Parameter& parameter, const FileWell& domain, QWidget* parent);
  void showValue(const Value& value) override;
  QWidget* focusTarget() override;

 private:
  void browse();
  bool folder_ = false;
  ElidedLabel* name_ = nullptr;
  QToolButton* browse_ = nullptr;
  QToolButton* clear_ = nullptr;
  QString path_;
};

}  // namespace orrery::app
