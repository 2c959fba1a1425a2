#version 450
// A matrix through a colour map, or RGBA as it is. Nearest: the cell under the pixel's centre. Smooth: values interpolated, then coloured.
// NaN is transparent. Log scale: everything at or below 0 has the lowest colour.
#extension GL_GOOGLE_include_directive : require
#include "figure_push.glsl"

layout(set = 0, binding = 0) readonly buffer Values { uint words[]; };
layout(set = 0, binding = 2) readonly buffer Tables { uint table[]; };
layout(location = 0) out vec4 result;

uint wordAt(ivec2 cell) { return words[push.info.x + uint(cell.y) * push.info.y + uint(cell.x)]; }

vec4 colorOf(float value) {
  float position = ((has(logValue) ? (value > 0.0 ? log2(value) : -1e30) : value) - push.range.x) * push.range.y;
  if (isnan(value)) return vec4(0.0);
  position = clamp(position, 0.0, 1.0);
  vec3 rgb = unpackUnorm4x8(table[mapOf() * 256u + min(uint(position * 256.0), 255u)]).rgb;
  return vec4(rgb, has(alphaFromValue) ? position : 1.0);
}

void main() {
  ivec2 size = ivec2(push.info.yz);
  vec2 p = fma(gl_FragCoord.xy, push.transform.xy, push.transform.zw);   // in cells
  vec4 color;
  if (has(smoothImage)) {
    vec2 base = floor(p - 0.5), f = p - 0.5 - base;
    ivec2 low = clamp(ivec2(base), ivec2(0), size - 1), high = clamp(ivec2(base) + 1, ivec2(0), size - 1);
    uint w00 = wordAt(low), w10 = wordAt(ivec2(high.x, low.y)), w01 = wordAt(ivec2(low.x, high.y)), w11 = wordAt(high);
    if (has(rgbaImage)) {
      color = mix(mix(unpackUnorm4x8(w00), unpackUnorm4x8(w10), f.x), mix(unpackUnorm4x8(w01), unpackUnorm4x8(w11), f.x), f.y);
    } else {
      color = colorOf(mix(mix(uintBitsToFloat(w00), uintBitsToFloat(w10), f.x), mix(uintBitsToFloat(w01), uintBitsToFloat(w11), f.x), f.y));
    }
  } else {
    uint word = wordAt(clamp(ivec2(p), ivec2(0), size - 1));
    color = has(rgbaImage) ? unpackUnorm4x8(word) : colorOf(uintBitsToFloat(word));
  }
  if (has(opaqueImage)) {        // drawn without blending
    if (color.a == 0.0) discard;
    result = color;
    return;
  }
  color.a *= push.color.a;
  if (!has(wholePixels)) {
    // Part of this pixel that lies inside the rectangle.
    vec2 inside = clamp(min(gl_FragCoord.xy + 0.5, push.rect.zw) - max(gl_FragCoord.xy - 0.5, push.rect.xy), 0.0, 1.0);
    color.a *= inside.x * inside.y;
  }
  result = color;
}
