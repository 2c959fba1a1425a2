#pragma once
// A Stream records compute work and submits it as one piece. Barriers are automatic: one is placed only where a dispatch or copy reads or
// writes a range that an earlier one of the device wrote (or writes a range that an earlier one reads).
// Everything bound is kept alive until the GPU has finished. A Stream is used by one thread at a time.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/gpu/device.h"

namespace orrery::gpu {

enum class Access { read, write, readWrite };

struct Binding {
  BufferView view;
  Access access = Access::read;
};

struct Groups {
  std::uint32_t x = 1, y = 1, z = 1;
};

// One named span of a submission, measured by device timestamps.
struct Timing {
  std::string name;
  double milliseconds = 0;
};

class Stream {
 public:
  explicit Stream(std::shared_ptr<Device> device);
  ~Stream();                                      // work that was recorded but not submitted is dropped
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;

  // Runs a shader of shaders/ by its name without ending, e.g. "kernels/softmax", or "kernels/matmul@subgroup" for the build variant
  // `subgroup` (see packaging/cmake/shaders.cmake). Binding i of the shader's set 0 is bindings[i]: a storage buffer, or, where the shader
  // declares `uniform samplerBuffer` (usamplerBuffer), the same memory read as vec4 (uvec4) texels. lavapipe without AVX-512 loads a texel some
  // 15 times faster than a storage buffer element, so `scalar` kernels read that way. What is read behind the end is undefined.
  // A build variant `pairs` is taken by itself where two floats are stored faster as one 64-bit word (shaders/include/stores.glsl). `push` is at most
  // 128 bytes. `constants` are specialisation constants 0, 1, 2, ... Nothing is recorded when a group count is zero.
  void dispatch(std::string_view shader, std::span<const Binding> bindings, std::span<const std::byte> push, Groups groups,
                std::span<const std::uint32_t> constants = {});

  // Convenience: push constants from a trivially copyable struct.
  template <class Push>
  void dispatch(std::string_view shader, std::initializer_list<Binding> bindings, const Push& push, Groups groups,
                std::initializer_list<std::uint32_t> constants = {}) {
    dispatch(shader, std::span<const Binding>(bindings.begin(), bindings.size()), std::as_bytes(std::span<const Push, 1>(&push, 1)),
             groups, std::span<const std::uint32_t>(constants.begin(), constants.size()));
  }

  void copy(const BufferView& from, const BufferView& to);         // sizes must be equal
  void fill(const BufferView& view, std::uint32_t word);           // multiple of 4 bytes
  void hostWillRead();                            // makes all earlier writes visible to mapped memory (staging; core/gpu uses it)

  void beginSpan(std::string_view name);          // timestamps; spans do not nest
  void endSpan();

  // Submits what was recorded; returns a number that grows with every submission of the device. Does not wait.
  // The stream can be used again at once.
  std::uint64_t submit();

  // Submits and waits for the GPU to finish it.
  void finish();

  // Waits for this stream's last submission.
  void wait();
  bool isFinished() const;

  // Spans of the last finished submission.
  std::vector<Timing> timings() const;

  // Kept alive until the current recording has finished on the GPU.
  void keepAlive(std::shared_ptr<const void> object);

  // A weak reference to this stream's unsubmitted work, kept by tensors so that the host can read what was recorded but not submitted.
  struct State;
  class Pending {
   public:
    Pending() = default;
    // Submits the stream's work if it uses this buffer and is not yet submitted. Does not wait.
    void submitIfUsing(const BufferView& view) const;
    bool isOf(const Stream& stream) const;

   private:
    friend class Stream;
    std::weak_ptr<State> state_;
  };
  Pending pending() const;

  bool empty() const;                             // nothing recorded since the last submit
  Device& device() const;
  std::shared_ptr<Device> sharedDevice() const;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace orrery::gpu
