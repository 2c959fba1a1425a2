#version 450
#extension GL_GOOGLE_include_directive : require
// MODE 0: D[i, j] = sum over k of (a[i, k] - b[j, k])^2. MODE 1: the gradient to the points of one set, r[i, k] = 2 sum over j of
// g[i, j] (a[i, k] - b[j, k]), elements of g found by two strides, so that the other set's gradient is the same with the roles exchanged.
#include "texels.glsl"
layout(constant_id = 0) const uint MODE = 0u;
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) uniform samplerBuffer a4;
layout(set = 0, binding = 1) uniform samplerBuffer b4;
layout(set = 0, binding = 2) uniform samplerBuffer g4;
layout(set = 0, binding = 3, std430) writeonly buffer Result { float result[]; };
layout(push_constant) uniform Push { uint count, n, m, d, strideI, strideJ; };

void main() {
  uint step = gl_NumWorkGroups.x * 64u;
  for (uint at = gl_GlobalInvocationID.x; at < count; at += step) {
    uint columns = MODE == 0u ? m : d, column = at % columns, rest = at / columns, i = rest % n, batch = rest / n;
    uint rowA = (batch * n + i) * d, terms = MODE == 0u ? d : m;
    float own = MODE == 0u ? 0.0 : LOAD(a4, rowA + column), sum = 0.0;
    // Blocks keep the error of long sums small.
    for (uint block = 0u; block < terms; block += 64u) {
      float part = 0.0;
      uint end = min(terms, block + 64u);
      for (uint t = block; t < end; ++t) {
        if (MODE == 0u) {
          float difference = LOAD(a4, rowA + t) - LOAD(b4, (batch * m + column) * d + t);
          part += difference * difference;
        } else {
          part += LOAD(g4, batch * n * m + i * strideI + t * strideJ) * (own - LOAD(b4, (batch * m + t) * d + column));
        }
      }
      sum += part;
    }
    result[at] = MODE == 0u ? sum : 2.0 * sum;
  }
}
