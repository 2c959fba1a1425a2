#pragma once
// A film made beside the window: on a session and a thread of its own, so that the lab on the stage goes on. And the recording of what
// plays, which keeps what the lab was asked for, not pixels: the film is made of it afterwards, with every frame.

#include <QElapsedTimer>
#include <QFrame>
#include <QTimer>
#include <atomic>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "app/export/film_plan.h"

class QLabel;
class QProgressBar;

namespace orrery::app {

class FilmJob : public QObject {
  Q_OBJECT

 public:
  // Begins at once. `recipe` is the scene the film starts from.
  FilmJob(std::shared_ptr<gpu::Device> device, nlohmann::json recipe, exporting::FilmPlan plan, const QString& path, QObject* parent);
  ~FilmJob() override;                               // cancels and waits
  void cancel() { cancelled_ = true; }
  const QString& path() const { return path_; }
  // After finished().
  const Expected<exporting::FilmWritten>& result() const { return *result_; }

 signals:
  void progressed(const QString& what, double share);
  void remarked(const QString& text);
  void finished();

 private:
  Expected<exporting::FilmWritten> make();

  std::shared_ptr<gpu::Device> device_;
  nlohmann::json recipe_;
  exporting::FilmPlan plan_;
  QString path_;
  std::atomic<bool> cancelled_ = false;
  std::optional<Expected<exporting::FilmWritten>> result_;
  std::thread thread_;
};

// How far a film is, and the way to stop it: a bar above the stage.
class FilmCard : public QFrame {
  Q_OBJECT

 public:
  FilmCard(FilmJob* job, QWidget* parent);           // takes the job over
  FilmJob& job() { return *job_; }

 private:
  FilmJob* job_;
  QLabel* text_;
  QProgressBar* bar_;
};

// Notes the session's values and frame at the film's rate, from start() until the object goes.
class FilmRecording : public QObject {
  Q_OBJECT

 public:
  FilmRecording(Session& session, double framesPerSecond, QObject* parent);
  const std::vector<exporting::Shot>& shots() const { return shots_; }
  const nlohmann::json& recipe() const { return recipe_; }
  double framesPerSecond() const { return framesPerSecond_; }
  double seconds() const { return static_cast<double>(clock_.elapsed()) / 1000; }

 signals:
  void grew(double seconds);
  void full();                                       // a film holds no more frames

 private:
  void sample();

  Session& session_;
  double framesPerSecond_;
  nlohmann::json recipe_;
  Values last_;
  std::vector<exporting::Shot> shots_;
  QElapsedTimer clock_;
  QTimer timer_;
};

}  // namespace orrery::app
