// Which variant of a kernel a device runs.

#include "core/kernels/kernel.h"

#include <fmt/format.h>

#include <cstdlib>
#include <limits>
#include <stdexcept>

#include "core/kernels/variant_choice.h"

namespace orrery::kernels {

namespace {

std::string_view asked() {
  const char* wanted = std::getenv("ORRERY_VARIANT");
  return wanted == nullptr ? "" : wanted;
}

}  // namespace

std::string_view variantFor(const gpu::Device& device, std::string_view kernel) {
  if (!asked().empty() && asked() != "matrix") return asked();
  if (const std::string_view chosen = chosenVariant(device, kernel); !chosen.empty()) return chosen;
  return device.isCpu() || device.subgroupSize() < 2 ? "scalar" : "subgroup";
}

std::string_view variantWithMatrix(gpu::Device& device, std::string_view kernel, std::string_view variant) {
  if ((variant.empty() ? asked() : variant) == "matrix" && gpu::matrixShape(device)) return "matrix";
  return variant.empty() || variant == "matrix" ? variantFor(device, kernel) : variant;
}

std::optional<gpu::MatrixShape> runsMatrix(gpu::Device& device, std::string_view kernel, std::string_view variant) {
  return variantWithMatrix(device, kernel, variant) == "matrix" ? gpu::matrixShape(device) : std::nullopt;
}

bool eightLanesExchange(const gpu::Device& device) { return device.subgroupSize() >= 8; }

bool runsScalar(const gpu::Device& device, std::string_view kernel, std::string_view variant) {
  return (variant.empty() || variant == "matrix" ? variantFor(device, kernel) : variant) == "scalar" && eightLanesExchange(device);
}

std::int64_t mostIterations(const gpu::Device& device) { return device.isCpu() ? 65'000 : std::numeric_limits<std::int64_t>::max(); }

void requireIterations(const gpu::Device& device, std::string_view kernel, std::int64_t iterations) {
  if (iterations <= mostIterations(device)) return;
  throw std::length_error(fmt::format("{}: {} steps are more than {} runs in one loop", kernel, iterations, device.summary().name));
}

}  // namespace orrery::kernels
