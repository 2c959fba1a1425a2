#include "core/gpu/memory.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "core/gpu/device.h"
#include "core/gpu/state.h"
#include "core/gpu/vulkan.h"

namespace orrery::gpu {
namespace {

constexpr std::uint64_t MiB = std::uint64_t{1} << 20;
constexpr std::uint64_t blockBytes = 64 * MiB;        // few Vulkan allocations (drivers allow 4096), little waste
constexpr std::uint64_t dedicatedAbove = 32 * MiB;    // half a block: two of these would not share one well

constexpr std::uint64_t idleLimit = 128 * MiB;        // of empty blocks that are always kept for reuse; two ordinary ones
constexpr std::chrono::seconds recently{10};          // for so long, what was in use stays at hand

bool isIdle(const MemoryBlock& block) { return block.free.size() == 1 && block.free.front().bytes == block.bytes; }

std::uint64_t roundUp(std::uint64_t value, std::uint64_t step) { return (value + step - 1) / step * step; }

}  // namespace

std::byte* Buffer::mapped() const { return block_->mapped == nullptr ? nullptr : block_->mapped + offset_; }

Buffer::~Buffer() { memory_->release(block_, offset_, bytes_); }

Memory::Memory(std::shared_ptr<DeviceOwner> owner, VkPhysicalDevice physical, bool preferMapped) : owner_(std::move(owner)) {
  VkPhysicalDeviceMaintenance3Properties maintenance{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES};
  VkPhysicalDeviceProperties2 properties{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, &maintenance};
  vkGetPhysicalDeviceProperties2(physical, &properties);
  vkGetPhysicalDeviceMemoryProperties(physical, &properties_);
  const auto& limits = properties.properties.limits;
  // 256 is the largest alignment a storage buffer may ask for, and the one Tensor::rows promises.
  alignment_ = std::max<std::uint64_t>({256, limits.minStorageBufferOffsetAlignment, limits.nonCoherentAtomSize});
  maxAllocation_ = maintenance.maxMemoryAllocationSize;
  heapUsed_.resize(properties_.memoryHeapCount, 0);

  // Ask which memory types our buffers may use, with a small one.
  VkBufferCreateInfo info{VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO};
  info.size = 65536;
  info.usage = storageBufferUsage;
  VkBuffer probe = VK_NULL_HANDLE;
  check(vkCreateBuffer(device(), &info, nullptr, &probe), "vkCreateBuffer");
  VkMemoryRequirements requirements;
  vkGetBufferMemoryRequirements(device(), probe, &requirements);
  vkDestroyBuffer(device(), probe, nullptr);

  constexpr VkMemoryPropertyFlags hostCoherent = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  constexpr VkMemoryPropertyFlags local = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, cached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
  const auto bits = requirements.memoryTypeBits;
  std::optional<std::uint32_t> type;
  // Reads by the host of uncached memory are slow, so direct access needs cached memory.
  if (preferMapped) type = findType(bits, local | hostCoherent | cached);
  storageIsMapped_ = type.has_value();
  if (!type) type = findType(bits, local);
  storageType_ = type.value_or(findType(bits, 0).value_or(0));
  auto staging = findType(bits, hostCoherent | cached);
  if (!staging) staging = findType(bits, hostCoherent);
  stagingType_ = staging.value_or(storageType_);
}

Memory::~Memory() {
  while (!blocks_.empty()) destroyBlock(blocks_.back().get());
}

std::optional<std::uint32_t> Memory::findType(std::uint32_t allowed, VkMemoryPropertyFlags wanted) const {
  for (std::uint32_t i = 0; i < properties_.memoryTypeCount; ++i) {
    if ((allowed >> i & 1) != 0 && (properties_.memoryTypes[i].propertyFlags & wanted) == wanted) return i;
  }
  return std::nullopt;
}

std::uint64_t Memory::availableIn(std::uint32_t type) const {
  const std::uint32_t heap = properties_.memoryTypes[type].heapIndex;
  const std::uint64_t size = properties_.memoryHeaps[heap].size;
  return size > heapUsed_[heap] ? size - heapUsed_[heap] : 0;
}

void Memory::countInjection(std::uint64_t bytes) {
  if (failAt_.load(std::memory_order_relaxed) == 0) return;
  if (failAt_.fetch_sub(1) == 1) throw OutOfMemory(bytes, 0);
}

MemoryBlock* Memory::newBlock(std::uint64_t bytes, MemoryUse use, std::uint32_t type, bool dedicated) {
  const std::uint32_t heap = properties_.memoryTypes[type].heapIndex;
  if (bytes > availableIn(type)) {
    // Give idle blocks back before giving up.
    for (std::size_t i = blocks_.size(); i-- > 0;) {
      if (isIdle(*blocks_[i])) destroyBlock(blocks_[i].get());
    }
  }
  if (bytes > availableIn(type)) throw OutOfMemory(bytes, availableIn(type));
  if (bytes > maxAllocation_) throw OutOfMemory(bytes, maxAllocation_);
  auto block = std::make_unique<MemoryBlock>();
  block->bytes = bytes, block->type = type, block->use = use, block->dedicated = dedicated;
  const auto failed = [&](VkResult result, const char* call) {
    if (block->buffer != VK_NULL_HANDLE) vkDestroyBuffer(device(), block->buffer, nullptr);
    if (block->memory != VK_NULL_HANDLE) vkFreeMemory(device(), block->memory, nullptr);
    if (result == VK_ERROR_OUT_OF_DEVICE_MEMORY || result == VK_ERROR_OUT_OF_HOST_MEMORY) throw OutOfMemory(bytes, availableIn(type));
    check(result, call);
  };
  std::uint64_t needed = bytes;
  if (use != MemoryUse::image) {
    VkBufferCreateInfo info{VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO};
    info.size = bytes;
    info.usage = use == MemoryUse::staging ? VkBufferUsageFlags{VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT}
                                           : storageBufferUsage;
    if (const VkResult result = vkCreateBuffer(device(), &info, nullptr, &block->buffer)) failed(result, "vkCreateBuffer");
    VkMemoryRequirements requirements;
    vkGetBufferMemoryRequirements(device(), block->buffer, &requirements);
    needed = requirements.size;
  }
  VkMemoryAllocateInfo info{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO};
  info.allocationSize = needed;
  info.memoryTypeIndex = type;
  if (const VkResult result = vkAllocateMemory(device(), &info, nullptr, &block->memory)) failed(result, "vkAllocateMemory");
  if (block->buffer != VK_NULL_HANDLE) {
    if (const VkResult result = vkBindBufferMemory(device(), block->buffer, block->memory, 0)) failed(result, "vkBindBufferMemory");
    if (use == MemoryUse::staging || storageIsMapped_) {
      void* address = nullptr;
      if (const VkResult result = vkMapMemory(device(), block->memory, 0, VK_WHOLE_SIZE, 0, &address)) failed(result, "vkMapMemory");
      block->mapped = static_cast<std::byte*>(address);
    }
  }
  heapUsed_[heap] += bytes;
  ++blocksMade_;
  block->free.reserve(256);
  block->free.push_back({0, bytes});
  blocks_.push_back(std::move(block));
  return blocks_.back().get();
}

void Memory::destroyBlock(MemoryBlock* block) {
  heapUsed_[properties_.memoryTypes[block->type].heapIndex] -= block->bytes;
  if (block->buffer != VK_NULL_HANDLE) vkDestroyBuffer(device(), block->buffer, nullptr);
  vkFreeMemory(device(), block->memory, nullptr);
  std::erase_if(blocks_, [&](const auto& owned) { return owned.get() == block; });
}

// The first free range that fits; what is left of it before and behind stays free.
std::optional<std::uint64_t> Memory::take(MemoryBlock& block, std::uint64_t bytes, std::uint64_t alignment) {
  const bool wasIdle = isIdle(block);
  for (std::size_t i = 0; i < block.free.size(); ++i) {
    const FreeRange range = block.free[i];
    const std::uint64_t begin = roundUp(range.offset, alignment);
    const std::uint64_t end = range.offset + range.bytes;
    if (begin + bytes > end) continue;
    const FreeRange before{range.offset, begin - range.offset}, behind{begin + bytes, end - begin - bytes};
    const auto place = block.free.begin() + static_cast<std::ptrdiff_t>(i);
    if (before.bytes > 0 && behind.bytes > 0) {
      *place = before;
      block.free.insert(place + 1, behind);
    } else if (before.bytes > 0) {
      *place = before;
    } else if (behind.bytes > 0) {
      *place = behind;
    } else {
      block.free.erase(place);
    }
    if (wasIdle) {
      // A block more that is held.
      const auto now = std::chrono::steady_clock::now();
      if (now - windowBegan_ > recently) windowBegan_ = now, earlierPeak_ = std::exchange(peak_, 0);
      held_ += block.bytes;
      peak_ = std::max(peak_, held_);
    }
    return begin;
  }
  return std::nullopt;
}

std::shared_ptr<Buffer> Memory::allocate(std::uint64_t bytes, MemoryUse use) {
  assert(use != MemoryUse::image);
  countInjection(bytes);
  const std::uint64_t rounded = roundUp(std::max<std::uint64_t>(bytes, 4), alignment_);
  if (rounded < bytes) throw OutOfMemory(bytes, maxAllocation_);
  const std::uint32_t type = typeFor(use);
  MemoryBlock* found = nullptr;
  std::uint64_t offset = 0;
  {
    std::lock_guard lock(mutex_);
    {
      const bool large = rounded > dedicatedAbove;
      for (const auto& block : blocks_) {
        if (block->use != use || block->type != type || block->dedicated != large) continue;
        // An idle dedicated block is reused only when little of it would lie waste.
        if (large && (!isIdle(*block) || block->bytes > rounded + rounded / 4)) continue;
        if (const auto place = take(*block, rounded, alignment_)) {
          found = block.get(), offset = *place;
          break;
        }
      }
    }
    if (found == nullptr) {
      const bool dedicated = rounded > dedicatedAbove;
      found = newBlock(dedicated ? rounded : std::min(blockBytes, std::max(rounded, availableIn(type))), use, type, dedicated);
      offset = *take(*found, rounded, alignment_);
    }
  }
  inUse_.fetch_add(rounded, std::memory_order_relaxed);
  return std::make_shared<Buffer>(shared_from_this(), found, offset, rounded);
}

Memory::ImagePlace Memory::allocateForImage(const VkMemoryRequirements& requirements) {
  countInjection(requirements.size);
  std::lock_guard lock(mutex_);
  auto type = findType(requirements.memoryTypeBits, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
  if (!type) type = findType(requirements.memoryTypeBits, 0);
  if (!type) throw OutOfMemory(requirements.size, 0);
  ImagePlace place;
  place.bytes = requirements.size;
  if (requirements.size <= dedicatedAbove) {
    for (const auto& block : blocks_) {
      if (block->use != MemoryUse::image || block->type != *type || block->dedicated) continue;
      if (const auto offset = take(*block, requirements.size, requirements.alignment)) {
        place.block = block.get(), place.offset = *offset;
        break;
      }
    }
  }
  if (place.block == nullptr) {
    const bool dedicated = requirements.size > dedicatedAbove;
    place.block = newBlock(dedicated ? requirements.size : blockBytes, MemoryUse::image, *type, dedicated);
    place.offset = *take(*place.block, requirements.size, requirements.alignment);
  }
  inUse_.fetch_add(place.bytes, std::memory_order_relaxed);
  return place;
}

void Memory::release(MemoryBlock* block, std::uint64_t offset, std::uint64_t bytes) {
  inUse_.fetch_sub(bytes, std::memory_order_relaxed);
  std::lock_guard lock(mutex_);
  auto& free = block->free;
  auto next = std::lower_bound(free.begin(), free.end(), offset, [](const FreeRange& range, std::uint64_t at) { return range.offset < at; });
  next = free.insert(next, {offset, bytes});
  // Join with the neighbours.
  if (next + 1 != free.end() && next->offset + next->bytes == (next + 1)->offset) {
    next->bytes += (next + 1)->bytes;
    next = free.erase(next + 1) - 1;
  }
  if (next != free.begin() && (next - 1)->offset + (next - 1)->bytes == next->offset) {
    (next - 1)->bytes += next->bytes;
    next = free.erase(next) - 1;
  }
  if (!isIdle(*block)) return;
  held_ -= block->bytes;
  // Keep idle blocks, so that a tensor that comes and goes does not allocate each time: some always, and as many as were held at once
  // of late. A training step takes hundreds of MiB and gives all of it back; unmapping and mapping that costs as much as the step.
  const std::uint64_t most = std::max({peak_, earlierPeak_, held_}), kept = std::max(idleLimit, most - held_);
  std::uint64_t idle = 0;
  for (const auto& other : blocks_) {
    if (isIdle(*other)) idle += other->bytes;
  }
  for (std::size_t i = blocks_.size(); i-- > 0 && idle > kept;) {
    if (!isIdle(*blocks_[i])) continue;
    idle -= blocks_[i]->bytes;
    destroyBlock(blocks_[i].get());
  }
}

}  // namespace orrery::gpu
