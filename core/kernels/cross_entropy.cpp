// Cross entropy of softmax(logits) with one class per row: loss_i = ln sum_j exp(x_ij) - x_i,target, and its gradient. Rows are walked by
// one lane each, which suits up to some tens of thousands of classes.

#include "core/kernels/cross_entropy.h"

#include <cmath>
#include <stdexcept>

#include "core/kernels/check_support.h"
#include "core/kernels/kernel.h"

namespace orrery::kernels {
namespace {

struct Push {
  std::uint32_t rows, classes;
};

Push checked(const Tensor& logits, const Tensor& targets) {
  if (logits.dtype() != DType::f32 || targets.dtype() != DType::u32 || logits.shape().rank() != 2 || logits.shape()[1] < 1 ||
      targets.shape() != Shape{logits.shape()[0]}) {
    throw std::invalid_argument("crossEntropy: logits f32 [n, classes] and targets u32 [n] are needed, found " + logits.shape().toString() +
                                " and " + targets.shape().toString());
  }
  return {static_cast<std::uint32_t>(logits.shape()[0]), static_cast<std::uint32_t>(logits.shape()[1])};
}

gpu::Groups groupsFor(std::uint32_t rows) {
  const std::uint32_t groups = (rows + 7) / 8, widest = 32768;
  return {std::min(groups, widest), (groups + widest - 1) / widest, 1};
}

}  // namespace

CrossEntropy crossEntropy(gpu::Stream& stream, const Tensor& logits, const Tensor& targets) {
  const Push push = checked(logits, targets);
  CrossEntropy result{Tensor(targets.shape()), Tensor(targets.shape())};
  if (push.rows == 0) return result;
  requireIterations(stream.device(), "crossEntropy", 2 * std::int64_t{push.classes});
  const gpu::Binding x{logits.device(stream), gpu::Access::read};
  stream.dispatch("kernels/cross_entropy",
                  {x,
                   {targets.device(stream), gpu::Access::read},
                   x,
                   x,
                   {result.loss.deviceForWriting(stream), gpu::Access::write},
                   {result.logSumExp.deviceForWriting(stream), gpu::Access::write}},
                  push, groupsFor(push.rows), {0u});
  return result;
}

Tensor crossEntropyGradient(gpu::Stream& stream, const Tensor& logits, const Tensor& targets, const Tensor& logSumExp,
                            const Tensor& weight) {
  const Push push = checked(logits, targets);
  if (logSumExp.shape() != targets.shape() || weight.shape() != targets.shape()) {
    throw std::invalid_argument("crossEntropy: one log-sum-exp and one weight per row of " + logits.shape().toString() + " are needed");
  }
  Tensor gradient(logits.shape()), unused{Shape{1}};
  if (push.rows == 0) return gradient;
  requireIterations(stream.device(), "crossEntropy", push.classes);
  stream.dispatch("kernels/cross_entropy",
                  {{logits.device(stream), gpu::Access::read},
                   {targets.device(stream), gpu::Access::read},
                   {logSumExp.device(stream), gpu::Access::read},
                   {weight.device(stream), gpu::Access::read},
                   {gradient.deviceForWriting(stream), gpu::Access::write},
                   {unused.deviceForWriting(stream), gpu::Access::write}},
                  push, groupsFor(push.rows), {1u});
  return gradient;
}

std::vector<double> crossEntropyReference(std::span<const double> logits, std::span<const std::uint32_t> targets) {
  std::vector<double> loss;
  const std::size_t classes = targets.empty() ? 0 : logits.size() / targets.size();
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const auto row = logits.subspan(i * classes, classes);
    double largest = row[0], sum = 0;
    for (const double x : row) largest = std::max(largest, x);
    for (const double x : row) sum += std::exp(x - largest);
    loss.push_back(targets[i] < classes ? largest + std::log(sum) - row[targets[i]] : 0);
  }
  return loss;
}

namespace {

std::vector<CheckCase> checks(gpu::Device&) {
  std::vector<CheckCase> cases;
  for (const auto& [n, classes] : {std::pair<std::int64_t, std::int64_t>{9, 5}, {1, 1}, {8, 256}, {7, 1025}, {0, 3}, {33, 10}}) {
    const Shape shape{n, classes};
    const auto inputs = [shape] {
      std::vector<std::uint32_t> targets = testWords(shape[0], 12);
      for (std::size_t i = 0; i < targets.size(); ++i)
        targets[i] = i == 3 ? 0xFFFFFFFFu : targets[i] % static_cast<std::uint32_t>(shape[1]);
      return std::pair{testFloats(shape.count(), 11, -20, 20), targets};
    };
    // exp and log lose a few ulp; the sum of up to 1025 terms in order, about sqrt(1025) x 6e-8 of itself.
    cases.push_back({"loss of " + shape.toString(), 4e-6, [=](gpu::Stream& stream) {
                       const auto [logits, targets] = inputs();
                       const std::vector<double> wide(logits.begin(), logits.end());
                       return compare(crossEntropy(stream, Tensor::from(shape, logits), Tensor::from(Shape{shape[0]}, targets)).loss,
                                      crossEntropyReference(wide, targets));
                     }});
    cases.push_back(
        {"gradient of " + shape.toString(), 4e-6, [=](gpu::Stream& stream) {
           const auto [logits, targets] = inputs();
           const auto weights = testFloats(shape[0], 13, -1, 1);
           const Tensor x = Tensor::from(shape, logits), t = Tensor::from(Shape{shape[0]}, targets);
           std::vector<double> expected;
           for (std::size_t i = 0; i < targets.size(); ++i) {
             const std::size_t classesHere = static_cast<std::size_t>(shape[1]);
             double largest = -1e300, sum = 0;
             for (std::size_t j = 0; j < classesHere; ++j) largest = std::max(largest, static_cast<double>(logits[i * classesHere + j]));
             for (std::size_t j = 0; j < classesHere; ++j) sum += std::exp(static_cast<double>(logits[i * classesHere + j]) - largest);
             for (std::size_t j = 0; j < classesHere; ++j) {
               const double share = std::exp(static_cast<double>(logits[i * classesHere + j]) - largest) / sum;
               expected.push_back(targets[i] < classesHere ? static_cast<double>(weights[i]) * (share - (j == targets[i] ? 1 : 0)) : 0);
             }
           }
           const CrossEntropy forward = crossEntropy(stream, x, t);
           return compare(crossEntropyGradient(stream, x, t, forward.logSumExp, Tensor::from(Shape{shape[0]}, weights)), expected);
         }});
  }
  return cases;
}

std::vector<BenchCase> benches(gpu::Device&) {
  std::vector<BenchCase> cases;
  for (const auto& [n, classes] : {std::pair<std::int64_t, std::int64_t>{4096, 2}, {4096, 256}, {256, 8192}}) {
    const Shape shape{n, classes};
    cases.push_back({std::to_string(n) + "x" + std::to_string(classes), "", 0, 4.0 * static_cast<double>(shape.count()), false,
                     [shape](gpu::Stream& stream) {
                       std::vector<std::uint32_t> targets = testWords(shape[0], 12);
                       for (std::uint32_t& t : targets) t %= static_cast<std::uint32_t>(shape[1]);
                       const Tensor x = Tensor::from(shape, testFloats(shape.count(), 11, -4, 4)),
                                    t = Tensor::from(Shape{shape[0]}, targets);
                       x.device(stream);
                       t.device(stream);
                       return [x, t](gpu::Stream& s) { crossEntropy(s, x, t); };
                     }});
  }
  return cases;
}

const Registration<Kernel> registration{{"cross-entropy", "Cross entropy of logits with class indices, and its gradient", checks, benches}};

}  // namespace
}  // namespace orrery::kernels
