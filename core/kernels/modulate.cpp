// y = base + x (offset + m), with m (and base, where it has one row per sequence) the same for all tokens of a sequence: see modulate.h.

#include "core/kernels/modulate.h"

#include <stdexcept>

#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"

namespace orrery::kernels {

Tensor modulate(gpu::Stream& stream, const Tensor& x, const Tensor& m, float offset, const Tensor& base) {
  const Shape& shape = x.shape();
  const bool none = base.empty() && !x.empty();
  if (shape.rank() != 3 || m.shape() != Shape{shape[0], shape[2]} || (!none && base.shape() != m.shape() && base.shape() != shape)) {
    throw std::invalid_argument("modulate: " + shape.toString() + " does not fit factors " + m.shape().toString() +
                                (none ? std::string() : " and base " + base.shape().toString()));
  }
  assert(x.dtype() == DType::f32 && m.dtype() == DType::f32);
  Tensor result(shape);
  if (x.empty()) return result;
  const std::int64_t unit = shape[2] % 4 == 0 ? 4 : 1;
  const struct {
    std::uint32_t count, width, sequence;
    float offset;
  } push{static_cast<std::uint32_t>(x.count() / unit), static_cast<std::uint32_t>(shape[2] / unit),
         static_cast<std::uint32_t>(shape[1] * shape[2] / unit), offset};
  const Tensor& read = none ? m : base;
  stream.dispatch("kernels/modulate",
                  {{x.device(stream), gpu::Access::read},
                   {m.device(stream), gpu::Access::read},
                   {read.device(stream), gpu::Access::read},
                   {result.deviceForWriting(stream), gpu::Access::write}},
                  push, stridedGroups(x.count() / unit, 256),
                  {none                    ? 0u
                   : base.shape() == shape ? 2u
                                           : 1u,
                   unit == 4 ? 1u : 0u});
  return result;
}

Doubles modulateReference(const Doubles& x, const Doubles& m, double offset, const Doubles& base) {
  Doubles result(x.shape);
  const std::int64_t d = x.shape[2], sequence = x.shape[1] * d;
  for (std::int64_t i = 0; i < x.shape.count(); ++i) {
    const std::int64_t at = i / sequence * d + i % d;
    result[i] = (base.empty() ? 0 : base[base.shape == x.shape ? i : at]) + x[i] * (offset + m[at]);
  }
  return result;
}

namespace {

std::vector<CheckCase> checks(gpu::Device&) {
  std::vector<CheckCase> cases;
  // Rows of whole texels and not; each kind of base; more than one walk of all groups.
  for (const Shape& shape : {Shape{3, 5, 12}, Shape{2, 7, 5}, Shape{1, 1, 1}, Shape{4, 300, 960}}) {
    for (const int kind : {0, 1, 2}) {
      // A sum, a product and a sum: three roundings of values of up to three.
      cases.push_back({shape.toString() + " with base " + std::to_string(kind), 5e-7, [shape, kind](gpu::Stream& stream) {
                         const Shape rows{shape[0], shape[2]};
                         const Tensor x = Tensor::from(shape, testFloats(shape.count(), 311, -1, 1)),
                                      m = Tensor::from(rows, testFloats(rows.count(), 312, -1, 1));
                         Tensor base;
                         if (kind == 1) base = Tensor::from(rows, testFloats(rows.count(), 313, -1, 1));
                         if (kind == 2) base = Tensor::from(shape, testFloats(shape.count(), 314, -1, 1));
                         return compare(modulate(stream, x, m, 0.5f, base),
                                        modulateReference(Doubles(x), Doubles(m), 0.5, kind == 0 ? Doubles() : Doubles(base)).values);
                       }});
    }
  }
  return cases;
}

std::vector<BenchCase> benches(gpu::Device&) {
  std::vector<BenchCase> cases;
  for (const Shape& shape : {Shape{4, 64, 128}, Shape{64, 64, 128}, Shape{64, 256, 384}}) {
    const auto n = static_cast<double>(shape.count());
    cases.push_back({shape.toString(), "", 3 * n, 12 * n, false, [shape](gpu::Stream&) {
                       const Tensor x = Tensor::from(shape, testFloats(shape.count(), 315, -1, 1)),
                                    m = Tensor::from(Shape{shape[0], shape[2]}, testFloats(shape[0] * shape[2], 316, -1, 1));
                       return [x, m](gpu::Stream& s) { modulate(s, x, m, 1, x); };
                     }});
  }
  return cases;
}

const Registration<Kernel> registration{{"modulate", "Scale and shift tokens by what belongs to their sequence", checks, benches}};

}  // namespace
}  // namespace orrery::kernels
