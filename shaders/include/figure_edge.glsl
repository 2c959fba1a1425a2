// The colour of an image's pixel with the alpha of the whole image, and the part of the pixel that lies inside the image's rectangle.
#ifndef FIGURE_EDGE_GLSL
#define FIGURE_EDGE_GLSL

vec4 shown(vec4 color) {
  color.a *= push.color.a;
  if (!has(wholePixels)) {
    vec2 inside = clamp(min(gl_FragCoord.xy + 0.5, push.rect.zw) - max(gl_FragCoord.xy - 0.5, push.rect.xy), 0.0, 1.0);
    color.a *= inside.x * inside.y;
  }
  return color;
}

#endif
