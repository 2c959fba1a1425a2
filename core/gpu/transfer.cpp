// Copies between host and device: plain memory copies where the host sees the storage, otherwise through staging buffers.

#include <algorithm>
#include <cassert>
#include <cstring>

#include "core/gpu/state.h"

namespace orrery::gpu {
namespace {

// Pieces bound the staging memory that a large transfer needs.
constexpr std::uint64_t pieceBytes = std::uint64_t{16} << 20;

BufferView part(const BufferView& view, std::uint64_t offset, std::uint64_t bytes) { return {view.buffer, view.offset + offset, bytes}; }

}  // namespace

VkBuffer bufferOf(const BufferView& view) { return view.buffer->block().buffer; }
std::uint64_t offsetOf(const BufferView& view) { return view.buffer->offset() + view.offset; }

void Device::upload(const BufferView& to, std::span<const std::byte> from) {
  assert(from.size() <= to.bytes);
  if (from.empty()) return;
  if (std::byte* mapped = to.buffer->mapped()) {
    state_->wait(to.buffer->lastUse.load());
    std::memcpy(mapped + to.offset, from.data(), from.size());
    return;
  }
  Stream stream(shared_from_this());
  for (std::uint64_t at = 0; at < from.size(); at += pieceBytes) {
    const std::uint64_t bytes = std::min<std::uint64_t>(pieceBytes, from.size() - at);
    const BufferView staging{state_->memory->allocate(bytes, MemoryUse::staging), 0, bytes};
    std::memcpy(staging.buffer->mapped(), from.data() + at, bytes);
    stream.copy(staging, part(to, at, bytes));
    stream.submit();   // in order with everything later on this queue; the staging buffer lives until it has finished
  }
}

void Device::download(const BufferView& from, std::span<std::byte> to) {
  assert(to.size() <= from.bytes);
  if (to.empty()) return;
  if (const std::byte* mapped = from.buffer->mapped()) {
    state_->wait(from.buffer->lastWrite.load());
    std::memcpy(to.data(), mapped + from.offset, to.size());
    return;
  }
  Stream stream(shared_from_this());
  const std::uint64_t largest = std::min<std::uint64_t>(pieceBytes, to.size());
  const BufferView staging{state_->memory->allocate(largest, MemoryUse::staging), 0, largest};
  for (std::uint64_t at = 0; at < to.size(); at += pieceBytes) {
    const std::uint64_t bytes = std::min<std::uint64_t>(pieceBytes, to.size() - at);
    stream.copy(part(from, at, bytes), part(staging, 0, bytes));
    stream.hostWillRead();
    stream.finish();
    std::memcpy(to.data() + at, staging.buffer->mapped(), bytes);
  }
}

}  // namespace orrery::gpu
