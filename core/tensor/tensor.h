#pragma once
// Tensor: a value type (shape, dtype, shared storage) mirrored between host and device. Copying a Tensor shares its storage; kernels return
// new tensors. Row-major and contiguous; slices along the first axis and reshapes share storage.
//
// Transfers happen only when needed: host() downloads when the device copy is newer, device() uploads when the host copy is newer.
// Threads: reading the same tensor from several threads is safe; writing needs the only user. Throws gpu::DeviceLost, gpu::OutOfMemory.

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/gpu/stream.h"

namespace orrery {

enum class DType : std::uint8_t { f32, i32, u32, f16, bf16, u8 };

std::size_t sizeOf(DType type);
std::string_view nameOf(DType type);   // "f32", "i32", "u32", "f16", "bf16", "u8"

class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<std::int64_t> extents) : extents_(extents) {}
  explicit Shape(std::vector<std::int64_t> extents) : extents_(std::move(extents)) {}

  int rank() const { return static_cast<int>(extents_.size()); }
  std::int64_t operator[](int axis) const { return extents_[static_cast<std::size_t>(axis < 0 ? axis + rank() : axis)]; }  // -1 = last
  std::int64_t count() const { std::int64_t n = 1; for (auto e : extents_) n *= e; return n; }   // 1 for rank 0
  const std::vector<std::int64_t>& extents() const { return extents_; }
  std::string toString() const;        // "[12, 48, 48]"
  bool operator==(const Shape&) const = default;

 private:
  std::vector<std::int64_t> extents_;
};

template <class T> constexpr DType dtypeOf();
template <> constexpr DType dtypeOf<float>() { return DType::f32; }
template <> constexpr DType dtypeOf<std::int32_t>() { return DType::i32; }
template <> constexpr DType dtypeOf<std::uint32_t>() { return DType::u32; }
template <> constexpr DType dtypeOf<std::uint8_t>() { return DType::u8; }

class Tensor {
 public:
  Tensor();                                                  // shape [0], f32, no storage
  explicit Tensor(Shape shape, DType type = DType::f32);     // contents undefined until written

  // A tensor with these host contents. `values.size()` must equal shape.count().
  template <class T>
  static Tensor from(Shape shape, std::span<const T> values) {
    Tensor result(std::move(shape), dtypeOf<T>());
    assert(static_cast<std::int64_t>(values.size()) == result.count());
    auto bytes = result.hostForWriting();
    auto source = std::as_bytes(values);
    std::copy(source.begin(), source.end(), bytes.begin());
    return result;
  }
  template <class T>
  static Tensor from(Shape shape, const std::vector<T>& values) { return from(std::move(shape), std::span<const T>(values)); }
  static Tensor from(Shape shape, std::initializer_list<float> values) {
    return from(std::move(shape), std::span<const float>(values.begin(), values.size()));
  }

  const Shape& shape() const { return shape_; }
  DType dtype() const { return dtype_; }
  std::int64_t count() const { return shape_.count(); }
  std::uint64_t bytes() const { return static_cast<std::uint64_t>(count()) * sizeOf(dtype_); }
  bool empty() const { return count() == 0; }

  // Host side. host() submits and waits for a pending stream that writes this tensor, then downloads if the device copy is newer.
  std::span<const std::byte> host() const;
  std::span<std::byte> hostForWriting();                     // marks the device copy stale; earlier contents are kept if the host had them
  template <class T> std::span<const T> as() const {
    assert(dtypeOf<T>() == dtype_);
    auto bytes = host();
    return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
  }
  template <class T> std::span<T> asMutable() {
    assert(dtypeOf<T>() == dtype_);
    auto bytes = hostForWriting();
    return {reinterpret_cast<T*>(bytes.data()), bytes.size() / sizeof(T)};
  }
  std::vector<float> toFloats() const;                       // converts any dtype; f16 and bf16 widened

  // Device side. device(): for reading, uploads only if the host copy is newer. deviceForWriting(): marks the host copy stale, keeps the
  // device contents (so read-modify-write is allowed if device() was valid), allocates when there is none.
  gpu::BufferView device(gpu::Stream& stream) const;
  gpu::BufferView deviceForWriting(gpu::Stream& stream);
  bool onDevice() const;                                     // the device holds the newest contents

  // Same storage, other shape with the same count.
  Tensor reshaped(Shape shape) const;
  // Same storage, rows [begin, end) of the first axis. The byte offset must be a multiple of 256 to be bound on a device; other offsets are
  // copied into fresh storage on the host.
  Tensor rows(std::int64_t begin, std::int64_t end) const;

  // Identity of the storage and its content version: equal pairs mean equal contents (renderers cache by it).
  const void* storageId() const { return storage_.get(); }
  std::uint64_t version() const;

 private:
  struct Storage;
  Shape shape_{0};
  DType dtype_ = DType::f32;
  std::uint64_t offset_ = 0;                                 // bytes into the storage
  std::shared_ptr<Storage> storage_;
};

// The largest |a - b| / max(1, |b|_inf) and where it is; shapes must agree. NaN in one but not the other counts as infinite.
struct Difference {
  double worst = 0;
  std::int64_t where = -1;
  double found = 0, expected = 0;
};
Difference compare(const Tensor& found, std::span<const double> expected);

std::uint16_t floatToHalf(float value);
float halfToFloat(std::uint16_t bits);
std::uint16_t floatToBfloat(float value);                    // round to nearest even
float bfloatToFloat(std::uint16_t bits);

}  // namespace orrery
