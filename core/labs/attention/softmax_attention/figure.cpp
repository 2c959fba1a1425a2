// The picture of the softmax attention lab, and what dragging in it means.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/figure/marks/marks.h"
#include "core/figure/place.h"
#include "core/labs/attention/softmax_attention/lab.h"

namespace orrery::attention {
namespace {

constexpr std::int64_t namedTokens = 64;  // longer axes carry numbers
constexpr std::int64_t barTokens = 160;   // longer rows are curves
constexpr double gridGap = 0.16;          // between small maps, in map sides

// Columns of the grid of small maps: as square as it gets.
std::int64_t gridColumns(std::size_t maps) { return static_cast<std::int64_t>(std::ceil(std::sqrt(static_cast<double>(maps)))); }

std::shared_ptr<HeatMapMark> heatMap(const std::string& id, const Tensor& value, Range x, Range y, bool logColor, double top,
                                     const std::string& quantity) {
  auto mark = std::make_shared<HeatMapMark>(id);
  mark->value = value;
  mark->x = x;
  mark->y = y;
  mark->map = ColorMap::magma;
  mark->logScale = logColor;
  mark->range = logColor ? Range{top * 1e-4, top} : Range{0, top};
  mark->quantity = quantity;
  return mark;
}

// n tokens in cells of `cell`: the last cell may reach beyond the last token.
Range extentOf(const Tensor& map, int axis, std::int64_t cell) { return {-0.5, static_cast<double>(map.shape()[axis] * cell) - 0.5}; }

}  // namespace

void SoftmaxAttentionLab::labelAxis(Axis& axis, const std::string& name) const {
  axis.label = name;
  if (n_ <= namedTokens) {
    axis.scale = ScaleKind::categorical;
    axis.categories = labels_;
  } else {
    axis.range = Range{-0.5, static_cast<double>(n_) - 0.5};
  }
}

Panel SoftmaxAttentionLab::headsPanel() const {
  Panel panel;
  panel.id = "heads";
  panel.title = source_ == "induction" ? tr("Two heads that copy") : trf("{} heads of layer {}", thumbnails_.size(), layer_ + 1);
  if (thumbnailCell_ > 1) panel.note = trf("each cell: the largest of {} × {} weights", thumbnailCell_, thumbnailCell_);
  panel.frameless = true;
  panel.equalAspect = true;
  panel.x.visible = panel.y.visible = false;
  panel.y.reversed = true;
  const std::int64_t columns = gridColumns(thumbnails_.size());
  auto words = std::make_shared<TextMark>("names");
  for (std::size_t i = 0; i < thumbnails_.size(); ++i) {
    const double x = static_cast<double>(static_cast<std::int64_t>(i) % columns) * (1 + gridGap),
                 y = static_cast<double>(static_cast<std::int64_t>(i) / columns) * (1 + gridGap);
    panel.marks.push_back(
        heatMap(fmt::format("head-{}", i + 1), thumbnails_[i], {x, x + 1}, {y, y + 1}, logColor_, gridTop_, tr("weight")));
    const bool chosen = static_cast<std::int64_t>(i) == (source_ == "induction" ? layer_ : head_);
    words->words.push_back({x, y - 0.03, headNames_[i], Paint::of(chosen ? Role::accent : Role::muted), HAlign::left, VAlign::baseline, 7,
                            chosen ? Weight::semibold : Weight::regular, 0});
  }
  const auto rows = (static_cast<std::int64_t>(thumbnails_.size()) + columns - 1) / columns;
  panel.x.range = Range{-0.5 * gridGap, static_cast<double>(columns) * (1 + gridGap) - 0.5 * gridGap};
  panel.y.range = Range{-gridGap, static_cast<double>(rows) * (1 + gridGap) - 0.5 * gridGap};
  panel.marks.push_back(std::move(words));
  return panel;
}

Panel SoftmaxAttentionLab::mapPanel() const {
  Panel panel;
  panel.id = "map";
  panel.title = trf("Who looks where: {}", headNames_[static_cast<std::size_t>(source_ == "induction" ? layer_ : head_)]);
  if (mapCell_ > 1) panel.note = trf("each cell: the largest of {} × {} weights", mapCell_, mapCell_);
  panel.equalAspect = true;
  labelAxis(panel.x, tr("key j"));
  labelAxis(panel.y, tr("query i"));
  panel.y.reversed = true;
  auto map = heatMap("weights", map_, extentOf(map_, 1, mapCell_), extentOf(map_, 0, mapCell_), logColor_, mapTop_, tr("weight"));
  if (mapCell_ == 1 && n_ <= namedTokens) map->rowNames = map->columnNames = labels_;
  panel.marks.push_back(std::move(map));
  auto rule = std::make_shared<RuleMark>("query");
  rule->vertical = false;
  rule->at = static_cast<double>(query_);
  rule->paint = Paint::of(Role::query);
  panel.marks.push_back(std::move(rule));
  panel.handles.push_back(
      {"query", static_cast<double>(n_) - 0.5, static_cast<double>(query_), Handle::Kind::horizontalLine, tr("query row i")});
  ColorBar bar;
  bar.map = ColorMap::magma;
  bar.range = logColor_ ? Range{mapTop_ * 1e-4, mapTop_} : Range{0, mapTop_};
  bar.logScale = logColor_;
  bar.label = tr("weight");
  panel.colorBar = bar;
  return panel;
}

Panel SoftmaxAttentionLab::rolloutPanel() const {
  Panel panel;
  panel.id = "rollout";
  panel.title =
      layers_.size() == 1 ? tr("What reaches each token after one layer") : trf("What reaches each token after {} layers", layers_.size());
  panel.equalAspect = true;
  labelAxis(panel.x, tr("token at the input"));
  labelAxis(panel.y, tr("token at the output"));
  panel.y.reversed = true;
  if (rollout_.empty()) {
    panel.message = rolloutNote_;
    return panel;
  }
  auto map = heatMap("share", rollout_, extentOf(rollout_, 1, 1), extentOf(rollout_, 0, 1), logColor_, rolloutTop_, tr("share"));
  if (n_ <= namedTokens) map->rowNames = map->columnNames = labels_;
  panel.marks.push_back(std::move(map));
  ColorBar bar;
  bar.map = ColorMap::magma;
  bar.range = logColor_ ? Range{rolloutTop_ * 1e-4, rolloutTop_} : Range{0, rolloutTop_};
  bar.logScale = logColor_;
  bar.label = tr("share");
  panel.colorBar = bar;
  return panel;
}

Panel SoftmaxAttentionLab::tokensPanel() const {
  Panel panel;
  panel.id = "tokens";
  panel.title = trf("What token {} attends to", query_);
  panel.frameless = true;
  panel.x.visible = panel.y.visible = false;
  panel.x.range = Range{-1, static_cast<double>(n_)};
  const bool predicts = !predictions_.empty() && n_ <= namedTokens;
  panel.y.range = Range{-0.3, predicts ? 1.55 : 1.3};
  auto links = std::make_shared<LinksMark>("links");
  links->from = linksFrom_;
  links->to = linksTo_;
  links->weight = linkWeights_;
  // Many lines of like weight are drawn thinner and fainter, or they would be one solid wedge.
  const auto crowd = static_cast<float>(std::clamp(6 / std::exp(rowEntropy_), 0.1, 1.0));
  links->maximumWidth = 4 * std::max(crowd, 0.25f);
  links->paint = Paint::of(Role::query, crowd);
  panel.marks.push_back(std::move(links));
  if (n_ <= namedTokens) {
    auto words = std::make_shared<TextMark>("tokens");
    // Numbers are wide: about 16 of them fit; letters all do.
    const std::int64_t every = tokens_.empty() ? (n_ + 15) / 16 : 1;
    for (std::int64_t i = 0; i < n_; ++i) {
      if (i % every != 0 && i != query_) continue;
      if (i != query_ && std::abs(i - query_) < every) continue;  // the selected one needs its place
      const std::string& label = labels_[static_cast<std::size_t>(i)];
      const auto x = static_cast<double>(i);
      const bool chosen = i == query_;
      words->words.push_back({x, 1.06, label, Paint::of(chosen ? Role::query : Role::ink), HAlign::center, VAlign::baseline, 8,
                              chosen ? Weight::semibold : Weight::regular, 0});
      words->words.push_back({x, -0.08, label, Paint::of(Role::ink), HAlign::center, VAlign::top, 8, Weight::regular, 0});
    }
    panel.marks.push_back(std::move(words));
  }
  if (predicts) {
    // What is expected next stands above each token: green where it is what comes.
    auto next = std::make_shared<TextMark>("predictions");
    for (std::size_t i = 0; i < predictions_.size(); ++i) {
      const bool known = i + 1 < labels_.size();
      const Role role = !known ? Role::accent : predictions_[i] == labels_[i + 1] ? Role::good : Role::muted;
      next->words.push_back(
          {static_cast<double>(i), 1.34, (n_ <= 20 ? "→" : "") + predictions_[i], Paint::of(role), HAlign::center, VAlign::baseline, 7, Weight::regular, 0});
    }
    panel.marks.push_back(std::move(next));
    panel.note = model_ ? trf("above: what the model expects next; {:.2f} bits per token", bitsPerToken_)
                        : tr("above: what the read-out expects next");
  }
  return panel;
}

Panel SoftmaxAttentionLab::rowPanel() const {
  Panel panel;
  panel.id = "row";
  panel.title = trf("Row {}: as if it saw {} keys", query_, formatNumber(std::exp(rowEntropy_), rowEntropy_ < 4.6 ? 0.01 : 1));
  panel.note = trf("entropy {} nats", fmt::format("{:.3f}", rowEntropy_));
  labelAxis(panel.x, tr("key j"));
  panel.y.label = tr("weight");
  panel.y.range = Range{0, 1.02 * rowTop_};
  if (n_ <= barTokens) {
    auto bars = std::make_shared<BarsMark>("weights");
    bars->position = positions_;
    bars->value = row_;
    bars->paint = Paint::of(Role::key);
    bars->names = labels_;
    panel.marks.push_back(std::move(bars));
  } else {
    auto line = std::make_shared<LineMark>("weights");
    line->x = positions_;
    line->y = row_;
    line->paint = Paint::of(Role::key);
    line->xName = tr("key j");
    line->yName = tr("weight");
    panel.marks.push_back(std::move(line));
  }
  auto even = std::make_shared<LineMark>("as-computed");
  even->x = positions_;
  even->y = rowAsComputed_;
  even->steps = false;
  even->width = 0.75f;
  even->dash = {2, 2};
  even->paint = Paint::of(Role::muted);
  if (row_.storageId() != rowAsComputed_.storageId() && row_.toFloats() != rowAsComputed_.toFloats()) {
    even->label = tr("before the nudge");
    panel.marks.push_back(std::move(even));
  }
  return panel;
}

Panel SoftmaxAttentionLab::entropyPanel() const {
  Panel panel;
  panel.id = "entropy";
  panel.title = tr("How widely each row spreads");
  panel.note = tr("dashed: ln of the visible keys");
  labelAxis(panel.x, tr("query i"));
  panel.y.label = tr("entropy (nats)");
  for (std::size_t h = 0; h < entropies_.size(); ++h) {
    if (static_cast<std::int64_t>(h) == head_) continue;
    auto line = std::make_shared<LineMark>(fmt::format("head-{}", h + 1));
    line->x = positions_;
    line->y = entropies_[h];
    line->width = 0.6f;
    line->paint = Paint::of(Role::muted, 0.5f);
    line->xName = tr("query i");
    line->yName = tr("entropy");
    panel.marks.push_back(std::move(line));
  }
  const Tensor& own = entropies_[static_cast<std::size_t>(head_)];
  if (n_ <= barTokens) {
    auto bars = std::make_shared<BarsMark>("entropy");
    bars->position = positions_;
    bars->value = own;
    bars->names = labels_;
    bars->paint = Paint::of(Role::estimate, 0.85f);
    panel.marks.insert(panel.marks.begin(), std::move(bars));
  } else {
    auto line = std::make_shared<LineMark>("entropy");
    line->x = positions_;
    line->y = own;
    line->paint = Paint::of(Role::estimate);
    panel.marks.push_back(std::move(line));
  }
  auto ceiling = std::make_shared<LineMark>("ceiling");
  ceiling->x = positions_;
  ceiling->y = ceiling_;
  ceiling->dash = {3, 2};
  ceiling->paint = Paint::of(Role::ink, 0.7f);
  ceiling->xName = tr("query i");
  ceiling->yName = tr("ceiling");
  panel.marks.push_back(std::move(ceiling));
  return panel;
}

Figure SoftmaxAttentionLab::figure() const {
  Figure figure;
  figure.title = tr("Softmax attention");
  if (layers_.empty()) return figure;
  // The large map has the middle, everything else stands around it.
  place(figure, headsPanel(), 0, 0);
  place(figure, rolloutPanel(), 1, 0);
  place(figure, mapPanel(), 0, 1, 2, 2);
  place(figure, tokensPanel(), 2, 0);
  place(figure, rowPanel(), 2, 1);
  place(figure, entropyPanel(), 2, 2);
  return figure;
}

Changes SoftmaxAttentionLab::pointer(const PointerEvent& event, const Values& values) const {
  const auto token = [&](double position) {
    return std::clamp<std::int64_t>(std::llround(position), 0, std::max<std::int64_t>(n_ - 1, 0));
  };
  // A small map becomes the large one.
  if (event.panel == "heads" && event.kind == PointerEvent::Kind::click) {
    const std::int64_t columns = gridColumns(thumbnails_.size());
    const auto column = static_cast<std::int64_t>(std::floor(event.x / (1 + gridGap))),
               row = static_cast<std::int64_t>(std::floor(event.y / (1 + gridGap)));
    const std::int64_t index = row * columns + column;
    if (column < 0 || column >= columns || row < 0 || index >= static_cast<std::int64_t>(thumbnails_.size())) return {};
    return {{"head", index + 1}};
  }
  // The query row follows the pointer in the large map, the entropies and the tokens.
  if (event.panel == "map" && event.kind != PointerEvent::Kind::release) return {{"query", token(event.y)}};
  if (event.panel == "entropy" && event.kind == PointerEvent::Kind::click) return {{"query", token(event.x)}};
  if (event.panel == "tokens" && event.kind == PointerEvent::Kind::click) return {{"query", token(event.x)}};
  // A bar is dragged up or down: 10 nats over the height of the panel.
  if (event.panel == "row" && event.kind == PointerEvent::Kind::drag) {
    return {{"nudge-key", token(event.fromX)}, {"nudge", std::clamp(10 * (event.y - event.fromY) / rowTop_, -20.0, 20.0)}};
  }
  if (event.panel == "row" && event.kind == PointerEvent::Kind::click) return {{"nudge", 0.0}};
  // A token is dragged to another place in the text.
  if (event.panel == "tokens" && event.kind == PointerEvent::Kind::release && !tokens_.empty()) {
    const std::int64_t leading = n_ - static_cast<std::int64_t>(tokens_.size());  // the <s> of the circuit stays
    const std::int64_t from = token(event.fromX) - leading, to = token(event.x) - leading;
    if (from == to || from < 0 || to < 0) return {};
    const auto* text = std::get_if<std::string>(&values.at("text"));
    if (text == nullptr) return {};
    const TextToken& moved = tokens_[static_cast<std::size_t>(from)];
    const TextToken& target = tokens_[static_cast<std::size_t>(to)];
    if (moved.begin + moved.length > text->size() || target.begin + target.length > text->size()) return {};
    const std::string piece = text->substr(moved.begin, moved.length);
    std::string changed = *text;
    if (to > from) {
      changed.insert(target.begin + target.length, piece);
      changed.erase(moved.begin, moved.length);
    } else {
      changed.erase(moved.begin, moved.length);
      changed.insert(target.begin, piece);
    }
    return {{"text", changed}};
  }
  return {};
}

}  // namespace orrery::attention
