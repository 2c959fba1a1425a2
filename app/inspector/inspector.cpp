#include "app/inspector/inspector.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QMenu>
#include <QPushButton>
#include <QScrollArea>
#include <QScrollBar>
#include <QVBoxLayout>
#include <algorithm>

#include "app/inspector/icons.h"
#include "app/inspector/parameter_row.h"
#include "app/inspector/small_widgets.h"
#include "app/inspector/theme.h"

namespace orrery::app {

namespace {
constexpr int scrollBarWidth = 10;                   // as in resources/style/window.qss
}

Inspector::Inspector(QWidget* parent) : QWidget(parent) {
  setObjectName("dockBody");
  setAttribute(Qt::WA_StyledBackground);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 12, 0, 0);
  column->setSpacing(0);

  title_ = new QLabel(this);
  title_->setFont(titleFont());
  title_->setContentsMargins(16, 0, 16, 0);
  title_->setWordWrap(true);
  summary_ = new QLabel(this);
  summary_->setObjectName("muted");
  summary_->setContentsMargins(16, 2, 16, 8);
  summary_->setWordWrap(true);
  column->addWidget(title_);
  column->addWidget(summary_);

  scroll_ = new QScrollArea(this);
  scroll_->setWidgetResizable(true);
  scroll_->setFrameShape(QFrame::NoFrame);
  scroll_->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  scroll_->setAccessibleName(tr("Parameters"));
  column->addWidget(scroll_, 1);

  footer_ = new QWidget(this);
  auto* buttons = new QHBoxLayout(footer_);
  buttons->setContentsMargins(16, 10, 16, 14);
  buttons->setSpacing(8);
  export_ = new QPushButton(tr("Export figure…"), footer_);
  export_->setProperty("primary", true);
  export_->setObjectName("export");
  export_->setAccessibleName(tr("Export figure…"));
  presets_ = new QPushButton(tr("Presets"), footer_);
  presets_->setObjectName("presets");
  presets_->setAccessibleName(tr("Presets"));
  presets_->setMenu(new QMenu(presets_));
  buttons->addWidget(export_, 1);
  buttons->addWidget(presets_, 1);
  column->addWidget(footer_);
  connect(export_, &QPushButton::clicked, this, &Inspector::exportRequested);
  rebuild();
}

void Inspector::setSession(Session* session) {
  if (session == session_) return refresh();
  session_ = session;
  rebuild();
}

void Inspector::rebuild() {
  rows_.clear();
  groups_.clear();
  auto* body = new QWidget;
  auto* column = new QVBoxLayout(body);
  column->setContentsMargins(0, 0, 0, 8);
  column->setSpacing(0);
  if (session_) {
    const LabEntry& lab = session_->lab();
    title_->setText(shown(lab.title));
    summary_->setText(shown(lab.summary));
    // Groups in the order of their first parameter.
    std::vector<std::string> order;
    for (const Parameter& parameter : lab.parameters)
      if (std::find(order.begin(), order.end(), parameter.group) == order.end()) order.push_back(parameter.group);
    for (const std::string& name : order) {
      Group group;
      if (!name.empty()) {
        group.heading = groupHeading(shown(name), body);
        group.heading->setContentsMargins(16, groups_.empty() ? 4 : 14, 16, 4);
        column->addWidget(group.heading);
      }
      for (const Parameter& parameter : lab.parameters) {
        if (parameter.group != name) continue;
        ParameterRow* row = makeRow(parameter, body);
        column->addWidget(row);
        group.rows.push_back(row);
        rows_.push_back(row);
        connect(row, &ParameterRow::edited, this, [this, row](const Value& value, bool drag) {
          apply(row, session_->set(row->parameter().id, value, drag ? Edit::drag : Edit::step));
        });
        connect(row, &ParameterRow::dragFinished, this, [this] { session_->endDrag(); });
        connect(row, &ParameterRow::typed, this, [this, row](const QString& text) {
          Expected<Value> value = parseValue(row->parameter(), text.toStdString());
          if (!value) return row->setProblem(QString::fromStdString(value.error().message));
          apply(row, session_->set(row->parameter().id, *value));
        });
        connect(row, &ParameterRow::resetRequested, this, [this, row] {
          session_->reset(row->parameter().id);
          row->setProblem({});
          refresh();
          emit changed();
        });
      }
      groups_.push_back(std::move(group));
    }
  } else {
    title_->clear();
    summary_->setText(tr("Open a lab to see its parameters here."));
  }
  title_->setVisible(session_);
  column->addStretch(1);
  scroll_->setWidget(body);
  // The scroll bar takes the place of a margin, so that fields keep their edge whether it is there or not.
  const auto makeRoom = [column](int, int most) { column->setContentsMargins(0, 0, most > 0 ? 0 : scrollBarWidth, 8); };
  makeRoom(0, scroll_->verticalScrollBar()->maximum());
  connect(scroll_->verticalScrollBar(), &QScrollBar::rangeChanged, body, makeRoom);
  footer_->setVisible(session_);
  fillPresets();
  refresh();
}

void Inspector::fillPresets() {
  QMenu* menu = presets_->menu();
  menu->clear();
  if (!session_) return;
  menu->setToolTipsVisible(true);
  for (const Preset& preset : session_->lab().presets) {
    QAction* action = menu->addAction(shown(preset.title));
    action->setToolTip(shown(preset.help));
    connect(action, &QAction::triggered, this, [this, id = preset.id] {
      (void)session_->applyPreset(id).hasValue();
      refresh();
      emit changed();
    });
  }
  if (!session_->lab().presets.empty()) menu->addSeparator();
  connect(menu->addAction(icon("reset", IconTone::muted), tr("Defaults")), &QAction::triggered, this, [this] {
    session_->resetAll();
    refresh();
    emit changed();
  });
}

void Inspector::apply(ParameterRow* row, const Expected<void>& result) {
  row->setProblem(result ? QString() : QString::fromStdString(result.error().message));
  refresh();
  emit changed();
}

void Inspector::refresh() {
  if (!session_) return;
  const Values values = session_->values();
  for (const Group& group : groups_) {
    bool any = false;
    for (ParameterRow* row : group.rows) {
      const Parameter& parameter = row->parameter();
      const bool visible = !parameter.visible || parameter.visible(values);
      if (row->isHidden() == visible) row->setVisible(visible);
      any = any || visible;
      const auto found = values.find(parameter.id);
      if (found == values.end()) continue;
      row->showValue(found->second);
      row->setChanged(!session_->isDefault(parameter.id));
    }
    if (group.heading) group.heading->setVisible(any);
  }
}

ParameterRow* Inspector::row(const QString& parameterId) const {
  for (ParameterRow* row : rows_)
    if (parameterId == QString::fromStdString(row->parameter().id)) return row;
  return nullptr;
}

void Inspector::reveal(const QString& parameterId) {
  ParameterRow* found = row(parameterId);
  if (!found) return;
  scroll_->ensureWidgetVisible(found, 0, 40);
  found->focusTarget()->setFocus(Qt::OtherFocusReason);
}

}  // namespace orrery::app
