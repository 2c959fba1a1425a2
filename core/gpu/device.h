#pragma once
// The device: one Vulkan device for compute and drawing, its memory, its pipelines. No Vulkan header is included here; core/gpu/*.cpp,
// core/render and app/viewport, app/overlay see the raw handles through core/gpu/vulkan.h.
//
// Failure: open() returns an Error (no driver, unknown index). Afterwards a lost device throws DeviceLost and exhausted memory throws
// OutOfMemory from whatever call notices it; the session catches both once, opens the device anew and repeats the update.
// Threads: every function may be called from any thread; the single queue is guarded inside.

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/base/expected.h"

namespace orrery::gpu {

enum class DeviceKind { cpu, integrated, discrete, other };

// "cpu", "integrated", "discrete", "other".
std::string_view nameOf(DeviceKind kind);

struct DeviceSummary {
  int index = 0;                     // position in listDevices(), the N of --device N
  std::string name;
  std::string driver;                // "llvmpipe Mesa 22.3.6 (LLVM 15.0.6)"
  std::string apiVersion;            // "1.3.230"
  DeviceKind kind = DeviceKind::other;
  std::uint64_t memoryBytes = 0;     // the largest device-local heap
  std::uint32_t subgroupSize = 1;
  bool float16 = false;              // 16-bit storage and arithmetic
  bool timestamps = false;
};

// All devices that can run us (Vulkan 1.2, a queue with compute and graphics), best first: discrete, integrated, CPU.
// Empty when there is no driver.
std::vector<DeviceSummary> listDevices();

class DeviceLost : public std::exception {
 public:
  const char* what() const noexcept override { return "the GPU device was lost"; }
};

class OutOfMemory : public std::exception {
 public:
  OutOfMemory(std::uint64_t needed, std::uint64_t available);
  const char* what() const noexcept override { return message_.c_str(); }  // "needs 512 MiB of device memory, 130 MiB are free"
  std::uint64_t needed() const { return needed_; }
  std::uint64_t available() const { return available_; }

 private:
  std::uint64_t needed_, available_;
  std::string message_;
};

struct DeviceOptions {
  int index = -1;           // -1: the best one (also: environment variable ORRERY_DEVICE)
  bool validation = false;  // turn the validation layer on when installed (also: ORRERY_VALIDATION=1)
  // Tests turn these off to take the paths of devices that lack them.
  bool pushDescriptors = true;
  bool mappedStorage = true;
};

class Buffer;  // device memory, suballocated from blocks; defined in core/gpu/buffer.h

// A range of device memory. Keeps the memory alive. Offsets respect minStorageBufferOffsetAlignment.
struct BufferView {
  std::shared_ptr<Buffer> buffer;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  explicit operator bool() const { return buffer != nullptr; }
};

struct VulkanHandles;  // core/gpu/vulkan.h

class Device : public std::enable_shared_from_this<Device> {
 public:
  static Expected<std::shared_ptr<Device>> open(const DeviceOptions& options = {});
  ~Device();

  const DeviceSummary& summary() const;
  bool isCpu() const;                            // chooses the `scalar` kernel variants

  // Storage memory, contents undefined; recycled after the last reference is gone and the GPU has finished with it. Zero bytes give a
  // valid 4-byte view. Throws OutOfMemory.
  BufferView allocate(std::uint64_t bytes);

  // Blocking copies between host and device. `download` first waits for the work that writes the range.
  void upload(const BufferView& to, std::span<const std::byte> from);
  void download(const BufferView& from, std::span<std::byte> to);

  // Waits until everything submitted so far has finished.
  void waitIdle();

  // Compiles these shaders' pipelines (with a one-group dispatch on CPU devices, whose driver compiles at the first dispatch) off the
  // window's path. Unknown names are our own bug.
  void warm(std::span<const std::string_view> shaders);

  // Validation messages seen so far (tests assert this is empty).
  std::vector<std::string> validationMessages() const;

  std::uint64_t bytesInUse() const;              // device memory held by live buffers
  std::uint64_t maxBufferRange() const;          // maxStorageBufferRange
  std::uint32_t subgroupSize() const;

  // Writes the pipeline cache to cacheFolder(); also done by the destructor.
  void savePipelineCache();

  bool isLost() const;                           // a call has thrown DeviceLost; open a new device

  // For tests: the Nth following queue submission throws DeviceLost (0 = none); the Nth following allocation throws OutOfMemory.
  void injectDeviceLost(int submission);
  void injectOutOfMemory(int allocation);

  VulkanHandles& vulkan();                       // core/gpu/vulkan.h
  struct State;
  State& state() { return *state_; }             // core/gpu only

 private:
  Device();
  std::unique_ptr<State> state_;
};

}  // namespace orrery::gpu
