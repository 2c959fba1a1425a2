#version 450
// One object of a ShapeWorld table per invocation: what shapeworld_raster.comp needs of it at every pixel, as three texels:
//   cx, cy, (r + unit)^2 or 0 after the last object, (inscribed radius - unit)^2 or 0
//   the normals of half planes 0..3, x in the low 16 bits and y in the high ones
//   the normal of plane 4, limit (circle: r^2), colour R | G << 8 | B << 16, number of planes | star << 8
// Every shape but the circle is a set of half planes n.p <= limit with n = (sin t, -cos t) at evenly spaced t.
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) uniform usamplerBuffer scenes;
layout(set = 0, binding = 1) writeonly buffer Out { uint result[]; };
layout(push_constant) uniform Push { uint count, unit, capacity; } p;

// floor(16384 cos(3k deg) + 1/2)
const int cosine[120] = int[120](
    16384, 16362, 16294, 16182, 16026, 15826, 15582, 15296, 14968, 14598, 14189, 13741, 13255, 12733, 12176, 11585, 10963, 10311, 9630, 8923,
    8192, 7438, 6664, 5872, 5063, 4240, 3406, 2563, 1713, 857, 0, -857, -1713, -2563, -3406, -4240, -5063, -5872, -6664, -7438,
    -8192, -8923, -9630, -10311, -10963, -11585, -12176, -12733, -13255, -13741, -14189, -14598, -14968, -15296, -15582, -15826, -16026, -16182, -16294, -16362,
    -16384, -16362, -16294, -16182, -16026, -15826, -15582, -15296, -14968, -14598, -14189, -13741, -13255, -12733, -12176, -11585, -10963, -10311, -9630, -8923,
    -8192, -7438, -6664, -5872, -5063, -4240, -3406, -2563, -1713, -857, 0, 857, 1713, 2563, 3406, 4240, 5063, 5872, 6664, 7438,
    8192, 8923, 9630, 10311, 10963, 11585, 12176, 12733, 13255, 13741, 14189, 14598, 14968, 15296, 15582, 15826, 16026, 16182, 16294, 16362);

const uint colours[8] = uint[8](0x2F32DCu, 0x1E8CF0u, 0x32D7EBu, 0x46AA3Cu, 0xC8BE28u, 0xD25A32u, 0xBE4696u, 0xF0F0F0u);

// By class; the circle has no planes. The inscribed radius is in percent of the circumscribed one, rounded down.
const ivec4 planeCount = ivec4(0, 4, 3, 5), planeFirst = ivec4(0, 0, 20, 0), planeStep = ivec4(0, 30, 40, 24);
const ivec4 planeLimit = ivec4(0, 11585, 8192, 5063), inscribed = ivec4(100, 70, 49, 30);

uint normalAt(int angle) { return (uint(cosine[(angle + 90) % 120]) & 0xFFFFu) | uint(-cosine[angle % 120]) << 16; }

void main() {
  uint i = gl_GlobalInvocationID.x;
  if (i >= p.count) return;
  uint scene = i / p.capacity, o = i - scene * p.capacity;
  uvec4 object = texelFetch(scenes, int(scene * (2u + p.capacity) + 2u + o));
  uint shape = object.x & 3u;
  int r = int(object.y), unit = int(p.unit), angle = int(object.x >> 16) + planeFirst[shape], turn = planeStep[shape];
  int inner = max(r * inscribed[shape] / 100 - unit, 0), outer = r == 0 ? 0 : r + unit;
  uint at = 12u * i;
  result[at] = object.z;
  result[at + 1u] = object.w;
  result[at + 2u] = uint(outer * outer);
  result[at + 3u] = uint(inner * inner);
  for (int k = 0; k < 5; ++k) result[at + 4u + uint(k)] = normalAt(angle + k * turn);
  result[at + 9u] = uint(shape == 0u ? r * r : planeLimit[shape] * r);
  result[at + 10u] = colours[(object.x >> 8) & 7u];
  result[at + 11u] = uint(planeCount[shape]) | (shape == 3u ? 256u : 0u);
}
