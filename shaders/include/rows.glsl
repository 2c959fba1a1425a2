// Walking rows of f32 texels, for kernels that treat each row of the last axis alike. MODE tells who walks a row:
//   0  one invocation per row (short rows),
//   1  one workgroup per row, invocation l takes texels l, l + LANES, ... (long rows),
//   2  the axis is not the last one: one invocation per column, elements `inner` apart.
// LANES is 8 (one lavapipe subgroup: shuffles, no shared memory) or, built with -DWIDE, 256 (shared memory).

#ifdef WIDE
#define LANES 256u
layout(local_size_x = 256) in;
shared float groupScratch[256];
#define GROUP_REDUCE(name, operation) \
  float name(float value) { \
    uint l = gl_LocalInvocationID.x; \
    barrier(); \
    groupScratch[l] = value; \
    barrier(); \
    for (uint half_ = 128u; half_ > 0u; half_ >>= 1) { \
      if (l < half_) { float a = groupScratch[l], b = groupScratch[l + half_]; groupScratch[l] = operation; } \
      barrier(); \
    } \
    return groupScratch[0]; \
  }
#else
#define LANES 8u
layout(local_size_x = 8) in;
#define GROUP_REDUCE(name, operation) \
  float name(float value) { \
    for (uint step_ = 1u; step_ < 8u; step_ <<= 1) { \
      float a = value, b = subgroupShuffle(value, gl_SubgroupInvocationID ^ step_); \
      value = operation; \
    } \
    return value; \
  }
#endif

GROUP_REDUCE(groupSum, a + b)
GROUP_REDUCE(groupMax, max(a, b))
GROUP_REDUCE(groupMin, min(a, b))

float sumOf(vec4 x) { return (x.x + x.y) + (x.z + x.w); }
float maxOf(vec4 x) { return max(max(x.x, x.y), max(x.z, x.w)); }

// Long sums are made of blocks of this many terms: the error grows with the square root of the blocks, not of the terms.
const uint SUM_BLOCK = 64u;
