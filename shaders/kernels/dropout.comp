#version 450
//! variant pairs -DPAIRS=1
#extension GL_GOOGLE_include_directive : require
// Inverted dropout (Srivastava et al. 2014, section 4): y = scale x where the random half word reaches the threshold, 0 elsewhere.
// Element i takes half word i mod 8 of Philox block firstBlock + i / 8, counter (block low, block high, stream, 0), low halves first.
#include "philox.glsl"
#include "stores.glsl"
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) uniform samplerBuffer in4;  // texels: lavapipe reads them several times faster than storage buffers
layout(set = 0, binding = 1) writeonly buffer Out4 { FOUR out4[]; };
layout(set = 0, binding = 1) writeonly buffer Out1 { float out1[]; };
layout(push_constant) uniform Push {
  uint count, seedLow, seedHigh, streamId;
  uint firstBlockLow, firstBlockHigh, threshold;
  float scale;
} p;

vec4 kept(vec4 x, uint a, uint b) {
  uvec4 halves = uvec4(a & 0xffffu, a >> 16, b & 0xffffu, b >> 16);
  return mix(vec4(0.0), p.scale * x, greaterThanEqual(halves, uvec4(p.threshold)));
}

void main() {
  uint quads = p.count / 4u, blocks = (p.count + 7u) / 8u;
  uint stride = gl_NumWorkGroups.x * 64u;
  for (uint block = gl_GlobalInvocationID.x; block < blocks; block += stride) {
    uint carry;
    uint low = uaddCarry(p.firstBlockLow, block, carry);
    uvec4 words = philox(uvec4(low, p.firstBlockHigh + carry, p.streamId, 0u), uvec2(p.seedLow, p.seedHigh));
    for (uint half4 = 0u; half4 < 2u; ++half4) {
      uint quad = block * 2u + half4;
      if (quad * 4u >= p.count) continue;
      vec4 y = kept(texelFetch(in4, int(quad)), half4 == 0u ? words.x : words.z, half4 == 0u ? words.y : words.w);
      if (quad < quads) out4[quad] = asFour(y);
      // The last one to three elements.
      else for (uint k = 0u; k < p.count % 4u; ++k) out1[quad * 4u + k] = y[k];
    }
  }
}
