// The likelihood of a user's picture under a user's network of pictures, in the lab score-sde: bits per dimension by the probability-flow ODE
// between the noise levels of the lab's SDE, and their spread over probes (picture_bits.h).

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/base/text.h"
#include "core/labs/generative/image_diffusion/denoiser.h"
#include "core/labs/generative/score_sde/lab.h"
#include "core/labs/generative/shared/curves.h"
#include "core/labs/generative/shared/picture_mosaic.h"
#include "core/labs/generative/shared/picture_set.h"
#include "core/labs/generative/shared/stated_network.h"

namespace orrery::generative {

using diffusion::State;

bool ScoreSde::pictureChanged(const LabContext& context) {
  return context.restarting() ||
         context.anyChanged({"picture-network", "picture", "picture-probes", "picture-steps", "picture-heads", "prediction", "network-schedule",
                             "told-time", "sde", "beta-first", "beta-last", "sigma-min", "sigma-max", "drift", "diffusion", "alphas",
                             "sigmas", "first-time", "seed"});
}

Expected<std::optional<ScoreSde::JudgedPicture>> ScoreSde::judgePicture(LabContext& context, const diffusion::Sde& sde, double first,
                                                                       double last) const {
  if (!picturesNetwork(context)) return std::optional<JudgedPicture>();
  if (!pictureChanged(context)) return judged_;
  gpu::Stream& stream = context.stream();
  const auto seed = static_cast<std::uint64_t>(context.integer("seed"));
  const models::DitStated stated{statedNetwork(context, "network-schedule"), context.integer("picture-heads")};
  const auto network = networkDenoiser(stream, context.file("picture-network").path, stated);
  if (!network) return network.error();
  const PictureDenoiser& denoiser = **network;
  if (denoiser.channels != 3) {
    return makeError(ErrorCode::badInput,
                     trf("The bits of a picture need a network of colour pictures; this one has {} channels", denoiser.channels));
  }
  std::vector<std::uint8_t> bytes;
  if (const std::string& path = context.file("picture").path; !path.empty()) {
    auto square = squareOf(path, denoiser.side);
    if (!square) return square.error();
    bytes = *std::move(square);
  } else {
    for (const double v : denoiser.heldOutPicture(static_cast<std::size_t>(seed % 1000)))
      bytes.push_back(static_cast<std::uint8_t>(std::lround(std::clamp((v + 1) * 127.5, 0.0, 255.0))));
  }
  JudgedPicture judged;
  judged.side = denoiser.side;
  judged.picture = dequantizedPicture(bytes, seed);
  const diffusion::Moment end = sde.at(last);
  PictureBitsOptions options;
  options.low = std::max(sde.at(first).relative(), 1e-3), options.high = end.relative();
  // The prior of a trained model, N(0, sigma^2) where alpha stays 1 and N(0, 1) of x_t where the variance is preserved, in scaled states.
  options.endVariance = sde.exploding ? options.high * options.high : 1 / (end.alpha * end.alpha);
  options.steps = static_cast<int>(context.integer("picture-steps"));
  options.probes = static_cast<int>(context.integer("picture-probes"));
  options.seed = seed;
  judged.endDeviation = std::sqrt(options.endVariance);
  const auto none = static_cast<std::uint32_t>(denoiser.classNames.size());
  const auto denoise = [&](const State& x, double level) {
    return denoiser.denoise(stream, x, level, std::vector<std::uint32_t>(x.size() / denoiser.values(), none), 1);
  };
  auto bits = pictureBits(denoise, judged.picture, options, [&](double share) {
    context.progress(share, tr("Taking the picture to noise"));
    return !context.cancelled();
  });
  if (!bits) return bits.error();
  judged.bits = *std::move(bits);
  return std::optional(std::move(judged));
}

// The picture, and what the ODE makes of it at the last level, at the contrast of the prior.
Panel ScoreSde::picturePanel() const {
  const JudgedPicture& judged = *judged_;
  Panel panel = picturesPanel("picture");
  panel.title = tr("A picture and its noise");
  Mosaic mosaic;
  mosaic.side = static_cast<std::size_t>(judged.side), mosaic.columns = 2;
  panel.x.range = Range{0, 2};
  panel.y.range = Range{0, 1};
  panel.marks.push_back(mosaicMark(mosaic.pixels({{&judged.picture, 0, 1}, {&judged.bits.end, 0, 0.5 / judged.endDeviation}}), 2, 1));
  return panel;
}

// One point per probe, their mean and its standard error.
Panel ScoreSde::bitsPanel() const {
  const PictureBits& bits = judged_->bits;
  Panel panel;
  panel.id = "bits";
  panel.title = trf("The picture under your network: {:.3f} ± {:.3f} bits per dimension", bits.mean(), bits.error());
  panel.note = trf("{} evaluations", bits.evaluations);
  panel.legend = false;
  std::vector<float> xy;
  for (std::size_t p = 0; p < bits.probes.size(); ++p) xy.insert(xy.end(), {static_cast<float>(p + 1), static_cast<float>(bits.probes[p])});
  auto points = std::make_shared<PointsMark>("probes");
  points->xy = Tensor::from(Shape{static_cast<std::int64_t>(bits.probes.size()), 2}, xy);
  points->paint = Paint::of(Role::estimate);
  points->radius = 2.5f;
  panel.marks.push_back(std::move(points));
  for (const double side : {-1.0, 0.0, 1.0}) {
    auto rule = std::make_shared<RuleMark>(side == 0 ? "mean" : side < 0 ? "lower" : "upper");
    rule->vertical = false;
    rule->at = bits.mean() + side * bits.error();
    if (side == 0) rule->paint = Paint::of(Role::accent);
    panel.marks.push_back(std::move(rule));
  }
  const auto [low, high] = std::minmax_element(bits.probes.begin(), bits.probes.end());
  const double room = std::max(0.15 * (*high - *low), 1e-3);
  panel.x.label = tr("probe");
  panel.x.range = Range{0.5, static_cast<double>(bits.probes.size()) + 0.5};
  panel.y.label = tr("bits per dimension");
  panel.y.range = Range{*low - room, *high + room};
  return panel;
}

}  // namespace orrery::generative
