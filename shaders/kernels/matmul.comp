#version 450
//! variant pairs -DPAIRS=1
//! variant ragged -DRAGGED=1
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_GOOGLE_include_directive : require
// Matrix product for CPU devices. One workgroup of 8 lanes makes a 32 x 64 tile of C: lane l holds columns 8l .. 8l + 7 of all 32 rows in named
// accumulators. Four texel fetches of A bring 32 rows x 4 steps of K, handed out with constant shuffles. No shared memory and no barriers:
// lavapipe turns them into coroutines. Texels, because a storage buffer read inside a loop is a loop over the lanes there.
// A and B are read where they lie when their rows are whole texels, otherwise as packed by texel_pack.comp ([panel][K/4][row][4] and
// [panel][K][64], zeros behind the end); the strides tell which. `ragged`: the rows of C are not whole texels.
// BIASED, ACTIVATION, ADDED: C = f(scale A B + bias) + residual, in the epilogue. Without the factor LLVM takes the accumulators for halves of the wide
// registers that pairs are stored from, and spills 64 bytes instead of 32 for each in the loop.
// NARROW: a tile has 32 columns, lane l holds columns 4l .. 4l + 3: for few columns, of which a wide tile would waste half or more.
// SHORT: a tile has 16 rows: for few rows.
// TURNED: A lies transposed, [K][M]: a fetch brings one step of the rows (SHORT: two).
#include "stores.glsl"
#include "texels.glsl"
layout(local_size_x = 8) in;
layout(set = 0, binding = 0) uniform samplerBuffer a4;
layout(set = 0, binding = 1) uniform samplerBuffer b4;
#ifdef RAGGED
layout(set = 0, binding = 2, std430) writeonly buffer Result { float c[]; };
#else
layout(set = 0, binding = 2, std430) writeonly buffer Result4 { FOUR c4[]; };
#endif
layout(set = 0, binding = 3) uniform samplerBuffer bias4;   // [N], read when BIASED
layout(set = 0, binding = 4) uniform samplerBuffer residual4;   // of the shape of C, read when ADDED
layout(constant_id = 0) const uint BIASED = 0u;
layout(constant_id = 1) const uint ADDED = 0u;
layout(constant_id = 2) const uint ACTIVATION = 0u;   // 1 + kernels::Unary; 0: none
layout(constant_id = 3) const uint NARROW = 0u;
layout(constant_id = 4) const uint TURNED = 0u;
layout(constant_id = 5) const uint SHORT = 0u;
const uint UNARY = ACTIVATION - 1u;
#include "unary.glsl"
const uint ROWS = SHORT != 0u ? 16u : 32u;   // of a tile
const uint WIDTH = NARROW != 0u ? 4u : 8u;   // columns of a lane
layout(push_constant) uniform Push {
  uint M, N, steps;          // steps: K / 4, rounded up
  uint laneA, stepA, panelA; // texels from one row (TURNED: one step), four steps, panel of ROWS rows of A to the next
  uint rowB, panelB;         // texels from one row, panel of columns of B to the next
  uint extent1, extent2;     // batch index = (i0 * extent1 + i1) * extent2 + i2
  uint batchA0, batchA1, batchA2;   // texels
  uint batchB0, batchB1, batchB2;
  float scale;
};

#define ROWS_0_TO_7(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7)
#define ROWS_8_TO_15(F) F(8) F(9) F(10) F(11) F(12) F(13) F(14) F(15)
#define ROWS_16_TO_31(F) F(16) F(17) F(18) F(19) F(20) F(21) F(22) F(23) F(24) F(25) F(26) F(27) F(28) F(29) F(30) F(31)

#define ZERO(r) vec4 s##r = vec4(0), t##r = vec4(0);

// Element (row r, step k of 4) of A, from the lane that fetched it; all constants.
#define PART(i) ((i) == 0 ? a0 : (i) == 1 ? a1 : (i) == 2 ? a2 : a3)
#define ELEMENT(r, k) \
  (TURNED == 0u ? subgroupShuffle(PART(r >> 3)[k], r & 7) \
   : SHORT == 0u ? subgroupShuffle(PART(k)[r & 3], r >> 2) \
                 : subgroupShuffle(PART(k >> 1)[r & 3], (k & 1) * 4 + (r >> 2) & 7))

#define ROW(r) \
  { \
    float v0 = ELEMENT(r, 0), v1 = ELEMENT(r, 1), v2 = ELEMENT(r, 2), v3 = ELEMENT(r, 3); \
    s##r += v0 * b0; s##r += v1 * b1; s##r += v2 * b2; s##r += v3 * b3; \
    if (NARROW == 0u) { t##r += v0 * d0; t##r += v1 * d1; t##r += v2 * d2; t##r += v3 * d3; } \
  }

// What a row's sums become: f(scale sum + bias) + residual.
vec4 finished(vec4 sum, vec4 bias) {
  vec4 value = sum * scale;
  if (BIASED != 0u) value += bias;
  return ACTIVATION != 0u ? unaryOf(value) : value;
}

#ifdef RAGGED
#define STORE(r) \
  if (row + r < M) { \
    uint at = base + r * N; \
    vec4 low = finished(s##r, biasLow), high = NARROW == 0u ? finished(t##r, biasHigh) : vec4(0); \
    for (uint i = 0; i < WIDTH; ++i) { \
      if (column + i < N) c[at + i] = (i < 4 ? low[i] : high[i - 4]) + (ADDED != 0u ? LOAD(residual4, at + i) : 0.0); \
    } \
  }
#else
#define PUT(at, value) c4[at] = asFour(ADDED != 0u ? value + texelFetch(residual4, int(at)) : value);
#define STORE(r) \
  if (row + r < M) { \
    uint at = base + r * (N >> 2); \
    if (column < N) PUT(at, finished(s##r, biasLow)) \
    if (NARROW == 0u && column + 4 < N) PUT(at + 1, finished(t##r, biasHigh)) \
  }
#endif

void main() {
  uint lane = gl_LocalInvocationID.x, row = gl_WorkGroupID.x * ROWS, column = (gl_WorkGroupID.y * 8 + lane) * WIDTH, batch = gl_WorkGroupID.z;
  uint i2 = batch % extent2, i1 = batch / extent2 % extent1, i0 = batch / extent2 / extent1;
  int atA = int(i0 * batchA0 + i1 * batchA1 + i2 * batchA2 + gl_WorkGroupID.x * panelA);
  // Where the four fetches of A begin. Rows behind the end repeat the last one and are not stored.
  uint last = M - 1 - row;
  int own = int(TURNED == 0u ? min(lane, last) * laneA : SHORT == 0u ? min(lane, last >> 2) : (lane >> 2) * laneA + min(lane & 3, last >> 2));
  atA += own;
  int to1 = TURNED == 0u ? int(min(lane + 8, last) * laneA) - own : int(SHORT == 0u ? laneA : 2 * laneA);
  int to2 = TURNED == 0u ? int(min(lane + 16, last) * laneA) - own : 2 * int(laneA);
  int to3 = TURNED == 0u ? int(min(lane + 24, last) * laneA) - own : 3 * int(laneA);
  int atB = int(i0 * batchB0 + i1 * batchB1 + i2 * batchB2 + gl_WorkGroupID.y * panelB + lane * (WIDTH / 4));
  // Multiplied out here: nothing hoists a product out of the loop on lavapipe.
  int stepsA = int(stepA), nextB = int(rowB), nextB2 = 2 * nextB, nextB3 = 3 * nextB, nextB4 = 4 * nextB;

  ROWS_0_TO_7(ZERO) ROWS_8_TO_15(ZERO) ROWS_16_TO_31(ZERO)
  for (uint step = 0; step < steps; ++step) {
    vec4 b0 = texelFetch(b4, atB), b1 = texelFetch(b4, atB + nextB), b2 = texelFetch(b4, atB + nextB2), b3 = texelFetch(b4, atB + nextB3);
    vec4 d0, d1, d2, d3;
    if (NARROW == 0u) {
      d0 = texelFetch(b4, atB + 1), d1 = texelFetch(b4, atB + nextB + 1);
      d2 = texelFetch(b4, atB + nextB2 + 1), d3 = texelFetch(b4, atB + nextB3 + 1);
    }
    vec4 a0 = texelFetch(a4, atA), a1 = texelFetch(a4, atA + to1), a2, a3;
    if (SHORT == 0u) a2 = texelFetch(a4, atA + to2), a3 = texelFetch(a4, atA + to3);
    ROWS_0_TO_7(ROW)
    ROWS_8_TO_15(ROW)
    if (SHORT == 0u) { ROWS_16_TO_31(ROW) }
    atA += stepsA;
    atB += nextB4;
  }

  vec4 biasLow = vec4(0), biasHigh = vec4(0);
  if (BIASED != 0u) {
    // Columns are whole texels of the bias even where the rows of C are not: a lane's columns begin at a multiple of 4.
    biasLow = texelFetch(bias4, int(column >> 2));
    if (NARROW == 0u) biasHigh = texelFetch(bias4, int(column >> 2) + 1);
  }
#ifdef RAGGED
  uint base = (batch * M + row) * N + column;
#else
  uint base = ((batch * M + row) * N + column) >> 2;
#endif
  ROWS_0_TO_7(STORE) ROWS_8_TO_15(STORE)
  if (SHORT == 0u) { ROWS_16_TO_31(STORE) }
}
