#pragma once
// A piece of device memory inside a block. For core/gpu/*.cpp and the tensor module (which only asks whether it is shared).

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace orrery::gpu {

struct MemoryBlock;
class Memory;

class Buffer {
 public:
  Buffer(std::shared_ptr<Memory> memory, MemoryBlock* block, std::uint64_t offset, std::uint64_t bytes)
      : memory_(std::move(memory)), block_(block), offset_(offset), bytes_(bytes) {}
  ~Buffer();   // gives the range back; recordings and submissions hold references, so the GPU is done with it by now
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  MemoryBlock& block() const { return *block_; }
  std::uint64_t offset() const { return offset_; }   // bytes from the start of the block's VkBuffer
  std::uint64_t bytes() const { return bytes_; }
  std::byte* mapped() const;                         // null when the host cannot see this memory

  // Numbers of the last submissions that used and that wrote this buffer.
  std::atomic<std::uint64_t> lastUse{0};
  std::atomic<std::uint64_t> lastWrite{0};

 private:
  std::shared_ptr<Memory> memory_;
  MemoryBlock* block_;
  std::uint64_t offset_, bytes_;
};

}  // namespace orrery::gpu
