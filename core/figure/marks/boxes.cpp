// BoxesMark: rectangles with short tags, e.g. detections on an image.

#include <fmt/format.h>

#include <algorithm>

#include "core/figure/marks/marks.h"
#include "core/figure/marks/support.h"

namespace orrery {

using namespace marks;

namespace {

Rect rectOf(const BoxesMark::Box& box, const Frame& frame) {
  return place({box.x, box.x + box.width}, {box.y, box.y + box.height}, frame).rect;
}

bool drawable(const BoxesMark::Box& box) {
  return std::isfinite(box.x) && std::isfinite(box.y) && std::isfinite(box.width) && std::isfinite(box.height);
}

}  // namespace

Bounds BoxesMark::bounds() const {
  Bounds bounds;
  for (const Box& box : boxes) {
    if (!drawable(box)) continue;
    bounds.include(box.x, box.y);
    bounds.include(box.x + box.width, box.y + box.height);
  }
  return bounds;
}

void BoxesMark::lower(const Frame& frame, DisplayList& list) const {
  const float unit = frame.unit;
  for (const Box& box : boxes) {
    if (!drawable(box)) continue;
    PathItem path = strokedPath({corners(rectOf(box, frame))}, frame.theme.resolve(box.paint), lineWidth * unit,
                                box.dashed ? std::vector<float>{3 * unit, 2 * unit} : std::vector<float>{});
    path.closed = true;
    list.items.emplace_back(std::move(path));
  }
  // Tags come last, so that no box runs through one.
  const TextStyle style{6.5f * unit, Weight::medium, true};
  const float height = 8.5f * unit, pad = 2 * unit;
  for (const Box& box : boxes) {
    if (box.tag.empty() || !drawable(box)) continue;
    const Rect r = rectOf(box, frame);
    const Color color = frame.theme.resolve(box.paint).withAlpha(1);
    const float width = frame.metrics.width(box.tag, style) + 2 * pad;
    // Above the box, or inside it where the panel ends.
    const float y = r.y - height >= frame.area.y ? r.y - height : r.y;
    const float x = std::max(frame.area.x, std::min(r.x - 0.5f * lineWidth * unit, frame.area.right() - width));
    PathItem ground;
    ground.lines = {corners({x, y, width, height})};
    ground.closed = true;
    ground.hasFill = true;
    ground.fill = color;
    list.items.emplace_back(std::move(ground));
    const Color white{1, 1, 1, 1}, black{0.07f, 0.08f, 0.1f, 1};
    GlyphItem text{box.tag, {x + pad, y + 0.5f * height}, HAlign::left, VAlign::middle, style, contrast(color, white) >= 4.0 ? white : black, 0};
    list.items.emplace_back(std::move(text));
  }
}

std::vector<Channel> BoxesMark::channels() const {
  std::vector<float> xywh, scores;
  for (const Box& box : boxes) {
    for (const double v : {box.x, box.y, box.width, box.height}) xywh.push_back(static_cast<float>(v));
    scores.push_back(static_cast<float>(box.score));
  }
  const auto n = static_cast<std::int64_t>(boxes.size());
  return {{"xywh", Tensor::from({n, 4}, xywh)}, {"score", Tensor::from({n}, scores)}};
}

std::optional<Probe> BoxesMark::probe(const Frame& frame, Vec2 pixel) const {
  if (!frame.area.contains(pixel)) return std::nullopt;
  // The smallest box under the pointer: large ones enclose it.
  std::optional<Probe> best;
  double smallest = 1e300;
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    const Box& box = boxes[i];
    if (!drawable(box) || !grown(rectOf(box, frame), 2 * frame.unit).contains(pixel)) continue;
    const double size = std::abs(box.width * box.height);
    if (size >= smallest) continue;
    smallest = size;
    Probe probe;
    probe.index = static_cast<std::int64_t>(i);
    probe.x = box.x + 0.5 * box.width;
    probe.y = box.y + 0.5 * box.height;
    const std::string& head = box.hover.empty() ? box.tag : box.hover;
    if (!head.empty()) probe.lines.push_back(head);
    probe.lines.push_back(fmt::format("x {} y {} \u00B7 {} \u00D7 {}", exact(box.x), exact(box.y), exact(box.width), exact(box.height)));
    best = std::move(probe);
  }
  return best;
}

}  // namespace orrery
