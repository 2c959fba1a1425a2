#include "app/shell/lab_page.h"

#include <QSplitter>
#include <QVBoxLayout>
#include <nlohmann/json.hpp>

#include "app/inspector/small_widgets.h"
#include "app/shell/stage_pane.h"

namespace orrery::app {

LabPage::LabPage(std::unique_ptr<Session> session, QWidget* parent) : QWidget(parent) {
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 0, 0, 0);
  splitter_ = new QSplitter(Qt::Horizontal, this);
  splitter_->setChildrenCollapsible(false);
  column->addWidget(splitter_);
  activate(add(std::move(session)));
}

StagePane& LabPage::active() { return *active_; }
QString LabPage::title() { return shown(active_->session().lab().title); }

StagePane* LabPage::add(std::unique_ptr<Session> session) {
  auto* pane = new StagePane(std::move(session), this);
  splitter_->addWidget(pane);
  panes_.append(pane);
  connect(pane, &StagePane::activated, this, [this, pane] { activate(pane); });
  // The pointer over a canvas is enough to say which copy is meant by the inspector and the keys.
  connect(pane, &StagePane::hovered, this, [this, pane](const QString& text) {
    if (!text.isEmpty()) activate(pane);
  });
  return pane;
}

void LabPage::activate(StagePane* pane) {
  const bool different = pane != active_;
  active_ = pane;
  for (StagePane* other : panes_) other->setActive(other == pane, panes_.size() > 1);
  if (different) emit activeChanged();
}

Expected<void> LabPage::toggleCompare(const std::shared_ptr<gpu::Device>& device) {
  if (comparing()) {
    for (StagePane* pane : QList<StagePane*>(panes_)) {
      if (pane == active_) continue;
      panes_.removeOne(pane);
      delete pane;
    }
    activate(active_);
    return {};
  }
  SessionOptions options;
  options.sharedDevice = device;
  auto opened = Session::open(active_->session().lab().id, options);
  if (!opened) return opened.error();
  if (auto restored = (*opened)->restore(active_->session().toJson()); !restored) return restored.error();
  StagePane* pane = add(std::move(*opened));
  emit paneAdded(pane);
  activate(pane);
  return {};
}

}  // namespace orrery::app
