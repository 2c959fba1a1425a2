#version 450
// The shape of a point by its distance function; lines of rings and crosses are max(1, radius / 3) px wide.
#extension GL_GOOGLE_include_directive : require
#include "figure_push.glsl"

layout(location = 0) flat in vec2 center;
layout(location = 1) flat in vec4 color;
layout(location = 0) out vec4 result;

void main() {
  vec2 p = abs(gl_FragCoord.xy - center);
  float r = push.range.z;
  float halfLine = 0.5 * max(push.range.w, r / 3.0);
  float coverage;
  if (shapeOf() == 0u) {         // disc; a disc smaller than a pixel covers its area of it
    coverage = clamp(r + 0.5 - length(p), 0.0, 1.0) * min(1.0, 2.0 * r);
  } else if (shapeOf() == 1u) {  // ring, inside the radius
    coverage = stripCoverage(abs(length(p) - (r - halfLine)), halfLine);
  } else if (shapeOf() == 2u) {  // square
    coverage = stripCoverage(p.x, r) * stripCoverage(p.y, r);
  } else if (shapeOf() == 3u) {  // cross: diagonal arms as long as the radius
    float along = max(p.x, p.y) - r * 0.70710678;
    coverage = stripCoverage(abs(p.x - p.y) * 0.70710678, halfLine) * clamp(0.5 - along, 0.0, 1.0);
  } else {                       // diamond
    coverage = clamp((r - p.x - p.y) * 0.70710678 + 0.5, 0.0, 1.0);
  }
  result = vec4(color.rgb, color.a * coverage);
}
