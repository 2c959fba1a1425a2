#version 450
// result[i, :] = table[index[i], :]. An index outside the table gives a row of NaN bits (f32) or zeros (integers): `p.missing`.
#extension GL_GOOGLE_include_directive : require
#include "texels.glsl"
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) uniform usamplerBuffer table;
layout(set = 0, binding = 1) uniform usamplerBuffer index;
layout(set = 0, binding = 2) writeonly buffer Out { uint result[]; };
layout(push_constant) uniform Push { uint rows, width, tableRows, missing; } p;

void main() {
  uint count = p.rows * p.width, stride = gl_NumWorkGroups.x * 64u;
  for (uint i = gl_GlobalInvocationID.x; i < count; i += stride) {
    uint row = i / p.width;
    uint from = LOAD(index, row);
    result[i] = from < p.tableRows ? LOAD(table, from * p.width + (i - row * p.width)) : p.missing;
  }
}
