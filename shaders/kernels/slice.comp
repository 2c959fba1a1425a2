#version 450
#extension GL_GOOGLE_include_directive : require
// result[row, begin + i] = x[row, shift + i] for i < width, zero outside of x's row of `from` words; a row of the result has `to` words.
#include "divide.glsl"
#include "texels.glsl"
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) uniform usamplerBuffer x4;
layout(set = 0, binding = 1) writeonly buffer Result { uint result[]; };
layout(push_constant) uniform Push { uint count, width, from, to; int shift, begin; };

void main() {
  uint step = gl_NumWorkGroups.x * 64u;
  for (uint at = gl_GlobalInvocationID.x; at < count; at += step) {
    uint row = divideBy(at, width), i = at - row * width;
    int source = int(i) + shift;
    bool inside = source >= 0 && source < int(from);
    uint word = LOAD(x4, inside ? row * from + uint(source) : 0u);
    result[row * to + uint(begin) + i] = inside ? word : 0u;
  }
}
