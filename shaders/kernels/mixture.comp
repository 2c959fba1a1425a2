#version 450
//! variant pairs -DPAIRS=1
// ln p_t, score or denoiser of a Gaussian mixture at many points of the plane (see mixture.glsl). Points x_t are given at scale alpha:
//   p_t(x) = p(x / alpha; sigma / alpha) / alpha^2,  score_t = score(x / alpha) / alpha.
// A lane has four points. There is no branch around loads and stores: lanes behind the end repeat the last four points (n >= 4; the host pads).
#extension GL_GOOGLE_include_directive : require
#include "stores.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint COMMON = 1;
layout(constant_id = 1) const uint COMPONENTS = 0;
layout(constant_id = 2) const uint OUTPUT = 0;       // 0 log density [n], 1 score [n, 2], 2 denoiser [n, 2]
layout(set = 0, binding = 0) uniform samplerBuffer points;
#define MIXTURE_TABLE 1
#define MIXTURE_TEXELS 2
#include "mixture.glsl"
layout(set = 0, binding = 3) writeonly buffer Out { FOUR result[]; };
layout(push_constant) uniform Push { uint quads, components; float sigma, spread, inverseAlpha, logAlpha; } p;

void main() {
  mixtureBegin();
  uint i = min(gl_GlobalInvocationID.x, p.quads - 1u);
  vec4 low = texelFetch(points, int(2u * i)) * p.inverseAlpha, high = texelFetch(points, int(2u * i + 1u)) * p.inverseAlpha;
  vec4 x = vec4(low.xz, high.xz), y = vec4(low.yw, high.yw), mx, my, logDensity;
  MixtureLevel level = mixtureLevel(p.sigma, p.components, p.spread);
  mixtureDenoise(x, y, level, mx, my, logDensity);
  if (OUTPUT == 0u) {
    result[i] = asFour(logDensity - 2.0 * p.logAlpha);
  } else {
    if (OUTPUT == 1u) {
      float factor = p.inverseAlpha / level.sigma2;
      mx = (mx - x) * factor;
      my = (my - y) * factor;
    }
    result[2u * i] = asFour(vec4(mx.x, my.x, mx.y, my.y));
    result[2u * i + 1u] = asFour(vec4(mx.z, my.z, mx.w, my.w));
  }
}
