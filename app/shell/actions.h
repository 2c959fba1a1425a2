#pragma once
// Every action of the window: added once, with a stable id, so that keys can be remapped and the palette finds all of them.

#include <QAction>
#include <QKeySequence>
#include <QList>
#include <QObject>
#include <functional>

#include "app/shell/settings.h"

class QMenu;

namespace orrery::app {

struct ActionEntry {
  QString id;                                        // "export-figure": the settings key and the English words of the palette
  QAction* action = nullptr;
  QKeySequence initial;
};

class Actions : public QObject {
  Q_OBJECT

 public:
  Actions(Settings& settings, QWidget* window);

  QAction* add(QMenu* menu, const QString& id, const QString& text, const QString& icon, const QKeySequence& keys, std::function<void()> run);
  const QList<ActionEntry>& entries() const { return entries_; }
  QAction* find(const QString& id) const;
  QAction* byKeys(const QKeySequence& keys) const;   // enabled ones only
  void remap(const QString& id, const QKeySequence& keys);
  void restoreInitial();

 private:
  Settings& settings_;
  QWidget* window_;
  QList<ActionEntry> entries_;
};

}  // namespace orrery::app
