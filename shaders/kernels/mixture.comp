#version 450
// ln p_t, score or denoiser of a Gaussian mixture at many points of the plane (see mixture.glsl). Points x_t are given at scale alpha:
//   p_t(x) = p(x / alpha; sigma / alpha) / alpha^2,  score_t = score(x / alpha) / alpha.
#extension GL_GOOGLE_include_directive : require
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint COMMON = 1;
layout(constant_id = 1) const uint COMPONENTS = 0;
layout(constant_id = 2) const uint OUTPUT = 0;       // 0 log density [n], 1 score [n, 2], 2 denoiser [n, 2]
layout(set = 0, binding = 0) readonly buffer Points { vec2 points[]; };
#define MIXTURE_BINDING 1
#include "mixture.glsl"
layout(set = 0, binding = 2) writeonly buffer Out1 { float out1[]; };
layout(set = 0, binding = 2) writeonly buffer Out2 { vec2 out2[]; };
layout(push_constant) uniform Push { uint count, components; float sigma, spread, inverseAlpha, logAlpha; } p;

void main() {
  MixtureLevel level = mixtureLevel(p.sigma, p.components, p.spread);
  float inverseSigma2 = 1.0 / level.sigma2;
  uint stride = gl_NumWorkGroups.x * 64u;
  for (uint i = gl_GlobalInvocationID.x; i < p.count; i += stride) {
    vec2 x = points[i] * p.inverseAlpha;
    float logDensity;
    vec2 D = mixtureDenoise(x, level, logDensity);
    if (OUTPUT == 0u) out1[i] = logDensity - 2.0 * p.logAlpha;
    else if (OUTPUT == 1u) out2[i] = (D - x) * (inverseSigma2 * p.inverseAlpha);
    else out2[i] = D;
  }
}
