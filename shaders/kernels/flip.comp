#version 450
#extension GL_GOOGLE_include_directive : require
// The order along the middle axis of [outer, n, inner] turned round.
#include "divide.glsl"
#include "texels.glsl"
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) uniform usamplerBuffer x4;
layout(set = 0, binding = 1, std430) writeonly buffer Result { uint y[]; };
layout(push_constant) uniform Push { uint count, n, inner; };

void main() {
  uint step = gl_NumWorkGroups.x * 64u;
  for (uint i = gl_GlobalInvocationID.x; i < count; i += step) {
    uint above = divideBy(i, inner), place = above - divideBy(above, n) * n;
    y[i] = LOAD(x4, i - place * inner + (n - 1u - place) * inner);
  }
}
