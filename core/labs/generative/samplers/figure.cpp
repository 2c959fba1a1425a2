// The picture and the numbers of the lab samplers.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/diffusion/process.h"
#include "core/labs/generative/samplers/lab.h"
#include "core/labs/generative/shared/curves.h"

namespace orrery::generative {

using diffusion::State;
using diffusion::Visit;

namespace {

constexpr double gap = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t mostShown = 48;  // particles whose paths are drawn in the plane

// The paths of all particles as one broken line, at the VP scale: against the level on the line, in the plane otherwise.
// Of more than two coordinates the first two are shown.
void pathsOf(const std::vector<Visit>& visits, std::size_t dimension, double lowest, std::vector<double>& x, std::vector<double>& y) {
  if (visits.empty()) return;
  const std::size_t count = std::min(visits.front().x.size() / dimension, mostShown);
  for (std::size_t i = 0; i < count; ++i) {
    for (const Visit& visit : visits) {
      const double scale = 1 / std::sqrt(1 + visit.level * visit.level);
      x.push_back(dimension == 1 ? std::max(visit.level, lowest) : scale * visit.x[dimension * i]);
      y.push_back(scale * (dimension == 1 ? visit.x[i] : visit.x[dimension * i + 1]));
    }
    x.push_back(gap);
    y.push_back(gap);
  }
}

std::string orders(double value) { return fmt::format("{:.2f}", value); }

}  // namespace

// Series colours in an order that keeps neighbours apart as thin lines; the palest last.
Paint chartPaint(std::ptrdiff_t index, float alpha) {
  static constexpr int order[] = {4, 5, 2, 6, 1, 0, 7, 3};
  return Paint::series(order[index % 8], alpha);
}

std::shared_ptr<Mark> chanceBand(Range x, double floor) {
  auto band = std::make_shared<BandMark>("chance");
  band->x = columnOf({x.low, x.high});
  // Down to a third of it: a logarithmic axis has no 0.
  band->low = columnOf({floor / 3, floor / 3});
  band->high = columnOf({floor, floor});
  band->label = tr("what chance alone gives");
  band->directLabel = false;
  return band;
}

Paint SamplerBench::paintOf(int side, float alpha) const {
  const auto nameOf = [&](int which) {
    const Contestant& one = sides_[static_cast<std::size_t>(which)].contestant;
    return one.sampler->id == "unipc" ? "unipc-" + std::to_string(one.options.uniOrder) : one.id;
  };
  if (side == 1 && nameOf(0) == nameOf(1)) return Paint::of(Role::accent, alpha);
  const auto found = std::find(drawn_.begin(), drawn_.end(), nameOf(side));
  if (found != drawn_.end()) return chartPaint(found - drawn_.begin(), alpha);
  return Paint::of(side == 0 ? Role::stochastic : Role::deterministic, alpha);
}

// Of the laws the chart's noisy samplers were held against; 0 where they are followed exactly.
double SamplerBench::chanceFloor() const {
  double floor = 0;
  for (const auto& [ends, law] : laws_) floor = std::max(floor, law.floor);
  return std::any_of(curves_.begin(), curves_.end(), [&](const BenchCurve& curve) { return curve.contestant.noisy && !exactInLaw(curve.contestant); })
             ? floor
             : 0;
}

Panel SamplerBench::chartPanel() const {
  Panel panel;
  panel.id = "error";
  panel.row = 0;
  panel.columnSpan = 2;
  panel.title = inLaw_                              ? tr("Error of the law against evaluations")
                : scene_.error == BenchError::none ? tr("Error against evaluations: the slope is the order")
                                                   : tr("Error against evaluations, with a wrong score");
  panel.x.label = tr("evaluations of the denoiser");
  panel.x.scale = panel.y.scale = ScaleKind::log;
  panel.y.label = inLaw_ ? (scene_.gaussian    ? tr("error of the deviation")
                            : scene_.onLine()  ? tr("distance of the quantiles (rms)")
                                               : tr("sliced Wasserstein distance"))
                         : (scene_.onLine() ? tr("largest error of 24 starts") : tr("error (rms)"));
  panel.y.grid = panel.x.grid = true;
  if (anyInLaw_ && !inLaw_) panel.note = tr("dashed: noisy samplers, by the distance of the laws");
  // What chance alone gives, over the evaluations of the noisy.
  Range asked{1e300, -1e300};
  for (std::size_t i = 0; i < drawn_.size() && i < curves_.size(); ++i)
    if (curves_[i].contestant.noisy && !curves_[i].evaluations.empty())
      asked.include(curves_[i].evaluations.front()), asked.include(curves_[i].evaluations.back());
  if (const double floor = chanceFloor(); floor > 0 && asked.valid()) panel.marks.push_back(chanceBand(asked, floor));
  for (std::size_t i = 0; i < drawn_.size() && i < curves_.size(); ++i) {
    const BenchCurve& curve = curves_[i];
    // Errors of 0 have no place on a logarithmic axis.
    std::vector<double> y = curve.error;
    for (double& value : y)
      if (!(value > 1e-15)) value = gap;
    auto mark =
        generative::curveOf(curve.contestant.id, curve.evaluations, y, chartPaint(static_cast<std::ptrdiff_t>(i)),
                            curve.order     ? trf("{}: order {}", curve.contestant.title, orders(*curve.order))
                            : curve.inNoise ? trf("{}: down to chance", curve.contestant.title)
                                            : curve.contestant.title);
    if (anyInLaw_ && !inLaw_ && curve.contestant.noisy) mark->dash = {4, 2};
    mark->markers = true;
    mark->directLabel = false;
    mark->xName = tr("evaluations");
    mark->yName = tr("error");
    panel.marks.push_back(mark);
  }
  if (probe_) panel.note = probe_->complaint.empty() ? probe_->summary() : probe_->complaint;
  auto now = std::make_shared<RuleMark>("budget");
  now->at = budget_;
  now->tag = tr("budget");
  panel.marks.push_back(now);
  return panel;
}

Panel SamplerBench::pathPanel(int side) const {
  const Trajectory& run = sides_[static_cast<std::size_t>(side)];
  Panel panel;
  panel.id = side == 0 ? "left" : "right";
  panel.row = 1;
  panel.column = side;
  panel.title = run.contestant.title;
  panel.note = run.contestant.noisy ? trf("{} evaluations, stochastic", run.evaluations)
               : run.rejected > 0
                   ? trf("{} evaluations, {} steps taken back, error {}", run.evaluations, run.rejected, fmt::format("{:.2g}", run.error))
                   : trf("{} evaluations, error {}", run.evaluations, fmt::format("{:.2g}", run.error));
  const double lowest = std::max(exactPath_.back().level, 1e-4);
  std::vector<double> x, y, exactX, exactY;
  pathsOf(exactPath_, scene_.dimension, lowest, exactX, exactY);
  pathsOf(run.visits, scene_.dimension, lowest, x, y);
  auto exact = generative::curveOf("exact", exactX, exactY, Paint::of(Role::data, 0.45f), tr("exact"));
  exact->width = 0.75f;
  exact->dash = {3, 2};
  exact->directLabel = false;
  auto path = generative::curveOf("path", x, y, paintOf(side, 0.9f), run.contestant.title);
  path->width = 1;
  path->markers = scene_.dimension == 1 && run.visits.size() <= 40;
  path->directLabel = false;
  if (scene_.dimension == 1) {
    panel.x.label = tr("noise level σ");
    panel.x.scale = ScaleKind::log;
    panel.x.reversed = true;
    panel.y.label = tr("state, scaled to unit variance");
    panel.y.range = Range{-scene_.reach, scene_.reach};
    panel.marks = {exact, path};
    panel.legend = false;
    return panel;
  }
  panel.equalAspect = true;
  const double half = (scene_.network ? scene_.reach : std::max(scene_.reach, 1.2)) * 1.1;
  panel.x.range = panel.y.range = Range{-half, half};
  panel.x.label = tr("first coordinate");
  panel.y.label = tr("second coordinate");
  const auto ends = [&](const char* id, const Visit& visit, Paint paint, PointShape shape, std::string label) {
    std::vector<float> xy;
    const double scale = 1 / std::sqrt(1 + visit.level * visit.level);
    for (std::size_t i = 0; i < visit.x.size(); i += scene_.dimension)
      xy.insert(xy.end(), {static_cast<float>(scale * visit.x[i]), static_cast<float>(scale * visit.x[i + 1])});
    auto points = std::make_shared<PointsMark>(id);
    points->xy = Tensor::from(Shape{static_cast<std::int64_t>(xy.size() / 2), 2}, xy);
    points->paint = paint;
    points->shape = shape;
    points->radius = 2;
    points->label = std::move(label);
    points->directLabel = false;
    return points;
  };
  path->paint.alpha = 0.45f;
  path->width = 0.75f;
  path->label.clear();
  panel.marks = {path, ends("exact-end", exactPath_.back(), Paint::of(Role::data), PointShape::cross, tr("exact end")),
                 ends("end", run.visits.back(), paintOf(side), PointShape::disc, tr("end"))};
  return panel;
}

Panel SamplerBench::partPanel() const {
  Panel panel;
  panel.id = "apart";
  panel.row = 0;
  panel.column = 2;
  panel.title = tr("Where the trajectories part");
  panel.x.label = tr("noise level σ");
  panel.x.scale = panel.y.scale = ScaleKind::log;
  panel.x.reversed = true;
  panel.y.label = tr("distance, scaled to unit variance");
  const double lowest = std::max(exactPath_.back().level, 1e-4);
  panel.x.range = Range{lowest, exactPath_.front().level};
  const auto add = [&](const char* id, const std::vector<double>& levels, const std::vector<double>& distances, Paint paint,
                       std::string label) {
    std::vector<double> x, y;
    for (std::size_t i = 0; i < levels.size(); ++i) {
      x.push_back(std::max(levels[i], lowest));
      y.push_back(distances[i] > 1e-15 ? distances[i] : gap);
    }
    auto mark = generative::curveOf(id, x, y, paint, std::move(label));
    mark->directLabel = false;
    panel.marks.push_back(mark);
  };
  for (const int side : {0, 1}) {
    const Trajectory& run = sides_[static_cast<std::size_t>(side)];
    std::vector<double> levels;
    for (const Visit& visit : run.visits) levels.push_back(visit.level);
    add(side == 0 ? "left" : "right", levels, run.away, paintOf(side), trf("{} from exact", run.contestant.title));
  }
  if (apart_.size() > 2) add("between", apartLevels_, apart_, Paint::of(Role::data), tr("left from right"));
  return panel;
}

Panel SamplerBench::rulerPanel() const {
  Panel panel;
  panel.id = "ruler";
  panel.row = 1;
  panel.column = 2;
  panel.title = tr("Where the steps are");
  panel.note =
      trf("{} levels from {} to {}", levels_.size(), fmt::format("{:.3g}", levels_.front()), fmt::format("{:.3g}", levels_.back()));
  panel.x.label = tr("share of the way from noise to data");
  panel.x.range = Range{-0.03, 1.03};
  panel.y.scale = ScaleKind::categorical;
  panel.y.categories = {"σ", "ln σ", tr("VP time")};
  std::vector<double> levels = levels_;
  if (levels.back() == 0) levels.pop_back();
  const double top = levels.front(), bottom = levels.back();
  const diffusion::Process& vp = *findRegistered<diffusion::Process>("vp");
  const double from = diffusion::timeOf(vp, top), to = diffusion::timeOf(vp, bottom);
  std::vector<float> xy;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const double inLevel = (top - levels[i]) / (top - bottom), inLog = std::log(top / levels[i]) / std::log(top / bottom);
    const double inTime = (from - diffusion::timeOf(vp, levels[i])) / (from - to);
    int row = 0;
    for (const double place : {inLevel, inLog, inTime}) {
      xy.push_back(static_cast<float>(place));
      xy.push_back(static_cast<float>(row++));
    }
    if (levels.size() <= 48 && i > 0 && i + 1 < levels.size())
      panel.handles.push_back({"level-" + std::to_string(i), inLog, 1, Handle::Kind::point, fmt::format("σ = {:.4g}", levels[i])});
  }
  auto points = std::make_shared<PointsMark>("levels");
  points->xy = Tensor::from(Shape{static_cast<std::int64_t>(xy.size() / 2), 2}, xy);
  points->paint = paintOf(0);
  points->radius = 2.2f;
  panel.marks.push_back(points);
  return panel;
}

Panel SamplerBench::stepErrorPanel() const {
  const Trajectory& run = sides_[0];
  Panel panel;
  panel.id = "own";
  panel.row = 1;
  panel.column = 2;
  panel.title = tr("Error of each step by itself");
  panel.note = tr("against the exact path from where it began");
  panel.x.label = tr("step");
  panel.y.label = tr("error, scaled to unit variance");
  panel.y.scale = ScaleKind::log;
  std::vector<double> step, error;
  double least = 1e300, most = 0;
  for (std::size_t i = 1; i < run.own.size(); ++i) {  // the first visit is the start
    step.push_back(static_cast<double>(i));
    error.push_back(run.own[i] > 1e-15 ? run.own[i] : gap);
    if (run.own[i] > 1e-15) least = std::min(least, run.own[i]), most = std::max(most, run.own[i]);
  }
  if (most == 0) {
    panel.message = tr("Every step is exact");
    return panel;
  }
  panel.x.range = Range{0.25, static_cast<double>(run.own.size()) - 0.25};
  panel.y.range = Range{least / 2, most * 2};
  auto line = generative::curveOf("own", step, error, paintOf(0), run.contestant.title);
  line->markers = true;
  line->directLabel = false;
  line->xName = tr("step"), line->yName = tr("error");
  panel.marks.push_back(line);
  return panel;
}

Panel SamplerBench::attemptPanel() const {
  const Trajectory& run = sides_[0];
  Panel panel;
  panel.id = "attempts";
  panel.row = 1;
  panel.column = 2;
  panel.title = run.rejected == 1 ? tr("One step was taken back") : trf("{} steps were taken back", run.rejected);
  panel.note = trf("of {} tried", run.attempts.size());
  if (run.attempts.empty()) {
    panel.title = tr("Accepted and rejected");
    panel.note.clear();
    panel.message = tr("Only adaptive samplers take steps back: choose Dormand-Prince 5(4) or DPM-adaptive on the left");
    return panel;
  }
  panel.x.label = tr("noise level σ");
  panel.x.scale = panel.y.scale = ScaleKind::log;
  panel.x.reversed = true;
  panel.y.label = tr("length of the step in ln σ");
  panel.x.range = Range{std::max(exactPath_.back().level, 1e-4), exactPath_.front().level};
  for (const bool taken : {true, false}) {
    std::vector<float> xy;
    for (const diffusion::Attempt& attempt : run.attempts) {
      if (attempt.taken == taken)
        xy.insert(xy.end(), {static_cast<float>(attempt.from), static_cast<float>(std::log(attempt.from / attempt.to))});
    }
    if (xy.empty()) continue;
    auto points = std::make_shared<PointsMark>(taken ? "taken" : "taken-back");
    points->xy = Tensor::from(Shape{static_cast<std::int64_t>(xy.size() / 2), 2}, xy);
    points->paint = taken ? paintOf(0) : Paint::of(Role::danger);
    points->shape = taken ? PointShape::disc : PointShape::cross;
    points->radius = taken ? 2.2f : 3;
    points->label = taken ? tr("taken") : tr("taken back");
    points->directLabel = false;
    panel.marks.push_back(points);
  }
  return panel;
}

Panel SamplerBench::mapPanel() const {
  Panel panel;
  panel.id = "map";
  panel.row = 1;
  panel.column = 2;
  panel.title = trf("Error of {} by start", sides_[0].contestant.title);
  if (map_.error.empty()) {
    panel.message = tr("A stochastic sampler has no path of its own to be judged by");
    return panel;
  }
  double least = 1e300, most = 0;
  for (const double e : map_.error)
    if (e > 1e-15) least = std::min(least, e), most = std::max(most, e);
  if (most == 0) {
    panel.message = tr("Every start ends exactly");
    return panel;
  }
  if (map_.cells == 0) {
    panel.x.label = tr("quantile of the start");
    panel.y.label = tr("error");
    panel.y.scale = ScaleKind::log;
    panel.x.range = Range{0, 1};
    auto line = generative::curveOf("error", map_.start, map_.error, paintOf(0));
    line->xName = tr("quantile"), line->yName = tr("error");
    panel.marks.push_back(line);
    return panel;
  }
  const auto cells = static_cast<std::int64_t>(map_.cells);
  std::vector<float> values;
  for (const double e : map_.error) values.push_back(static_cast<float>(std::max(e, least)));
  auto heat = std::make_shared<HeatMapMark>("error");
  heat->value = Tensor::from(Shape{cells, cells}, values);
  heat->x = heat->y = Range{-3, 3};
  heat->map = ColorMap::viridis;
  heat->range = {std::max(least, most * 1e-5), most};
  heat->logScale = true;
  heat->matrix = false;
  heat->quantity = tr("error at the end");
  panel.marks.push_back(heat);
  panel.colorBar = ColorBar{ColorMap::viridis, heat->range, true, tr("error at the end")};
  panel.equalAspect = true;
  panel.x.range = panel.y.range = Range{-3, 3};
  panel.x.label = tr("start, first coordinate (σ)");
  panel.y.label = tr("second coordinate (σ)");
  return panel;
}

Figure SamplerBench::figure() const {
  Figure figure;
  figure.title = tr("Sampler bench");
  if (grid_ == nullptr || sides_[0].visits.empty()) return figure;
  const Panel third = third_ == "own"        ? stepErrorPanel()
                      : third_ == "map"      ? mapPanel()
                      : third_ == "attempts" ? attemptPanel()
                      : third_ == "overlay"  ? overlayPanel()
                      : third_ == "churn"    ? churnPanel()
                                             : rulerPanel();
  figure.panels = {chartPanel(), partPanel(), pathPanel(0), pathPanel(1), third, namesPanel()};
  figure.rowWeights = {1.25f, 1.0f, 0.095f * static_cast<float>(3 + takenLines().size()) + 0.03f};
  return figure;
}

std::vector<Metric> SamplerBench::metrics() const {
  std::vector<Metric> result{{"error.left", sides_[0].error, ""},
                             {"error.right", sides_[1].error, ""},
                             {"evaluations.left", static_cast<double>(sides_[0].evaluations), ""},
                             {"evaluations.right", static_cast<double>(sides_[1].evaluations), ""}};
  if (!sides_[0].visits.empty() && !sides_[1].visits.empty())
    result.push_back({"apart", distance(sides_[0].visits.back().x, sides_[1].visits.back().x), ""});
  if (const double floor = chanceFloor(); anyInLaw_ && floor > 0) result.push_back({"chance", floor, ""});
  for (std::size_t i = 0; i < churn_.churn.size(); ++i) {
    const std::string at = std::to_string(static_cast<int>(churn_.churn[i]));
    result.push_back({"churn." + at, churn_.error[i], ""});
    if (!churn_.exactScore.empty()) result.push_back({"churn.exact-score." + at, churn_.exactScore[i], ""});
  }
  for (const Overlay& one : overlay_) result.push_back({"overlay." + one.contestant.id, one.error, ""});
  if (probe_) {
    const auto probed = probe_->metrics();
    result.insert(result.end(), probed.begin(), probed.end());
  }
  for (const BenchCurve& curve : curves_) {
    if (curve.order) result.push_back({"order." + curve.contestant.id, *curve.order, ""});
    for (std::size_t i = 0; i < curve.error.size(); ++i)
      result.push_back({"error." + curve.contestant.id + "." + std::to_string(static_cast<int>(curve.evaluations[i])), curve.error[i], ""});
  }
  return result;
}

Changes SamplerBench::dragLevel(const PointerEvent& event) const {
  // Drag one level along the ruler of ln(level): it stays between its neighbours.
  const auto index = static_cast<std::size_t>(std::stoul(event.handle.substr(6)));
  std::vector<double> levels = levels_;
  if (finalZero_ && levels.back() == 0) levels.pop_back();
  if (index == 0 || index + 1 >= levels.size()) return {};
  const double share = std::clamp(event.x, 0.0, 1.0), moved = levels.front() * std::pow(levels.back() / levels.front(), share);
  levels[index] = std::clamp(moved, levels[index + 1] * 1.001, levels[index - 1] / 1.001);
  std::string text;
  for (const double level : levels) text += (text.empty() ? "" : ", ") + fmt::format("{:.6g}", level);
  return {{"grid", std::string("drawn")}, {"levels", text}};
}

}  // namespace orrery::generative
