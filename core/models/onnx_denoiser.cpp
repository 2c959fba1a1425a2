#include "core/models/onnx_denoiser.h"

#include <algorithm>
#include <cctype>
#include <charconv>
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

// What is known of an input before the file is read.
struct Input {
  std::string name;
  std::vector<std::int64_t> shape;
  bool real = false, whole = false;
};

// Class numbers, or one-hot rows.
bool classShaped(const Input& input) {
  if (input.whole) return !input.shape.empty() && timeShaped(input.shape);
  return input.real && input.shape.size() == 2 && input.shape[1] >= 2;
}

bool holds(const std::string& name, std::initializer_list<std::string_view> words) {
  std::string lower = name;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) { return lower.find(word) != std::string::npos; });
}
bool classNamed(const Input& input) { return holds(input.name, {"class", "label"}) || input.name == "y"; }
bool timeNamed(const Input& input) { return holds(input.name, {"time", "step", "sigma"}) || input.name == "t"; }

struct Roles {
  std::size_t x = 0, time = 0, output = 0;
  std::optional<std::size_t> classes;
};

// Which of two inputs is the time and which the class.
std::optional<std::pair<std::size_t, std::size_t>> timeAndClass(const std::vector<Input>& inputs, std::size_t a, std::size_t b) {
  const auto fit = [&](std::size_t time, std::size_t label) { return timeShaped(inputs[time].shape) && classShaped(inputs[label]); };
  const std::pair first{a, b}, second{b, a};
  if (!fit(a, b)) return fit(b, a) ? std::optional(second) : std::nullopt;
  if (!fit(b, a)) return first;
  // Both are numbers, one per row.
  const bool swapped = classNamed(inputs[a]) != classNamed(inputs[b]) ? classNamed(inputs[a]) : !timeNamed(inputs[a]) && timeNamed(inputs[b]);
  return swapped ? second : first;
}

// The input that an output is shaped like, the first where several are.
std::optional<Roles> rolesOf(const std::vector<Input>& inputs, const std::vector<std::vector<std::int64_t>>& outputs, int rank) {
  if (inputs.size() != 2 && !(inputs.size() == 3 && rank == 4)) return std::nullopt;
  for (std::size_t x = 0; x < inputs.size(); ++x) {
    if (static_cast<int>(inputs[x].shape.size()) != rank) continue;
    Roles roles{x, x == 0 ? std::size_t{1} : std::size_t{0}, 0, {}};
    if (inputs.size() == 3) {
      const auto both = timeAndClass(inputs, roles.time, x == 2 ? 1 : 2);
      if (!both) continue;
      roles.time = both->first, roles.classes = both->second;
    } else if (!timeShaped(inputs[roles.time].shape)) {
      continue;
    }
    for (roles.output = 0; roles.output < outputs.size(); ++roles.output) {
      if (agree(inputs[x].shape, outputs[roles.output])) return roles;
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

std::optional<std::int64_t> wholeNumber(const std::map<std::string, std::string>& metadata, const char* key) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) return std::nullopt;
  std::int64_t number = 0;
  const auto [end, problem] = std::from_chars(found->second.data(), found->second.data() + found->second.size(), number);
  return problem == std::errc() && end == found->second.data() + found->second.size() ? std::optional(number) : std::nullopt;
}

std::vector<double> numbersOf(const Value& value) { return *onnx::Arithmetic(nullptr).hostOf(value); }

}  // namespace

bool OnnxDenoiser::fits(const std::vector<TensorSummary>& inputs, const std::vector<TensorSummary>& outputs, int rank) {
  std::vector<Input> in;
  std::vector<std::vector<std::int64_t>> out;
  for (const TensorSummary& port : inputs) {
    const bool real = port.dtype == "f16" || port.dtype == "bf16" || port.dtype == "f32" || port.dtype == "f64";
    in.push_back({port.name, port.shape, real, !real && (port.dtype.starts_with('i') || port.dtype.starts_with('u'))});
  }
  for (const TensorSummary& port : outputs) out.push_back(port.shape);
  return rolesOf(in, out, rank).has_value();
}

Expected<OnnxDenoiser> OnnxDenoiser::openForPoints(const std::string& path, const NetworkStated& stated) {
  return open(nullptr, path, stated, 2, {});
}

Expected<OnnxDenoiser> OnnxDenoiser::openForPictures(gpu::Stream& stream, const std::string& path, const NetworkStated& stated,
                                                     std::optional<std::int64_t> nullClass) {
  return open(&stream, path, stated, 4, nullClass);
}

Expected<OnnxDenoiser> OnnxDenoiser::open(gpu::Stream* stream, const std::string& path, const NetworkStated& stated, int rank,
                                          std::optional<std::int64_t> nullClass) {
  auto graph = onnx::Graph::open(path);
  if (!graph) return graph.error();
  OnnxDenoiser network;
  network.graph_ = *std::move(graph);
  if (auto found = network.findRoles(path, rank); !found) return found.error();
  if (auto found = network.findMeaning(path, stated, nullClass); !found) return found.error();
  if (auto probed = network.probe(stream, path); !probed) return probed.error();
  network.probed_ = true;
  return network;
}

Expected<void> OnnxDenoiser::findRoles(const std::string& path, int rank) {
  std::vector<Input> in;
  std::vector<std::vector<std::int64_t>> out;
  for (const OnnxPort& port : graph_.inputs()) in.push_back({port.name, port.shape, isReal(port.type), isWhole(port.type)});
  for (const OnnxPort& port : graph_.outputs()) out.push_back(port.shape);
  const auto roles = rolesOf(in, out, rank);
  if (!roles) {
    return makeError(
        ErrorCode::badInput,
        rank == 2 ? trf("{} is no denoiser: expected two inputs, points [B, d] and a time [B], [B, 1] or a scalar, and an output shaped like "
                        "the first; found inputs {} and outputs {}",
                        shown(path), listed(graph_.inputs()), listed(graph_.outputs()))
                  : trf("{} is no denoiser: expected two inputs, pictures [B, C, H, W] and a time [B], [B, 1] or a scalar, perhaps classes as "
                        "whole numbers [B] or one-hot rows [B, K], and an output shaped like the first; found inputs {} and outputs {}",
                        shown(path), listed(graph_.inputs()), listed(graph_.outputs())));
  }
  if (roles->classes) class_ = *roles->classes, classes_ = Classes{isReal(graph_.inputs()[class_].type), {}, {}};
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

Expected<void> OnnxDenoiser::findMeaning(const std::string& path, const NetworkStated& stated, std::optional<std::int64_t> nullClass) {
  const bool whole = isWhole(graph_.inputs()[time_].type);
  meaning_ = {diffusion::Prediction::epsilon, whole ? ToldTime::steps : ToldTime::unit, findRegistered<diffusion::Process>("vp"), 0.5, 1};
  std::optional<std::int64_t> count = wholeNumber(graph_.metadata(), "num_classes"), none = wholeNumber(graph_.metadata(), "null_class");
  const std::filesystem::path given(path);
  const std::string folder = given.has_parent_path() ? given.parent_path().string() : ".", configPath = folder + "/config.json";
  std::error_code ignored;
  if (std::filesystem::is_regular_file(configPath, ignored)) {
    const auto saved = SavedModel::open(folder);
    if (!saved) return saved.error();
    if (auto read = meaning_.read(saved->config, configPath); !read) return read;
    const auto number = [&](const char* key, std::optional<std::int64_t>& into) {
      const auto found = saved->config.find(key);
      if (found != saved->config.end() && found->is_number_integer()) into = found->get<std::int64_t>();
    };
    number("num_classes", count), number("null_class", none);
  }
  if (auto taken = meaning_.take(stated, path); !taken) return taken;
  return classes_ ? findClasses(path, count, nullClass ? nullClass : none) : Expected<void>();
}

Expected<void> OnnxDenoiser::findClasses(const std::string& path, std::optional<std::int64_t> count, std::optional<std::int64_t> none) {
  const OnnxPort& port = graph_.inputs()[class_];
  // Numbers that there are, whatever they mean.
  const auto rows = classes_->oneHot ? std::optional(port.shape[1]) : graph_.rowsTakenBy(class_);
  const auto refused = [&](std::int64_t number, const char* what) {
    return makeError(ErrorCode::badInput, trf("{}: {} {} does not fit '{}', which has {} classes", shown(path), what, number, shown(port.name), *rows));
  };
  if (count && (*count < 1 || (rows && *count > *rows))) {
    if (rows) return refused(*count, "num_classes");
    return makeError(ErrorCode::badInput, trf("{}: num_classes should be 1 or more, found {}", shown(path), *count));
  }
  // After the last one-hot row there is one of zeros.
  if (none && (*none < 0 || (rows && *none > *rows - (classes_->oneHot ? 0 : 1)))) {
    if (rows) return refused(*none, "null_class");
    return makeError(ErrorCode::badInput, trf("{}: null_class should be 0 or more, found {}", shown(path), *none));
  }
  classes_->count = count ? count : rows;
  classes_->none = none;
  // The null class at the end of its table is none to choose.
  if (none && classes_->count && *none == *classes_->count - 1 && *none > 0 && !count) classes_->count = *none;
  return {};
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

// Whether the graph takes one class for all rows, so that rows of one class have to go together.
bool OnnxDenoiser::oneClassForAll() const {
  return classes_ && graph_.inputs()[class_].shape[0] == 1 && graph_.inputs()[x_].shape[0] != 1;
}

Value OnnxDenoiser::classesFor(std::int64_t rows, std::span<const std::int64_t> labels) const {
  const OnnxPort& port = graph_.inputs()[class_];
  std::vector<std::int64_t> extents = port.shape;
  extents[0] = oneClassForAll() ? 1 : rows;
  const auto labelOf = [&](std::int64_t row) {
    if (labels.empty()) return std::int64_t{0};
    return labels[static_cast<std::size_t>(std::min<std::int64_t>(row, static_cast<std::int64_t>(labels.size()) - 1))];
  };
  const Shape shape(extents);
  std::vector<double> values(static_cast<std::size_t>(shape.count()), 0.0);
  for (std::int64_t row = 0; row < extents[0]; ++row) {
    const std::int64_t label = labelOf(row);
    if (!classes_->oneHot) values[static_cast<std::size_t>(row)] = static_cast<double>(label);
    else if (label < extents[1]) values[static_cast<std::size_t>(row * extents[1] + label)] = 1;
  }
  return {shape, std::move(values), classes_->oneHot ? Kind::real : Kind::integer};
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

Expected<Value> OnnxDenoiser::answer(gpu::Stream* stream, const Value& x, double told, std::span<const std::int64_t> labels) const {
  const std::int64_t n = x.shape[0];
  const onnx::Arithmetic math(stream);
  const auto rowsFrom = [&](std::int64_t from, std::int64_t to) {
    const auto some = labels.empty() ? labels : labels.subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(to - from));
    return answer(stream, math.slice(x, 0, from, to), told, some);
  };
  std::int64_t most =
      batch_ > 0
          ? batch_
          : std::max<std::int64_t>(1, rowsAtOnce / std::max<std::int64_t>(1, static_cast<std::int64_t>(dimension_) / mostCoordinates));
  if (oneClassForAll() && !labels.empty()) {
    const auto other = std::find_if(labels.begin(), labels.end(), [&](std::int64_t label) { return label != labels.front(); });
    most = std::min<std::int64_t>(most, other - labels.begin());
  }
  if (n > most) {
    std::vector<Value> parts;
    for (std::int64_t row = 0; row < n;) {
      // The rest begins anew: it may be another class.
      const bool rest = oneClassForAll() && row > 0;
      const std::int64_t end = rest ? n : std::min(row + most, n);
      auto part = rowsFrom(row, end);
      if (!part) return part;
      parts.push_back(*std::move(part));
      row = end;
    }
    return math.concat(parts, 0);
  }
  const std::int64_t rows = batch_ > 0 ? batch_ : n;
  std::vector<Value> inputs(graph_.inputs().size());
  inputs[x_] = x;
  if (n < rows) {
    std::vector<std::int64_t> places;
    for (std::int64_t i = 0; i < rows; ++i) places.push_back(std::min(i, n - 1));
    inputs[x_] = math.take(x, 0, places);
  }
  inputs[time_] = timeFor(rows, told);
  if (classes_) inputs[class_] = classesFor(rows, labels);
  auto results = graph_.run(stream, inputs);
  if (!results && results.error().code != ErrorCode::cancelled && probed_ && batch_ == 0 && n > 1) {
    // What is too large for many at once, the scores of attention say, is not for half of them.
    auto first = rowsFrom(0, n / 2);
    if (!first) return first;
    auto second = rowsFrom(n / 2, n);
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
  auto clean = denoise(stream, x, level, {});
  return clean ? *std::move(clean) : kernels::affine(stream, x, 0, std::numeric_limits<float>::quiet_NaN());
}

Expected<Tensor> OnnxDenoiser::denoise(gpu::Stream& stream, const Tensor& x, double level, const std::vector<std::int64_t>& labels) const {
  auto extents = shape_;
  extents.insert(extents.begin(), x.shape()[0]);
  const Tensor scaled = kernels::affine(stream, x.reshaped(Shape(extents)), static_cast<float>(meaning_.inputScale(level)), 0);
  const auto y = answer(&stream, Value(scaled), meaning_.told(level), labels);
  if (!y) return y.error();
  const diffusion::Linear linear = meaning_.denoised(level);
  const Tensor output = y->onlyOnDevice() ? y->device : Tensor::from(y->shape, std::vector<float>(y->host->begin(), y->host->end()));
  const Tensor kept = kernels::affine(stream, x, static_cast<float>(linear.x), 0);
  return kernels::binary(stream, kernels::Binary::add, kept,
                         kernels::affine(stream, output.reshaped(x.shape()), static_cast<float>(linear.y), 0));
}

}  // namespace orrery::models
