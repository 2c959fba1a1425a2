#version 450
// For the tests of core/gpu: to[i] = from[i] * multiplier + constant, with the constant as specialisation constant 0.
//! variant twice -DFACTOR=2u

#ifndef FACTOR
#define FACTOR 1u
#endif
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint addend = 1;
layout(std430, binding = 0) readonly buffer From { uint from[]; };
layout(std430, binding = 1) writeonly buffer To { uint to[]; };
layout(push_constant) uniform Push { uint count; uint multiplier; };

void main() {
  uint i = gl_GlobalInvocationID.x;
  if (i < count) to[i] = from[i] * multiplier * FACTOR + addend;
}
