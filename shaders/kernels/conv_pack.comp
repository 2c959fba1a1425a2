#version 450
//! variant pairs -DPAIRS=1
#extension GL_GOOGLE_include_directive : require
// Copies images into the form conv2d.comp reads: zeros around them, rows of whole texels, and for a stride above 1 one plane per phase, so that
// neighbouring output pixels read neighbouring elements. Element (plane, py, px, row, column) holds the padded image's pixel
// (row strideY + py, column strideX + px). With up > 1 the image's pixels lie that far apart on a grid of zeros.
#include "stores.glsl"
#include "texels.glsl"
layout(constant_id = 0) const uint STRIDE = 1u;   // along x, when up is 1: 1 or 2; 0 for everything else
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) uniform samplerBuffer x4;
layout(set = 0, binding = 1, std430) writeonly buffer Packed { FOUR packed[]; };
layout(push_constant) uniform Push {
  uint count;                              // texels of a plane, the zeros behind the last one apart
  uint planes, tail;                       // planes, and texels of zeros behind the last one
  uint rowTexels, phasesX, phasesY;        // of the packed planes
  int height, width, strideY, strideX, paddingY, paddingX, upY, upX;
  float perRow;                            // 1 / rowTexels
};

// Elements x .. x + 3 of the row at `base`, zeros outside of it; nothing when not `inside`.
vec4 four(int base, int x, bool inside) {
  // Where an element does not count, neither does where it is read.
  int from = inside ? base + x : 0;
  vec4 low = texelFetch(x4, max(from >> 2, 0)), high = texelFetch(x4, max((from >> 2) + 1, 0));
  bvec4 valid = lessThan(uvec4(ivec4(x) + ivec4(0, 1, 2, 3)), uvec4(inside ? width : 0));
  return mix(vec4(0), joinTexels(low, high, uint(from)), valid);
}

void main() {
  // One workgroup per plane and piece of it: what is uniform needs no division.
  uint t = gl_GlobalInvocationID.x, packedPlane = gl_WorkGroupID.y + gl_WorkGroupID.z * gl_NumWorkGroups.y;
  if (packedPlane > planes || t >= (packedPlane == planes ? tail : count)) return;
  uint at = packedPlane * count + t;
  if (packedPlane == planes) {
    packed[at] = asFour(vec4(0));
    return;
  }
  uint px = packedPlane % phasesX, rest = packedPlane / phasesX;
  uint py = rest % phasesY, plane = rest / phasesY;
  // Exact below 2^22: half a texel is more than the product's rounding. An integer division goes lane by lane on CPU devices.
  uint row = uint((float(t) + 0.5) * perRow), column = t - row * rowTexels;
  int y = int(row) * strideY + int(py) - paddingY;
  bool inside = y >= 0;
  if (upY != 1) {
    inside = inside && y % upY == 0;
    y /= upY;
  }
  inside = inside && y < height;
  int base = (int(plane) * height + y) * width, x = int(column) * 4 * strideX + int(px) - paddingX;
  vec4 value = vec4(0);
  if (STRIDE == 1u) {
    value = four(base, x, inside);
  } else if (STRIDE == 2u) {
    value = vec4(four(base, x, inside).xz, four(base, x + 4, inside).xz);
  } else if (inside) {
    for (int i = 0; i < 4; ++i) {
      int place = x + i * strideX, from = upX == 1 ? place : place / upX;
      if (place >= 0 && from < width && from * upX == place) value[i] = LOAD(x4, uint(base + from));
    }
  }
  packed[at] = asFour(value);
}
