#version 450
//! variant pairs -DPAIRS=1
#extension GL_GOOGLE_include_directive : require
// Copies a matrix into the order another kernel reads it in, four neighbouring elements ("inner") per texel, zeros outside the matrix.
// Output texel t = ((batch * extent0 + e0) * extent1 + e1) * extent2 + e2 holds source elements (outer, inner .. inner + 3) with
// outer = sum e_i outerStep_i and inner = sum e_i innerStep_i.
// MODE 0: a texel per invocation. MODE 1: so, and the source's rows are whole texels. MODE 2: the source's columns are ("outer" runs along
// them): an invocation turns 4 x 4 elements around and writes 4 texels, `apart` from each other; the extent along which outer grows by one
// is given in blocks of four. MODE 3: as 1, four neighbouring texels of a row per invocation, `apart` from each other.
#include "stores.glsl"
#include "divide.glsl"
#include "texels.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint MODE = 0;
layout(set = 0, binding = 0) uniform samplerBuffer source;
layout(set = 0, binding = 1, std430) writeonly buffer Packed { FOUR packed[]; };
layout(push_constant) uniform Push {
  uint count;                                        // invocations
  uint extent0, extent1, extent2;
  uint outerStep0, outerStep1, outerStep2;
  uint innerStep0, innerStep1, innerStep2;
  uint outerLimit, innerLimit;                       // rows and columns of the source
  uint batchStride, outerStride, innerStride;        // in elements
  uint to0, to1, to2, apart;                         // MODE 2, 3: output texels per step of e0, e1, e2, and from one outer to the next
};

void main() {
  uint t = gl_GlobalInvocationID.x + gl_GlobalInvocationID.y * (gl_NumWorkGroups.x * 64);
  if (t >= count) return;
  uint rest = divideBy(t, extent2), e2 = t - rest * extent2;
  uint rest1 = divideBy(rest, extent1), e1 = rest - rest1 * extent1;
  uint batch = divideBy(rest1, extent0), e0 = rest1 - batch * extent0;
  uint outer = e0 * outerStep0 + e1 * outerStep1 + e2 * outerStep2;
  uint inner = e0 * innerStep0 + e1 * innerStep1 + e2 * innerStep2;
  uint at = batch * batchStride + outer * outerStride + inner * innerStride;
  bvec4 inside = lessThan(uvec4(inner) + uvec4(0, 1, 2, 3), uvec4(outer < outerLimit ? innerLimit : 0u));
  if (MODE == 2u) {
    uint texel = at >> 2, next = innerStride >> 2;
    vec4 a = inside.x ? texelFetch(source, int(texel)) : vec4(0), b = inside.y ? texelFetch(source, int(texel + next)) : vec4(0);
    vec4 c = inside.z ? texelFetch(source, int(texel + 2u * next)) : vec4(0);
    vec4 d = inside.w ? texelFetch(source, int(texel + 3u * next)) : vec4(0);
    uint to = batch * (extent0 * to0) + e0 * to0 + e1 * to1 + e2 * to2;
    packed[to] = asFour(vec4(a.x, b.x, c.x, d.x));
    packed[to + apart] = asFour(vec4(a.y, b.y, c.y, d.y));
    packed[to + 2u * apart] = asFour(vec4(a.z, b.z, c.z, d.z));
    packed[to + 3u * apart] = asFour(vec4(a.w, b.w, c.w, d.w));
    return;
  }
  if (MODE == 3u) {
    uint to = batch * (extent0 * to0) + e0 * to0 + e1 * to1 + e2 * to2, limit = outer < outerLimit ? innerLimit : 0u;
    for (uint i = 0u; i < 4u; ++i) {
      uvec4 element = uvec4(inner + 4u * i) + uvec4(0, 1, 2, 3);
      packed[to + i * apart] = asFour(mix(vec4(0), texelFetch(source, int((at >> 2) + i)), lessThan(element, uvec4(limit))));
    }
    return;
  }
  vec4 value;
  if (MODE == 1u) {
    value = texelFetch(source, int(at >> 2));
  } else if (innerStride == 1) {
    value = LOAD4(source, at);
  } else {
    value = vec4(LOAD(source, at), LOAD(source, at + innerStride), LOAD(source, at + 2 * innerStride), LOAD(source, at + 3 * innerStride));
  }
  packed[t] = asFour(mix(vec4(0), value, inside));
}
