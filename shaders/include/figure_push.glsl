// Shared by the figure shaders: one push-constant block (96 bytes) for every kind of draw, and the flags as a specialisation constant,
// so that a CPU driver, which executes both sides of a branch, compiles only the side in use.
#ifndef FIGURE_PUSH_GLSL
#define FIGURE_PUSH_GLSL

layout(push_constant) uniform Push {
  vec4 toClip;      // clip = px * xy + zw
  vec4 transform;   // px = zw + xy * f(data); images: place in the image (0..1) = zw + xy * px
  vec4 color;       // straight alpha
  vec4 rect;        // left, top, right, bottom in device px: what is visible, or where an image lies
  vec4 range;       // x: low, y: 1 / (high - low), z: radius or half width in device px, w: device px per logical px
  uvec4 info;       // x: first element, y: lines or columns, z: steps or rows, w: first step
} push;

layout(constant_id = 0) const uint flags = 0u;

const uint logX = 1u, logY = 2u, hasScalar = 4u, fade = 8u, logValue = 16u, smoothImage = 32u, alphaFromValue = 128u, rgbaImage = 256u,
           wholePixels = 512u;
uint shapeOf() { return (flags >> 12) & 15u; }
uint mapOf() { return (flags >> 16) & 15u; }
bool has(uint flag) { return (flags & flag) != 0u; }

vec2 toPixels(vec2 data) {
  const float log10Of2 = 0.30102999566398120;
  if (has(logX)) data.x = log2(data.x) * log10Of2;
  if (has(logY)) data.y = log2(data.y) * log10Of2;
  return fma(push.transform.xy, data, push.transform.zw);
}

vec4 toClip(vec2 pixel) { return vec4(fma(pixel, push.toClip.xy, push.toClip.zw), 0.0, 1.0); }

// False for NaN and for what is so far away that single precision cannot place it.
bool isPlaced(vec2 pixel) { return abs(pixel.x) < 1e6 && abs(pixel.y) < 1e6; }

// Pixels, in a strip of half width h, covered by a box of one pixel at distance d from the middle line.
float stripCoverage(float d, float h) { return clamp(min(h, d + 0.5) - max(-h, d - 0.5), 0.0, 1.0); }

#endif
