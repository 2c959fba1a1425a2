// Running sums along the last axis, inclusive or exclusive, in three passes (reduce, scan of the block sums, scan of the blocks): Harris,
// Sengupta and Owens 2007, "Parallel prefix sum with CUDA", with subgroup operations in place of shared-memory trees.
// The scalar variant gives every lane its own block: on CPU devices barriers cost more than the sums.

#include "core/kernels/scan.h"

#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"

namespace orrery::kernels {

Tensor scan(gpu::Stream& stream, const Tensor& x, ScanKind kind, std::string_view variant) {
  assert(x.dtype() == DType::f32 || x.dtype() == DType::u32);
  Tensor result(x.shape(), x.dtype());
  if (x.empty()) return result;
  const bool subgroup = (variant.empty() ? variantFor(stream.device(), "scan") : variant) == "subgroup";
  const auto n = static_cast<std::uint32_t>(x.shape().rank() == 0 ? 1 : x.shape()[-1]);
  const auto rows = static_cast<std::uint32_t>(x.count() / n);
  // A lane adds up at most 16384 block sums: lavapipe silently ends loops after 65535 iterations.
  const std::uint32_t block = subgroup ? 1024 : std::max(256u, (n + 16383) / 16384);
  const std::uint32_t blocks = (n + block - 1) / block;
  Tensor sums(Shape{rows, blocks}, DType::u32);
  const struct { std::uint32_t rows, n, block, blocks; } push{rows, n, block, blocks};
  const std::string_view shader = subgroup ? "kernels/scan@subgroup" : "kernels/scan";
  const std::uint32_t isFloat = x.dtype() == DType::f32, exclusive = kind == ScanKind::exclusive;
  const std::uint32_t rowGroups = std::min(rows, 65535u);
  const gpu::BufferView source = x.device(stream), blockSums = sums.deviceForWriting(stream), target = result.deviceForWriting(stream);

  const auto pass = [&](std::uint32_t number, gpu::Groups groups) {
    stream.dispatch(shader,
                    {{source, gpu::Access::read},
                     {blockSums, number == 0 ? gpu::Access::write : gpu::Access::readWrite},
                     {target, number == 2 ? gpu::Access::write : gpu::Access::read}},
                    push, groups, {number, isFloat, exclusive});
  };
  const gpu::Groups perBlock = subgroup ? gpu::Groups{blocks, rowGroups, 1} : stridedGroups(std::int64_t{rows} * blocks, 8);
  const gpu::Groups perRow = subgroup ? gpu::Groups{1, rowGroups, 1} : stridedGroups(rows, 8);
  pass(0, perBlock);
  pass(1, perRow);
  pass(2, perBlock);
  return result;
}

namespace {

template <class T, class Sum>
std::vector<Sum> reference(std::span<const T> x, std::int64_t n, ScanKind kind) {
  std::vector<Sum> result;
  for (std::size_t i = 0, rows = n > 0 ? x.size() / static_cast<std::size_t>(n) : 0; i < rows; ++i) {
    Sum running = 0;
    for (std::size_t j = 0; j < static_cast<std::size_t>(n); ++j) {
      const auto value = static_cast<Sum>(x[i * static_cast<std::size_t>(n) + j]);
      result.push_back(kind == ScanKind::exclusive ? running : running + value);
      running += value;
    }
  }
  return result;
}

std::vector<CheckCase> checks(gpu::Device& device) {
  std::vector<CheckCase> cases;
  std::vector<std::string> variants{"scalar"};
  if (device.subgroupSize() > 1) variants.push_back("subgroup");
  for (const std::string& variant : variants) {
    for (const auto& [rows, n] : {std::pair<std::int64_t, std::int64_t>{3, 2049}, {1, 1}, {70, 255}, {1, 70001}}) {
      for (const ScanKind kind : {ScanKind::inclusive, ScanKind::exclusive}) {
        const Shape shape{rows, n};
        const std::string name = variant + (kind == ScanKind::exclusive ? " exclusive " : " inclusive ") + shape.toString();
        const auto columns = n;
        cases.push_back({name + " u32", 0, [=](gpu::Stream& stream) {  // integers wrap alike: equal to the bit
                           const Tensor x = Tensor::from(shape, testWords(shape.count(), 21));
                           return compareExactly(scan(stream, x, kind, variant),
                                                 reference<std::uint32_t, std::uint32_t>(x.as<std::uint32_t>(), columns, kind));
                         }});
        // Sums of n values in [-1, 1] reach about sqrt(n); a chain of n f32 additions loses at most n ulp of that, in practice sqrt(n): for
        // 70001 values 265 x 6e-8 = 1.6e-5 of a result whose own size is the scale.
        cases.push_back({name + " f32", 2e-5, [=](gpu::Stream& stream) {
                           const Tensor x = Tensor::from(shape, testFloats(shape.count(), 22, -1, 1));
                           return compare(scan(stream, x, kind, variant), reference<float, double>(x.as<float>(), columns, kind));
                         }});
      }
    }
  }
  return cases;
}

std::vector<BenchCase> benches(gpu::Device& device) {
  std::vector<BenchCase> cases;
  for (const std::int64_t count : {std::int64_t{1} << 14, std::int64_t{1} << 18, std::int64_t{1} << 22}) {
    // Reads twice, writes once.
    cases.push_back(
        {std::to_string(count), std::string(variantFor(device, "scan")), 0, 12.0 * static_cast<double>(count), false, [count](gpu::Stream& stream) {
           const Tensor x = Tensor::from(Shape{count}, testFloats(count, 1, -1, 1));
           x.device(stream);
           return [x](gpu::Stream& s) { scan(s, x, ScanKind::inclusive); };
         }});
  }
  return cases;
}

const Registration<Kernel> registration{{"scan", "Running sums along the last axis", checks, benches}};

}  // namespace
}  // namespace orrery::kernels
