// The pictures of shared/picture_memory_lab.h: three mosaics of the samples, the film strip of one, and a chart over the way.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/base/text.h"
#include "core/figure/place.h"
#include "core/labs/generative/shared/curves.h"
#include "core/labs/generative/shared/picture_memory_lab.h"

namespace orrery::generative {

using diffusion::State;

namespace {

constexpr double smallestDistance = 1e-4;  // of the chart; a copy is 0 away
constexpr std::size_t mostCurves = 12;

// "1.0" where it is decided, "37" where it is not.
std::string few(double candidates) { return candidates < 9.95 ? fmt::format("{:.1f}", candidates) : fmt::format("{:.0f}", candidates); }

// Colours of neighbouring samples in an order that keeps thin lines apart.
Paint samplePaint(std::size_t sample) {
  static constexpr int order[] = {4, 5, 2, 6, 1, 0, 7, 3};
  return Paint::series(order[sample % 8]);
}

}  // namespace

std::string PictureMemoryLab::timeText(double time) const { return fmt::format("t = {}", course_->whole ? fmt::format("{:.0f}", time) : fmt::format("{:.3g}", time)); }

std::size_t PictureMemoryLab::perRow() const {
  return std::min(samples_, static_cast<std::size_t>(std::ceil(std::sqrt(1.6 * static_cast<double>(samples_)))));
}

Mosaic PictureMemoryLab::mosaic(std::size_t columns, bool words) const {
  Mosaic mosaic;
  mosaic.side = static_cast<std::size_t>(memory_.side), mosaic.columns = columns;
  mosaic.gap = std::max<std::size_t>(1, mosaic.side / 12);
  mosaic.below = words ? std::max<std::size_t>(2, mosaic.side / 5) : 0;
  return mosaic;
}

Panel PictureMemoryLab::samplesPanel(const char* id) const {
  const PictureCourse::Stop& stop = course_->stops[static_cast<std::size_t>(frame_)];
  const bool nearest = id == std::string_view("nearest"), expected = id == std::string_view("expected");
  const std::size_t columns = perRow(), rows = (samples_ + columns - 1) / columns;
  const Mosaic mosaic = this->mosaic(columns, true);
  // A noisy picture is shown at the contrast of the set.
  const double factor = memory_.deviation / std::hypot(stop.alpha * memory_.deviation, stop.sigma);
  const Record& now = record();
  std::vector<State> known;
  known.reserve(samples_);
  std::vector<MosaicPicture> cells;
  auto words = std::make_shared<TextMark>("words");
  for (std::size_t i = 0; i < samples_; ++i) {
    std::string word = trf("{} of {}", i + 1, samples_);
    if (nearest) {
      const auto from = memory_.set.points.begin() + static_cast<std::ptrdiff_t>(now.nearest[i] * memory_.values());
      known.emplace_back(std::vector<double>(from, from + static_cast<std::ptrdiff_t>(memory_.values())));
      cells.push_back({&known.back(), 0, 1});
      word = fmt::format("{:.3f}", now.distances[i]);
    } else {
      cells.push_back({expected ? &clean_ : &state_, i, expected ? 1 : factor});
      if (expected) word = few(now.candidates[i]);
    }
    words->words.push_back({static_cast<double>(i % columns) + 0.5 - mosaic.pixel(),
                            mosaic.pitch() * static_cast<double>(i / columns) + 0.5 * (1 - 2 * mosaic.pixel() + mosaic.pitch()), word,
                            Paint::of(Role::muted), HAlign::center, VAlign::middle, 7});
  }
  Panel panel = picturesPanel(id);
  if (nearest) {
    double mean = 0;
    for (const double d : now.distances) mean += d / static_cast<double>(samples_);
    panel.title = tr("The nearest picture of the set, and how far");
    panel.note = trf("{:.3f}; pictures are {:.2f} apart", mean, memory_.apart);
  } else if (expected) {
    panel.title = tr("What the denoiser expects: x̂₀");
    panel.note = trf("could be so many of {}", memory_.set.size());
  } else {
    panel.title = course_->title;
    panel.note = timeText(stop.time);
  }
  panel.x.range = Range{0, static_cast<double>(columns)};
  panel.y.range = Range{0, mosaic.pitch() * static_cast<double>(rows)};
  panel.marks.push_back(mosaicMark(mosaic.pixels(cells), columns, rows, mosaic.pitch()));
  panel.marks.push_back(words);
  panel.marks.push_back(mosaicFrame("chosen", static_cast<double>(chosen_ % columns), mosaic.pitch() * static_cast<double>(chosen_ / columns), 1,
                                    1, mosaic.pixel(), trf("{} of {}", chosen_ + 1, samples_)));
  return panel;
}

// One sample at moments of the whole way; those to come stay empty.
Panel PictureMemoryLab::filmPanel() const {
  const auto frames = filmFrames();
  const Mosaic mosaic = this->mosaic(frames.size(), false);
  Panel panel = picturesPanel("strip");
  panel.title = trf("Film strip of picture {}", chosen_ + 1);
  panel.note = tr("click a picture to see its strip");
  std::vector<MosaicPicture> cells;
  auto words = std::make_shared<TextMark>("times");
  std::size_t here = 0;
  for (const bool clean : {false, true}) {
    for (std::size_t i = 0; i < frames.size(); ++i) {
      const PictureCourse::Stop& stop = course_->stops[static_cast<std::size_t>(frames[i])];
      const auto found = film_.find(frames[i]);
      const double factor = clean ? 1 : memory_.deviation / std::hypot(stop.alpha * memory_.deviation, stop.sigma);
      cells.push_back({found == film_.end() ? nullptr : clean ? &found->second.second : &found->second.first, chosen_, factor});
      if (frames[i] <= frame_) here = i;
      if (!clean) continue;
      words->words.push_back({static_cast<double>(i) + 0.5 - mosaic.pixel(), 2.14, timeText(stop.time), Paint::of(Role::muted),
                              HAlign::center, VAlign::middle, 7.5f});
    }
  }
  words->words.push_back({-0.1, 0.47, "xₜ", Paint::of(Role::ink), HAlign::right, VAlign::middle, 8});
  words->words.push_back({-0.1, 1.47, "x̂₀", Paint::of(Role::ink), HAlign::right, VAlign::middle, 8});
  panel.x.range = Range{-0.4, static_cast<double>(frames.size())};
  panel.y.range = Range{0, 2.3};
  panel.marks.push_back(mosaicMark(mosaic.pixels(cells), frames.size(), 2));
  panel.marks.push_back(words);
  panel.marks.push_back(mosaicFrame("now", static_cast<double>(here), 0, 1, 2, mosaic.pixel(),
                                    timeText(course_->stops[static_cast<std::size_t>(frames[here])].time)));
  return panel;
}

Panel PictureMemoryLab::chartPanel() const {
  const bool candidates = chart_ == "candidates";
  Panel panel;
  panel.id = candidates ? "candidates" : "distances";
  panel.title = candidates ? tr("How many pictures could it still be?") : tr("From x̂₀ to the nearest picture");
  panel.x.label = course_->whole ? tr("step t") : tr("time t");
  panel.x.reversed = true;
  panel.x.range = Range{course_->stops.back().time, course_->stops.front().time};
  panel.y.scale = ScaleKind::log;
  panel.y.label = candidates ? tr("candidates") : tr("distance (root mean square)");
  panel.y.range = candidates ? Range{0.9, 1.1 * static_cast<double>(memory_.set.size())} : Range{smallestDistance, 1};
  panel.legend = false;
  for (std::size_t i = 0; i < std::min(samples_, mostCurves); ++i) {
    std::vector<double> x, y;
    for (const auto& [frame, known] : records_) {
      x.push_back(course_->stops[static_cast<std::size_t>(frame)].time);
      y.push_back(candidates ? known.candidates[i] : std::max(known.distances[i], smallestDistance));
    }
    const bool chosen = i == chosen_;
    auto line = curveOf("sample-" + std::to_string(i), x, y, chosen ? Paint::of(Role::accent) : samplePaint(i), trf("{} of {}", i + 1, samples_));
    line->width = chosen ? 1.5f : 0.6f;
    line->directLabel = false;
    line->xName = "t", line->yName = panel.y.label;
    panel.marks.push_back(std::move(line));
  }
  if (!candidates) {
    auto apart = std::make_shared<RuleMark>("apart");
    apart->vertical = false;
    apart->at = std::max(memory_.apart, smallestDistance);
    apart->tag = tr("between pictures");
    panel.marks.push_back(std::move(apart));
  }
  auto rule = std::make_shared<RuleMark>("now");
  rule->at = course_->stops[static_cast<std::size_t>(frame_)].time;
  rule->paint = Paint::of(Role::accent);
  panel.marks.push_back(std::move(rule));
  return panel;
}

Figure PictureMemoryLab::figure() const {
  Figure figure;
  figure.title = tr(title_);
  if (course_ == nullptr) return figure;
  place(figure, samplesPanel("state"), 0, 0);
  place(figure, samplesPanel("expected"), 0, 1);
  place(figure, samplesPanel("nearest"), 0, 2);
  place(figure, filmPanel(), 1, 0, 2);
  place(figure, chartPanel(), 1, 2);
  figure.rowWeights = {1.2f, 1};
  return figure;
}

}  // namespace orrery::generative
