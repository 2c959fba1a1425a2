#version 450
// Text from the glyph atlas; `texel` in texels, push.range.x = 1 / size of the atlas.
#extension GL_GOOGLE_include_directive : require
#include "figure_push.glsl"

layout(set = 1, binding = 0) uniform sampler2D atlas;
layout(location = 0) noperspective in vec2 texel;
layout(location = 1) flat in vec4 color;
layout(location = 0) out vec4 result;

void main() { result = vec4(color.rgb, color.a * textureLod(atlas, texel * push.range.x, 0.0).r); }
