// The denoiser of a Gaussian mixture in the plane at relative noise level sigma (scaled state x = x_t / alpha_t):
//   S_k = C_k + sigma^2 I,  r_k ~ w_k N(x; mu_k, S_k),  D = sum_k r_k m_k,  m_k = mu_k + C_k S_k^-1 (x - mu_k),  score = (D - x) / sigma^2.
// D is formed from the component posterior means, never as x + sigma^2 score, which cancels at small noise.
// Needs before inclusion: MIXTURE_BINDING, and the constants
//   COMMON      1: every C_k = c^2 I with the same c (c^2 in MixtureLevel); 0: any C_k
//   COMPONENTS  number of components when it is at most 16 (their logits stay in registers), else 0
// Table, two vec4 per component, common: (mu, -|mu|^2 / 2, log2 w), unused; general: (mu, log2 w, angle cosine), (variances along and across
// the angle, angle sine, 0).

layout(set = 0, binding = MIXTURE_BINDING) readonly buffer MixtureTable { vec4 mixtureTable[]; };

const float LOG2E = 1.44269504088896340736;
const float LN2 = 0.69314718055994530942;

struct MixtureLevel {
  float sigma2;
  uint count;
  float variance;   // common: c^2 + sigma^2
  float spread;     // common: c^2
};

// log2 of w_k N(x; mu_k, S_k) up to the terms that all components share (-|x|^2 / 2S and -log 2 pi S when common, -log 2 pi otherwise).
float mixtureLogit(uint k, vec2 x, vec2 scaled, MixtureLevel level, float inverse) {
  vec4 first = mixtureTable[COMMON != 0u ? k : 2u * k];
  if (COMMON != 0u) return first.x * scaled.x + first.y * scaled.y + (first.z * inverse + first.w);
  vec4 second = mixtureTable[2u * k + 1u];
  vec2 d = x - first.xy;
  vec2 y = vec2(first.w * d.x + second.z * d.y, first.w * d.y - second.z * d.x);
  vec2 s = second.xy + level.sigma2;
  return first.z - 0.5 * log2(s.x * s.y) - (0.5 * LOG2E) * (y.x * y.x / s.x + y.y * y.y / s.y);
}

// Adds weight * m_k (general) or weight * mu_k (common).
void mixtureAdd(uint k, vec2 x, MixtureLevel level, float weight, inout vec2 mean) {
  if (COMMON != 0u) {
    mean += weight * mixtureTable[k].xy;
    return;
  }
  vec4 first = mixtureTable[2u * k], second = mixtureTable[2u * k + 1u];
  vec2 d = x - first.xy;
  vec2 y = vec2(first.w * d.x + second.z * d.y, first.w * d.y - second.z * d.x) * (second.xy / (second.xy + level.sigma2));
  mean += weight * (first.xy + vec2(first.w * y.x - second.z * y.y, second.z * y.x + first.w * y.y));
}

MixtureLevel mixtureLevel(float sigma, uint count, float spread) {
  return MixtureLevel(sigma * sigma, count, spread + sigma * sigma, spread);
}

// D(x, sigma); logDensity is ln p of the scaled state.
vec2 mixtureDenoise(vec2 x, MixtureLevel level, out float logDensity) {
  float inverse = COMMON != 0u ? LOG2E / level.variance : 0.0;
  vec2 scaled = x * inverse;
  vec2 mean = vec2(0.0);
  float total = 0.0, largest;
  if (COMPONENTS != 0u) {
    // Few components: keep the logits.
    float logit[16];
    for (uint k = 0u; k < COMPONENTS; ++k) logit[k] = mixtureLogit(k, x, scaled, level, inverse);
    largest = logit[0];
    for (uint k = 1u; k < COMPONENTS; ++k) largest = max(largest, logit[k]);
    for (uint k = 0u; k < COMPONENTS; ++k) {
      float weight = exp2(logit[k] - largest);
      total += weight;
      mixtureAdd(k, x, level, weight, mean);
    }
  } else {
    // Many: find the largest first, then form the logits again.
    largest = -3.0e38;
    for (uint k = 0u; k < level.count; ++k) largest = max(largest, mixtureLogit(k, x, scaled, level, inverse));
    for (uint k = 0u; k < level.count; ++k) {
      float weight = exp2(mixtureLogit(k, x, scaled, level, inverse) - largest);
      total += weight;
      mixtureAdd(k, x, level, weight, mean);
    }
  }
  mean /= total;
  logDensity = LN2 * (largest + log2(total)) - 1.83787706640934548356;
  if (COMMON != 0u) {
    logDensity -= 0.5 * dot(x, x) / level.variance + log(level.variance);
    mean = (level.sigma2 * mean + level.spread * x) / level.variance;
  }
  return mean;
}
