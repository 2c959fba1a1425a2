// The pictures of a flow of pictures: mosaics of states, samples, rows, the strip and the masks.

#include <algorithm>
#include <cmath>

#include "core/base/text.h"
#include "core/labs/generative/shared/picture_flow_lab.h"

namespace orrery::generative {

namespace {

constexpr std::size_t gap = 1;  // pixels between pictures
constexpr std::size_t mosaicColumns = 5, mosaicPictures = 25;
constexpr std::size_t stripPictures = 3, mostStates = 13;
constexpr double latentReach = 3;  // a state's values -3 ... 3 are shown from black to full colour

// How many pictures an inverse that multiplied by very much has thrown far out of the range of colours, 0 ... 1.
std::size_t tornAmong(const std::vector<float>& pictures, std::size_t each) {
  std::size_t torn = 0;
  for (auto from = pictures.begin(); from != pictures.end(); from += static_cast<std::ptrdiff_t>(each)) {
    torn += std::any_of(from, from + static_cast<std::ptrdiff_t>(each), [](float v) { return !(std::abs(v) < 10); }) ? 1 : 0;
  }
  return torn;
}

}  // namespace

std::string PictureFlowLab::stepName(const Stage& stage) const {
  const auto& stages = flow().stages();
  const bool levels = std::any_of(stages.begin(), stages.end(), [](const Stage& s) { return s.kind == Kind::squeeze; });
  // Behind a level's checkerboards its couplings go on counting.
  const auto checkers = std::count_if(stages.begin(), stages.end(),
                                      [&](const Stage& s) { return s.kind == Kind::checker && s.level == stage.level && stage.squeezed; });
  return levels ? fmt::format("{}.{}", stage.level + 1, stage.step + 1 + checkers) : std::to_string(stage.step + 1);
}

std::string PictureFlowLab::stageName(std::size_t stages) const {
  if (stages == 0) return tr("the pictures");
  const Stage& stage = flow().stages()[stages - 1];
  switch (stage.kind) {
    case Kind::squeeze:
      return trf("squeeze of level {}", stage.level + 1);
    case Kind::split:
      return trf("split of level {}", stage.level + 1);
    case Kind::actnorm:
      return trf("actnorm of step {}", stepName(stage));
    case Kind::norm:
      return trf("normalization before step {}", stepName(stage));
    case Kind::mixing:
      return trf("mixing of step {}", stepName(stage));
    case Kind::logit:
      return tr("logit");
    case Kind::checker:
      return trf("checkerboard {}", stepName(stage));
    case Kind::scale:
      return tr("scale");
    case Kind::coupling:
      break;
  }
  return trf("coupling of step {}", stepName(stage));
}

// The data, and the state behind each step: at most `mostStates`, both ends among them.
std::vector<std::size_t> PictureFlowLab::stripStages() const {
  std::vector<std::size_t> all{0}, shown;
  for (std::size_t i = 0; i < stageCount(); ++i) {
    const Kind kind = flow().stages()[i].kind;
    if (kind == Kind::coupling || kind == Kind::checker || kind == Kind::scale) all.push_back(i + 1);
  }
  const std::size_t count = std::min(all.size(), mostStates);
  for (std::size_t i = 0; i < count; ++i) shown.push_back(all[count < 2 ? 0 : (i * (all.size() - 1) + (count - 1) / 2) / (count - 1)]);
  return shown;
}

// Pictures until something has moved the values, then values of about deviation 1.
double PictureFlowLab::reachOf(std::size_t stages) const {
  const auto& all = flow().stages();
  const auto behind = all.begin() + static_cast<std::ptrdiff_t>(stages);
  return std::all_of(all.begin(), behind, [](const Stage& s) { return s.kind == Kind::squeeze; }) ? 0 : latentReach;
}

std::vector<float> PictureFlowLab::shownAt(std::size_t stages, std::size_t first, std::size_t count) const {
  const Tensor& state = (towardsData_ ? up_ : down_)[stages];
  const auto each = static_cast<std::size_t>(flow().dimensions());
  const std::size_t there = static_cast<std::size_t>(state.shape()[0]);
  const auto values = state.toFloats();
  const std::size_t last = std::min(first + count, there);
  std::vector<float> shown(values.begin() + static_cast<std::ptrdiff_t>(first * each),
                           values.begin() + static_cast<std::ptrdiff_t>(last * each));
  if (const double reach = reachOf(stages); reach > 0) {
    for (float& v : shown) v = static_cast<float>(0.5 + static_cast<double>(v) / (2 * reach));
  }
  for (float& v : shown) v = std::clamp(v, 0.0f, 1.0f);
  return shown;
}

std::vector<float> PictureFlowLab::shownBetween(double stages, std::size_t first, std::size_t count) const {
  const auto below = static_cast<std::size_t>(std::clamp(std::floor(stages), 0.0, static_cast<double>(stageCount())));
  std::vector<float> a = shownAt(below, first, count);
  const auto rest = static_cast<float>(stages - static_cast<double>(below));
  if (rest <= 0 || below >= stageCount()) return a;
  const std::vector<float> b = shownAt(below + 1, first, count);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += rest * (b[i] - a[i]);
  return a;
}

// Pictures side by side as RGBA, each in a cell of side + gap pixels; gaps are transparent.
Tensor PictureFlowLab::mosaic(const std::vector<float>& pictures, std::size_t columns) const {
  const auto side = static_cast<std::size_t>(pictures_.side), each = 3 * side * side, cell = side + gap;
  const std::size_t count = pictures.size() / each, rows = (count + columns - 1) / columns, width = columns * cell;
  std::vector<std::uint8_t> rgba(rows * cell * width * 4, 0);
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t y = 0; y < side; ++y) {
      for (std::size_t x = 0; x < side; ++x) {
        std::uint8_t* pixel = &rgba[((i / columns * cell + y) * width + i % columns * cell + x) * 4];
        for (std::size_t c = 0; c < 3; ++c) {
          const float value = pictures[i * each + (c * side + y) * side + x];
          pixel[c] = static_cast<std::uint8_t>(std::lround(std::isfinite(value) ? std::clamp(value, 0.0f, 1.0f) * 255 : 0.0f));
        }
        pixel[3] = 255;
      }
    }
  }
  return Tensor::from(Shape{static_cast<std::int64_t>(rows * cell), static_cast<std::int64_t>(width), 4}, rgba);
}

Panel PictureFlowLab::stagePanel() const {
  Panel panel = picturesPanel("stage");
  const double at = position();
  const auto whole = static_cast<std::size_t>(std::clamp(std::lround(at), 0l, static_cast<long>(stageCount())));
  if (at <= 0) {
    panel.title = towardsData_ ? tr("Samples of the model") : tr("Held-out pictures");
  } else if (at >= static_cast<double>(stageCount())) {
    panel.title = towardsData_ ? tr("Latents drawn at T") : tr("The latents of held-out pictures");
  } else {
    panel.title = towardsData_ ? tr("Latents on their way to pictures") : tr("Held-out pictures on their way");
  }
  panel.note = whole == 0 ? std::string() : trf("behind the {}", stageName(whole));
  const std::vector<float> shown = shownBetween(at, 0, mosaicPictures);
  const std::size_t rows = (shown.size() / static_cast<std::size_t>(flow().dimensions()) + mosaicColumns - 1) / mosaicColumns;
  panel.marks.push_back(mosaicMark(mosaic(shown, mosaicColumns), mosaicColumns, rows));
  panel.x.range = Range{0, static_cast<double>(mosaicColumns)};
  panel.y.range = Range{0, static_cast<double>(rows)};
  return panel;
}

Panel PictureFlowLab::samplesPanel() const {
  Panel panel = picturesPanel("samples");
  panel.title = trf("Samples after {} steps", stepsAt(frame_));
  const std::vector<float> samples = samples_.toFloats();
  const std::size_t torn = tornAmong(samples, static_cast<std::size_t>(flow().dimensions()));
  panel.note = fmt::format("T = {:.2f}", temperature_);
  if (torn > 0) panel.note += trf(", {} torn", torn);
  panel.marks.push_back(mosaicMark(mosaic(samples, mosaicColumns), mosaicColumns, mosaicColumns));
  panel.x.range = Range{0, static_cast<double>(mosaicColumns)};
  panel.y.range = Range{0, static_cast<double>(mosaicColumns)};
  return panel;
}

std::string PictureFlowLab::rowsTitle() const {
  return rows_ == "temperature"     ? tr("The same latents times T")
         : rows_ == "interpolation" ? tr("Between the latents of two held-out pictures")
                                    : tr("Held-out pictures, the latents of one level drawn anew");
}

Panel PictureFlowLab::rowsPanel() const {
  Panel panel = picturesPanel("rows");
  panel.title = rowsTitle();
  std::vector<float> all;
  auto names = std::make_shared<TextMark>("names");
  for (std::size_t r = 0; r < small_.size(); ++r) {
    all.insert(all.end(), small_[r].values.begin(), small_[r].values.end());
    names->words.push_back({-0.12, static_cast<double>(r) + 0.47, small_[r].name, Paint::of(Role::ink), HAlign::right, VAlign::middle, 8});
  }
  if (const std::size_t torn = tornAmong(all, static_cast<std::size_t>(flow().dimensions())); torn > 0) {
    panel.note = trf("{} torn: the inverse explodes", torn);
  }
  const std::size_t columns = all.size() / (small_.size() * static_cast<std::size_t>(flow().dimensions()));
  panel.marks.push_back(mosaicMark(mosaic(all, columns), columns, small_.size()));
  panel.marks.push_back(names);
  std::size_t longest = 0;
  for (const PictureRow& r : small_) longest = std::max(longest, r.name.size());
  panel.x.range = Range{longest <= 2 ? -0.5 : longest <= 7 ? -1.7 : -2.0, static_cast<double>(columns)};
  panel.y.range = Range{0, static_cast<double>(small_.size())};
  return panel;
}

Panel PictureFlowLab::stripPanel() const {
  Panel panel = picturesPanel("strip");
  panel.title = towardsData_ ? tr("From latents, on the right, to pictures") : tr("From pictures to latents, step by step");
  panel.note = tr("click a column to see it large");
  const auto stages = stripStages();
  const std::size_t columns = stages.size(),
                    pictures = std::min(stripPictures, static_cast<std::size_t>((towardsData_ ? up_ : down_)[0].shape()[0]));
  const auto each = static_cast<std::size_t>(flow().dimensions());
  std::vector<float> all(columns * pictures * each);
  auto words = std::make_shared<TextMark>("names");
  for (std::size_t c = 0; c < columns; ++c) {
    const std::vector<float> shown = shownAt(stages[c], 0, pictures);
    for (std::size_t r = 0; r < pictures; ++r) {
      std::copy_n(shown.begin() + static_cast<std::ptrdiff_t>(r * each), each,
                  all.begin() + static_cast<std::ptrdiff_t>((r * columns + c) * each));
    }
    const std::string name = stages[c] == 0              ? (towardsData_ ? tr("sample") : tr("picture"))
                             : stages[c] == stageCount() ? fmt::format("{} = z", stepName(flow().stages()[stages[c] - 1]))
                                                         : stepName(flow().stages()[stages[c] - 1]);
    words->words.push_back({static_cast<double>(c) + 0.47, static_cast<double>(pictures) + 0.12, name, Paint::of(Role::muted),
                            HAlign::center, VAlign::middle, 8});
  }
  panel.marks.push_back(mosaicMark(mosaic(all, columns), columns, pictures));
  panel.marks.push_back(words);
  // Where the way is.
  const double at = position();
  std::size_t here = 0;
  for (std::size_t c = 0; c < columns; ++c) {
    if (std::abs(static_cast<double>(stages[c]) - at) <= std::abs(static_cast<double>(stages[here]) - at)) here = c;
  }
  const double pixel = static_cast<double>(gap) / static_cast<double>(pictures_.side + static_cast<std::int64_t>(gap));
  auto frame = std::make_shared<BoxesMark>("now");
  frame->lineWidth = 2;
  BoxesMark::Box box;
  box.x = static_cast<double>(here), box.y = 0, box.width = 1 - pixel, box.height = static_cast<double>(pictures) - pixel;
  box.paint = Paint::of(Role::accent);
  box.hover = stageName(stages[here]);
  frame->boxes.push_back(std::move(box));
  panel.marks.push_back(frame);
  panel.x.range = Range{0, static_cast<double>(columns)};
  panel.y.range = Range{0, static_cast<double>(pictures) + 0.3};
  return panel;
}

// The couplings whose masks are shown: all of them, or as many as fit, both ends among them.
std::vector<std::size_t> PictureFlowLab::maskedStages() const {
  std::vector<std::size_t> all, shown;
  for (std::size_t i = 0; i < stageCount(); ++i) {
    const Kind kind = flow().stages()[i].kind;
    if (kind == Kind::coupling || kind == Kind::checker) all.push_back(i);
  }
  constexpr std::size_t most = 6;
  const std::size_t count = std::min(all.size(), most);
  for (std::size_t i = 0; i < count; ++i) shown.push_back(all[count < 2 ? 0 : (i * (all.size() - 1) + (count - 1) / 2) / (count - 1)]);
  return shown;
}

Panel PictureFlowLab::masksPanel() const {
  Panel panel = picturesPanel("masks");
  const auto stages = maskedStages();
  panel.title = tr("What each coupling lets pass");
  panel.note = tr("light: passes; in the colour of its channel");
  if (stages.empty()) {
    panel.message = tr("There are no couplings");
    return panel;
  }
  // Below each mask a held-out picture behind that coupling.
  const auto each = static_cast<std::size_t>(flow().dimensions());
  std::vector<float> all;
  auto words = std::make_shared<TextMark>("names");
  for (std::size_t c = 0; c < stages.size(); ++c) {
    const Stage& stage = flow().stages()[stages[c]];
    std::vector<double> mask = flow().maskOf(stages[c]);
    // What has left is between the two.
    const auto moving = static_cast<std::size_t>(stage.channels * stage.height * stage.width);
    for (std::size_t k = 0; k < mask.size(); ++k) mask[k] = k >= moving ? 0.45 : mask[k] > 0 ? 1 : 0.12;
    flow().toPicture(mask, stages[c] + 1);
    for (const double v : mask) all.push_back(static_cast<float>(v));
    const std::string kind = stage.kind == Kind::checker ? tr("pixels") : tr("channels");
    const double x = static_cast<double>(c) + 0.47;
    words->words.push_back({x, 2.14, stepName(stage), Paint::of(Role::muted), HAlign::center, VAlign::middle, 8});
    if (flow().stages().back().kind != Kind::scale && stage.kind != Kind::scale) {
      words->words.push_back({x, 2.36, kind, Paint::of(Role::muted), HAlign::center, VAlign::middle, 7});
    }
  }
  for (std::size_t c = 0; c < stages.size(); ++c) {
    const std::vector<float> state = shownAt(stages[c] + 1, 0, 1);
    all.insert(all.end(), state.begin(), state.begin() + static_cast<std::ptrdiff_t>(each));
  }
  panel.marks.push_back(mosaicMark(mosaic(all, stages.size()), stages.size(), 2));
  panel.marks.push_back(words);
  panel.x.range = Range{0, static_cast<double>(stages.size())};
  panel.y.range = Range{0, 2.5};
  return panel;
}

}  // namespace orrery::generative
