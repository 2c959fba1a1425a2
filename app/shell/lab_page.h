#pragma once
// A tab: one lab, or two copies of it side by side for comparison.

#include <QWidget>
#include <memory>

#include "core/session/session.h"

class QSplitter;

namespace orrery::app {

class StagePane;

class LabPage : public QWidget {
  Q_OBJECT

 public:
  explicit LabPage(std::unique_ptr<Session> session, QWidget* parent = nullptr);

  StagePane& active();
  QList<StagePane*> panes() const { return panes_; }
  bool comparing() const { return panes_.size() > 1; }
  // Opens a second copy with the same parameters, or closes the one that is not active.
  Expected<void> toggleCompare(const std::shared_ptr<gpu::Device>& device);
  QString title();

 signals:
  void paneAdded(orrery::app::StagePane* pane);
  void activeChanged();

 private:
  StagePane* add(std::unique_ptr<Session> session);
  void activate(StagePane* pane);

  QSplitter* splitter_ = nullptr;
  QList<StagePane*> panes_;
  StagePane* active_ = nullptr;
};

}  // namespace orrery::app
