#version 450
// counts[bin] += 1 by integer atomics. 1-D: bin = floor((x - low) * binsPerUnit). 2-D: row from y, column from x, row 0 at the lowest y.
// Values outside the range and NaN are not counted; a value equal to the upper end is not inside (half-open bins).
#extension GL_GOOGLE_include_directive : require
#include "texels.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint DIMENSIONS = 1;
layout(set = 0, binding = 0) uniform samplerBuffer values;
layout(set = 0, binding = 1) buffer Counts { uint counts[]; };
layout(push_constant) uniform Push { uint count; uint columns, rows; float lowX, perUnitX, lowY, perUnitY; } p;

void main() {
  uint stride = gl_NumWorkGroups.x * 64u;
  for (uint i = gl_GlobalInvocationID.x; i < p.count; i += stride) {
    if (DIMENSIONS == 1u) {
      float place = (LOAD(values, i) - p.lowX) * p.perUnitX;
      if (place >= 0.0 && place < float(p.columns)) atomicAdd(counts[uint(place)], 1u);
    } else {
      vec2 place = (vec2(LOAD(values, 2u * i), LOAD(values, 2u * i + 1u)) - vec2(p.lowX, p.lowY)) * vec2(p.perUnitX, p.perUnitY);
      if (place.x >= 0.0 && place.x < float(p.columns) && place.y >= 0.0 && place.y < float(p.rows))
        atomicAdd(counts[uint(place.y) * p.columns + uint(place.x)], 1u);
    }
  }
}
