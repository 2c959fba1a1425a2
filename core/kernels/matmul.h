#pragma once
// Batched matrix product, C = f(op(A) op(B) + bias) + residual, with op = identity or transpose. Source: the definition.

#include <optional>
#include <string_view>
#include <vector>

#include "core/kernels/elementwise.h"
#include "core/tensor/tensor.h"

namespace orrery::kernels {

struct MatmulOptions {
  bool transposeA = false;     // A is stored [..., K, M]
  bool transposeB = false;     // B is stored [..., N, K]
  Tensor bias{};               // optional f32 [N], added to every row of the product
  std::string_view variant{};  // "scalar", "subgroup", "matrix"; empty = variantWithMatrix(device)
  std::optional<Unary> activation{};  // f
  Tensor residual{};                  // optional f32 of the shape of the result
};

// a [..., M, K], b [..., K, N], f32, rank 2 or more -> [..., M, N]. The leading axes broadcast as in NumPy. K = 0 gives zeros.
// Sums run over k in order in f32; the result does not depend on the batch it is in. Throws std::invalid_argument when the shapes do not
// fit, and std::length_error when the batch axes cannot be joined to three or the result exceeds what the device can bind.
Tensor matmul(gpu::Stream& stream, const Tensor& a, const Tensor& b, const MatmulOptions& options = {});

// The same in double on the host.
std::vector<double> matmulReference(const Tensor& a, const Tensor& b, const MatmulOptions& options = {});

}  // namespace orrery::kernels
