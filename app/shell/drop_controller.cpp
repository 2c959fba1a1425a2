#include "app/shell/drop_controller.h"

#include <QFile>
#include <QFileInfo>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/export/export.h"
#include "app/export/film.h"
#include "app/inspector/small_widgets.h"
#include "app/shell/figure_jobs.h"
#include "core/base/text.h"

namespace orrery::app {

namespace {

constexpr qint64 headBytes = 4096;
constexpr int asSet = 1'000'000;  // who takes all files goes before who would keep the last of them

QByteArray headOf(const QString& path) {
  QFile file(path);
  if (!QFileInfo(path).isFile() || !file.open(QIODevice::ReadOnly)) return {};
  return file.read(headBytes);
}

// A scene saved by us, or a figure or film that carries its recipe; nothing for every other file. An error when it is ours but damaged.
std::optional<Expected<SessionFile>> sceneIn(const QString& path) {
  const QByteArray head = headOf(path);
  const QByteArray begin = head.trimmed();
  if (begin.startsWith('{') && head.contains("\"orrery\"")) return readSessionFile(path.toStdString());
  const bool film = exporting::looksLikeFilm({head.constData(), static_cast<std::size_t>(head.size())});
  if (film || head.startsWith("\x89PNG") || head.startsWith("%PDF") || head.contains("<svg")) {
    auto recipe = exporting::readRecipe(path.toStdString());
    if (!recipe) return std::nullopt;
    const nlohmann::json json = nlohmann::json::parse(*recipe, nullptr, false);
    if (json.is_discarded() || !json.contains("lab") || !json["lab"].is_string()) return std::nullopt;
    return SessionFile{json["lab"].get<std::string>(), *recipe};
  }
  return std::nullopt;
}

}  // namespace

DropPlan planFor(const QStringList& paths) {
  DropPlan plan;
  plan.paths = paths;
  if (paths.size() == 1) {
    if (auto scene = sceneIn(paths.front())) {
      if (!*scene) plan.error = scene->error();
      else if (!findRegistered<LabEntry>((*scene)->lab))
        plan.error = makeError(ErrorCode::notFound, orrery::trf("this scene needs the lab {}, which this version does not have", (*scene)->lab));
      else plan.scene = **scene;
      return plan;
    }
  }
  for (const QString& path : paths) {
    auto report = inspectFile(path.toStdString());
    if (!report) {
      plan.error = report.error();
      return plan;
    }
    plan.reports.push_back(std::move(*report));
    if (plan.reports.back().error) {
      plan.error = plan.reports.back().error;
      return plan;
    }
  }
  // A lab takes the files when it takes them as a set, or each of them.
  for (const LabEntry& lab : registered<LabEntry>()) {
    DropTarget target{&lab, nullptr, 0};
    if (plan.reports.size() > 1) target.acceptance = lab.takesTogether(plan.reports, &target.score);
    if (target.acceptance) {
      target.score += asSet;
      plan.targets.push_back(target);
      continue;
    }
    bool all = !plan.reports.empty();
    for (const FileReport& report : plan.reports) {
      int score = 0;
      const Acceptance* acceptance = lab.takes(report, &score);
      all = all && acceptance;
      target.score += score;
      if (!target.acceptance) target.acceptance = acceptance;
    }
    if (all) plan.targets.push_back(target);
  }
  std::stable_sort(plan.targets.begin(), plan.targets.end(), [](const DropTarget& a, const DropTarget& b) { return a.score > b.score; });
  if (plan.targets.empty() && !plan.reports.empty())
    plan.error = makeError(ErrorCode::unsupported, plan.reports.size() == 1 ? orrery::tr("no lab takes this file") : orrery::tr("no lab takes these files together"));
  return plan;
}

QString DropPlan::sentence(const QString& currentLab) const {
  if (scene) {
    const LabEntry* lab = findRegistered<LabEntry>(scene->lab);
    return QObject::tr("Restore the scene in %1").arg(lab ? shown(lab->title) : QString::fromStdString(scene->lab));
  }
  if (!possible()) return error ? QString::fromStdString(error->message) : QString();
  const auto current = std::find_if(targets.begin(), targets.end(), [&](const DropTarget& target) { return QString::fromStdString(target.lab->id) == currentLab; });
  const DropTarget& target = current != targets.end() ? *current : targets.front();
  if (current == targets.end() && targets.size() > 1)
    return QObject::tr("Open in one of %1 labs: %2, …").arg(targets.size()).arg(shown(targets.front().lab->title));
  return QObject::tr("Open in %1 (%2)").arg(shown(target.lab->title), shown(target.acceptance->kinds));
}

QString DropPlan::explanation() const {
  QStringList lines;
  for (const FileReport& report : reports) lines << QString::fromStdString(report.title);
  QStringList takers;
  for (const LabEntry& lab : registered<LabEntry>())
    for (const Acceptance& acceptance : lab.accepts)
      takers << QObject::tr("%1 takes %2").arg(shown(lab.title), shown(acceptance.kinds));
  if (error && error->code == ErrorCode::unsupported && !takers.isEmpty()) lines << takers;
  return lines.join("\n");
}

DropController::DropController(QObject* parent) : QObject(parent) { pool_.setMaxThreadCount(1); }

DropController::~DropController() { pool_.waitForDone(); }

void DropController::hover(const QStringList& paths) {
  hovering_ = paths;
  if (!paths.isEmpty()) consider(paths, false);
}

void DropController::drop(const QStringList& paths) {
  hovering_.clear();
  if (!paths.isEmpty()) consider(paths, true);
}

void DropController::consider(const QStringList& paths, bool dropped) {
  // What was found while the files hovered still holds when they are let go.
  if (newest_ && newest_->paths == paths) {
    const DropPlan plan = *newest_;
    if (dropped) newest_.reset();
    dropped ? emit decided(plan) : emit planned(plan);
    return;
  }
  if (dropped) waitingDrop_ = paths;
  if (running_ == paths) return;
  running_ = paths;
  pool_.start([this, paths] {
    DropPlan plan = planFor(paths);
    onWindow(this, [this, plan = std::move(plan)] {
      if (running_ == plan.paths) running_.clear();
      if (waitingDrop_ == plan.paths) {
        waitingDrop_.clear();
        emit decided(plan);
      } else if (hovering_ == plan.paths) {
        newest_ = plan;
        emit planned(plan);
      }
    });
  });
}

}  // namespace orrery::app
