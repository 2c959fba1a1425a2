#version 450
//! variant pairs -DPAIRS=1
#extension GL_GOOGLE_include_directive : require
// Reorders axes: element i of the result, taken apart by its extents (axis 0 is the fastest), is read with the strides those axes have in x.
// QUADS: the fastest axis stays and has whole texels; the count, its extent and the other strides are then in texels.
#include "stores.glsl"
#include "divide.glsl"
#include "texels.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint QUADS = 0u;
layout(set = 0, binding = 0) uniform usamplerBuffer x4;
layout(set = 0, binding = 1, std430) writeonly buffer Result { uint y[]; };
layout(set = 0, binding = 1, std430) writeonly buffer Result4 { FOUR y4[]; };
layout(push_constant) uniform Push { uint count, rank; uint extent[6]; uint stride[6]; };

void main() {
  uint step = gl_NumWorkGroups.x * 64u;
  for (uint i = gl_GlobalInvocationID.x; i < count; i += step) {
    uint rest = i, at = 0u;
    for (uint axis = 0u; axis < rank; ++axis) {
      uint next = axis + 1u < rank ? divideBy(rest, extent[axis]) : 0u;   // the slowest axis takes the rest
      at += (rest - next * extent[axis]) * stride[axis];
      rest = next;
    }
    if (QUADS != 0u) y4[i] = asFourWords(texelFetch(x4, int(at)));
    else y[i] = LOAD(x4, at);
  }
}
