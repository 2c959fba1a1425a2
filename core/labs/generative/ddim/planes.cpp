// The latents and the data of the lab ddim, side by side, and what flies between them.

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/text.h"
#include "core/labs/generative/ddim/lab.h"

namespace orrery::generative {

using diffusion::State;

double Ddim::half() const { return std::max(1.15 * scene_.density.reach, 2.6); }

namespace {

// Points [n, 2] times a scale, moved right.
Tensor placed(const Tensor& points, double scale, double shift) {
  std::vector<float> moved;
  const auto values = points.as<float>();
  moved.reserve(values.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    moved.push_back(static_cast<float>(scale * static_cast<double>(values[i]) + (i % 2 == 0 ? shift : 0)));
  return Tensor::from(points.shape(), moved);
}

}  // namespace

Panel Ddim::planesPanel() const {
  const double edge = half(), far = distance();
  Panel panel;
  panel.id = "planes";
  panel.columnSpan = 2;
  panel.frameless = true;
  panel.equalAspect = true;
  panel.legend = false;
  panel.x.range = Range{-edge, far + edge};
  panel.y.range = Range{-edge, 1.12 * edge};
  const Bounds bounds{*panel.x.range, *panel.y.range};
  const double top = levels_.front(), last = mode_ == Mode::sample ? levels_.back() : levelAt(0), startScale = scaleOf(top),
               endScale = scaleOf(last);
  const bool inverted = mode_ != Mode::sample;
  if (inverted)
    panel.title = trf("There and back in {} steps each: off by {} on average", visited_.size() / 2, fmt::format("{:.2g}", returnError_));
  else if (!comparedEnd_.empty()) {
    panel.title =
        trf("The same latents in {} and in {} steps end {} apart (rms)", N_, compared_, fmt::format("{:.2g}", comparedApart()));
  } else {
    panel.title =
        eta_ > 0 ? trf("With noise, η = {:.2g}, one latent has many samples", eta_) : tr("Without noise every latent has its one sample");
  }
  if (network_) panel.title = trf("{}, your network", panel.title);
  panel.note = inverted ? fmt::format("σ = {:.3g}", levelAt(frame_))
                        : trf("SW₂ {} (exact samples {})", fmt::format("{:.3f}", sliced_), fmt::format("{:.3f}", slicedFloor_));
  if (!networkErrors_.complaint.empty()) panel.note = networkErrors_.complaint;

  if (showDensity_) {
    auto heat = densityMark(*stream_, scene_, table_, endScale, last, edge, ColorMap::viridis);
    heat->x = Range{heat->x.low + far, heat->x.high + far};
    panel.marks.push_back(heat);
    // One, two and three deviations of the latents' law.
    std::vector<double> x, y;
    for (const double radius : {1.0, 2.0}) {
      for (int i = 0; i <= 72; ++i) {
        x.push_back(radius * std::cos(2 * std::numbers::pi * i / 72));
        y.push_back(radius * std::sin(2 * std::numbers::pi * i / 72));
      }
      x.push_back(std::nan(""));
      y.push_back(std::nan(""));
    }
    auto rings = curveOf("deviations", x, y, Paint::of(Role::muted, 0.6f));
    rings->width = 0.75f;
    rings->dash = {2, 3};
    panel.marks.push_back(rings);
  }
  if (!path_.empty()) {
    auto trails = std::make_shared<PathsMark>("trails");
    trails->xy = path_;
    trails->stepCount = path_.shape()[0];
    trails->paint = Paint::of(eta_ > 0 ? Role::stochastic : Role::deterministic, 0.35f);
    trails->width = 0.6f;
    trails->fade = false;
    trails->knownBounds = bounds;
    panel.marks.push_back(trails);
  }
  const Tensor goals = Tensor::from(Shape{static_cast<std::int64_t>(goal_.size())}, goal_);
  const auto coloured = [&](const char* id, Tensor xy, bool shown) {
    auto points = cloudMark(id, std::move(xy), Paint::of(Role::data, 0.8f), edge);
    if (shown) {
      points->scalar = goals;
      points->map = ColorMap::cyclic;
    }
    points->knownBounds = bounds;
    panel.marks.push_back(points);
  };
  coloured("latents", placed(start_, startScale, 0), true);
  if (inverted) {
    // Where the data were, and where they came back to.
    const State& data = visited_.front();
    const State& back = visited_.back();
    std::vector<float> from, to, weight;
    for (std::size_t i = 0; i + 1 < data.size(); i += 2) {
      from.insert(from.end(), {static_cast<float>(endScale * data[i] + far), static_cast<float>(endScale * data[i + 1])});
      to.insert(to.end(), {static_cast<float>(endScale * back[i] + far), static_cast<float>(endScale * back[i + 1])});
      weight.push_back(0.25f);
    }
    const auto count = static_cast<std::int64_t>(weight.size());
    auto links = std::make_shared<LinksMark>("errors");
    links->from = Tensor::from(Shape{count, 2}, from);
    links->to = Tensor::from(Shape{count, 2}, to);
    links->weight = Tensor::from(Shape{count}, weight);
    links->paint = Paint::of(Role::accent);
    panel.marks.push_back(links);
    coloured("data", Tensor::from(Shape{count, 2}, from), true);
  }
  coloured("samples", placed(end_, endScale, far), true);
  if (!comparedEnd_.empty()) {
    const std::int64_t count = std::min<std::int64_t>(comparedEnd_.shape()[0], 512);
    const Tensor a = placed(end_.rows(0, count), endScale, far), b = placed(comparedEnd_.rows(0, count), endScale, far);
    auto links = std::make_shared<LinksMark>("apart");
    links->from = a;
    links->to = b;
    links->weight = Tensor::from(Shape{count}, std::vector<float>(static_cast<std::size_t>(count), 0.25f));
    links->paint = Paint::of(Role::accent);
    auto rings = cloudMark("compared", b, Paint::of(Role::accent, 0.7f), edge);
    rings->shape = PointShape::ring;
    rings->radius = 2;
    rings->knownBounds = bounds;
    panel.marks.insert(panel.marks.end(), {links, rings});
  }
  if (frame_ > 0 && frame_ + 1 < timeline().frames)
    coloured("flying", placed(state_, scaleOf(levelAt(frame_)), far * placeAt(frame_)), true);

  auto words = std::make_shared<TextMark>("names");
  words->words.push_back(
      {0, 1.06 * edge, inverted ? tr("latents found") : tr("latents"), Paint::of(Role::muted), HAlign::center, VAlign::middle});
  words->words.push_back({far, 1.06 * edge, inverted ? tr("data, and what comes back") : tr("samples"), Paint::of(Role::muted),
                          HAlign::center, VAlign::middle});
  if (!inverted) {
    // The walks between the two ends: straight and along the circle, and where their samples lie.
    const double unit = startScale * top;
    for (const int kind : {0, 1}) {
      const Walk& walk = walks_[kind];
      const bool chosen = spherical_ == (kind == 1);
      const auto scaled = [](std::vector<double> values, double by, double shift) {
        for (double& v : values) v = by * v + shift;
        return values;
      };
      for (const bool data : {false, true}) {
        // With noise neighbours on the way end anywhere: no curve.
        if (data && eta_ > 0) continue;
        auto line = curveOf((kind == 1 ? std::string("slerp") : std::string("lerp")) + (data ? "-samples" : "-latents"),
                            data ? scaled(walk.endX, endScale, far) : scaled(walk.latentX, unit, 0),
                            data ? scaled(walk.endY, endScale, 0) : scaled(walk.latentY, unit, 0),
                            Paint::of(chosen ? Role::accent : Role::muted, chosen ? 1.0f : 0.7f));
        line->width = chosen ? 1.5f : 1;
        if (!chosen) line->dash = {3, 2};
        panel.marks.push_back(line);
      }
    }
    std::vector<double> x, y;
    std::vector<float> ends;
    for (std::size_t i = 0; i + 1 < draws_.back().size(); i += 2) {
      for (std::size_t f = 0; f < draws_.size(); ++f) {
        const double scale = scaleOf(levels_[f]),
                     shift = far * static_cast<double>(f) / static_cast<double>(std::max<std::size_t>(1, draws_.size() - 1));
        x.push_back(scale * draws_[f][i] + shift);
        y.push_back(scale * draws_[f][i + 1]);
      }
      x.push_back(std::nan(""));
      y.push_back(std::nan(""));
      ends.insert(ends.end(), {static_cast<float>(endScale * draws_.back()[i] + far), static_cast<float>(endScale * draws_.back()[i + 1])});
    }
    auto way = curveOf("way", x, y, Paint::of(Role::accent, draws_.back().size() > 2 ? 0.25f : 1.0f));
    way->width = draws_.back().size() > 2 ? 0.5f : 1.75f;
    auto points = std::make_shared<PointsMark>("draws");
    points->xy = Tensor::from(Shape{static_cast<std::int64_t>(ends.size() / 2), 2}, ends);
    points->shape = PointShape::ring;
    points->radius = 3;
    points->paint = Paint::of(Role::accent);
    points->name = tr("sample of the present latent");
    const auto z = latentNow();
    auto now = std::make_shared<PointsMark>("latent");
    now->xy = Tensor::from(Shape{1, 2}, {static_cast<float>(unit * z[0]), static_cast<float>(unit * z[1])});
    now->shape = PointShape::ring;
    now->radius = 4;
    now->paint = Paint::of(Role::accent);
    now->name = tr("present latent");
    panel.marks.insert(panel.marks.end(), {way, points, now});
    for (const int end : {0, 1}) {
      const double ax = unit * ends_[end][0], ay = unit * ends_[end][1];
      words->words.push_back({ax + 0.06 * edge, ay + 0.06 * edge, end == 0 ? "a" : "b", Paint::of(Role::accent), HAlign::left,
                              VAlign::baseline, 9, Weight::semibold});
      panel.handles.push_back(
          {end == 0 ? "latent-a" : "latent-b", ax, ay, Handle::Kind::point, end == 0 ? tr("latent a") : tr("latent b")});
    }
  }
  panel.marks.push_back(words);
  Panel blobs;
  addBlobHandles(blobs, scene_, 1);
  for (Handle& handle : blobs.handles) {
    handle.x = endScale * handle.x + far;
    handle.y *= endScale;
    panel.handles.push_back(handle);
  }
  return panel;
}

Figure Ddim::figure() const {
  Figure figure;
  figure.title = tr("Deterministic diffusion");
  if (levels_.empty() || end_.empty()) return figure;
  figure.panels.push_back(planesPanel());
  const bool same = lower_[0] == lower_[1];
  for (const int place : {0, 1}) {
    if (place == 1 && same) break;
    Panel panel = lowerPanel(lower_[place]);
    panel.row = 1;
    panel.column = place;
    panel.columnSpan = same ? 2 : 1;
    figure.panels.push_back(std::move(panel));
  }
  figure.rowWeights = {1.35f, 1.0f};
  return figure;
}

}  // namespace orrery::generative
