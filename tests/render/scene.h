#pragma once
// Small helpers of the renderer's tests.

#include <cmath>
#include <memory>

#include "core/gpu/device.h"
#include "core/render/renderer.h"
#include "tests/support/catch.h"

namespace orrery::testing {

inline std::shared_ptr<gpu::Device> sharedDevice() {
  static std::shared_ptr<gpu::Device> device = [] {
    auto opened = gpu::Device::open({-1, true});
    REQUIRE(opened);
    return *opened;
  }();
  return device;
}

struct Rgba {
  int r, g, b, a;
};

inline Rgba at(const render::Pixels& pixels, int x, int y) {
  const std::size_t i = 4 * (static_cast<std::size_t>(y) * static_cast<std::size_t>(pixels.width) + static_cast<std::size_t>(x));
  return {pixels.rgba[i], pixels.rgba[i + 1], pixels.rgba[i + 2], pixels.rgba[i + 3]};
}

inline bool isNear(Rgba found, Rgba expected, int tolerance) {
  INFO("found " << found.r << ' ' << found.g << ' ' << found.b << ' ' << found.a);
  return std::abs(found.r - expected.r) <= tolerance && std::abs(found.g - expected.g) <= tolerance &&
         std::abs(found.b - expected.b) <= tolerance && std::abs(found.a - expected.a) <= tolerance;
}

inline constexpr Color black{0, 0, 0, 1}, white{1, 1, 1, 1};

inline DisplayList blank(float width, float height, Color ground = white) {
  DisplayList list;
  list.size = {width, height};
  list.ground = ground;
  return list;
}

// The sum of ink (255 - red) of black on white in a rectangle of pixels, in covered pixels.
inline double inkIn(const render::Pixels& pixels, int left, int top, int right, int bottom) {
  double sum = 0;
  for (int y = std::max(0, top); y < std::min(bottom, pixels.height); ++y) {
    for (int x = std::max(0, left); x < std::min(right, pixels.width); ++x) sum += (255 - at(pixels, x, y).r) / 255.0;
  }
  return sum;
}

inline void requireNoValidationMessage() {
  for (const std::string& message : sharedDevice()->validationMessages()) FAIL_CHECK(message);
}

}  // namespace orrery::testing
