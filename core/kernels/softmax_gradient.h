#pragma once
// The gradient of softmax. Source: Bridle 1990; dy_k / ds_j = y_k (delta_jk - y_j).

#include <string_view>

#include "core/kernels/reference.h"
#include "core/tensor/tensor.h"

namespace orrery::kernels {

// dL/dx = factor y_j (g_j - sum_k g_k y_k) along an axis, from y = softmax(factor x + mask) and g = dL/dy, both f32 of one shape;
// factor = scale / temperature of SoftmaxOptions. Entries that the mask hid have y = 0 and so get 0.
// Throws std::invalid_argument for shapes that differ and an axis that is not there.
Tensor softmaxGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& y, int axis = -1, double factor = 1,
                       std::string_view variant = {});

Doubles softmaxGradientReference(const Doubles& gradient, const Doubles& y, int axis = -1, double factor = 1);

}  // namespace orrery::kernels
