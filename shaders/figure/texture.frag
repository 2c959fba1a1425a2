#version 450
// An image whose cells were coloured before (cells.frag); the sampler decides between nearest and bilinear.
#extension GL_GOOGLE_include_directive : require
#include "figure_push.glsl"
#include "figure_edge.glsl"

layout(set = 1, binding = 0) uniform sampler2D cells;
layout(location = 0) out vec4 result;

void main() { result = shown(textureLod(cells, fma(gl_FragCoord.xy, push.transform.xy, push.transform.zw), 0.0)); }
