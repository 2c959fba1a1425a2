#version 450
// Colours the cells of an image once, one pixel per cell; texture.frag then shows them as often as needed.
#extension GL_GOOGLE_include_directive : require
#include "figure_push.glsl"
#include "figure_image.glsl"

layout(location = 0) out vec4 result;

void main() { result = colorAt(ivec2(gl_FragCoord.xy)); }
