#include "app/shell/figure_jobs.h"

#include <QCoreApplication>
#include <QFile>
#include <QPointer>
#include <QTemporaryDir>
#include <cstring>

#include "core/base/text.h"

namespace orrery::app {

render::Renderer& RendererSlot::on(const std::shared_ptr<gpu::Device>& wanted) {
  if (!renderer || device != wanted) {
    renderer.reset();
    device = wanted;
    renderer = std::make_unique<render::Renderer>(device);
  }
  return *renderer;
}

QImage toImage(const render::Pixels& pixels) {
  QImage image(pixels.width, pixels.height, QImage::Format_RGBA8888);
  for (int y = 0; y < pixels.height; ++y)
    std::memcpy(image.scanLine(y), pixels.rgba.data() + std::size_t(y) * pixels.width * 4, std::size_t(pixels.width) * 4);
  return image;
}

void onWindow(QObject* receiver, std::function<void()> then) {
  QMetaObject::invokeMethod(
      QCoreApplication::instance(),
      [guard = QPointer<QObject>(receiver), then = std::move(then)] {
        if (guard) then();
      },
      Qt::QueuedConnection);
}

namespace {

Error notYet() { return makeError(ErrorCode::notFound, orrery::tr("the lab has no picture yet; wait until its first one is there")); }

// A lost device or exhausted memory ends this job with a sentence; the session recovers by itself at its next update.
template <class Result, class Job>
Result guarded(Job&& job, Result (*failed)(Error)) {
  try {
    return job();
  } catch (const std::exception& problem) {
    return failed(makeError(ErrorCode::gpu, orrery::trf("the figure could not be drawn: {}", std::string(problem.what()))));
  }
}

QStringList embeddingNotes(const DisplayList& list) {
  std::int64_t points = 0, marks = 0;
  for (const Primitive& primitive : list.items) {
    std::int64_t count = 0;
    if (const auto* item = std::get_if<PointItem>(&primitive)) count = item->xy.count() / 2;
    if (const auto* item = std::get_if<BundleItem>(&primitive)) count = item->xy.count() / 2;
    if (count <= exporting::vectorMarkLimit) continue;
    ++marks;
    points += count;
  }
  if (marks == 0) return {};
  return {QString::fromStdString(orrery::trf("In SVG and PDF, marks above {} points become embedded images: {} of them here, {} points in all.",
                                             exporting::vectorMarkLimit, marks, points))};
}

}  // namespace

void drawFigure(Session& session, const SharedRenderer& slot, const FigureRequest& request, QObject* receiver,
                std::function<void(DrawnFigure)> then) {
  session.onWorker([&session, slot, request, guard = QPointer<QObject>(receiver), then = std::move(then)] {
    DrawnFigure drawn = guarded<DrawnFigure>(
        [&]() -> DrawnFigure {
          const std::shared_ptr<const Picture> picture = session.picture();
          if (!picture) return {{}, {}, notYet()};
          const Layout layout = layOut(picture->figure, request.size, Fonts::shared(), request.options);
          return {toImage(slot->on(picture->device).draw(layout.list, request.pixelsPerLogical)), embeddingNotes(layout.list), std::nullopt};
        },
        [](Error error) { return DrawnFigure{{}, {}, std::move(error)}; });
    onWindow(guard, [then, drawn = std::move(drawn)] { then(drawn); });
  });
}

void writeFigureFile(Session& session, const SharedRenderer& slot, const FigureRequest& request, const exporting::ExportOptions& options,
                     const QString& path, QObject* receiver, std::function<void(Expected<exporting::Written>)> then) {
  session.onWorker([&session, slot, request, options, path, guard = QPointer<QObject>(receiver), then = std::move(then)] {
    Expected<exporting::Written> written = guarded<Expected<exporting::Written>>(
        [&]() -> Expected<exporting::Written> {
          const std::shared_ptr<const Picture> picture = session.picture();
          if (!picture) return notYet();
          const Layout layout = layOut(picture->figure, request.size, Fonts::shared(), request.options);
          return exporting::writeFigure(layout.list, slot->on(picture->device), path.toStdString(), options);
        },
        [](Error error) { return Expected<exporting::Written>(std::move(error)); });
    onWindow(guard, [then, written = std::move(written)] { then(written); });
  });
}

void writeDataFile(Session& session, const QString& path, QObject* receiver, std::function<void(Expected<exporting::Written>)> then) {
  session.onWorker([&session, path, guard = QPointer<QObject>(receiver), then = std::move(then)] {
    Expected<exporting::Written> written = guarded<Expected<exporting::Written>>(
        [&]() -> Expected<exporting::Written> {
          const std::shared_ptr<const Picture> picture = session.picture();
          if (!picture) return notYet();
          return exporting::writeData(arraysOf(picture->figure), picture->metrics, path.toStdString());
        },
        [](Error error) { return Expected<exporting::Written>(std::move(error)); });
    onWindow(guard, [then, written = std::move(written)] { then(written); });
  });
}

void copyFigure(Session& session, const SharedRenderer& slot, const FigureRequest& request, const exporting::ExportOptions& options,
                QObject* receiver, std::function<void(CopiedFigure)> then) {
  session.onWorker([&session, slot, request, options, guard = QPointer<QObject>(receiver), then = std::move(then)] {
    CopiedFigure copied = guarded<CopiedFigure>(
        [&]() -> CopiedFigure {
          const std::shared_ptr<const Picture> picture = session.picture();
          if (!picture) return {{}, {}, notYet()};
          const Layout layout = layOut(picture->figure, request.size, Fonts::shared(), request.options);
          CopiedFigure result;
          result.image = toImage(slot->on(picture->device).draw(layout.list, request.pixelsPerLogical));
          const QTemporaryDir folder;
          const QString path = folder.filePath("figure.svg");
          const auto written = exporting::writeSvg(layout.list, path.toStdString(), options);
          if (!written) return {result.image, {}, written.error()};
          QFile file(path);
          if (file.open(QIODevice::ReadOnly)) result.svg = file.readAll();
          return result;
        },
        [](Error error) { return CopiedFigure{{}, {}, std::move(error)}; });
    onWindow(guard, [then, copied = std::move(copied)] { then(copied); });
  });
}

}  // namespace orrery::app
