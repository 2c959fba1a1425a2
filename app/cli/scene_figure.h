#pragma once
// A computed scene as a figure file, and how it shall look: shared by render and sweep.

#include <QGuiApplication>
#include <memory>
#include <string>

#include "app/cli/commands.h"
#include "app/cli/scene.h"
#include "app/export/export.h"
#include "core/figure/figure.h"
#include "core/render/renderer.h"

namespace orrery::cli {

struct Look {
  std::string sizeText, theme, panel;
  Vec2 size;
  double scale = 1;
  bool letters = false, transparent = false, outlines = false;
};

// What can be refused without a device; what the options leave open is the scene's recipe's, then the usual.
Expected<Look> readLook(const LookOptions& options, const Scene& scene);

// PDF is written through QPainter, which needs an application object; null for other endings.
std::unique_ptr<QGuiApplication> applicationFor(const std::string& ending);

// With the recipe inside. Never throws.
Expected<exporting::Written> writeFigureOf(const Session& session, const Picture& picture, const Look& look, std::unique_ptr<render::Renderer>& renderer,
                                           const std::string& path);

}  // namespace orrery::cli
