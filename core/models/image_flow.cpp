// A flow of pictures on the tape: squeeze, actnorm, mixing, coupling, split, there and back. Sources: Kingma and Dhariwal 2018, table 1 and
// section 3; Dinh et al. 2017, section 3.6.
// Shapes: x [N, C, H, W]; W [C, C], applied as a 1 x 1 convolution. Convention: the first half of the channels passes a coupling and stays
// at a split.

#include "core/models/image_flow.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/text.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/fill.h"

namespace orrery::models::flows {
namespace {

using kernels::Unary;

// [N, C, H, W] -> [N, 4 C, H / 2, W / 2]: channel c becomes 4 c ... 4 c + 3, the four pixels of a 2 x 2 block row by row; and back.
nn::Variable squeezed(const nn::Variable& x) {
  const Shape s = x.shape();
  const nn::Variable blocks = nn::reshape(x, Shape{s[0], s[1], s[2] / 2, 2, s[3] / 2, 2});
  return nn::reshape(nn::permute(blocks, {0, 1, 3, 5, 2, 4}), Shape{s[0], 4 * s[1], s[2] / 2, s[3] / 2});
}
nn::Variable unsqueezed(const nn::Variable& x) { return nn::pixelShuffle(x, 2); }

// [C] repeated over pixels, [C, H, W]. Written out once per batch: an operand that repeats over the last axes too is read many times slower
// than one that repeats over the first alone.
nn::Variable overPixels(const nn::Variable& v, std::int64_t height, std::int64_t width) {
  const std::int64_t c = v.shape()[0];
  const nn::Variable none = v.tape().constant(kernels::fill(v.tape().stream(), Shape{c, height, width}, 0.0f));
  return nn::add(none, nn::reshape(v, Shape{c, 1, 1}));
}

nn::Variable times(const nn::Variable& x, std::int64_t factor) { return nn::affine(x, static_cast<double>(factor), 0); }

// The sum over everything but the first axis.
nn::Variable perPicture(const nn::Variable& x) { return nn::sum(nn::reshape(x, Shape{x.shape()[0], x.value().count() / x.shape()[0]}), 1); }

nn::Variable joined(const nn::Variable& a, const nn::Variable& b) {
  if (a.empty()) return b;
  return b.empty() ? a : nn::add(a, b);
}

}  // namespace

Expected<ImageFlow> ImageFlow::make(const ImageFlowOptions& options, std::uint64_t seed) {
  ImageFlow flow;
  flow.options_ = options;
  std::int64_t c = options.channels, h = options.height, w = options.width;
  std::size_t weight = 0;
  const std::size_t ofMixing = options.mixing == Mixing::lu ? 3 : options.mixing == Mixing::dense ? 1 : 0;
  for (std::int64_t level = 0; level < options.levels; ++level) {
    const auto stage = [&](Kind kind, std::int64_t step, std::size_t weights) {
      flow.stages_.push_back({kind, level, step, c, h, w, weight, weights});
      weight += weights;
    };
    if (options.squeeze) {
      if (h % 2 != 0 || w % 2 != 0) {
        return makeError(ErrorCode::usage,
                         trf("Level {} would squeeze a picture of {} x {} pixels: pad or crop the side to a multiple of {}, or "
                             "take fewer levels",
                             level + 1, w, h, std::int64_t{1} << options.levels));
      }
      c *= 4, h /= 2, w /= 2;
      stage(Kind::squeeze, 0, 0);
    }
    if (c % 2 != 0) {
      return makeError(ErrorCode::usage, trf("A coupling splits the channels into halves; level {} has {}, an odd number", level + 1, c));
    }
    for (std::int64_t step = 0; step < options.steps; ++step) {
      stage(Kind::actnorm, step, 2);
      stage(Kind::mixing, step, ofMixing);
      stage(Kind::coupling, step, 6);
    }
    if (level + 1 < options.levels) {
      c /= 2;
      stage(Kind::split, 0, 0);
    }
  }
  flow.drawMixings(seed);
  return flow;
}

nn::Weights ImageFlow::initial(nn::Initializer& draw) const {
  nn::Weights weights;
  const auto floats = [](const std::vector<double>& values) { return std::vector<float>(values.begin(), values.end()); };
  for (const Stage& stage : stages_) {
    const std::string step = "levels." + std::to_string(stage.level) + ".steps." + std::to_string(stage.step) + ".";
    const std::int64_t c = stage.channels, hidden = options_.hidden;
    const auto add = [&](const std::string& name, Tensor value) { weights.push_back({step + name, std::move(value)}); };
    if (stage.kind == Kind::actnorm) {
      add("actnorm.bias", draw.constant(Shape{c}, 0));
      add("actnorm.logs", draw.constant(Shape{c}, 0));
    }
    if (stage.kind == Kind::mixing && options_.mixing == Mixing::dense) {
      add("invconv.weight", Tensor::from(Shape{c, c}, floats(fixedOf(stage).start)));
    }
    if (stage.kind == Kind::mixing && options_.mixing == Mixing::lu) {
      add("invconv.lower", Tensor::from(Shape{c, c}, floats(fixedOf(stage).lower)));
      add("invconv.upper", Tensor::from(Shape{c, c}, floats(fixedOf(stage).upper)));
      add("invconv.log_s", Tensor::from(Shape{c}, floats(fixedOf(stage).logS)));
    }
    if (stage.kind == Kind::coupling) {
      const std::int64_t out = options_.affine ? c : c / 2;
      // He et al. 2015 for layers followed by relu; the last starts at 0.
      add("coupling.0.weight", draw.normal(Shape{hidden, c / 2, 3, 3}, std::sqrt(2.0 / static_cast<double>(9 * c / 2))));
      add("coupling.0.bias", draw.constant(Shape{hidden}, 0));
      add("coupling.2.weight", draw.normal(Shape{hidden, hidden, 1, 1}, std::sqrt(2.0 / static_cast<double>(hidden))));
      add("coupling.2.bias", draw.constant(Shape{hidden}, 0));
      add("coupling.4.weight", draw.constant(Shape{out, hidden, 3, 3}, 0));
      add("coupling.4.bias", draw.constant(Shape{out}, 0));
    }
  }
  return weights;
}

const ImageFlow::Fixed& ImageFlow::fixedOf(const Stage& stage) const {
  return fixed_[static_cast<std::size_t>(stage.level * options_.steps + stage.step)];
}

// W on the tape; `logDet`, when given, receives ln |det W|, empty when it is 0 for ever.
nn::Variable ImageFlow::matrix(const Stage& stage, std::span<const nn::Variable> weights, nn::Tape& tape, nn::Variable* logDet) const {
  const Fixed& fixed = fixedOf(stage);
  if (options_.mixing == Mixing::dense) {
    if (logDet != nullptr) *logDet = nn::slogdet(weights[0]).logAbsDet;
    return weights[0];
  }
  if (options_.mixing != Mixing::lu) return tape.constant(fixed.permutation);
  // W = P L (U + diag s), with s = sign e^log_s: the signs stay.
  const nn::Variable ones = tape.constant(fixed.ones);
  const nn::Variable lower = nn::add(nn::mul(weights[0], tape.constant(fixed.belowMask)), ones);
  const nn::Variable scales = nn::mul(nn::apply(Unary::exp, weights[2]), tape.constant(fixed.signs));
  const nn::Variable upper = nn::add(nn::mul(weights[1], tape.constant(fixed.aboveMask)), nn::mul(ones, scales));
  if (logDet != nullptr) *logDet = nn::sum(weights[2]);
  return nn::matmul(tape.constant(fixed.permutation), nn::matmul(lower, upper));
}

ImageFlow::Told ImageFlow::tell(const Stage& stage, std::span<const nn::Variable> weights, const nn::Variable& passing) const {
  kernels::Conv2dOptions around;
  around.padding = {1, 1};
  nn::Variable h = nn::relu(nn::conv2d(passing, weights[0], weights[1], around));
  h = nn::relu(nn::add(nn::conv2d(h, weights[2], {}), overPixels(weights[3], stage.height, stage.width)));
  h = nn::conv2d(h, weights[4], weights[5], around);
  if (!options_.affine) return {h, {}};
  const std::int64_t moved = stage.channels / 2;
  return {nn::slice(h, 1, 0, moved), nn::slice(h, 1, moved, 2 * moved)};
}

nn::Variable ImageFlow::forwardStage(const Stage& stage, std::span<const nn::Variable> weights, Moving& moving) const {
  nn::Tape& tape = moving.h.tape();
  const std::int64_t c = stage.channels, pixels = stage.height * stage.width;
  switch (stage.kind) {
    case Kind::squeeze:
      moving.h = squeezed(moving.h);
      return {};
    case Kind::split:
      moving.exits.push_back(nn::slice(moving.h, 1, c, 2 * c));
      moving.h = nn::slice(moving.h, 1, 0, c);
      return {};
    case Kind::actnorm:
      moving.h = nn::mul(nn::add(moving.h, overPixels(weights[0], stage.height, stage.width)),
                         overPixels(nn::apply(Unary::exp, weights[1]), stage.height, stage.width));
      return times(nn::sum(weights[1]), pixels);
    case Kind::mixing: {
      nn::Variable logDet;
      const nn::Variable w = matrix(stage, weights, tape, &logDet);
      moving.h = nn::conv2d(moving.h, nn::reshape(w, Shape{c, c, 1, 1}), {});
      return logDet.empty() ? logDet : times(logDet, pixels);
    }
    case Kind::coupling:
      break;
  }
  const nn::Variable passing = nn::slice(moving.h, 1, 0, c / 2);
  nn::Variable moved = nn::slice(moving.h, 1, c / 2, c);
  const Told told = tell(stage, weights, passing);
  nn::Variable logDet;
  if (options_.affine) {
    const double m = options_.leastScale;
    const nn::Variable open = nn::sigmoid(nn::affine(told.logit, 1, 2));
    const nn::Variable scale = m > 0 ? nn::affine(open, 1 - m, m) : open;
    moved = nn::mul(moved, scale);
    // ln sigmoid(a) = -softplus(-a), which stays finite where the sigmoid is 0.
    logDet = m > 0 ? perPicture(nn::apply(Unary::log, scale)) : nn::affine(perPicture(nn::softplus(nn::affine(told.logit, -1, -2))), -1, 0);
  }
  moving.h = nn::concat({passing, nn::add(moved, told.shift)}, 1);
  return logDet;
}

void ImageFlow::inverseStage(const Stage& stage, std::span<const nn::Variable> weights, Moving& moving) const {
  nn::Tape& tape = moving.h.tape();
  const std::int64_t c = stage.channels;
  switch (stage.kind) {
    case Kind::squeeze:
      moving.h = unsqueezed(moving.h);
      return;
    case Kind::split:
      moving.h = nn::concat({moving.h, moving.exits.back()}, 1);
      moving.exits.pop_back();
      return;
    case Kind::actnorm:
      moving.h = nn::sub(nn::mul(moving.h, overPixels(nn::apply(Unary::exp, nn::affine(weights[1], -1, 0)), stage.height, stage.width)),
                         overPixels(weights[0], stage.height, stage.width));
      return;
    case Kind::mixing: {
      const nn::Variable back = nn::inverse(matrix(stage, weights, tape, nullptr));
      moving.h = nn::conv2d(moving.h, nn::reshape(back, Shape{c, c, 1, 1}), {});
      return;
    }
    case Kind::coupling:
      break;
  }
  const nn::Variable passing = nn::slice(moving.h, 1, 0, c / 2);
  const Told told = tell(stage, weights, passing);  // what passes is the same on both sides: the network sees the same
  nn::Variable moved = nn::sub(nn::slice(moving.h, 1, c / 2, c), told.shift);
  if (options_.affine && options_.leastScale > 0) {
    const double m = options_.leastScale;
    moved = nn::div(moved, nn::affine(nn::sigmoid(nn::affine(told.logit, 1, 2)), 1 - m, m));
  } else if (options_.affine) {
    // 1 / sigmoid(a) = 1 + e^-a
    moved = nn::mul(moved, nn::affine(nn::apply(Unary::exp, nn::affine(told.logit, -1, -2)), 1, 1));
  }
  moving.h = nn::concat({passing, moved}, 1);
}

// A state inside `level`, behind its squeeze, as a picture.
nn::Variable ImageFlow::laidOut(const Moving& moving, std::int64_t level) const {
  nn::Variable x = moving.h;
  // What left at the end of this level comes back first, then the levels before it.
  std::size_t exits = moving.exits.size();
  if (exits > static_cast<std::size_t>(level)) x = nn::concat({x, moving.exits[--exits]}, 1);
  if (options_.squeeze) x = unsqueezed(x);
  while (exits > 0) {
    x = nn::concat({x, moving.exits[--exits]}, 1);
    if (options_.squeeze) x = unsqueezed(x);
  }
  return x;
}

Mapped ImageFlow::forward(std::span<const nn::Variable> weights, const nn::Variable& x, Trace* trace) const {
  Moving moving{x, {}};
  nn::Variable logDet;  // of the batch: [] until a coupling makes it [N]
  for (const Stage& stage : stages_) {
    const nn::Variable before = moving.h;
    const nn::Variable one = forwardStage(stage, weights.subspan(stage.firstWeight, stage.weights), moving);
    logDet = joined(logDet, one);
    if (trace == nullptr) continue;
    trace->inputs.push_back(before);
    trace->states.push_back(laidOut(moving, stage.level));
    trace->logDets.push_back(one);
  }
  const std::int64_t n = x.shape()[0];
  if (!logDet.empty() && logDet.shape().rank() == 0) {
    logDet = nn::add(logDet, x.tape().constant(kernels::fill(x.tape().stream(), Shape{n}, 0.0f)));
  }
  return {stages_.empty() ? x : laidOut(moving, stages_.back().level), logDet};
}

nn::Variable ImageFlow::inverse(std::span<const nn::Variable> weights, const nn::Variable& z, std::vector<nn::Variable>* states) const {
  // Take the latents apart as the levels left them.
  Moving moving{z, {}};
  for (std::int64_t level = 0; level < options_.levels; ++level) {
    if (options_.squeeze) moving.h = squeezed(moving.h);
    if (level + 1 == options_.levels) break;
    const std::int64_t c = moving.h.shape()[1];
    moving.exits.push_back(nn::slice(moving.h, 1, c / 2, c));
    moving.h = nn::slice(moving.h, 1, 0, c / 2);
  }
  for (std::size_t i = stages_.size(); i-- > 0;) {
    const Stage& stage = stages_[i];
    inverseStage(stage, weights.subspan(stage.firstWeight, stage.weights), moving);
    if (states == nullptr) continue;
    const bool first = i == 0 || stages_[i - 1].level != stage.level;
    states->push_back(!first ? laidOut(moving, stage.level) : stage.level > 0 ? laidOut(moving, stage.level - 1) : moving.h);
  }
  return moving.h;
}

nn::Variable ImageFlow::logLikelihood(std::span<const nn::Variable> weights, const nn::Variable& x) const {
  Moving moving{x, {}};
  nn::Variable logDet;
  for (const Stage& stage : stages_) {
    logDet = joined(logDet, forwardStage(stage, weights.subspan(stage.firstWeight, stage.weights), moving));
  }
  nn::Variable squares = perPicture(nn::square(moving.h));
  for (const nn::Variable& exit : moving.exits) squares = nn::add(squares, perPicture(nn::square(exit)));
  const nn::Variable prior = nn::affine(squares, -0.5, -0.5 * static_cast<double>(dimensions()) * std::log(2 * std::numbers::pi));
  return joined(prior, logDet);
}

}  // namespace orrery::models::flows
