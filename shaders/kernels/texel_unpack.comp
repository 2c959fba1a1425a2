#version 450
#extension GL_GOOGLE_include_directive : require
// Rows padded to whole texels back to rows of `width` elements.
#include "texels.glsl"
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) uniform samplerBuffer padded;
layout(set = 0, binding = 1, std430) writeonly buffer Result { float result[]; };
layout(push_constant) uniform Push { uint count, width, paddedWidth; };

void main() {
  for (uint i = gl_GlobalInvocationID.x; i < count; i += gl_NumWorkGroups.x * 64u) {
    result[i] = LOAD(padded, i / width * paddedWidth + i % width);
  }
}
