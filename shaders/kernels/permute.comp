#version 450
//! variant pairs -DPAIRS=1
#extension GL_GOOGLE_include_directive : require
// Reorders axes: element i of the result, taken apart by its extents (axis 0 is the fastest), is read with the strides those axes have in x.
// RANK is the number of axes: a constant, since lavapipe reads an array by a variable index lane by lane.
// MODE 0: elements. MODE 1: the fastest axis stays and has whole texels; the count, its extent and the other strides are then in texels.
// MODE 2: axis SWAP of the result is the fastest one of x and both have whole texels: an invocation turns 4 x 4 elements around. The count is
// in such blocks, the extents of both axes and all strides but that of axis SWAP (1) are in texels.
#include "stores.glsl"
#include "divide.glsl"
#include "texels.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint MODE = 0u;
layout(constant_id = 1) const uint RANK = 1u;
layout(constant_id = 2) const uint SWAP = 0u;
layout(set = 0, binding = 0) uniform usamplerBuffer x4;
layout(set = 0, binding = 1, std430) writeonly buffer Result { uint y[]; };
layout(set = 0, binding = 1, std430) writeonly buffer Result4 { FOUR y4[]; };
layout(push_constant) uniform Push { uint count, extent[6], stride[6]; };

void main() {
  uint step = gl_NumWorkGroups.x * 64u;
  for (uint i = gl_GlobalInvocationID.x; i < count; i += step) {
    // `to` and `apart` (MODE 2): where the block goes, and how far its rows lie apart there, in texels.
    uint rest = i, at = 0u, to = 0u, span = 1u, apart = 1u;
    for (uint axis = 0u; axis < RANK; ++axis) {
      uint next = axis + 1u < RANK ? divideBy(rest, extent[axis]) : 0u;   // the slowest axis takes the rest
      uint index = rest - next * extent[axis];
      rest = next;
      if (MODE == 2u) {
        at += index * stride[axis] * (axis == 0u ? 4u : 1u);
        if (axis == SWAP) apart = span;
        to += index * span * (axis == SWAP ? 4u : 1u);
        span *= extent[axis] * (axis == SWAP ? 4u : 1u);
      } else {
        at += index * stride[axis];
      }
    }
    if (MODE == 1u) {
      y4[i] = asFourWords(texelFetch(x4, int(at)));
    } else if (MODE == 2u) {
      uvec4 a = texelFetch(x4, int(at)), b = texelFetch(x4, int(at + stride[0]));
      uvec4 c = texelFetch(x4, int(at + 2u * stride[0])), d = texelFetch(x4, int(at + 3u * stride[0]));
      y4[to] = asFourWords(uvec4(a.x, b.x, c.x, d.x));
      y4[to + apart] = asFourWords(uvec4(a.y, b.y, c.y, d.y));
      y4[to + 2u * apart] = asFourWords(uvec4(a.z, b.z, c.z, d.z));
      y4[to + 3u * apart] = asFourWords(uvec4(a.w, b.w, c.w, d.w));
    } else {
      y[i] = LOAD(x4, at);
    }
  }
}
