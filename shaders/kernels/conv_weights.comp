#version 450
//! variant pairs -DPAIRS=1
#extension GL_GOOGLE_include_directive : require
// Copies weights into the order conv2d.comp reads: per panel of rows and step, one texel per row with up to four taps that lie next to each other
// in the packed image, zeros behind the end, then one texel with the step's place there: (texels, elements into the texel, 0, 0).
// A step is (channel, ky, b, r) with taps kx = r + R (b TAPS + t), t < TAPS; R is the stride, or kw when the taps are not neighbours (dilation).
#include "stores.glsl"
#include "divide.glsl"
#include "texels.glsl"
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) uniform samplerBuffer weight4;
layout(set = 0, binding = 1, std430) writeonly buffer Packed { FOUR packed[]; };
layout(push_constant) uniform Push {
  uint count, panel, panels, steps;        // steps of one group: channels * kh * stepsX, and one of zeros when that is odd
  uint rows, channels, kh, kw, taps, R, stepsX;
  uint groupStride, rowStride, channelStride;
  int tapStart, tapStepY, tapStepX;
  uint strideY, strideX, dilationY, dilationX;
  uint phasesX, phasesY, packedRows, rowTexels;
};

void main() {
  uint i = gl_GlobalInvocationID.x + gl_GlobalInvocationID.y * (gl_NumWorkGroups.x * 64u);
  if (i >= count) return;
  uint stepOfAll = divideBy(i, panel + 1u), part = i - stepOfAll * (panel + 1u);
  uint panelOfAll = divideBy(stepOfAll, steps), step = stepOfAll - panelOfAll * steps;
  uint group = divideBy(panelOfAll, panels), row = (panelOfAll - group * panels) * panel + part;
  uint above = divideBy(step, stepsX), g = step - above * stepsX;
  uint channel = divideBy(above, kh), ky = above - channel * kh;
  uint b = divideBy(g, R), r = g - b * R;
  vec4 value = vec4(0);
  if (channel >= channels) {
    value = vec4(0);
  } else if (part == panel) {
    uint y = ky * dilationY, x = (r + R * b * taps) * dilationX;
    uint column = x / strideX;
    uint plane = (channel * phasesY + y % strideY) * phasesX + x % strideX;
    value.x = float((plane * packedRows + y / strideY) * rowTexels + column / 4u);
    value.y = float(column % 4u);
  } else if (row < rows) {
    uint base = group * groupStride + row * rowStride + channel * channelStride;
    for (uint t = 0u; t < taps; ++t) {
      uint kx = r + R * (b * taps + t);
      if (kx < kw) value[t] = LOAD(weight4, base + uint(tapStart + int(ky) * tapStepY + int(kx) * tapStepX));
    }
  }
  packed[i] = asFour(value);
}
