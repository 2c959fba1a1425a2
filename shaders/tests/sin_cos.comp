#version 450
// For the tests of philox.glsl: (sin, cos, log |x|) of each input.
#extension GL_GOOGLE_include_directive : require
#include "philox.glsl"

layout(local_size_x = 64) in;
layout(std430, binding = 0) readonly buffer From { float from[]; };
layout(std430, binding = 1) writeonly buffer To { vec4 to[]; };
layout(push_constant) uniform Push { uint count; };

void main() {
  uint i = gl_GlobalInvocationID.x;
  if (i >= count) return;
  to[i] = vec4(accurateSinCos(from[i]), accurateLog(max(abs(from[i]), 1e-30)), 0);
}
