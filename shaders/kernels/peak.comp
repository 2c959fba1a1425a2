#version 450
//! variant half -DHALF
#ifdef HALF
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#define REAL float16_t
#define REAL4 f16vec4
#else
#define REAL float
#define REAL4 vec4
#endif
// The multiply-add rate: CHAINS independent chains x = x b + c of vec4 in named registers, 8 rounds a step (core/kernels/benchmark.cpp).
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint CHAINS = 4u;        // 1 to 16
layout(set = 0, binding = 0, std430) buffer Result { float result[]; };
layout(push_constant) uniform Push { uint steps; float b, c; };

#define EACH16(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12) F(13) F(14) F(15)
#define START(i) REAL4 x##i = REAL4(vec4(gl_GlobalInvocationID.x) * 1e-9 + float(i));
#define STEP(i) if (CHAINS > i) x##i = x##i * factor + term;
#define ADD(i) if (CHAINS > i) sum += vec4(x##i);

void main() {
  REAL factor = REAL(b), term = REAL(c);
  EACH16(START)
  for (uint i = 0u; i < steps; ++i) {
    EACH16(STEP) EACH16(STEP) EACH16(STEP) EACH16(STEP)
    EACH16(STEP) EACH16(STEP) EACH16(STEP) EACH16(STEP)
  }
  vec4 sum = vec4(0);
  EACH16(ADD)
  result[gl_GlobalInvocationID.x] = sum.x + sum.y + sum.z + sum.w;
}
