// The denoiser of a Gaussian mixture in the plane at relative noise level sigma (scaled state x = x_t / alpha_t):
//   S_k = C_k + sigma^2 I,  r_k ~ w_k N(x; mu_k, S_k),  D = sum_k r_k m_k,  m_k = mu_k + C_k S_k^-1 (x - mu_k),  score = (D - x) / sigma^2.
// D is formed from the component posterior means, never as x + sigma^2 score, which cancels at small noise.
//
// Needs before inclusion: MIXTURE_TABLE and MIXTURE_TEXELS (two bindings of the same table), and the constants
//   COMMON      1: every C_k = c^2 I with the same c (c^2 is MixtureLevel.spread); 0: any C_k
//   COMPONENTS  number of components when it is at most 16, else 0
// Table. Common: one vec4 per component (mu, -|mu|^2 / 2, log2 w). General: two, (mu, log2 w, cosine), (variances along and across, sine, 0).
// With COMPONENTS = 0 their number is padded to a multiple of four by weightless ones.
//
// For lavapipe as much as for GPUs: a lane carries four particles, coordinates in vec4. Few components are read once, before any branch or loop
// (there a uniform load is one scalar load); many, and the particles, are read as texels (a storage buffer load is a loop over the lanes). A
// vector divided by a scalar is multiplied by its inverse: one division in place of four. Loops end with their test: lavapipe leaves a loop only
// at its end, so a test at the beginning costs one more round whose results are masked away.

#include "exp2.glsl"
layout(set = 0, binding = MIXTURE_TABLE) readonly buffer MixtureTable { vec4 mixtureTable[]; };
layout(set = 0, binding = MIXTURE_TEXELS) uniform samplerBuffer mixtureTexels;

const float LOG2E = 1.44269504088896340736;
const float LN2 = 0.69314718055994530942;

struct MixtureLevel {
  float sigma2;
  float spread;     // common: c^2
  float variance;   // common: c^2 + sigma^2
  uint count;
};

MixtureLevel mixtureLevel(float sigma, uint count, float spread) {
  return MixtureLevel(sigma * sigma, spread, spread + sigma * sigma, count);
}

vec4 few[32];

// Call first thing in main().
void mixtureBegin() {
  for (uint k = 0u; k < (COMMON != 0u ? COMPONENTS : 2u * COMPONENTS); ++k) few[k] = mixtureTable[k];
}

// log2 of w_k N(x; mu_k, S_k) up to the terms that all components share (-|x|^2 / 2S and -log 2 pi S when common, -log 2 pi otherwise).
// `first` and `second` are the component's entries; sx, sy: x, y times log2(e) / S when common.
vec4 mixtureLogit(vec4 first, vec4 second, vec4 x, vec4 y, vec4 sx, vec4 sy, float inverse, float sigma2) {
  if (COMMON != 0u) return first.x * sx + (first.y * sy + (first.z * inverse + first.w));
  vec4 dx = x - first.x, dy = y - first.y;
  vec4 u = first.w * dx + second.z * dy, v = first.w * dy - second.z * dx;
  float s1 = second.x + sigma2, s2 = second.y + sigma2;
  return (first.z - 0.5 * log2(s1 * s2)) - (0.5 * LOG2E / s1) * (u * u) - (0.5 * LOG2E / s2) * (v * v);
}

// Adds weight * m_k (general) or weight * mu_k (common).
void mixtureAdd(vec4 first, vec4 second, vec4 x, vec4 y, float sigma2, vec4 weight, inout vec4 mx, inout vec4 my) {
  if (COMMON != 0u) {
    mx += weight * first.x;
    my += weight * first.y;
    return;
  }
  vec4 dx = x - first.x, dy = y - first.y;
  vec4 u = (first.w * dx + second.z * dy) * (second.x / (second.x + sigma2));
  vec4 v = (first.w * dy - second.z * dx) * (second.y / (second.y + sigma2));
  mx += weight * (first.x + first.w * u - second.z * v);
  my += weight * (first.y + second.z * u + first.w * v);
}

// (mx, my) = D(x, y); logDensity is ln p of the scaled state.
void mixtureDenoise(vec4 x, vec4 y, MixtureLevel level, out vec4 mx, out vec4 my, out vec4 logDensity) {
  float inverse = COMMON != 0u ? LOG2E / level.variance : 0.0;
  vec4 sx = x * inverse, sy = y * inverse;
  mx = vec4(0.0);
  my = vec4(0.0);
  vec4 total = vec4(0.0), largest = vec4(-3.0e38);
  if (COMPONENTS != 0u) {
    // Few components: keep the logits.
    vec4 logit[16];
    for (uint k = 0u; k < COMPONENTS; ++k) {
      logit[k] = mixtureLogit(few[COMMON != 0u ? k : 2u * k], few[COMMON != 0u ? k : 2u * k + 1u], x, y, sx, sy, inverse, level.sigma2);
      largest = mix(largest, logit[k], greaterThan(logit[k], largest));
    }
    for (uint k = 0u; k < COMPONENTS; ++k) {
      vec4 weight = exp2Below(logit[k] - largest);
      total += weight;
      mixtureAdd(few[COMMON != 0u ? k : 2u * k], few[COMMON != 0u ? k : 2u * k + 1u], x, y, level.sigma2, weight, mx, my);
    }
  } else {
    // Many: four at a time, rescaling the sums to the largest logit so far.
    uint k = 0u;
    do {
      vec4 first[4], second[4];
      vec4 logit[4];
      vec4 grown = largest;
      for (uint j = 0u; j < 4u; ++j) {
        first[j] = texelFetch(mixtureTexels, int(COMMON != 0u ? k + j : 2u * (k + j)));
        second[j] = COMMON != 0u ? vec4(0.0) : texelFetch(mixtureTexels, int(2u * (k + j) + 1u));
        logit[j] = mixtureLogit(first[j], second[j], x, y, sx, sy, inverse, level.sigma2);
        grown = max(grown, logit[j]);
      }
      vec4 shrink = exp2Below(largest - grown);
      largest = grown;
      total *= shrink;
      mx *= shrink;
      my *= shrink;
      for (uint j = 0u; j < 4u; ++j) {
        vec4 weight = exp2Below(logit[j] - largest);
        total += weight;
        mixtureAdd(first[j], second[j], x, y, level.sigma2, weight, mx, my);
      }
      k += 4u;
    } while (k < level.count);
  }
  vec4 share = 1.0 / total;
  mx *= share;
  my *= share;
  logDensity = LN2 * (largest + log2(total)) - 1.83787706640934548356;
  if (COMMON != 0u) {
    logDensity -= (0.5 / level.variance) * (x * x + y * y) + log(level.variance);
    float own = level.spread / level.variance, mean = level.sigma2 / level.variance;
    mx = mean * mx + own * x;
    my = mean * my + own * y;
  }
}
