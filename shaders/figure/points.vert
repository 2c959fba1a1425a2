#version 450
//! variant quad -DQUAD=1
// A cloud of points straight from its tensor [n, 2]: point sprites, or quads where the device has no large points.
#extension GL_GOOGLE_include_directive : require
#include "figure_push.glsl"

layout(set = 0, binding = 0) readonly buffer Positions { vec2 xy[]; };
layout(set = 0, binding = 1) readonly buffer Scalars { float scalar[]; };
layout(set = 0, binding = 2) readonly buffer Tables { uint table[]; };
layout(location = 0) flat out vec2 centerOut;
layout(location = 1) flat out vec4 colorOut;

void main() {
#ifdef QUAD
  uint index = uint(gl_VertexIndex) >> 2;
#else
  uint index = uint(gl_VertexIndex);
#endif
  vec2 center = toPixels(xy[push.info.x + index]);
  vec4 color = push.color;
  if (has(hasScalar)) {
    float position = (scalar[index] - push.range.x) * push.range.y;
    if (isnan(position)) color.a = 0.0;
    color.rgb = unpackUnorm4x8(table[mapOf() * 256u + min(uint(clamp(position, 0.0, 1.0) * 256.0), 255u)]).rgb;
  }
  float reach = push.range.z + 0.5;
  // Points that are NaN, transparent or out of sight go where the clipper drops them.
  bool visible = all(greaterThan(center, push.rect.xy - reach)) && all(lessThan(center, push.rect.zw + reach)) && color.a > 0.0;
#ifdef QUAD
  vec2 corner = center + reach * (vec2(gl_VertexIndex & 1, (gl_VertexIndex >> 1) & 1) * 2.0 - 1.0);
  gl_Position = visible ? toClip(corner) : vec4(2.0, 2.0, 2.0, 1.0);
#else
  gl_Position = visible ? toClip(center) : vec4(2.0, 2.0, 2.0, 1.0);
  gl_PointSize = 2.0 * reach;
#endif
  centerOut = center;
  colorOut = color;
}
