#version 450
#extension GL_GOOGLE_include_directive : require
// The largest value of every window of an image plane and its place y W + x, the first of equals; NaN wins.
#include "divide.glsl"
#include "texels.glsl"
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) uniform samplerBuffer x4;
layout(set = 0, binding = 1, std430) writeonly buffer Values { float values[]; };
layout(set = 0, binding = 2, std430) writeonly buffer Indices { uint indices[]; };
layout(push_constant) uniform Push {
  uint count;
  int height, width, outHeight, outWidth, kernelY, kernelX, strideY, strideX, paddingY, paddingX, dilationY, dilationX;
};

void main() {
  uint stride = gl_NumWorkGroups.x * 64u;
  for (uint i = gl_GlobalInvocationID.x; i < count; i += stride) {
    uint line = divideBy(i, uint(outWidth)), image = divideBy(line, uint(outHeight));
    int ox = int(i - line * uint(outWidth)), oy = int(line - image * uint(outHeight)), plane = int(image);
    int y0 = oy * strideY - paddingY, x0 = ox * strideX - paddingX;
    float best = 0.0;
    int place = -1;
    for (int ky = 0; ky < kernelY; ++ky) {
      int y = y0 + ky * dilationY;
      for (int kx = 0; kx < kernelX; ++kx) {
        int x = x0 + kx * dilationX;
        if (y < 0 || y >= height || x < 0 || x >= width) continue;
        float value = LOAD(x4, uint((plane * height + y) * width + x));
        if (place < 0 || value > best || (isnan(value) && !isnan(best))) {
          best = value;
          place = y * width + x;
        }
      }
    }
    values[i] = best;
    indices[i] = uint(place);
  }
}
