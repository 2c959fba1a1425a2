// What the lab glow measures besides: the first batch around a step's actnorm, and pictures pushed along an attribute.
// Random numbers, key = seed: noise of pictures with an attribute 0x625.

#include <algorithm>
#include <cmath>

#include "core/base/text.h"
#include "core/labs/generative/glow/lab.h"

namespace orrery::generative {

namespace flows = models::flows;

namespace {

constexpr std::uint32_t attributeStream = 0x625;

}  // namespace

// The first batch around the shown step's actnorm.
void Glow::evaluateOwn(gpu::Stream&, nn::Tape& tape, std::span<const nn::Variable> weights) {
  flows::PictureFlow::Trace first;
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

void Glow::addRows(gpu::Stream& stream, nn::Tape& tape, std::span<const nn::Variable> weights, const std::vector<float>& found,
                   const std::vector<float>& fresh, std::vector<float>& latents) {
  if (rows_ == "two-pictures") {
    // Along the line between the latents of the two, and the same line through the pixels.
    const std::vector<float> ends = latentsOf(stream, tape, weights, two_);
    const std::size_t d = ends.size() / 2;
    row(tr("latents"));
    for (std::int64_t c = 0; c < rowColumns; ++c) {
      const auto share = static_cast<float>(c) / static_cast<float>(rowColumns - 1);
      for (std::size_t i = 0; i < d; ++i) latents.push_back((1 - share) * ends[i] + share * ends[d + i]);
    }
    std::vector<std::uint8_t> mixed;
    for (std::int64_t c = 0; c < rowColumns; ++c) {
      const double share = static_cast<double>(c) / static_cast<double>(rowColumns - 1);
      for (std::size_t i = 0; i < d; ++i)
        mixed.push_back(static_cast<std::uint8_t>(std::lround((1 - share) * two_[i] + share * two_[d + i])));
    }
    row(tr("pixels"));
    const std::vector<float> faded = latentsOf(stream, tape, weights, mixed);
    latents.insert(latents.end(), faded.begin(), faded.end());
    return;
  }
  if (rows_ != "attribute") return PictureFlowLab::addRows(stream, tape, weights, found, fresh, latents);
  const std::vector<double> direction = attributeDirection(stream, tape, weights);
  const std::size_t d = direction.size(), held = found.size() / d;
  for (std::size_t r = 0; r < 4; ++r) {
    row(std::to_string(r + 1));
    for (std::int64_t c = 0; c < rowColumns; ++c) {
      const double strength = attributeStrength(c);
      for (std::size_t i = 0; i < d; ++i)
        latents.push_back(static_cast<float>(static_cast<double>(found[r % held * d + i]) + strength * direction[i]));
    }
  }
}

std::string Glow::rowsTitle() const {
  if (rows_ == "two-pictures") return tr("Between your two pictures, among the latents and among the pixels");
  if (rows_ != "attribute") return PictureFlowLab::rowsTitle();
  if (attribute_ == "folders") return tr("Held-out pictures with more of your attribute");
  return attribute_ == "size"     ? tr("Held-out pictures with more size")
         : attribute_ == "warmth" ? tr("Held-out pictures with more warmth")
                                  : tr("Held-out pictures with more brightness");
}

Expected<void> Glow::readOwnPictures(const LabContext& context) {
  const bool folders = rows_ == "attribute" && attribute_ == "folders", two = rows_ == "two-pictures";
  if (!folders && !two) return {};
  const std::int64_t side = context.integer("side");
  const std::string a = context.file(folders ? "with-folder" : "first-image").path,
                    b = context.file(folders ? "without-folder" : "second-image").path;
  const std::string key = fmt::format("{}\n{}\n{}\n{}", folders, side, a, b);
  if (key == ownKey_) return {};
  if (a.empty() || b.empty()) {
    return makeError(ErrorCode::usage, folders ? tr("Choose two folders first: pictures with the attribute, and pictures without it")
                                               : tr("Choose two pictures first: PNG or JPEG"));
  }
  if (folders) {
    constexpr std::int64_t most = 128, least = 2;
    auto with = folderOf(a, side, most, 0, least), without = folderOf(b, side, most, 0, least);
    if (!with) return with.error();
    if (!without) return without.error();
    with_ = std::move(with->train), without_ = std::move(without->train);
  } else {
    auto first = squareOf(a, side), second = squareOf(b, side);
    if (!first) return first.error();
    if (!second) return second.error();
    two_ = *std::move(first);
    two_.insert(two_.end(), second->begin(), second->end());
  }
  ownKey_ = key;
  return {};
}

std::vector<float> Glow::latentsOf(gpu::Stream& stream, nn::Tape& tape, std::span<const nn::Variable> weights,
                                   const std::vector<std::uint8_t>& pictures) const {
  const Tensor x = dequantized(stream, quantized(pictures, pictures_.side, bits_), bits_, {seed_, attributeStream, 0});
  return flow().forward(weights, tape.constant(x)).y.value().toFloats();
}

double Glow::attributeStrength(std::int64_t column) const {
  return amount_ * (2 * static_cast<double>(column) / static_cast<double>(rowColumns - 1) - 1);
}

// The mean latent of pictures with the attribute less that of pictures with its opposite.
std::vector<double> Glow::attributeDirection(gpu::Stream& stream, nn::Tape& tape, std::span<const nn::Variable> weights) const {
  const auto d = static_cast<std::size_t>(flow().dimensions());
  std::vector<double> direction(d, 0.0);
  if (attribute_ == "folders") {
    for (const auto* pictures : {&with_, &without_}) {
      const std::vector<float> z = latentsOf(stream, tape, weights, *pictures);
      const double share = static_cast<double>(d) / static_cast<double>(z.size());
      for (std::size_t i = 0; i < z.size(); ++i) direction[i % d] += (pictures == &with_ ? share : -share) * static_cast<double>(z[i]);
    }
    return direction;
  }
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
