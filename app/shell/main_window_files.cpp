// Opening, saving, exporting and dropping in the main window, and what it keeps for after a crash.

#include <QApplication>
#include <QClipboard>
#include <QDragEnterEvent>
#include <QFileDialog>
#include <QFileInfo>
#include <QMimeData>
#include <QPointer>
#include <QStackedWidget>
#include <QTabBar>
#include <QUrl>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/inspector/inspector.h"
#include "app/inspector/small_widgets.h"
#include "app/shell/drop_overlay.h"
#include "app/shell/error_card.h"
#include "app/shell/export_dialog.h"
#include "app/shell/lab_chooser.h"
#include "app/shell/lab_page.h"
#include "app/shell/main_window.h"
#include "app/shell/stage_pane.h"
#include "app/shell/status_line.h"
#include "app/viewport/viewport.h"
#include "core/base/text.h"

namespace orrery::app {

namespace {

QStringList localPaths(const QMimeData* data) {
  QStringList paths;
  for (const QUrl& url : data->urls())
    if (url.isLocalFile()) paths << url.toLocalFile();
  return paths;
}

constexpr float copyDensity = 2;                     // 192 dpi: sharp when pasted into a document

}  // namespace

void MainWindow::dragEnterEvent(QDragEnterEvent* event) {
  const QStringList paths = localPaths(event->mimeData());
  if (paths.isEmpty()) return event->ignore();
  event->acceptProposedAction();
  considerDrop(paths);
}

void MainWindow::dragMoveEvent(QDragMoveEvent* event) { event->acceptProposedAction(); }
void MainWindow::dragLeaveEvent(QDragLeaveEvent*) { considerDrop({}); }

void MainWindow::dropEvent(QDropEvent* event) {
  event->acceptProposedAction();
  openPaths(localPaths(event->mimeData()));
}

void MainWindow::considerDrop(const QStringList& paths) {
  drops_.hover(paths);
  if (paths.isEmpty()) overlay_->hide();
  else if (overlay_->isHidden()) overlay_->showText(tr("Reading…"), true);
}

void MainWindow::showPlan(const DropPlan& plan) {
  StagePane* pane = currentPane();
  overlay_->showText(plan.sentence(pane ? QString::fromStdString(pane->session().lab().id) : QString()), plan.possible());
}

void MainWindow::openPaths(const QStringList& paths) {
  overlay_->hide();
  if (!paths.isEmpty()) drops_.drop(paths);
}

void MainWindow::chooseFiles() {
  const QString folder = settings_.value("open/folder", QDir::homePath()).toString();
  const QStringList paths = QFileDialog::getOpenFileNames(this, tr("Open"), folder);
  if (paths.isEmpty()) return;
  settings_.set("open/folder", QFileInfo(paths.front()).absolutePath());
  openPaths(paths);
}

void MainWindow::applyPlan(const DropPlan& plan) {
  QStringList names;
  for (const QString& path : plan.paths) names << QFileInfo(path).fileName();
  if (!plan.possible()) {
    const Error error = plan.error ? *plan.error : makeError(ErrorCode::unsupported, orrery::tr("no lab takes this file"));
    const QString explanation = plan.explanation();
    showCard(new ErrorCard(ErrorCard::Kind::failure, names.join(", "),
                           QString::fromStdString(error.message) + (explanation.isEmpty() ? QString() : "\n" + explanation),
                           detailsOf(error, plan.paths.join("\n")), this));
    return;
  }
  for (const QString& path : plan.paths) settings_.addRecentFile(path);
  fillRecentMenu();
  if (plan.scene) return openScene(*plan.scene, plan.paths.front());
  StagePane* pane = currentPane();
  const QString current = pane ? QString::fromStdString(pane->session().lab().id) : QString();
  const auto here = std::find_if(plan.targets.begin(), plan.targets.end(), [&](const DropTarget& target) { return QString::fromStdString(target.lab->id) == current; });
  if (here != plan.targets.end()) return giveFiles(plan, *here);
  if (plan.targets.size() == 1) return giveFiles(plan, plan.targets.front());
  chooseLab(plan, current, this, [this, plan](const DropTarget& target) { giveFiles(plan, target); });
}

void MainWindow::giveFiles(const DropPlan& plan, const DropTarget& target) {
  StagePane* pane = currentPane();
  if (!pane || pane->session().lab().id != target.lab->id) {
    auto session = openSession(target.lab->id);
    if (!session) return;
    addLab(std::move(session));
    pane = currentPane();
  }
  std::vector<std::string> paths;
  for (const QString& path : plan.paths) paths.push_back(path.toStdString());
  if (auto taken = pane->session().drop(plan.reports, paths); !taken) {
    QStringList names;
    for (const QString& path : plan.paths) names << QFileInfo(path).fileName();
    return showError(names.join(", "), taken.error());
  }
  for (const FileReport& report : plan.reports) {
    for (const std::string& note : report.notes) status_->say(QString::fromStdString(note));
  }
  inspector_->refresh();
  refreshActions();
}

void MainWindow::openScene(const SessionFile& scene, const QString& path) {
  auto session = openSession(scene.lab);
  if (!session) return;
  const nlohmann::json json = nlohmann::json::parse(scene.json, nullptr, false);
  auto restored = session->restore(json);
  Session* opened = session.get();
  addLab(std::move(session));
  if (!restored) showError(QFileInfo(path).fileName(), restored.error());
  if (QFileInfo(path).suffix() == "orrery") currentPane()->setProperty("scenePath", path);
  if (inspector_->session() == opened) inspector_->refresh();
}

bool MainWindow::saveScene(bool as) {
  StagePane* pane = currentPane();
  if (!pane) return false;
  QString path = pane->property("scenePath").toString();
  if (path.isEmpty() || as) {
    const QString folder = settings_.value("scene/folder", QDir::homePath()).toString();
    const QString name = QString::fromStdString(pane->session().lab().id).section('/', -1) + ".orrery";
    path = QFileDialog::getSaveFileName(this, tr("Save scene"), path.isEmpty() ? folder + "/" + name : path, tr("Orrery scenes") + " (*.orrery)");
    if (path.isEmpty()) return false;
    if (QFileInfo(path).suffix() != "orrery") path += ".orrery";
  }
  if (auto written = writeSessionFile(path.toStdString(), pane->session().toJson()); !written) {
    showError(tr("The scene was not saved"), written.error());
    return false;
  }
  pane->setProperty("scenePath", path);
  settings_.set("scene/folder", QFileInfo(path).absolutePath());
  settings_.addRecentFile(path);
  fillRecentMenu();
  status_->say(tr("Saved %1").arg(QFileInfo(path).fileName()));
  return true;
}

void MainWindow::exportFigure(const QString& panel) {
  StagePane* pane = currentPane();
  if (!pane) return;
  auto* dialog = new ExportDialog(*pane, settings_, panel, this);
  connect(dialog, &ExportDialog::written, this, [this](const QString& path, const QStringList& notes) {
    status_->say(tr("Exported %1").arg(QFileInfo(path).fileName()) + (notes.isEmpty() ? QString() : "  " + notes.join("; ")));
  });
  connect(dialog, &ExportDialog::failed, this, [this](const Error& error) { showError(tr("The figure was not exported"), error); });
  // The dialog draws with this pane's session: it goes when the pane goes.
  connect(pane, &QObject::destroyed, dialog, &QWidget::close);
  dialog->setWindowModality(Qt::WindowModal);
  dialog->show();
}

void MainWindow::exportData() {
  StagePane* pane = currentPane();
  if (!pane) return;
  const QString folder = settings_.value("export/folder", QDir::homePath()).toString();
  const QString name = QString::fromStdString(pane->session().lab().id).section('/', -1) + ".npz";
  QString filter;
  QString path = QFileDialog::getSaveFileName(this, tr("Export data"), folder + "/" + name,
                                              QStringLiteral("NPZ (*.npz);;JSON (*.json);;CSV (*.csv)"), &filter);
  if (path.isEmpty()) return;
  if (QFileInfo(path).suffix().isEmpty()) path += "." + filter.section("*.", 1).section(')', 0, 0);
  writeDataFile(pane->session(), path, this, [this](const Expected<exporting::Written>& written) {
    if (!written) return showError(tr("The data were not exported"), written.error());
    status_->say(tr("Exported %1").arg(QFileInfo(QString::fromStdString(written->path)).fileName()));
  });
}

void MainWindow::exportDataSet() {
  StagePane* pane = currentPane();
  if (!pane || pane->session().lab().files.empty()) return;
  const QString start = settings_.value("export/folder", QDir::homePath()).toString();
  const QString folder = QFileDialog::getExistingDirectory(this, tr("Folder for %1").arg(QString::fromStdString(pane->session().lab().files)), start);
  if (!folder.isEmpty()) writeDataSet(folder);
}

void MainWindow::writeDataSet(const QString& folder) {
  StagePane* pane = currentPane();
  if (!pane) return;
  pane->session().writeFiles(folder.toStdString(), [guard = QPointer<MainWindow>(this)](const Expected<FilesWritten>& written) {
    onWindow(guard, [guard, written] {
      if (written) {
        guard->status_->say(tr("Exported %1 files to %2").arg(written->files).arg(QString::fromStdString(written->folder)));
      } else if (written.error().code == ErrorCode::cancelled) {
        guard->status_->say(tr("Cancelled: nothing was written"));
      } else {
        guard->showError(tr("The data set was not exported"), written.error());
      }
    });
  });
}

void MainWindow::copyFigureNow() {
  StagePane* pane = currentPane();
  if (!pane) return;
  FigureRequest request;
  request.options = pane->viewport().exportOptions(ThemeKind::light);
  request.options.theme = ThemeKind::light;
  request.options.interactive = false;
  request.size = {float(std::max(200, pane->viewport().width())), float(std::max(120, pane->viewport().height()))};
  request.pixelsPerLogical = copyDensity;
  exporting::ExportOptions options;
  options.recipe = pane->session().toJson().dump();
  options.title = orrery::tr(pane->session().lab().title);
  copyFigure(pane->session(), pane->renderer(), request, options, this, [this](const CopiedFigure& copied) {
    if (copied.image.isNull()) return showError(tr("The figure was not copied"), copied.error.value_or(Error{}));
    auto* content = new QMimeData;
    content->setImageData(copied.image);
    if (!copied.svg.isEmpty()) content->setData("image/svg+xml", copied.svg);
    QApplication::clipboard()->setMimeData(content);
    status_->say(tr("Copied the figure as pixels and as SVG"));
  });
}

QByteArray MainWindow::stateOfAll() const {
  nlohmann::json tabs = nlohmann::json::array();
  for (int i = 0; i < tabs_->count(); ++i) {
    auto* lab = qobject_cast<LabPage*>(page(i));
    if (!lab) continue;
    for (StagePane* pane : lab->panes()) tabs.push_back(pane->session().toJson());
  }
  if (tabs.empty()) return {};
  return QByteArray::fromStdString(nlohmann::json{{"orrery-window", 1}, {"tabs", std::move(tabs)}}.dump());
}

void MainWindow::restoreAll(const QByteArray& state) {
  const nlohmann::json json = nlohmann::json::parse(state.toStdString(), nullptr, false);
  if (json.is_discarded() || !json.contains("tabs") || !json["tabs"].is_array()) return;
  for (const nlohmann::json& tab : json["tabs"]) {
    if (!tab.is_object() || !tab.contains("lab") || !tab["lab"].is_string()) continue;
    openScene(SessionFile{tab["lab"].get<std::string>(), tab.dump()}, {});
  }
}

void MainWindow::offerRestore() {
  const QByteArray state = journal_.leftBehind();
  const nlohmann::json json = nlohmann::json::parse(state.toStdString(), nullptr, false);
  if (state.isEmpty() || json.is_discarded() || !json.contains("tabs") || json["tabs"].empty()) return;
  QStringList labs;
  for (const nlohmann::json& tab : json["tabs"]) {
    if (!tab.is_object() || !tab.contains("lab") || !tab["lab"].is_string()) continue;
    const LabEntry* lab = findRegistered<LabEntry>(tab["lab"].get<std::string>());
    if (lab) labs << shown(lab->title);
  }
  if (labs.isEmpty()) return;
  auto* card = new ErrorCard(ErrorCard::Kind::notice, tr("Orrery did not end well last time"), tr("Open again what was there: %1?").arg(labs.join(", ")), {}, this);
  card->addAction(tr("Restore"), [this, card, state] {
    restoreAll(state);
    card->deleteLater();
  }, true);
  card->addAction(tr("Start afresh"), [card] { card->deleteLater(); });
  showCard(card);
}

}  // namespace orrery::app
