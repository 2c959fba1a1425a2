#version 450
#extension GL_KHR_shader_subgroup_shuffle : require
// Matrix product for CPU devices. One workgroup of 8 lanes makes an 8 x 64 tile of C: lane l holds columns 8l .. 8l + 7 of all 8 rows in named
// accumulators. One texel fetch of A brings 8 rows x 4 steps of K, handed out with constant shuffles. No shared memory and no barriers:
// lavapipe turns them into coroutines. Texels, because a storage buffer read inside a loop is a loop over the lanes there.
// A and B are read where they lie when their rows are whole texels, otherwise as packed by texel_pack.comp ([panel][K/4][row][4] and
// [panel][K][64], zeros behind the end); the strides tell which.
layout(local_size_x = 8) in;
layout(set = 0, binding = 0) uniform samplerBuffer a4;
layout(set = 0, binding = 1) uniform samplerBuffer b4;
layout(set = 0, binding = 2, std430) writeonly buffer Result { float c[]; };
layout(set = 0, binding = 2, std430) writeonly buffer Result4 { vec4 c4[]; };
layout(push_constant) uniform Push {
  uint M, N, steps;          // steps: K / 4, rounded up
  uint laneA, stepA, panelA; // texels from one row, step, panel of 8 rows of A to the next
  uint rowB, panelB;         // texels from one row, panel of 64 columns of B to the next
  uint extent1, extent2;     // batch index = (i0 * extent1 + i1) * extent2 + i2
  uint batchA0, batchA1, batchA2;   // texels
  uint batchB0, batchB1, batchB2;
};

#define ROW(r, a) \
  { \
    float v0 = subgroupShuffle(a.x, r), v1 = subgroupShuffle(a.y, r), v2 = subgroupShuffle(a.z, r), v3 = subgroupShuffle(a.w, r); \
    s##r += v0 * b0; s##r += v1 * b1; s##r += v2 * b2; s##r += v3 * b3; \
    t##r += v0 * d0; t##r += v1 * d1; t##r += v2 * d2; t##r += v3 * d3; \
  }

#define STORE(r) \
  if (row + r < M) { \
    uint at = base + r * N; \
    if (whole) { c4[at >> 2] = s##r; c4[(at >> 2) + 1] = t##r; } \
    else { \
      for (uint i = 0; i < 8; ++i) { \
        if (column + i < N) c[at + i] = i < 4 ? s##r[i] : t##r[i - 4]; \
      } \
    } \
  }

void main() {
  uint lane = gl_LocalInvocationID.x, row = gl_WorkGroupID.x * 8, column = gl_WorkGroupID.y * 64 + lane * 8, batch = gl_WorkGroupID.z;
  uint i2 = batch % extent2, i1 = batch / extent2 % extent1, i0 = batch / extent2 / extent1;
  uint lastRow = min(lane, M - 1 - row);   // rows behind the end repeat the last one and are not stored
  int atA = int(i0 * batchA0 + i1 * batchA1 + i2 * batchA2 + gl_WorkGroupID.x * panelA + lastRow * laneA);
  int atB = int(i0 * batchB0 + i1 * batchB1 + i2 * batchB2 + gl_WorkGroupID.y * panelB + lane * 2);
  // Multiplied out here: nothing hoists a product out of the loop on lavapipe.
  int stepsA = int(stepA), nextB = int(rowB), nextB2 = 2 * nextB, nextB3 = 3 * nextB, nextB4 = 4 * nextB;

  vec4 s0 = vec4(0), s1 = vec4(0), s2 = vec4(0), s3 = vec4(0), s4 = vec4(0), s5 = vec4(0), s6 = vec4(0), s7 = vec4(0);
  vec4 t0 = vec4(0), t1 = vec4(0), t2 = vec4(0), t3 = vec4(0), t4 = vec4(0), t5 = vec4(0), t6 = vec4(0), t7 = vec4(0);
  for (uint step = 0; step < steps; ++step) {
    vec4 a = texelFetch(a4, atA);
    vec4 b0 = texelFetch(b4, atB), d0 = texelFetch(b4, atB + 1);
    vec4 b1 = texelFetch(b4, atB + nextB), d1 = texelFetch(b4, atB + nextB + 1);
    vec4 b2 = texelFetch(b4, atB + nextB2), d2 = texelFetch(b4, atB + nextB2 + 1);
    vec4 b3 = texelFetch(b4, atB + nextB3), d3 = texelFetch(b4, atB + nextB3 + 1);
    ROW(0, a) ROW(1, a) ROW(2, a) ROW(3, a) ROW(4, a) ROW(5, a) ROW(6, a) ROW(7, a)
    atA += stepsA;
    atB += nextB4;
  }

  uint base = (batch * M + row) * N + column;
  bool whole = column + 8 <= N && (N & 3) == 0;
  STORE(0) STORE(1) STORE(2) STORE(3) STORE(4) STORE(5) STORE(6) STORE(7)
}
