#version 450
//! variant line -DLINE=1
#extension GL_GOOGLE_include_directive : require
#include "figure_push.glsl"

#ifdef LINE
layout(location = 0) flat in vec4 strip;
#else
layout(location = 0) noperspective in float distanceIn;
#endif
layout(location = 1) flat in vec4 color;
layout(location = 0) out vec4 result;

void main() {
#ifdef LINE
  float d = dot(gl_FragCoord.xy - strip.xy, strip.zw);
#else
  float d = distanceIn;
#endif
  result = vec4(color.rgb, color.a * stripCoverage(abs(d), push.range.z));
}
