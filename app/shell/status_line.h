#pragma once
// The status bar: device and checked state, what the pointer is on, work in progress, update time and frames per second.

#include <QStatusBar>

#include "core/session/session.h"

class QToolButton;

namespace orrery::app {

class CheckRunner;
class ElidedLabel;
class StagePane;
class TabularLabel;

class StatusLine : public QStatusBar {
  Q_OBJECT

 public:
  StatusLine(CheckRunner& check, QWidget* parent);
  void setDevice(const QString& name);
  void setHover(const QString& text);
  void say(const QString& text);                     // for some seconds, instead of the hover text
  void showPane(StagePane* pane);                    // update time, frames per second, progress

 signals:
  void reportRequested();
  void cancelRequested();

 private:
  CheckRunner& check_;
  QToolButton* device_ = nullptr;
  ElidedLabel* hover_ = nullptr;
  TabularLabel* numbers_ = nullptr;
  TabularLabel* busy_ = nullptr;
  QToolButton* cancel_ = nullptr;
  QString deviceName_, hoverText_, said_;
};

}  // namespace orrery::app
