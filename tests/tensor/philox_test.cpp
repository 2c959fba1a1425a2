// Philox in C++ and in GLSL: the published known answers, and the two against each other.

#include "core/base/philox.h"

#include <cmath>

#include "core/tensor/tensor.h"
#include "tests/gpu/support.h"

using namespace orrery;
using gpu::Access;
using gpu::openForTest;
using gpu::Stream;

namespace {

// Random123's published answers for philox4x32-10.
struct Known {
  PhiloxBlock counter;
  std::array<std::uint32_t, 2> key;
  PhiloxBlock words;
};
const Known known[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

}  // namespace

TEST_CASE("Philox gives the published words in C++ and on the device") {
  std::vector<std::uint32_t> counters, keys;
  for (const Known& entry : known) {
    CHECK(philox(entry.counter, entry.key) == entry.words);
    counters.insert(counters.end(), entry.counter.begin(), entry.counter.end());
    keys.insert(keys.end(), {entry.key[0], entry.key[1], 0, 0});
  }
  auto device = openForTest();
  Stream stream(device);
  const Tensor counterTensor = Tensor::from<std::uint32_t>({3, 4}, counters), keyTensor = Tensor::from<std::uint32_t>({3, 4}, keys);
  Tensor words({3, 4}, DType::u32), floats({3, 4});
  stream.dispatch("tests/philox",
                  {{counterTensor.device(stream), Access::read}, {keyTensor.device(stream), Access::read},
                   {words.deviceForWriting(stream), Access::write}, {floats.deviceForWriting(stream), Access::write}},
                  std::uint32_t{3}, {1, 1, 1});
  for (std::size_t i = 0; i < 12; ++i) CHECK(words.as<std::uint32_t>()[i] == known[i / 4].words[i % 4]);
  gpu::requireSilence(*device);
}

TEST_CASE("Uniforms and bounded integers are equal in C++ and on the device, normals agree to single precision") {
  constexpr std::uint32_t count = 200000;
  const auto key = philoxKey(0x0123456789abcdef);
  std::vector<std::uint32_t> counters, keys;
  for (std::uint32_t i = 0; i < count; ++i) {
    counters.insert(counters.end(), {i, i * 7, 3, 0});
    keys.insert(keys.end(), {key[0], key[1], 0, 0});
  }
  auto device = openForTest();
  Stream stream(device);
  const Tensor counterTensor = Tensor::from<std::uint32_t>({count, 4}, counters), keyTensor = Tensor::from<std::uint32_t>({count, 4}, keys);
  Tensor words({count, 4}, DType::u32), floats({count, 4});
  stream.dispatch("tests/philox",
                  {{counterTensor.device(stream), Access::read}, {keyTensor.device(stream), Access::read},
                   {words.deviceForWriting(stream), Access::write}, {floats.deviceForWriting(stream), Access::write}},
                  count, gpu::groupsFor(count));
  const auto found = floats.as<float>();
  double worst = 0, sum = 0, squares = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto block = philox({i, i * 7, 3, 0}, key);
    const auto normals = philoxNormals(block[0], block[1]);
    for (std::size_t j = 0; j < 2; ++j) {
      worst = std::max(worst, std::abs(static_cast<double>(found[4 * i + j]) - normals[j]));
      sum += static_cast<double>(found[4 * i + j]);
      squares += static_cast<double>(found[4 * i + j]) * static_cast<double>(found[4 * i + j]);
    }
    REQUIRE(found[4 * i + 2] == philoxUniform(block[2]));
    REQUIRE(found[4 * i + 3] == static_cast<float>(philoxBounded(block[3], 1000)));
  }
  // A radius of at most 5.9 times an angle error of 8e-8, plus the rounding of the radius (2.5 ulp of 5.9 = 1.2e-6).
  CHECK(worst < 2e-6);
  // Mean and variance within five standard errors for 400,000 draws.
  CHECK(std::abs(sum / (2 * count)) < 5 / std::sqrt(2.0 * count));
  CHECK(std::abs(squares / (2 * count) - 1) < 5 * std::sqrt(2.0 / (2 * count)));
}

TEST_CASE("The device's own sine, cosine and logarithm are accurate where Vulkan's need not be") {
  std::vector<float> inputs = {0.0f, -0.0f, 1.0f, 8192.0f, -8192.0f, 1.5707964f, 3.1415927f, 0.78539816f, 1e-20f, 0.99999994f, 1.0000001f, 1e30f};
  for (std::uint32_t i = 0; i < 100000; ++i) inputs.push_back((philoxUniform(philox({i, 0, 0, 0}, {5, 0})[0]) * 2 - 1) * (i % 2 == 0 ? 8192.0f : 3.2f));
  const auto count = static_cast<std::uint32_t>(inputs.size());
  auto device = openForTest();
  Stream stream(device);
  const Tensor from = Tensor::from<float>({static_cast<std::int64_t>(count)}, inputs);
  Tensor to({static_cast<std::int64_t>(count), 4});
  stream.dispatch("tests/sin_cos", {{from.device(stream), Access::read}, {to.deviceForWriting(stream), Access::write}}, count,
                  gpu::groupsFor(count));
  const auto found = to.as<float>();
  double worstAngle = 0, worstLog = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const double x = static_cast<double>(inputs[i]);
    if (std::abs(x) <= 8192) {
      worstAngle = std::max({worstAngle, std::abs(static_cast<double>(found[4 * i]) - std::sin(x)),
                             std::abs(static_cast<double>(found[4 * i + 1]) - std::cos(x))});
    }
    const double logarithm = std::log(std::max(std::abs(x), 1e-30));
    worstLog = std::max(worstLog, std::abs(static_cast<double>(found[4 * i + 2]) - logarithm) / std::max(1e-30, std::abs(logarithm)));
  }
  CHECK(worstAngle < 1.2e-7);   // 8e-8 of the method plus the rounding of results near 1
  CHECK(worstLog < 4e-7);       // 2e-7 of the method, doubled where the division may be off by 2.5 ulp
}
