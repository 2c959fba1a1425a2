#include "core/tensor/tensor.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <thread>

#include "tests/gpu/support.h"

using namespace orrery;
using gpu::Access;
using gpu::openForTest;
using gpu::requireSilence;
using gpu::StepPush;
using gpu::Stream;

namespace {

Tensor counting(Shape shape) {
  std::vector<std::uint32_t> values(static_cast<std::size_t>(shape.count()));
  std::iota(values.begin(), values.end(), 0u);
  return Tensor::from(shape, values);
}

// A kernel as the kernels module writes them: to = from * multiplier + addend.
Tensor step(Stream& stream, const Tensor& from, std::uint32_t multiplier, std::uint32_t addend) {
  Tensor to(from.shape(), DType::u32);
  const auto count = static_cast<std::uint32_t>(from.count());
  stream.dispatch("tests/step", {{from.device(stream), Access::read}, {to.deviceForWriting(stream), Access::write}},
                  StepPush{count, multiplier}, gpu::groupsFor(count), {addend});
  return to;
}

}  // namespace

TEST_CASE("The host reads what a stream has recorded but not submitted") {
  for (const bool mapped : {true, false}) {
    auto device = openForTest({.mappedStorage = mapped});
    Stream stream(device);
    const Tensor result = step(stream, step(stream, counting({1000}), 2, 1), 3, 0);
    CHECK(result.onDevice());
    CHECK_FALSE(stream.empty());
    const auto values = result.as<std::uint32_t>();
    REQUIRE(values.size() == 1000);
    for (std::uint32_t i = 0; i < 1000; ++i) REQUIRE(values[i] == 3 * (2 * i + 1));
    CHECK(stream.empty());   // it was submitted on the way
    requireSilence(*device);
  }
}

TEST_CASE("Work that another stream recorded reaches the queue before work that reads it") {
  auto device = openForTest();
  Stream first(device), second(device);
  const Tensor middle = step(first, counting({5000}), 2, 0);
  const Tensor last = step(second, middle, 1, 7);
  second.finish();
  const auto values = last.as<std::uint32_t>();
  for (std::uint32_t i = 0; i < 5000; ++i) REQUIRE(values[i] == 2 * i + 7);
  requireSilence(*device);
}

TEST_CASE("Contents move only when the other side is newer") {
  auto device = openForTest();
  Stream stream(device);
  Tensor a = counting({256});
  CHECK_FALSE(a.onDevice());
  const auto firstView = a.device(stream);
  CHECK(a.onDevice());
  const auto version = a.version();
  CHECK(a.device(stream).buffer == firstView.buffer);
  CHECK(a.version() == version);
  (void)a.host();
  CHECK(a.onDevice());   // reading made neither copy stale
  a.asMutable<std::uint32_t>()[3] = 77;
  CHECK_FALSE(a.onDevice());
  CHECK(a.version() != version);
  const Tensor b = step(stream, a, 1, 0);
  CHECK(b.as<std::uint32_t>()[3] == 77);
  CHECK(b.as<std::uint32_t>()[4] == 4);
  requireSilence(*device);
}

TEST_CASE("New host contents do not reach into work that was recorded with the old ones") {
  for (const bool mapped : {true, false}) {
    auto device = openForTest({.mappedStorage = mapped});
    Stream stream(device);
    Tensor a = counting({4096});
    const Tensor old = step(stream, a, 1, 0);
    for (auto& value : a.asMutable<std::uint32_t>()) value = 9;
    const Tensor fresh = step(stream, a, 1, 0);
    stream.finish();
    CHECK(old.as<std::uint32_t>()[4095] == 4095);
    CHECK(fresh.as<std::uint32_t>()[4095] == 9);
    requireSilence(*device);
  }
}

TEST_CASE("Rows share storage at multiples of 256 bytes and are copied elsewhere") {
  auto device = openForTest();
  Stream stream(device);
  Tensor whole = counting({8, 64});   // a row is 256 bytes
  Tensor part = whole.rows(2, 5);
  CHECK(part.storageId() == whole.storageId());
  CHECK(part.shape() == Shape{3, 64});
  CHECK(part.as<std::uint32_t>()[0] == 128);
  // Writing the rows on the device leaves the others alone.
  const Tensor source = counting({3, 64});
  stream.dispatch("tests/step", {{source.device(stream), Access::read}, {part.deviceForWriting(stream), Access::write}}, StepPush{192, 1},
                  gpu::groupsFor(192), {1000});
  const auto values = whole.as<std::uint32_t>();
  for (std::uint32_t i = 0; i < 512; ++i) REQUIRE(values[i] == (i >= 128 && i < 320 ? i - 128 + 1000 : i));
  // And on the host.
  part.asMutable<std::uint32_t>()[0] = 5;
  CHECK(whole.as<std::uint32_t>()[128] == 5);
  CHECK(whole.as<std::uint32_t>()[129] == 1001);
  CHECK(step(stream, whole.rows(2, 3), 1, 0).as<std::uint32_t>()[1] == 1001);

  const Tensor narrow = counting({10, 3});
  const Tensor copied = narrow.rows(4, 6);
  CHECK(copied.storageId() != narrow.storageId());
  CHECK(copied.as<std::uint32_t>()[0] == 12);
  CHECK(copied.as<std::uint32_t>()[5] == 17);
  CHECK(narrow.rows(10, 10).empty());
  const Tensor nested = whole.rows(1, 7).rows(3, 4);
  CHECK(nested.as<std::uint32_t>()[0] == 1128);
  requireSilence(*device);
}

TEST_CASE("Reshaped tensors share storage") {
  Tensor a = counting({6, 4});
  Tensor b = a.reshaped({2, 12});
  CHECK(b.storageId() == a.storageId());
  b.asMutable<std::uint32_t>()[23] = 1;
  CHECK(a.as<std::uint32_t>()[23] == 1);
  CHECK(a.version() == b.version());
}

TEST_CASE("Tensors without elements can be bound, read and written") {
  auto device = openForTest();
  Stream stream(device);
  for (Tensor empty : {Tensor(), Tensor({0, 5}, DType::u32), Tensor({3, 0})}) {
    CHECK(empty.empty());
    CHECK(empty.host().empty());
    CHECK(empty.hostForWriting().empty());
    CHECK(empty.device(stream).bytes == 4);
    CHECK(empty.deviceForWriting(stream).bytes == 4);
    CHECK(empty.toFloats().empty());
  }
  const Tensor result = step(stream, Tensor({0}, DType::u32), 1, 0);
  stream.finish();
  CHECK(result.host().empty());
  const Tensor scalar = Tensor::from(Shape(std::vector<std::int64_t>{}), {2.5f});
  CHECK(scalar.shape().rank() == 0);
  CHECK(scalar.count() == 1);
  CHECK(scalar.toFloats() == std::vector<float>{2.5f});
  requireSilence(*device);
}

TEST_CASE("A tensor moves to a new device, and says so when a lost one held its only contents") {
  auto device = openForTest();
  Tensor kept = counting({300}), lost;
  {
    Stream stream(device);
    kept = step(stream, kept, 2, 0);
    lost = step(stream, kept, 2, 0);
    stream.finish();
    (void)kept.host();
    device->injectDeviceLost(1);
    CHECK_THROWS_AS((void)step(stream, kept, 1, 0).host(), gpu::DeviceLost);
  }
  auto fresh = openForTest();
  Stream stream(fresh);
  CHECK(step(stream, kept, 1, 1).as<std::uint32_t>()[299] == 599);
  requireSilence(*fresh);

  // Between two healthy devices contents travel through the host.
  auto other = openForTest();
  Stream otherStream(other);
  const Tensor here = step(stream, counting({300}), 5, 0);
  CHECK(step(otherStream, here, 1, 0).as<std::uint32_t>()[299] == 1495);
  requireSilence(*other);
}

TEST_CASE("The same tensor can be read from several threads") {
  auto device = openForTest();
  Stream stream(device);
  const Tensor shared = step(stream, counting({100000}), 1, 1);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&] {
      const auto values = shared.as<std::uint32_t>();
      for (std::uint32_t i = 0; i < 100000; ++i) wrong += values[i] != i + 1;
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("Versions differ between storages, so that equal pairs mean equal contents") {
  const Tensor a = counting({4}), b = counting({4});
  CHECK(a.version() != b.version());
  const Tensor c = a;
  CHECK(c.version() == a.version());
  CHECK(c.storageId() == a.storageId());
}

TEST_CASE("Half floats survive a round trip bit for bit and round to nearest even") {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float wide = halfToFloat(half);
    if (std::isnan(wide)) {
      REQUIRE(std::isnan(halfToFloat(floatToHalf(wide))));
    } else {
      REQUIRE(floatToHalf(wide) == half);
    }
    const float wideB = bfloatToFloat(half);
    if (std::isnan(wideB)) {
      REQUIRE(std::isnan(bfloatToFloat(floatToBfloat(wideB))));
    } else {
      REQUIRE(floatToBfloat(wideB) == half);
    }
  }
  CHECK(halfToFloat(0x3555) == 0.333251953125f);
  CHECK(floatToHalf(65504.0f) == 0x7bff);
  CHECK(floatToHalf(65519.99f) == 0x7bff);
  CHECK(floatToHalf(65520.0f) == 0x7c00);
  CHECK(floatToHalf(1.0f + 0x1p-11f) == 0x3c00);                // a tie goes to the even neighbour
  CHECK(floatToHalf(1.0f + 3 * 0x1p-11f) == 0x3c02);
  CHECK(floatToHalf(1.0f + 0x1p-11f + 0x1p-20f) == 0x3c01);
  CHECK(floatToHalf(0x1p-25f) == 0x0000);                       // half of the smallest subnormal, a tie
  CHECK(floatToHalf(0x1.8p-25f) == 0x0001);
  CHECK(floatToHalf(-0.0f) == 0x8000);
  CHECK(floatToBfloat(1.0f + 0x1p-8f) == 0x3f80);
  CHECK(floatToBfloat(1.0f + 3 * 0x1p-8f) == 0x3f82);
  CHECK(floatToBfloat(std::numeric_limits<float>::max()) == 0x7f80);
}

TEST_CASE("Every type widens to floats") {
  CHECK(Tensor::from<std::int32_t>({2}, std::vector<std::int32_t>{-3, 4}).toFloats() == std::vector<float>{-3, 4});
  CHECK(Tensor::from<std::uint8_t>({2}, std::vector<std::uint8_t>{0, 255}).toFloats() == std::vector<float>{0, 255});
  Tensor half({2}, DType::f16);
  const std::uint16_t bits[] = {floatToHalf(0.5f), floatToHalf(-2.0f)};
  std::memcpy(half.hostForWriting().data(), bits, sizeof bits);
  CHECK(half.toFloats() == std::vector<float>{0.5f, -2.0f});
  CHECK(Shape({12, 48, 48}).toString() == "[12, 48, 48]");
  CHECK(Shape({12, 5})[-1] == 5);
  CHECK(nameOf(DType::bf16) == "bf16");
}

TEST_CASE("Comparison finds the worst element, relative to the largest expected one") {
  const Tensor found = Tensor::from({4}, {1.0f, 2.0f, 10.5f, 4.0f});
  const std::vector<double> expected = {1.0, 2.0, 10.0, 4.0};
  const Difference difference = compare(found, expected);
  CHECK(difference.worst == Approx(0.05));
  CHECK(difference.where == 2);
  CHECK(difference.found == 10.5);
  CHECK(difference.expected == 10.0);
  CHECK(compare(found, std::vector<double>{1, 2, 10.5, 4}).where == -1);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isinf(compare(Tensor::from({1}, {nan}), std::vector<double>{1}).worst));
  CHECK(compare(Tensor::from({1}, {nan}), std::vector<double>{nan}).worst == 0);
  // Integers above 2^24 are compared exactly.
  CHECK(compare(Tensor::from<std::uint32_t>({1}, std::vector<std::uint32_t>{0xffffffff}), std::vector<double>{4294967294.0}).where == 0);
}
