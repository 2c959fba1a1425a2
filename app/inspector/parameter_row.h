#pragma once
// One row of the inspector: the widget that edits one parameter. makeRow() chooses it by the parameter's domain and nothing else.

#include <QString>
#include <QWidget>

#include "core/session/parameter.h"

class QHBoxLayout;
class QLabel;
class QVBoxLayout;

namespace orrery::app {

class RowLabel;

class ParameterRow : public QWidget {
  Q_OBJECT

 public:
  ParameterRow(const Parameter& parameter, QWidget* parent);

  const Parameter& parameter() const { return parameter_; }
  virtual void showValue(const Value& value) = 0;    // without emitting anything
  virtual QWidget* focusTarget() = 0;                // where the palette jumps to
  void setChanged(bool changed);                     // the amber dot
  void setProblem(const QString& sentence);          // empty = none

 signals:
  void edited(const orrery::Value& value, bool drag);
  void dragFinished();
  void typed(const QString& text);                   // to be read by parseValue()
  void resetRequested();

 protected:
  void paintEvent(QPaintEvent*) override;
  // Gives a control its accessible name and description (the label and the help sentence).
  void describe(QWidget* control, const QString& role = {}) const;
  virtual void markWrong(bool) {}

  QVBoxLayout* column_ = nullptr;                    // the line, then what the row adds, then the problem
  QHBoxLayout* line_ = nullptr;                      // label, then the control

 private:
  const Parameter& parameter_;
  RowLabel* label_ = nullptr;
  QLabel* problem_ = nullptr;
  bool changed_ = false;
};

ParameterRow* makeRow(const Parameter& parameter, QWidget* parent);

}  // namespace orrery::app
