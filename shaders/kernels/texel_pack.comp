#version 450
//! variant pairs -DPAIRS=1
#extension GL_GOOGLE_include_directive : require
// Copies a matrix into the order another kernel reads it in, four neighbouring elements ("inner") per invocation, zeros outside the matrix.
// Output texel t = ((batch * extent0 + e0) * extent1 + e1) * extent2 + e2 holds source elements (outer, inner .. inner + 3) with
// outer = sum e_i outerStep_i and inner = sum e_i innerStep_i.
#include "stores.glsl"
#include "texels.glsl"
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) uniform samplerBuffer source;
layout(set = 0, binding = 1, std430) writeonly buffer Packed { FOUR packed[]; };
layout(push_constant) uniform Push {
  uint count;                                        // output texels
  uint extent0, extent1, extent2;
  uint outerStep0, outerStep1, outerStep2;
  uint innerStep0, innerStep1, innerStep2;
  uint outerLimit, innerLimit;                       // rows and columns of the source
  uint batchStride, outerStride, innerStride;        // in elements
};

void main() {
  uint t = gl_GlobalInvocationID.x + gl_GlobalInvocationID.y * (gl_NumWorkGroups.x * 64);
  if (t >= count) return;
  uint e2 = t % extent2, rest = t / extent2;
  uint e1 = rest % extent1;
  rest /= extent1;
  uint e0 = rest % extent0, batch = rest / extent0;
  uint outer = e0 * outerStep0 + e1 * outerStep1 + e2 * outerStep2;
  uint inner = e0 * innerStep0 + e1 * innerStep1 + e2 * innerStep2;
  uint at = batch * batchStride + outer * outerStride + inner * innerStride;
  vec4 value;
  if (innerStride == 1) {
    if (((batchStride | outerStride) & 3) == 0) {
      value = texelFetch(source, int(at >> 2));
    } else {
      value = LOAD4(source, at);
    }
  } else {
    value = vec4(LOAD(source, at), LOAD(source, at + innerStride), LOAD(source, at + 2 * innerStride), LOAD(source, at + 3 * innerStride));
  }
  bvec4 inside = lessThan(uvec4(inner) + uvec4(0, 1, 2, 3), uvec4(innerLimit));
  packed[t] = asFour(outer < outerLimit ? mix(vec4(0), value, inside) : vec4(0));
}
