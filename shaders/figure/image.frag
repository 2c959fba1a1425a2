#version 450
// An image of more cells than pixels, straight from its tensor. Nearest: the cell under the pixel's centre. Smooth: the mean colour of the
// four cells around it, by distance.
#extension GL_GOOGLE_include_directive : require
#include "figure_push.glsl"
#include "figure_image.glsl"
#include "figure_edge.glsl"

layout(location = 0) out vec4 result;

void main() {
  ivec2 size = ivec2(push.info.yz);
  vec2 p = fma(gl_FragCoord.xy, push.transform.xy, push.transform.zw) * vec2(size);
  vec4 color;
  if (has(smoothImage)) {
    vec2 base = floor(p - 0.5), f = p - 0.5 - base;
    ivec2 low = clamp(ivec2(base), ivec2(0), size - 1), high = clamp(ivec2(base) + 1, ivec2(0), size - 1);
    color = mix(mix(colorAt(low), colorAt(ivec2(high.x, low.y)), f.x), mix(colorAt(ivec2(low.x, high.y)), colorAt(high), f.x), f.y);
  } else {
    color = colorAt(clamp(ivec2(p), ivec2(0), size - 1));
  }
  result = shown(color);
}
