#include "app/shell/actions.h"

#include <QMenu>

#include "app/inspector/icons.h"

namespace orrery::app {

Actions::Actions(Settings& settings, QWidget* window) : QObject(window), settings_(settings), window_(window) {}

QAction* Actions::add(QMenu* menu, const QString& id, const QString& text, const QString& picture, const QKeySequence& keys, std::function<void()> run) {
  auto* action = new QAction(text, this);
  action->setObjectName(id);
  if (!picture.isEmpty()) action->setIcon(icon(picture, IconTone::muted));
  action->setShortcut(QKeySequence(settings_.value("keys/" + id, keys.toString(QKeySequence::PortableText)).toString(), QKeySequence::PortableText));
  action->setShortcutContext(Qt::WindowShortcut);
  connect(action, &QAction::triggered, this, [run = std::move(run)] { run(); });
  menu->addAction(action);
  // On the window too, so that keys work while the menu bar is hidden.
  window_->addAction(action);
  entries_.append({id, action, keys});
  return action;
}

QAction* Actions::find(const QString& id) const {
  for (const ActionEntry& entry : entries_)
    if (entry.id == id) return entry.action;
  return nullptr;
}

QAction* Actions::byKeys(const QKeySequence& keys) const {
  for (const ActionEntry& entry : entries_)
    if (entry.action->isEnabled() && !keys.isEmpty() && entry.action->shortcut() == keys) return entry.action;
  return nullptr;
}

void Actions::remap(const QString& id, const QKeySequence& keys) {
  for (const ActionEntry& entry : entries_) {
    // One key, one meaning: whoever had it gives it up.
    if (entry.id != id && !keys.isEmpty() && entry.action->shortcut() == keys) {
      entry.action->setShortcut({});
      settings_.set("keys/" + entry.id, QString());
    }
    if (entry.id != id) continue;
    entry.action->setShortcut(keys);
    settings_.set("keys/" + id, keys.toString(QKeySequence::PortableText));
  }
}

void Actions::restoreInitial() {
  for (const ActionEntry& entry : entries_) {
    entry.action->setShortcut(entry.initial);
    settings_.remove("keys/" + entry.id);
  }
}

}  // namespace orrery::app
