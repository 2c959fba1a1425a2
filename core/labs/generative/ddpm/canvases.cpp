// The two clouds of the lab ddpm and the film strip.

#include <algorithm>
#include <cmath>

#include "core/base/text.h"
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

Panel Ddpm::forwardPanel() const {
  const double edge = half(), scale = main_.chain.scale(time()), level = main_.chain.level(time());
  Panel panel = planePanel("forward", edge);
  panel.columnSpan = 2;
  panel.title = tr("Forward chain: each step keeps some signal and adds some noise");
  panel.note = fmt::format("t = {}  ᾱ = {:.3g}", time(), main_.chain.alphaBar[static_cast<std::size_t>(time())]);
  if (showDensity_) panel.marks.push_back(densityMark(*stream_, scene_, table_, scale, level, edge, ColorMap::magma));
  if (!forwardPath_.empty()) {
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
  if (chain.alphaBar.back() > 0.1)
    panel.title = trf("The chain is too short: its end is not Gaussian, ᾱ(T) = {:.2g}", chain.alphaBar.back());
  else if (clip_ > 0 && clip_ < scene_.density.reach)
    panel.title = trf("Reverse chain: clipping at {:.2g} cuts the tails of the data", clip_);
  else
    panel.title = trf("Reverse chain: ancestral steps with {}", varianceName());
  panel.note = trf("SW₂ {} (exact samples {})", fmt::format("{:.3f}", tick().sliced), fmt::format("{:.3f}", tick().floor));
  if (showDensity_) panel.marks.push_back(densityMark(*stream_, scene_, table_, scale, level, edge, ColorMap::magma));
  if (!reversePath_.empty()) {
    const std::int64_t first = std::max<std::int64_t>(0, frame_ - std::llround(trailShare_ * static_cast<double>(timeline().frames)));
    panel.marks.push_back(trailsOf(reversePath_, first, frame_ + 1 - first, Paint::of(Role::stochastic, 0.8f), edge));
  }
  const auto state = state_.as<float>();
  std::vector<float> shown(state.begin(), state.end());
  for (float& value : shown) value = static_cast<float>(scale * static_cast<double>(value));
  panel.marks.push_back(cloudMark("particles", Tensor::from(state_.shape(), shown), Paint::of(Role::data, 0.8f), edge));
  if (pinned_ >= 0) {
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

// Eleven moments of both directions: noise to data above, data to noise below, at the same t.
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
    figure.panels.push_back(filmPanel());
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
