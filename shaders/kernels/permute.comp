#version 450
#extension GL_GOOGLE_include_directive : require
// Reorders axes: element i of the result, taken apart by its extents (axis 0 is the fastest), is read with the strides those axes have in x.
#include "texels.glsl"
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) uniform usamplerBuffer x4;
layout(set = 0, binding = 1, std430) writeonly buffer Result { uint y[]; };
layout(push_constant) uniform Push { uint count, rank; uint extent[6]; uint stride[6]; };

void main() {
  uint step = gl_NumWorkGroups.x * 64u;
  for (uint i = gl_GlobalInvocationID.x; i < count; i += step) {
    uint rest = i, at = 0u;
    for (uint axis = 0u; axis < rank; ++axis) {
      uint next = rest / extent[axis];
      at += (rest - next * extent[axis]) * stride[axis];
      rest = next;
    }
    y[i] = LOAD(x4, at);
  }
}
