#include "app/shell/film_job.h"

#include <QFileInfo>
#include <QHBoxLayout>
#include <QLabel>
#include <QProgressBar>
#include <QPushButton>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>

#include "core/base/text.h"

namespace orrery::app {

FilmJob::FilmJob(std::shared_ptr<gpu::Device> device, nlohmann::json recipe, exporting::FilmPlan plan, const QString& path, QObject* parent)
    : QObject(parent), device_(std::move(device)), recipe_(std::move(recipe)), plan_(std::move(plan)), path_(path) {
  thread_ = std::thread([this] {
    result_ = make();
    emit finished();
  });
}

FilmJob::~FilmJob() {
  cancelled_ = true;
  thread_.join();
}

Expected<exporting::FilmWritten> FilmJob::make() {
  try {
    const auto lab = labOfRecipe(recipe_);
    if (!lab) return lab.error();
    SessionOptions options;
    options.sharedDevice = device_;
    options.deferred = true;
    auto session = Session::open(*lab, options);
    if (!session) return session.error();
    if (auto restored = (*session)->restore(recipe_); !restored) return restored.error();
    exporting::FilmMonitor monitor;
    monitor.cancelled = [this] { return cancelled_.load(); };
    monitor.progress = [this](const std::string& what, double share) { emit progressed(QString::fromStdString(what), share); };
    monitor.note = [this](const std::string& remark) { emit remarked(QString::fromStdString(remark)); };
    return exporting::makeFilm(**session, plan_, path_.toStdString(), monitor);
  } catch (const std::exception& failed) {
    return makeError(ErrorCode::internal, orrery::trf("the picture could not be drawn: {}", std::string(failed.what())));
  }
}

FilmCard::FilmCard(FilmJob* job, QWidget* parent) : QFrame(parent), job_(job) {
  job_->setParent(this);
  setObjectName("noticeBar");
  setAccessibleName(tr("Film"));
  auto* row = new QHBoxLayout(this);
  row->setContentsMargins(24, 18, 20, 10);           // with the margin the stylesheet puts outside
  row->setSpacing(12);
  auto* column = new QVBoxLayout;
  column->setSpacing(6);
  text_ = new QLabel(QFileInfo(job->path()).fileName(), this);
  column->addWidget(text_);
  bar_ = new QProgressBar(this);
  bar_->setRange(0, 1000);
  bar_->setTextVisible(false);
  bar_->setFixedHeight(4);
  bar_->setAccessibleName(tr("Progress of the film"));
  column->addWidget(bar_);
  row->addLayout(column, 1);
  auto* cancel = new QPushButton(tr("Cancel"), this);
  cancel->setAccessibleName(tr("Cancel the film"));
  connect(cancel, &QPushButton::clicked, job_, &FilmJob::cancel);
  row->addWidget(cancel, 0, Qt::AlignVCenter);
  connect(job_, &FilmJob::progressed, this, [this](const QString& what, double share) {
    text_->setText(QFileInfo(job_->path()).fileName() + QStringLiteral(" · ") + what);
    bar_->setValue(static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * 1000)));
  });
}

FilmRecording::FilmRecording(Session& session, double framesPerSecond, QObject* parent)
    : QObject(parent), session_(session), framesPerSecond_(framesPerSecond), recipe_(session.toJson()), last_(session.values()) {
  clock_.start();
  timer_.setTimerType(Qt::PreciseTimer);
  timer_.setInterval(static_cast<int>(1000 / framesPerSecond));
  connect(&timer_, &QTimer::timeout, this, &FilmRecording::sample);
  timer_.start();
  sample();
}

void FilmRecording::sample() {
  const auto picture = session_.picture();
  const auto due = static_cast<std::size_t>(std::floor(seconds() * framesPerSecond_)) + 1;
  if (!picture || due <= shots_.size()) return;
  exporting::Shot shot;
  shot.frame = picture->frame;
  auto now = session_.values();
  for (const auto& [id, value] : now) {
    if (const auto before = last_.find(id); before == last_.end() || before->second != value) shot.changes.emplace_back(id, value);
  }
  last_ = std::move(now);
  // A late tick fills the frames it missed with what is there now.
  shots_.push_back(shot);
  while (shots_.size() < due && shots_.size() < static_cast<std::size_t>(exporting::longestFilm)) shots_.push_back({{}, shot.frame});
  emit grew(seconds());
  if (shots_.size() >= static_cast<std::size_t>(exporting::longestFilm)) {
    timer_.stop();
    emit full();
  }
}

}  // namespace orrery::app
