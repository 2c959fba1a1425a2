#pragma once
// A number: slider and field, always paired. The field takes expressions (1/3, 2e-4, 64k); the slider is linear or logarithmic.

#include <QLineEdit>

#include "app/inspector/parameter_row.h"

namespace orrery::app {

class Slider;

// Between a parameter's value and a slider's position 0..1.
struct NumberScale {
  double low = 0, high = 1;
  double step = 0;                                   // 0 = continuous
  bool logarithmic = false;
  bool integer = false;

  double fractionOf(double value) const;
  double valueAt(double fraction, bool snap = false) const;
  // One arrow key: a step, or a hundredth of the way; ten times that with `page`.
  double nudged(double value, int steps, bool page) const;
};

// As fields show it: grouped integers, about four significant digits, a true minus sign.
QString displayNumber(double value, const NumberScale& scale);

// Shows a formatted value and, while it is being edited, the exact one.
class NumberField : public QLineEdit {
  Q_OBJECT

 public:
  explicit NumberField(QWidget* parent = nullptr);
  void setNumber(const QString& formatted, const QString& exact);

 signals:
  void committed(const QString& text);
  void nudged(int steps, bool page);

 protected:
  void focusInEvent(QFocusEvent* event) override;
  void focusOutEvent(QFocusEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;

 private:
  void commit();
  QString formatted_, exact_;
};

class NumberRow : public ParameterRow {
  Q_OBJECT

 public:
  NumberRow(const Parameter& parameter, NumberScale scale, QWidget* parent);
  void showValue(const Value& value) override;
  QWidget* focusTarget() override;
  Slider* slider() { return slider_; }
  NumberField* field() { return field_; }

 protected:
  void markWrong(bool wrong) override;

 private:
  Value valueOf(double number) const;
  NumberScale scale_;
  Slider* slider_ = nullptr;
  NumberField* field_ = nullptr;
  double shown_ = 0;
};

}  // namespace orrery::app
