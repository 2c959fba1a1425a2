#version 450
#extension GL_GOOGLE_include_directive : require
// MODE 0: D[i, j] = sum over k of (a[i, k] - b[j, k])^2. MODE 1: the gradient to the points of one set, r[i, k] = 2 sum over j of
// g[i, j] (a[i, k] - b[j, k]), elements of g found by two strides, so that the other set's gradient is the same with the roles exchanged.
#include "divide.glsl"
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
    uint columns = MODE == 0u ? m : d, rest = divideBy(at, columns), column = at - rest * columns, batch = divideBy(rest, n), i = rest - batch * n;
    uint rowA = (batch * n + i) * d, rowB = (batch * m + column) * d, terms = MODE == 0u ? d : m;
    float own = MODE == 0u ? 0.0 : LOAD(a4, rowA + column), sum = 0.0;
    // Blocks keep the error of long sums small.
    for (uint block = 0u; block < terms; block += 64u) {
      uint end = min(terms, block + 64u);
      if (MODE == 0u) {
        vec4 part = vec4(0);
        for (uint t = block; t < end; t += 4u) {
          vec4 difference = LOAD4(a4, rowA + t) - LOAD4(b4, rowB + t);
          difference = mix(difference, vec4(0), greaterThanEqual(uvec4(t) + uvec4(0, 1, 2, 3), uvec4(end)));
          part += difference * difference;
        }
        sum += (part.x + part.y) + (part.z + part.w);
      } else {
        float part = 0.0;
        for (uint t = block; t < end; ++t) {
          part += LOAD(g4, batch * n * m + i * strideI + t * strideJ) * (own - LOAD(b4, (batch * m + t) * d + column));
        }
        sum += part;
      }
    }
    result[at] = MODE == 0u ? sum : 2.0 * sum;
  }
}
