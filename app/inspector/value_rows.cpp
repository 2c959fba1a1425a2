#include "app/inspector/value_rows.h"

#include <QAbstractItemView>
#include <QAction>
#include <QHBoxLayout>
#include <QPlainTextEdit>
#include <QRandomGenerator>
#include <QStyle>
#include <QToolButton>
#include <QVBoxLayout>
#include <algorithm>

#include "app/inspector/icons.h"
#include "app/inspector/small_widgets.h"

namespace orrery::app {

namespace {

constexpr int typingPause = 350;                     // ms without a key before text counts as entered

void setWrong(QWidget* widget, bool wrong) {
  widget->setProperty("wrong", wrong);
  widget->style()->unpolish(widget);
  widget->style()->polish(widget);
}

}  // namespace

SwitchRow::SwitchRow(const Parameter& parameter, QWidget* parent) : ParameterRow(parameter, parent) {
  toggle_ = new ToggleSwitch(this);
  describe(toggle_);
  line_->addWidget(toggle_);
  connect(toggle_, &QCheckBox::clicked, this, [this](bool on) { emit edited(Value{on}, false); });
}

QWidget* SwitchRow::focusTarget() { return toggle_; }

void SwitchRow::showValue(const Value& value) {
  if (const bool* on = std::get_if<bool>(&value)) toggle_->setChecked(*on);
}

ChoiceRow::ChoiceRow(const Parameter& parameter, const Choice& choice, QWidget* parent) : ParameterRow(parameter, parent) {
  combo_ = new QuietComboBox(this);
  combo_->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
  constexpr int fieldWidth = 158, aroundText = 44;  // padding and arrow
  int widest = 0;
  for (const Choice::Option& option : choice.options) {
    combo_->addItem(shown(option.label), QString::fromStdString(option.id));
    widest = std::max(widest, combo_->fontMetrics().horizontalAdvance(shown(option.label)));
  }
  // The list is as wide as its longest entry.
  combo_->view()->setMinimumWidth(widest + 32);
  describe(combo_);
  // As wide as its neighbours; a line of its own when its texts would be cut off there.
  if (widest + aroundText <= fieldWidth) {
    combo_->setFixedWidth(fieldWidth);
    line_->addWidget(combo_);
  } else {
    column_->insertWidget(1, combo_);
  }
  connect(combo_, &QComboBox::activated, this, [this](int index) { emit edited(Value{combo_->itemData(index).toString().toStdString()}, false); });
}

QWidget* ChoiceRow::focusTarget() { return combo_; }

void ChoiceRow::showValue(const Value& value) {
  if (const auto* id = std::get_if<std::string>(&value)) combo_->setCurrentIndex(combo_->findData(QString::fromStdString(*id)));
}

TextRow::TextRow(const Parameter& parameter, const Text& domain, QWidget* parent) : ParameterRow(parameter, parent) {
  pause_.setSingleShot(true);
  pause_.setInterval(typingPause);
  connect(&pause_, &QTimer::timeout, this, &TextRow::commit);
  const auto started = [this] {
    if (!showing_) pause_.start();
  };
  if (domain.multiline) {
    block_ = new QPlainTextEdit(this);
    block_->setTabChangesFocus(true);
    block_->setFixedHeight(78);
    describe(block_);
    column_->insertWidget(1, block_);
    connect(block_, &QPlainTextEdit::textChanged, this, started);
  } else {
    line_edit_ = new QLineEdit(this);
    line_edit_->setMaxLength(static_cast<int>(domain.longest));
    describe(line_edit_);
    column_->insertWidget(1, line_edit_);
    connect(line_edit_, &QLineEdit::textEdited, this, started);
    connect(line_edit_, &QLineEdit::editingFinished, this, [this] {
      if (pause_.isActive()) commit();
    });
  }
}

QWidget* TextRow::focusTarget() { return block_ ? static_cast<QWidget*>(block_) : line_edit_; }

void TextRow::commit() {
  pause_.stop();
  emit edited(Value{(block_ ? block_->toPlainText() : line_edit_->text()).toStdString()}, false);
}

void TextRow::showValue(const Value& value) {
  const auto* text = std::get_if<std::string>(&value);
  if (!text || pause_.isActive()) return;
  const QString wanted = QString::fromStdString(*text);
  showing_ = true;
  if (block_ && block_->toPlainText() != wanted) block_->setPlainText(wanted);
  if (line_edit_ && line_edit_->text() != wanted) line_edit_->setText(wanted);
  showing_ = false;
}

void TextRow::markWrong(bool wrong) { setWrong(focusTarget(), wrong); }

SeedRow::SeedRow(const Parameter& parameter, QWidget* parent) : ParameterRow(parameter, parent) {
  field_ = new NumberField(this);
  field_->setFixedWidth(130);
  field_->setAlignment(Qt::AlignLeft | Qt::AlignVCenter);
  describe(field_);
  line_->addWidget(field_);
  auto* again = new QToolButton(field_);
  again->setIcon(icon("reroll", IconTone::muted));
  again->setIconSize({14, 14});
  again->setFixedSize(22, 22);
  again->setCursor(Qt::PointingHandCursor);
  again->setToolTip(tr("Draw a new seed"));
  again->setAccessibleName(tr("Draw a new seed"));
  again->setObjectName("reroll");
  again->move(130 - 26, 3);
  field_->setTextMargins(0, 0, 24, 0);
  connect(again, &QToolButton::clicked, this,
          [this] { emit edited(Value{static_cast<std::int64_t>(QRandomGenerator::global()->generate())}, false); });
  connect(field_, &NumberField::committed, this, &ParameterRow::typed);
}

QWidget* SeedRow::focusTarget() { return field_; }

void SeedRow::showValue(const Value& value) {
  const auto* seed = std::get_if<std::int64_t>(&value);
  if (!seed) return;
  field_->setNumber(displayNumber(static_cast<double>(*seed), NumberScale{0, 4294967295.0, 1, false, true}), QString::number(*seed));
}

void SeedRow::markWrong(bool wrong) { setWrong(field_, wrong); }

}  // namespace orrery::app
