#version 450
//! variant kernel -DKERNEL=1
// The velocity of a flow at many points of the plane, from components whose own velocity is affine (core/labs/generative/shared/flow_field.h):
//   r_k ~ exp(logit_k(x)),  u = sum_k r_k u_k(x),  u_k = v_k + A_k (x - c_k),
//   div u = sum_k r_k (tr A_k + s_k . u_k) - s . u,  s_k = -P_k (x - c_k),  s = sum_k r_k s_k
// Plain: a component is four texels (c, log2 w, tr A), (P_xx, P_xy, P_yy, 0) log2 e, (v, A_xx, A_xy), (A_yx, A_yy, 0, 0).
// Variant kernel: a component is a pair (x_0, x_1), one texel; c = (1 - t) x_0 + t x_1, P = I / h^2, v = x_1 - x_0, A = 0.
// A lane has four points and takes the components four at a time, rescaling its sums to the largest logit so far. More components than one
// dispatch may walk are divided among several, which hand the sums on. Lanes behind the end repeat the last four points (device memory comes
// in multiples of 256 bytes) with sums of their own.
#extension GL_GOOGLE_include_directive : require
#include "exp2.glsl"
layout(local_size_x_id = 1) in;
layout(constant_id = 0) const uint OUTPUT = 0;       // 0: velocity [n, 2]; 1: (velocity, divergence, 0) [n, 4] at points [n, 4]; 2: ln p [n]
layout(constant_id = 2) const uint BEGINS = 1;       // 1: the first dispatch over the components
layout(constant_id = 3) const uint ENDS = 1;         // 1: the last
layout(set = 0, binding = 0) uniform samplerBuffer points;
layout(set = 0, binding = 1) uniform samplerBuffer components;
layout(set = 0, binding = 2) writeonly buffer Out { vec4 result[]; };
layout(set = 0, binding = 3) buffer Sums { vec4 sums[]; };  // [lanes, 7] of the whole dispatch
layout(push_constant) uniform Push { uint first, quads, components, from, to; float time, inverseWidth2; } p;

const float LN2 = 0.69314718055994530942;

vec4 largest = vec4(-3.0e38), total = vec4(0.0), ux = vec4(0.0), uy = vec4(0.0), sx = vec4(0.0), sy = vec4(0.0), divergence = vec4(0.0);

// The parts of a component that logit and velocity need, each fetched once: a texel takes lavapipe as long as the arithmetic of four points.
#ifdef KERNEL
struct Component { vec2 c, v; };

Component component(int k) {
  vec4 pair = texelFetch(components, k);
  return Component(mix(pair.xy, pair.zw, p.time), pair.zw - pair.xy);
}

vec4 logit(Component m, vec4 x, vec4 y) {
  vec4 dx = x - m.c.x, dy = y - m.c.y;
  return (-0.5 * p.inverseWidth2) * (dx * dx + dy * dy);
}

void add(Component m, vec4 x, vec4 y, vec4 w) {
  ux += w * m.v.x;
  uy += w * m.v.y;
  if (OUTPUT == 1u) {
    vec4 kx = -(p.inverseWidth2 * LN2) * (x - m.c.x), ky = -(p.inverseWidth2 * LN2) * (y - m.c.y);
    sx += w * kx;
    sy += w * ky;
    divergence += w * (kx * m.v.x + ky * m.v.y);
  }
}
#else
struct Component { vec4 a, b, c, d; };

Component component(int k) {
  Component m = Component(texelFetch(components, 4 * k), texelFetch(components, 4 * k + 1), vec4(0.0), vec4(0.0));
  if (OUTPUT != 2u) {
    m.c = texelFetch(components, 4 * k + 2);
    m.d = texelFetch(components, 4 * k + 3);
  }
  return m;
}

vec4 logit(Component m, vec4 x, vec4 y) {
  vec4 dx = x - m.a.x, dy = y - m.a.y;
  return m.a.z - 0.5 * (m.b.x * dx * dx + 2.0 * m.b.y * dx * dy + m.b.z * dy * dy);
}

void add(Component m, vec4 x, vec4 y, vec4 w) {
  if (OUTPUT == 2u) return;
  vec4 dx = x - m.a.x, dy = y - m.a.y;
  vec4 vx = m.c.x + m.c.z * dx + m.c.w * dy, vy = m.c.y + m.d.x * dx + m.d.y * dy;
  ux += w * vx;
  uy += w * vy;
  if (OUTPUT == 1u) {
    vec4 kx = -LN2 * (m.b.x * dx + m.b.y * dy), ky = -LN2 * (m.b.y * dx + m.b.z * dy);
    sx += w * kx;
    sy += w * ky;
    divergence += w * (m.a.w + kx * vx + ky * vy);
  }
}
#endif

void main() {
  uint i = p.first + min(gl_GlobalInvocationID.x, p.quads - 1u), own = 7u * gl_GlobalInvocationID.x;
  vec4 x, y;
  if (OUTPUT == 1u) {
    vec4 a = texelFetch(points, int(4u * i)), b = texelFetch(points, int(4u * i + 1u)), c = texelFetch(points, int(4u * i + 2u)),
         d = texelFetch(points, int(4u * i + 3u));
    x = vec4(a.x, b.x, c.x, d.x);
    y = vec4(a.y, b.y, c.y, d.y);
  } else {
    vec4 a = texelFetch(points, int(2u * i)), b = texelFetch(points, int(2u * i + 1u));
    x = vec4(a.xz, b.xz);
    y = vec4(a.yw, b.yw);
  }
  if (BEGINS == 0u) {
    largest = sums[own];
    total = sums[own + 1u];
    ux = sums[own + 2u];
    uy = sums[own + 3u];
    sx = sums[own + 4u];
    sy = sums[own + 5u];
    divergence = sums[own + 6u];
  }
  uint k = p.from;
  do {
    Component four[4];
    vec4 logits[4];
    vec4 before = largest;
    for (uint j = 0u; j < 4u; ++j) {
      four[j] = component(int(min(k + j, p.components - 1u)));
      logits[j] = logit(four[j], x, y);
      if (k + j >= p.components) logits[j] = vec4(-3.0e38);
      largest = max(largest, logits[j]);
    }
    vec4 shrink = exp2Below(before - largest);
    total *= shrink;
    ux *= shrink;
    uy *= shrink;
    if (OUTPUT == 1u) {
      sx *= shrink;
      sy *= shrink;
      divergence *= shrink;
    }
    for (uint j = 0u; j < 4u; ++j) {
      vec4 weight = exp2Below(logits[j] - largest);
      total += weight;
      add(four[j], x, y, weight);
    }
    k += 4u;
  } while (k < p.to);
  if (ENDS == 0u) {
    sums[own] = largest;
    sums[own + 1u] = total;
    sums[own + 2u] = ux;
    sums[own + 3u] = uy;
    sums[own + 4u] = sx;
    sums[own + 5u] = sy;
    sums[own + 6u] = divergence;
    return;
  }
  vec4 inverse = 1.0 / total;
  if (OUTPUT == 2u) {
    result[i] = LN2 * (largest + log2(total));
    return;
  }
  ux *= inverse;
  uy *= inverse;
  if (OUTPUT == 0u) {
    result[2u * i] = vec4(ux.x, uy.x, ux.y, uy.y);
    result[2u * i + 1u] = vec4(ux.z, uy.z, ux.w, uy.w);
  } else {
    divergence = (divergence - (sx * ux + sy * uy)) * inverse;  // s = sx, sy over the total
    for (uint j = 0u; j < 4u; ++j) result[4u * i + j] = vec4(ux[j], uy[j], divergence[j], 0.0);
  }
}
