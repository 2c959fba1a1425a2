// Every registered kernel against its plain C++ reference on this machine's device.

#include "core/base/registry.h"
#include "core/gpu/device.h"
#include "core/kernels/check.h"
#include "core/kernels/kernel.h"
#include "tests/support/catch.h"

using namespace orrery;

TEST_CASE("every kernel agrees with its reference") {
  auto device = gpu::Device::open();
  REQUIRE(device);
  const auto reports = kernels::checkKernels(*device, false);
  REQUIRE(reports.size() == registered<kernels::Kernel>().size());
  for (const auto& report : reports) {
    INFO(report.id << ": " << report.worstRelativeError << " at " << report.where);
    CHECK(report.ok);
  }
  for (const auto& message : (*device)->validationMessages()) FAIL_CHECK(message);
}

TEST_CASE("a kernel check can fail: a wrong value is reported with its place") {
  const Tensor found = Tensor::from(Shape{3}, {1.0f, 2.0f, 3.0f});
  const Difference difference = compare(found, std::vector<double>{1, 2.5, 3});
  CHECK(difference.worst == Approx(0.5 / 3));
  CHECK(difference.where == 1);
  CHECK(difference.found == 2.0);
}

TEST_CASE("every kernel has checks, bench cases at three sizes and a summary") {
  auto device = gpu::Device::open();
  REQUIRE(device);
  for (const auto& kernel : registered<kernels::Kernel>()) {
    INFO(kernel.id);
    CHECK(!kernel.summary.empty());
    CHECK(kernel.checks(**device).size() >= 2);
    if (kernel.benches != nullptr) CHECK(kernel.benches(**device).size() >= 3);
  }
}
