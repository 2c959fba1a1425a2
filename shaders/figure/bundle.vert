#version 450
//! variant line -DLINE=1
// Many polylines straight from their tensor [steps, lines, 2]. Quads with mitred joins; or, as `line`, one instance per polyline of native
// wide lines whose coverage is computed from the distance: one vertex per point instead of four, which a CPU driver feels.
#extension GL_GOOGLE_include_directive : require
#include "figure_push.glsl"

layout(set = 0, binding = 0) readonly buffer Positions { vec2 xy[]; };
layout(set = 0, binding = 1) readonly buffer Alphas { float lineAlpha[]; };

#ifdef LINE
layout(location = 0) flat out vec4 strip;   // a point of the line, its normal
#else
layout(location = 0) noperspective out float distanceOut;
#endif
layout(location = 1) flat out vec4 colorOut;

vec2 pointAt(uint line, uint step) { return toPixels(xy[push.info.x + step * push.info.y + line]); }

float alphaOf(uint line, uint step) {
  float alpha = push.color.a;
  if (has(fade)) alpha *= float(step + 1u) / float(push.info.z - 1u);
  if (has(hasScalar)) alpha *= clamp(lineAlpha[line], 0.0, 1.0);
  return alpha;
}

bool isVisible(vec2 a, vec2 b) {
  vec2 reach = vec2(push.range.z + 1.0);
  return isPlaced(a) && isPlaced(b) && all(greaterThan(max(a, b), push.rect.xy - reach)) && all(lessThan(min(a, b), push.rect.zw + reach));
}

#ifdef LINE
void main() {
  uint line = uint(gl_InstanceIndex), step = uint(gl_VertexIndex);
  uint next = min(step + 1u, push.info.z - 1u);
  vec2 a = pointAt(line, step), b = pointAt(line, next);
  vec2 along = b - a;
  float size = length(along);
  vec2 normal = size > 1e-6 ? vec2(-along.y, along.x) / size : vec2(0.0, 1.0);
  float alpha = isVisible(a, b) && size > 1e-6 ? alphaOf(line, step) : 0.0;
  // A point that cannot be placed lends its neighbour's place; both of its segments are transparent.
  vec2 at = isPlaced(a) ? a : (isPlaced(b) ? b : push.rect.xy);
  gl_Position = toClip(at);
  strip = vec4(a, normal);
  colorOut = vec4(push.color.rgb, alpha);
}
#else
void main() {
  uint segment = uint(gl_VertexIndex) >> 2;
  uint line = segment % push.info.y, step = segment / push.info.y;
  bool atEnd = (gl_VertexIndex & 2) != 0;
  vec2 a = pointAt(line, step), b = pointAt(line, step + 1u);
  float alpha = isVisible(a, b) ? alphaOf(line, step) : 0.0;
  vec2 along = b - a;
  float size = length(along);
  gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
  distanceOut = 0.0;
  colorOut = vec4(push.color.rgb, alpha);
  if (alpha < 0.002 || size < 1e-6) return;
  vec2 normal = vec2(-along.y, along.x) / size;
  vec2 offset = normal;
  // Meet the neighbouring segment halfway, unless the turn is too sharp for a mitre.
  bool hasNeighbour = atEnd ? step + 2u < push.info.z : step > 0u;
  if (hasNeighbour) {
    vec2 other = atEnd ? pointAt(line, step + 2u) - b : a - pointAt(line, step - 1u);
    float otherSize = length(other);
    vec2 sum = normal + vec2(-other.y, other.x) / max(otherSize, 1e-6);
    float cosine = dot(sum, normal);
    if (otherSize > 1e-6 && otherSize < 1e6 && cosine > 0.7) offset = sum / cosine;
  }
  float side = (gl_VertexIndex & 1) != 0 ? 1.0 : -1.0;
  float reach = push.range.z + 0.5;
  gl_Position = toClip((atEnd ? b : a) + offset * side * reach);
  distanceOut = side * reach;
}
#endif
