#version 450
// The rectangle of an image, half a pixel larger so that partly covered pixels are drawn too.
#extension GL_GOOGLE_include_directive : require
#include "figure_push.glsl"

void main() {
  vec2 corner = vec2(gl_VertexIndex & 1, (gl_VertexIndex >> 1) & 1);
  gl_Position = toClip(mix(push.rect.xy - 0.5, push.rect.zw + 0.5, corner));
}
