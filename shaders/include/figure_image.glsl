// Values of an image to colours: a matrix through a colour map, or RGBA as it is. NaN is transparent. Log scale: everything at or below 0 has
// the lowest colour.
#ifndef FIGURE_IMAGE_GLSL
#define FIGURE_IMAGE_GLSL

layout(set = 0, binding = 0) readonly buffer Values { uint words[]; };
layout(set = 0, binding = 2) readonly buffer Tables { uint table[]; };

uint wordAt(ivec2 cell) { return words[push.info.x + uint(cell.y) * push.info.y + uint(cell.x)]; }

vec4 colorOf(float value) {
  float position = ((has(logValue) ? (value > 0.0 ? log2(value) : -1e30) : value) - push.range.x) * push.range.y;
  if (isnan(value)) return vec4(0.0);
  position = clamp(position, 0.0, 1.0);
  vec3 rgb = unpackUnorm4x8(table[mapOf() * 256u + min(uint(position * 256.0), 255u)]).rgb;
  return vec4(rgb, has(alphaFromValue) ? position : 1.0);
}

vec4 colorAt(ivec2 cell) { return has(rgbaImage) ? unpackUnorm4x8(wordAt(cell)) : colorOf(uintBitsToFloat(wordAt(cell))); }

#endif
