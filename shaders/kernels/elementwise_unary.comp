#version 450
//! variant pairs -DPAIRS=1
#extension GL_GOOGLE_include_directive : require
// y = f(x) for every element; the affine map scale * x + shift is one of the operations. Four elements at a time, then the rest.
#include "stores.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint OPERATION = 0;
const uint UNARY = OPERATION;
#include "unary.glsl"
layout(set = 0, binding = 0) uniform samplerBuffer in4;   // texels: lavapipe reads them several times faster than storage buffers
layout(set = 0, binding = 1) writeonly buffer Out4 { FOUR out4[]; };
layout(set = 0, binding = 1) writeonly buffer Out1 { float out1[]; };
layout(push_constant) uniform Push { uint count; float scale, shift; } p;

vec4 apply(vec4 x) { return OPERATION == 17u ? p.scale * x + p.shift : unaryOf(x); }

void main() {
  uint quads = p.count / 4u;
  uint stride = gl_NumWorkGroups.x * 64u;
  for (uint i = gl_GlobalInvocationID.x; i < quads; i += stride) out4[i] = asFour(apply(texelFetch(in4, int(i))));
  uint rest = quads * 4u + gl_GlobalInvocationID.x;
  if (gl_GlobalInvocationID.x < 4u && rest < p.count) out1[rest] = apply(texelFetch(in4, int(quads)))[gl_GlobalInvocationID.x & 3u];
}
