#pragma once
// Block suballocator. Buffers come from 64 MiB blocks with one VkBuffer each; ranges above 32 MiB get a block of their own. Images have
// blocks of their own, since buffers and images may not share a page (bufferImageGranularity).
// Thread-safe. Owns the VkDevice's last reference: buffers may outlive the Device object.

#include <vulkan/vulkan.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "core/gpu/buffer.h"

namespace orrery::gpu {

enum class MemoryUse { storage, staging, image };

struct FreeRange {
  std::uint64_t offset = 0, bytes = 0;
};

struct MemoryBlock {
  VkDeviceMemory memory = VK_NULL_HANDLE;
  VkBuffer buffer = VK_NULL_HANDLE;        // null for image blocks
  std::uint64_t bytes = 0;
  std::uint32_t type = 0;
  MemoryUse use = MemoryUse::storage;
  std::byte* mapped = nullptr;
  bool dedicated = false;
  std::vector<FreeRange> free;             // sorted by offset, never adjacent
};

// Destroys the VkDevice when the last user (Device or Buffer) is gone.
struct DeviceOwner {
  VkDevice device = VK_NULL_HANDLE;
  DeviceOwner() = default;
  DeviceOwner(const DeviceOwner&) = delete;
  DeviceOwner& operator=(const DeviceOwner&) = delete;
  ~DeviceOwner() {
    if (device != VK_NULL_HANDLE) vkDestroyDevice(device, nullptr);
  }
};

class Memory : public std::enable_shared_from_this<Memory> {
 public:
  Memory(std::shared_ptr<DeviceOwner> owner, VkPhysicalDevice physical, bool preferMapped);
  ~Memory();

  std::shared_ptr<Buffer> allocate(std::uint64_t bytes, MemoryUse use);
  void release(MemoryBlock* block, std::uint64_t offset, std::uint64_t bytes);

  struct ImagePlace {
    MemoryBlock* block = nullptr;
    std::uint64_t offset = 0, bytes = 0;
  };
  ImagePlace allocateForImage(const VkMemoryRequirements& requirements);

  // Storage is visible to the host and copies are plain memcpy (CPU and integrated devices).
  bool storageIsMapped() const { return storageIsMapped_; }
  std::uint64_t bytesInUse() const { return inUse_.load(std::memory_order_relaxed); }
  std::uint64_t blocksMade() const { return blocksMade_.load(std::memory_order_relaxed); }  // Vulkan allocations so far
  void injectOutOfMemory(int allocation) { failAt_.store(allocation); }
  VkDevice device() const { return owner_->device; }

 private:
  MemoryBlock* newBlock(std::uint64_t bytes, MemoryUse use, std::uint32_t type, bool dedicated);
  void destroyBlock(MemoryBlock* block);
  std::uint32_t typeFor(MemoryUse use) const { return use == MemoryUse::staging ? stagingType_ : storageType_; }
  std::optional<std::uint32_t> findType(std::uint32_t allowed, VkMemoryPropertyFlags wanted) const;
  std::uint64_t availableIn(std::uint32_t type) const;
  void countInjection(std::uint64_t bytes);
  std::optional<std::uint64_t> take(MemoryBlock& block, std::uint64_t bytes, std::uint64_t alignment);

  std::shared_ptr<DeviceOwner> owner_;
  VkPhysicalDeviceMemoryProperties properties_{};
  std::uint64_t alignment_ = 256;
  std::uint64_t maxAllocation_ = 0;
  std::uint32_t storageType_ = 0, stagingType_ = 0;
  bool storageIsMapped_ = false;
  std::atomic<std::uint64_t> inUse_{0};
  std::atomic<int> failAt_{0};
  std::atomic<std::uint64_t> blocksMade_{0};
  // Bytes of blocks that are not idle; the most of them in this stretch of time and in the one before. Guarded by mutex_.
  std::uint64_t held_ = 0, peak_ = 0, earlierPeak_ = 0;
  std::chrono::steady_clock::time_point windowBegan_{};
  std::vector<std::uint64_t> heapUsed_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<MemoryBlock>> blocks_;
};

}  // namespace orrery::gpu
