#pragma once
// Cross entropy between softmax(logits) and one class per row. Source: the definition, in the form of PyTorch's cross_entropy with class
// indices.

#include "core/tensor/tensor.h"

namespace orrery::kernels {

// Targets at or above the number of classes are ignored: their loss and gradient are 0 (PyTorch's ignore_index).
struct CrossEntropy {
  Tensor loss;       // [n], nats: ln sum_j exp(x_ij) - x_i,target
  Tensor logSumExp;  // [n]
};
// logits f32 [n, classes] with at least one class, targets u32 [n]. Throws std::invalid_argument when they do not fit.
CrossEntropy crossEntropy(gpu::Stream& stream, const Tensor& logits, const Tensor& targets);

// d (sum_i weight_i loss_i) / d logits = weight_i (softmax(x_i) - onehot(target_i)); weight f32 [n].
Tensor crossEntropyGradient(gpu::Stream& stream, const Tensor& logits, const Tensor& targets, const Tensor& logSumExp,
                            const Tensor& weight);

std::vector<double> crossEntropyReference(std::span<const double> logits, std::span<const std::uint32_t> targets);

}  // namespace orrery::kernels
