#include "core/gpu/stream.h"

#include <chrono>
#include <numeric>
#include <thread>

#include "core/gpu/buffer.h"
#include "core/gpu/hazards.h"
#include "tests/gpu/support.h"

using namespace orrery;
using namespace orrery::gpu;

namespace {

std::vector<std::uint32_t> counting(std::uint32_t count) {
  std::vector<std::uint32_t> values(count);
  std::iota(values.begin(), values.end(), 0u);
  return values;
}

// The paths of devices with and without push descriptors and with and without host-visible storage.
std::vector<DeviceOptions> allPaths() {
  return {{}, {.pushDescriptors = false}, {.mappedStorage = false}, {.pushDescriptors = false, .mappedStorage = false}};
}

}  // namespace

TEST_CASE("A dispatch computes, with every descriptor and memory path, and the validation layer is silent") {
  for (const auto& options : allPaths()) {
    auto device = openForTest(options);
    const auto from = makeBuffer(*device, counting(1000));
    const auto to = device->allocate(4000);
    Stream stream(device);
    REQUIRE(stream.empty());
    stream.dispatch("tests/step", {{from, Access::read}, {to, Access::write}}, StepPush{1000, 3}, groupsFor(1000), {7});
    stream.dispatch("tests/step@twice", {{to, Access::read}, {from, Access::write}}, StepPush{1000, 1}, groupsFor(1000));
    REQUIRE_FALSE(stream.empty());
    const auto number = stream.submit();
    REQUIRE(number > 0);
    stream.wait();
    REQUIRE(stream.isFinished());
    const auto once = readBack<std::uint32_t>(*device, to), twice = readBack<std::uint32_t>(*device, from);
    for (std::uint32_t i = 0; i < 1000; ++i) {
      REQUIRE(once[i] == 3 * i + 7);
      REQUIRE(twice[i] == 2 * (3 * i + 7) + 1);   // 1 is the shader's own value of the constant
    }
    requireSilence(*device);
  }
}

TEST_CASE("Chains of dispatches that read, overwrite and rewrite the same ranges keep their order") {
  // Large enough that a missing barrier would let workgroups of neighbouring dispatches run together.
  constexpr std::uint32_t count = 1 << 16;
  auto device = openForTest();
  const auto a = makeBuffer(*device, counting(count));
  const auto b = device->allocate(count * 4), c = device->allocate(count * 4);
  Stream stream(device);
  for (int round = 0; round < 50; ++round) {
    stream.dispatch("tests/step", {{a, Access::read}, {b, Access::write}}, StepPush{count, 1}, groupsFor(count), {1});   // RAW on a
    stream.dispatch("tests/step", {{b, Access::read}, {a, Access::write}}, StepPush{count, 1}, groupsFor(count), {1});   // WAR on a
    stream.dispatch("tests/step", {{a, Access::read}, {c, Access::write}}, StepPush{count, 1}, groupsFor(count), {5});
    stream.dispatch("tests/step", {{a, Access::read}, {c, Access::write}}, StepPush{count, 1}, groupsFor(count), {9});   // WAW on c
  }
  stream.finish();
  const auto lastA = readBack<std::uint32_t>(*device, a), lastC = readBack<std::uint32_t>(*device, c);
  for (std::uint32_t i = 0; i < count; ++i) {
    REQUIRE(lastA[i] == i + 100);
    REQUIRE(lastC[i] == i + 109);
  }
  requireSilence(*device);
}

TEST_CASE("Work of several streams is ordered by submission where it touches the same range") {
  constexpr std::uint32_t count = 1 << 15;
  auto device = openForTest();
  const auto a = makeBuffer(*device, std::vector<std::uint32_t>(count, 0));
  const auto b = device->allocate(count * 4);
  Stream first(device), second(device);
  for (int round = 0; round < 30; ++round) {
    first.dispatch("tests/step", {{a, Access::read}, {b, Access::write}}, StepPush{count, 1}, groupsFor(count), {1});
    second.dispatch("tests/step", {{b, Access::read}, {a, Access::write}}, StepPush{count, 1}, groupsFor(count), {1});
    first.submit();
    second.submit();
  }
  const auto last = readBack<std::uint32_t>(*device, a);   // waits for the writer by itself
  for (const auto value : last) REQUIRE(value == 60);
  requireSilence(*device);
}

TEST_CASE("A barrier is asked for exactly where ranges overlap and one access writes") {
  HazardTracker tracker;
  const auto buffer = reinterpret_cast<VkBuffer>(std::uintptr_t{16}), other = reinterpret_cast<VkBuffer>(std::uintptr_t{32});
  tracker.add({buffer, 0, 256}, Access::write);
  tracker.add({buffer, 512, 768}, Access::read);
  CHECK(tracker.conflicts({buffer, 0, 4}, Access::read));
  CHECK(tracker.conflicts({buffer, 252, 300}, Access::write));
  CHECK_FALSE(tracker.conflicts({buffer, 256, 512}, Access::write));
  CHECK_FALSE(tracker.conflicts({buffer, 512, 768}, Access::read));
  CHECK(tracker.conflicts({buffer, 700, 800}, Access::write));
  CHECK(tracker.conflicts({buffer, 700, 800}, Access::readWrite));
  CHECK_FALSE(tracker.conflicts({other, 0, 1024}, Access::readWrite));
  tracker.clear();
  CHECK_FALSE(tracker.conflicts({buffer, 0, 256}, Access::readWrite));
}

TEST_CASE("Fills and copies are ordered with dispatches, and parts of a buffer can be bound") {
  for (const auto& options : allPaths()) {
    auto device = openForTest(options);
    const auto whole = device->allocate(4 * 1024);
    const BufferView upper{whole.buffer, whole.offset + 2048, 2048};
    const BufferView lower{whole.buffer, whole.offset, 2048};
    Stream stream(device);
    stream.fill(whole, 5);
    stream.dispatch("tests/step", {{lower, Access::read}, {upper, Access::write}}, StepPush{512, 2}, groupsFor(512), {1});
    stream.copy(upper, lower);
    stream.dispatch("tests/step", {{lower, Access::read}, {upper, Access::write}}, StepPush{512, 2}, groupsFor(512), {1});
    stream.finish();
    const auto values = readBack<std::uint32_t>(*device, whole);
    CHECK(values[0] == 11);
    CHECK(values[511] == 11);
    CHECK(values[512] == 23);
    CHECK(values[1023] == 23);
    requireSilence(*device);
  }
}

TEST_CASE("Zero groups record nothing, and an empty stream submits nothing") {
  auto device = openForTest();
  const auto a = device->allocate(0), b = device->allocate(0);
  CHECK(a.bytes == 4);
  Stream stream(device);
  stream.dispatch("tests/step", {{a, Access::read}, {b, Access::write}}, StepPush{0, 1}, {0, 1, 1});
  CHECK(stream.empty());
  CHECK(stream.submit() == 0);
  stream.finish();
  requireSilence(*device);
}

TEST_CASE("Dropped and moved streams leave the device usable, and buffers live until the GPU has finished") {
  auto device = openForTest();
  const auto to = device->allocate(1 << 20);
  {
    Stream dropped(device);
    dropped.fill(to, 1);
  }
  Stream stream(device);
  {
    const auto from = makeBuffer(*device, std::vector<std::uint32_t>(1 << 18, 41));
    stream.dispatch("tests/step", {{from, Access::read}, {to, Access::write}}, StepPush{1 << 18, 1}, groupsFor(1 << 18), {1});
  }   // the only reference to `from` is now in the recording
  auto alive = std::make_shared<int>(0);
  const std::weak_ptr<int> watch = alive;
  stream.keepAlive(std::move(alive));
  Stream moved(std::move(stream));
  moved.submit();
  moved.wait();
  CHECK(watch.expired());
  for (const auto value : readBack<std::uint32_t>(*device, to)) REQUIRE(value == 42);
  requireSilence(*device);
}

TEST_CASE("Spans are named and timed") {
  auto device = openForTest();
  if (!device->summary().timestamps) return;
  const auto a = device->allocate(1 << 22), b = device->allocate(1 << 22);
  Stream stream(device);
  for (int round = 0; round < 3; ++round) {
    stream.beginSpan("long");
    stream.fill(a, 1);
    for (int i = 0; i < 20; ++i) {
      stream.dispatch("tests/step", {{a, Access::read}, {b, Access::write}}, StepPush{1 << 20, 1}, groupsFor(1 << 20));
      stream.dispatch("tests/step", {{b, Access::read}, {a, Access::write}}, StepPush{1 << 20, 1}, groupsFor(1 << 20));
    }
    stream.endSpan();
    stream.beginSpan("short");
    stream.fill(b, 1);
    stream.finish();   // ends an open span by itself
  }
  const auto timings = stream.timings();
  REQUIRE(timings.size() == 2);
  CHECK(timings[0].name == "long");
  CHECK(timings[1].name == "short");
  CHECK(timings[0].milliseconds > timings[1].milliseconds);
  CHECK(timings[1].milliseconds >= 0);
  CHECK(timings[0].milliseconds < 60000);
  requireSilence(*device);
}

TEST_CASE("Several threads allocate, upload, compute and read back on one device") {
  auto device = openForTest();
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (std::uint32_t t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      Stream stream(device);
      for (std::uint32_t round = 0; round < 25; ++round) {
        const std::uint32_t count = 100 + 977 * ((t * 31 + round * 7) % 40);
        std::vector<std::uint32_t> values(count, t * 1000 + round);
        const auto from = device->allocate(count * 4), to = device->allocate(count * 4);
        device->upload(from, std::as_bytes(std::span(values)));
        stream.dispatch("tests/step", {{from, Access::read}, {to, Access::write}}, StepPush{count, 2}, groupsFor(count), {t});
        stream.submit();
        device->download(to, std::as_writable_bytes(std::span(values)));
        for (const auto value : values) wrong += value != (t * 1000 + round) * 2 + t;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
  requireSilence(*device);
}
