// Films in the main window: the export dialog, the recording of what plays, and the films under way.

#include <QDir>
#include <QFileDialog>
#include <QFileInfo>
#include <QVBoxLayout>
#include <nlohmann/json.hpp>

#include "app/shell/film_dialog.h"
#include "app/shell/film_job.h"
#include "app/shell/main_window.h"
#include "app/shell/stage_pane.h"
#include "app/shell/status_line.h"
#include "app/shell/transport_bar.h"
#include "app/viewport/viewport.h"
#include "core/base/text.h"

namespace orrery::app {

void MainWindow::exportFilm() {
  StagePane* pane = currentPane();
  if (!pane) return;
  // One dialog; it does not hold the window, whose sliders and play head set its key frames.
  if (auto* open = findChild<FilmDialog*>("filmDialog")) {
    if (&open->pane() == pane) return open->raise();
    open->close();
  }
  auto* dialog = new FilmDialog(*pane, settings_, this);
  connect(dialog, &FilmDialog::wanted, this, [this, pane](const exporting::FilmPlan& plan, const QString& path) { startFilm(pane->session().toJson(), plan, path); });
  connect(pane, &QObject::destroyed, dialog, &QWidget::close);
  dialog->show();
}

void MainWindow::startFilm(nlohmann::json recipe, const exporting::FilmPlan& plan, const QString& path) {
  auto* card = new FilmCard(new FilmJob(device_, std::move(recipe), plan, path, nullptr), this);
  notices_->addWidget(card);
  card->show();
  connect(&card->job(), &FilmJob::remarked, this, [this](const QString& text) { status_->say(text); });
  connect(&card->job(), &FilmJob::finished, this, [this, card] {
    const auto& written = card->job().result();
    if (written) {
      QString said = tr("Exported %1").arg(QFileInfo(QString::fromStdString(written->path)).fileName()) + QStringLiteral("  ") +
                     tr("%1 frames, %2 MB, %3").arg(written->frames).arg(double(written->bytes) / 1e6, 0, 'f', 1).arg(QString::fromStdString(written->encoder));
      for (const auto& note : written->notes) said += "; " + QString::fromStdString(note);
      status_->say(said);
    } else if (written.error().code == ErrorCode::cancelled) {
      status_->say(tr("Cancelled: nothing was written"));
    } else {
      showError(tr("The film was not made"), written.error());
    }
    card->deleteLater();
  });
}

void MainWindow::toggleRecording(StagePane* pane) {
  if (!pane) return;
  if (auto* running = pane->findChild<FilmRecording*>()) return stopRecording(pane, running);
  if (!pane->session().picture()) return;
  const double rate = settings_.value("film/rate", 30).toInt();
  auto* recording = new FilmRecording(pane->session(), rate, pane);
  pane->transport().setRecording(0);
  connect(recording, &FilmRecording::grew, &pane->transport(), [pane](double seconds) { pane->transport().setRecording(seconds); });
  connect(recording, &FilmRecording::full, this, [this, pane] { toggleRecording(pane); });
  if (!pane->session().playing()) pane->transport().togglePlay();
}

void MainWindow::stopRecording(StagePane* pane, FilmRecording* recording) {
  pane->session().pause();
  exporting::FilmPlan plan;
  plan.recorded = recording->shots();
  plan.framesPerSecond = recording->framesPerSecond();
  auto recipe = recording->recipe();
  delete recording;
  pane->transport().setRecording(std::nullopt);
  const auto theme = settings_.value("film/theme", "light").toString() == "dark" ? ThemeKind::dark : ThemeKind::light;
  plan.layout = pane->viewport().exportOptions(theme);
  plan.layout.theme = theme;
  plan.layout.interactive = false;
  plan.size = {settings_.value("film/width", 1280).toFloat(), settings_.value("film/height", 720).toFloat()};
  plan.recipeExtra = nlohmann::json{{"figure", {{"size", fmt::format("{}x{}", plan.size.x, plan.size.y)}, {"theme", theme == ThemeKind::dark ? "dark" : "light"}}}}.dump();
  if (plan.recorded.empty()) return;
  QString path = recordTo_;
  if (path.isEmpty()) {
    const QString folder = settings_.value("film/folder", QDir::homePath()).toString();
    const QString name = QString::fromStdString(pane->session().lab().id).section('/', -1) + ".mp4";
    path = QFileDialog::getSaveFileName(this, tr("Save the film of %1 s").arg(double(plan.recorded.size()) / plan.framesPerSecond, 0, 'f', 1), folder + "/" + name,
                                        QStringLiteral("MP4 (*.mp4);;WebM (*.webm);;GIF (*.gif)"));
  }
  if (path.isEmpty()) return;
  if (QFileInfo(path).suffix().isEmpty()) path += ".mp4";
  settings_.set("film/folder", QFileInfo(path).absolutePath());
  startFilm(std::move(recipe), plan, path);
}

}  // namespace orrery::app
