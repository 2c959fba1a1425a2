// The charts of a flow of pictures: bits per dimension, volumes, latents of every level, the error of the inverse.

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/text.h"
#include "core/labs/generative/shared/curves.h"
#include "core/labs/generative/shared/error_histogram.h"
#include "core/labs/generative/shared/picture_flow_lab.h"

namespace orrery::generative {

namespace flows = models::flows;

namespace {

// Series colours in an order that keeps neighbours apart.
Paint runPaint(std::size_t run) {
  static constexpr int order[] = {4, 5, 2, 6};
  return run == 0 ? Paint::of(Role::estimate) : Paint::series(order[run % 4]);
}

}  // namespace

Panel PictureFlowLab::bitsPanel() const {
  Panel panel;
  panel.id = "bits";
  double low = 1e9, high = -1e9;
  for (std::size_t r = 0; r < runs_.size(); ++r) {
    std::vector<double> step, heldOut, trainStep, train;
    for (const auto& [frame, record] : records_) {
      if (frame > frame_ || record.heldOut.size() <= r) continue;
      const auto at = static_cast<double>(stepsAt(frame));
      step.push_back(at), heldOut.push_back(record.heldOut[r]);
      low = std::min(low, heldOut.back()), high = std::max(high, heldOut.back());
      if (r != 0 || record.train.empty()) continue;
      // The mean over the frame's batches belongs to its middle.
      trainStep.push_back(0.5 * (at + static_cast<double>(stepsAt(frame - 1)))), train.push_back(record.train[r]);
      low = std::min(low, train.back()), high = std::max(high, train.back());
    }
    if (runs_.size() == 1 && !train.empty()) {
      auto line = curveOf("train", trainStep, train, Paint::of(Role::data, 0.7f), tr("training"));
      line->width = 1;
      line->directLabel = false;
      line->xName = tr("step"), line->yName = tr("bits");
      panel.marks.push_back(line);
    }
    auto line = curveOf("held-out-" + runs_[r].id, step, heldOut, runPaint(r), runs_.size() == 1 ? tr("held out") : runs_[r].name);
    line->width = 1.6f;
    line->directLabel = false;
    line->xName = tr("step"), line->yName = tr("bits");
    line->markers = step.size() < 2;
    panel.marks.push_back(line);
  }
  const Record* now = record();
  if (totalSteps_ == 0) {
    panel.title = now != nullptr ? trf("A value costs {:.2f} of its {} bits", now->heldOut.front(), bits_) : std::string();
    panel.message = tr("A training step of this flow is too dear:\nit is looked at and not trained");
  } else if (frame_ == 0) {
    panel.title = tr("Press play: training has not begun");
  } else if (now != nullptr && runs_.size() > 1) {
    const auto best = std::min_element(now->heldOut.begin(), now->heldOut.end()) - now->heldOut.begin();
    panel.title = trf("Fewest bits: {}", runs_[static_cast<std::size_t>(best)].name);
  } else if (!dequantise_) {
    panel.title = tr("Without noise the density on steps is unbounded: no code is this short");
  } else if (now != nullptr) {
    panel.title = trf("A value costs {:.2f} of its {} bits", now->heldOut.front(), bits_);
  }
  if (now != nullptr) panel.note = trf("{:.3f} bits/dim", now->heldOut.front());
  panel.x.label = tr("step");
  panel.x.range = Range{0, static_cast<double>(std::max<std::int64_t>(totalSteps_, 1))};
  panel.y.label = tr("bits per dimension");
  const double room = 0.06 * std::max(high - low, 0.5);
  if (low <= high) panel.y.range = Range{low - room, high + room};
  return panel;
}

// One group of bars per step, one bar per kind of stage in it.
Panel PictureFlowLab::volumesPanel() const {
  Panel panel;
  panel.id = "volumes";
  struct Part {
    Kind kind;
    const char* id;
    std::string name;
    Paint paint;
  };
  const std::vector<Part> known{{Kind::logit, "logit", tr("logit"), Paint::series(6)},
                                {Kind::actnorm, "actnorm", tr("actnorm"), Paint::series(4)},
                                {Kind::norm, "norm", tr("normalization"), Paint::series(1)},
                                {Kind::mixing, "mixing", tr("mixing"), Paint::series(5)},
                                {Kind::checker, "checker", tr("checkerboard"), Paint::of(Role::estimate)},
                                {Kind::coupling, "coupling", tr("coupling"), Paint::series(2)},
                                {Kind::scale, "scale", tr("scale"), Paint::series(3)}};
  const auto& stages = flow().stages();
  // A new group begins at a stage of a kind that its group already has, or of another step.
  std::vector<std::vector<std::size_t>> groups;
  std::vector<Part> parts;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    if (stages[i].kind == Kind::squeeze || stages[i].kind == Kind::split) continue;
    const Stage* last = groups.empty() ? nullptr : &stages[groups.back().front()];
    const bool opens = last != nullptr && (last->kind == Kind::norm || last->kind == Kind::actnorm);
    const bool anew = stages[i].kind == Kind::norm || (stages[i].kind == Kind::actnorm && last != nullptr && last->kind == Kind::actnorm);
    const bool joins = opens && !anew && last->level == stages[i].level && last->step == stages[i].step && last->squeezed == stages[i].squeezed;
    if (!joins) groups.emplace_back();
    groups.back().push_back(i);
  }
  for (const Part& part : known) {
    if (std::any_of(stages.begin(), stages.end(), [&](const Stage& s) { return s.kind == part.kind; })) parts.push_back(part);
  }
  const bool boards = std::any_of(parts.begin(), parts.end(), [](const Part& p) { return p.kind == Kind::checker; });
  for (Part& part : parts) {
    if (boards && part.kind == Kind::coupling) part.name = tr("halves of the channels");
  }
  std::size_t widest = 1;
  for (const auto& group : groups) widest = std::max(widest, group.size());
  const double spread = 0.78 / static_cast<double>(widest);
  double most = 0, couplings = 0, all = 0;
  for (const Part& part : parts) {
    std::vector<double> at, value;
    for (std::size_t g = 0; g < groups.size(); ++g) {
      for (std::size_t k = 0; k < groups[g].size(); ++k) {
        if (stages[groups[g][k]].kind != part.kind) continue;
        const double v = volumes_[groups[g][k]];
        at.push_back(static_cast<double>(g) + 1 + spread * (static_cast<double>(k) - 0.5 * static_cast<double>(groups[g].size() - 1)));
        value.push_back(v);
        most = std::max(most, std::abs(v));
        all += v;
        if (part.kind == Kind::coupling || part.kind == Kind::checker) couplings += std::abs(v);
      }
    }
    auto bars = std::make_shared<BarsMark>(part.id);
    bars->position = columnOf(at), bars->value = columnOf(value);
    bars->thickness = 0.92 * spread;
    bars->paint = part.paint;
    bars->label = part.name;
    bars->directLabel = false;
    panel.marks.push_back(bars);
  }
  panel.title = couplings == 0 ? tr("Additive couplings change no volume") : trf("ln |det| is {:.0f} nats in all", all);
  panel.note = tr("mean over held-out pictures");
  panel.x.range = Range{0.4, static_cast<double>(groups.size()) + 0.6};
  const std::size_t every = (groups.size() + 11) / 12;
  for (std::size_t g = 0; g < groups.size(); g += every) {
    const Stage& stage = stages[groups[g].front()];
    panel.x.ticks.push_back({static_cast<double>(g) + 1, stage.kind == Kind::logit   ? tr("logit")
                                                         : stage.kind == Kind::scale ? tr("scale")
                                                                                     : stepName(stage)});
  }
  panel.x.label = stages.back().kind == Kind::scale || stages.size() < 2 ? tr("layer") : tr("level.step");
  panel.y.label = tr("ln |det| (nats per picture)");
  if (most == 0) panel.y.range = Range{-1, 1};
  return panel;
}

// How far the latents of every level are from the prior: their mean square, which the prior makes 1.
Panel PictureFlowLab::exitsPanel() const {
  Panel panel;
  panel.id = "exits";
  constexpr std::size_t bins = 48;
  constexpr double low = -4, high = 4;
  const auto d = static_cast<std::size_t>(flow().dimensions());
  const std::vector<float> found = down_.back().toFloats();
  const auto levels = static_cast<std::size_t>(flow().stages().back().level) + 1;
  std::vector<std::vector<double>> share(levels, std::vector<double>(bins, 0.0));
  std::vector<double> energy(levels, 0.0), count(levels, 0.0);
  for (std::size_t picture = 0; picture < found.size() / d; ++picture) {
    std::vector<double> flat(found.begin() + static_cast<std::ptrdiff_t>(picture * d),
                             found.begin() + static_cast<std::ptrdiff_t>((picture + 1) * d));
    flow().fromPicture(flat, stageCount());
    for (std::size_t level = 0; level < levels; ++level) {
      const std::size_t end = d >> level, begin = level + 1 == levels ? 0 : d >> (level + 1);
      for (std::size_t i = begin; i < end; ++i) {
        energy[level] += flat[i] * flat[i], count[level] += 1;
        const double place = (flat[i] - low) / (high - low) * bins;
        if (place >= 0 && place < static_cast<double>(bins)) share[level][static_cast<std::size_t>(place)] += 1;
      }
    }
  }
  std::vector<double> at(bins), law(bins);
  for (std::size_t b = 0; b < bins; ++b) {
    at[b] = low + (high - low) * static_cast<double>(b) / bins;
    const double middle = at[b] + 0.5 * (high - low) / bins;
    law[b] = std::exp(flows::logPrior(flow().prior(), std::span(&middle, 1)));
  }
  static constexpr int order[] = {4, 5, 2, 6};
  std::string squares;
  double most = 0;
  for (std::size_t level = 0; level < levels; ++level) {
    for (double& v : share[level]) v *= bins / (high - low) / count[level], most = std::max(most, v);
    auto line = curveOf("level-" + std::to_string(level + 1), at, share[level], Paint::series(order[level % 4]),
                        trf("left at level {}", level + 1));
    line->steps = true;
    line->directLabel = false;
    line->width = 1.4f;
    line->xName = tr("latent"), line->yName = tr("density");
    panel.marks.push_back(line);
    squares += fmt::format("{}{:.2f}", level == 0 ? "" : ", ", energy[level] / count[level]);
  }
  auto prior = curveOf("prior", at, law, Paint::of(Role::data), tr("prior"));
  prior->dash = {3, 2};
  prior->directLabel = false;
  panel.marks.push_back(prior);
  panel.title = trf("Mean square of each level's latents: {}", squares);
  panel.note = tr("the prior's is 1");
  panel.x.range = Range{low, high};
  panel.y.range = Range{0, 1.1 * std::max(most, *std::max_element(law.begin(), law.end()))};
  panel.x.label = tr("latents of held-out pictures");
  panel.y.label = tr("density");
  return panel;
}

Panel PictureFlowLab::inversePanel() const {
  Panel panel;
  panel.id = "inverse";
  std::vector<double> sizes;
  for (const float e : errors_) sizes.push_back(std::abs(static_cast<double>(e)));
  panel.title = trf("f⁻¹(f(x)) is off by {:.1e} at most", sizes.empty() ? 0 : *std::max_element(sizes.begin(), sizes.end()));
  addErrorHistogram(panel, sizes, 2);
  panel.x.label = tr("error of a value (pixels are 0 … 1)");
  panel.y.label = tr("values (%)");
  return panel;
}

}  // namespace orrery::generative
