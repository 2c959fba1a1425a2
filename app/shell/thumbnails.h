#pragma once
// Pictures of labs for cards and the library. Each is computed once in the background (a Session, its figure reduced to the marks, the
// off-screen renderer), cached on disk by lab, theme and program version, and shown from resources/ until then. One lab may be live.

#include <QHash>
#include <QImage>
#include <QObject>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "core/figure/figure.h"
#include "core/gpu/device.h"

namespace orrery::app {

struct RendererSlot;

class Thumbnails : public QObject {
  Q_OBJECT

 public:
  static constexpr int width = 272, height = 153;    // logical px of a card's picture

  explicit Thumbnails(std::shared_ptr<gpu::Device> device, QObject* parent = nullptr);
  ~Thumbnails() override;                            // stops and joins its thread

  // What is there now; null when nothing is. Asks for the rest in the background.
  QImage picture(const QString& lab);
  // This lab moves (its pictures arrive as frames) until stopped. Empty = none.
  void setLive(const QString& lab);
  // New pictures are made only while awake: a stage in use has the machine to itself.
  void setAwake(bool awake);
  void setDevice(std::shared_ptr<gpu::Device> device);
  void themeChanged();

 signals:
  void arrived(const QString& lab, const QImage& picture);

 private:
  struct Job {
    QString lab;
    ThemeKind theme;
  };
  void run();
  bool make(const Job& job, const std::shared_ptr<gpu::Device>& device, RendererSlot& slot);
  void finish(const QString& lab, ThemeKind theme, const QImage& image, bool keep);

  std::shared_ptr<gpu::Device> device_;
  QHash<QString, QImage> known_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> queue_;
  QString live_;
  ThemeKind theme_;
  bool stopping_ = false, awake_ = false;
  std::thread thread_;
};

// The figure as a picture without words: the panels of its first row, no axes, titles, legends or bars.
Figure withoutWords(const Figure& figure);

}  // namespace orrery::app
