#include "core/gpu/device.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/base/files.h"
#include "core/base/registry.h"
#include "core/gpu/buffer.h"
#include "core/gpu/cooperative_matrix.h"
#include "core/gpu/matrix_support.h"
#include "core/gpu/memory.h"
#include "core/gpu/shader_code.h"
#include "core/gpu/state.h"
#include "core/gpu/vulkan.h"
#include "tests/gpu/support.h"

using namespace orrery;
using namespace orrery::gpu;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t MiB = std::uint64_t{1} << 20;

std::vector<fs::path> pipelineCaches() {
  std::vector<fs::path> result;
  for (const auto& entry : fs::directory_iterator(cacheFolder())) {
    if (entry.path().filename().string().starts_with("pipelines-")) result.push_back(entry.path());
  }
  return result;
}

std::string contentOf(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace

TEST_CASE("Devices are listed best first, with what the window shows of them") {
  const auto devices = listDevices();
  REQUIRE_FALSE(devices.empty());
  for (std::size_t i = 0; i < devices.size(); ++i) {
    CHECK(devices[i].index == static_cast<int>(i));
    CHECK_FALSE(devices[i].name.empty());
    CHECK_FALSE(devices[i].driver.empty());
    CHECK(devices[i].apiVersion.starts_with("1."));
    CHECK(devices[i].memoryBytes > 0);
    CHECK(devices[i].subgroupSize >= 1);
    if (i > 0) CHECK_FALSE((devices[i - 1].kind == DeviceKind::cpu && devices[i].kind == DeviceKind::discrete));
  }
  CHECK(nameOf(DeviceKind::integrated) == "integrated");
}

TEST_CASE("An unknown device is refused with the list of those that exist") {
  const auto device = Device::open({.index = 99});
  REQUIRE_FALSE(device.hasValue());
  CHECK(device.error().code == ErrorCode::usage);
  CHECK(device.error().message.find("99") != std::string::npos);
  CHECK(device.error().message.find(listDevices().front().name) != std::string::npos);
}

TEST_CASE("ORRERY_DEVICE chooses by number or by a part of the name") {
  const std::string name = listDevices().back().name;
  ::setenv("ORRERY_DEVICE", name.substr(0, 5).c_str(), 1);
  auto byName = Device::open();
  ::setenv("ORRERY_DEVICE", "0", 1);
  auto byNumber = Device::open();
  ::setenv("ORRERY_DEVICE", "no such device", 1);
  auto none = Device::open();
  ::unsetenv("ORRERY_DEVICE");
  REQUIRE(byName.hasValue());
  CHECK(byName.value()->summary().name.starts_with(name.substr(0, 5)));
  REQUIRE(byNumber.hasValue());
  CHECK(byNumber.value()->summary().index == 0);
  REQUIRE_FALSE(none.hasValue());
  CHECK(none.error().code == ErrorCode::usage);
}

TEST_CASE("Small buffers share a block, do not overlap, and freed ranges are used again") {
  auto device = openForTest();
  std::vector<BufferView> views;
  for (int i = 0; i < 200; ++i) views.push_back(device->allocate(static_cast<std::uint64_t>(1 + i * 37)));
  for (std::size_t i = 0; i < views.size(); ++i) {
    CHECK(offsetOf(views[i]) % 256 == 0);
    for (std::size_t j = i + 1; j < views.size(); ++j) {
      const bool apart = bufferOf(views[i]) != bufferOf(views[j]) || offsetOf(views[i]) + views[i].bytes <= offsetOf(views[j]) ||
                         offsetOf(views[j]) + views[j].bytes <= offsetOf(views[i]);
      REQUIRE(apart);
    }
  }
  const VkBuffer block = bufferOf(views[50]);
  const std::uint64_t offset = offsetOf(views[50]);
  const std::uint64_t inUse = device->bytesInUse();
  views[50] = {};
  CHECK(device->bytesInUse() < inUse);
  const auto again = device->allocate(1 + 50 * 37);
  CHECK(bufferOf(again) == block);
  CHECK(offsetOf(again) == offset);
  views.clear();
  CHECK(device->bytesInUse() == again.buffer->bytes());
}

TEST_CASE("A range is not used again while the GPU may still work on it") {
  auto device = openForTest();
  auto from = makeBuffer(*device, std::vector<std::uint32_t>(1 << 20, 1));
  auto to = device->allocate(4 * MiB);
  Stream stream(device);
  for (int i = 0; i < 20; ++i) {
    stream.dispatch("tests/step", {{from, Access::read}, {to, Access::write}}, StepPush{1 << 20, 1}, groupsFor(1 << 20));
    stream.dispatch("tests/step", {{to, Access::read}, {from, Access::write}}, StepPush{1 << 20, 1}, groupsFor(1 << 20));
  }
  const VkBuffer block = bufferOf(from);
  const std::uint64_t offset = offsetOf(from);
  stream.submit();
  from = {};
  // The recording holds the range until the submission has finished, so this one must lie elsewhere unless it has.
  const auto other = device->allocate(4 * MiB);
  if (!stream.isFinished()) CHECK_FALSE((bufferOf(other) == block && offsetOf(other) == offset));
  for (const auto value : readBack<std::uint32_t>(*device, to)) REQUIRE(value == 40);
}

TEST_CASE("Large buffers have blocks of their own, and memory returns when they go") {
  auto device = openForTest();
  const auto before = device->bytesInUse();
  {
    const auto large = device->allocate(100 * MiB);
    CHECK(offsetOf(large) == 0);
    CHECK(device->bytesInUse() >= before + 100 * MiB);
    const std::vector<std::uint32_t> pattern(25 * MiB, 0xC0FFEE);
    device->upload(large, std::as_bytes(std::span(pattern)));
    CHECK(readBack<std::uint32_t>(*device, large) == pattern);
  }
  CHECK(device->bytesInUse() == before);
}

TEST_CASE("memory that comes and goes in every step is allocated once") {
  auto device = openForTest();
  const Memory& memory = *device->state().memory;
  const auto step = [&] {
    // Six pieces of 30 MiB and one of 40: 220 MiB in use at the most, all given back.
    std::vector<BufferView> pieces;
    for (int i = 0; i < 6; ++i) pieces.push_back(device->allocate(30 * MiB));
    pieces.push_back(device->allocate(40 * MiB));
  };
  step();
  const auto made = memory.blocksMade();
  for (int i = 0; i < 5; ++i) step();
  CHECK(memory.blocksMade() == made);
}

TEST_CASE("Asking for more memory than there is says how much is needed and free, and changes nothing") {
  auto device = openForTest();
  const auto before = device->bytesInUse();
  bool thrown = false;
  try {
    device->allocate(std::uint64_t{1} << 50);
  } catch (const OutOfMemory& failure) {
    thrown = true;
    CHECK(failure.needed() >= std::uint64_t{1} << 50);
    CHECK(failure.available() < failure.needed());
    CHECK(std::string(failure.what()).find("1073741824 MiB") != std::string::npos);
  }
  CHECK(thrown);
  CHECK(device->bytesInUse() == before);
  CHECK(device->allocate(64).buffer != nullptr);
}

TEST_CASE("An injected allocation failure happens at the given allocation and only there") {
  auto device = openForTest();
  device->injectOutOfMemory(3);
  CHECK_NOTHROW(device->allocate(64));
  CHECK_NOTHROW(device->allocate(64));
  CHECK_THROWS_AS(device->allocate(64), OutOfMemory);
  CHECK_NOTHROW(device->allocate(64));
}

TEST_CASE("After an injected loss every call says so, and a new device repeats the work") {
  const std::vector<std::uint32_t> values(1000, 20);
  const auto compute = [&](const std::shared_ptr<Device>& device) {
    const auto from = makeBuffer(*device, values);
    const auto to = device->allocate(4000);
    Stream stream(device);
    stream.dispatch("tests/step", {{from, Access::read}, {to, Access::write}}, StepPush{1000, 2}, groupsFor(1000), {2});
    stream.finish();
    return readBack<std::uint32_t>(*device, to);
  };
  auto device = openForTest();
  const auto reference = compute(device);
  device->injectDeviceLost(2);
  CHECK(compute(device) == reference);
  CHECK_THROWS_AS(compute(device), DeviceLost);
  CHECK(device->isLost());
  CHECK_THROWS_AS(compute(device), DeviceLost);
  CHECK_THROWS_AS(device->allocate(4), DeviceLost);
  device = openForTest();
  CHECK(compute(device) == reference);
  requireSilence(*device);
}

TEST_CASE("Buffers may outlive their device") {
  auto device = openForTest();
  auto view = device->allocate(1000);
  const std::weak_ptr<Device> watch = device;
  device.reset();
  CHECK(watch.expired());
  view = {};   // gives the memory back to an allocator that is still there
}

TEST_CASE("The pipeline cache is written, read again, and rebuilt when it is damaged") {
  for (const auto& path : pipelineCaches()) fs::remove(path);
  {
    auto device = openForTest();
    const std::string_view names[] = {"tests/step", "tests/step@twice"};
    device->warm(names);
    device->savePipelineCache();
    requireSilence(*device);
  }
  REQUIRE(pipelineCaches().size() == 1);
  const fs::path path = pipelineCaches().front();
  const std::string written = contentOf(path);
  REQUIRE(written.size() > 32);
  {
    // Read it again: nothing new was compiled, so the file is not written anew.
    fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(1));
    const auto stamp = fs::last_write_time(path);
    { auto device = openForTest(); }
    CHECK(fs::last_write_time(path) == stamp);
    CHECK(contentOf(path) == written);
  }
  for (std::size_t at : {std::size_t{0}, std::size_t{13}, written.size() - 1}) {
    std::string damaged = written;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
    std::ofstream(path, std::ios::binary) << damaged;
    auto device = openForTest();
    const std::string_view names[] = {"tests/step", "tests/step@twice"};
    device->warm(names);
    device->savePipelineCache();
    CHECK(contentOf(path) == written);
    requireSilence(*device);
  }
}

TEST_CASE("Shader modules of every embedded shader can be made") {
  auto device = openForTest();
  REQUIRE_FALSE(registered<ShaderCode>().empty());
  for (const auto& code : registered<ShaderCode>()) {
    // Those on cooperative matrices are for the devices that have them.
    if (!usesMatrices(code) || matrixShape(*device)) CHECK(shaderModule(*device, code.id) != VK_NULL_HANDLE);
  }
  CHECK_THROWS_AS(shaderModule(*device, "no/such/shader"), std::logic_error);
  requireSilence(*device);
}

TEST_CASE("Images get memory that suits them and give it back") {
  auto device = openForTest();
  const auto before = device->bytesInUse();
  VkImageCreateInfo info{VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO};
  info.imageType = VK_IMAGE_TYPE_2D;
  info.format = VK_FORMAT_R8G8B8A8_UNORM;
  info.extent = {640, 480, 1};
  info.mipLevels = info.arrayLayers = 1;
  info.samples = VK_SAMPLE_COUNT_1_BIT;
  info.usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT;
  VkImage image = VK_NULL_HANDLE;
  check(vkCreateImage(device->vulkan().device, &info, nullptr, &image), "vkCreateImage");
  auto memory = bindImageMemory(*device, image);
  CHECK(device->bytesInUse() >= before + 640 * 480 * 4);
  vkDestroyImage(device->vulkan().device, image, nullptr);
  memory.reset();
  CHECK(device->bytesInUse() == before);
  requireSilence(*device);
}
