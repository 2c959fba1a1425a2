#pragma once
// The inspector: every parameter of the open lab as a row, under its group's heading; presets and export below.

#include <QWidget>
#include <vector>

#include "core/session/session.h"

class QLabel;
class QPushButton;
class QScrollArea;
class QVBoxLayout;

namespace orrery::app {

class ElidedLabel;
class ParameterRow;

class Inspector : public QWidget {
  Q_OBJECT

 public:
  explicit Inspector(QWidget* parent = nullptr);

  // Not owned; nullptr shows the empty state.
  void setSession(Session* session);
  Session* session() const { return session_; }
  void refresh();                                    // values came from elsewhere: undo, a drag in the picture, a preset
  void reveal(const QString& parameterId);           // scrolls there and focuses its control
  ParameterRow* row(const QString& parameterId) const;

 signals:
  void exportRequested();
  void changed();                                    // something was set here

 private:
  void rebuild();
  void fillPresets();
  void apply(ParameterRow* row, const Expected<void>& result);

  Session* session_ = nullptr;
  QLabel* title_ = nullptr;
  QLabel* summary_ = nullptr;
  QScrollArea* scroll_ = nullptr;
  QWidget* footer_ = nullptr;
  QPushButton* presets_ = nullptr;
  QPushButton* export_ = nullptr;
  struct Group {
    QLabel* heading = nullptr;
    std::vector<ParameterRow*> rows;
  };
  std::vector<Group> groups_;
  std::vector<ParameterRow*> rows_;
};

}  // namespace orrery::app
