#version 450
//! variant pairs -DPAIRS=1
#extension GL_GOOGLE_include_directive : require
// One optimiser step of every weight, four at a time (tensors are padded to whole texels). PyTorch's order of operations.
//   MODE 0  SGD: g += decay w; b = momentum b + (1 - dampening) g (first step: b = g); w -= lr (nesterov ? g + momentum b : b)
//   MODE 1  Adam: g += decay w; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; w -= lr / c1 * m / (sqrt(v) / sqrt(c2) + eps)
//   MODE 2  AdamW: w *= 1 - lr decay first, g as it is
//   MODE 3  lerp: w = a w + (1 - a) g
#include "stores.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint MODE = 0;
layout(constant_id = 1) const uint SCALED = 0;
layout(set = 0, binding = 0) uniform samplerBuffer weights;
layout(set = 0, binding = 1) uniform samplerBuffer gradients;
layout(set = 0, binding = 2) uniform samplerBuffer first;
layout(set = 0, binding = 3) uniform samplerBuffer second;
layout(set = 0, binding = 4) uniform samplerBuffer scale;
layout(set = 0, binding = 5) writeonly buffer Weights { FOUR weightsOut[]; };
layout(set = 0, binding = 6) writeonly buffer First { FOUR firstOut[]; };
layout(set = 0, binding = 7) writeonly buffer Second { FOUR secondOut[]; };
layout(push_constant) uniform Push {
  uint quads;
  float rate, decay;
  float a, b;             // momentum, 1 - dampening; or beta1, beta2; or the share of lerp
  float c, d;             // SGD: 1 on the first step, 1 for Nesterov; Adam: rate / (1 - beta1^t), 1 / sqrt(1 - beta2^t)
  float epsilon, restA, restB;   // 1 - a, 1 - b, rounded once on the host
} p;

void main() {
  uint stride = gl_NumWorkGroups.x * 64u;
  for (uint i = gl_GlobalInvocationID.x; i < p.quads; i += stride) {
    vec4 w = texelFetch(weights, int(i)), g = texelFetch(gradients, int(i));
    if (SCALED != 0u) g *= texelFetch(scale, 0).x;
    if (MODE == 0u) {
      g += p.decay * w;
      vec4 momentum = p.c != 0.0 ? g : p.a * texelFetch(first, int(i)) + p.b * g;
      w -= p.rate * (p.d != 0.0 ? g + p.a * momentum : momentum);
      firstOut[i] = asFour(momentum);
    } else if (MODE == 3u) {
      w = p.a * w + p.restA * g;
    } else {
      if (MODE == 1u) g += p.decay * w;
      else w *= 1.0 - p.rate * p.decay;
      vec4 m = p.a * texelFetch(first, int(i)) + p.restA * g, v = p.b * texelFetch(second, int(i)) + p.restB * g * g;
      w -= p.c * m / (sqrt(v) * p.d + p.epsilon);
      firstOut[i] = asFour(m);
      secondOut[i] = asFour(v);
    }
    weightsOut[i] = asFour(w);
  }
}
