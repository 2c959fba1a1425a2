#version 450
// Quads from core/render/mesh.cpp, in device pixels. `edge` is (distance from the middle line, half width), or texture coordinates of a glyph.
#extension GL_GOOGLE_include_directive : require
#include "figure_push.glsl"

layout(location = 0) in vec2 position;
layout(location = 1) in vec2 edge;
layout(location = 2) in vec4 color;
layout(location = 0) noperspective out vec2 edgeOut;
layout(location = 1) flat out vec4 colorOut;

void main() {
  gl_Position = toClip(position);
  edgeOut = edge;
  colorOut = color;
}
