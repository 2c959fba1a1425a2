#version 450
#extension GL_GOOGLE_include_directive : require
// Greedy suppression of boxes sorted best first, in two passes.
//   PASS 0  bit j of mask[i, word]: box 32 word + j comes after box i, is of its class and overlaps it by more than the threshold
//   PASS 1  one workgroup walks 32 boxes at a time: which of them stay, in order; then these strike out later ones, lane by lane
#include "boxes.glsl"
#include "divide.glsl"
#include "texels.glsl"
layout(constant_id = 0) const uint PASS = 0u;
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) uniform samplerBuffer boxes;      // [n, 4], sorted
layout(set = 0, binding = 1) uniform usamplerBuffer classes;   // [n], sorted
layout(set = 0, binding = 2) uniform usamplerBuffer order;     // [n]: where they were
layout(set = 0, binding = 3) uniform usamplerBuffer maskIn;    // PASS 1
layout(set = 0, binding = 4) writeonly buffer Mask { uint mask[]; };
layout(set = 0, binding = 5) writeonly buffer Keep { uint keep[]; };
layout(push_constant) uniform Push { uint n, words, hasClasses; float threshold; };

shared uint removed[1024];

void findOverlaps() {
  uint count = n * words, step = gl_NumWorkGroups.x * 64u;
  for (uint at = gl_GlobalInvocationID.x; at < count; at += step) {
    uint i = divideBy(at, words), first = (at - i * words) * 32u, bits = 0u;
    vec4 box = texelFetch(boxes, int(i));
    float area = areaOf(box);
    uint own = LOAD(classes, i);
    uint end = first + 31u > i ? min(32u, n - first) : 0u;
    for (uint k = 0u; k < end; ++k) {
      uint j = first + k;
      vec4 other = texelFetch(boxes, int(j));
      float both = intersectionOf(box, other);
      // As a product: no division, and exact where the areas are whole numbers.
      bool over = both > threshold * (area + areaOf(other) - both);
      if (over && j > i && (hasClasses == 0u || LOAD(classes, j) == own)) bits |= 1u << k;
    }
    mask[at] = bits;
  }
}

void main() {
  if (PASS == 0u) {
    findOverlaps();
    return;
  }
  uint lane = gl_LocalInvocationID.x;
  for (uint w = lane; w < words; w += 64u) removed[w] = 0u;
  barrier();
  for (uint block = 0u; block < words; ++block) {
    // Every lane finds the same: which of these 32 boxes stay.
    uint gone = removed[block], size = min(32u, n - block * 32u);
    for (uint k = 0u; k < size; ++k) {
      if ((gone >> k & 1u) == 0u) gone |= LOAD(maskIn, (block * 32u + k) * words + block);
    }
    if (lane < size) keep[LOAD(order, block * 32u + lane)] = 1u - (gone >> lane & 1u);
    // The ones that stay strike out later ones.
    for (uint w = block + 1u + lane; w < words; w += 64u) {
      uint bits = removed[w];
      for (uint k = 0u; k < size; ++k) {
        if ((gone >> k & 1u) == 0u) bits |= LOAD(maskIn, (block * 32u + k) * words + w);
      }
      removed[w] = bits;
    }
    barrier();
  }
}
