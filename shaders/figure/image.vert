#version 450
// The rectangle of an image; unless it ends on whole pixels, half a pixel larger so that partly covered ones are drawn too.
#extension GL_GOOGLE_include_directive : require
#include "figure_push.glsl"

void main() {
  vec2 corner = vec2(gl_VertexIndex & 1, (gl_VertexIndex >> 1) & 1);
  float more = has(wholePixels) ? 0.0 : 0.5;
  gl_Position = toClip(mix(push.rect.xy - more, push.rect.zw + more, corner));
}
