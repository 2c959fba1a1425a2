#version 450
// For the tests of philox.glsl: words, normals and accurate functions of given counters.
#extension GL_GOOGLE_include_directive : require
#include "philox.glsl"

layout(local_size_x = 64) in;
layout(std430, binding = 0) readonly buffer Counters { uvec4 counters[]; };
layout(std430, binding = 1) readonly buffer Keys { uvec4 keys[]; };
layout(std430, binding = 2) writeonly buffer Words { uvec4 words[]; };
layout(std430, binding = 3) writeonly buffer Floats { vec4 floats[]; };
layout(push_constant) uniform Push { uint count; };

void main() {
  uint i = gl_GlobalInvocationID.x;
  if (i >= count) return;
  uvec4 block = philox(counters[i], keys[i].xy);
  words[i] = block;
  floats[i] = vec4(philoxNormals(block.x, block.y), philoxUniform(block.z), float(philoxBounded(block.w, 1000u)));
}
