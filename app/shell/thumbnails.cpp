#include "app/shell/thumbnails.h"

#include <QCoreApplication>
#include <QDateTime>
#include <QDir>
#include <QFile>
#include <algorithm>
#include <chrono>

#include "app/inspector/theme.h"
#include "app/shell/figure_jobs.h"
#include "core/base/files.h"
#include "core/figure/marks/marks.h"
#include "core/session/session.h"

namespace orrery::app {

namespace {

using namespace std::chrono_literals;
constexpr auto livePause = 66ms;                     // 15 pictures a second in a card are motion enough, and leave the cores to the stage
constexpr auto longestWork = 6s;                     // for a card's picture; what is there by then is shown
constexpr float density = 2;                         // device px per logical px: sharp on high-density screens too

// Pictures belong to the program that made them: a newer build makes its own.
QString buildOf() {
  static const QString build = QStringLiteral(ORRERY_VERSION "-%1").arg(QFileInfo(QCoreApplication::applicationFilePath()).lastModified().toSecsSinceEpoch());
  return build;
}

QString cachePath(const QString& lab, ThemeKind theme) {
  QString name = lab;
  name.replace('/', '_');
  return QString::fromStdString(cacheFolder()) + "/thumbnails/" + buildOf() + "/" + name + (theme == ThemeKind::dark ? "-dark.png" : "-light.png");
}

QString shippedPath(const QString& lab) {
  QString folder = lab;
  folder.replace('-', '_');
  return QString::fromStdString(resourceFolder()) + "/labs/" + folder + "/thumbnail.png";
}

QImage draw(const Picture& picture, ThemeKind theme, RendererSlot& slot) {
  LayoutOptions options;
  options.theme = theme;
  options.transparent = true;
  options.unit = 0.8f;
  const Layout layout = layOut(withoutWords(picture.figure), {float(Thumbnails::width), float(Thumbnails::height)}, Fonts::shared(), options);
  QImage image = toImage(slot.on(picture.device).draw(layout.list, density));
  image.setDevicePixelRatio(density);
  return image;
}

}  // namespace

Figure withoutWords(const Figure& figure) {
  Figure bare = figure;
  if (bare.panels.empty()) return bare;
  int first = bare.panels.front().row;
  for (const Panel& panel : bare.panels) first = std::min(first, panel.row);
  std::erase_if(bare.panels, [&](const Panel& panel) { return panel.row != first; });
  // Two pictures side by side still read at this size, three do not.
  std::stable_sort(bare.panels.begin(), bare.panels.end(), [](const Panel& a, const Panel& b) { return a.column < b.column; });
  if (bare.panels.size() > 2) bare.panels.resize(2);
  bare.rowWeights.clear();
  for (Panel& panel : bare.panels) {
    panel.rowSpan = 1;
    panel.title.clear();
    panel.note.clear();
    panel.x.visible = panel.y.visible = false;
    panel.x.label.clear();
    panel.y.label.clear();
    panel.colorBar.reset();
    panel.legend = false;
    panel.handles.clear();
    std::erase_if(panel.marks, [](const auto& mark) { return dynamic_cast<const TextMark*>(mark.get()) != nullptr; });
  }
  return bare;
}

Thumbnails::Thumbnails(std::shared_ptr<gpu::Device> device, QObject* parent)
    : QObject(parent), device_(std::move(device)), theme_(themeInUse()), thread_([this] { run(); }) {}

Thumbnails::~Thumbnails() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

QImage Thumbnails::picture(const QString& lab) {
  if (const auto found = known_.constFind(lab); found != known_.constEnd()) return *found;
  QImage image(cachePath(lab, theme_));
  if (!image.isNull()) {
    image.setDevicePixelRatio(density);
    known_.insert(lab, image);
    return image;
  }
  {
    const std::lock_guard lock(mutex_);
    if (std::none_of(queue_.begin(), queue_.end(), [&](const Job& job) { return job.lab == lab; })) queue_.push_back({lab, theme_});
  }
  wake_.notify_all();
  image.load(shippedPath(lab));
  if (!image.isNull()) image.setDevicePixelRatio(std::max(1.0, image.width() / double(width)));
  return image;
}

void Thumbnails::setLive(const QString& lab) {
  {
    const std::lock_guard lock(mutex_);
    if (live_ == lab) return;
    live_ = lab;
  }
  wake_.notify_all();
}

void Thumbnails::setAwake(bool awake) {
  {
    const std::lock_guard lock(mutex_);
    awake_ = awake;
  }
  wake_.notify_all();
}

void Thumbnails::setDevice(std::shared_ptr<gpu::Device> device) {
  const std::lock_guard lock(mutex_);
  device_ = std::move(device);
}

void Thumbnails::themeChanged() {
  known_.clear();
  const std::lock_guard lock(mutex_);
  theme_ = themeInUse();
  queue_.clear();
}

void Thumbnails::finish(const QString& lab, ThemeKind theme, const QImage& image, bool keep) {
  if (keep) {
    const QString path = cachePath(lab, theme);
    QDir().mkpath(QFileInfo(path).absolutePath());
    // Written beside and renamed: another window may be reading it.
    if (image.save(path + ".partial", "PNG")) {
      QFile::remove(path);
      QFile::rename(path + ".partial", path);
    }
  }
  onWindow(this, [this, lab, theme, image] {
    if (theme != themeInUse()) return;
    known_.insert(lab, image);
    emit arrived(lab, image);
  });
}

// False = put off.
bool Thumbnails::make(const Job& job, const std::shared_ptr<gpu::Device>& device, RendererSlot& slot) {
  SessionOptions options;
  options.sharedDevice = device;
  const auto opened = Session::open(job.lab.toStdString(), options);
  if (!opened) return true;
  Session& session = **opened;
  const auto end = std::chrono::steady_clock::now() + longestWork;
  // Labs that run in time say more half way through than at their start. Those that train may not come so far.
  std::shared_ptr<const Picture> picture;
  for (std::int64_t frame = 0;;) {
    while (!(picture = session.picture()) || picture->frame < frame) {
      if (session.error()) return true;
      if (std::chrono::steady_clock::now() > end) break;
      std::this_thread::sleep_for(10ms);
      const std::lock_guard lock(mutex_);
      if (stopping_ || !awake_) return false;
    }
    if (!picture) return true;
    const std::int64_t goal = picture->frames * 2 / 3;
    if (picture->frame < frame || frame >= goal) break;
    frame = std::min(goal, 2 * frame + 1);
    session.seek(frame);
  }
  finish(job.lab, job.theme, draw(*picture, job.theme, slot), true);
  return true;
}

void Thumbnails::run() {
  // What older builds left behind.
  QDir cache(QString::fromStdString(cacheFolder()) + "/thumbnails");
  for (const QString& build : cache.entryList(QDir::Dirs | QDir::NoDotAndDotDot))
    if (build != buildOf()) QDir(cache.filePath(build)).removeRecursively();
  RendererSlot slot;
  std::unique_ptr<Session> liveSession;
  QString liveLab;
  std::uint64_t liveSerial = 0;
  for (;;) {
    Job job;
    QString live;
    ThemeKind theme;
    std::shared_ptr<gpu::Device> device;
    {
      std::unique_lock lock(mutex_);
      const auto due = [&] { return stopping_ || live_ != liveLab || (awake_ && !queue_.empty()); };
      if (liveSession) wake_.wait_for(lock, livePause, due);
      else wake_.wait(lock, due);
      if (stopping_) break;
      live = live_;
      theme = theme_;
      device = device_;
      // The moving card comes first and makes its own pictures; the others are made between its frames.
      std::erase_if(queue_, [&](const Job& other) { return other.lab == live; });
      if (live == liveLab && awake_ && !queue_.empty()) job = queue_.front();
    }
    try {
      if (live != liveLab) {
        liveSession.reset();
        liveLab = live;
        if (!live.isEmpty()) {
          SessionOptions options;
          options.sharedDevice = device;
          if (auto opened = Session::open(live.toStdString(), options)) {
            liveSession = std::move(*opened);
            liveSession->setLoop(true);
            liveSession->play();
          }
        }
      }
      if (liveSession) {
        const auto picture = liveSession->picture();
        if (picture && picture->serial != liveSerial) {
          liveSerial = picture->serial;
          finish(liveLab, theme, draw(*picture, theme, slot), false);
        }
      }
      if (job.lab.isEmpty()) continue;
      if (!make(job, device, slot)) continue;
      const std::lock_guard lock(mutex_);
      std::erase_if(queue_, [&](const Job& other) { return other.lab == job.lab && other.theme == job.theme; });
    } catch (const std::exception&) {
      // Device lost or out of memory: the cards keep what they show, the stage reports the failure.
      liveSession.reset();
      slot = RendererSlot();
      const std::lock_guard lock(mutex_);
      std::erase_if(queue_, [&](const Job& other) { return other.lab == job.lab; });
    }
  }
}

}  // namespace orrery::app
