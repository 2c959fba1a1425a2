#version 450
//! variant pairs -DPAIRS=1
// Solver steps of the reverse diffusion of a Gaussian mixture, several per dispatch: a lane carries four particles through all of them, then
// the next four.
// The coefficients of every step come from the host in double precision (core/kernels/mixture_solver.cpp, generative.md C5). State x is scaled
// (x_t / alpha_t), e = (x - D) / a, z standard normal.
//   SOLVER 0  x + c1 e + cz z                                   Euler, Euler-Maruyama, Euler ancestral
//          1  Heun from a to the target level, then + cz z
//          2  churn to aHat, then Heun (EDM)
//          3  midpoint in log sigma (DPM-Solver-2), then + cz z
//          4  c1 x + c2 D + c3 (D - Dprevious) + cz z           DPM-Solver++(2M), and its stochastic form
//          5  classic Runge-Kutta 4 in sigma, then + cz z
// A target level of 0 takes x = D (all of these agree there).
// Noise: z is the increment of one Brownian path however the steps are cut, found by walks down a binary tree (mixture_solver.h). N(node) is the two
// normals of Philox counter (particle / 2, node, purpose, 0), key = seed: words 0 and 1 for an even particle, 2 and 3 for an odd one. The
// numbers of a lane's four particles follow each other from a multiple of 4. The values on the way to the last level are kept, so that the
// next walk begins where the ways part.
// Lanes behind the end repeat the last four particles and write nothing, but for a row of their own in what is kept.
// For lavapipe: both sides of an `if` run under a mask and a loop is left only at its end, so what is rarely needed is compiled in or out by
// constants, and loops end with their test; and a uniform storage buffer load ahead of every loop is one scalar load, so the coefficients of a
// dispatch of a single step are read there.
#extension GL_GOOGLE_include_directive : require
#include "philox.glsl"
#include "stores.glsl"
layout(local_size_x_id = 4) in;                     // few lanes a group on CPU devices, so that few particles still fill the cores
layout(constant_id = 0) const uint COMMON = 1;
layout(constant_id = 1) const uint COMPONENTS = 0;
layout(constant_id = 2) const uint SOLVER = 0;
layout(constant_id = 3) const uint ERROR_KIND = 0;   // 0 none, 1 constant, 2 shrink, 3 noise field
layout(constant_id = 5) const uint SINGLE = 0;       // 1: stepCount is 1
layout(constant_id = 6) const uint NOISE = 1;        // 0: none; 1: along a path; 2: a normal of its own for every step
layout(constant_id = 7) const uint TRAIL = 1;        // 1: also write the state after every step
layout(set = 0, binding = 0) uniform samplerBuffer stateIn;
#define MIXTURE_TABLE 1
#define MIXTURE_TEXELS 2
#include "mixture.glsl"
layout(set = 0, binding = 3) uniform samplerBuffer steps;      // three texels a step: (a, target, middle, aHat), (c1, c2, c3, cz), (restart, walk, churn, weight)
layout(set = 0, binding = 4) uniform samplerBuffer noise;      // walks: (low, high, bridges, -), then a texel a bridge
layout(set = 0, binding = 5) writeonly buffer StateOut { FOUR stateOut[]; };
layout(set = 0, binding = 6) uniform samplerBuffer historyIn;                      // D of the previous step (SOLVER 4), as x of four, y of four
layout(set = 0, binding = 7) writeonly buffer HistoryOut { FOUR historyOut[]; };
layout(set = 0, binding = 8) writeonly buffer Trail { TWO path[]; };             // [steps, n]
layout(set = 0, binding = 9) readonly buffer FirstStep { vec4 stepTable[]; };    // `steps` again
layout(set = 0, binding = 10) buffer Kept { FOUR kept[]; };      // [quads + 1, slots, 2]: x of four particles, then y of them
layout(push_constant) uniform Push {
  uint count, quads, components, firstStep, stepCount;
  float spread, errorAmount;
  uint seedLow, seedHigh, purpose, firstParticle;
  uint trailRow;         // the row of the trail the first step writes
  uint quadsPerLane;
  uint wrap;             // the particle number of a row is firstParticle + row mod wrap, both multiples of 4
  uint slots;
  uint restart;          // 1: nothing is kept of the step before the first
} p;

// A smooth unit-size vector field over the plane and the noise level: what an imperfect network adds to its noise estimate.
void errorField(vec4 x, vec4 y, float sigma, out vec4 fx, out vec4 fy) {
  float scale = inversesqrt(1.0 + sigma * sigma), l = log(sigma + 1.0e-6);
  vec4 u = x * scale, v = y * scale;
  fx = sin(2.1 * u + 3.7 * v + 0.9 * l) + cos(3.3 * v - 1.7 * u + (1.3 * l + 0.5));
  fy = sin(2.9 * v - 1.3 * u + (1.1 * l + 1.0)) + cos(1.9 * u + 2.3 * v - 0.7 * l);
}

void denoise(vec4 x, vec4 y, float sigma, out vec4 dx, out vec4 dy) {
  vec4 logDensity;
  mixtureDenoise(x, y, mixtureLevel(sigma, p.components, p.spread), dx, dy, logDensity);
  if (ERROR_KIND == 1u) dx -= sigma * p.errorAmount;
  if (ERROR_KIND == 2u) {
    dx += p.errorAmount * (x - dx);
    dy += p.errorAmount * (y - dy);
  }
  if (ERROR_KIND == 3u) {
    vec4 fx, fy;
    errorField(x, y, sigma, fx, fy);
    dx -= (sigma * p.errorAmount) * fx;
    dy -= (sigma * p.errorAmount) * fy;
  }
}

// The slope e at (x, y).
void slope(vec4 x, vec4 y, float sigma, out vec4 ex, out vec4 ey) {
  denoise(x, y, sigma, ex, ey);
  float overSigma = 1.0 / sigma;
  ex = (x - ex) * overSigma;
  ey = (y - ey) * overSigma;
}

// Carries the four particles 4i ... 4i + 3 through all steps of the dispatch; `levels`, `factors`, `extra` are those of a single step.
void run(uint own, vec4 levels, vec4 factors, vec4 extra) {
  uint i = min(own, p.quads - 1u), keptRow = 2u * p.slots * min(own, p.quads);
  vec4 low = texelFetch(stateIn, int(2u * i)), high = texelFetch(stateIn, int(2u * i + 1u));
  vec4 x = vec4(low.xz, high.xz), y = vec4(low.yw, high.yw);
  uint couple = NOISE != 0u ? (p.firstParticle + (4u * i) % p.wrap) / 2u : 0u;
  vec4 previousX = vec4(0.0), previousY = vec4(0.0);
  if (SOLVER == 4u) {
    previousX = texelFetch(historyIn, int(2u * i));
    previousY = texelFetch(historyIn, int(2u * i + 1u));
  }
  vec4 pathX = vec4(0.0), pathY = vec4(0.0);
  if (NOISE == 1u) {
    kept[keptRow] = asFour(pathX);
    kept[keptRow + 1u] = asFour(pathY);
    pathX = fromFour(kept[keptRow + 2u]);
    pathY = fromFour(kept[keptRow + 3u]);
  }
  uint n = 0u;
  do {
    if (SINGLE == 0u) {
      int at = int(3u * (p.firstStep + n));
      levels = texelFetch(steps, at);
      factors = texelFetch(steps, at + 1);
      extra = texelFetch(steps, at + 2);
    }
    float a = levels.x, target = levels.y, middle = levels.z;

    // Walk to the path at the step's end: z is how far it came.
    vec4 zx = vec4(0.0), zy = vec4(0.0);
    if (NOISE != 0u) {
      bool onPath = extra.x >= 0.0;
      uint walks = n == 0u && onPath && p.restart != 0u ? 2u : 1u;
      vec4 beforeX, beforeY;
      do {
        beforeX = pathX;
        beforeY = pathY;
        int j = int(walks == 2u ? extra.x : extra.y);
        vec4 start = texelFetch(noise, j);
        uint low = keptRow + 2u * uint(start.x), high = keptRow + 2u * uint(start.y);
        vec4 lowX = vec4(0.0), lowY = vec4(0.0), highX = vec4(0.0), highY = vec4(0.0);
        if (NOISE == 1u) {
          lowX = fromFour(kept[low]), lowY = fromFour(kept[low + 1u]);
          highX = fromFour(kept[high]), highY = fromFour(kept[high + 1u]);
        }
        int end = j + int(start.z);
        do {
          vec4 bridge = texelFetch(noise, ++j);  // (node, share of low, deviation, 2 x slot + whether the way goes right)
          uvec4 even = philox(uvec4(couple, uint(bridge.x), p.purpose, 0u), uvec2(p.seedLow, p.seedHigh));
          uvec4 odd = philox(uvec4(couple + 1u, uint(bridge.x), p.purpose, 0u), uvec2(p.seedLow, p.seedHigh));
          vec2 n0 = philoxNormals(even.x, even.y), n1 = philoxNormals(even.z, even.w);
          vec2 n2 = philoxNormals(odd.x, odd.y), n3 = philoxNormals(odd.z, odd.w);
          pathX = highX + bridge.y * (lowX - highX) + bridge.z * vec4(n0.x, n1.x, n2.x, n3.x);
          pathY = highY + bridge.y * (lowY - highY) + bridge.z * vec4(n0.y, n1.y, n2.y, n3.y);
          uint place = uint(bridge.w);
          if (NOISE == 1u) {
            kept[keptRow + (place & ~1u)] = asFour(pathX);
            kept[keptRow + (place | 1u)] = asFour(pathY);
          }
          bool right = (place & 1u) != 0u;
          lowX = right ? pathX : lowX;
          lowY = right ? pathY : lowY;
          highX = right ? highX : pathX;
          highY = right ? highY : pathY;
        } while (j < end);
      } while (--walks > 0u);
      zx = extra.w * (onPath ? pathX - beforeX : pathX);
      zy = extra.w * (onPath ? pathY - beforeY : pathY);
    }
    if (SOLVER == 2u && NOISE != 0u) {
      // Increase noise temporarily.
      x += extra.z * zx;
      y += extra.z * zy;
    }
    if (SOLVER == 2u) a = levels.w;
    vec4 Dx, Dy;
    denoise(x, y, a, Dx, Dy);
    // At a target of 0 every solver takes x = D. No branch: lavapipe would take both.
    vec4 nextX, nextY;
    float overA = 1.0 / a;
    if (SOLVER == 4u) {
      nextX = factors.x * x + factors.y * Dx + factors.z * (Dx - previousX);
      nextY = factors.x * y + factors.y * Dy + factors.z * (Dy - previousY);
    } else {
      vec4 ex = (x - Dx) * overA, ey = (y - Dy) * overA, fx, fy;
      float h = target - a;
      if (SOLVER == 0u) {
        nextX = x + factors.x * ex;
        nextY = y + factors.x * ey;
      } else if (SOLVER == 1u || SOLVER == 2u) {
        slope(x + h * ex, y + h * ey, target, fx, fy);
        nextX = x + (0.5 * h) * (ex + fx);
        nextY = y + (0.5 * h) * (ey + fy);
      } else if (SOLVER == 3u) {
        slope(x + (middle - a) * ex, y + (middle - a) * ey, middle, fx, fy);
        nextX = x + h * fx;
        nextY = y + h * fy;
      } else {
        vec4 gx, gy, kx, ky;
        slope(x + (middle - a) * ex, y + (middle - a) * ey, middle, fx, fy);
        slope(x + (middle - a) * fx, y + (middle - a) * fy, middle, gx, gy);
        slope(x + h * gx, y + h * gy, target, kx, ky);
        nextX = x + (h / 6.0) * (ex + 2.0 * fx + 2.0 * gx + kx);
        nextY = y + (h / 6.0) * (ey + 2.0 * fy + 2.0 * gy + ky);
      }
    }
    x = target == 0.0 ? Dx : nextX;
    y = target == 0.0 ? Dy : nextY;
    if (SOLVER != 2u && NOISE != 0u) {
      x += factors.w * zx;
      y += factors.w * zy;
    }
    previousX = Dx;
    previousY = Dy;
    if (TRAIL != 0u) {
      for (uint k = 0u; k < 4u; ++k) {
        if (4u * own + k < p.count) path[(p.trailRow + n) * p.count + 4u * i + k] = asTwo(vec2(x[k], y[k]));
      }
    }
  } while (SINGLE == 0u && ++n < p.stepCount);
  if (own < p.quads) {
    stateOut[2u * i] = asFour(vec4(x.x, y.x, x.y, y.y));
    stateOut[2u * i + 1u] = asFour(vec4(x.z, y.z, x.w, y.w));
    if (SOLVER == 4u) {
      historyOut[2u * i] = asFour(previousX);
      historyOut[2u * i + 1u] = asFour(previousY);
    }
  }
}

void main() {
  mixtureBegin();
  vec4 levels = vec4(0.0), factors = vec4(0.0), extra = vec4(0.0);
  if (SINGLE != 0u) {
    levels = stepTable[3u * p.firstStep];
    factors = stepTable[3u * p.firstStep + 1u];
    extra = stepTable[3u * p.firstStep + 2u];
  }
  uint own = 0u;
  do {
    run(gl_GlobalInvocationID.x * p.quadsPerLane + own, levels, factors, extra);
  } while (++own < p.quadsPerLane);
}
