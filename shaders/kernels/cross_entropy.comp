#version 450
#extension GL_GOOGLE_include_directive : require
// Cross entropy of rows of logits with one class each. A lane walks a row.
//   MODE 0  loss_i = ln sum_j exp(x_ij) - x_i,target and the log-sum-exp
//   MODE 1  gradient_ij = weight_i (exp(x_ij - lse_i) - [j = target])
#include "texels.glsl"
layout(local_size_x = 8) in;
layout(constant_id = 0) const uint MODE = 0;
layout(set = 0, binding = 0) uniform samplerBuffer logits;
layout(set = 0, binding = 1) uniform usamplerBuffer targets;
layout(set = 0, binding = 2) uniform samplerBuffer lseIn;       // MODE 1
layout(set = 0, binding = 3) uniform samplerBuffer weights;     // MODE 1
layout(set = 0, binding = 4) writeonly buffer Result { float result[]; };   // loss [n] or gradient [n, classes]
layout(set = 0, binding = 5) writeonly buffer LogSumExp { float logSumExp[]; };
layout(push_constant) uniform Push { uint rows, classes; };

void main() {
  uint row = (gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x) * 8u + gl_LocalInvocationID.x;
  bool valid = row < rows;
  row = min(row, rows - 1u);
  uint base = row * classes, target = LOAD(targets, row);
  if (MODE == 0u) {
    float largest = -3.0e38;
    for (uint j = 0u; j < classes; ++j) largest = max(largest, LOAD(logits, base + j));
    float sum = 0.0;
    for (uint j = 0u; j < classes; ++j) sum += exp(LOAD(logits, base + j) - largest);
    float lse = largest + log(sum), chosen = LOAD(logits, base + min(target, classes - 1u));
    if (!valid) return;
    result[row] = target < classes ? lse - chosen : 0.0;
    logSumExp[row] = lse;
  } else {
    float lse = LOAD(lseIn, row), weight = target < classes ? LOAD(weights, row) : 0.0;
    if (!valid) return;
    for (uint j = 0u; j < classes; ++j) {
      result[base + j] = weight * (exp(LOAD(logits, base + j) - lse) - (j == target ? 1.0 : 0.0));
    }
  }
}
