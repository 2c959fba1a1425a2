#version 450
// Converts between element types. 16-bit elements are packed two to a word (first in the low half), so no 16-bit storage feature is needed.
// A lane handles two elements. Rounding to 16 bits is to nearest even, done in integers: the same bits on every device.
#extension GL_GOOGLE_include_directive : require
#include "texels.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint FROM = 0;   // DType: 0 f32, 1 i32, 2 u32, 3 f16, 4 bf16
layout(constant_id = 1) const uint TO = 0;
layout(set = 0, binding = 0) uniform usamplerBuffer source;
layout(set = 0, binding = 1) writeonly buffer Out { uint target[]; };
layout(push_constant) uniform Push { uint count; } p;

float halfToFloat(uint bits) {
  uint magnitude = bits & 0x7FFFu, negative = (bits & 0x8000u) << 16;
  if (magnitude >= 0x7C00u) return uintBitsToFloat(negative | 0x7F800000u | ((magnitude & 0x3FFu) << 13));
  if (magnitude < 0x400u) return uintBitsToFloat(floatBitsToUint(float(magnitude) * 5.9604644775390625e-8) | negative);
  return uintBitsToFloat(negative | ((magnitude << 13) + 0x38000000u));
}

uint floatToHalf(float value) {
  uint bits = floatBitsToUint(value), negative = (bits >> 16) & 0x8000u, magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return negative | 0x7E00u;             // NaN
  if (magnitude >= 0x47800000u) return negative | 0x7C00u;            // 65536 and more
  if (magnitude < 0x33000000u) return negative;                       // below half of the smallest subnormal
  uint mantissa, shift;
  if (magnitude < 0x38800000u) {
    mantissa = (magnitude & 0x7FFFFFu) | 0x800000u;
    shift = 126u - (magnitude >> 23);
  } else {
    mantissa = magnitude - 0x38000000u;
    shift = 13u;
  }
  // Round to nearest, ties to even.
  uint kept = mantissa >> shift, lost = mantissa & ((1u << shift) - 1u), tie = 1u << (shift - 1u);
  if (lost > tie || (lost == tie && (kept & 1u) != 0u)) ++kept;
  return negative | kept;
}

uint floatToBfloat(float value) {
  uint bits = floatBitsToUint(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return (bits >> 16) | 0x40u;
  return (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
}

float load(uint i) {
  if (FROM == 0u) return uintBitsToFloat(LOAD(source, i));
  if (FROM == 1u) return float(int(LOAD(source, i)));
  if (FROM == 2u) return float(LOAD(source, i));
  uint half16 = (LOAD(source, i >> 1) >> ((i & 1u) * 16u)) & 0xFFFFu;
  return FROM == 3u ? halfToFloat(half16) : uintBitsToFloat(half16 << 16);
}

void main() {
  uint pairs = (p.count + 1u) / 2u;
  uint stride = gl_NumWorkGroups.x * 64u;
  for (uint pair = gl_GlobalInvocationID.x; pair < pairs; pair += stride) {
    uint i = pair * 2u;
    bool two = i + 1u < p.count;
    if (FROM == TO && FROM < 3u) {
      target[i] = LOAD(source, i);
      if (two) target[i + 1u] = LOAD(source, i + 1u);
      continue;
    }
    if (FROM == TO) {
      target[pair] = LOAD(source, pair);
      continue;
    }
    float first = load(i), second = two ? load(i + 1u) : 0.0;
    if (TO == 3u) {
      target[pair] = floatToHalf(first) | (two ? floatToHalf(second) << 16 : 0u);
    } else if (TO == 4u) {
      target[pair] = floatToBfloat(first) | (two ? floatToBfloat(second) << 16 : 0u);
    } else {
      target[i] = TO == 0u ? floatBitsToUint(first) : TO == 1u ? uint(int(first)) : uint(first);
      if (two) target[i + 1u] = TO == 0u ? floatBitsToUint(second) : TO == 1u ? uint(int(second)) : uint(second);
    }
  }
}
