#version 450
#extension GL_GOOGLE_include_directive : require
// Bilinear samples of images at the places of a grid. One invocation per output pixel of an image, walking the channels.
// MODE 0: the samples. 1: dL/dgrid. 2: the shares of dL/dx: four keys (image and pixel, or `none`) and weights per output pixel.
#include "divide.glsl"
#include "texels.glsl"
layout(constant_id = 0) const uint MODE = 0u;
layout(constant_id = 1) const uint BORDER = 0u;
layout(constant_id = 2) const uint ALIGN = 0u;
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) uniform samplerBuffer x4;
layout(set = 0, binding = 1) uniform samplerBuffer grid4;
layout(set = 0, binding = 2) uniform samplerBuffer gradient4;
layout(set = 0, binding = 3, std430) writeonly buffer Result { float result[]; };
layout(set = 0, binding = 4, std430) writeonly buffer Keys { uint keys[]; };
layout(push_constant) uniform Push { uint count, channels, pixels; int height, width; uint none; };   // pixels: of one output image

// The place in pixels and its derivative by the grid's coordinate.
vec2 placeOf(float coordinate, int extent) {
  float factor = ALIGN != 0u ? 0.5 * float(extent - 1) : 0.5 * float(extent);
  float place = ALIGN != 0u ? (coordinate + 1.0) * factor : (coordinate + 1.0) * factor - 0.5;
  if (BORDER != 0u) {
    float last = float(extent - 1);
    if (!(place > 0.0 && place < last)) factor = 0.0;
    place = clamp(place, 0.0, last);
  }
  // Far outside nothing is read; whole numbers stay exact.
  return vec2(clamp(place, -2.0, float(extent) + 1.0), factor);
}

bool inside(ivec2 p) { return p.x >= 0 && p.x < width && p.y >= 0 && p.y < height; }

void main() {
  uint step = gl_NumWorkGroups.x * 64u;
  for (uint i = gl_GlobalInvocationID.x; i < count; i += step) {
    uint n = divideBy(i, pixels), pixel = i - n * pixels;
    vec2 px = placeOf(LOAD(grid4, 2u * i), width), py = placeOf(LOAD(grid4, 2u * i + 1u), height);
    ivec2 corner = ivec2(floor(vec2(px.x, py.x)));
    vec2 t = vec2(px.x, py.x) - vec2(corner);
    bool in00 = inside(corner), in10 = inside(corner + ivec2(1, 0)), in01 = inside(corner + ivec2(0, 1)), in11 = inside(corner + ivec2(1, 1));
    int at = corner.y * width + corner.x;
    if (MODE == 2u) {
      uint image = n * uint(height * width);
      keys[4u * i] = in00 ? image + uint(at) : none;
      keys[4u * i + 1u] = in10 ? image + uint(at + 1) : none;
      keys[4u * i + 2u] = in01 ? image + uint(at + width) : none;
      keys[4u * i + 3u] = in11 ? image + uint(at + width + 1) : none;
      result[4u * i] = (1.0 - t.x) * (1.0 - t.y);
      result[4u * i + 1u] = t.x * (1.0 - t.y);
      result[4u * i + 2u] = (1.0 - t.x) * t.y;
      result[4u * i + 3u] = t.x * t.y;
      continue;
    }
    vec2 toGrid = vec2(0);
    for (uint c = 0u; c < channels; ++c) {
      uint plane = n * channels + c;
      int base = int(plane) * height * width + at;
      float v00 = in00 ? LOAD(x4, uint(base)) : 0.0, v10 = in10 ? LOAD(x4, uint(base + 1)) : 0.0;
      float v01 = in01 ? LOAD(x4, uint(base + width)) : 0.0, v11 = in11 ? LOAD(x4, uint(base + width + 1)) : 0.0;
      if (MODE == 0u) {
        result[plane * pixels + pixel] = mix(mix(v00, v10, t.x), mix(v01, v11, t.x), t.y);
      } else {
        float g = LOAD(gradient4, plane * pixels + pixel);
        toGrid += g * vec2(mix(v10 - v00, v11 - v01, t.y), mix(v01 - v00, v11 - v10, t.x));
      }
    }
    if (MODE == 1u) {
      result[2u * i] = toGrid.x * px.y;
      result[2u * i + 1u] = toGrid.y * py.y;
    }
  }
}
