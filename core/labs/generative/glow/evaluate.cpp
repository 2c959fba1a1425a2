// What the lab glow measures and shows at one frame: held-out pictures down to their latents, latents up to pictures.
// Random numbers, key = seed: latents of samples stream 0x623; noise of pictures with an attribute 0x625.

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/text.h"
#include "core/kernels/philox.h"
#include "core/labs/generative/glow/lab.h"

namespace orrery::generative {

namespace flows = models::flows;

namespace {

constexpr std::uint32_t latentStream = 0x623, attributeStream = 0x625;
constexpr std::int64_t sampleCount = 25, rowColumns = 6;

Tensor picturesOf(const std::vector<float>& values, std::int64_t side) {
  return Tensor::from(Shape{static_cast<std::int64_t>(values.size()) / (3 * side * side), 3, side, side}, values);
}

void append(std::vector<float>& to, const std::vector<float>& from, std::size_t index, std::size_t each, double scale = 1) {
  for (std::size_t i = 0; i < each; ++i) to.push_back(static_cast<float>(scale) * from[index * each + i]);
}

}  // namespace

// The held-out pictures and the first batch down to their latents.
void Glow::evaluateForward(gpu::Stream&, nn::Tape& tape, std::span<const nn::Variable> weights) {
  const std::size_t stages = stageCount();
  const auto d = static_cast<std::size_t>(flow().dimensions());
  flows::ImageFlow::Trace trace;
  const flows::Mapped mapped = flow().forward(weights, tape.constant(heldOut_), &trace);
  down_.assign(1, heldOut_);
  for (const nn::Variable& state : trace.states) down_.push_back(state.value());

  // Bits per dimension, in double precision from the latents on.
  const std::vector<float> z = mapped.y.value().toFloats();
  const std::size_t n = z.size() / d;
  double likelihood = 0;
  for (const float v : z) likelihood -= 0.5 * static_cast<double>(v) * static_cast<double>(v) + 0.5 * std::log(2 * std::numbers::pi);
  if (!mapped.logDet.empty()) {
    for (const float v : mapped.logDet.value().toFloats()) likelihood += static_cast<double>(v);
  }
  heldOutBits_ = {flows::bitsPerDimensionOfBits(likelihood / static_cast<double>(n), flow().dimensions(), bits_)};

  volumes_.assign(static_cast<std::size_t>(flow().options().levels * flow().options().steps), {});
  for (std::size_t i = 0; i < stages; ++i) {
    const Stage& stage = flow().stages()[i];
    if (stage.kind == Kind::squeeze || stage.kind == Kind::split || trace.logDets[i].empty()) continue;
    double mean = 0;
    const auto each = trace.logDets[i].value().toFloats();
    for (const float v : each) mean += static_cast<double>(v) / static_cast<double>(each.size());
    StepVolumes& volumes = volumes_[static_cast<std::size_t>(stage.level * flow().options().steps + stage.step)];
    (stage.kind == Kind::actnorm ? volumes.actnorm : stage.kind == Kind::mixing ? volumes.mixing : volumes.coupling) = mean;
  }

  // The first batch around the shown step's actnorm.
  flows::ImageFlow::Trace first;
  flow().forward(weights, tape.constant(firstBatch_), &first);
  const std::size_t at = stageOf(shownStep(), Kind::actnorm);
  const Stage& stage = flow().stages()[at];
  actnormBefore_ = first.inputs[at].value().toFloats();
  actnormAfter_ = first.inputs[at + 1].value().toFloats();
  worstMean_ = worstVariance_ = 0;
  const auto channels = static_cast<std::size_t>(stage.channels), pixels = static_cast<std::size_t>(stage.height * stage.width);
  std::vector<double> mean(channels, 0.0), square(channels, 0.0);
  const double count = static_cast<double>(actnormAfter_.size() / channels);
  for (std::size_t i = 0; i < actnormAfter_.size(); ++i) {
    const double v = static_cast<double>(actnormAfter_[i]);
    mean[i / pixels % channels] += v / count, square[i / pixels % channels] += v * v / count;
  }
  for (std::size_t c = 0; c < channels; ++c) {
    worstMean_ = std::max(worstMean_, std::abs(mean[c]));
    worstVariance_ = std::max(worstVariance_, std::abs(square[c] - mean[c] * mean[c] - 1));
  }
}

// Latents up to pictures: those of the held-out pictures again, fresh ones, and the rows of small pictures.
void Glow::evaluateInverse(gpu::Stream& stream, nn::Tape& tape, std::span<const nn::Variable> weights) {
  const auto d = static_cast<std::size_t>(flow().dimensions());
  const std::int64_t side = pictures_.side;
  const std::vector<float> found = down_.back().toFloats();
  const std::size_t held = found.size() / d;
  const std::vector<float> fresh = kernels::normal(stream, Shape{sampleCount, 3, side, side}, {seed_, latentStream, 0}).toFloats();

  small_.clear();
  std::vector<float> rows;
  const auto row = [&](std::string name, auto&& fill) {
    small_.push_back({std::move(name), {}});
    for (std::size_t c = 0; c < static_cast<std::size_t>(rowColumns); ++c) fill(c);
  };
  if (rows_ == "temperature") {
    for (const double t : {0.0, 0.5, 0.7, 1.0}) row(fmt::format("T = {:g}", t), [&](std::size_t c) { append(rows, fresh, c, d, t); });
  } else if (rows_ == "interpolation") {
    // Along the line between the latents of two held-out pictures.
    for (std::size_t r = 0; r < 4; ++r) {
      row(std::to_string(r + 1), [&](std::size_t c) {
        const double share = static_cast<double>(c) / static_cast<double>(rowColumns - 1);
        for (std::size_t i = 0; i < d; ++i) {
          rows.push_back(static_cast<float>((1 - share) * static_cast<double>(found[(2 * r % held) * d + i]) +
                                            share * static_cast<double>(found[((2 * r + 1) % held) * d + i])));
        }
      });
    }
  } else if (rows_ == "levels") {
    // The latents of a picture, flat: what moved through all levels, then what left last, ..., what left first. One part is drawn anew.
    const auto levels = static_cast<std::size_t>(flow().options().levels);
    for (std::size_t r = 0; r <= levels; ++r) {
      row(r == 0 ? tr("as it was") : trf("level {}", r), [&](std::size_t c) {
        std::vector<double> kept, drawn;
        for (std::size_t i = 0; i < d; ++i) {
          kept.push_back(static_cast<double>(found[c % held * d + i]));
          drawn.push_back(temperature_ * static_cast<double>(fresh[c * d + i]));
        }
        flow().fromPicture(kept, stageCount());
        if (r > 0) {
          const std::size_t end = d >> (r - 1), begin = r == levels ? 0 : d >> r;
          std::copy(drawn.begin() + static_cast<std::ptrdiff_t>(begin), drawn.begin() + static_cast<std::ptrdiff_t>(end),
                    kept.begin() + static_cast<std::ptrdiff_t>(begin));
        }
        flow().toPicture(kept, stageCount());
        for (const double v : kept) rows.push_back(static_cast<float>(v));
      });
    }
  } else {
    const std::vector<double> direction = attributeDirection(stream, tape, weights);
    for (std::size_t r = 0; r < 4; ++r) {
      row(std::to_string(r + 1), [&](std::size_t c) {
        const double strength = attributeStrength(static_cast<std::int64_t>(c));
        for (std::size_t i = 0; i < d; ++i)
          rows.push_back(static_cast<float>(static_cast<double>(found[r % held * d + i]) + strength * direction[i]));
      });
    }
  }

  std::vector<float> latents = found;
  for (const float v : fresh) latents.push_back(static_cast<float>(temperature_) * v);
  const std::vector<float> sampled(latents.end() - static_cast<std::ptrdiff_t>(fresh.size()), latents.end());
  latents.insert(latents.end(), rows.begin(), rows.end());
  const std::vector<float> made = flow().inverse(weights, tape.constant(picturesOf(latents, side))).value().toFloats();

  const std::vector<float> wanted = heldOut_.toFloats();
  errors_.clear();
  for (std::size_t i = 0; i < wanted.size(); ++i) errors_.push_back(made[i] - wanted[i]);
  const auto from = made.begin() + static_cast<std::ptrdiff_t>(found.size()), behind = from + static_cast<std::ptrdiff_t>(fresh.size());
  samples_ = picturesOf(std::vector<float>(from, behind), side);
  const std::size_t each = static_cast<std::size_t>(rowColumns) * d;
  for (std::size_t r = 0; r < small_.size(); ++r) {
    small_[r].values.assign(behind + static_cast<std::ptrdiff_t>(r * each), behind + static_cast<std::ptrdiff_t>((r + 1) * each));
  }

  up_.clear();
  if (!towardsData_) return;
  // The same samples again with everything on their way.
  std::vector<nn::Variable> states;
  const Tensor z = picturesOf(sampled, side);
  flow().inverse(weights, tape.constant(z), &states);
  up_.assign(stageCount() + 1, z);
  for (std::size_t i = 0; i < states.size(); ++i) up_[stageCount() - 1 - i] = states[i].value();
}

double Glow::attributeStrength(std::int64_t column) {
  return 1.5 * static_cast<double>(column) / static_cast<double>(rowColumns - 1) - 0.75;
}

// The mean latent of pictures with the attribute less that of pictures with its opposite.
std::vector<double> Glow::attributeDirection(gpu::Stream& stream, nn::Tape& tape, std::span<const nn::Variable> weights) const {
  const auto d = static_cast<std::size_t>(flow().dimensions());
  std::vector<double> direction(d, 0.0);
  constexpr std::int64_t most = 128;
  const auto labels = attributeLabels(pictures_, attribute_, most);
  if (!labels) return direction;  // refused by update() before
  const std::int64_t n = static_cast<std::int64_t>(labels->size());
  std::vector<float> chosen = train_.rows(0, n).toFloats();
  const Tensor x = dequantized(stream, picturesOf(chosen, pictures_.side), bits_, {seed_, attributeStream, 0});
  const std::vector<float> z = flow().forward(weights, tape.constant(x)).y.value().toFloats();
  const auto with = static_cast<double>(std::count(labels->begin(), labels->end(), 1));
  const auto without = static_cast<double>(std::count(labels->begin(), labels->end(), -1));
  if (with == 0 || without == 0) return direction;
  for (std::size_t i = 0; i < z.size(); ++i) {
    const int label = (*labels)[i / d];
    if (label != 0) direction[i % d] += static_cast<double>(z[i]) * (label > 0 ? 1 / with : -1 / without);
  }
  return direction;
}

}  // namespace orrery::generative
