#pragma once
// Devices for tests: always with validation, and a check that it stayed silent.

#include <memory>
#include <string>
#include <vector>

#include "core/gpu/stream.h"
#include "tests/support/catch.h"

namespace orrery::gpu {

inline std::shared_ptr<Device> openForTest(DeviceOptions options = {}) {
  options.validation = true;
  auto device = Device::open(options);
  REQUIRE(device.hasValue());
  return device.value();
}

inline void requireSilence(const Device& device) {
  for (const auto& message : device.validationMessages()) FAIL_CHECK(message);
}

struct StepPush {
  std::uint32_t count, multiplier;
};

inline Groups groupsFor(std::uint32_t count) { return {(count + 63) / 64, 1, 1}; }

template <class T>
std::vector<T> readBack(Device& device, const BufferView& view) {
  std::vector<T> result(view.bytes / sizeof(T));
  device.download(view, std::as_writable_bytes(std::span(result)));
  return result;
}

template <class T>
BufferView makeBuffer(Device& device, const std::vector<T>& values) {
  BufferView view = device.allocate(values.size() * sizeof(T));
  device.upload(view, std::as_bytes(std::span(values)));
  return view;
}

}  // namespace orrery::gpu
