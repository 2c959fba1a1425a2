#version 450
// Element i of the result takes word i mod 4 of block i / 4; normals take words (0, 1) and (2, 3) as Box-Muller pairs.
// Counter = (block low, block high, stream, 0), key = seed: independent of the number of elements and of the dispatch size.
#extension GL_GOOGLE_include_directive : require
#include "philox.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint KIND = 0;   // 0 uniform, 1 normal, 2 raw words
layout(set = 0, binding = 0) writeonly buffer Out { uint result[]; };
layout(push_constant) uniform Push {
  uint count, seedLow, seedHigh, streamId;
  uint firstBlockLow, firstBlockHigh;
  float scale, shift;
} p;

void main() {
  uint blocks = (p.count + 3u) / 4u;
  uint stride = gl_NumWorkGroups.x * 64u;
  for (uint block = gl_GlobalInvocationID.x; block < blocks; block += stride) {
    uint carry;
    uint low = uaddCarry(p.firstBlockLow, block, carry);
    uvec4 words = philox(uvec4(low, p.firstBlockHigh + carry, p.streamId, 0u), uvec2(p.seedLow, p.seedHigh));
    if (KIND == 0u) {
      for (int k = 0; k < 4; ++k) words[k] = floatBitsToUint(p.shift + p.scale * philoxUniform(words[k]));
    } else if (KIND == 1u) {
      vec2 first = philoxNormals(words.x, words.y), second = philoxNormals(words.z, words.w);
      words = floatBitsToUint(p.shift + p.scale * vec4(first, second));
    }
    for (uint k = 0u; k < 4u; ++k) {
      if (block * 4u + k < p.count) result[block * 4u + k] = words[k];
    }
  }
}
