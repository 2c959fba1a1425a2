// What a flow of pictures shows at one frame: held-out pictures down to their latents, latents up to pictures.
// Random numbers, key = seed: latents of samples stream 0x623.

#include <algorithm>
#include <cmath>

#include "core/base/text.h"
#include "core/labs/generative/shared/picture_flow_lab.h"

namespace orrery::generative {

namespace flows = models::flows;

namespace {

constexpr std::uint32_t latentStream = 0x623;
constexpr std::int64_t sampleCount = 25;

}  // namespace

Tensor picturesOf(const std::vector<float>& values, std::int64_t side) {
  return Tensor::from(Shape{static_cast<std::int64_t>(values.size()) / (3 * side * side), 3, side, side}, values);
}

void PictureFlowLab::evaluateForward(gpu::Stream&, nn::Tape& tape, std::span<const nn::Variable> weights) {
  const std::size_t stages = stageCount();
  const auto d = static_cast<std::size_t>(flow().dimensions());
  flows::PictureFlow::Trace trace;
  const flows::Mapped mapped = flow().forward(weights, tape.constant(heldOut_), &trace);
  down_.assign(1, heldOut_);
  for (const nn::Variable& state : trace.states) down_.push_back(state.value());

  // Bits per dimension, in double precision from the latents on.
  const std::vector<float> z = mapped.y.value().toFloats();
  const std::vector<double> latents(z.begin(), z.end());
  double likelihood = flows::logPrior(flow().prior(), latents);
  if (!mapped.logDet.empty()) {
    for (const float v : mapped.logDet.value().toFloats()) likelihood += static_cast<double>(v);
  }
  heldOutBits_ = {flows::bitsPerDimensionOfBits(likelihood / static_cast<double>(z.size() / d), flow().dimensions(), bits_)};

  volumes_.assign(stages, 0.0);
  for (std::size_t i = 0; i < stages; ++i) {
    if (trace.logDets[i].empty()) continue;
    const auto each = trace.logDets[i].value().toFloats();
    for (const float v : each) volumes_[i] += static_cast<double>(v) / static_cast<double>(each.size());
  }
}

// The latents of held-out pictures again, fresh ones, and the rows of small pictures.
void PictureFlowLab::evaluateInverse(gpu::Stream& stream, nn::Tape& tape, std::span<const nn::Variable> weights) {
  const auto d = static_cast<std::size_t>(flow().dimensions());
  const std::int64_t side = pictures_.side;
  const std::vector<float> found = down_.back().toFloats();
  const std::vector<float> fresh =
      flows::samplePrior(stream, flow().prior(), Shape{sampleCount, 3, side, side}, {seed_, latentStream, 0}).toFloats();
  small_.clear();
  std::vector<float> rows;
  addRows(stream, tape, weights, found, fresh, rows);

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

void PictureFlowLab::addRows(gpu::Stream&, nn::Tape&, std::span<const nn::Variable>, const std::vector<float>& found,
                             const std::vector<float>& fresh, std::vector<float>& latents) {
  const auto d = static_cast<std::size_t>(flow().dimensions());
  const std::size_t held = found.size() / d;
  constexpr auto columns = static_cast<std::size_t>(rowColumns);
  if (rows_ == "temperature") {
    for (const double t : {0.0, 0.5, 0.7, 1.0}) {
      row(fmt::format("T = {:g}", t));
      for (std::size_t i = 0; i < columns * d; ++i) latents.push_back(static_cast<float>(t) * fresh[i]);
    }
  } else if (rows_ == "interpolation") {
    // Along the line between the latents of two held-out pictures.
    for (std::size_t r = 0; r < 4; ++r) {
      row(std::to_string(r + 1));
      const float *a = &found[(2 * r % held) * d], *b = &found[((2 * r + 1) % held) * d];
      for (std::size_t c = 0; c < columns; ++c) {
        const double share = static_cast<double>(c) / static_cast<double>(columns - 1);
        for (std::size_t i = 0; i < d; ++i)
          latents.push_back(static_cast<float>((1 - share) * static_cast<double>(a[i]) + share * static_cast<double>(b[i])));
      }
    }
  } else if (rows_ == "levels") {
    // The latents of a picture, flat: what moved through all levels, then what left last, ..., what left first. One part is drawn anew.
    const auto levels = static_cast<std::size_t>(flow().stages().back().level) + 1;
    for (std::size_t r = 0; r <= levels; ++r) {
      row(r == 0 ? tr("as it was") : trf("level {}", r));
      for (std::size_t c = 0; c < columns; ++c) {
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
        for (const double v : kept) latents.push_back(static_cast<float>(v));
      }
    }
  }
}

}  // namespace orrery::generative
