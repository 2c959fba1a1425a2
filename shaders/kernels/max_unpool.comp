#version 450
#extension GL_GOOGLE_include_directive : require
// Max pooling turned round, gathered: every pixel of the image asks the windows it lies in whether they took it.
// MODE 0: the sum of their values (the gradient of max pooling), 1: the last one's value (unpooling), 2: no windows, y[i] = x[index[i]] within
// its plane (the gradient of unpooling).
#include "divide.glsl"
#include "texels.glsl"
layout(constant_id = 0) const uint MODE = 0u;
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) uniform samplerBuffer v4;
layout(set = 0, binding = 1) uniform usamplerBuffer indices;
layout(set = 0, binding = 2, std430) writeonly buffer Result { float result[]; };
layout(push_constant) uniform Push {
  uint count;
  int height, width, outHeight, outWidth, kernelY, kernelX, strideY, strideX, paddingY, paddingX, dilationY, dilationX;
};

void main() {
  uint stride = gl_NumWorkGroups.x * 64u;
  for (uint i = gl_GlobalInvocationID.x; i < count; i += stride) {
    if (MODE == 2u) {
      uint plane = divideBy(i, uint(outHeight * outWidth));
      result[i] = LOAD(v4, plane * uint(height * width) + LOAD(indices, i));
      continue;
    }
    uint line = divideBy(i, uint(width)), image = divideBy(line, uint(height));
    int x = int(i - line * uint(width)), y = int(line - image * uint(height)), plane = int(image);
    uint place = uint(y * width + x);
    // The windows that reach the pixel; which of them took it, their index tells.
    int reachY = (kernelY - 1) * dilationY, reachX = (kernelX - 1) * dilationX;
    int beginY = int(divideBy(uint(max(y + paddingY - reachY, 0) + strideY - 1), uint(strideY)));
    int beginX = int(divideBy(uint(max(x + paddingX - reachX, 0) + strideX - 1), uint(strideX)));
    int endY = min(outHeight - 1, int(divideBy(uint(y + paddingY), uint(strideY))));
    int endX = min(outWidth - 1, int(divideBy(uint(x + paddingX), uint(strideX))));
    float sum = 0.0;
    for (int oy = beginY; oy <= endY; ++oy) {
      for (int ox = beginX; ox <= endX; ++ox) {
        uint at = uint((plane * outHeight + oy) * outWidth + ox);
        if (LOAD(indices, at) == place) sum = MODE == 0u ? sum + LOAD(v4, at) : LOAD(v4, at);
      }
    }
    result[i] = sum;
  }
}
