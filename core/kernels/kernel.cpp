// Which variant of a kernel a device runs.

#include "core/kernels/kernel.h"

#include <cstdlib>

namespace orrery::kernels {

std::string_view variantFor(const gpu::Device& device) {
  if (const char* wanted = std::getenv("ORRERY_VARIANT"); wanted != nullptr && *wanted != '\0') return wanted;
  return device.isCpu() || device.subgroupSize() < 2 ? "scalar" : "subgroup";
}

bool eightLanesExchange(const gpu::Device& device) { return device.subgroupSize() >= 8; }

}  // namespace orrery::kernels
