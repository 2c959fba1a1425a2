#include "core/models/onnx_denoiser.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "core/base/philox.h"
#include "core/base/text.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/slice.h"
#include "core/models/bundled.h"
#include "core/models/onnx/arithmetic.h"

namespace orrery::models {

using diffusion::State;
using modelfile::OnnxPort;
using modelfile::shown;
using onnx::Kind;
using onnx::Value;

namespace {

constexpr std::int64_t mostCoordinates = 64, mostPixels = 1 << 18;
constexpr std::int64_t rowsAtOnce = 1 << 12;  // of points: a layer of 4096 units then is 2^24 numbers
constexpr std::uint32_t probePurpose = 0x0E1;

bool isReal(std::int64_t type) { return type == 1 || type == 10 || type == 11 || type == 16; }
bool isWhole(std::int64_t type) { return type >= 2 && type <= 13 && type != 8 && type != 9 && !isReal(type); }

bool agree(const std::vector<std::int64_t>& a, const std::vector<std::int64_t>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] >= 0 && b[i] >= 0 && a[i] != b[i]) return false;
  }
  return true;
}

// [B], [B, 1] or a scalar.
bool timeShaped(const std::vector<std::int64_t>& shape) { return shape.size() < 2 || (shape.size() == 2 && shape[1] == 1); }

struct Roles {
  std::size_t x = 0, time = 0, output = 0;
};

// The input that an output is shaped like, the first where several are.
std::optional<Roles> rolesOf(const std::vector<std::vector<std::int64_t>>& inputs, const std::vector<std::vector<std::int64_t>>& outputs,
                             int rank) {
  if (inputs.size() != 2) return std::nullopt;
  for (std::size_t x = 0; x < 2; ++x) {
    if (static_cast<int>(inputs[x].size()) != rank || !timeShaped(inputs[1 - x])) continue;
    for (std::size_t out = 0; out < outputs.size(); ++out) {
      if (agree(inputs[x], outputs[out])) return Roles{x, 1 - x, out};
    }
  }
  return std::nullopt;
}

std::string listed(const std::vector<OnnxPort>& ports) {
  std::string text;
  for (const OnnxPort& port : ports) {
    text += (text.empty() ? "'" : ", '") + shown(port.name) + "' [";
    for (std::size_t i = 0; i < port.shape.size(); ++i) text += (i ? ", " : "") + (port.shape[i] < 0 ? "?" : std::to_string(port.shape[i]));
    text += "]";
  }
  return text.empty() ? tr("nothing") : text;
}

std::vector<double> numbersOf(const Value& value) { return *onnx::Arithmetic(nullptr).hostOf(value); }

}  // namespace

bool OnnxDenoiser::fits(const std::vector<TensorSummary>& inputs, const std::vector<TensorSummary>& outputs, int rank) {
  std::vector<std::vector<std::int64_t>> in, out;
  for (const TensorSummary& port : inputs) in.push_back(port.shape);
  for (const TensorSummary& port : outputs) out.push_back(port.shape);
  return rolesOf(in, out, rank).has_value();
}

Expected<OnnxDenoiser> OnnxDenoiser::openForPoints(const std::string& path, const NetworkStated& stated) {
  return open(nullptr, path, stated, 2);
}

Expected<OnnxDenoiser> OnnxDenoiser::openForPictures(gpu::Stream& stream, const std::string& path, const NetworkStated& stated) {
  return open(&stream, path, stated, 4);
}

Expected<OnnxDenoiser> OnnxDenoiser::open(gpu::Stream* stream, const std::string& path, const NetworkStated& stated, int rank) {
  auto graph = onnx::Graph::open(path);
  if (!graph) return graph.error();
  OnnxDenoiser network;
  network.graph_ = *std::move(graph);
  if (auto found = network.findRoles(path, rank); !found) return found.error();
  if (auto found = network.findMeaning(path, stated); !found) return found.error();
  if (auto probed = network.probe(stream, path); !probed) return probed.error();
  network.probed_ = true;
  return network;
}

Expected<void> OnnxDenoiser::findRoles(const std::string& path, int rank) {
  std::vector<std::vector<std::int64_t>> in, out;
  for (const OnnxPort& port : graph_.inputs()) in.push_back(port.shape);
  for (const OnnxPort& port : graph_.outputs()) out.push_back(port.shape);
  const auto roles = rolesOf(in, out, rank);
  if (!roles) {
    return makeError(
        ErrorCode::badInput,
        trf("{} is no denoiser: expected two inputs, {} and a time [B], [B, 1] or a scalar, and an output shaped like the first; "
            "found inputs {} and outputs {}",
            shown(path), rank == 2 ? tr("points [B, d]") : tr("pictures [B, C, H, W]"), listed(graph_.inputs()), listed(graph_.outputs())));
  }
  x_ = roles->x, time_ = roles->time, output_ = roles->output;
  const OnnxPort &x = graph_.inputs()[x_], &y = graph_.outputs()[output_], &time = graph_.inputs()[time_];
  if (!isReal(x.type) || !(isReal(time.type) || isWhole(time.type))) {
    return makeError(ErrorCode::badInput,
                     trf("{}: '{}' should be real numbers and '{}' real or whole ones, found {} and {}", shown(path), shown(x.name),
                         shown(time.name), modelfile::onnxTypeName(x.type), modelfile::onnxTypeName(time.type)));
  }
  batch_ = std::max<std::int64_t>(x.shape[0], 0);
  dimension_ = 1;
  for (std::size_t i = 1; i < x.shape.size(); ++i) {
    const std::int64_t extent = x.shape[i] >= 0 ? x.shape[i] : y.shape[i];
    const std::int64_t most = rank == 2 ? mostCoordinates : mostPixels;
    if (extent < 1 || extent > most || static_cast<std::int64_t>(dimension_) > most / extent) {
      return extent < 0 ? makeError(ErrorCode::badInput,
                                    trf("{}: the shape of '{}' leaves more open than the batch: state the other extents when exporting",
                                        shown(path), shown(x.name)))
                        : makeError(ErrorCode::unsupported,
                                    trf("{}: a point of '{}' has the shape {}; at most {} numbers can be shown", shown(path), shown(x.name),
                                        Shape(std::vector<std::int64_t>(x.shape.begin() + 1, x.shape.end())).toString(), most));
    }
    shape_.push_back(extent);
    dimension_ *= static_cast<std::size_t>(extent);
  }
  return {};
}

Expected<void> OnnxDenoiser::findMeaning(const std::string& path, const NetworkStated& stated) {
  const bool whole = isWhole(graph_.inputs()[time_].type);
  meaning_ = {diffusion::Prediction::epsilon, whole ? ToldTime::steps : ToldTime::unit, findRegistered<diffusion::Process>("vp"), 0.5, 1};
  const std::filesystem::path given(path);
  const std::string folder = given.has_parent_path() ? given.parent_path().string() : ".", configPath = folder + "/config.json";
  std::error_code ignored;
  if (std::filesystem::is_regular_file(configPath, ignored)) {
    const auto saved = SavedModel::open(folder);
    if (!saved) return saved.error();
    if (auto read = meaning_.read(saved->config, configPath); !read) return read;
  }
  return meaning_.take(stated, path);
}

Value OnnxDenoiser::timeFor(std::int64_t rows, double told) const {
  const OnnxPort& port = graph_.inputs()[time_];
  const bool whole = isWhole(port.type);
  const double value = whole ? std::round(told) : told;
  std::vector<std::int64_t> extents = port.shape;
  // One time for all where the graph wants one; otherwise one per row.
  if (!extents.empty() && !(extents[0] == 1 && graph_.inputs()[x_].shape[0] != 1)) extents[0] = rows;
  const Shape shape(extents);
  return {shape, std::vector<double>(static_cast<std::size_t>(shape.count()), value), whole ? Kind::integer : Kind::real};
}

// A batch of one, several and copies must say the same of a point, or the graph does not denoise points.
Expected<void> OnnxDenoiser::probe(gpu::Stream* stream, const std::string& path) {
  constexpr std::int64_t rows = 3;
  const double level = 0.7, told = meaning_.told(level);
  std::vector<double> points(static_cast<std::size_t>(rows) * dimension_);
  for (std::size_t i = 0; i < points.size(); ++i) {
    const PhiloxBlock words = philox({static_cast<std::uint32_t>(i), 0, probePurpose, 0}, philoxKey(1));
    points[i] = static_cast<double>(static_cast<float>(philoxNormals(words[0], words[1])[0]));
  }
  std::vector<std::int64_t> extents = shape_;
  extents.insert(extents.begin(), rows);
  const auto given = [&](std::int64_t first, std::int64_t count) {
    auto some = extents;
    some[0] = count;
    const auto at = points.begin() + first * static_cast<std::ptrdiff_t>(dimension_);
    Value value(Shape(some), std::vector<double>(at, at + count * static_cast<std::ptrdiff_t>(dimension_)));
    return stream == nullptr ? value : Value(Tensor::from(value.shape, std::vector<float>(value.host->begin(), value.host->end())));
  };
  const std::int64_t stated = batch_;
  std::vector<double> singly;
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto one = answer(stream, given(r, 1), told);
    if (!one) return one.error();
    const auto numbers = numbersOf(*one);
    singly.insert(singly.end(), numbers.begin(), numbers.end());
  }
  batch_ = 0;
  const auto all = answer(stream, given(0, rows), told);
  double apart = std::numeric_limits<double>::infinity();
  if (all) {
    const auto together = numbersOf(*all);
    apart = 0;
    double size = 0;
    for (std::size_t i = 0; i < together.size(); ++i) {
      apart = std::max(apart, std::abs(together[i] - singly[i]));
      size = std::max(size, std::abs(singly[i]));
    }
    apart /= std::max(size, 1e-30);
  }
  // Sums in f32 may be made in another order; in double precision nothing of that is left.
  if (apart < (stream != nullptr ? 1e-3 : 1e-8) || (!all && stated == 1)) {
    batch_ = all ? 0 : stated;
    return {};
  }
  if (stated > 0) {
    batch_ = stated;
    return {};
  }
  if (!all) return all.error();
  if (std::isnan(apart)) return {};  // answers that are no numbers are found where levels are tried
  return makeError(ErrorCode::badInput,
                   trf("{}: what the graph says of a point changes by a share of {} with the other points of the batch: export the "
                       "network for inference",
                       shown(path), fmt::format("{:.2g}", apart)));
}

Expected<Value> OnnxDenoiser::answer(gpu::Stream* stream, const Value& x, double told) const {
  const std::int64_t n = x.shape[0];
  const onnx::Arithmetic math(stream);
  const std::int64_t most =
      batch_ > 0
          ? batch_
          : std::max<std::int64_t>(1, rowsAtOnce / std::max<std::int64_t>(1, static_cast<std::int64_t>(dimension_) / mostCoordinates));
  if (n > most) {
    std::vector<Value> parts;
    for (std::int64_t row = 0; row < n; row += most) {
      auto part = answer(stream, math.slice(x, 0, row, std::min(row + most, n)), told);
      if (!part) return part;
      parts.push_back(*std::move(part));
    }
    return math.concat(parts, 0);
  }
  const std::int64_t rows = batch_ > 0 ? batch_ : n;
  std::vector<Value> inputs(2);
  inputs[x_] = x;
  if (n < rows) {
    std::vector<std::int64_t> places;
    for (std::int64_t i = 0; i < rows; ++i) places.push_back(std::min(i, n - 1));
    inputs[x_] = math.take(x, 0, places);
  }
  inputs[time_] = timeFor(rows, told);
  auto results = graph_.run(stream, inputs);
  if (!results && probed_ && batch_ == 0 && n > 1) {
    // What is too large for many at once, the scores of attention say, is not for half of them.
    auto first = answer(stream, math.slice(x, 0, 0, n / 2), told);
    if (!first) return first;
    auto second = answer(stream, math.slice(x, 0, n / 2, n), told);
    if (!second) return second;
    return math.concat({*std::move(first), *std::move(second)}, 0);
  }
  if (!results) return results.error();
  Value y = std::move((*results)[output_]);
  if (y.shape != inputs[x_].shape) {
    return makeError(ErrorCode::badInput, trf("'{}' should be shaped like '{}', {}, found {}", shown(graph_.outputs()[output_].name),
                                              shown(graph_.inputs()[x_].name), inputs[x_].shape.toString(), y.shape.toString()));
  }
  return n < rows ? math.slice(y, 0, 0, n) : y;
}

// The graph has answered when it was opened; where it no longer does, particles are lost as where it overflows.
State OnnxDenoiser::denoise(const State& x, double level) const {
  const double scale = meaning_.inputScale(level);
  auto extents = shape_;
  extents.insert(extents.begin(), static_cast<std::int64_t>(x.size() / dimension_));
  std::vector<double> scaled(x.begin(), x.end());
  for (double& v : scaled) v *= scale;
  const auto y = answer(nullptr, Value(Shape(extents), std::move(scaled)), meaning_.told(level));
  State result(x.size(), std::numeric_limits<double>::quiet_NaN());
  if (!y) return result;
  const auto numbers = numbersOf(*y);
  const diffusion::Linear linear = meaning_.denoised(level);
  for (std::size_t i = 0; i < x.size(); ++i) result[i] = linear.x * x[i] + linear.y * numbers[i];
  return result;
}

Tensor OnnxDenoiser::denoise(gpu::Stream& stream, const Tensor& x, double level) const {
  auto extents = shape_;
  extents.insert(extents.begin(), x.shape()[0]);
  const Tensor scaled = kernels::affine(stream, x.reshaped(Shape(extents)), static_cast<float>(meaning_.inputScale(level)), 0);
  const auto y = answer(&stream, Value(scaled), meaning_.told(level));
  const diffusion::Linear linear = meaning_.denoised(level);
  if (!y) return kernels::affine(stream, x, 0, std::numeric_limits<float>::quiet_NaN());
  const Tensor output = y->onlyOnDevice() ? y->device : Tensor::from(y->shape, std::vector<float>(y->host->begin(), y->host->end()));
  const Tensor kept = kernels::affine(stream, x, static_cast<float>(linear.x), 0);
  return kernels::binary(stream, kernels::Binary::add, kept,
                         kernels::affine(stream, output.reshaped(x.shape()), static_cast<float>(linear.y), 0));
}

}  // namespace orrery::models
