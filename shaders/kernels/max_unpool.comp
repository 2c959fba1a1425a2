#version 450
#extension GL_GOOGLE_include_directive : require
// Max pooling turned round, gathered: every pixel of the image asks the windows it lies in whether they took it.
// MODE 0: the sum of their values (the gradient of max pooling), 1: the last one's value (unpooling), 2: no windows, y[i] = x[index[i]] within
// its plane (the gradient of unpooling).
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
      uint plane = i / uint(outHeight * outWidth);
      result[i] = LOAD(v4, plane * uint(height * width) + LOAD(indices, i));
      continue;
    }
    int x = int(i) % width, rest = int(i) / width, y = rest % height, plane = rest / height;
    uint place = uint(y * width + x);
    float sum = 0.0;
    // From the last tap to the first: windows in the order of their places.
    for (int ky = kernelY - 1; ky >= 0; --ky) {
      int oy = y + paddingY - ky * dilationY;
      bool row = oy >= 0 && oy % strideY == 0 && oy / strideY < outHeight;
      oy /= strideY;
      for (int kx = kernelX - 1; kx >= 0; --kx) {
        int ox = x + paddingX - kx * dilationX;
        if (!row || ox < 0 || ox % strideX != 0 || ox / strideX >= outWidth) continue;
        uint at = uint((plane * outHeight + oy) * outWidth + ox / strideX);
        if (LOAD(indices, at) == place) sum = MODE == 0u ? sum + LOAD(v4, at) : LOAD(v4, at);
      }
    }
    result[i] = sum;
  }
}
