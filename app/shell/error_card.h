#pragma once
// A failure shown where it happened: what went wrong in one sentence, the likely fixes as buttons, the details to copy, and a way to put it
// away. Also used, in quiet colours, for questions that must not block (restore after a crash).

#include <QFrame>
#include <functional>

#include "core/base/expected.h"

class QHBoxLayout;
class QLabel;

namespace orrery::app {

class ErrorCard : public QFrame {
  Q_OBJECT

 public:
  enum class Kind { failure, notice };
  ErrorCard(Kind kind, const QString& title, const QString& message, const QString& details, QWidget* parent);

  // `primary` buttons stand out.
  void addAction(const QString& text, std::function<void()> action, bool primary = false);
  QString message() const { return message_; }

 signals:
  void dismissed();

 private:
  QString message_;
  QHBoxLayout* buttons_ = nullptr;
};

// What "copy details" puts on the clipboard: the sentence, its code, the lab, versions, the device.
QString detailsOf(const Error& error, const QString& where);

}  // namespace orrery::app
