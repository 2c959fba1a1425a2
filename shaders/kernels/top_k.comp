#version 450
#extension GL_GOOGLE_include_directive : require
// MODE 0: the first k places of every sorted row and the values there. 1: values [rows, k] go to their places in rows of n (zeros before).
#include "divide.glsl"
#include "texels.glsl"
layout(constant_id = 0) const uint MODE = 0u;
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) uniform samplerBuffer x4;         // 0: x [rows, n], 1: gradient [rows, k]
layout(set = 0, binding = 1) uniform usamplerBuffer places;    // 0: order [rows, n], 1: indices [rows, k]
layout(set = 0, binding = 2, std430) writeonly buffer Values { float values[]; };
layout(set = 0, binding = 3, std430) writeonly buffer Indices { uint indices[]; };
layout(push_constant) uniform Push { uint count, n, k; };

void main() {
  uint step = gl_NumWorkGroups.x * 64u;
  for (uint i = gl_GlobalInvocationID.x; i < count; i += step) {
    uint row = divideBy(i, k), j = i - row * k;
    if (MODE == 0u) {
      uint place = LOAD(places, row * n + j);
      values[i] = LOAD(x4, row * n + place);
      indices[i] = place;
    } else {
      uint place = LOAD(places, i);
      if (place < n) values[row * n + place] = LOAD(x4, i);
    }
  }
}
