#pragma once
// Ctrl+Shift+P: every action, lab, preset, parameter and recent file, found by typing parts of its words.

#include <QFrame>
#include <QIcon>
#include <QList>
#include <functional>

class QLineEdit;
class QListView;
class QStandardItemModel;

namespace orrery::app {

struct Command {
  QString title;                                     // "Export figure…", "Softmax attention"
  QString detail;                                    // group or one line: "File", "Preset of SDE and ODE paths"
  QString keys;                                      // the shortcut, to learn it
  QString icon;
  std::function<void()> run;
  QString alsoKnownAs;                               // English words, when the window speaks another language
};

// How well `typed` finds `text`: 0 = not at all. Words may be given in any order; beginnings of words count more.
int matchScore(const QString& typed, const QString& text);

class CommandPalette : public QFrame {
  Q_OBJECT

 public:
  CommandPalette(QList<Command> commands, QWidget* parent);
  const QList<Command>& commands() const { return commands_; }
  void search(const QString& typed);
  int found() const;

 protected:
  bool eventFilter(QObject* watched, QEvent* event) override;

 private:
  void runSelected();
  QList<Command> commands_;
  QLineEdit* line_ = nullptr;
  QListView* list_ = nullptr;
  QStandardItemModel* model_ = nullptr;
};

}  // namespace orrery::app
