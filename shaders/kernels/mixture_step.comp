#version 450
// Solver steps of the reverse diffusion of a Gaussian mixture, several per dispatch: a lane carries its particle through all of them.
// The coefficients of every step come from the host in double precision (core/kernels/mixture_step.cpp, generative.md C5). State x is scaled
// (x_t / alpha_t), e = (x - D) / a, z standard normal.
//   SOLVER 0  x + c1 e + cz z                                   Euler, Euler-Maruyama, Euler ancestral
//          1  Heun from a to the target level, then + cz z
//          2  churn to aHat, then Heun (EDM)
//          3  midpoint in log sigma (DPM-Solver-2), then + cz z
//          4  c1 x + c2 D + c3 (D - Dprevious) + cz z           DPM-Solver++(2M), and its stochastic form
//          5  classic Runge-Kutta 4 in sigma, then + cz z
// A target level of 0 takes x = D (all of these agree there).
// Noise: z = sum of coefficient * N(node), with N(node) the two normals of Philox counter (particle, node, purpose, 0), key = seed. The host
// chooses nodes and coefficients so that the z of a step is the increment of one Brownian path however the steps are cut.
#extension GL_GOOGLE_include_directive : require
#include "philox.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint COMMON = 1;
layout(constant_id = 1) const uint COMPONENTS = 0;
layout(constant_id = 2) const uint SOLVER = 0;
layout(constant_id = 3) const uint TRAIL = 0;        // 1: also write the state after every step
layout(constant_id = 4) const uint ERROR_KIND = 0;   // 0 none, 1 constant, 2 shrink, 3 noise field

struct Step {
  float a, target, middle, aHat;
  float c1, c2, c3, cz;
  uint noiseBegin, noiseCount;
  float churn, unused;
};

layout(set = 0, binding = 0) readonly buffer StateIn { vec2 stateIn[]; };
#define MIXTURE_BINDING 1
#include "mixture.glsl"
layout(set = 0, binding = 2) readonly buffer Steps { Step steps[]; };
layout(set = 0, binding = 3) readonly buffer Noise { uvec2 noise[]; };      // (node, coefficient bits)
layout(set = 0, binding = 4) writeonly buffer StateOut { vec2 stateOut[]; };
layout(set = 0, binding = 5) buffer History { vec2 history[]; };             // D of the previous step (SOLVER 4)
layout(set = 0, binding = 6) writeonly buffer Trail { vec2 trail[]; };       // [steps, n]
layout(push_constant) uniform Push {
  uint count, components, firstStep, stepCount;
  float spread, errorAmount;
  uint seedLow, seedHigh, purpose, firstParticle;
} p;

// A smooth unit-size vector field over the plane and the noise level: what an imperfect network adds to its noise estimate.
vec2 errorField(vec2 x, float sigma) {
  vec2 y = x * inversesqrt(1.0 + sigma * sigma);
  float l = log(sigma + 1.0e-6);
  return vec2(sin(2.1 * y.x + 3.7 * y.y + 0.9 * l) + cos(3.3 * y.y - 1.7 * y.x + 1.3 * l + 0.5),
              sin(2.9 * y.y - 1.3 * y.x + 1.1 * l + 1.0) + cos(1.9 * y.x + 2.3 * y.y - 0.7 * l));
}

vec2 denoise(vec2 x, float sigma) {
  float logDensity;
  vec2 D = mixtureDenoise(x, mixtureLevel(sigma, p.components, p.spread), logDensity);
  if (ERROR_KIND == 1u) D -= sigma * p.errorAmount * vec2(1.0, 0.0);
  if (ERROR_KIND == 2u) D += p.errorAmount * (x - D);
  if (ERROR_KIND == 3u) D -= sigma * p.errorAmount * errorField(x, sigma);
  return D;
}

vec2 normals(Step s, uint particle) {
  vec2 z = vec2(0.0);
  for (uint j = s.noiseBegin; j < s.noiseBegin + s.noiseCount; ++j) {
    uvec4 words = philox(uvec4(particle, noise[j].x, p.purpose, 0u), uvec2(p.seedLow, p.seedHigh));
    z += uintBitsToFloat(noise[j].y) * philoxNormals(words.x, words.y);
  }
  return z;
}

void main() {
  uint stride = gl_NumWorkGroups.x * 64u;
  for (uint i = gl_GlobalInvocationID.x; i < p.count; i += stride) {
    vec2 x = stateIn[i];
    vec2 previous = vec2(0.0);
    if (SOLVER == 4u && p.firstStep != 0u) previous = history[i];
    for (uint n = 0u; n < p.stepCount; ++n) {
      Step s = steps[p.firstStep + n];
      vec2 z = s.noiseCount != 0u ? normals(s, p.firstParticle + i) : vec2(0.0);
      float a = s.a;
      if (SOLVER == 2u) {
        // Increase noise temporarily.
        x += s.churn * z;
        a = s.aHat;
      }
      vec2 D = denoise(x, a);
      if (s.target == 0.0) {
        x = D;
      } else if (SOLVER == 4u) {
        x = s.c1 * x + s.c2 * D + s.c3 * (D - previous);
      } else {
        vec2 e = (x - D) / a;
        float h = s.target - a;
        if (SOLVER == 0u) {
          x += s.c1 * e;
        } else if (SOLVER == 1u || SOLVER == 2u) {
          vec2 ahead = x + h * e;
          vec2 e1 = (ahead - denoise(ahead, s.target)) / s.target;
          x += h * (0.5 * (e + e1));
        } else if (SOLVER == 3u) {
          vec2 u = x + (s.middle - a) * e;
          x += h * ((u - denoise(u, s.middle)) / s.middle);
        } else {
          vec2 u = x + (s.middle - a) * e;
          vec2 e2 = (u - denoise(u, s.middle)) / s.middle;
          u = x + (s.middle - a) * e2;
          vec2 e3 = (u - denoise(u, s.middle)) / s.middle;
          u = x + h * e3;
          vec2 e4 = (u - denoise(u, s.target)) / s.target;
          x += h * ((e + 2.0 * e2 + 2.0 * e3 + e4) / 6.0);
        }
      }
      if (SOLVER != 2u) x += s.cz * z;
      previous = D;
      if (TRAIL != 0u) trail[n * p.count + i] = x;
    }
    stateOut[i] = x;
    if (SOLVER == 4u) history[i] = previous;
  }
}
