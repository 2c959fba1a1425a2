// The two clouds of the lab ddpm and the film strip.

#include <algorithm>
#include <cmath>

#include "core/base/philox.h"
#include "core/base/text.h"
#include "core/data/image.h"
#include "core/labs/generative/ddpm/lab.h"

namespace orrery::generative {

using diffusion::State;

// x_T has unit variance: it and the data fit.
double Ddpm::half() const { return std::max(1.2 * scene_.density.reach, 2.6); }

std::string Ddpm::varianceName() const {
  switch (varianceKind_) {
    case ReverseVariance::large:
      return "Σ = β";
    case ReverseVariance::interpolated:
      return fmt::format("Σ = β^{:.2g} β˜^{:.2g}", interpolation_, 1 - interpolation_);
    case ReverseVariance::analytic:
      return tr("Σ analytic");
    case ReverseVariance::small:
      break;
  }
  return "Σ = β˜";
}

namespace {

std::shared_ptr<PathsMark> trailsOf(const Tensor& path, std::int64_t first, std::int64_t count, Paint paint, double half) {
  auto trails = std::make_shared<PathsMark>("trails");
  trails->xy = path;
  trails->firstStep = first;
  trails->stepCount = count;
  trails->paint = paint;
  trails->knownBounds = Bounds{Range{-half, half}, Range{-half, half}};
  return trails;
}

}  // namespace

std::vector<std::string> Ddpm::warnings() const {
  std::vector<std::string> said;
  if (const double left = main_.chain.alphaBar.back(); left > 0.1)
    said.push_back(trf("The chain is too short: its end is not Gaussian, ᾱ(T) = {:.2g}", left));
  if (clip_ > 0 && clip_ < scene_.density.reach) said.push_back(trf("Reverse chain: clipping at {:.2g} cuts the tails of the data", clip_));
  return said;
}

Panel Ddpm::forwardPanel() const {
  const double edge = half(), scale = main_.chain.scale(time()), level = main_.chain.level(time());
  Panel panel = planePanel("forward", edge);
  panel.columnSpan = 2;
  panel.title = tr("Forward chain: signal fades, noise grows");
  panel.note = fmt::format("t = {}  ᾱ = {:.3g}", time(), main_.chain.alphaBar[static_cast<std::size_t>(time())]);
  if (showDensity_) panel.marks.push_back(densityMark(*stream_, scene_, table_, scale, level, edge, ColorMap::magma));
  if (!learning_ && !forwardPath_.empty()) {
    // The path of this direction comes from the data: it lies at later frames. Drawn to the present from there, newest end at t.
    const std::int64_t frames = timeline().frames, length = std::llround(trailShare_ * static_cast<double>(frames));
    auto trails = trailsOf(forwardPath_, frame_, std::min(frames - frame_, length + 1), Paint::of(Role::data, 0.4f), edge);
    trails->fade = false;
    panel.marks.push_back(trails);
  }
  panel.marks.push_back(cloudMark("particles", pairsOf(forwardAt(time())), Paint::of(Role::data, 0.8f), edge));
  addBlobHandles(panel, scene_, scale);
  return panel;
}

Panel Ddpm::reversePanel() const {
  const Chain& chain = main_.chain;
  const double edge = half(), scale = chain.scale(time()), level = chain.level(time());
  Panel panel = planePanel("reverse", edge);
  panel.column = 2;
  panel.columnSpan = 2;
  const std::string cloud = trf("SW₂ {} (exact samples {})", fmt::format("{:.3f}", tick().sliced), fmt::format("{:.3f}", tick().floor));
  std::vector<std::string> said = warnings();
  if (said.empty()) {
    panel.title = learning_  ? trf("Reverse chain under the network, {} training steps old", trainedAt(frame_))
                  : dropped_ ? trf("Reverse chain under your network, with {}", varianceName())
                             : trf("Reverse chain: ancestral steps with {}", varianceName());
  } else {
    // What is wrong whoever denoises comes first, and who does stands below with what else is wrong.
    panel.title = said.front();
    said.erase(said.begin());
    if (learning_) said.push_back(trf("network after {} steps", trainedAt(frame_)));
    if (dropped_) said.push_back(tr("under your network"));
  }
  if (!complaint_.empty() && dropped_)
    said.insert(said.begin(), complaint_);
  else
    said.push_back(cloud);
  for (const std::string& part : said) panel.note += (panel.note.empty() ? "" : " · ") + part;
  if (showDensity_) panel.marks.push_back(densityMark(*stream_, scene_, table_, scale, level, edge, ColorMap::magma));
  if (!reversePath_.empty()) {
    const std::int64_t newest = learning_ ? reversePath_.shape()[0] - 1 : frame_;
    const std::int64_t first =
        std::max<std::int64_t>(0, newest - std::llround(trailShare_ * static_cast<double>(learning_ ? newest + 1 : timeline().frames)));
    panel.marks.push_back(trailsOf(reversePath_, first, newest + 1 - first, Paint::of(Role::stochastic, 0.8f), edge));
  }
  const auto state = state_.as<float>();
  std::vector<float> shown(state.begin(), state.end());
  for (float& value : shown) value = static_cast<float>(scale * static_cast<double>(value));
  panel.marks.push_back(cloudMark("particles", Tensor::from(state_.shape(), shown), Paint::of(Role::data, 0.8f), edge));
  if (pinned_ >= 0 && pinned_ < state_.shape()[0]) {
    const auto i = static_cast<std::size_t>(2 * pinned_);
    const auto x = static_cast<double>(state[i]), y = static_cast<double>(state[i + 1]);
    addPosterior(panel, scene_, x, y, scale, level);
    auto ring = std::make_shared<PointsMark>("pinned");
    ring->xy = Tensor::from(Shape{1, 2}, {shown[i], shown[i + 1]});
    ring->shape = PointShape::ring;
    ring->radius = 4;
    ring->paint = Paint::of(Role::accent);
    ring->name = trf("particle {}", formatNumber(static_cast<double>(pinned_)));
    panel.marks.push_back(ring);
  }
  addBlobHandles(panel, scene_, scale);
  return panel;
}

// At most 384 pixels a side, by the mean of whole blocks.
Expected<void> Ddpm::readPicture(const Asset& file) {
  if (file.path.empty()) return makeError(ErrorCode::usage, tr("Choose a picture first: PNG or JPEG"));
  const auto image = readImage(file.path);
  if (!image) return image.error();
  const int block = (std::max(image->width, image->height) + 383) / 384;
  Picture picture;
  picture.width = image->width / block;
  picture.height = image->height / block;
  if (picture.width < 1 || picture.height < 1)
    return makeError(ErrorCode::badInput, trf("A picture of {} by {} pixels is too narrow to be shown", image->width, image->height));
  const auto rgba = image->rgba.as<std::uint8_t>();
  for (int row = 0; row < picture.height; ++row) {
    for (int column = 0; column < picture.width; ++column) {
      double sum[3] = {0, 0, 0};
      for (int y = row * block; y < (row + 1) * block; ++y) {
        for (int x = column * block; x < (column + 1) * block; ++x) {
          const auto at = 4 * (static_cast<std::size_t>(y) * static_cast<std::size_t>(image->width) + static_cast<std::size_t>(x));
          const double alpha = rgba[at + 3] / 255.0;
          for (std::size_t c = 0; c < 3; ++c) sum[c] += alpha * rgba[at + c] + (1 - alpha) * 255;
        }
      }
      const auto i = static_cast<std::uint32_t>(row * picture.width + column);
      const PhiloxBlock a = philox({i, 0, 51, 0}, philoxKey(seed_)), b = philox({i, 0, 51, 1}, philoxKey(seed_));
      const auto first = philoxNormals(a[0], a[1]), second = philoxNormals(b[0], b[1]);
      const double normals[3] = {first[0], first[1], second[0]};
      for (std::size_t c = 0; c < 3; ++c) {
        picture.x0.push_back(static_cast<float>(sum[c] / (block * block) / 127.5 - 1));
        picture.noise.push_back(static_cast<float>(normals[c]));
      }
    }
  }
  picture_ = std::move(picture);
  return {};
}

// The picture on its way to noise: x_t = sqrt(abar) x_0 + sqrt(1 - abar) eps, clipped to what a screen shows.
Panel Ddpm::pictureFilm() const {
  Panel panel;
  panel.id = "film";
  panel.row = 1;
  panel.columnSpan = 4;
  panel.frameless = true;
  panel.equalAspect = true;
  panel.legend = false;
  const double wide = picture_.width, high = picture_.height, pitch = 1.06 * wide;
  panel.x.range = Range{0, pitch * (filmTiles - 1) + wide};
  panel.y.range = Range{-0.16 * high, high};
  panel.y.reversed = true;
  auto words = std::make_shared<TextMark>("times");
  for (std::size_t tile = 0; tile < filmTiles; ++tile) {
    const int t = filmTime(tile);
    const auto a = static_cast<float>(main_.chain.alpha(t)), s = static_cast<float>(main_.chain.sigma(t));
    std::vector<std::uint8_t> pixels;
    pixels.reserve(picture_.x0.size() / 3 * 4);
    for (std::size_t i = 0; i < picture_.x0.size(); ++i) {
      const float value = 127.5f * (a * picture_.x0[i] + s * picture_.noise[i] + 1);
      pixels.push_back(static_cast<std::uint8_t>(std::clamp(value + 0.5f, 0.0f, 255.0f)));
      if (i % 3 == 2) pixels.push_back(255);
    }
    auto image = std::make_shared<ImageMark>("picture-" + std::to_string(tile));
    image->pixels = Tensor::from(Shape{picture_.height, picture_.width, 4}, pixels);
    image->x = Range{pitch * static_cast<double>(tile), pitch * static_cast<double>(tile) + wide};
    image->y = Range{0, high};
    panel.marks.push_back(image);
    words->words.push_back({pitch * static_cast<double>(tile) + 0.5 * wide, -0.05 * high, fmt::format("t = {}", t), Paint::of(Role::muted),
                            HAlign::center, VAlign::baseline, 7});
  }
  panel.marks.push_back(words);
  return panel;
}

// Eleven moments of one direction.
Panel Ddpm::filmPanel() const {
  Panel panel;
  panel.id = "film";
  panel.row = 1;
  panel.columnSpan = 4;
  panel.frameless = true;
  panel.equalAspect = true;
  panel.legend = false;
  const bool forward = film_ == "forward";
  const double edge = 1.04 * half(), pitch = 2.12 * edge;
  panel.x.range = Range{-edge, static_cast<double>(filmTiles - 1) * pitch + edge};
  panel.y.range = Range{-1.1 * edge, 1.45 * edge};
  std::vector<float> points, now;
  auto words = std::make_shared<TextMark>("times");
  std::size_t nearest = 0;
  for (std::size_t tile = 0; tile < filmTiles; ++tile) {
    const int t = filmTime(tile);
    if (std::abs(t - time()) < std::abs(filmTime(nearest) - time())) nearest = tile;
    const double x = static_cast<double>(tile) * pitch;
    std::vector<float> cloud = reverseFilm_[tile];
    if (forward) {
      const State state = forwardAt(t);
      cloud.assign(state.begin(), state.begin() + static_cast<std::ptrdiff_t>(std::min(state.size(), 2 * filmParticles)));
    }
    for (std::size_t i = 0; i + 1 < cloud.size(); i += 2) {
      if (std::abs(cloud[i]) > static_cast<float>(edge) || std::abs(cloud[i + 1]) > static_cast<float>(edge)) continue;
      points.insert(points.end(), {cloud[i] + static_cast<float>(x), cloud[i + 1]});
    }
    words->words.push_back({x, 1.12 * edge, fmt::format("t = {}", t), Paint::of(Role::muted), HAlign::center, VAlign::baseline, 7});
  }
  words->words[nearest].paint = Paint::of(Role::accent);
  words->words[nearest].weight = Weight::semibold;
  auto cloud = cloudMark("points", Tensor::from(Shape{static_cast<std::int64_t>(points.size() / 2), 2}, points),
                         forward ? Paint::of(Role::data, 0.7f) : Paint::of(Role::stochastic, 0.7f), edge);
  cloud->radius = 0.6f;
  cloud->knownBounds = Bounds{*panel.x.range, *panel.y.range};
  panel.marks = {cloud, words};
  return panel;
}

Figure Ddpm::figure() const {
  Figure figure;
  figure.title = tr("Denoising diffusion");
  if (state_.empty() || ticks_.empty()) return figure;
  figure.panels = {forwardPanel(), reversePanel()};
  int row = 1;
  if (film_ != "off") {
    figure.panels.push_back(film_ == "picture" ? pictureFilm() : filmPanel());
    ++row;
  }
  const bool same = lower_[0] == lower_[1];
  for (const int place : {0, 1}) {
    if (place == 1 && same) break;
    Panel panel = lowerPanel(lower_[place]);
    panel.row = row;
    panel.column = 2 * place;
    panel.columnSpan = same ? 4 : 2;
    figure.panels.push_back(std::move(panel));
  }
  figure.rowWeights = row == 1 ? std::vector<float>{1.4f, 1.0f} : std::vector<float>{1.4f, 0.42f, 1.0f};
  return figure;
}

}  // namespace orrery::generative
