#version 450
#extension GL_GOOGLE_include_directive : require
// What detectors learn by; formulas and sources in core/kernels/detection_losses.h. An item is four logits (MODE 0, 1) or one box (2, 3).
//   MODE 0  focal loss of every logit                MODE 1  its gradient by the logit, times g
//   MODE 2  GIoU loss of every pair of boxes         MODE 3  its gradient by the first box, times g
#include "boxes.glsl"
#include "texels.glsl"
layout(constant_id = 0) const uint MODE = 0u;
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) uniform samplerBuffer x4;   // logits, or boxes
layout(set = 0, binding = 1) uniform samplerBuffer t4;   // targets
layout(set = 0, binding = 2) uniform samplerBuffer g4;   // gradients, MODE 1, 3
layout(set = 0, binding = 3) writeonly buffer Result { float result[]; };
layout(push_constant) uniform Push { uint items, count; float alpha, gamma, epsilon; };

vec4 focal(vec4 x, vec4 t, vec4 g) {
  // exp of minus a size only: nothing overflows, and both p and 1 - p keep their digits.
  vec4 e = exp(-abs(x)), larger = 1.0 / (1.0 + e), smaller = e * larger;
  bvec4 up = greaterThanEqual(x, vec4(0.0));
  vec4 p = mix(smaller, larger, up), q = mix(larger, smaller, up);
  vec4 entropy = max(x, 0.0) - x * t + log(1.0 + e);
  vec4 miss = p * (1.0 - t) + q * t;  // 1 - p_t
  vec4 weight = alpha < 0.0 ? vec4(1.0) : alpha * t + (1.0 - alpha) * (1.0 - t);
  // miss^(gamma - 1); nothing is missed where sigmoid is 0 or 1 in f32.
  vec4 power = gamma == 2.0 ? miss : exp2((gamma - 1.0) * log2(max(miss, 1e-37)));
  if (MODE == 0u) return weight * power * miss * entropy;
  return g * weight * power * (miss * (p - t) - gamma * entropy * p * q * (2.0 * t - 1.0));
}

// 1 where a is beyond b, 1/2 where they are equal: the slope of max(a, b) by a.
vec2 beyond(vec2 a, vec2 b) { return vec2(greaterThan(a, b)) * 0.5 + vec2(greaterThanEqual(a, b)) * 0.5; }

float overlapLoss(vec4 a, vec4 b) {
  float both = intersectionOf(a, b), either = areaOf(a) + areaOf(b) - both, hull = hullOf(a, b);
  return 1.0 - both / (either + epsilon) + (hull - either) / (hull + epsilon);
}

vec4 overlapGradient(vec4 a, vec4 b) {
  vec2 inner = min(a.zw, b.zw) - max(a.xy, b.xy), outer = max(a.zw, b.zw) - min(a.xy, b.xy), size = a.zw - a.xy;
  bool meet = inner.x > 0.0 && inner.y > 0.0;
  float both = meet ? inner.x * inner.y : 0.0, either = areaOf(a) + areaOf(b) - both, hull = outer.x * outer.y;
  float perUnion = 1.0 / (either + epsilon), perHull = 1.0 / (hull + epsilon);
  // The loss by the area of a, by the intersection (which takes from the union) and by the hull.
  float byArea = both * perUnion * perUnion - perHull, byBoth = -perUnion - byArea, byHull = (either + epsilon) * perHull * perHull;
  // Each area by the corners of a: opposite signs for the lower and the upper one.
  vec4 corners = byArea * vec4(-size.yx, size.yx);
  if (meet) corners += byBoth * vec4(-inner.yx * beyond(a.xy, b.xy), inner.yx * beyond(b.zw, a.zw));
  corners += byHull * vec4(-outer.yx * beyond(b.xy, a.xy), outer.yx * beyond(a.zw, b.zw));
  return corners;
}

void main() {
  uint step = gl_NumWorkGroups.x * 64u;
  for (uint i = gl_GlobalInvocationID.x; i < items; i += step) {
    vec4 x = texelFetch(x4, int(i)), t = texelFetch(t4, int(i));
    if (MODE == 2u) {
      result[i] = overlapLoss(x, t);
    } else {
      vec4 value = MODE == 3u ? LOAD(g4, i) * overlapGradient(x, t) : focal(x, t, MODE == 1u ? texelFetch(g4, int(i)) : vec4(0.0));
      for (uint k = 0u; k < 4u; ++k) {
        if (4u * i + k < count) result[4u * i + k] = value[k];
      }
    }
  }
}
