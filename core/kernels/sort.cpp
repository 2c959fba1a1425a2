// Stable least-significant-digit radix sort, four passes of 8 bits: count the digits of every block, scan the counts along (digit, block),
// move. Satish, Harris and Garland 2009, "Designing efficient sorting algorithms for manycore GPUs"; ranks inside a subgroup by ballots
// (Ashkiani et al. 2016, "GPU multisplit"). The scalar variant gives every lane its own block and counters: no barriers, no atomics.

#include "core/kernels/sort.h"

#include <bit>
#include <limits>
#include <numeric>

#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"
#include "core/kernels/scan.h"

namespace orrery::kernels {

namespace {

Sorted run(gpu::Stream& stream, const Tensor& keys, const Tensor* payload, std::string_view variant) {
  assert(keys.dtype() == DType::f32 || keys.dtype() == DType::u32);
  assert(payload == nullptr || (payload->dtype() == DType::u32 && payload->shape() == keys.shape()));
  Sorted result{Tensor(keys.shape(), keys.dtype()), Tensor(keys.shape(), DType::u32)};
  if (keys.empty()) return result;
  if (variant.empty()) variant = variantFor(stream.device(), "sort");
  const bool subgroup = variant == "subgroup";
  const auto n = static_cast<std::uint32_t>(keys.shape().rank() == 0 ? 1 : keys.shape()[-1]);
  const auto rows = static_cast<std::uint32_t>(keys.count() / n);

  // Scalar blocks: long enough that their 256 counters weigh little, short enough that there are lanes to fill the cores.
  const std::uint32_t block = subgroup ? 4096 : std::clamp((n * rows + 63) / 64, 512u, 8192u);
  const std::uint32_t blocks = (n + block - 1) / block;
  // At most 16 subgroups per workgroup (their counters lie in shared memory), at most 256 lanes.
  const std::uint32_t lanes = std::min(256u, 16 * std::max(1u, stream.device().subgroupSize()));
  const gpu::Groups groups = subgroup ? gpu::Groups{blocks, std::min(rows, 65535u), 1} : stridedGroups(std::int64_t{rows} * blocks, 8);
  const std::string_view shader = subgroup ? "kernels/sort@subgroup" : "kernels/sort";
  const bool isFloat = keys.dtype() == DType::f32;

  Tensor spareKeys(keys.shape(), keys.dtype()), sparePayload(keys.shape(), DType::u32);
  for (std::uint32_t digit = 0; digit < 4; ++digit) {
    const struct { std::uint32_t rows, n, block, blocks, shift; } push{rows, n, block, blocks, 8 * digit};
    const Tensor& fromKeys = digit == 0 ? keys : digit % 2 == 1 ? spareKeys : result.keys;
    const Tensor& fromPayload = digit == 0 ? (payload != nullptr ? *payload : keys) : digit % 2 == 1 ? sparePayload : result.payload;
    Tensor& toKeys = digit % 2 == 0 ? spareKeys : result.keys;
    Tensor& toPayload = digit % 2 == 0 ? sparePayload : result.payload;
    Tensor counts(Shape{rows, std::int64_t{256} * blocks}, DType::u32);
    const std::uint32_t flip = isFloat && digit == 0, unflip = isFloat && digit == 3, index = payload == nullptr && digit == 0;
    const gpu::Binding source{fromKeys.device(stream), gpu::Access::read}, load{fromPayload.device(stream), gpu::Access::read};

    // Count the digits of every block.
    const gpu::BufferView countView = counts.deviceForWriting(stream);
    stream.dispatch(shader, {source, load, {countView, gpu::Access::write}, source, load}, push, groups, {0, flip, unflip, index, lanes});
    // Turn the counts into first places.
    Tensor places = scan(stream, counts, ScanKind::exclusive, variant);
    // Move keys and payload there.
    stream.dispatch(shader,
                    {source,
                     load,
                     {places.deviceForWriting(stream), gpu::Access::readWrite},
                     {toKeys.deviceForWriting(stream), gpu::Access::write},
                     {toPayload.deviceForWriting(stream), gpu::Access::write}},
                    push, groups, {1, flip, unflip, index, lanes});
  }
  return result;
}

}  // namespace

Sorted sort(gpu::Stream& stream, const Tensor& keys, const Tensor& payload, std::string_view variant) {
  return run(stream, keys, &payload, variant);
}

Sorted sort(gpu::Stream& stream, const Tensor& keys, std::string_view variant) { return run(stream, keys, nullptr, variant); }

namespace {

// The order of f32 keys as words: negative numbers by all bits flipped, positive by the sign, every NaN last.
std::uint32_t orderOf(float key) {
  if (key != key) return 0xFFFFFFFFu;
  const auto bits = std::bit_cast<std::uint32_t>(key);
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

Difference checkSort(const Sorted& found, const std::vector<std::uint32_t>& order, std::int64_t n,
                     const std::vector<std::uint32_t>& payload, bool isFloat) {
  const auto length = static_cast<std::size_t>(n);
  std::vector<std::uint32_t> expectedKeys, expectedPayload, foundKeys;
  for (std::size_t row = 0; row < order.size() / length; ++row) {
    std::vector<std::size_t> index(length);
    std::iota(index.begin(), index.end(), row * length);
    std::stable_sort(index.begin(), index.end(), [&](std::size_t a, std::size_t b) { return order[a] < order[b]; });
    for (const std::size_t i : index) {
      expectedKeys.push_back(order[i]);
      expectedPayload.push_back(payload[i]);
    }
  }
  if (isFloat) {
    for (const float key : found.keys.as<float>()) foundKeys.push_back(orderOf(key));
  } else {
    const auto keys = found.keys.as<std::uint32_t>();
    foundKeys.assign(keys.begin(), keys.end());
  }
  return worse(compareExactly(Tensor::from(found.keys.shape(), foundKeys), expectedKeys), compareExactly(found.payload, expectedPayload));
}

std::vector<CheckCase> checks(gpu::Device& device) {
  std::vector<CheckCase> cases;
  std::vector<std::string> variants{"scalar"};
  if (device.subgroupSize() > 1) variants.push_back("subgroup");
  for (const std::string& variant : variants) {
    for (const auto& [rows, n] : {std::pair<std::int64_t, std::int64_t>{3, 4099}, {1, 1}, {65, 33}, {1, 30011}}) {
      const Shape shape{rows, n};
      const auto length = n;
      // Sorting moves bits: nothing may differ. Keys repeat, so that stability shows in the payload.
      cases.push_back({variant + " u32 " + shape.toString(), 0, [=](gpu::Stream& stream) {
                         auto keys = testWords(shape.count(), 31);
                         for (std::size_t i = 0; i < keys.size(); ++i) {
                           if (i % 3 != 0) keys[i] &= 0x1F00001Fu;
                         }
                         const auto payload = testWords(shape.count(), 32);
                         return checkSort(sort(stream, Tensor::from(shape, keys), Tensor::from(shape, payload), variant), keys, length,
                                          payload, false);
                       }});
      cases.push_back({variant + " f32 " + shape.toString(), 0, [=](gpu::Stream& stream) {
                         auto keys = testFloats(shape.count(), 33, -2, 2);
                         const float special[] = {0.0f,
                                                  -0.0f,
                                                  std::numeric_limits<float>::infinity(),
                                                  std::numeric_limits<float>::quiet_NaN(),
                                                  -std::numeric_limits<float>::infinity(),
                                                  -std::numeric_limits<float>::quiet_NaN(),
                                                  1e-40f,
                                                  0.5f,
                                                  0.5f};
                         for (std::size_t i = 0; i < keys.size(); i += 5) keys[i] = special[(i / 5) % std::size(special)];
                         std::vector<std::uint32_t> order, position;
                         for (std::size_t i = 0; i < keys.size(); ++i) {
                           order.push_back(orderOf(keys[i]));
                           position.push_back(static_cast<std::uint32_t>(i % static_cast<std::size_t>(length)));
                         }
                         return checkSort(sort(stream, Tensor::from(shape, keys), variant), order, length, position, true);
                       }});
    }
  }
  return cases;
}

std::vector<BenchCase> benches(gpu::Device& device) {
  std::vector<BenchCase> cases;
  for (const auto& [rows, n] : {std::pair<std::int64_t, std::int64_t>{64, 4096}, {1, 1 << 18}, {1, 1 << 21}}) {
    const Shape shape{rows, n};
    // Four digits, each reads the keys twice and the payload once and writes both.
    cases.push_back({shape.toString() + " f32", std::string(variantFor(device, "sort")), 0, 4 * 20.0 * static_cast<double>(shape.count()),
                     false, [shape](gpu::Stream& stream) {
                       const Tensor keys = Tensor::from(shape, testFloats(shape.count(), 1, -1, 1));
                       keys.device(stream);
                       return [keys](gpu::Stream& s) { sort(s, keys); };
                     }});
  }
  return cases;
}

const Registration<Kernel> registration{{"sort", "Stable radix sort by key with payload", checks, benches}};

}  // namespace
}  // namespace orrery::kernels
