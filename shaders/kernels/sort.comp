#version 450
// One 8-bit digit of a stable least-significant-digit radix sort of the rows of [rows, n].
// PASS 0 counts the digits of every block: counts[row, digit, block]. Their exclusive scan along (digit, block), done by kernels/scan, is where
// each block's first key of that digit goes. PASS 1 moves keys and payload there, in order.
// f32 keys are sorted by the usual bit flip (negative: all bits, positive: the sign); every NaN becomes the largest word and comes last.
// Default build (CPU devices): a lane walks its own block, no barriers. @subgroup (GPUs): a workgroup per block, ranks by ballots.
//! variant subgroup -DUSE_SUBGROUP=1
#extension GL_GOOGLE_include_directive : require
#include "texels.glsl"
layout(constant_id = 0) const uint PASS = 0;
layout(constant_id = 1) const uint FLOAT_IN = 0;    // first digit of f32 keys: flip while reading
layout(constant_id = 2) const uint FLOAT_OUT = 0;   // last digit of f32 keys: flip back while writing
layout(constant_id = 3) const uint INDEX = 0;       // first digit without payload: the payload is the position in the row
#ifdef USE_SUBGROUP
#extension GL_KHR_shader_subgroup_ballot : require
layout(local_size_x_id = 4) in;
const uint SUBGROUPS = 16u;                          // at most; the host chooses the local size so
shared uint digitCount[SUBGROUPS * 256u];
shared uint digitStart[256];
#else
layout(local_size_x = 8) in;
#endif
layout(set = 0, binding = 0) uniform usamplerBuffer keysIn;
layout(set = 0, binding = 1) uniform usamplerBuffer payloadIn;
layout(set = 0, binding = 2) buffer Counts { uint counts[]; };
layout(set = 0, binding = 3) writeonly buffer KeysOut { uint keysOut[]; };
layout(set = 0, binding = 4) writeonly buffer PayloadOut { uint payloadOut[]; };
layout(push_constant) uniform Push { uint rows, n, block, blocks, shift; } p;

uint readKey(uint i) {
  uint key = LOAD(keysIn, i);
  if (FLOAT_IN != 0u) {
    if ((key & 0x7FFFFFFFu) > 0x7F800000u) return 0xFFFFFFFFu;
    key = (key & 0x80000000u) != 0u ? ~key : key | 0x80000000u;
  }
  return key;
}

uint written(uint key) {
  if (FLOAT_OUT == 0u) return key;
  return (key & 0x80000000u) != 0u ? key & 0x7FFFFFFFu : ~key;
}

uint payloadOf(uint row, uint i) { return INDEX != 0u ? i - row * p.n : LOAD(payloadIn, i); }

#ifdef USE_SUBGROUP

void main() {
  uint lane = gl_SubgroupID * gl_SubgroupSize + gl_SubgroupInvocationID, lanes = gl_WorkGroupSize.x;
  for (uint row = gl_WorkGroupID.y; row < p.rows; row += gl_NumWorkGroups.y) {
    uint block = gl_WorkGroupID.x;
    uint first = block * p.block, last = min(first + p.block, p.n);
    for (uint d = lane; d < 256u; d += lanes) digitStart[d] = PASS == 0u ? 0u : counts[(row * 256u + d) * p.blocks + block];
    barrier();
    if (PASS == 0u) {
      for (uint i = first + lane; i < last; i += lanes) atomicAdd(digitStart[(readKey(row * p.n + i) >> p.shift) & 255u], 1u);
      barrier();
      for (uint d = lane; d < 256u; d += lanes) counts[(row * 256u + d) * p.blocks + block] = digitStart[d];
      barrier();
      continue;
    }
    for (uint start = first; start < last; start += lanes) {
      for (uint d = lane; d < gl_NumSubgroups * 256u; d += lanes) digitCount[d] = 0u;
      barrier();
      // Find the lanes of this subgroup that hold the same digit.
      uint i = start + lane;
      bool inside = i < last;
      uint key = inside ? readKey(row * p.n + i) : 0u;
      uint digit = (key >> p.shift) & 255u;
      uvec4 same = subgroupBallot(inside);
      for (uint bit = 0u; bit < 8u; ++bit) {
        bool one = (digit >> bit & 1u) != 0u;
        uvec4 ones = subgroupBallot(one);
        same &= one ? ones : ~ones;
      }
      uint rank = subgroupBallotExclusiveBitCount(same);
      if (inside && rank == 0u) digitCount[gl_SubgroupID * 256u + digit] = subgroupBallotBitCount(same);
      barrier();
      // Add what the earlier subgroups of this round hold.
      if (inside) {
        uint to = digitStart[digit] + rank;
        for (uint s = 0u; s < gl_SubgroupID; ++s) to += digitCount[s * 256u + digit];
        keysOut[row * p.n + to] = written(key);
        payloadOut[row * p.n + to] = payloadOf(row, row * p.n + i);
      }
      barrier();
      for (uint d = lane; d < 256u; d += lanes) {
        uint sum = digitStart[d];
        for (uint s = 0u; s < gl_NumSubgroups; ++s) sum += digitCount[s * 256u + d];
        digitStart[d] = sum;
      }
      barrier();
    }
    barrier();
  }
}

#else

void main() {
  uint stride = gl_NumWorkGroups.x * 8u;
  for (uint task = gl_GlobalInvocationID.x; task < p.rows * p.blocks; task += stride) {
    uint row = task / p.blocks, block = task - row * p.blocks;
    uint first = row * p.n + block * p.block, last = row * p.n + min((block + 1u) * p.block, p.n);
    uint table = row * 256u * p.blocks + block;
    if (PASS == 0u) {
      for (uint d = 0u; d < 256u; ++d) counts[table + d * p.blocks] = 0u;
      for (uint i = first; i < last; ++i) ++counts[table + ((readKey(i) >> p.shift) & 255u) * p.blocks];
    } else {
      for (uint i = first; i < last; ++i) {
        uint key = readKey(i);
        uint place = table + ((key >> p.shift) & 255u) * p.blocks;
        uint to = row * p.n + counts[place];
        ++counts[place];
        keysOut[to] = written(key);
        payloadOut[to] = payloadOf(row, i);
      }
    }
  }
}

#endif
