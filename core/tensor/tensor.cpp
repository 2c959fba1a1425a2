#include "core/tensor/tensor.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <mutex>

namespace orrery {
namespace {

// Versions are unique in the whole process, so that a storage at a reused address is not taken for the old one.
std::uint64_t nextVersion() {
  static std::atomic<std::uint64_t> counter{0};
  return ++counter;
}

// What Vulkan lets every device ask of a storage buffer's offset at most.
constexpr std::uint64_t bindingAlignment = 256;

}  // namespace

// Both copies of one tensor's contents. At least one of them is valid once something was written.
struct Tensor::Storage {
  explicit Storage(std::uint64_t size) : bytes(size), version(nextVersion()) {}

  std::mutex mutex;
  const std::uint64_t bytes;
  std::unique_ptr<std::byte[]> host;
  bool hostValid = false;
  bool deviceValid = false;
  std::shared_ptr<gpu::Device> device;
  gpu::BufferView buffer;
  gpu::Stream::Pending writer;          // the stream that recorded the last write
  std::atomic<std::uint64_t> version;

  std::byte* hostMemory() {
    if (!host) {
      host.reset(new std::byte[bytes]);
      // Contents are undefined by contract; zeros make a mistake repeatable. New pages are zero anyway, so this costs little.
      if (!deviceValid) std::memset(host.get(), 0, bytes);
    }
    return host.get();
  }

  // Brings the newest contents to the host.
  void fetch() {
    std::byte* memory = hostMemory();
    if (hostValid || !deviceValid) return;
    writer.submitIfUsing(buffer);
    device->download(buffer, {memory, bytes});
    hostValid = true;
  }

  // Makes the buffer belong to this device. A tensor may outlive a device: its contents then come back through the host.
  void moveTo(const std::shared_ptr<gpu::Device>& target) {
    if (device == target) return;
    if (deviceValid) {
      fetch();
      deviceValid = false;
    }
    buffer = {};
    writer = {};
    device = target;
  }

  // A buffer whose contents may be replaced now: a fresh one when recorded or running work still uses the old one.
  void prepareForReplacement() {
    if (!buffer || buffer.buffer.use_count() > 1) buffer = device->allocate(bytes);
  }

  void bringToDevice() {
    if (deviceValid) return;
    if (!hostValid) {
      if (!buffer) buffer = device->allocate(bytes);
      return;
    }
    prepareForReplacement();
    device->upload(buffer, {host.get(), bytes});
    deviceValid = true;
  }
};

std::size_t sizeOf(DType type) {
  switch (type) {
    case DType::f32:
    case DType::i32:
    case DType::u32: return 4;
    case DType::f16:
    case DType::bf16: return 2;
    case DType::u8: break;
  }
  return 1;
}

std::string_view nameOf(DType type) {
  switch (type) {
    case DType::f32: return "f32";
    case DType::i32: return "i32";
    case DType::u32: return "u32";
    case DType::f16: return "f16";
    case DType::bf16: return "bf16";
    case DType::u8: break;
  }
  return "u8";
}

std::string Shape::toString() const { return fmt::format("[{}]", fmt::join(extents_, ", ")); }

Tensor::Tensor() = default;

Tensor::Tensor(Shape shape, DType type)
    : shape_(std::move(shape)), dtype_(type),
      storage_(std::make_shared<Storage>(static_cast<std::uint64_t>(shape_.count()) * sizeOf(type))) {
  assert(shape_.count() >= 0);
}

std::span<const std::byte> Tensor::host() const {
  if (empty() || !storage_) return {};
  std::lock_guard lock(storage_->mutex);
  storage_->fetch();
  return {storage_->host.get() + offset_, bytes()};
}

std::span<std::byte> Tensor::hostForWriting() {
  if (empty() || !storage_) return {};
  std::lock_guard lock(storage_->mutex);
  storage_->fetch();
  storage_->hostValid = true;
  storage_->deviceValid = false;
  storage_->version = nextVersion();
  return {storage_->host.get() + offset_, bytes()};
}

gpu::BufferView Tensor::device(gpu::Stream& stream) const {
  if (!storage_ || empty()) return stream.device().allocate(0);
  std::lock_guard lock(storage_->mutex);
  storage_->moveTo(stream.sharedDevice());
  // Work that another stream recorded must reach the queue before ours.
  if (storage_->deviceValid && !storage_->writer.isOf(stream)) storage_->writer.submitIfUsing(storage_->buffer);
  storage_->bringToDevice();
  return {storage_->buffer.buffer, storage_->buffer.offset + offset_, bytes()};
}

gpu::BufferView Tensor::deviceForWriting(gpu::Stream& stream) {
  if (!storage_ || empty()) return stream.device().allocate(0);
  std::lock_guard lock(storage_->mutex);
  const bool whole = offset_ == 0 && bytes() == storage_->bytes;
  storage_->moveTo(stream.sharedDevice());
  if (storage_->deviceValid && !storage_->writer.isOf(stream)) storage_->writer.submitIfUsing(storage_->buffer);
  if (!whole) {
    storage_->bringToDevice();   // the other rows stay what they are
  } else if (!storage_->deviceValid) {
    storage_->prepareForReplacement();
  }
  storage_->deviceValid = true;
  storage_->hostValid = false;
  storage_->writer = stream.pending();
  storage_->version = nextVersion();
  return {storage_->buffer.buffer, storage_->buffer.offset + offset_, bytes()};
}

bool Tensor::onDevice() const {
  if (!storage_) return false;
  std::lock_guard lock(storage_->mutex);
  return storage_->deviceValid;
}

std::uint64_t Tensor::version() const { return storage_ ? storage_->version.load() : 0; }

Tensor Tensor::reshaped(Shape shape) const {
  assert(shape.count() == count());
  Tensor result = *this;
  result.shape_ = std::move(shape);
  return result;
}

Tensor Tensor::rows(std::int64_t begin, std::int64_t end) const {
  assert(shape_.rank() >= 1 && 0 <= begin && begin <= end && end <= shape_[0]);
  std::vector<std::int64_t> extents = shape_.extents();
  extents[0] = end - begin;
  Shape shape(std::move(extents));
  const std::uint64_t row = shape_[0] == 0 ? 0 : bytes() / static_cast<std::uint64_t>(shape_[0]);
  const std::uint64_t offset = offset_ + row * static_cast<std::uint64_t>(begin);
  if (shape.count() == 0 || offset % bindingAlignment != 0) {
    Tensor copy(std::move(shape), dtype_);
    const auto target = copy.hostForWriting();
    if (!target.empty()) std::memcpy(target.data(), host().data() + row * static_cast<std::uint64_t>(begin), target.size());
    return copy;
  }
  Tensor result = *this;
  result.shape_ = std::move(shape);
  result.offset_ = offset;
  return result;
}

std::vector<float> Tensor::toFloats() const {
  std::vector<float> result(static_cast<std::size_t>(count()));
  const auto source = host();
  const auto convert = [&](auto zero, auto widen) {
    using Element = decltype(zero);
    for (std::size_t i = 0; i < result.size(); ++i) {
      Element value;
      std::memcpy(&value, source.data() + i * sizeof value, sizeof value);
      result[i] = widen(value);
    }
  };
  switch (dtype_) {
    case DType::f32:
      if (!result.empty()) std::memcpy(result.data(), source.data(), source.size());
      break;
    case DType::i32: convert(std::int32_t{}, [](std::int32_t value) { return static_cast<float>(value); }); break;
    case DType::u32: convert(std::uint32_t{}, [](std::uint32_t value) { return static_cast<float>(value); }); break;
    case DType::f16: convert(std::uint16_t{}, halfToFloat); break;
    case DType::bf16: convert(std::uint16_t{}, bfloatToFloat); break;
    case DType::u8: convert(std::uint8_t{}, [](std::uint8_t value) { return static_cast<float>(value); }); break;
  }
  return result;
}

Difference compare(const Tensor& found, std::span<const double> expected) {
  assert(static_cast<std::size_t>(found.count()) == expected.size());
  double scale = 1;
  for (const double value : expected) {
    if (std::isfinite(value)) scale = std::max(scale, std::abs(value));
  }
  // Whole numbers are compared exactly, not through floats of 24 bits.
  const auto source = found.host();
  const auto elementAt = [&](std::size_t i, const std::vector<float>& floats) -> double {
    if (found.dtype() == DType::i32 || found.dtype() == DType::u32) {
      std::uint32_t word;
      std::memcpy(&word, source.data() + i * 4, 4);
      return found.dtype() == DType::i32 ? static_cast<double>(static_cast<std::int32_t>(word)) : static_cast<double>(word);
    }
    return static_cast<double>(floats[i]);
  };
  const std::vector<float> floats = found.toFloats();
  Difference result;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double a = elementAt(i, floats), b = expected[i];
    double difference = std::abs(a - b) / scale;
    if (a == b || (std::isnan(a) && std::isnan(b))) difference = 0;
    else if (!std::isfinite(a) || !std::isfinite(b)) difference = std::numeric_limits<double>::infinity();
    if (difference > result.worst || (result.where < 0 && difference > 0)) result = {difference, static_cast<std::int64_t>(i), a, b};
  }
  return result;
}

}  // namespace orrery
