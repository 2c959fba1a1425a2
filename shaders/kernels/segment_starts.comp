#version 450
#extension GL_GOOGLE_include_directive : require
// starts[k] = the number of sorted keys below k, by bisection.
#include "texels.glsl"
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) uniform usamplerBuffer keys;
layout(set = 0, binding = 1, std430) writeonly buffer Starts { uint starts[]; };
layout(push_constant) uniform Push { uint count, entries; };   // count: segments + 1

void main() {
  uint step = gl_NumWorkGroups.x * 64u;
  for (uint k = gl_GlobalInvocationID.x; k < count; k += step) {
    uint low = 0u, high = entries;
    while (low < high) {
      uint middle = (low + high) / 2u;
      if (LOAD(keys, middle) < k) low = middle + 1u; else high = middle;
    }
    starts[k] = low;
  }
}
