#pragma once
// Which ranges of memory were read and written since the last full barrier, and whether the next access needs one.
// A barrier here is always a full one (all earlier work before all later work), so it empties the lists.

#include <vulkan/vulkan.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/gpu/buffer.h"
#include "core/gpu/memory.h"
#include "core/gpu/stream.h"

namespace orrery::gpu {

struct MemoryRange {
  VkBuffer buffer = VK_NULL_HANDLE;
  std::uint64_t begin = 0, end = 0;
  bool operator==(const MemoryRange&) const = default;
};

class HazardTracker {
 public:
  // Whether this access must come after a barrier: read after write, write after read, write after write.
  bool conflicts(const MemoryRange& range, Access access) const {
    if (overlapsAny(writes_, range)) return true;
    return access != Access::read && overlapsAny(reads_, range);
  }

  void add(const MemoryRange& range, Access access) {
    if (access != Access::write) append(reads_, range);
    if (access != Access::read) append(writes_, range);
  }

  // Long lists cost more than the barrier that empties them.
  bool isFull() const { return reads_.size() + writes_.size() > limit; }
  void clear() { reads_.clear(), writes_.clear(); }
  bool empty() const { return reads_.empty() && writes_.empty(); }
  const std::vector<MemoryRange>& reads() const { return reads_; }
  const std::vector<MemoryRange>& writes() const { return writes_; }

 private:
  static constexpr std::size_t limit = 512;

  static bool overlapsAny(const std::vector<MemoryRange>& list, const MemoryRange& range) {
    return std::any_of(list.begin(), list.end(), [&](const MemoryRange& other) {
      return other.begin < range.end && range.begin < other.end && other.buffer == range.buffer;
    });
  }
  static void append(std::vector<MemoryRange>& list, const MemoryRange& range) {
    if (std::find(list.begin(), list.end(), range) == list.end()) list.push_back(range);
  }

  std::vector<MemoryRange> reads_, writes_;
};

// The buffers a recording uses, each once, with the hull of what is read and written: kept alive until the GPU has finished, and compared
// with other submissions. A flat hash table that keeps its memory when it is cleared.
class BufferUses {
 public:
  struct Use {
    std::shared_ptr<Buffer> buffer;
    std::uint64_t readBegin = 0, readEnd = 0, writeBegin = 0, writeEnd = 0;   // within the block's VkBuffer; empty when end == 0
  };

  void add(const std::shared_ptr<Buffer>& buffer, const MemoryRange& range, Access access) {
    Use& use = find(buffer);
    if (access != Access::write) widen(use.readBegin, use.readEnd, range);
    if (access != Access::read) widen(use.writeBegin, use.writeEnd, range);
  }

  bool contains(const Buffer* buffer) const {
    return std::any_of(uses_.begin(), uses_.end(), [&](const Use& use) { return use.buffer.get() == buffer; });
  }
  const std::vector<Use>& all() const { return uses_; }
  void clear() {
    uses_.clear();
    std::fill(slots_.begin(), slots_.end(), 0);
  }

 private:
  static void widen(std::uint64_t& begin, std::uint64_t& end, const MemoryRange& range) {
    begin = end == 0 ? range.begin : std::min(begin, range.begin);
    end = std::max(end, range.end);
  }

  Use& find(const std::shared_ptr<Buffer>& buffer) {
    if (2 * (uses_.size() + 1) > slots_.size()) grow();
    std::size_t slot = hash(buffer.get()) & (slots_.size() - 1);
    while (slots_[slot] != 0) {
      Use& use = uses_[slots_[slot] - 1];
      if (use.buffer == buffer) return use;
      slot = (slot + 1) & (slots_.size() - 1);
    }
    uses_.push_back({buffer});
    slots_[slot] = static_cast<std::uint32_t>(uses_.size());
    return uses_.back();
  }

  void grow() {
    slots_.assign(std::max<std::size_t>(64, slots_.size() * 2), 0);
    for (std::size_t i = 0; i < uses_.size(); ++i) {
      std::size_t slot = hash(uses_[i].buffer.get()) & (slots_.size() - 1);
      while (slots_[slot] != 0) slot = (slot + 1) & (slots_.size() - 1);
      slots_[slot] = static_cast<std::uint32_t>(i + 1);
    }
  }

  static std::size_t hash(const void* pointer) {
    return static_cast<std::size_t>((reinterpret_cast<std::uintptr_t>(pointer) >> 4) * std::uint64_t{0x9E3779B97F4A7C15} >> 20);
  }

  std::vector<Use> uses_;
  std::vector<std::uint32_t> slots_;   // index into uses_ plus one; 0 = empty
};

}  // namespace orrery::gpu
