#version 450
// One pixel per invocation of ShapeWorld v1, integers only; the rows of `scenes` are described in core/kernels/shapeworld_raster.h, those of
// `objects` in shapeworld_prepare.comp. A lattice of 2048 x 2048 units, `unit` of them per pixel, 4 x 4 samples at x unit + unit (2 i + 1) / 8.
// Inside: the circle by its radius, the square and the triangle when no half plane fails, the star when at most one of five does.
// What is skipped is skipped by loops of no iteration: lavapipe executes both sides of a branch, but leaves a loop when no lane is in it. It also
// reads constant arrays slowly: they are looked up once per object, in shapeworld_prepare.comp.
#extension GL_GOOGLE_include_directive : require
#include "philox.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint OUTPUT = 0;   // 0 images, 1 pixels, 2 owners
layout(set = 0, binding = 0) uniform usamplerBuffer scenes;
layout(set = 0, binding = 1) uniform usamplerBuffer objects;
layout(set = 0, binding = 2) writeonly buffer Out { uint result[]; };
layout(push_constant) uniform Push { uint size, unit, capacity; } p;

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
  int X = x * unit + unit / 2, Y = y * unit + unit / 2, pitch = unit / 4;

  // Paint the background: tint plus texture at the pixel's centre.
  int row = int(scene * (2u + p.capacity));
  uvec4 style = texelFetch(scenes, row);
  ivec3 tint = style.y == 0u ? ivec3(72, 80, 92) : style.y == 1u ? ivec3(96, 78, 70) : style.y == 2u ? ivec3(74, 88, 70) : ivec3(48, 50, 64);
  ivec3 colour = clamp(tint + textureOffset(style, texelFetch(scenes, row + 1), X, Y), 0, 255);
  uint owner = 0u;

  // Lay the objects over it, from back to front.
  for (uint o = 0u; o < p.capacity; ++o) {
    int at = 3 * int(scene * p.capacity + o);
    uvec4 place = texelFetch(objects, at);
    if (place.z == 0u) break;
    int dx = X - int(place.x), dy = Y - int(place.y), d2 = dx * dx + dy * dy;

    // Far outside the circumscribed circle, with a pixel of margin, there is nothing to do.
    for (uint once = 0u; once < (d2 > int(place.z) ? 0u : 1u); ++once) {
      uvec4 normals = texelFetch(objects, at + 1), more = texelFetch(objects, at + 2);
      int limit = int(more.y), fromX = dx - unit / 2 + unit / 8, fromY = dy - unit / 2 + unit / 8;
      // Deep inside the inscribed circle no sample needs a look.
      int planes = d2 < int(place.w) ? -1 : int(more.w & 255u);
      // Bits of `first` and `second`: samples outside of at least one and of at least two half planes.
      uint first = 0u, second = 0u;
      for (int k = 0; k < planes; ++k) {
        uint normal = k == 0 ? normals.x : k == 1 ? normals.y : k == 2 ? normals.z : k == 3 ? normals.w : more.x;
        int nx = bitfieldExtract(int(normal), 0, 16), ny = int(normal) >> 16;
        int start = nx * fromX + ny * fromY - limit, right = nx * pitch, down = ny * pitch;
        uint outside = 0u;
        for (int j = 0; j < 4; ++j) {
          for (int i = 0; i < 4; ++i) outside |= uint(start + i * right + j * down > 0) << (4 * j + i);
        }
        second |= first & outside;
        first |= outside;
      }
      // The circle.
      for (int j = 0; j < (planes == 0 ? 4 : 0); ++j) {
        int py = fromY + j * pitch;
        for (int i = 0; i < 4; ++i) {
          int px = fromX + i * pitch;
          first |= uint(px * px + py * py > limit) << (4 * j + i);
        }
      }
      int covered = 16 - bitCount((more.w & 256u) != 0u ? second : first);
      ivec3 front = ivec3(more.z & 255u, (more.z >> 8) & 255u, more.z >> 16);
      colour = (colour * (16 - covered) + front * covered + 8) >> 4;
      if (covered >= 8) owner = o + 1u;
    }
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
