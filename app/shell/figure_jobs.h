#pragma once
// Figures drawn or written off the window's thread: every job runs on its session's worker, with a renderer that is used only there. The
// answer comes back on the window's thread, and not at all when the receiver is gone by then.

#include <QImage>
#include <QObject>
#include <QStringList>
#include <functional>
#include <memory>
#include <optional>

#include "app/export/export.h"
#include "core/figure/figure.h"
#include "core/session/session.h"

namespace orrery::app {

// A renderer kept for one session's worker; made at its first use, and again when the device changed.
struct RendererSlot {
  std::shared_ptr<gpu::Device> device;
  std::unique_ptr<render::Renderer> renderer;
  render::Renderer& on(const std::shared_ptr<gpu::Device>& wanted);
};
using SharedRenderer = std::shared_ptr<RendererSlot>;

struct FigureRequest {
  Vec2 size{640, 400};                               // logical px
  LayoutOptions options;
  float pixelsPerLogical = 1;
};

struct DrawnFigure {
  QImage image;
  QStringList notes;                                 // which marks a vector file would embed as images
  std::optional<Error> error;
};

QImage toImage(const render::Pixels& pixels);

// Runs `then` on the window's thread if `receiver` still lives.
void onWindow(QObject* receiver, std::function<void()> then);

void drawFigure(Session& session, const SharedRenderer& slot, const FigureRequest& request, QObject* receiver,
                std::function<void(DrawnFigure)> then);

void writeFigureFile(Session& session, const SharedRenderer& slot, const FigureRequest& request, const exporting::ExportOptions& options,
                     const QString& path, QObject* receiver, std::function<void(Expected<exporting::Written>)> then);

void writeDataFile(Session& session, const QString& path, QObject* receiver, std::function<void(Expected<exporting::Written>)> then);

// PNG and SVG of the same figure, for the clipboard.
struct CopiedFigure {
  QImage image;
  QByteArray svg;
  std::optional<Error> error;
};
void copyFigure(Session& session, const SharedRenderer& slot, const FigureRequest& request, const exporting::ExportOptions& options,
                QObject* receiver, std::function<void(CopiedFigure)> then);

}  // namespace orrery::app
