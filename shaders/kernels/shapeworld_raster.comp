#version 450
// One pixel per invocation of ShapeWorld v1, integers only; the row of the table is described in core/kernels/shapeworld_raster.h.
// A lattice of 2048 x 2048 units, `unit` of them per pixel, 4 x 4 samples at x unit + unit (2 i + 1) / 8. Every shape but the circle is a set of
// half planes n.p <= limit with n = (sin t, -cos t) at evenly spaced t: the square and the triangle allow no plane to fail, the star one of five.
// What is skipped is skipped by loops of no iteration: lavapipe executes both sides of a branch, but leaves a loop when no lane is in it.
#extension GL_GOOGLE_include_directive : require
#include "philox.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint OUTPUT = 0;   // 0 images, 1 pixels, 2 owners
layout(set = 0, binding = 0) uniform usamplerBuffer scenes;
layout(set = 0, binding = 1) writeonly buffer Out { uint result[]; };
layout(push_constant) uniform Push { uint size, unit, capacity; } p;

// floor(16384 cos(3k deg) + 1/2)
const int cosine[120] = int[120](
    16384, 16362, 16294, 16182, 16026, 15826, 15582, 15296, 14968, 14598, 14189, 13741, 13255, 12733, 12176, 11585, 10963, 10311, 9630, 8923,
    8192, 7438, 6664, 5872, 5063, 4240, 3406, 2563, 1713, 857, 0, -857, -1713, -2563, -3406, -4240, -5063, -5872, -6664, -7438,
    -8192, -8923, -9630, -10311, -10963, -11585, -12176, -12733, -13255, -13741, -14189, -14598, -14968, -15296, -15582, -15826, -16026, -16182, -16294, -16362,
    -16384, -16362, -16294, -16182, -16026, -15826, -15582, -15296, -14968, -14598, -14189, -13741, -13255, -12733, -12176, -11585, -10963, -10311, -9630, -8923,
    -8192, -7438, -6664, -5872, -5063, -4240, -3406, -2563, -1713, -857, 0, 857, 1713, 2563, 3406, 4240, 5063, 5872, 6664, 7438,
    8192, 8923, 9630, 10311, 10963, 11585, 12176, 12733, 13255, 13741, 14189, 14598, 14968, 15296, 15582, 15826, 16026, 16182, 16294, 16362);

const ivec3 colours[8] = ivec3[8](ivec3(220, 50, 47), ivec3(240, 140, 30), ivec3(235, 215, 50), ivec3(60, 170, 70), ivec3(40, 190, 200),
                                  ivec3(50, 90, 210), ivec3(150, 70, 190), ivec3(240, 240, 240));
const ivec3 tints[4] = ivec3[4](ivec3(72, 80, 92), ivec3(96, 78, 70), ivec3(74, 88, 70), ivec3(48, 50, 64));

// By class; the circle has no planes.
const ivec4 planeCount = ivec4(0, 4, 3, 5), planeFirst = ivec4(0, 0, 20, 0), planeStep = ivec4(0, 30, 40, 24);
const ivec4 planeLimit = ivec4(0, 11585, 8192, 5063);
// Radius of the inscribed circle in percent of the circumscribed one, rounded down.
const ivec4 inscribed = ivec4(100, 70, 49, 30);

// What the texture adds to the tint at lattice point (X, Y).
int textureOffset(uvec4 style, uvec4 draw, int X, int Y) {
  int P = 7 + int(style.w);
  int co = style.z == 0u ? X : style.z == 1u ? Y : style.z == 2u ? (X + Y) >> 1 : (X - Y + 2048) >> 1;
  int offset = 0;
  if (style.x == 1u) offset = ((co * 48) >> 11) - 24;
  if (style.x == 2u) offset = ((((X >> P) + (Y >> P)) & 1) << 5) - 16;
  if (style.x == 3u) offset = (((co >> P) & 1) << 5) - 16;
  for (uint once = 0u; once < (style.x == 4u ? 1u : 0u); ++once) {
    uint cell = uint(X >> 6) | uint(Y >> 6) << 8;
    offset = int(philoxBounded(philox(uvec4(cell, 2u, draw.x, draw.y), draw.zw).x, 49u)) - 24;
  }
  if (style.x == 5u) {
    int q = 1 << (P + 1), e = (X & (q - 1)) - q / 2, f = (Y & (q - 1)) - q / 2, radius = 48 << style.w;
    offset = e * e + f * f <= radius * radius ? 20 : -8;
  }
  return offset;
}

void main() {
  uint pixel = gl_GlobalInvocationID.x, scene = gl_WorkGroupID.y;
  if (pixel >= p.size * p.size) return;
  int unit = int(p.unit), x = int(pixel % p.size), y = int(pixel / p.size);
  int row = int(scene * (2u + p.capacity));
  int X = x * unit + unit / 2, Y = y * unit + unit / 2;

  // Paint the background: tint plus texture at the pixel's centre.
  uvec4 style = texelFetch(scenes, row);
  ivec3 colour = clamp(tints[style.y & 3u] + textureOffset(style, texelFetch(scenes, row + 1), X, Y), 0, 255);
  uint owner = 0u;

  // Lay the objects over it, from back to front.
  for (uint o = 0u; o < p.capacity; ++o) {
    uvec4 object = texelFetch(scenes, row + 2 + int(o));
    int r = int(object.y);
    if (r == 0) break;
    uint shape = object.x & 3u;
    int dx = X - int(object.z), dy = Y - int(object.w), d2 = dx * dx + dy * dy;
    // Far outside the circumscribed circle or deep inside the inscribed one, with a pixel of margin, no sample needs a look.
    int outer = r + unit, inner = r * inscribed[shape] / 100 - unit;
    bool beyond = d2 > outer * outer, within = inner > 0 && d2 < inner * inner;
    bool edge = !beyond && !within;

    // Half planes: n.p at the first sample, then its steps to the right and down; bits of `once` and `twice` are samples outside of one and of two.
    uint once = 0u, twice = 0u;
    int fromX = dx - unit / 2 + unit / 8, fromY = dy - unit / 2 + unit / 8, pitch = unit / 4;
    int planes = edge ? planeCount[shape] : 0, limit = planeLimit[shape] * r, angle = int(object.x >> 16) + planeFirst[shape];
    for (int k = 0; k < planes; ++k, angle += planeStep[shape]) {
      int nx = cosine[(angle + 90) % 120], ny = -cosine[angle % 120];
      int at = nx * fromX + ny * fromY - limit, right = nx * pitch, down = ny * pitch;
      uint outside = 0u;
      for (int j = 0; j < 4; ++j) {
        for (int i = 0; i < 4; ++i) outside |= uint(at + i * right + j * down > 0) << (4 * j + i);
      }
      twice |= once & outside;
      once |= outside;
    }
    // The circle.
    for (int j = 0; j < (edge && shape == 0u ? 4 : 0); ++j) {
      int py = fromY + j * pitch;
      for (int i = 0; i < 4; ++i) {
        int px = fromX + i * pitch;
        once |= uint(px * px + py * py > r * r) << (4 * j + i);
      }
    }
    int covered = beyond ? 0 : within ? 16 : 16 - bitCount(shape == 3u ? twice : once);
    colour = (colour * (16 - covered) + colours[(object.x >> 8) & 7u] * covered + 8) >> 4;
    if (covered >= 8) owner = o + 1u;
  }

  uint pixels = p.size * p.size;
  if (OUTPUT == 1u) result[scene * pixels + pixel] = uint(colour.r) | uint(colour.g) << 8 | uint(colour.b) << 16 | 0xFF000000u;
  if (OUTPUT == 2u) result[scene * pixels + pixel] = owner;
  if (OUTPUT == 0u) {
    // The numerator is a whole number and the product is rounded once: the same bits everywhere.
    for (int channel = 0; channel < 3; ++channel)
      result[(scene * 3u + uint(channel)) * pixels + pixel] = floatBitsToUint(float(2 * colour[channel] - 255) * 0.00392156885936856);
  }
}
