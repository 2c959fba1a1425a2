#version 450
#extension GL_GOOGLE_include_directive : require
// result[i, j] of boxes a[i] and b[j]: |a and b| / |a or b|, with GENERALIZED less the share of the smallest box around both that neither covers.
#include "boxes.glsl"
#include "divide.glsl"
layout(constant_id = 0) const uint GENERALIZED = 0u;
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) uniform samplerBuffer a4;
layout(set = 0, binding = 1) uniform samplerBuffer b4;
layout(set = 0, binding = 2) writeonly buffer Result { float result[]; };
layout(push_constant) uniform Push { uint count, columns; };

void main() {
  uint step = gl_NumWorkGroups.x * 64u;
  for (uint at = gl_GlobalInvocationID.x; at < count; at += step) {
    uint i = divideBy(at, columns);
    vec4 a = texelFetch(a4, int(i)), b = texelFetch(b4, int(at - i * columns));
    float both = intersectionOf(a, b), either = areaOf(a) + areaOf(b) - both, hull = hullOf(a, b);
    float value = either > 0.0 ? both / either : 0.0;
    if (GENERALIZED != 0u && hull > 0.0) value -= (hull - either) / hull;
    result[at] = value;
  }
}
