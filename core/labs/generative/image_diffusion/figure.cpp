// The picture of the lab image-diffusion.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/figure/place.h"
#include "core/labs/generative/image_diffusion/lab.h"
#include "core/labs/generative/shared/curves.h"

namespace orrery::generative {

using diffusion::State;

namespace {

constexpr std::size_t mostCells = 9;  // pictures in a row of the strip
constexpr double smallestLevel = 1e-3;

std::string levelText(double level) {
  return level == 0     ? std::string("0")
         : level >= 100 ? fmt::format("{:.0f}", level)
         : level >= 1   ? fmt::format("{:.2g}", level)
                        : fmt::format("{:.1g}", level);
}

// Series colours in an order that keeps neighbours apart as thin lines; the palest last.
Paint rowPaint(std::size_t row) {
  static constexpr int order[] = {4, 5, 2, 6, 1, 0, 7, 3};
  return Paint::series(order[row % 8]);
}

}  // namespace

// Pictures side by side, the values of each multiplied by its factor.
Tensor ImageDiffusion::mosaic(const std::vector<std::pair<const State*, std::size_t>>& pictures, std::size_t columns,
                              const std::vector<double>& factors) const {
  std::vector<MosaicPicture> shown;
  for (std::size_t i = 0; i < pictures.size(); ++i) shown.push_back({pictures[i].first, pictures[i].second, factors[i]});
  return mosaicOf(columns).pixels(shown);
}

Mosaic ImageDiffusion::mosaicOf(std::size_t columns) const {
  return {static_cast<std::size_t>(denoiser_->side), static_cast<std::size_t>(denoiser_->channels), columns};
}

// The room left of the state's pictures for the names of the rows, in pictures.
double ImageDiffusion::namesWidth() const {
  std::size_t longest = 0;
  for (const Row& row : rows_) longest = std::max(longest, row.name.size());
  return 0.3 + 0.02 * static_cast<double>(longest * std::max(rows_.size(), static_cast<std::size_t>(columns_)));
}

Panel ImageDiffusion::mosaicPanel(bool clean) const {
  Panel panel = picturesPanel(clean ? "clean" : "noisy");
  const auto columns = static_cast<std::size_t>(columns_);
  std::vector<std::pair<const State*, std::size_t>> cells;
  std::vector<double> factors;
  auto names = std::make_shared<TextMark>("rows");
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    const Look& look = lookAt(rows_[r], frame_);
    for (std::size_t c = 0; c < columns; ++c) {
      cells.emplace_back(clean ? &look.clean : &look.x, c);
      factors.push_back(clean ? 1 : denoiser_->deviation / std::hypot(denoiser_->deviation, look.level));
    }
    names->words.push_back({-0.12, static_cast<double>(r) + 0.47, rows_[r].name, Paint::of(Role::ink), HAlign::right, VAlign::middle, 8});
  }
  panel.title = clean ? tr("What the denoiser expects: x̂₀") : tr("The state: xₜ");
  const Look& first = lookAt(rows_.front(), frame_);
  panel.note = clean ? trf("{} evaluations", first.evaluations) : trf("σ = {}", levelText(first.level));
  if (clean && !guidanceMissing_.empty()) panel.note = guidanceMissing_;
  // Names stand left of the pictures, in the state's panel only: the rows are the same.
  panel.x.range = Range{clean ? 0 : -namesWidth(), static_cast<double>(columns)};
  panel.y.range = Range{0, static_cast<double>(rows_.size())};
  panel.marks.push_back(mosaicMark(mosaic(cells, columns, factors), columns, rows_.size()));
  if (!clean) panel.marks.push_back(std::move(names));
  const auto chosen = std::min<std::size_t>(static_cast<std::size_t>(chosen_), cells.size() - 1);
  const double pixel = mosaicOf(columns).pixel();
  panel.marks.push_back(mosaicFrame("chosen", static_cast<double>(chosen % columns), static_cast<double>(chosen / columns), 1, 1, pixel,
                                    trf("{}, {}", rows_[chosen / columns].name, trf("column {}", chosen % columns + 1))));
  return panel;
}

// The known pictures that the finished ones are most like.
Panel ImageDiffusion::nearestPanel() const {
  Panel panel = picturesPanel("nearest");
  const auto columns = static_cast<std::size_t>(columns_);
  std::vector<State> found;
  double sum = 0;
  for (const Row& row : rows_) {
    for (const auto& likeness : row.likeness) {
      found.push_back(denoiser_->knownPicture(likeness.known));
      sum += likeness.distance;
    }
  }
  std::vector<std::pair<const State*, std::size_t>> cells;
  for (const State& picture : found) cells.emplace_back(&picture, 0);
  panel.title = tr("The known picture nearest to the end");
  panel.note = trf("{:.3f} away on average", sum / static_cast<double>(std::max<std::size_t>(found.size(), 1)));
  panel.x.range = Range{0, static_cast<double>(columns)};
  panel.y.range = Range{0, static_cast<double>(rows_.size())};
  panel.marks.push_back(mosaicMark(mosaic(cells, columns, std::vector<double>(cells.size(), 1)), columns, rows_.size()));
  auto boxes = std::make_shared<BoxesMark>("distances");
  boxes->lineWidth = 0.5f;
  const double pixel = mosaicOf(columns).pixel();
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    for (std::size_t c = 0; c < rows_[r].likeness.size(); ++c) {
      BoxesMark::Box box;
      box.x = static_cast<double>(c), box.y = static_cast<double>(r), box.width = 1 - 2 * pixel, box.height = 1 - 2 * pixel;
      box.paint = Paint::of(Role::muted);
      box.hover = trf("{}, {}: {:.3f} away", rows_[r].name, trf("column {}", c + 1), rows_[r].likeness[c].distance);
      boxes->boxes.push_back(std::move(box));
    }
  }
  panel.marks.push_back(std::move(boxes));
  return panel;
}

Panel ImageDiffusion::stripPanel() const {
  Panel panel = picturesPanel("strip");
  const auto columns = static_cast<std::size_t>(columns_);
  const std::size_t index = std::min<std::size_t>(static_cast<std::size_t>(chosen_), rows_.size() * columns - 1);
  const Row& row = rows_[index / columns];
  // On the way the strip has its final length already; what is not known yet stays empty.
  const auto steps = static_cast<std::size_t>(std::lround(row.steps * row.sampler->evaluations));
  const std::size_t whole = unfinished_ ? std::max(row.looks.size(), steps) : row.looks.size(), count = std::min(whole, mostCells);
  panel.title = trf("Film strip of one picture: {}, {}", row.name, trf("column {}", index % columns + 1));
  panel.note = tr("click a picture to see its strip");
  // Here there is room for a sentence.
  if (probe_ && !unfinished_) {
    panel.note = !probe_->complaint.empty()       ? probe_->complaint
                 : !denoiser_->assumption.empty() ? denoiser_->assumption
                                                  : probe_->summary();
  }
  std::vector<std::pair<const State*, std::size_t>> cells;
  std::vector<double> factors;
  auto words = std::make_shared<TextMark>("levels");
  std::vector<std::size_t> shown;
  for (std::size_t i = 0; i < count; ++i) shown.push_back(count > 1 ? (i * (whole - 1) + (count - 1) / 2) / (count - 1) : 0);
  const std::size_t known =
      static_cast<std::size_t>(std::count_if(shown.begin(), shown.end(), [&](std::size_t at) { return at < row.looks.size(); }));
  for (const bool clean : {false, true}) {
    for (const std::size_t at : shown) {
      if (at >= row.looks.size()) {
        cells.emplace_back(nullptr, 0);
        factors.push_back(1);
        continue;
      }
      const Look& look = row.looks[at];
      cells.emplace_back(clean ? &look.clean : &look.x, index % columns);
      factors.push_back(clean ? 1 : denoiser_->deviation / std::hypot(denoiser_->deviation, look.level));
    }
  }
  for (std::size_t i = 0; i < known; ++i) {
    words->words.push_back({static_cast<double>(i) + 0.47, 2.14, trf("σ = {}", levelText(row.looks[shown[i]].level)),
                            Paint::of(Role::muted), HAlign::center, VAlign::middle, 7.5f});
  }
  words->words.push_back({-0.1, 0.47, tr("xₜ"), Paint::of(Role::ink), HAlign::right, VAlign::middle, 8});
  words->words.push_back({-0.1, 1.47, tr("x̂₀"), Paint::of(Role::ink), HAlign::right, VAlign::middle, 8});
  panel.x.range = Range{-0.4, static_cast<double>(count)};
  panel.y.range = Range{0, 2.3};
  panel.marks.push_back(mosaicMark(mosaic(cells, count, factors), count, 2));
  panel.marks.push_back(std::move(words));
  // Where the timeline is: the last picture of the strip that is not ahead of it.
  const Look& now = lookAt(row, frame_);
  std::size_t here = 0;
  for (std::size_t i = 0; i < known; ++i) {
    if (&row.looks[shown[i]] <= &now) here = i;
  }
  const double pixel = mosaicOf(columns).pixel();
  panel.marks.push_back(
      mosaicFrame("now", static_cast<double>(here), 0, 1, 2, pixel, trf("σ = {}", levelText(row.looks[shown[here]].level))));
  return panel;
}

// How far what the denoiser expects is from what the row ends with, over all its pictures.
Panel ImageDiffusion::settlingPanel() const {
  Panel panel;
  panel.id = "settling";
  panel.title = tr("When is the picture decided?");
  if (unfinished_) {
    panel.note = tr("known when the last step is done");
    panel.x.range = Range{smallestLevel, std::max(1.0, rows_.front().looks.front().level)};
    panel.y.range = Range{0, 1};
  }
  panel.x.label = tr("noise level σ");
  panel.x.scale = ScaleKind::log;
  panel.x.reversed = true;
  panel.y.label = tr("x̂₀ from the end (root mean square)");
  double largest = smallestLevel, smallest = 1e9, farthest = 0;
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    const Row& row = rows_[r];
    if (row.id == "there" || unfinished_) continue;
    std::vector<double> x, y;
    for (const Look& look : row.looks) {
      if (look.level < smallestLevel) continue;
      x.push_back(look.level);
      y.push_back(apart(look.clean, row.looks.back().x));
      farthest = std::max(farthest, y.back());
      largest = std::max(largest, look.level), smallest = std::min(smallest, look.level);
    }
    auto mark = curveOf("row-" + row.id, x, y, rowPaint(r), row.name);
    mark->markers = x.size() < 40;
    mark->directLabel = false;
    mark->xName = tr("σ"), mark->yName = tr("distance");
    panel.marks.push_back(std::move(mark));
  }
  // Decided from the first step on: a distance has no room below 0.
  if (farthest == 0) panel.y.range = Range{0, 1};
  auto rule = std::make_shared<RuleMark>("now");
  rule->at = std::max(lookAt(rows_.back(), frame_).level, smallest);
  rule->paint = Paint::of(Role::accent);
  panel.marks.push_back(std::move(rule));
  return panel;
}

// The picture of rows that are still on their way: each stands where it is, and nothing is said about an end that is not known.
Figure ImageDiffusion::unfinished(std::vector<Row>& rows, std::int64_t columns) {
  std::vector<Row*> waiting;
  for (Row& row : rows) {
    if (!row.looks.empty()) continue;
    // Noise, as bright as all noise here.
    row.looks.push_back({0, 0, denoiser_->deviation * row.start, 0.0 * row.start});
    waiting.push_back(&row);
  }
  const auto swapAll = [&] {
    std::swap(rows_, rows);
    std::swap(columns_, columns);
  };
  const std::int64_t frame = frame_;
  swapAll();
  frame_ = frames() - 1, unfinished_ = true;
  Figure result = figure();
  frame_ = frame, unfinished_ = false;
  swapAll();
  for (Row* row : waiting) row->looks.clear();
  return result;
}

Figure ImageDiffusion::figure() const {
  Figure figure;
  figure.title = tr("Image diffusion");
  if (rows_.empty()) return figure;
  place(figure, mosaicPanel(false), 0, 0);
  place(figure, beside_ == "nearest" && !unfinished_ ? nearestPanel() : mosaicPanel(true), 0, 1);
  place(figure, settlingPanel(), 0, 2);
  place(figure, stripPanel(), 1, 0, 3);
  figure.rowWeights = {1.5f, 1};
  // Both mosaics at one scale.
  figure.columnWeights = {static_cast<float>(1 + namesWidth() / static_cast<double>(columns_)), 1, 1};
  return figure;
}

}  // namespace orrery::generative
