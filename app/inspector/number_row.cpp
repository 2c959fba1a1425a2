#include "app/inspector/number_row.h"

#include <QHBoxLayout>
#include <QKeyEvent>
#include <QStyle>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>

#include "app/inspector/slider.h"
#include "app/inspector/small_widgets.h"

namespace orrery::app {

namespace {

// Rounds to `digits` significant digits, so that a slider gives 0.075 and not 0.07512871.
double roundTo(double value, double unit) { return unit > 0 ? std::round(value / unit) * unit : value; }

double decadeBelow(double value) { return std::pow(10.0, std::floor(std::log10(std::max(std::abs(value), 1e-300)))); }

}  // namespace

double NumberScale::fractionOf(double value) const {
  if (!(high > low)) return 0;
  if (logarithmic) {
    const double from = std::max(low, integer ? 1.0 : 1e-300);
    return std::clamp(std::log(std::max(value, from) / from) / std::log(high / from), 0.0, 1.0);
  }
  return std::clamp((value - low) / (high - low), 0.0, 1.0);
}

double NumberScale::valueAt(double fraction, bool snap) const {
  if (fraction <= 0) return low;
  if (fraction >= 1) return high;
  double value = 0;
  if (logarithmic) {
    const double from = std::max(low, integer ? 1.0 : 1e-300);
    value = from * std::pow(high / from, fraction);
    // Three significant digits; one of them with snap, which gives 1, 2, 5 per decade well enough to find again.
    value = roundTo(value, decadeBelow(value) * (snap ? 1 : 0.01));
  } else {
    value = low + fraction * (high - low);
    // About a thousand positions along the slider, on round numbers.
    value = roundTo(value, step > 0 ? step : decadeBelow(high - low) * 0.001);
  }
  if (integer) value = std::round(value);
  return std::clamp(value, low, high);
}

double NumberScale::nudged(double value, int steps, bool page) const {
  const double count = steps * (page ? 10.0 : 1.0);
  double next = 0;
  if (integer && !logarithmic) {
    next = value + count * std::max(1.0, std::round((high - low) / 1000));
  } else if (logarithmic) {
    next = valueAt(fractionOf(value) + count * 0.01);
    if (integer && next == value) next = value + (steps > 0 ? 1 : -1);
  } else {
    next = roundTo(value + count * (step > 0 ? step : decadeBelow(high - low) * 0.01), step > 0 ? step : decadeBelow(high - low) * 0.001);
  }
  return std::clamp(next, low, high);
}

QString displayNumber(double value, const NumberScale& scale) {
  if (!std::isfinite(value)) return QString::number(value);
  QString text;
  if (scale.integer) {
    text = QString::number(static_cast<qint64>(std::llround(value)));
  } else if (value != 0 && (std::abs(value) < 1e-3 || std::abs(value) >= 1e6)) {
    text = QString::number(value, 'g', 4);
    text.replace("e-0", "e-").replace("e+0", "e");
  } else if (std::abs(value) >= 1000) {
    text = QString::number(value, 'f', 0);
  } else if (scale.step > 0 && !scale.logarithmic) {
    text = QString::number(value, 'f', std::clamp(static_cast<int>(std::ceil(-std::log10(scale.step) - 1e-9)), 0, 6));
  } else {
    text = QString::number(value, 'g', 4);
    // Small ranges keep two decimals, so that the field does not jump between 1 and 0.95.
    if (!scale.logarithmic && scale.high - scale.low <= 10 && text.indexOf('.') < 0 && text.indexOf('e') < 0) text += ".00";
    else if (!scale.logarithmic && scale.high - scale.low <= 10 && text.indexOf('.') == text.size() - 2) text += "0";
  }
  // Thin spaces between groups of three digits in front of the point.
  const qsizetype point = text.indexOf('.') < 0 ? text.size() : text.indexOf('.');
  const qsizetype first = text.startsWith('-') ? 1 : 0;
  if (point - first > 4 && text.indexOf('e') < 0)
    for (qsizetype at = point - 3; at > first; at -= 3) text.insert(at, QChar(0x202F));
  return text.replace('-', QChar(0x2212));
}

NumberField::NumberField(QWidget* parent) : QLineEdit(parent) {
  setAlignment(Qt::AlignRight | Qt::AlignVCenter);
  connect(this, &QLineEdit::editingFinished, this, &NumberField::commit);
}

void NumberField::setNumber(const QString& formatted, const QString& exact) {
  formatted_ = formatted;
  exact_ = exact;
  // What is being typed is not replaced by a picture that comes back.
  if (hasFocus() && isModified()) return;
  setText(hasFocus() ? exact_ : formatted_);
  setCursorPosition(0);
  if (hasFocus()) selectAll();
}

void NumberField::commit() {
  if (!isModified()) return;
  setModified(false);
  emit committed(text());
}

void NumberField::focusInEvent(QFocusEvent* event) {
  setText(exact_);
  QLineEdit::focusInEvent(event);
  selectAll();
}

void NumberField::focusOutEvent(QFocusEvent* event) {
  QLineEdit::focusOutEvent(event);                   // emits editingFinished when something was typed
  setText(formatted_);
  setCursorPosition(0);
}

void NumberField::keyPressEvent(QKeyEvent* event) {
  switch (event->key()) {
    case Qt::Key_Up: emit nudged(1, false); return;
    case Qt::Key_Down: emit nudged(-1, false); return;
    case Qt::Key_PageUp: emit nudged(1, true); return;
    case Qt::Key_PageDown: emit nudged(-1, true); return;
    case Qt::Key_Escape:
      setModified(false);
      setText(exact_);
      selectAll();
      return;
    default: QLineEdit::keyPressEvent(event);
  }
}

NumberRow::NumberRow(const Parameter& parameter, NumberScale scale, QWidget* parent) : ParameterRow(parameter, parent), scale_(scale) {
  field_ = new NumberField(this);
  field_->setFixedWidth(84);
  describe(field_);
  line_->addWidget(field_);
  slider_ = new Slider(this);
  describe(slider_, tr("slider"));
  column_->insertWidget(1, slider_);
  connect(slider_, &Slider::fractionDragged, this, [this](double fraction, bool snap) { emit edited(valueOf(scale_.valueAt(fraction, snap)), true); });
  connect(slider_, &Slider::dragFinished, this, &ParameterRow::dragFinished);
  const auto nudge = [this](int steps, bool page) { emit edited(valueOf(scale_.nudged(shown_, steps, page)), false); };
  connect(slider_, &Slider::nudged, this, nudge);
  connect(field_, &NumberField::nudged, this, nudge);
  connect(field_, &NumberField::committed, this, &ParameterRow::typed);
}

QWidget* NumberRow::focusTarget() { return field_; }

Value NumberRow::valueOf(double number) const {
  if (scale_.integer) return Value{static_cast<std::int64_t>(std::llround(number))};
  return Value{number};
}

void NumberRow::showValue(const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) shown_ = static_cast<double>(*integer);
  if (const auto* real = std::get_if<double>(&value)) shown_ = *real;
  QString formatted = displayNumber(shown_, scale_);
  if (!parameter().unit.empty()) formatted += QChar(0x00A0) + shown(parameter().unit);
  // A long unit or number gets the room it needs.
  field_->setFixedWidth(std::clamp(field_->fontMetrics().horizontalAdvance(formatted) + 24, 84, 150));
  field_->setNumber(formatted, QString::fromStdString(toText(value)));
  if (!slider_->isSliderDown()) slider_->setFraction(scale_.fractionOf(shown_));
  slider_->setAccessibleDescription(formatted);
}

void NumberRow::markWrong(bool wrong) {
  field_->setProperty("wrong", wrong);
  field_->style()->unpolish(field_);
  field_->style()->polish(field_);
}

}  // namespace orrery::app
