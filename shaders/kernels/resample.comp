#version 450
//! variant pairs -DPAIRS=1
#extension GL_GOOGLE_include_directive : require
// A sparse linear map along the middle axis of [outer, n, inner]: result[o, i, c] = sum of weight x[o, index, c] over the entries of row i. A row
// holds `width` texels of two entries each, (index, weight, index, weight), with weight 0 behind the last one.
// QUADS: inner is a multiple of 4 and four columns go together.
#include "stores.glsl"
#include "divide.glsl"
#include "texels.glsl"
layout(constant_id = 0) const uint QUADS = 0u;
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) uniform samplerBuffer x4;
layout(set = 0, binding = 1) uniform samplerBuffer entries;
layout(set = 0, binding = 2, std430) writeonly buffer Result { float y[]; };
layout(set = 0, binding = 2, std430) writeonly buffer Result4 { FOUR y4[]; };
layout(push_constant) uniform Push { uint count, n, m, inner, width; };   // inner: of quads when QUADS

void main() {
  uint stride = gl_NumWorkGroups.x * 64u;
  for (uint i = gl_GlobalInvocationID.x; i < count; i += stride) {
    uint rest = divideBy(i, inner), c = i - rest * inner, o = divideBy(rest, m), row = rest - o * m;
    uint base = o * n * inner + c;
    int at = int(row * width), end = at + int(width);
    // What is not taken must not count even if it is infinite.
    if (QUADS != 0u) {
      vec4 sum = vec4(0);
      for (; at < end; ++at) {
        vec4 e = texelFetch(entries, at);
        vec4 a = e.y * texelFetch(x4, int(base + uint(e.x) * inner)), b = e.w * texelFetch(x4, int(base + uint(e.z) * inner));
        sum += (e.y != 0.0 ? a : vec4(0)) + (e.w != 0.0 ? b : vec4(0));
      }
      y4[i] = asFour(sum);
    } else {
      float sum = 0.0;
      for (; at < end; ++at) {
        vec4 e = texelFetch(entries, at);
        float a = e.y * LOAD(x4, base + uint(e.x) * inner), b = e.w * LOAD(x4, base + uint(e.z) * inner);
        sum += (e.y != 0.0 ? a : 0.0) + (e.w != 0.0 ? b : 0.0);
      }
      y[i] = sum;
    }
  }
}
