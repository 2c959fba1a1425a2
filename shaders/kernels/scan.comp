#version 450
// Sums along the last axis of [rows, n], inclusive or exclusive, in three passes: the sum of every block, the exclusive scan of the block
// sums of a row, then every block again with its start. Words are u32 or f32 by the constant FLOAT.
// Default build (CPU devices): a lane walks its own block, no barriers. @subgroup (GPUs): a workgroup of 256 lanes per block of 1024.
//! variant subgroup -DUSE_SUBGROUP=1
#extension GL_GOOGLE_include_directive : require
#include "texels.glsl"
#ifdef USE_SUBGROUP
#extension GL_KHR_shader_subgroup_arithmetic : require
layout(local_size_x = 256) in;
shared uint subgroupSums[256];
#else
layout(local_size_x = 8) in;
#endif
layout(constant_id = 0) const uint PASS = 0;
layout(constant_id = 1) const uint FLOAT = 0;
layout(constant_id = 2) const uint EXCLUSIVE = 0;
layout(set = 0, binding = 0) uniform usamplerBuffer source;
layout(set = 0, binding = 1) buffer Sums { uint sums[]; };         // [rows, blocks]
layout(set = 0, binding = 2) writeonly buffer Out { uint result[]; };
layout(push_constant) uniform Push { uint rows, n, block, blocks; } p;

uint add(uint a, uint b) { return FLOAT != 0u ? floatBitsToUint(uintBitsToFloat(a) + uintBitsToFloat(b)) : a + b; }

#ifdef USE_SUBGROUP

uint subgroupPrefix(uint value) {
  if (FLOAT != 0u) return floatBitsToUint(subgroupExclusiveAdd(uintBitsToFloat(value)));
  return subgroupExclusiveAdd(value);
}

// The exclusive prefix of `value` over the workgroup, and the sum of all.
uint workgroupPrefix(uint value, out uint total) {
  uint prefix = subgroupPrefix(value);
  if (gl_SubgroupInvocationID == gl_SubgroupSize - 1u) subgroupSums[gl_SubgroupID] = add(prefix, value);
  barrier();
  uint before = 0u;
  for (uint s = 0u; s < gl_SubgroupID; ++s) before = add(before, subgroupSums[s]);
  total = before;
  for (uint s = gl_SubgroupID; s < gl_NumSubgroups; ++s) total = add(total, subgroupSums[s]);
  barrier();
  return add(before, prefix);
}

void main() {
  uint lane = gl_SubgroupID * gl_SubgroupSize + gl_SubgroupInvocationID;
  for (uint row = gl_WorkGroupID.y; row < p.rows; row += gl_NumWorkGroups.y) {
    if (PASS == 1u) {
      uint carry = 0u;
      for (uint first = 0u; first < p.blocks; first += 256u) {
        bool inside = first + lane < p.blocks;
        uint index = row * p.blocks + first + lane, total;
        uint prefix = workgroupPrefix(inside ? sums[index] : 0u, total);
        if (inside) sums[index] = add(carry, prefix);
        carry = add(carry, total);
      }
    } else {
      uint first = gl_WorkGroupID.x * p.block + lane * 4u;
      uint values[4], sum = 0u, total;
      for (uint k = 0u; k < 4u; ++k) {
        values[k] = first + k < p.n ? LOAD(source, row * p.n + first + k) : 0u;
        sum = add(sum, values[k]);
      }
      uint prefix = workgroupPrefix(sum, total);
      if (PASS == 0u) {
        if (lane == 0u) sums[row * p.blocks + gl_WorkGroupID.x] = total;
      } else {
        prefix = add(sums[row * p.blocks + gl_WorkGroupID.x], prefix);
        for (uint k = 0u; k < 4u; ++k) {
          uint next = add(prefix, values[k]);
          if (first + k < p.n) result[row * p.n + first + k] = EXCLUSIVE != 0u ? prefix : next;
          prefix = next;
        }
      }
    }
  }
}

#else

void main() {
  uint stride = gl_NumWorkGroups.x * 8u;
  if (PASS == 1u) {
    for (uint row = gl_GlobalInvocationID.x; row < p.rows; row += stride) {
      uint running = 0u;
      for (uint i = row * p.blocks; i < (row + 1u) * p.blocks; ++i) {
        uint value = sums[i];
        sums[i] = running;
        running = add(running, value);
      }
    }
    return;
  }
  for (uint task = gl_GlobalInvocationID.x; task < p.rows * p.blocks; task += stride) {
    uint row = task / p.blocks;
    uint first = (task - row * p.blocks) * p.block;
    uint last = min(first + p.block, p.n);
    uint running = PASS == 0u ? 0u : sums[task];
    for (uint i = row * p.n + first; i < row * p.n + last; ++i) {
      uint next = add(running, LOAD(source, i));
      if (PASS == 2u) result[i] = EXCLUSIVE != 0u ? running : next;
      running = next;
    }
    if (PASS == 0u) sums[task] = running;
  }
}

#endif
