#include "app/shell/settings.h"

#include <QFileInfo>

#include "app/inspector/small_widgets.h"
#include "core/base/files.h"
#include "core/session/lab.h"

namespace orrery::app {

namespace {
constexpr int mostRecents = 12;
}

QString Recent::title() const {
  if (lab.isEmpty()) return QFileInfo(path).fileName();
  const LabEntry* entry = findRegistered<LabEntry>(lab.toStdString());
  return entry ? shown(entry->title) : lab;
}

Settings::Settings(bool safeMode) {
  if (!safeMode) store_ = std::make_unique<QSettings>(QString::fromStdString(configFolder()) + "/settings.ini", QSettings::IniFormat);
}

QVariant Settings::value(const QString& key, const QVariant& otherwise) const {
  return store_ ? store_->value(key, otherwise) : memory_.value(key, otherwise);
}

void Settings::set(const QString& key, const QVariant& value) {
  if (store_) store_->setValue(key, value);
  else memory_[key] = value;
}

void Settings::remove(const QString& key) {
  if (store_) store_->remove(key);
  else memory_.remove(key);
}

ThemeChoice Settings::theme() const {
  const QString name = value("theme", "system").toString();
  return name == "light" ? ThemeChoice::light : name == "dark" ? ThemeChoice::dark : ThemeChoice::system;
}

void Settings::setTheme(ThemeChoice choice) {
  set("theme", choice == ThemeChoice::light ? "light" : choice == ThemeChoice::dark ? "dark" : "system");
}

QList<Recent> Settings::recents() const {
  QList<Recent> list;
  for (const QString& entry : value("recents").toStringList()) {
    if (entry.startsWith("lab:")) {
      if (findRegistered<LabEntry>(entry.mid(4).toStdString())) list.append({entry.mid(4), {}});
    } else if (QFileInfo::exists(entry)) {
      list.append({{}, entry});
    }
  }
  return list;
}

void Settings::addRecentLab(const QString& lab) { addRecent("lab:" + lab); }
void Settings::addRecentFile(const QString& path) { addRecent(QFileInfo(path).absoluteFilePath()); }

void Settings::addRecent(const QString& entry) {
  QStringList list = value("recents").toStringList();
  list.removeAll(entry);
  list.prepend(entry);
  while (list.size() > mostRecents) list.removeLast();
  set("recents", list);
}

}  // namespace orrery::app
