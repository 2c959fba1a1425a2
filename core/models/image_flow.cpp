// A flow of pictures on the tape: logit, checkerboards, squeeze, actnorm, mixing, coupling, split, there and back. Sources: Kingma and
// Dhariwal 2018, table 1 and section 3; Dinh et al. 2017, sections 3.4 (masks), 3.6 and 4.1 (logit).
// Shapes: x [N, C, H, W]; W [C, C], applied as a 1 x 1 convolution. Convention: the first half of the channels passes a coupling (the
// second one a swapped coupling) and stays at a split; the first checkerboard passes where row + column is even, the next where it is odd; a
// painted mask likewise, where it is painted and where not.

#include "core/models/image_flow.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/text.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/fill.h"
#include "core/models/batch_statistics.h"
#include "core/models/picture_boards.h"

namespace orrery::models::flows {
namespace {

using kernels::Unary;

// What the logit keeps between p and 1: single precision rounds a few values just below 1 up to it.
constexpr double leastRest = 6e-8;

// [N, C, H, W] -> [N, 4 C, H / 2, W / 2]: channel c becomes 4 c ... 4 c + 3, the four pixels of a 2 x 2 block row by row; and back.
// With `together` the order is by pixel of the block, then by channel.
nn::Variable squeezed(const nn::Variable& x, bool together) {
  const Shape s = x.shape();
  const nn::Variable blocks = nn::reshape(x, Shape{s[0], s[1], s[2] / 2, 2, s[3] / 2, 2});
  const std::vector<int> order = together ? std::vector<int>{0, 3, 5, 1, 2, 4} : std::vector<int>{0, 1, 3, 5, 2, 4};
  return nn::reshape(nn::permute(blocks, order), Shape{s[0], 4 * s[1], s[2] / 2, s[3] / 2});
}
nn::Variable unsqueezed(const nn::Variable& x, bool together) {
  if (!together) return nn::pixelShuffle(x, 2);
  const Shape s = x.shape();
  const nn::Variable blocks = nn::reshape(x, Shape{s[0], 2, 2, s[1] / 4, s[2], s[3]});
  return nn::reshape(nn::permute(blocks, {0, 3, 4, 1, 5, 2}), Shape{s[0], s[1] / 4, 2 * s[2], 2 * s[3]});
}

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

// The mean over the batch and the pixels, [C].
nn::Variable perChannel(const nn::Variable& x) {
  const Shape s = x.shape();
  return nn::mean(nn::mean(nn::reshape(x, Shape{s[0], s[1], s[2] * s[3]}), 2), 0);
}

nn::Variable joined(const nn::Variable& a, const nn::Variable& b) {
  if (a.empty()) return b;
  return b.empty() ? a : nn::add(a, b);
}

// What passes the couplings of pixels at this size, and what does not.
std::array<Tensor, 2> boards(const ImageFlowOptions& options, std::int64_t height, std::int64_t width) {
  std::array<std::vector<float>, 2> values;
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      const bool passing = boardPasses(options, height, width, y, x);
      values[0].push_back(passing ? 1.0f : 0.0f), values[1].push_back(passing ? 0.0f : 1.0f);
    }
  }
  return {Tensor::from(Shape{height, width}, values[0]), Tensor::from(Shape{height, width}, values[1])};
}

// The logit's p = low + share x.
struct Squash {
  double low = 0, share = 1;
};
Squash squashOf(const ImageFlowOptions& options) { return {options.alpha, 1 - (options.twoSided ? 2 : 1) * options.alpha}; }

}  // namespace

std::string textOfMask(const PaintedMask& mask) {
  std::string text;
  for (std::size_t i = 0; i < mask.size(); i += 4) {
    int digit = 0;
    for (std::size_t k = 0; k < 4; ++k) digit = 2 * digit + (mask[i + k] != 0 ? 1 : 0);
    text += "0123456789abcdef"[digit];
  }
  return text;
}

std::optional<PaintedMask> maskOfText(std::string_view text) {
  PaintedMask mask{};
  if (4 * text.size() != mask.size()) return std::nullopt;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::size_t digit = std::string_view("0123456789abcdef").find(text[i]);
    if (digit == std::string_view::npos) return std::nullopt;
    for (std::size_t k = 0; k < 4; ++k) mask[4 * i + k] = (digit >> (3 - k)) & 1u;
  }
  return mask;
}

Expected<ImageFlow> ImageFlow::make(const ImageFlowOptions& options, std::uint64_t seed) {
  ImageFlow flow;
  flow.options_ = options;
  if (options.logit && !(options.alpha >= 0 && options.alpha <= 0.2)) {
    return makeError(ErrorCode::usage, trf("The logit's alpha lies between 0 and 0.2, found {:g}", options.alpha));
  }
  std::int64_t c = options.channels, h = options.height, w = options.width;
  std::size_t weight = 0;
  bool coupled = false;  // there is a coupling already
  const std::size_t ofMixing = options.mixing == Mixing::lu ? 3 : options.mixing == Mixing::dense ? 1 : 0;
  for (std::int64_t level = 0; level < options.levels; ++level) {
    bool behind = false;  // the squeeze
    const auto stage = [&](Kind kind, std::int64_t step, std::size_t weights, bool swapped = false) {
      flow.stages_.push_back({kind, level, step, c, h, w, weight, weights, behind, swapped});
      weight += weights;
    };
    const auto normalize = [&](std::int64_t step) {
      if (options.batchNorm && coupled) stage(Kind::norm, step, 2);
      if (options.actnorm) stage(Kind::actnorm, step, 2);
      coupled = true;
    };
    if (level == 0 && options.logit) stage(Kind::logit, 0, 0);
    for (std::int64_t step = 0; step < options.checkers; ++step) {
      normalize(step);
      stage(Kind::checker, step, 6, step % 2 == 1);
    }
    if (options.checkers > 0) {
      flow.checks_.push_back(boards(options, h, w));
      const auto passing = flow.checks_.back()[0].toFloats();
      const auto count = std::count(passing.begin(), passing.end(), 1.0f);
      if (count == 0 || count == h * w) {
        return makeError(ErrorCode::usage, trf("The painted mask lets {} of the {} pixels of level {} pass: paint some to pass and leave some to move",
                                               count, h * w, level + 1));
      }
    }
    behind = true;
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
      normalize(step);
      if (options.mixing != Mixing::none) stage(Kind::mixing, step, ofMixing);
      // Without a mixing between them couplings take turns; the last moves the half that leaves, told by the half that stays.
      stage(Kind::coupling, step, 6, options.mixing == Mixing::none && (options.steps - 1 - step) % 2 == 1);
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
    const std::string step =
        "levels." + std::to_string(stage.level) + (stage.squeezed ? ".steps." : ".checkers.") + std::to_string(stage.step) + ".";
    const std::int64_t c = stage.channels, hidden = options_.hidden;
    const auto add = [&](const std::string& name, Tensor value) { weights.push_back({step + name, std::move(value)}); };
    if (stage.kind == Kind::actnorm) {
      add("actnorm.bias", draw.constant(Shape{c}, 0));
      add("actnorm.logs", draw.constant(Shape{c}, 0));
    }
    if (stage.kind == Kind::norm) {
      add("norm.running_mean", draw.constant(Shape{c}, 0));
      add("norm.running_var", draw.constant(Shape{c}, 1));
    }
    if (stage.kind == Kind::mixing && options_.mixing == Mixing::dense) {
      add("invconv.weight", Tensor::from(Shape{c, c}, floats(fixedOf(stage).start)));
    }
    if (stage.kind == Kind::mixing && options_.mixing == Mixing::lu) {
      add("invconv.lower", Tensor::from(Shape{c, c}, floats(fixedOf(stage).lower)));
      add("invconv.upper", Tensor::from(Shape{c, c}, floats(fixedOf(stage).upper)));
      add("invconv.log_s", Tensor::from(Shape{c}, floats(fixedOf(stage).logS)));
    }
    if (stage.kind == Kind::coupling || stage.kind == Kind::checker) {
      const std::int64_t in = stage.kind == Kind::checker ? c : c / 2, out = options_.affine ? 2 * in : in;
      // He et al. 2015 for layers followed by relu; the last starts at 0.
      add("coupling.0.weight", draw.normal(Shape{hidden, in, 3, 3}, std::sqrt(2.0 / static_cast<double>(9 * in))));
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

ImageFlow::Told ImageFlow::tell(const Stage& stage, std::span<const nn::Variable> network, const nn::Variable& passing,
                                std::int64_t out) const {
  kernels::Conv2dOptions around;
  around.padding = {1, 1};
  nn::Variable h = nn::relu(nn::conv2d(passing, network[0], network[1], around));
  h = nn::relu(nn::add(nn::conv2d(h, network[2], {}), overPixels(network[3], stage.height, stage.width)));
  h = nn::conv2d(h, network[4], network[5], around);
  if (!options_.affine) return {h, {}};
  return {nn::slice(h, 1, 0, out), nn::slice(h, 1, out, 2 * out)};
}

nn::Variable ImageFlow::checked(const Stage& stage, const nn::Variable& x, bool passing) const {
  const auto parity = static_cast<std::size_t>(stage.swapped == passing ? 1 : 0);
  return nn::mul(x, x.tape().constant(checks_[static_cast<std::size_t>(stage.level)][parity]));
}

nn::Variable ImageFlow::forwardStage(const Stage& stage, std::span<const nn::Variable> weights, Moving& moving,
                                     Flow::Watched* watched) const {
  nn::Tape& tape = moving.h.tape();
  const std::int64_t c = stage.channels, pixels = stage.height * stage.width;
  switch (stage.kind) {
    case Kind::squeeze:
      moving.h = squeezed(moving.h, options_.pixelsTogether);
      return {};
    case Kind::split:
      moving.exits.push_back(nn::slice(moving.h, 1, c, 2 * c));
      moving.h = nn::slice(moving.h, 1, 0, c);
      return {};
    case Kind::actnorm:
      moving.h = nn::mul(nn::add(moving.h, overPixels(weights[0], stage.height, stage.width)),
                         overPixels(nn::apply(Unary::exp, weights[1]), stage.height, stage.width));
      return times(nn::sum(weights[1]), pixels);
    case Kind::norm: {
      nn::Variable mean = weights[0], variance = weights[1];
      if (watched != nullptr) {
        mean = mixedStatistic(mean, perChannel(moving.h), options_.momentum);
        const nn::Variable around = overPixels(perChannel(moving.h), stage.height, stage.width);
        variance = mixedStatistic(variance, perChannel(nn::square(nn::sub(moving.h, around))), options_.momentum);
        watched->emplace_back(stage.firstWeight, mean.value());
        watched->emplace_back(stage.firstWeight + 1, variance.value());
      }
      const nn::Variable width = logWidth(variance);
      moving.h = nn::mul(nn::sub(moving.h, overPixels(mean, stage.height, stage.width)),
                         overPixels(nn::apply(Unary::exp, nn::affine(width, -0.5, 0)), stage.height, stage.width));
      return nn::affine(nn::sum(width), -0.5 * static_cast<double>(pixels), 0);
    }
    case Kind::mixing: {
      nn::Variable logDet;
      const nn::Variable w = matrix(stage, weights, tape, &logDet);
      moving.h = nn::conv2d(moving.h, nn::reshape(w, Shape{c, c, 1, 1}), {});
      return logDet.empty() ? logDet : times(logDet, pixels);
    }
    case Kind::logit: {
      // ln p - ln(1 - p), and ln(share / (p (1 - p))) for its slope.
      const Squash squash = squashOf(options_);
      const nn::Variable p = nn::affine(moving.h, squash.share, squash.low);
      const nn::Variable logP = nn::apply(Unary::log, p), logRest = nn::apply(Unary::log, nn::affine(p, -1, 1 + leastRest));
      moving.h = nn::sub(logP, logRest);
      return nn::affine(perPicture(nn::add(logP, logRest)), -1, static_cast<double>(c * pixels) * std::log(squash.share));
    }
    case Kind::checker: {
      const Told told = tell(stage, weights, checked(stage, moving.h, true), c);
      const nn::Variable shift = checked(stage, told.shift, false);
      if (!options_.affine) {
        moving.h = nn::add(moving.h, shift);
        return {};
      }
      const nn::Variable logS = checked(stage, nn::affine(nn::tanh(told.logit), options_.bound, 0), false);
      moving.h = nn::add(nn::mul(moving.h, nn::apply(Unary::exp, logS)), shift);
      return perPicture(logS);
    }
    case Kind::scale:
    case Kind::coupling:
      break;
  }
  const nn::Variable first = nn::slice(moving.h, 1, 0, c / 2), second = nn::slice(moving.h, 1, c / 2, c);
  const nn::Variable passing = stage.swapped ? second : first;
  nn::Variable moved = stage.swapped ? first : second;
  const Told told = tell(stage, weights, passing, c / 2);
  nn::Variable logDet;
  if (options_.affine && options_.bounded) {
    const nn::Variable logS = nn::affine(nn::tanh(told.logit), options_.bound, 0);
    moved = nn::mul(moved, nn::apply(Unary::exp, logS));
    logDet = perPicture(logS);
  } else if (options_.affine) {
    const double m = options_.leastScale;
    const nn::Variable open = nn::sigmoid(nn::affine(told.logit, 1, 2));
    const nn::Variable scale = m > 0 ? nn::affine(open, 1 - m, m) : open;
    moved = nn::mul(moved, scale);
    // ln sigmoid(a) = -softplus(-a), which stays finite where the sigmoid is 0.
    logDet = m > 0 ? perPicture(nn::apply(Unary::log, scale)) : nn::affine(perPicture(nn::softplus(nn::affine(told.logit, -1, -2))), -1, 0);
  }
  moved = nn::add(moved, told.shift);
  moving.h = nn::concat(stage.swapped ? std::vector{moved, passing} : std::vector{passing, moved}, 1);
  return logDet;
}

void ImageFlow::inverseStage(const Stage& stage, std::span<const nn::Variable> weights, Moving& moving) const {
  nn::Tape& tape = moving.h.tape();
  const std::int64_t c = stage.channels;
  switch (stage.kind) {
    case Kind::squeeze:
      moving.h = unsqueezed(moving.h, options_.pixelsTogether);
      return;
    case Kind::split:
      moving.h = nn::concat({moving.h, moving.exits.back()}, 1);
      moving.exits.pop_back();
      return;
    case Kind::actnorm:
      moving.h = nn::sub(nn::mul(moving.h, overPixels(nn::apply(Unary::exp, nn::affine(weights[1], -1, 0)), stage.height, stage.width)),
                         overPixels(weights[0], stage.height, stage.width));
      return;
    case Kind::norm:
      moving.h = nn::add(nn::mul(moving.h, overPixels(nn::apply(Unary::exp, nn::affine(logWidth(weights[1]), 0.5, 0)), stage.height, stage.width)),
                         overPixels(weights[0], stage.height, stage.width));
      return;
    case Kind::mixing: {
      const nn::Variable back = nn::inverse(matrix(stage, weights, tape, nullptr));
      moving.h = nn::conv2d(moving.h, nn::reshape(back, Shape{c, c, 1, 1}), {});
      return;
    }
    case Kind::logit: {
      const Squash squash = squashOf(options_);
      moving.h = nn::affine(nn::sigmoid(moving.h), 1 / squash.share, -squash.low / squash.share);
      return;
    }
    case Kind::checker: {
      const Told told = tell(stage, weights, checked(stage, moving.h, true), c);  // what passes is the same on both sides
      nn::Variable back = nn::sub(moving.h, checked(stage, told.shift, false));
      if (options_.affine) {
        back = nn::mul(back, nn::apply(Unary::exp, checked(stage, nn::affine(nn::tanh(told.logit), -options_.bound, 0), false)));
      }
      moving.h = back;
      return;
    }
    case Kind::scale:
    case Kind::coupling:
      break;
  }
  const nn::Variable first = nn::slice(moving.h, 1, 0, c / 2), second = nn::slice(moving.h, 1, c / 2, c);
  const nn::Variable passing = stage.swapped ? second : first;
  const Told told = tell(stage, weights, passing, c / 2);
  nn::Variable moved = nn::sub(stage.swapped ? first : second, told.shift);
  if (options_.affine && options_.bounded) {
    moved = nn::mul(moved, nn::apply(Unary::exp, nn::affine(nn::tanh(told.logit), -options_.bound, 0)));
  } else if (options_.affine && options_.leastScale > 0) {
    const double m = options_.leastScale;
    moved = nn::div(moved, nn::affine(nn::sigmoid(nn::affine(told.logit, 1, 2)), 1 - m, m));
  } else if (options_.affine) {
    // 1 / sigmoid(a) = 1 + e^-a
    moved = nn::mul(moved, nn::affine(nn::apply(Unary::exp, nn::affine(told.logit, -1, -2)), 1, 1));
  }
  moving.h = nn::concat(stage.swapped ? std::vector{moved, passing} : std::vector{passing, moved}, 1);
}

// A state inside `level` as a picture; `squeezed`: behind the level's squeeze.
nn::Variable ImageFlow::laidOut(const Moving& moving, std::int64_t level, bool squeezedHere) const {
  nn::Variable x = moving.h;
  // What left at the end of this level comes back first, then the levels before it.
  std::size_t exits = moving.exits.size();
  if (exits > static_cast<std::size_t>(level)) x = nn::concat({x, moving.exits[--exits]}, 1);
  if (options_.squeeze && squeezedHere) x = unsqueezed(x, options_.pixelsTogether);
  while (exits > 0) {
    x = nn::concat({x, moving.exits[--exits]}, 1);
    if (options_.squeeze) x = unsqueezed(x, options_.pixelsTogether);
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
    trace->states.push_back(laidOut(moving, stage.level, stage.squeezed));
    trace->logDets.push_back(one);
  }
  const std::int64_t n = x.shape()[0];
  if (!logDet.empty() && logDet.shape().rank() == 0) {
    logDet = nn::add(logDet, x.tape().constant(kernels::fill(x.tape().stream(), Shape{n}, 0.0f)));
  }
  return {stages_.empty() ? x : laidOut(moving, stages_.back().level, true), logDet};
}

nn::Variable ImageFlow::inverse(std::span<const nn::Variable> weights, const nn::Variable& z, std::vector<nn::Variable>* states) const {
  // Take the latents apart as the levels left them.
  Moving moving{z, {}};
  for (std::int64_t level = 0; level < options_.levels; ++level) {
    if (options_.squeeze) moving.h = squeezed(moving.h, options_.pixelsTogether);
    if (level + 1 == options_.levels) break;
    const std::int64_t c = moving.h.shape()[1];
    moving.exits.push_back(nn::slice(moving.h, 1, c / 2, c));
    moving.h = nn::slice(moving.h, 1, 0, c / 2);
  }
  for (std::size_t i = stages_.size(); i-- > 0;) {
    const Stage& stage = stages_[i];
    inverseStage(stage, weights.subspan(stage.firstWeight, stage.weights), moving);
    if (states == nullptr) continue;
    const bool behindSqueeze = i > 0 && stages_[i - 1].level == stage.level && stages_[i - 1].squeezed;
    states->push_back(laidOut(moving, stage.level, behindSqueeze));
  }
  return moving.h;
}

nn::Variable ImageFlow::logLikelihood(std::span<const nn::Variable> weights, const nn::Variable& x) const {
  return logLikelihood(weights, x, nullptr);
}

nn::Variable ImageFlow::learn(std::span<const nn::Variable> weights, const nn::Variable& x, Flow::Watched& watched) const {
  watched.clear();
  return logLikelihood(weights, x, &watched);
}

bool ImageFlow::watches(std::size_t weight) const {
  return std::any_of(stages_.begin(), stages_.end(), [&](const Stage& stage) {
    return stage.kind == Kind::norm && weight >= stage.firstWeight && weight < stage.firstWeight + stage.weights;
  });
}

nn::Variable ImageFlow::logLikelihood(std::span<const nn::Variable> weights, const nn::Variable& x, Flow::Watched* watched) const {
  Moving moving{x, {}};
  nn::Variable logDet;
  for (const Stage& stage : stages_) {
    logDet = joined(logDet, forwardStage(stage, weights.subspan(stage.firstWeight, stage.weights), moving, watched));
  }
  nn::Variable squares = perPicture(nn::square(moving.h));
  for (const nn::Variable& exit : moving.exits) squares = nn::add(squares, perPicture(nn::square(exit)));
  const nn::Variable prior = nn::affine(squares, -0.5, -0.5 * static_cast<double>(dimensions()) * std::log(2 * std::numbers::pi));
  return joined(prior, logDet);
}

}  // namespace orrery::models::flows
