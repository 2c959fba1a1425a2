#pragma once
// What the window remembers between runs, in configFolder()/settings.ini. In safe mode nothing is read or written.

#include <QSettings>
#include <QStringList>
#include <memory>

#include "app/inspector/theme.h"

namespace orrery::app {

// Something opened before: a lab, or a file.
struct Recent {
  QString lab;                                       // set for a lab
  QString path;                                      // set for a file
  QString title() const;                             // as menus show it
};

class Settings {
 public:
  explicit Settings(bool safeMode);

  QVariant value(const QString& key, const QVariant& otherwise = {}) const;
  void set(const QString& key, const QVariant& value);
  void remove(const QString& key);
  bool safeMode() const { return store_ == nullptr; }

  ThemeChoice theme() const;
  void setTheme(ThemeChoice choice);

  QList<Recent> recents() const;                     // newest first, at most 12; files that are gone are left out
  void addRecentLab(const QString& lab);
  void addRecentFile(const QString& path);
  void clearRecents() { remove("recents"); }

 private:
  void addRecent(const QString& entry);
  std::unique_ptr<QSettings> store_;
  QMap<QString, QVariant> memory_;                   // safe mode
};

}  // namespace orrery::app
