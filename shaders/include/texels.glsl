// Reading f32 tensors as texels: see the note on lavapipe in core/gpu/stream.h. `i` counts f32 elements.

// Element i.
#define LOAD(buffer, i) texelFetch(buffer, int((i) >> 2))[(i) & 3u]

// Picks elements i .. i + 3 out of two neighbouring texels, i not necessarily a multiple of 4.
vec4 joinTexels(vec4 low, vec4 high, uint i) {
  uint shift = i & 3u;
  return shift == 0u ? low : shift == 1u ? vec4(low.yzw, high.x) : shift == 2u ? vec4(low.zw, high.xy) : vec4(low.w, high.xyz);
}
#define LOAD4(buffer, i) joinTexels(texelFetch(buffer, int((i) >> 2)), texelFetch(buffer, int((i) >> 2) + 1), (i))
