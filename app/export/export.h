#pragma once
// Exporters: display list -> SVG, PDF, PNG with the recipe inside; arrays -> JSON, CSV, NPZ. Files are written as `name.partial`, then renamed.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/base/expected.h"
#include "core/figure/figure.h"
#include "core/render/renderer.h"
#include "core/session/lab.h"

namespace orrery::exporting {

struct ExportOptions {
  std::string recipe;                  // JSON text; empty = do not embed
  std::string title;
  float pixelsPerLogical = 2;          // PNG: 2 = 192 dpi
  bool textAsOutlines = false;         // SVG, PDF
};

// Marks with more points than this become an embedded image in vector files (and the exporters say so in `notes`).
constexpr std::int64_t vectorMarkLimit = 5000;

struct Written {
  std::string path;
  std::vector<std::string> notes;      // "sde.particles: 16 384 points drawn as an image"
};

// SVG: text as <text>, clip paths, tensors as circles, paths or embedded PNG; recipe in <metadata>.
Expected<Written> writeSvg(const DisplayList& list, const std::string& path, const ExportOptions& options);
// PDF through QPdfWriter: text as text; recipe in XMP. Needs a QGuiApplication (any platform plug-in).
Expected<Written> writePdf(const DisplayList& list, const std::string& path, const ExportOptions& options);
// PNG through the off-screen renderer; recipe in an iTXt chunk "orrery".
Expected<Written> writePng(const DisplayList& list, render::Renderer& renderer, const std::string& path, const ExportOptions& options);
// By the ending of `path`: .svg, .pdf, .png. Any other ending is a usage error that lists them.
Expected<Written> writeFigure(const DisplayList& list, render::Renderer& renderer, const std::string& path, const ExportOptions& options);

// PNG bytes of pixels (also used to embed images in SVG), with optional recipe.
std::string encodePng(const render::Pixels& pixels, const std::string& recipe = {});

// The recipe inside a PNG, SVG, PDF or film (app/export/film.h) written by us; notFound when there is none.
Expected<std::string> readRecipe(const std::string& path);

// Arrays and metrics by the ending of `path`: .json {metrics, arrays: {name: {shape, data}}}, .csv (long form: array, index..., value;
// metrics as array "metric.<name>"), .npz (one member per array, metrics as 0-d f64 arrays "metric.<name>").
Expected<Written> writeData(const std::vector<std::pair<std::string, Tensor>>& arrays, const std::vector<Metric>& metrics,
                            const std::string& path);

}  // namespace orrery::exporting
