#pragma once
// What detectors learn by: focal loss of class logits and GIoU loss of boxes, with gradients. Names, defaults and values are torchvision's
// (sigmoid_focal_loss and generalized_box_iou_loss, without reduction).

#include "core/kernels/reference.h"
#include "core/tensor/tensor.h"

namespace orrery::kernels {

// Lin et al. 2017, eq. 5. With p = sigmoid(x) and a target t in [0, 1]: p_t = p t + (1 - p)(1 - t), alpha_t likewise of alpha (negative:
// alpha_t = 1),
//   y = alpha_t (1 - p_t)^gamma (softplus(x) - x t),
// f32, the shape of x. Throws std::invalid_argument when the shapes or types differ or gamma < 0.
Tensor sigmoidFocalLoss(gpu::Stream& stream, const Tensor& logits, const Tensor& targets, double alpha = 0.25, double gamma = 2);
// dL/dlogits from dL/dy.
Tensor sigmoidFocalLossGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& logits, const Tensor& targets,
                                double alpha = 0.25, double gamma = 2);

// Rezatofighi et al. 2019, algorithm 1: y_i = 1 - I / (U + epsilon) + (C - U) / (C + epsilon) of boxes i, f32 [n, 4] as (x1, y1, x2, y2):
// intersection, union and the smallest box around both; [n]. Throws std::invalid_argument when the shapes do not fit.
Tensor generalizedBoxIouLoss(gpu::Stream& stream, const Tensor& boxes, const Tensor& targets, double epsilon = 1e-7);
// dL/dboxes from dL/dy [n]; the loss is symmetric, so with the boxes exchanged it is dL/dtargets. Equal corners share evenly, as in
// PyTorch.
Tensor generalizedBoxIouLossGradient(gpu::Stream& stream, const Tensor& gradient, const Tensor& boxes, const Tensor& targets,
                                     double epsilon = 1e-7);

Doubles sigmoidFocalLossReference(const Doubles& logits, const Doubles& targets, double alpha = 0.25, double gamma = 2);
Doubles generalizedBoxIouLossReference(const Doubles& boxes, const Doubles& targets, double epsilon = 1e-7);

}  // namespace orrery::kernels
