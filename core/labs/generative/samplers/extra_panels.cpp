// Panels of the lab samplers that stand in the lower right when they are asked for, and the names other libraries use.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/diffusion/library_names.h"
#include "core/labs/generative/samplers/lab.h"
#include "core/labs/generative/shared/curves.h"

namespace orrery::generative {

using diffusion::State;
using diffusion::Visit;

Panel SamplerBench::overlayPanel() const {
  Panel panel;
  panel.id = "overlay";
  panel.row = 1;
  panel.column = 2;
  panel.title = tr("One start, every sampler of the chart");
  if (traced_ < 0 || overlay_.empty()) {
    panel.message = traced_ < 0 ? tr("Click a particle in one of the pictures to the left")
                                : tr("None of the chart's samplers takes a step with these evaluations");
    return panel;
  }
  // A legend of its own would take the room of all three pictures of the row.
  panel.legend = false;
  panel.note = trf("start {}, colours as in the chart", traced_);
  const bool line = scene_.dimension == 1;
  const double lowest = std::max(exactPath_.back().level, 1e-4);
  const auto pathOf = [&](const std::vector<Visit>& visits, std::size_t first, std::vector<double>& x, std::vector<double>& y) {
    for (const Visit& visit : visits) {
      const double scale = 1 / std::sqrt(1 + visit.level * visit.level);
      x.push_back(line ? std::max(visit.level, lowest) : scale * visit.x[first]);
      y.push_back(scale * visit.x[line ? first : first + 1]);
    }
  };
  std::vector<double> x, y;
  pathOf(exactPath_, static_cast<std::size_t>(traced_) * scene_.dimension, x, y);
  auto exact = generative::curveOf("exact", x, y, Paint::of(Role::data, 0.8f), tr("exact"));
  exact->dash = {3, 2};
  exact->directLabel = false;
  exact->width = 1.5f;
  for (std::size_t i = 0; i < overlay_.size(); ++i) {
    const Overlay& one = overlay_[i];
    x.clear(), y.clear();
    pathOf(one.visits, 0, x, y);
    const auto place = std::find(drawn_.begin(), drawn_.end(), one.contestant.id) - drawn_.begin();
    auto path = generative::curveOf(one.contestant.id, x, y, chartPaint(place, 0.9f),
                                    trf("{}: {}", one.contestant.title, fmt::format("{:.2g}", one.error)));
    path->width = 1;
    path->markers = one.visits.size() <= 40;
    path->directLabel = false;
    panel.marks.push_back(path);
  }
  panel.marks.push_back(exact);  // above the others
  if (line) {
    panel.x.label = tr("noise level σ");
    panel.x.scale = ScaleKind::log;
    panel.x.reversed = true;
    panel.y.label = tr("state, scaled to unit variance");
  } else {
    panel.equalAspect = true;
    panel.x.label = tr("first coordinate");
    panel.y.label = tr("second coordinate");
  }
  return panel;
}

Panel SamplerBench::churnPanel() const {
  Panel panel;
  panel.id = "churn";
  panel.row = 1;
  panel.column = 2;
  panel.title = tr("EDM's error in law by churn");
  if (churn_.churn.empty()) {
    panel.message = tr("Nothing measured yet");
    return panel;
  }
  panel.note = trf("{} steps", churn_.steps);
  panel.x.label = tr("churn, over all steps");
  panel.y.label = scene_.onLine() && exactInLaw(sides_[0].contestant) ? tr("error of the deviation") : tr("distance of the laws");
  panel.y.scale = ScaleKind::log;
  const auto add = [&](const char* id, const std::vector<double>& y, Paint paint, std::string label) {
    auto mark = generative::curveOf(id, churn_.churn, y, paint, std::move(label));
    mark->markers = true;
    mark->directLabel = false;
    mark->xName = tr("churn"), mark->yName = tr("error");
    panel.marks.push_back(mark);
  };
  if (churn_.floor > 0) panel.marks.push_back(chanceBand({churn_.churn.front(), churn_.churn.back()}, churn_.floor));
  add("seen", churn_.error, Paint::of(Role::stochastic),
      churn_.exactScore.empty() ? tr("exact score") : trf("score error {}", fmt::format("{:g}", scene_.amount)));
  if (!churn_.exactScore.empty()) add("exact-score", churn_.exactScore, Paint::of(Role::data), tr("exact score"));
  return panel;
}

Panel SamplerBench::namesPanel() const {
  Panel panel;
  panel.id = "names";
  panel.row = 2;
  panel.columnSpan = 3;
  panel.title = tr("As libraries name them");
  panel.frameless = true;
  panel.x.range = Range{0, 1};
  auto words = std::make_shared<TextMark>("names");
  double y = 0;
  // What it is called, then everything else in one text: columns would run into each other where the window is narrow.
  const auto row = [&](std::string title, std::vector<std::string> names, Paint paint) {
    y -= 1;
    words->words.push_back({0.004, y, std::move(title), paint, HAlign::left, VAlign::middle, 8, Weight::semibold});
    std::erase(names, std::string());
    std::string all;
    for (const std::string& name : names) all += (all.empty() ? "" : "  ·  ") + name;
    if (!all.empty()) words->words.push_back({0.2, y, all, Paint::of(Role::ink), HAlign::left, VAlign::middle});
  };
  for (const int side : {0, 1}) {
    const diffusion::Sampler& s = *sides_[static_cast<std::size_t>(side)].contestant.sampler;
    row(tr(s.title),
        {"diffusers " + diffusion::shownNames(s.diffusers, 1), "k-diffusion " + diffusion::shownNames(s.kDiffusion, 1),
         "ComfyUI " + diffusion::shownNames(s.comfy, 1), s.source},
        paintOf(side));
  }
  row(trf("Grid {}", tr(grid_->title)), {diffusion::shownNames(grid_->otherNames), grid_->source}, Paint::of(Role::ink));
  for (const std::string& line : takenLines()) row(line, {}, Paint::of(Role::accent));
  panel.y.range = Range{y - 0.5, -0.5};
  panel.marks.push_back(words);
  return panel;
}

// What the names were taken for, in lines that fit the panel, broken at commas.
std::vector<std::string> SamplerBench::takenLines() const {
  constexpr std::size_t longest = 150;
  std::vector<std::string> lines;
  for (const std::string& taken : taken_) {
    if (taken.empty()) continue;
    std::string rest = taken + ". " + tr("Click to set these.");
    while (rest.size() > longest) {
      const auto comma = rest.rfind(", ", longest);
      if (comma == std::string::npos || comma == 0) break;
      lines.push_back(rest.substr(0, comma + 1));
      rest.erase(0, comma + 2);
    }
    lines.push_back(rest);
  }
  return lines;
}

Changes SamplerBench::pointer(const PointerEvent& event, const Values& values) const {
  const bool moving = event.kind == PointerEvent::Kind::drag;
  const auto text = [&](const char* id) { return std::get<std::string>(values.find(id)->second); };
  if (event.panel == "ruler" && event.handle.starts_with("level-") && moving) return dragLevel(event);
  if (event.panel == "names" && event.kind == PointerEvent::Kind::click) return adopted_;
  const bool canvas = event.panel == "left" || event.panel == "right";
  if (!canvas && event.panel != "overlay") return {};
  if (canvas && text("scene") == "drawn" && (moving || event.kind == PointerEvent::Kind::press)) {
    // The canvas shows x / sqrt(1 + level^2): at the end of the run, where the density is, that is x.
    const std::string before = text("strokes"),
                      after = painted(before, event.x, event.y, std::get<double>(values.find("brush")->second), event.alternate);
    return after == before ? Changes{} : Changes{{"strokes", after}};
  }
  if (event.kind != PointerEvent::Kind::click || text("scene") == "drawn" || exactPath_.empty()) return {};
  // The particle whose path, or whose end in the plane, is nearest to the pointer; far from all of them none.
  const bool line = scene_.dimension == 1;
  const auto& shown = event.panel == "right" ? sides_[1].visits : sides_[0].visits;
  const double way = std::log(exactPath_.front().level / std::max(exactPath_.back().level, 1e-4));
  double best = 0.05;
  std::int64_t nearest = -1;
  for (const Visit& visit : shown) {
    const double scale = 1 / std::sqrt(1 + visit.level * visit.level);
    for (std::size_t i = 0; i < visit.x.size(); i += scene_.dimension) {
      const double across = line ? std::log(std::max(visit.level, 1e-4) / std::max(event.x, 1e-4)) / way
                                 : (scale * visit.x[i] - event.x) / (2 * scene_.reach);
      const double up = (scale * visit.x[line ? i : i + 1] - event.y) / (2 * scene_.reach);
      if (std::hypot(across, up) >= best) continue;
      best = std::hypot(across, up);
      nearest = static_cast<std::int64_t>(i / scene_.dimension);
    }
  }
  if (nearest < 0) return {};
  return {{"traced", nearest}, {"third", std::string("overlay")}};
}

}  // namespace orrery::generative
