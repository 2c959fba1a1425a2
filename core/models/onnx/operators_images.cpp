// Operators on pictures [N, C, H, W]; signals [N, C, L] are pictures of one row.

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <stdexcept>

#include "core/base/text.h"
#include "core/models/onnx/operators.h"

namespace orrery::models::onnx {

namespace {

using kernels::Reduction;
using Values = std::vector<Value>;
using Extents = std::array<std::int64_t, 2>;

[[noreturn]] void refuse(std::string message) { throw std::invalid_argument(std::move(message)); }

Value asPicture(const Call& c, const Value& x) {
  if (x.shape.rank() == 4) return x;
  if (x.shape.rank() != 3) refuse(trf("pictures [N, C, H, W] are needed, found {}", x.shape.toString()));
  return c.math.reshape(x, Shape{x.shape[0], x.shape[1], 1, x.shape[2]});
}
Value asGiven(const Call& c, const Value& y, const Value& x) {
  return x.shape.rank() == 4 ? y : c.math.reshape(y, Shape{y.shape[0], y.shape[1], y.shape[3]});
}

// An attribute of one number per axis of the picture.
Extents perAxis(const Call& c, const char* id, std::int64_t otherwise, std::int64_t least) {
  const auto given = c.integers(id);
  Extents result{otherwise, otherwise};
  if (given.size() == 1)
    result = {otherwise, given[0]};
  else if (given.size() == 2)
    result = {given[0], given[1]};
  else if (!given.empty())
    refuse(trf("'{}' has {} numbers; pictures and signals have two or one", id, given.size()));
  for (const std::int64_t v : result) {
    if (v < least || v > (1 << 16)) refuse(trf("'{}' is {}", id, v));
  }
  return result;
}

struct Pads {
  Extents before{0, 0}, after{0, 0};
  bool even() const { return before == after; }
};

// `pads`, or what auto_pad makes of the extents: as many windows as strides fit.
Pads padsOf(const Call& c, const Value& x, Extents kernel, Extents stride, Extents dilation) {
  Pads pads;
  const std::string automatic = c.text("auto_pad", "NOTSET");
  if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
    for (std::size_t i = 0; i < 2; ++i) {
      const std::int64_t extent = x.shape[static_cast<int>(i) + 2], windows = (extent + stride[i] - 1) / stride[i];
      const std::int64_t total = std::max<std::int64_t>((windows - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1 - extent, 0);
      pads.before[i] = automatic == "SAME_UPPER" ? total / 2 : total - total / 2;
      pads.after[i] = total - pads.before[i];
    }
    return pads;
  }
  if (automatic != "NOTSET" && automatic != "VALID" && !automatic.empty())
    refuse(trf("the mode '{}' is not known", modelfile::shown(automatic)));
  const auto given = c.integers("pads");
  if (given.size() == 4)
    pads = {{given[0], given[1]}, {given[2], given[3]}};
  else if (given.size() == 2)
    pads = {{0, given[0]}, {0, given[1]}};
  else if (!given.empty())
    refuse(trf("'{}' has {} numbers; pictures and signals have two or one", "pads", given.size()));
  for (const Extents& side : {pads.before, pads.after}) {
    for (const std::int64_t v : side) {
      if (v < 0 || v > (1 << 16)) refuse(trf("'{}' is {}", "pads", v));
    }
  }
  return pads;
}

Value padded(const Call& c, const Value& x, const Pads& pads, double value) {
  Value y = x;
  for (std::size_t i = 0; i < 2; ++i) {
    const int axis = static_cast<int>(i) + 2;
    const auto edge = [&](std::int64_t width) {
      auto extents = y.shape.extents();
      extents[static_cast<std::size_t>(axis)] = width;
      return c.math.filled(Shape(extents), value, Kind::real);
    };
    Values parts{y};
    if (pads.before[i] > 0) parts.insert(parts.begin(), edge(pads.before[i]));
    if (pads.after[i] > 0) parts.push_back(edge(pads.after[i]));
    if (parts.size() > 1) y = c.math.concat(parts, axis);
  }
  return y;
}

Values conv(const Call& c) {
  Value x = asPicture(c, c.input(0));
  const Value weight = asPicture(c, c.input(1));
  kernels::Conv2dOptions options;
  options.stride = perAxis(c, "strides", 1, 1), options.dilation = perAxis(c, "dilations", 1, 1);
  options.groups = c.integer("group", 1);
  const Pads pads = padsOf(c, x, {weight.shape[2], weight.shape[3]}, options.stride, options.dilation);
  if (pads.even())
    options.padding = pads.before;
  else
    x = padded(c, x, pads, 0);
  return {asGiven(c, c.math.conv2d(x, weight, c.optional(2), options), c.input(0))};
}
const Registration<Operator> convOperator{{"Conv", conv}};

// Without padding, and what the pads take away is cut off.
Values convTranspose(const Call& c) {
  const Value x = asPicture(c, c.input(0)), weight = asPicture(c, c.input(1));
  if (c.has("output_shape")) refuse(tr("a stated output_shape is not followed here: export it with pads"));
  if (const auto automatic = c.text("auto_pad", "NOTSET"); automatic != "NOTSET" && automatic != "VALID")
    refuse(trf("the mode '{}' is not known", modelfile::shown(automatic)));
  kernels::ConvTranspose2dOptions options;
  options.stride = perAxis(c, "strides", 1, 1), options.dilation = perAxis(c, "dilations", 1, 1);
  options.groups = c.integer("group", 1);
  options.outputPadding = perAxis(c, "output_padding", 0, 0);
  const Pads pads = padsOf(c, x, {weight.shape[2], weight.shape[3]}, options.stride, options.dilation);
  Value y = c.math.convTranspose2d(x, weight, c.optional(2), options);
  for (std::size_t i = 0; i < 2; ++i) {
    const int axis = static_cast<int>(i) + 2;
    const std::int64_t end = y.shape[axis] - pads.after[i];
    if (end <= pads.before[i]) refuse(trf("pads of {} and {} leave nothing of {}", pads.before[i], pads.after[i], y.shape.toString()));
    y = c.math.slice(y, axis, pads.before[i], end);
  }
  return {asGiven(c, y, c.input(0))};
}
const Registration<Operator> convTransposeOperator{{"ConvTranspose", convTranspose}};

Values pool(const Call& c, bool most) {
  Value x = asPicture(c, c.input(0));
  if (c.outputs > 1) refuse(tr("the places of the largest values are not given out"));
  kernels::PoolOptions options;
  options.kernel = perAxis(c, "kernel_shape", 1, 1), options.stride = perAxis(c, "strides", 1, 1);
  options.dilation = perAxis(c, "dilations", 1, 1);
  if (!most && options.dilation != Extents{1, 1}) refuse(tr("averages over windows with gaps are not computed here"));
  options.ceilMode = c.integer("ceil_mode", 0) != 0;
  options.countIncludePad = c.integer("count_include_pad", 0) != 0;
  const Pads pads = padsOf(c, x, options.kernel, options.stride, options.dilation);
  if (pads.even()) {
    options.padding = pads.before;
  } else if (most || options.countIncludePad) {
    x = padded(c, x, pads, most ? -std::numeric_limits<float>::max() : 0);
  } else {
    refuse(tr("averages with uneven pads that do not count are not computed here"));
  }
  return {asGiven(c, most ? c.math.maxPool2d(x, options) : c.math.averagePool2d(x, options), c.input(0))};
}
const Registration<Operator> maxPool{{"MaxPool", [](const Call& c) { return pool(c, true); }}};
const Registration<Operator> averagePool{{"AveragePool", [](const Call& c) { return pool(c, false); }}};

Values overAllPixels(const Call& c, Reduction how) {
  std::vector<int> axes;
  for (int i = 2; i < c.input(0).shape.rank(); ++i) axes.push_back(i);
  return {c.math.reduce(c.input(0), axes, how)};
}
const Registration<Operator> globalAverage{{"GlobalAveragePool", [](const Call& c) { return overAllPixels(c, Reduction::mean); }}};
const Registration<Operator> globalMax{{"GlobalMaxPool", [](const Call& c) { return overAllPixels(c, Reduction::max); }}};

// Where output pixel i reads along an axis of `in` pixels that becomes `out`; scale = out / in unless it is stated otherwise.
double sourceOf(const std::string& transformation, std::int64_t i, std::int64_t in, std::int64_t out, double scale) {
  const auto at = static_cast<double>(i);
  if (transformation == "asymmetric") return at / scale;
  if (transformation == "align_corners") return out > 1 ? at * static_cast<double>(in - 1) / static_cast<double>(out - 1) : 0;
  if (transformation == "pytorch_half_pixel") return out > 1 ? (at + 0.5) / scale - 0.5 : 0;
  if (transformation == "half_pixel") return (at + 0.5) / scale - 0.5;
  refuse(trf("the mode '{}' is not known", modelfile::shown(transformation)));
}

double nearestOf(const std::string& mode, double source) {
  if (mode == "floor") return std::floor(source);
  if (mode == "ceil") return std::ceil(source);
  if (mode == "round_prefer_ceil") return std::floor(source + 0.5);
  return std::ceil(source - 0.5);  // round_prefer_floor
}

kernels::AxisMap mapOf(const Call& c, std::int64_t in, std::int64_t out, double scale, const std::string& transformation) {
  const std::string mode = c.text("mode", "nearest"), nearest = c.text("nearest_mode", "round_prefer_floor");
  kernels::AxisMap map;
  map.in = in;
  for (std::int64_t i = 0; i < out; ++i) {
    const double source = sourceOf(transformation, i, in, out, scale);
    const auto inside = [&](double at) { return static_cast<std::int64_t>(std::clamp(at, 0.0, static_cast<double>(in - 1))); };
    if (mode == "nearest") {
      map.add(inside(nearestOf(nearest, source)), 1);
    } else if (mode == "linear" || mode == "bilinear") {
      const double low = std::floor(source), t = source - low;
      map.add(inside(low), 1 - t);
      map.add(inside(low + 1), t);
    } else {
      refuse(trf("resizing by '{}' is not done here: nearest and linear are", modelfile::shown(mode)));
    }
    map.endRow();
  }
  return map;
}

Values resizeBy(const Call& c, const std::vector<double>& scales, const std::vector<std::int64_t>& sizes,
                const std::string& transformation) {
  const Value x = asPicture(c, c.input(0));
  const int rank = c.input(0).shape.rank();
  if (c.integer("antialias", 0) != 0) refuse(tr("resizing with antialiasing is not done here"));
  if (static_cast<int>(scales.empty() ? sizes.size() : scales.size()) != rank)
    refuse(trf("a scale or size for each axis of {} is needed", c.input(0).shape.toString()));
  Extents out{1, 1};
  std::array<double, 2> scale{1, 1};
  for (int i = 0; i < rank; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const std::int64_t in = c.input(0).shape[i];
    const double wanted = scales.empty() ? static_cast<double>(sizes[at]) : std::floor(static_cast<double>(in) * scales[at]);
    if (!(wanted >= 1 && wanted <= (1 << 16))) refuse(trf("{} pixels along axis {}", wanted, i));
    if (i < 2) {
      if (wanted != static_cast<double>(in)) refuse(tr("only the rows and columns of pictures are resized here"));
      continue;
    }
    const auto axis = static_cast<std::size_t>(i - 2 + (rank == 3 ? 1 : 0));
    out[axis] = static_cast<std::int64_t>(wanted);
    scale[axis] = scales.empty() ? wanted / static_cast<double>(in) : scales[at];
  }
  const Value y =
      c.math.resample(x, mapOf(c, x.shape[2], out[0], scale[0], transformation), mapOf(c, x.shape[3], out[1], scale[1], transformation));
  return {asGiven(c, y, c.input(0))};
}

// Version 10 takes x and scales; 11 and later x, a region, scales and sizes.
Values resize(const Call& c) {
  if (c.has("axes")) refuse(tr("resizing of chosen axes is not done here"));
  if (const auto policy = c.text("keep_aspect_ratio_policy", "stretch"); policy != "stretch")
    refuse(trf("the mode '{}' is not known", modelfile::shown(policy)));
  const Value *scales = c.optional(c.opset < 11 ? 1 : 2), *sizes = c.optional(3);
  std::vector<double> factors;
  if (scales != nullptr && scales->count() > 0) factors = *c.math.hostOf(*scales);
  const auto extents = factors.empty() && sizes != nullptr ? c.math.wholeNumbers(*sizes) : std::vector<std::int64_t>();
  return resizeBy(c, factors, extents, c.opset < 11 ? "asymmetric" : c.text("coordinate_transformation_mode", "half_pixel"));
}
const Registration<Operator> resizeOperator{{"Resize", resize}};
const Registration<Operator> upsample{{"Upsample", [](const Call& c) {
                                         const Value* scales = c.optional(1);
                                         return resizeBy(c, scales != nullptr ? *c.math.hostOf(*scales) : c.reals("scales"), {},
                                                         "asymmetric");
                                       }}};

}  // namespace

}  // namespace orrery::models::onnx
