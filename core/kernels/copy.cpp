// Copies a tensor, with conversion between element types (f32, i32, u32, f16, bf16).
// Convention: IEEE 754 rounding to nearest even towards 16 bits, done in integer arithmetic so that every device gives the same bits.

#include "core/kernels/copy.h"

#include <bit>
#include <limits>

#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"

namespace orrery::kernels {

namespace {

// 16-bit tensors are bound as whole words; device memory is allocated in steps of at least 16 bytes, so the last half word exists.
gpu::BufferView inWords(gpu::BufferView view) {
  view.bytes = (view.bytes + 3) / 4 * 4;
  return view;
}

[[maybe_unused]] bool convertible(DType type) { return type != DType::u8; }

}  // namespace

Tensor copy(gpu::Stream& stream, const Tensor& tensor) {
  Tensor result(tensor.shape(), tensor.dtype());
  if (tensor.empty()) return result;
  const gpu::BufferView from = inWords(tensor.device(stream));
  gpu::BufferView to = inWords(result.deviceForWriting(stream));
  to.bytes = from.bytes;
  stream.copy(from, to);
  return result;
}

Tensor convert(gpu::Stream& stream, const Tensor& tensor, DType type) {
  assert(convertible(tensor.dtype()) && convertible(type));
  if (type == tensor.dtype()) return copy(stream, tensor);
  Tensor result(tensor.shape(), type);
  if (tensor.empty()) return result;
  const struct { std::uint32_t count; } push{static_cast<std::uint32_t>(tensor.count())};
  stream.dispatch("kernels/copy",
                  {{inWords(tensor.device(stream)), gpu::Access::read}, {inWords(result.deviceForWriting(stream)), gpu::Access::write}},
                  push, stridedGroups(tensor.count(), 512), {static_cast<std::uint32_t>(tensor.dtype()), static_cast<std::uint32_t>(type)});
  return result;
}

namespace {

// Values that meet every branch: zeros, subnormals of f16, ties, the largest, beyond it, infinities.
std::vector<float> awkward(std::int64_t count) {
  std::vector<float> values = testFloats(count, 11, -70000, 70000);
  const float special[] = {0.0f,
                           -0.0f,
                           5.9604645e-8f,
                           2.9802322e-8f,
                           3.0e-8f,
                           6.1e-5f,
                           6.1035156e-5f,
                           1.00048828125f,
                           1.00146484375f,
                           65504,
                           65519.996f,
                           65520,
                           -70000,
                           1e30f,
                           1.0e-30f,
                           -3.0e-6f,
                           std::numeric_limits<float>::infinity()};
  for (std::size_t i = 0; i < std::size(special) && i < values.size(); ++i) values[i] = special[i];
  for (std::size_t i = std::size(special); i < values.size(); i += 3) values[i] *= 1.0e-6f;
  return values;
}

std::vector<CheckCase> checks(gpu::Device&) {
  std::vector<CheckCase> cases;
  for (const std::int64_t count : {std::int64_t{1}, std::int64_t{1999}}) {
    const std::string shape = Shape{count}.toString();
    // All conversions are defined to the bit.
    cases.push_back({"f32 to f32 " + shape, 0, [count](gpu::Stream& stream) {
                       const auto values = awkward(count);
                       return compareExactly(copy(stream, Tensor::from(Shape{count}, values)), values);
                     }});
    for (const DType type : {DType::f16, DType::bf16}) {
      cases.push_back({"f32 to " + std::string(nameOf(type)) + " and back " + shape, 0, [count, type](gpu::Stream& stream) {
                         auto values = awkward(count);
                         const Tensor narrow = convert(stream, Tensor::from(Shape{count}, values), type);
                         const Tensor wide = convert(stream, narrow, DType::f32);
                         for (float& v : values) v = type == DType::f16 ? halfToFloat(floatToHalf(v)) : bfloatToFloat(floatToBfloat(v));
                         return worse(compareExactly(wide, values), compareExactly(Tensor::from(Shape{count}, narrow.toFloats()), values));
                       }});
    }
    cases.push_back({"u32 and i32 to f32 and back " + shape, 0, [count](gpu::Stream& stream) {
                       auto words = testWords(count, 5);
                       for (auto& w : words) w >>= 9;  // exact in f32
                       const Tensor wide = convert(stream, Tensor::from(Shape{count}, words), DType::f32);
                       std::vector<float> floats(words.begin(), words.end());
                       std::vector<std::int32_t> negative;
                       for (const auto w : words) negative.push_back(-static_cast<std::int32_t>(w));
                       const Tensor signs = convert(stream, Tensor::from(Shape{count}, negative), DType::f32);
                       return worse(worse(compareExactly(wide, floats), compareExactly(convert(stream, wide, DType::u32), words)),
                                    compareExactly(convert(stream, signs, DType::i32), negative));
                     }});
  }
  return cases;
}

std::vector<BenchCase> benches(gpu::Device&) {
  std::vector<BenchCase> cases;
  for (const std::int64_t count : {std::int64_t{1} << 16, std::int64_t{1} << 20, std::int64_t{1} << 23}) {
    cases.push_back({std::to_string(count) + " f32 to f16", "", 0, 6.0 * static_cast<double>(count), false, [count](gpu::Stream& stream) {
                       const Tensor input = Tensor::from(Shape{count}, testFloats(count, 1, -1, 1));
                       input.device(stream);
                       return [input](gpu::Stream& s) { convert(s, input, DType::f16); };
                     }});
  }
  return cases;
}

const Registration<Kernel> registration{{"copy", "Copy with conversion between element types", checks, benches}};

}  // namespace
}  // namespace orrery::kernels
