#version 450
//! variant pairs -DPAIRS=1
#extension GL_GOOGLE_include_directive : require
// Copies images into the form conv2d.comp reads: zeros around them, rows of whole texels, and for a stride above 1 one plane per phase, so that
// neighbouring output pixels read neighbouring elements. Element (plane, py, px, row, column) holds the padded image's pixel
// (row strideY + py, column strideX + px). With up > 1 the image's pixels lie that far apart on a grid of zeros.
#include "stores.glsl"
#include "texels.glsl"
layout(constant_id = 0) const uint PLAIN = 1u;   // stride 1 and up 1 along x
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) uniform samplerBuffer x4;
layout(set = 0, binding = 1, std430) writeonly buffer Packed { FOUR packed[]; };
layout(push_constant) uniform Push {
  uint count, texels;                      // output texels with and without the zeros behind the end
  uint rowTexels, rows, phasesX, phasesY;  // of the packed planes
  int height, width, strideY, strideX, paddingY, paddingX, upY, upX;
};

void main() {
  uint t = gl_GlobalInvocationID.x + gl_GlobalInvocationID.y * (gl_NumWorkGroups.x * 64u);
  if (t >= count) return;
  vec4 value = vec4(0);
  uint column = t % rowTexels, rest = t / rowTexels;
  uint row = rest % rows;
  rest /= rows;
  uint px = rest % phasesX;
  rest /= phasesX;
  uint py = rest % phasesY, plane = rest / phasesY;
  int y = int(row) * strideY + int(py) - paddingY;
  bool inside = t < texels && y >= 0 && (upY == 1 || y % upY == 0);
  if (upY != 1) y /= upY;
  inside = inside && y < height;
  int base = (int(plane) * height + y) * width;
  if (inside) {
    int x = int(column) * 4 * strideX + int(px) - paddingX;
    if (PLAIN != 0u) {
      int at = base + x;
      // A texel before the first one is only read where it does not count.
      vec4 low = texelFetch(x4, max(at >> 2, 0)), high = texelFetch(x4, max((at >> 2) + 1, 0));
      ivec4 place = ivec4(x) + ivec4(0, 1, 2, 3);
      bvec4 valid = bvec4(uvec4(lessThan(place, ivec4(width))) * uvec4(greaterThanEqual(place, ivec4(0))));
      value = mix(vec4(0), joinTexels(low, high, uint(at)), valid);
    } else {
      for (int i = 0; i < 4; ++i) {
        int place = x + i * strideX, from = upX == 1 ? place : place / upX;
        if (place >= 0 && from < width && from * upX == place) value[i] = LOAD(x4, uint(base + from));
      }
    }
  }
  packed[t] = asFour(value);
}
