#pragma once
// The rows of switches, choices, texts and seeds.

#include <QTimer>

#include "app/inspector/number_row.h"
#include "app/inspector/parameter_row.h"

class QComboBox;
class QPlainTextEdit;

namespace orrery::app {

class ToggleSwitch;

class SwitchRow : public ParameterRow {
  Q_OBJECT

 public:
  SwitchRow(const Parameter& parameter, QWidget* parent);
  void showValue(const Value& value) override;
  QWidget* focusTarget() override;

 private:
  ToggleSwitch* toggle_ = nullptr;
};

class ChoiceRow : public ParameterRow {
  Q_OBJECT

 public:
  ChoiceRow(const Parameter& parameter, const Choice& choice, QWidget* parent);
  void showValue(const Value& value) override;
  QWidget* focusTarget() override;

 private:
  QComboBox* combo_ = nullptr;
};

class TextRow : public ParameterRow {
  Q_OBJECT

 public:
  TextRow(const Parameter& parameter, const Text& domain, QWidget* parent);
  void showValue(const Value& value) override;
  QWidget* focusTarget() override;

 protected:
  void markWrong(bool wrong) override;

 private:
  void commit();
  QLineEdit* line_edit_ = nullptr;
  QPlainTextEdit* block_ = nullptr;
  QTimer pause_;                                     // typing is one edit per pause, not one per letter
  bool showing_ = false;
};

class SeedRow : public ParameterRow {
  Q_OBJECT

 public:
  SeedRow(const Parameter& parameter, QWidget* parent);
  void showValue(const Value& value) override;
  QWidget* focusTarget() override;

 protected:
  void markWrong(bool wrong) override;

 private:
  NumberField* field_ = nullptr;
};

}  // namespace orrery::app
