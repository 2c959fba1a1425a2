#pragma once
// Differentiable operations: a kernel going forward, and its gradient on the tape. Names and meanings follow PyTorch. Shapes as in the
// kernels; a shape that does not fit throws std::invalid_argument with both shapes. All values are f32.

#include <optional>
#include <vector>

#include "core/kernels/attention.h"
#include "core/kernels/conv2d.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/grid_sample.h"
#include "core/kernels/interpolate.h"
#include "core/kernels/pooling.h"
#include "core/kernels/reduce.h"
#include "core/kernels/triangular.h"
#include "core/nn/tape.h"

namespace orrery::nn {

// Elementwise, broadcasting as NumPy does; the gradient of a repeated axis is summed.
Variable add(const Variable& a, const Variable& b);
Variable sub(const Variable& a, const Variable& b);
Variable mul(const Variable& a, const Variable& b);
Variable div(const Variable& a, const Variable& b);
Variable affine(const Variable& x, double scale, double shift);  // scale x + shift
Variable apply(kernels::Unary function, const Variable& x);
inline Variable relu(const Variable& x) { return apply(kernels::Unary::relu, x); }
inline Variable gelu(const Variable& x) { return apply(kernels::Unary::gelu, x); }
inline Variable tanh(const Variable& x) { return apply(kernels::Unary::tanh, x); }
inline Variable sigmoid(const Variable& x) { return apply(kernels::Unary::sigmoid, x); }
inline Variable silu(const Variable& x) { return apply(kernels::Unary::silu, x); }
inline Variable softplus(const Variable& x) { return apply(kernels::Unary::softplus, x); }
inline Variable square(const Variable& x) { return apply(kernels::Unary::square, x); }

// Same values, other shape with the same count.
Variable reshape(const Variable& x, const Shape& shape);

// a [..., M, K] b [..., K, N] -> [..., M, N]; leading axes broadcast.
Variable matmul(const Variable& a, const Variable& b);
// x [..., in], weight [out, in], bias [out] (may be empty), residual [..., out] (may be empty) -> f(x weight^T + bias) + residual,
// [..., out]. relu without a residual, and a residual without f, are part of the product; anything else follows it, unless nothing needs a
// gradient: then all of it is.
Variable linear(const Variable& x, const Variable& weight, const Variable& bias, std::optional<kernels::Unary> f = {},
                const Variable& residual = {});

// a [..., M, K] b [..., N, K]^T -> [..., M, N].
Variable matmulTransposed(const Variable& a, const Variable& b);
// Axis i of the result is axis axes[i] of x.
Variable permute(const Variable& x, const std::vector<int>& axes);

// (x - mean) / sqrt(variance + epsilon) gain + shift along the last axis (Ba, Kiros and Hinton 2016).
Variable layerNorm(const Variable& x, const Variable& gain, const Variable& shift, double epsilon = 1e-5);
// softmax(q k^T / sqrt(d)) v per head: q [..., n, d], k [..., m, d], v [..., m, e] -> [..., n, e] (Vaswani et al. 2017, eq. 1), all with
// the same leading axes. No scores are held, on the way back neither (core/kernels/attention.h).
Variable attention(const Variable& q, const Variable& k, const Variable& v, const kernels::AttentionOptions& options = {});
// Rows of a table by index u32 [...]: [rows, d] -> [..., d].
Variable embedding(const Variable& table, const Tensor& index);

// Without the axis; over all elements: shape [].
Variable sum(const Variable& x, int axis);
Variable sum(const Variable& x);
Variable mean(const Variable& x, int axis);
Variable mean(const Variable& x);
Variable softmax(const Variable& x, int axis = -1);
Variable logSumExp(const Variable& x);  // along the last axis

// Losses: the mean over everything, shape [].
// logits [n, classes], targets u32 [n]; a target of at least `classes` is ignored, but counts in n.
Variable crossEntropy(const Variable& logits, const Tensor& targets);
Variable mseLoss(const Variable& prediction, const Variable& target);
// mean of softplus(x) - x y: binary cross entropy of sigmoid(x) with y in [0, 1].
Variable bceWithLogits(const Variable& logits, const Variable& target);

// Images x [N, C, H, W]; options, shapes and defaults as in the kernels. A bias may be empty.
// weight [O, C / groups, kh, kw], bias [O].
Variable conv2d(const Variable& x, const Variable& weight, const Variable& bias, const kernels::Conv2dOptions& options = {});
// weight [C, O / groups, kh, kw], bias [O].
Variable convTranspose2d(const Variable& x, const Variable& weight, const Variable& bias,
                         const kernels::ConvTranspose2dOptions& options = {});
Variable maxPool2d(const Variable& x, const kernels::PoolOptions& options = {});
Variable averagePool2d(const Variable& x, const kernels::PoolOptions& options = {});
Variable adaptiveAveragePool2d(const Variable& x, std::array<std::int64_t, 2> size);
Variable interpolate(const Variable& x, std::array<std::int64_t, 2> size, kernels::Interpolation mode = kernels::Interpolation::nearest,
                     bool alignCorners = false);
Variable pixelShuffle(const Variable& x, std::int64_t factor);
// grid [N, OH, OW, 2] of (x, y) in [-1, 1]; differentiable by both.
Variable gridSample(const Variable& x, const Variable& grid, const kernels::GridSampleOptions& options = {});

// x [N, C, ...] normalised per image and group of channels (Wu and He 2018); gain and shift [C], both or neither given.
Variable groupNorm(const Variable& x, std::int64_t groups, const Variable& gain, const Variable& shift, double epsilon = 1e-5);
// x / sqrt(mean(x^2) + epsilon) gain along the last axis (Zhang and Sennrich 2019).
Variable rmsNorm(const Variable& x, const Variable& gain, double epsilon = 1e-6);

// y_i = x_0 + ... + x_i along an axis.
Variable cumsum(const Variable& x, int axis = -1);
// Side by side along an axis; the other extents agree.
Variable concat(const std::vector<Variable>& parts, int axis);
// Elements begin .. end - 1 along an axis.
Variable slice(const Variable& x, int axis, std::int64_t begin, std::int64_t end);
// x[index[i], ...]: rows along the first axis by index u32 [k]; the gradient of a row picked twice is summed.
Variable indexSelect(const Variable& x, const Tensor& index);

// What detectors learn by, element by element and box by box, as in torchvision (kernels/detection_losses.h): Lin et al. 2017, eq. 5, and
// Rezatofighi et al. 2019. `targets` f32 of the logits' shape, 0 to 1; boxes [n, 4] as (x1, y1, x2, y2), the result [n].
Variable sigmoidFocalLoss(const Variable& logits, const Tensor& targets, double alpha = 0.25, double gamma = 2);
Variable generalizedBoxIouLoss(const Variable& boxes, const Variable& targets, double epsilon = 1e-7);

// Small dense linear algebra on matrices a [..., n, n], n at most 128; names as in torch.linalg. What cannot be solved gives NaN in its own
// matrix only (kernels/{cholesky,lu,triangular}.h).
// L with L L^T = A, from A's lower triangle; the gradient is symmetric.
Variable cholesky(const Variable& a);
// X with op(T) X = B for b [..., n, m]; t may be one matrix for all. Options without an order.
Variable solveTriangular(const Variable& t, const Variable& b, const kernels::TriangularOptions& options = {});
// X with A X = B for b [..., n, m], by LU; a may be one matrix for all.
Variable solve(const Variable& a, const Variable& b);
Variable inverse(const Variable& a);
// det A = sign exp(logAbsDet), both [...]; 0 and -infinity when A is singular.
struct SignedLogDet {
  Tensor sign;
  Variable logAbsDet;
};
SignedLogDet slogdet(const Variable& a);

}  // namespace orrery::nn
