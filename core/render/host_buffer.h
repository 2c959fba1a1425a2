#pragma once
// Host-visible memory that stays mapped: vertices and staged glyphs of one frame in flight, and readback. Grows, never shrinks.

#include <vulkan/vulkan.h>

#include <cstddef>

#include "core/gpu/device.h"

namespace orrery::render {

class HostBuffer {
 public:
  HostBuffer(gpu::Device& device, VkBufferUsageFlags usage, bool forReading = false)
      : device_(device), usage_(usage), forReading_(forReading) {}
  ~HostBuffer() { release(); }
  HostBuffer(const HostBuffer&) = delete;
  HostBuffer& operator=(const HostBuffer&) = delete;

  // At least this many bytes. The GPU must have finished with the earlier contents, which are lost when it grows.
  void reserve(std::size_t bytes);
  std::byte* data() const { return data_; }
  VkBuffer buffer() const { return buffer_; }
  void invalidate();  // before the host reads what the GPU wrote
  void flush();       // after the host wrote

 private:
  void release();

  gpu::Device& device_;
  VkBufferUsageFlags usage_;
  bool forReading_, coherent_ = true;
  VkBuffer buffer_ = VK_NULL_HANDLE;
  VkDeviceMemory memory_ = VK_NULL_HANDLE;
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace orrery::render
