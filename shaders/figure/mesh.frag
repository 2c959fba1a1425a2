#version 450
// Coverage of a pixel by a strip or a filled area whose edge was tessellated with a fringe of one pixel.
#extension GL_GOOGLE_include_directive : require
#include "figure_push.glsl"

layout(location = 0) noperspective in vec2 edge;
layout(location = 1) flat in vec4 color;
layout(location = 0) out vec4 result;

void main() { result = vec4(color.rgb, color.a * stripCoverage(abs(edge.x), edge.y)); }
