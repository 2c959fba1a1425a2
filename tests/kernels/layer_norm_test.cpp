#include "core/kernels/layer_norm.h"

#include <cmath>
#include <stdexcept>

#include "core/gpu/device.h"
#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"
#include "tests/support/catch.h"

using namespace orrery;

namespace {

gpu::Stream openStream() {
  auto device = gpu::Device::open();
  REQUIRE(device);
  return gpu::Stream(*device);
}

}  // namespace

TEST_CASE("layer_norm agrees with its reference in both variants") {
  gpu::Stream stream = openStream();
  for (const auto& c : findRegistered<kernels::Kernel>("layer_norm")->checks(stream.device())) {
    const Difference difference = c.run(stream);
    INFO(c.name << ": " << difference.worst << " at " << difference.where << ", " << difference.found << " instead of "
                << difference.expected);
    CHECK(difference.worst <= c.tolerance);
  }
}
