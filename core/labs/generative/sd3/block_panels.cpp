// The pictures of the joint block.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/labs/generative/sd3/block.h"
#include "core/labs/generative/shared/curves.h"

namespace orrery::generative::sd3 {

using models::QkNorm;

namespace {

std::string normName(QkNorm norm) {
  return norm == QkNorm::off ? tr("no norm of q and k") : norm == QkNorm::rms ? tr("RMS norm of q and k") : tr("layer norm of q and k");
}

std::string percent(double share) { return fmt::format("{:.0f}", 100 * share); }

}  // namespace

Panel JointBlock::mapPanel() const {
  Panel panel;
  panel.id = "joint";
  panel.title =
      head_ > 0 ? trf("One attention over text and image: head {}", head_) : tr("One attention over text and image: mean of the heads");
  panel.note = normName(norm_);
  panel.equalAspect = true;
  panel.y.reversed = true;
  const auto n = static_cast<double>(tokens()), words = static_cast<double>(words_), all = static_cast<double>(map_.shape()[0] * cell_);
  for (Axis* axis : {&panel.x, &panel.y}) {
    axis->range = Range{-0.5, n - 0.5};
    axis->ticks = {{words + 0.5 * static_cast<double>(pictures_) - 0.5, tr("image")}};
    if (words_ > 0) axis->ticks.insert(axis->ticks.begin(), {0.5 * words - 0.5, tr("text")});
  }
  panel.x.label = tr("key"), panel.y.label = tr("query");
  auto heat = std::make_shared<HeatMapMark>("weights");
  heat->value = map_;
  heat->x = heat->y = {-0.5, all - 0.5};
  heat->map = ColorMap::magma;
  heat->range = {0, mapTop_};
  heat->quantity = tr("weight");
  panel.marks.push_back(std::move(heat));
  if (words_ > 0) {
    for (const bool vertical : {true, false}) {
      auto rule = std::make_shared<RuleMark>(vertical ? "text-keys" : "text-queries");
      rule->vertical = vertical;
      rule->at = words - 0.5;
      rule->paint = Paint::custom({1, 1, 1, 0.85f});
      rule->dash = {};
      rule->width = 0.8f;
      panel.marks.push_back(std::move(rule));
    }
  }
  auto query = std::make_shared<RuleMark>("query");
  query->vertical = false;
  query->at = static_cast<double>(query_);
  query->paint = Paint::of(Role::query);
  panel.marks.push_back(std::move(query));
  panel.handles.push_back({"query", n - 0.5, static_cast<double>(query_), Handle::Kind::horizontalLine, tr("Token shown")});
  panel.colorBar = ColorBar{ColorMap::magma, {0, mapTop_}, false, tr("weight")};
  return panel;
}

Panel JointBlock::logitSweepPanel() const {
  Panel panel;
  panel.id = "scale-logits";
  panel.title = tr("Norms of q and k keep logits in bounds");
  panel.x.label = tr("scale of the query and key weights");
  panel.y.label = tr("largest |logit|");
  panel.x.scale = panel.y.scale = ScaleKind::log;
  if (scales_.empty()) {
    panel.message = tr("Scales are compared for up to 512 tokens: take fewer");
    return panel;
  }
  const std::string names[] = {tr("no norm"), tr("RMS norm"), tr("layer norm")};
  const Paint paints[] = {Paint::of(Role::falsePositive), Paint::of(Role::estimate), Paint::series(2)};
  for (const int i : {0, 1, 2}) {
    auto curve = curveOf(fmt::format("norm-{}", i), scales_, sweeps_[i].logits, paints[i], names[i]);
    curve->markers = i != 2;  // it lies on the one before
    curve->directLabel = false;
    if (i == 2) curve->dash = {4, 2};
    panel.marks.push_back(std::move(curve));
  }
  auto bound = std::make_shared<RuleMark>("bound");
  bound->vertical = false;
  bound->at = std::sqrt(static_cast<double>(block_.width / block_.heads));
  bound->tag = trf("√{} = {:.3g}", block_.width / block_.heads, bound->at);
  panel.marks.push_back(std::move(bound));
  auto rule = std::make_shared<RuleMark>("weight-scale");
  rule->at = scale_;
  rule->paint = Paint::of(Role::accent);
  panel.marks.push_back(std::move(rule));
  panel.handles.push_back({"weight-scale", scale_, 1, Handle::Kind::verticalLine, tr("Weight scale")});
  return panel;
}

Panel JointBlock::entropySweepPanel() const {
  Panel panel;
  panel.id = "scale-entropies";
  panel.title = tr("Without them attention collapses on one key");
  panel.x.label = tr("scale of the query and key weights");
  panel.x.scale = ScaleKind::log;
  panel.y.label = tr("mean entropy (nats)");
  if (scales_.empty()) {
    panel.message = tr("Scales are compared for up to 512 tokens: take fewer");
    return panel;
  }
  const Paint paints[] = {Paint::of(Role::falsePositive), Paint::of(Role::estimate), Paint::series(2)};
  const std::string names[] = {tr("no norm"), tr("RMS norm"), tr("layer norm")};
  for (const int i : {0, 1, 2}) {
    auto curve = curveOf(fmt::format("norm-{}", i), scales_, sweeps_[i].entropies, paints[i], names[i]);
    curve->markers = i != 2;  // it lies on the one before
    curve->directLabel = false;
    if (i == 2) curve->dash = {4, 2};
    panel.marks.push_back(std::move(curve));
  }
  const double most = std::log(static_cast<double>(tokens()));
  panel.y.range = Range{0, 1.12 * most};
  auto ceiling = std::make_shared<RuleMark>("uniform");
  ceiling->vertical = false;
  ceiling->at = most;
  ceiling->tag = trf("ln {}", tokens());
  panel.marks.push_back(std::move(ceiling));
  auto rule = std::make_shared<RuleMark>("weight-scale");
  rule->at = scale_;
  rule->paint = Paint::of(Role::accent);
  panel.marks.push_back(std::move(rule));
  return panel;
}

// What the shapes of the file's tensors say.
Panel JointBlock::filePanel() const {
  Panel panel;
  panel.id = "file";
  panel.title = tr("What the shapes in the file say");
  panel.frameless = true;
  panel.x.range = Range{0, 1};
  panel.y.range = Range{0, 1};
  std::vector<std::string> lines{
      trf("depth {}: width {}, {} heads of {}", file_->width / 64, file_->width, file_->heads, file_->width / file_->heads),
      trf("{} joint blocks, block {} shown", file_->blocks, index_), normName(file_->norm)};
  if (file_->latentChannels > 0)
    lines.push_back(trf("{} latent channels in patches of {} × {}", file_->latentChannels, file_->patch, file_->patch));
  if (file_->tableSide > 0) lines.push_back(trf("positions for {} × {} tokens", file_->tableSide, file_->tableSide));
  if (file_->textWidth > 0) lines.push_back(trf("text embeddings {} wide", file_->textWidth));
  if (file_->pooledWidth > 0) lines.push_back(trf("pooled text {} wide", file_->pooledWidth));
  if (file_->autoencoderChannels > 0) lines.push_back(trf("an autoencoder with {} channels", file_->autoencoderChannels));
  if (block_.text.ends()) lines.push_back(tr("its text side ends here: no output"));
  if (block_.image.attendsAlone()) lines.push_back(tr("its image side also attends to itself alone"));
  lines.push_back(dropped_ ? tr("run on your embeddings") : tr("run on random embeddings"));
  auto words = std::make_shared<TextMark>("lines");
  for (std::size_t i = 0; i < lines.size(); ++i) {
    words->words.push_back({0.02, 0.93 - 0.1 * static_cast<double>(i), lines[i], Paint::of(Role::ink), HAlign::left, VAlign::middle, 8});
  }
  panel.marks.push_back(std::move(words));
  return panel;
}

// One row of the map: its image part on the picture's grid, its text part as a line above.
Panel JointBlock::tokenPanel() const {
  Panel panel;
  panel.id = "looks";
  const bool fromText = query_ < words_;
  panel.title = fromText ? trf("Where text token {} looks", query_ + 1)
                         : trf("Where the image token in row {}, column {} looks", (query_ - words_) / columns_ + 1,
                               (query_ - words_) % columns_ + 1);
  double toText = 0;
  for (std::int64_t i = 0; i < words_; ++i) toText += static_cast<double>(row_[static_cast<std::size_t>(i)]);
  panel.note = trf("{} % at text", percent(toText));
  panel.equalAspect = true;
  panel.frameless = true;
  panel.y.reversed = true;
  const auto rows = static_cast<double>(rows_), columns = static_cast<double>(columns_);
  const double strip = words_ > 0 ? std::max(1.0, 0.09 * rows) : 0, gap = 0.06 * rows + 0.3;
  panel.x.range = Range{-0.5, columns - 0.5};
  panel.y.range = Range{-0.5 - (words_ > 0 ? strip + gap : 0), rows - 0.5};
  // Up to the largest weight on another token: its own would hide them.
  double top = 0.01;
  for (std::int64_t i = 0; i < tokens(); ++i) {
    if (i != query_) top = std::max(top, static_cast<double>(row_[static_cast<std::size_t>(i)]));
  }
  std::vector<float> values(row_.begin() + words_, row_.end());
  values.resize(static_cast<std::size_t>(rows_ * columns_), 0.0f);
  auto heat = std::make_shared<HeatMapMark>("image");
  heat->value = Tensor::from(Shape{rows_, columns_}, values);
  heat->x = {-0.5, columns - 0.5}, heat->y = {-0.5, rows - 0.5};
  heat->map = ColorMap::magma;
  heat->range = {0, top};
  heat->quantity = tr("weight");
  panel.marks.push_back(std::move(heat));
  if (words_ > 0) {
    auto text = std::make_shared<HeatMapMark>("text");
    text->value = Tensor::from(Shape{1, words_}, std::vector<float>(row_.begin(), row_.begin() + words_));
    text->x = {-0.5, columns - 0.5}, text->y = {-0.5 - gap - strip, -0.5 - gap};
    text->map = ColorMap::magma;
    text->range = {0, top};
    text->quantity = tr("weight");
    panel.marks.push_back(std::move(text));
  }
  auto ring = std::make_shared<PointsMark>("query");
  const std::int64_t n = query_ - words_;
  const double x =
      fromText ? -0.5 + columns * (static_cast<double>(query_) + 0.5) / static_cast<double>(words_) : static_cast<double>(n % columns_);
  const double y = fromText ? -0.5 - gap - 0.5 * strip : static_cast<double>(n / columns_);
  ring->xy = Tensor::from(Shape{1, 2}, {static_cast<float>(x), static_cast<float>(y)});
  ring->shape = PointShape::ring;
  ring->radius = 4;
  ring->paint = Paint::of(Role::query);
  ring->name = tr("token");
  panel.marks.push_back(std::move(ring));
  panel.colorBar = ColorBar{ColorMap::magma, {0, top}, false, tr("weight")};
  return panel;
}

// The meters of every head.
Panel JointBlock::logitPanel() const {
  Panel panel;
  panel.id = "logits";
  panel.title = tr("Meters of each head");
  panel.x.label = tr("head");
  panel.y.label = tr("largest |logit|");
  std::vector<double> at;
  std::vector<Paint> paints;
  std::vector<std::string> names;
  for (std::size_t h = 0; h < logits_.size(); ++h) {
    at.push_back(static_cast<double>(h + 1));
    const bool chosen = static_cast<std::int64_t>(h + 1) == head_;
    paints.push_back(Paint::of(chosen ? Role::accent : norm_ == QkNorm::off ? Role::falsePositive : Role::estimate, 0.85f));
    names.push_back(trf("head {}: entropy {:.3f} nats", h + 1, entropies_[h]));
  }
  auto bars = std::make_shared<BarsMark>("largest-logit");
  bars->position = columnOf(at), bars->value = columnOf(logits_);
  bars->paints = paints, bars->names = names;
  bars->thickness = 0.6;
  panel.marks.push_back(std::move(bars));
  double top = *std::max_element(logits_.begin(), logits_.end()), entropy = 0;
  for (const double e : entropies_) entropy += e / static_cast<double>(entropies_.size());
  const double bound = std::sqrt(static_cast<double>(block_.width / block_.heads));
  if (norm_ != QkNorm::off) {
    auto rule = std::make_shared<RuleMark>("bound");
    rule->vertical = false;
    rule->at = bound;
    rule->tag = trf("bound {:.3g} γqγk", bound);
    panel.marks.push_back(std::move(rule));
    top = std::max(top, bound);
  }
  panel.y.range = Range{0, 1.15 * top};
  panel.x.range = Range{0.3, static_cast<double>(logits_.size()) + 0.7};
  if (logits_.size() <= 12) {
    for (std::size_t h = 0; h < logits_.size(); ++h) panel.x.ticks.emplace_back(static_cast<double>(h + 1), std::to_string(h + 1));
  }
  panel.note = trf("mean entropy {:.2f} of {:.2f} nats", entropy, std::log(static_cast<double>(tokens())));
  return panel;
}

// What each side attends to: two stacked bars, and where they would be divided if all keys were alike.
Panel JointBlock::sharePanel() const {
  Panel panel;
  panel.id = "shares";
  panel.title = tr("Who listens to whom");
  panel.x.label = tr("share of attention");
  panel.x.range = Range{0, 1};
  panel.y.range = Range{-0.65, 1.65};
  panel.y.ticks = {{1, tr("text")}, {0, tr("image")}};
  panel.y.label = tr("query");
  std::vector<double> at, toText;
  if (words_ > 0) at.push_back(1), toText.push_back(1 - textToImage_);
  at.push_back(0), toText.push_back(imageToText_);
  const std::vector<double> whole(at.size(), 1.0);
  auto text = std::make_shared<BarsMark>("to-text");
  text->position = columnOf(at), text->value = columnOf(toText);
  text->horizontal = true;
  text->thickness = 0.6;
  text->paint = Paint::of(Role::key, 0.85f);
  text->label = tr("to text");
  panel.marks.push_back(std::move(text));
  auto image = std::make_shared<BarsMark>("to-image");
  image->position = columnOf(at), image->value = columnOf(whole), image->base = columnOf(toText);
  image->horizontal = true;
  image->thickness = 0.6;
  image->paint = Paint::of(Role::query, 0.85f);
  image->label = tr("to image");
  panel.marks.push_back(std::move(image));
  if (words_ > 0) {
    auto rule = std::make_shared<RuleMark>("even");
    rule->at = static_cast<double>(words_) / static_cast<double>(tokens());
    rule->paint = Paint::of(Role::ink);
    panel.marks.push_back(std::move(rule));
    panel.note = tr("dashed: all keys alike");
  }
  return panel;
}

Panel JointBlock::overview() const { return mapPanel(); }

Figure JointBlock::detail() const {
  Figure figure;
  place(figure, mapPanel(), 0, 0, 2, 2);
  place(figure, logitSweepPanel(), 0, 2);
  place(figure, file_ ? filePanel() : entropySweepPanel(), 1, 2);
  place(figure, tokenPanel(), 2, 0);
  place(figure, logitPanel(), 2, 1);
  place(figure, sharePanel(), 2, 2);
  return figure;
}

}  // namespace orrery::generative::sd3
