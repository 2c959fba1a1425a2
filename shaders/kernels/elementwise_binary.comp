#version 450
//! variant pairs -DPAIRS=1
// y = f(a, b) with NumPy broadcasting: a stride of 0 repeats an axis. MODE 0: both operands have the shape of the result. MODE 2: at most two
// axes, rows of whole texels, an operand's rows read as they are or one element repeated along them. MODE 1: anything.
#extension GL_GOOGLE_include_directive : require
#include "stores.glsl"
#include "texels.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint OPERATION = 0;
layout(constant_id = 1) const uint MODE = 0;
layout(set = 0, binding = 0) uniform samplerBuffer a4;   // texels: lavapipe reads them several times faster than storage buffers
layout(set = 0, binding = 1) uniform samplerBuffer b4;
layout(set = 0, binding = 2) writeonly buffer Out4 { FOUR out4[]; };
layout(set = 0, binding = 2) writeonly buffer Out1 { float out1[]; };
layout(push_constant) uniform Push {
  uint count, rank;
  uint extent[6], strideA[6], strideB[6];   // axis 0 is the fastest
} p;

float powOf(float a, float b) {
  // Negative bases have a real power for whole exponents only (C and NumPy).
  if (a >= 0.0) return b == 0.0 ? 1.0 : pow(a, b);
  if (b != floor(b)) return uintBitsToFloat(0x7FC00000u);
  float magnitude = b == 0.0 ? 1.0 : pow(-a, b);
  return mod(b, 2.0) != 0.0 ? -magnitude : magnitude;
}

float apply1(float a, float b) {
  switch (OPERATION) {
    case 0u: return a + b;
    case 1u: return a - b;
    case 2u: return a * b;
    case 3u: return a / b;
    case 4u: return powOf(a, b);
    case 5u: return isnan(a) ? a : isnan(b) ? b : min(a, b);   // NaN wins, as in NumPy
    default: return isnan(a) ? a : isnan(b) ? b : max(a, b);
  }
}

vec4 apply4(vec4 a, vec4 b) {
  switch (OPERATION) {
    case 0u: return a + b;
    case 1u: return a - b;
    case 2u: return a * b;
    case 3u: return a / b;
    default: return vec4(apply1(a.x, b.x), apply1(a.y, b.y), apply1(a.z, b.z), apply1(a.w, b.w));
  }
}

void main() {
  uint stride = gl_NumWorkGroups.x * 64u;
  uint quads = p.count / 4u;
  if (MODE == 0u) {
    for (uint i = gl_GlobalInvocationID.x; i < quads; i += stride) out4[i] = asFour(apply4(texelFetch(a4, int(i)), texelFetch(b4, int(i))));
    uint rest = quads * 4u + gl_GlobalInvocationID.x;
    if (gl_GlobalInvocationID.x < 4u && rest < p.count) out1[rest] = apply1(LOAD(a4, rest), LOAD(b4, rest));
    return;
  }
  if (MODE == 2u) {
    uint rowQuads = p.extent[0] / 4u;
    for (uint i = gl_GlobalInvocationID.x; i < quads; i += stride) {
      uint row = i / rowQuads, column = i - row * rowQuads;
      uint atA = row * p.strideA[1], atB = row * p.strideB[1];
      vec4 a = p.strideA[0] != 0u ? texelFetch(a4, int(atA / 4u + column)) : vec4(LOAD(a4, atA));
      vec4 b = p.strideB[0] != 0u ? texelFetch(b4, int(atB / 4u + column)) : vec4(LOAD(b4, atB));
      out4[i] = asFour(apply4(a, b));
    }
    return;
  }
  for (uint i = gl_GlobalInvocationID.x; i < p.count; i += stride) {
    uint rest = i, ia = 0u, ib = 0u;
    for (uint axis = 0u; axis < p.rank; ++axis) {
      uint next = rest / p.extent[axis];
      uint index = rest - next * p.extent[axis];
      ia += index * p.strideA[axis];
      ib += index * p.strideB[axis];
      rest = next;
    }
    out1[i] = apply1(LOAD(a4, ia), LOAD(b4, ib));
  }
}
