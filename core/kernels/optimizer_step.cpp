// SGD with momentum, Adam and AdamW steps, and the moving average of weights; formulas in shaders/kernels/optimizer_step.comp. Coefficients
// come from the host in double precision.

#include "core/kernels/optimizer_step.h"

#include <cmath>
#include <stdexcept>

#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"

namespace orrery::kernels {
namespace {

struct Push {
  std::uint32_t quads = 0;
  float rate = 0, decay = 0, a = 0, b = 0, c = 0, d = 0, epsilon = 0, restA = 0, restB = 0;
};

// Whole texels are written: a fresh tensor's storage reaches at least to the next multiple of 16 bytes.
gpu::BufferView wholeTexels(gpu::BufferView view) {
  view.bytes = (view.bytes + 15) / 16 * 16;
  return view;
}

void run(gpu::Stream& stream, std::uint32_t mode, Push push, const Tensor& weights, const Tensor& gradient, const Tensor& first,
         const Tensor& second, const Tensor& scale, std::initializer_list<Tensor*> results) {
  for (const Tensor* t : {&gradient, &first, &second}) {
    if (!t->empty() && (t->shape() != weights.shape() || t->dtype() != DType::f32)) {
      throw std::invalid_argument("optimizer: weights " + weights.shape().toString() + " and a state or gradient of " +
                                  t->shape().toString());
    }
  }
  if (weights.dtype() != DType::f32 || gradient.shape() != weights.shape()) {
    throw std::invalid_argument("optimizer: weights and gradient must be f32 of one shape, found " + weights.shape().toString() + " and " +
                                gradient.shape().toString());
  }
  for (Tensor* result : results) *result = Tensor(weights.shape());
  if (weights.empty()) return;
  push.quads = static_cast<std::uint32_t>((weights.count() + 3) / 4);
  const gpu::Binding w{weights.device(stream), gpu::Access::read};
  const auto in = [&](const Tensor& t) { return t.empty() ? w : gpu::Binding{t.device(stream), gpu::Access::read}; };
  Tensor unused[2];
  std::vector<gpu::Binding> bindings{w, in(gradient), in(first), in(second), in(scale)};
  for (Tensor* result : results) bindings.push_back({wholeTexels(result->deviceForWriting(stream)), gpu::Access::write});
  for (std::size_t i = bindings.size(); i < 8; ++i) {
    unused[i - 6] = Tensor(Shape{4});
    bindings.push_back({unused[i - 6].deviceForWriting(stream), gpu::Access::write});
  }
  const std::uint32_t constants[] = {mode, scale.empty() ? 0u : 1u};
  stream.dispatch("kernels/optimizer_step", bindings, std::as_bytes(std::span<const Push, 1>(&push, 1)), stridedGroups(push.quads, 256),
                  constants);
}

}  // namespace

SgdResult sgdStep(gpu::Stream& stream, const Tensor& weights, const Tensor& gradient, const Tensor& momentum, const SgdStep& o,
                  const Tensor& scale) {
  Push push;
  push.rate = static_cast<float>(o.learningRate), push.decay = static_cast<float>(o.weightDecay);
  push.a = static_cast<float>(o.momentum), push.b = static_cast<float>(1 - o.dampening);
  push.c = o.first || momentum.empty() ? 1 : 0, push.d = o.nesterov ? 1 : 0;
  SgdResult result;
  run(stream, 0, push, weights, gradient, momentum, {}, scale, {&result.weights, &result.momentum});
  return result;
}

AdamResult adamStep(gpu::Stream& stream, const Tensor& weights, const Tensor& gradient, const Tensor& first, const Tensor& second,
                    const AdamStep& o, const Tensor& scale) {
  if (first.empty() != weights.empty() || second.empty() != weights.empty()) throw std::invalid_argument("adam: both moments are needed");
  const double t = static_cast<double>(o.step);
  Push push;
  push.rate = static_cast<float>(o.learningRate), push.decay = static_cast<float>(o.weightDecay);
  push.a = static_cast<float>(o.beta1), push.b = static_cast<float>(o.beta2);
  push.restA = static_cast<float>(1 - o.beta1), push.restB = static_cast<float>(1 - o.beta2);
  push.c = static_cast<float>(o.learningRate / (1 - std::pow(o.beta1, t)));
  push.d = static_cast<float>(1 / std::sqrt(1 - std::pow(o.beta2, t)));
  push.epsilon = static_cast<float>(o.epsilon);
  AdamResult result;
  run(stream, o.decoupled ? 2 : 1, push, weights, gradient, first, second, scale, {&result.weights, &result.first, &result.second});
  return result;
}

Tensor lerp(gpu::Stream& stream, const Tensor& average, const Tensor& value, double decay) {
  Push push;
  push.a = static_cast<float>(decay), push.restA = static_cast<float>(1 - decay);
  Tensor result;
  run(stream, 3, push, average, value, {}, {}, {}, {&result});
  return result;
}

namespace {

struct Sample {
  std::vector<float> w, g, m, v;
};
Sample sampleOf(std::int64_t n) {
  return {testFloats(n, 61, -1, 1), testFloats(n, 62, -1, 1), testFloats(n, 63, -0.1, 0.1), testFloats(n, 64, 0, 0.1)};
}

// The second moment's square root and the division: a few ulp of a step of size about the learning rate, on weights of size 1.
constexpr double tolerance = 1e-6;

std::vector<CheckCase> checks(gpu::Device&) {
  std::vector<CheckCase> cases;
  for (const std::int64_t n : {1027, 1, 3, 4, 0}) {
    const Shape shape{n};
    for (const bool decoupled : {false, true}) {
      for (const std::int64_t step : {1, 1000}) {
        const std::string name = std::string(decoupled ? "AdamW" : "Adam") + " step " + std::to_string(step) + " of " + shape.toString();
        cases.push_back({name, tolerance, [=](gpu::Stream& stream) {
                           const Sample s = sampleOf(n);
                           AdamStep o;
                           o.learningRate = 0.01, o.weightDecay = 0.1, o.decoupled = decoupled, o.step = step;
                           const Tensor scale = Tensor::from(Shape{1}, {0.5f});
                           const auto result = adamStep(stream, Tensor::from(shape, s.w), Tensor::from(shape, s.g),
                                                        Tensor::from(shape, s.m), Tensor::from(shape, s.v), o, scale);
                           std::vector<double> expected[3];
                           for (std::size_t i = 0; i < s.w.size(); ++i) {
                             double w = static_cast<double>(s.w[i]), g = 0.5 * static_cast<double>(s.g[i]);
                             if (decoupled)
                               w *= 1 - o.learningRate * o.weightDecay;
                             else
                               g += o.weightDecay * w;
                             const double m = o.beta1 * static_cast<double>(s.m[i]) + (1 - o.beta1) * g;
                             const double v = o.beta2 * static_cast<double>(s.v[i]) + (1 - o.beta2) * g * g;
                             const auto t = static_cast<double>(step);
                             w -= o.learningRate * (m / (1 - std::pow(o.beta1, t))) /
                                  (std::sqrt(v / (1 - std::pow(o.beta2, t))) + o.epsilon);
                             expected[0].push_back(w), expected[1].push_back(m), expected[2].push_back(v);
                           }
                           Difference worst = compare(result.weights, expected[0]);
                           for (const auto& d : {compare(result.first, expected[1]), compare(result.second, expected[2])}) {
                             if (d.worst > worst.worst) worst = d;
                           }
                           return worst;
                         }});
      }
    }
    for (const bool nesterov : {false, true}) {
      for (const bool first : {false, true}) {
        const std::string name = std::string(nesterov ? "Nesterov" : "SGD") + (first ? " first step of " : " step of ") + shape.toString();
        cases.push_back({name, tolerance, [=](gpu::Stream& stream) {
                           const Sample s = sampleOf(n);
                           SgdStep o;
                           o.learningRate = 0.1, o.momentum = 0.9, o.weightDecay = 0.01, o.nesterov = nesterov, o.first = first;
                           o.dampening = nesterov ? 0 : 0.25;
                           const auto result =
                               sgdStep(stream, Tensor::from(shape, s.w), Tensor::from(shape, s.g), Tensor::from(shape, s.m), o);
                           std::vector<double> expected;
                           for (std::size_t i = 0; i < s.w.size(); ++i) {
                             const double w = static_cast<double>(s.w[i]), g = static_cast<double>(s.g[i]) + o.weightDecay * w;
                             const double b = first ? g : o.momentum * static_cast<double>(s.m[i]) + (1 - o.dampening) * g;
                             expected.push_back(w - o.learningRate * (nesterov ? g + o.momentum * b : b));
                           }
                           return compare(result.weights, expected);
                         }});
      }
    }
    cases.push_back({"lerp of " + shape.toString(), tolerance, [=](gpu::Stream& stream) {
                       const Sample s = sampleOf(n);
                       std::vector<double> expected;
                       for (std::size_t i = 0; i < s.w.size(); ++i)
                         expected.push_back(0.99 * static_cast<double>(s.w[i]) + 0.01 * static_cast<double>(s.g[i]));
                       return compare(lerp(stream, Tensor::from(shape, s.w), Tensor::from(shape, s.g), 0.99), expected);
                     }});
  }
  return cases;
}

std::vector<BenchCase> benches(gpu::Device&) {
  std::vector<BenchCase> cases;
  for (const std::int64_t n : {std::int64_t{1} << 14, std::int64_t{1} << 18, std::int64_t{1} << 22}) {
    cases.push_back({std::to_string(n) + " AdamW", "", 0, 28.0 * static_cast<double>(n), false, [n](gpu::Stream& stream) {
                       const Sample s = sampleOf(n);
                       const Tensor w = Tensor::from(Shape{n}, s.w), g = Tensor::from(Shape{n}, s.g), m = Tensor::from(Shape{n}, s.m),
                                    v = Tensor::from(Shape{n}, s.v);
                       for (const Tensor* t : {&w, &g, &m, &v}) t->device(stream);
                       return [=](gpu::Stream& out) { adamStep(out, w, g, m, v, {}); };
                     }});
  }
  return cases;
}

const Registration<Kernel> registration{{"optimizer-step", "SGD, Adam and AdamW steps, moving average of weights", checks, benches}};

}  // namespace
}  // namespace orrery::kernels
