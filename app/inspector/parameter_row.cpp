#include "app/inspector/parameter_row.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QVBoxLayout>

#include "app/inspector/file_row.h"
#include "app/inspector/number_row.h"
#include "app/inspector/row_label.h"
#include "app/inspector/small_widgets.h"
#include "app/inspector/theme.h"
#include "app/inspector/value_rows.h"

namespace orrery::app {

ParameterRow::ParameterRow(const Parameter& parameter, QWidget* parent) : QWidget(parent), parameter_(parameter) {
  column_ = new QVBoxLayout(this);
  column_->setContentsMargins(16, 3, 6, 3);                // right: 10 more for the scroll bar, see Inspector
  column_->setSpacing(2);
  line_ = new QHBoxLayout;
  line_->setSpacing(8);
  column_->addLayout(line_);
  label_ = new RowLabel(shown(parameter.label), this);
  if (!parameter.help.empty()) label_->setToolTip(shown(parameter.help));
  line_->addWidget(label_, 1);
  problem_ = new QLabel(this);
  problem_->setObjectName("wrong");
  problem_->setFont(smallFont());
  problem_->setWordWrap(true);
  problem_->hide();
  column_->addWidget(problem_);
  setObjectName(QString::fromStdString("parameter-" + parameter.id));
  connect(label_, &RowLabel::resetRequested, this, &ParameterRow::resetRequested);
}

void ParameterRow::setChanged(bool changed) {
  if (changed == changed_) return;
  changed_ = changed;
  // The dot alone would be colour as the only carrier for people who do not see it.
  label_->setAccessibleDescription(changed ? tr("Changed from its default") : QString());
  update();
}

void ParameterRow::setProblem(const QString& sentence) {
  problem_->setText(sentence);
  problem_->setVisible(!sentence.isEmpty());
  markWrong(!sentence.isEmpty());
}

void ParameterRow::paintEvent(QPaintEvent*) {
  if (!changed_) return;
  QPainter painter(this);
  painter.setRenderHint(QPainter::Antialiasing);
  painter.setPen(Qt::NoPen);
  painter.setBrush(tokens().changed);
  painter.drawEllipse(QPointF(8, label_->geometry().center().y() + 0.5), 2.5, 2.5);
}

void ParameterRow::describe(QWidget* control, const QString& role) const {
  const QString label = shown(parameter_.label);
  control->setAccessibleName(role.isEmpty() ? label : tr("%1, %2").arg(label, role));
  if (parameter_.help.empty()) return;
  const QString help = shown(parameter_.help);
  control->setAccessibleDescription(help);
  if (control->toolTip().isEmpty()) control->setToolTip(help);
}

ParameterRow* makeRow(const Parameter& parameter, QWidget* parent) {
  struct Maker {
    const Parameter& parameter;
    QWidget* parent;
    ParameterRow* operator()(const Switch&) const { return new SwitchRow(parameter, parent); }
    ParameterRow* operator()(const Integer& domain) const {
      return new NumberRow(parameter, NumberScale{double(domain.low), double(domain.high), 1, domain.logarithmic, true}, parent);
    }
    ParameterRow* operator()(const Real& domain) const {
      return new NumberRow(parameter, NumberScale{domain.low, domain.high, domain.step, false, false}, parent);
    }
    ParameterRow* operator()(const LogReal& domain) const {
      return new NumberRow(parameter, NumberScale{domain.low, domain.high, 0, true, false}, parent);
    }
    ParameterRow* operator()(const Choice& domain) const { return new ChoiceRow(parameter, domain, parent); }
    ParameterRow* operator()(const Text& domain) const { return new TextRow(parameter, domain, parent); }
    ParameterRow* operator()(const FileWell& domain) const { return new FileRow(parameter, domain, parent); }
    ParameterRow* operator()(const Seed&) const { return new SeedRow(parameter, parent); }
  };
  return std::visit(Maker{parameter, parent}, parameter.domain);
}

}  // namespace orrery::app
