#version 450
//! variant pairs -DPAIRS=1
#extension GL_GOOGLE_include_directive : require
// A sparse linear map along the middle axis of [outer, n, inner]: result[o, i, c] = sum over e in [starts_i, starts_(i + 1)) of
// weight_e x[o, index_e, c]. QUADS: inner is a multiple of 4 and four columns go together.
#include "stores.glsl"
#include "divide.glsl"
#include "texels.glsl"
layout(constant_id = 0) const uint QUADS = 0u;
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) uniform samplerBuffer x4;
layout(set = 0, binding = 1) uniform usamplerBuffer places;    // starts [m + 1], then index [entries]
layout(set = 0, binding = 2) uniform samplerBuffer weights;
layout(set = 0, binding = 3, std430) writeonly buffer Result { float y[]; };
layout(set = 0, binding = 3, std430) writeonly buffer Result4 { FOUR y4[]; };
layout(push_constant) uniform Push { uint count, n, m, inner; };   // inner: of quads when QUADS

void main() {
  uint stride = gl_NumWorkGroups.x * 64u;
  for (uint i = gl_GlobalInvocationID.x; i < count; i += stride) {
    uint rest = divideBy(i, inner), c = i - rest * inner, o = divideBy(rest, m), row = rest - o * m;
    uint begin = LOAD(places, row), end = LOAD(places, row + 1u), base = o * n * inner + c;
    if (QUADS != 0u) {
      vec4 sum = vec4(0);
      for (uint e = begin; e < end; ++e) sum += LOAD(weights, e) * texelFetch(x4, int(base + LOAD(places, m + 1u + e) * inner));
      y4[i] = asFour(sum);
    } else {
      float sum = 0.0;
      for (uint e = begin; e < end; ++e) sum += LOAD(weights, e) * LOAD(x4, base + LOAD(places, m + 1u + e) * inner);
      y[i] = sum;
    }
  }
}
