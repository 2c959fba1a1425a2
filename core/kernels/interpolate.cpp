// Resizing of images and its gradient: a map along y and a map along x (resample.h). Source of the bicubic weights: Keys 1981, "Cubic
// convolution interpolation for digital image processing", eq. 15.

#include "core/kernels/interpolate.h"

#include <cmath>
#include <stdexcept>

#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"
#include "core/kernels/resample.h"

namespace orrery::kernels {
namespace {

constexpr double cubicA = -0.75;

double cubicWeight(double distance) {
  const double d = std::abs(distance);
  if (d <= 1) return ((cubicA + 2) * d - (cubicA + 3)) * d * d + 1;
  return d < 2 ? ((cubicA * d - 5 * cubicA) * d + 8 * cubicA) * d - 4 * cubicA : 0;
}

AxisMap mapFor(std::int64_t in, std::int64_t out, Interpolation mode, bool alignCorners) {
  AxisMap map;
  map.in = in;
  for (std::int64_t i = 0; i < out; ++i) {
    if (mode == Interpolation::nearest) {
      map.add(i * in / out, 1);
    } else {
      double source = alignCorners ? (out > 1 ? static_cast<double>(i * (in - 1)) / static_cast<double>(out - 1) : 0)
                                   : (static_cast<double>(i) + 0.5) * static_cast<double>(in) / static_cast<double>(out) - 0.5;
      if (mode == Interpolation::bilinear) source = std::max(source, 0.0);
      const auto low = static_cast<std::int64_t>(std::floor(source));
      const double t = source - static_cast<double>(low);
      if (mode == Interpolation::bilinear) {
        map.add(low, 1 - t);
        map.add(std::min(low + 1, in - 1), t);
      } else {
        for (std::int64_t k = -1; k <= 2; ++k)
          map.add(std::clamp<std::int64_t>(low + k, 0, in - 1), cubicWeight(t - static_cast<double>(k)));
      }
    }
    map.endRow();
  }
  return map;
}

void requireSizes(const Shape& input, std::array<std::int64_t, 2> size) {
  if (input.rank() != 4 || input[2] < 1 || input[3] < 1 || size[0] < 1 || size[1] < 1) {
    throw std::invalid_argument("interpolate: [N, C, H, W] with pixels and a size with pixels are needed, found " + input.toString() +
                                " to " + Shape{size[0], size[1]}.toString());
  }
}

}  // namespace

Tensor interpolate(gpu::Stream& stream, const Tensor& x, std::array<std::int64_t, 2> size, Interpolation mode, bool alignCorners) {
  requireSizes(x.shape(), size);
  return resample(stream, x, mapFor(x.shape()[2], size[0], mode, alignCorners), mapFor(x.shape()[3], size[1], mode, alignCorners));
}

Tensor interpolateGradient(gpu::Stream& stream, const Tensor& gradient, const Shape& input, Interpolation mode, bool alignCorners) {
  const Shape& g = gradient.shape();
  if (g.rank() != 4 || input.rank() != 4 || g[0] != input[0] || g[1] != input[1])
    throw std::invalid_argument("interpolateGradient: " + g.toString() + " is no gradient for images " + input.toString());
  requireSizes(input, {g[2], g[3]});
  return resample(stream, gradient, mapFor(input[2], g[2], mode, alignCorners).transposed(),
                  mapFor(input[3], g[3], mode, alignCorners).transposed());
}

namespace {

// Calls visit(output place, input place, weight), from the definition: no tables, both axes at once.
template <class Visit>
void forEachShare(const Shape& input, std::array<std::int64_t, 2> size, Interpolation mode, bool alignCorners, const Visit& visit) {
  const std::int64_t H = input[2], W = input[3];
  const auto place = [&](std::int64_t i, std::int64_t in, std::int64_t out) {
    const double scale = alignCorners ? (out > 1 ? static_cast<double>(in - 1) / static_cast<double>(out - 1) : 0)
                                      : static_cast<double>(in) / static_cast<double>(out);
    return alignCorners ? static_cast<double>(i) * scale : (static_cast<double>(i) + 0.5) * scale - 0.5;
  };
  const auto clamped = [](std::int64_t i, std::int64_t n) { return i < 0 ? 0 : i >= n ? n - 1 : i; };
  for (std::int64_t plane = 0; plane < input[0] * input[1]; ++plane) {
    for (std::int64_t oy = 0; oy < size[0]; ++oy) {
      for (std::int64_t ox = 0; ox < size[1]; ++ox) {
        const std::int64_t out = (plane * size[0] + oy) * size[1] + ox;
        const auto give = [&](std::int64_t y, std::int64_t x, double weight) {
          visit(out, (plane * H + clamped(y, H)) * W + clamped(x, W), weight);
        };
        if (mode == Interpolation::nearest) {
          give(oy * H / size[0], ox * W / size[1], 1);
          continue;
        }
        double sy = place(oy, H, size[0]), sx = place(ox, W, size[1]);
        if (mode == Interpolation::bilinear) sy = std::max(sy, 0.0), sx = std::max(sx, 0.0);
        const std::int64_t reach = mode == Interpolation::bilinear ? 1 : 2, y0 = static_cast<std::int64_t>(std::floor(sy)),
                           x0 = static_cast<std::int64_t>(std::floor(sx));
        const auto weight = [&](double distance) {
          return mode == Interpolation::bilinear ? std::max(0.0, 1 - std::abs(distance)) : cubicWeight(distance);
        };
        for (std::int64_t y = y0 + 1 - reach; y <= y0 + reach; ++y)
          for (std::int64_t x = x0 + 1 - reach; x <= x0 + reach; ++x)
            give(y, x, weight(sy - static_cast<double>(y)) * weight(sx - static_cast<double>(x)));
      }
    }
  }
}

}  // namespace

Doubles interpolateReference(const Doubles& x, std::array<std::int64_t, 2> size, Interpolation mode, bool alignCorners) {
  Doubles y(Shape{x.shape[0], x.shape[1], size[0], size[1]});
  forEachShare(x.shape, size, mode, alignCorners, [&](std::int64_t i, std::int64_t j, double w) { y[i] += w * x[j]; });
  return y;
}

Doubles interpolateGradientReference(const Doubles& gradient, const Shape& input, Interpolation mode, bool alignCorners) {
  Doubles result(input);
  forEachShare(input, {gradient.shape[2], gradient.shape[3]}, mode, alignCorners,
               [&](std::int64_t i, std::int64_t j, double w) { result[j] += w * gradient[i]; });
  return result;
}

namespace {

const char* nameOf(Interpolation mode) {
  return mode == Interpolation::nearest ? "nearest" : mode == Interpolation::bilinear ? "bilinear" : "bicubic";
}

std::vector<CheckCase> checksOf(bool gradient) {
  const std::pair<Shape, std::array<std::int64_t, 2>> list[] = {
      {Shape{2, 3, 5, 7}, {10, 14}}, {Shape{1, 2, 9, 8}, {4, 3}}, {Shape{1, 1, 1, 1}, {3, 5}},     {Shape{2, 1, 6, 4}, {1, 1}},
      {Shape{1, 3, 7, 5}, {7, 5}},   {Shape{0, 2, 3, 3}, {5, 5}}, {Shape{1, 2, 33, 64}, {40, 17}}, {Shape{1, 1, 8, 16}, {65, 3}}};
  std::vector<CheckCase> cases;
  for (const Interpolation mode : {Interpolation::nearest, Interpolation::bilinear, Interpolation::bicubic}) {
    for (const bool align : {false, true}) {
      if (align && mode == Interpolation::nearest) continue;
      for (const auto& entry : list) {
        const Shape shape = entry.first;
        const auto size = entry.second;
        // Two sums of at most 4 products (gradient: as many as pixels fall together, 16 x 4) of values up to 1.4^2, weights rounded to f32.
        cases.push_back({std::string(nameOf(mode)) + (align ? " corners aligned " : " ") + shape.toString() + " to " +
                             Shape{size[0], size[1]}.toString(),
                         gradient ? 4e-6 : 1e-6, [=](gpu::Stream& stream) {
                           const Shape from = gradient ? Shape{shape[0], shape[1], size[0], size[1]} : shape;
                           const Tensor x = Tensor::from(from, testFloats(from.count(), 251, -1, 1));
                           if (gradient)
                             return compare(interpolateGradient(stream, x, shape, mode, align),
                                            interpolateGradientReference(Doubles(x), shape, mode, align).values);
                           return compare(interpolate(stream, x, size, mode, align),
                                          interpolateReference(Doubles(x), size, mode, align).values);
                         }});
      }
    }
  }
  return cases;
}
std::vector<CheckCase> forwardChecks(gpu::Device&) { return checksOf(false); }
std::vector<CheckCase> gradientChecks(gpu::Device&) { return checksOf(true); }

std::vector<BenchCase> benchesOf(bool gradient) {
  std::vector<BenchCase> cases;
  for (const std::int64_t n : {32, 64, 128}) {
    const Shape small{8, 16, n, n}, large{8, 16, 2 * n, 2 * n};
    cases.push_back({small.toString() + " to " + large.toString() + " bilinear", "", 0,
                     4.0 * static_cast<double>(small.count() + large.count()), false, [small, large, gradient](gpu::Stream&) {
                       const Shape from = gradient ? large : small;
                       const Tensor x = Tensor::from(from, testFloats(from.count(), 252, -1, 1));
                       return [=](gpu::Stream& s) {
                         if (gradient)
                           interpolateGradient(s, x, small, Interpolation::bilinear);
                         else
                           interpolate(s, x, {large[2], large[3]}, Interpolation::bilinear);
                       };
                     }});
  }
  return cases;
}
std::vector<BenchCase> forwardBenches(gpu::Device&) { return benchesOf(false); }
std::vector<BenchCase> gradientBenches(gpu::Device&) { return benchesOf(true); }

const Registration<Kernel> forward{{"interpolate", "Resizing of images: nearest, bilinear, bicubic", forwardChecks, forwardBenches}};
const Registration<Kernel> backward{{"interpolate_gradient", "Gradient of resizing images", gradientChecks, gradientBenches}};

}  // namespace
}  // namespace orrery::kernels
