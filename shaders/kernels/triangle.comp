#version 450
#extension GL_GOOGLE_include_directive : require
// The lower (or upper) triangle of every matrix, its diagonal times a factor, zeros elsewhere.
#include "divide.glsl"
#include "texels.glsl"
layout(constant_id = 0) const uint UPPER = 0u;
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) uniform samplerBuffer x4;
layout(set = 0, binding = 1, std430) writeonly buffer Result { float y[]; };
layout(push_constant) uniform Push { uint count, n; float diagonal; };

void main() {
  uint step = gl_NumWorkGroups.x * 64u;
  for (uint at = gl_GlobalInvocationID.x; at < count; at += step) {
    uint whole = divideBy(at, n), j = at - whole * n, i = whole - divideBy(whole, n) * n;
    float value = LOAD(x4, at);
    // A factor of 0 hides the diagonal, whatever it holds.
    y[at] = i == j ? (diagonal == 0.0 ? 0.0 : diagonal * value) : (UPPER != 0u ? j > i : j < i) ? value : 0.0;
  }
}
