#version 450
//! variant pairs -DPAIRS=1
#extension GL_GOOGLE_include_directive : require
// y[b, i, j] = base + x[b, i, j] (offset + m[b, j]). QUADS 1: rows are whole texels and a lane makes one; 0: a lane makes one element.
#include "stores.glsl"
#include "texels.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint BASE = 0;  // 0 none, 1 per sequence [b, j], 2 per element
layout(constant_id = 1) const uint QUADS = 0;
layout(set = 0, binding = 0) uniform samplerBuffer x4;  // texels: lavapipe reads them several times faster than storage buffers
layout(set = 0, binding = 1) uniform samplerBuffer m4;
layout(set = 0, binding = 2) uniform samplerBuffer base4;
layout(set = 0, binding = 3) writeonly buffer Out4 { FOUR out4[]; };
layout(set = 0, binding = 3) writeonly buffer Out1 { float out1[]; };
layout(push_constant) uniform Push {
  uint count;     // lanes' work: texels or elements
  uint width;     // of a row, in the same unit
  uint sequence;  // n rows, in the same unit
  float offset;
} p;

void main() {
  uint stride = gl_NumWorkGroups.x * 64u;
  for (uint i = gl_GlobalInvocationID.x; i < p.count; i += stride) {
    uint at = i / p.sequence * p.width + i % p.width;
    if (QUADS == 1u) {
      vec4 base = BASE == 0u ? vec4(0.0) : texelFetch(base4, int(BASE == 1u ? at : i));
      out4[i] = asFour(base + texelFetch(x4, int(i)) * (p.offset + texelFetch(m4, int(at))));
    } else {
      float base = BASE == 0u ? 0.0 : LOAD(base4, BASE == 1u ? at : i);
      out1[i] = base + LOAD(x4, i) * (p.offset + LOAD(m4, at));
    }
  }
}
