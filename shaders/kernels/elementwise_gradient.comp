#version 450
//! variant pairs -DPAIRS=1
#extension GL_GOOGLE_include_directive : require
// gradient * f'(x) for every element; the operations of elementwise_unary.comp. Four elements at a time, then the rest.
#include "stores.glsl"
#include "erf.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint OPERATION = 0;
layout(set = 0, binding = 0) uniform samplerBuffer in4;
layout(set = 0, binding = 1) uniform samplerBuffer gradient4;
layout(set = 0, binding = 2) writeonly buffer Out4 { FOUR out4[]; };
layout(set = 0, binding = 2) writeonly buffer Out1 { float out1[]; };
layout(push_constant) uniform Push { uint count; } p;

vec4 sigmoidOf(vec4 x) { return 1.0 / (1.0 + exp(-clamp(x, -88.0, 88.0))); }
vec4 tanhOf(vec4 x) { return 1.0 - 2.0 / (exp(2.0 * clamp(x, -20.0, 20.0)) + 1.0); }

vec4 derivative(vec4 x) {
  switch (OPERATION) {
    case 0u: return vec4(-1.0);
    case 1u: return exp(x);
    case 2u: return 1.0 / x;
    case 3u: return 0.5 * inversesqrt(x);
    case 4u: return -0.5 * inversesqrt(x) / x;
    case 5u: return cos(x);
    case 6u: return -sin(x);
    case 7u: { vec4 t = tanhOf(x); return 1.0 - t * t; }
    case 8u: { vec4 s = sigmoidOf(x); return s * (1.0 - s); }
    case 9u: return mix(vec4(0.0), vec4(1.0), greaterThan(x, vec4(0.0)));
    case 10u: return 0.5 * (1.0 + erfOf(x * 0.70710678118654752)) + x * exp(-0.5 * x * x) * 0.39894228040143268;
    case 11u: {
      vec4 t = tanhOf(0.79788456080286536 * (x + 0.044715 * x * x * x));
      return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * (0.79788456080286536 * (1.0 + 0.134145 * x * x));
    }
    case 12u: { vec4 s = sigmoidOf(x); return s * (1.0 + x * (1.0 - s)); }
    case 13u: return sign(x);
    case 14u: return 2.0 * x;
    case 15u: return -1.0 / (x * x);
    default: return sigmoidOf(x);
  }
}

void main() {
  uint quads = p.count / 4u;
  uint stride = gl_NumWorkGroups.x * 64u;
  for (uint i = gl_GlobalInvocationID.x; i < quads; i += stride) {
    out4[i] = asFour(texelFetch(gradient4, int(i)) * derivative(texelFetch(in4, int(i))));
  }
  uint rest = quads * 4u + gl_GlobalInvocationID.x;
  if (gl_GlobalInvocationID.x < 4u && rest < p.count) {
    out1[rest] = (texelFetch(gradient4, int(quads)) * derivative(texelFetch(in4, int(quads))))[gl_GlobalInvocationID.x & 3u];
  }
}
