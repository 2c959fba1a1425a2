// How far the clouds that come back are from exact samples of p_t, in the lab score-sde: sliced W2 at about sixteen of the frames, of the
// chosen diffusion and of those it is compared with.

#include <algorithm>
#include <cmath>

#include "core/labs/generative/score_sde/lab.h"
#include "core/labs/generative/shared/plane_scene_panels.h"

namespace orrery::generative {

using diffusion::State;

namespace {

constexpr std::size_t measuredFrames = 16;

}  // namespace

const SampleDistance& ScoreSde::Way::distance(std::size_t frame) const {
  static const SampleDistance none;
  const auto after = distances.upper_bound(frame);
  return after == distances.begin() ? none : std::prev(after)->second;
}

void ScoreSde::measure(Way& way) const {
  const auto frame = static_cast<std::size_t>(frame_);
  const std::size_t every = std::max<std::size_t>(1, (way.times.size() - 1) / measuredFrames);
  if ((frame % every != 0 && frame + 1 != way.times.size()) || way.distances.count(frame) > 0) return;
  const diffusion::Moment at = way.sde.at(way.times[frame]);
  way.distances[frame] = truth_.to(way.reverse[frame] / at.alpha, at.relative());
}

void ScoreSde::measure() {
  measure(way_);
  for (Way& way : compared_) measure(way);
}

Panel ScoreSde::distancePanel() const {
  Panel panel;
  panel.id = "distance";
  panel.x.label = tr("noise level σ / α");
  panel.x.scale = ScaleKind::log;
  panel.x.reversed = true;
  panel.y.label = tr("sliced W₂ to exact samples");
  panel.y.grid = true;
  const auto now = static_cast<std::size_t>(frame_);
  double high = 1e-3;
  bool off = false;
  const auto add = [&](const Way& way, const std::string& id, Paint paint, const std::string& name, bool band) {
    DistanceCourse course;
    for (const auto& [frame, distance] : way.distances)
      if (frame <= now) course.add(way.sde.at(way.times[frame]).relative(), distance);
    high = std::max(high, addDistances(panel, course, id, paint, name, band));
    off = off || way.distance(now).off();
  };
  if (compared_.empty()) {
    add(way_, "back", Paint::series(5), tr("back"), true);
    panel.title = off ? tr("The cloud is off the law at t") : tr("The cloud has the law at t");
  } else {
    for (std::size_t k = 0; k < compared_.size(); ++k)
      add(compared_[k], compared_[k].id, comparedPaint(k), comparedName(compared_[k].id), k == 0);
    panel.title = off ? tr("Not every cloud has its law at t") : tr("Every cloud has its law at t");
  }
  const SampleDistance& last = way_.distance(now);
  panel.note = trf("{:.3f}, exact samples {:.3f}; −ln p above theirs {:.2f}", last.sliced, last.floor, last.excess);
  panel.y.range = Range{0, 1.1 * high};
  return panel;
}

// The three clouds of a frame, each at the scale of unit total noise.
Panel ScoreSde::comparedPanel() const {
  const double half = canvasHalf();
  Panel panel = planePanel("compared", half);
  const auto now = static_cast<std::size_t>(frame_);
  panel.title = now + 1 == way_.times.size() ? tr("Three ways, one law") : tr("Three ways back, step by step");
  for (std::size_t k = 0; k < compared_.size(); ++k) {
    const Way& way = compared_[k];
    const diffusion::Moment at = way.sde.at(way.times[now]);
    const double level = at.relative();
    auto cloud = cloudMark(way.id, pairsOf(way.reverse[now], 1 / (at.alpha * std::sqrt(1 + level * level))), comparedPaint(k, 0.5f), half);
    cloud->radius = 1;
    cloud->label = comparedName(way.id);
    panel.marks.push_back(std::move(cloud));
  }
  panel.legend = true;
  return panel;
}

}  // namespace orrery::generative
