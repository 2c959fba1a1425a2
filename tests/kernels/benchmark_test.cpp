#include "core/kernels/benchmark.h"

#include "core/gpu/device.h"
#include "tests/support/catch.h"

using namespace orrery;

TEST_CASE("ceilings and fractions are numbers that can be") {
  auto device = gpu::Device::open();
  REQUIRE(device);
  auto ceilings = kernels::measureCeilings(*device);
  CHECK(ceilings.mulAddGflops > 0.1);
  // With 16-bit arithmetic there is a second rate, and only then.
  CHECK((ceilings.halfMulAddGflops > 0.01) == (*device)->summary().float16);
  CHECK(ceilings.copyGBps > 0.1);
  CHECK(ceilings.dispatchMicroseconds >= 0);
  CHECK(ceilings.dispatchMicroseconds < 1e5);
  const std::vector<std::string> names{"layer_norm"};
  const auto measured = kernels::measureKernels(*device, ceilings, names, {});
  REQUIRE(measured.size() == 3);
  for (const auto& m : measured) {
    INFO(m.id << " " << m.shape << ": " << m.milliseconds << " ms, " << m.fraction << " of " << m.bound);
    CHECK(m.id == "layer_norm");
    CHECK(m.milliseconds > 0);
    CHECK(m.fraction > 0);
    CHECK((m.bound == "copy" || m.bound == "dispatch"));
  }
}

TEST_CASE("an unknown kernel name measures nothing") {
  auto device = gpu::Device::open();
  REQUIRE(device);
  const std::vector<std::string> names{"no-such-kernel"};
  kernels::Ceilings ceilings{.mulAddGflops = 1, .copyGBps = 1, .dispatchMicroseconds = 1};
  CHECK(kernels::measureKernels(*device, ceilings, names, {}).empty());
}
