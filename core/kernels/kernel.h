#pragma once
// The registry of kernels: one operation per .cpp, each with a typed function (its own header core/kernels/<name>.h), a plain C++
// reference, and the cases on which `orrery check` and the oracle test compare the two on every device.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/gpu/cooperative_matrix.h"
#include "core/gpu/stream.h"
#include "core/tensor/tensor.h"

namespace orrery::kernels {

// One comparison of a device result with the double-precision reference.
struct CheckCase {
  std::string name;      // "axis 1 of [3, 65, 7]"
  double tolerance = 0;  // relative to max(1, |reference|_inf); 0 = bit-equal. Its reason stands beside it.
  std::function<Difference(gpu::Stream&)> run;
};

// One timed run. `flops` and `bytes` describe the work of a single call, so that a fraction of the ceiling can be stated.
struct BenchCase {
  std::string shape;    // "1024x1024x1024"
  std::string variant;  // "scalar", "subgroup", "matrix", or ""
  double flops = 0;
  double bytes = 0;                                                        // read + written
  bool computeBound = false;                                               // which ceiling counts
  std::function<std::function<void(gpu::Stream&)>(gpu::Stream&)> prepare;  // makes inputs, returns the call to time
};

struct Kernel {
  std::string_view id;       // "softmax"
  std::string_view summary;  // one line, English
  std::vector<CheckCase> (*checks)(gpu::Device&);
  std::vector<BenchCase> (*benches)(gpu::Device&);  // may be null
};

// Which variant of a kernel with several runs on this device: the one that ORRERY_VARIANT asks for, else the one that was timed and chosen
// (variant_choice.h), else "scalar" on CPU devices and "subgroup" on GPUs. "matrix", which few kernels have, leaves the others as they are.
std::string_view variantFor(const gpu::Device& device, std::string_view kernel);

// The variant of a kernel that has "matrix" as well: that one where it was asked for, by `variant` or ORRERY_VARIANT, and the device has
// cooperative matrices. It is never taken unasked, since it rounds what it multiplies to f16 (11 bits; beyond 65,504 infinite).
std::string_view variantWithMatrix(gpu::Device& device, std::string_view kernel, std::string_view variant = {});

// The matrices that such a kernel runs on; none when it runs another variant.
std::optional<gpu::MatrixShape> runsMatrix(gpu::Device& device, std::string_view kernel, std::string_view variant);

// Whether a workgroup of 8 lies in one subgroup, so that its lanes can exchange values by shuffles. False for lavapipe with 128-bit vectors
// (no AVX): kernels built on such an exchange then run their shared-memory variant.
bool eightLanesExchange(const gpu::Device& device);

// Whether a kernel asked for `variant` (empty: variantFor) runs the `scalar` one that is built on that exchange.
bool runsScalar(const gpu::Device& device, std::string_view kernel, std::string_view variant);

// Loop iterations one invocation may make: lavapipe ends all loops of an invocation after 65,535 without a word.
std::int64_t mostIterations(const gpu::Device& device);
// Throws std::length_error, "matmul: 300000 steps are more than llvmpipe runs in one loop", rather than let a result be wrong.
void requireIterations(const gpu::Device& device, std::string_view kernel, std::int64_t iterations);

}  // namespace orrery::kernels
