#pragma once
// What every kernel's test begins with: a stream on the default device, and the kernel's own check cases against its reference.

#include <string_view>

#include "core/base/registry.h"
#include "core/kernels/kernel.h"
#include "tests/support/catch.h"

namespace orrery::testing {

inline gpu::Stream openStream() {
  auto device = gpu::Device::open();
  REQUIRE(device);
  return gpu::Stream(*device);
}

// Each case within the tolerance it declares, in every variant the kernel has.
inline void checkAgainstReference(std::string_view id) {
  gpu::Stream stream = openStream();
  const auto* kernel = findRegistered<kernels::Kernel>(id);
  REQUIRE(kernel != nullptr);
  const auto cases = kernel->checks(stream.device());
  REQUIRE_FALSE(cases.empty());
  for (const auto& c : cases) {
    const Difference difference = c.run(stream);
    INFO(c.name << ": " << difference.worst << " at " << difference.where << ", " << difference.found << " instead of " << difference.expected);
    CHECK(difference.worst <= c.tolerance);
  }
}

}  // namespace orrery::testing
