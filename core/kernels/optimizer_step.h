#pragma once
// One step of SGD with momentum, Adam or AdamW for one tensor of weights. Sources: Polyak 1964; Kingma and Ba 2015, algorithm 1; Loshchilov
// and Hutter 2019, algorithm 2. Names, defaults and order of operations are PyTorch's (torch.optim.SGD, Adam, AdamW).

#include "core/tensor/tensor.h"

namespace orrery::kernels {

struct SgdStep {
  double learningRate = 1e-3, momentum = 0, dampening = 0, weightDecay = 0;
  bool nesterov = false;
  bool first = false;  // the first step: the momentum buffer starts as the gradient
};
struct AdamStep {
  double learningRate = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0;
  bool decoupled = false;  // AdamW: the weights decay apart from the gradient
  std::int64_t step = 1;   // from 1, for the bias corrections
};

// New tensors; the old ones stay as they are, so that a kept state is a checkpoint. All f32 of one shape. `scale` (optional, f32, one
// element) multiplies the gradient first: gradient clipping.
struct SgdResult {
  Tensor weights, momentum;
};
SgdResult sgdStep(gpu::Stream& stream, const Tensor& weights, const Tensor& gradient, const Tensor& momentum, const SgdStep& options,
                  const Tensor& scale = {});
struct AdamResult {
  Tensor weights, first, second;
};
AdamResult adamStep(gpu::Stream& stream, const Tensor& weights, const Tensor& gradient, const Tensor& first, const Tensor& second,
                    const AdamStep& options, const Tensor& scale = {});

// decay * average + (1 - decay) * value: one step of an exponential moving average (EMA).
Tensor lerp(gpu::Stream& stream, const Tensor& average, const Tensor& value, double decay);

}  // namespace orrery::kernels
