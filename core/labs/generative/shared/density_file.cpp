// A density of the plane from a dropped file.

#include "core/labs/generative/shared/density_file.h"

#include <algorithm>
#include <cmath>

#include "core/base/file_format.h"
#include "core/base/text.h"
#include "core/data/image.h"
#include "core/data/points.h"
#include "core/modelfile/tensor_file.h"

namespace orrery::generative {

namespace {

Expected<PlanarDensity> fromImage(const std::string& path, bool invert, double spread) {
  const auto image = readImage(path);
  if (!image) return image.error();
  const Tensor bright = luminance(*image);
  std::vector<float> mass(bright.as<float>().begin(), bright.as<float>().end());
  if (invert) {
    for (float& m : mass) m = std::max(0.0f, 1.0f - m);
  }
  return densityOfImage(mass, bright.shape()[0], bright.shape()[1], spread);
}

Expected<PlanarDensity> fromTable(const Tensor& table, double spread) {
  const std::int64_t columns = table.shape()[1];
  if (columns > mostDimensions) {
    return makeError(ErrorCode::badInput, trf("A point set may have at most {} columns, found {}", mostDimensions, columns));
  }
  // Leave out rows with NaN or infinite values.
  std::vector<float> points;
  const auto values = table.as<float>();
  const auto width = static_cast<std::size_t>(columns);
  for (std::size_t row = 0; width > 0 && row < values.size() / width; ++row) {
    const auto from = values.subspan(row * width, width);
    if (std::all_of(from.begin(), from.end(), [](float v) { return std::isfinite(v); }))
      points.insert(points.end(), from.begin(), from.end());
  }
  return densityOfPoints(points, columns, 0.03 * spread);
}

}  // namespace

Expected<PlanarDensity> densityOfFile(const Asset& file, bool invert, double spread) {
  if (file.path.empty()) return makeError(ErrorCode::usage, tr("Choose a file first: points as CSV or npy, or any image"));
  const auto report = inspectFile(file.path);
  if (!report) return report.error();
  if (report->error) return *report->error;
  if (report->kind == "image") return fromImage(file.path, invert, spread);
  if (report->kind == "points") {
    const auto set = readPoints(file.path);
    if (!set) return set.error();
    return fromTable(set->points, spread);
  }
  if (report->kind == "npy" || report->kind == "npz" || report->kind == "safetensors") {
    const auto tensors = modelfile::TensorFile::open(file.path);
    if (!tensors) return tensors.error();
    for (const TensorSummary& summary : tensors->tensors()) {
      if (!summary.readable || summary.shape.size() != 2 || summary.shape[1] < 2) continue;
      const auto table = tensors->read(summary.name);
      if (!table) return table.error();
      return fromTable(*table, spread);
    }
    return makeError(ErrorCode::badInput,
                     trf("'{}' holds no table of points: a tensor of shape [n, d] with d of 2 or more was expected", file.path));
  }
  return makeError(ErrorCode::unsupported,
                   trf("A density can be read from points (CSV, npy, npz) or an image; '{}' is: {}", file.path, report->title));
}

}  // namespace orrery::generative
