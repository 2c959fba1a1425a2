#include "core/kernels/layer_norm.h"

#include <cmath>
#include <stdexcept>

#include "core/gpu/device.h"
#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_oracle.h"

using namespace orrery;
using namespace orrery::testing;

TEST_CASE("layer_norm agrees with its reference in both variants") {
  checkAgainstReference("layer_norm");
}
