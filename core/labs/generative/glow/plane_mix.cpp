// A mixing of two channels as a map of the plane: y = W x with the columns of W in the hand, its factors P W' = L (U + diag s) and how much
// area it makes. Source: Kingma and Dhariwal 2018, section 3.2; partial pivoting as everywhere, so that |l| <= 1.

#include <algorithm>
#include <cmath>

#include "core/labs/generative/glow/lab.h"
#include "core/labs/generative/shared/curves.h"

namespace orrery::generative {

namespace {

constexpr double reach = 1.6;  // of the picture
constexpr int gridReach = 8;   // lines of the grid at -8 ... 8
constexpr double leastDeterminant = 1e-6;

}  // namespace

Expected<void> Glow::readPlaneMix(const LabContext& context) {
  const std::array<double, 4> w{context.number("w11"), context.number("w12"), context.number("w21"), context.number("w22")};
  const double determinant = w[0] * w[3] - w[1] * w[2];
  if (context.text("matrix") == "plane" && std::abs(determinant) < leastDeterminant) {
    return makeError(
        ErrorCode::badInput,
        trf("The mixing matrix is singular (det W = {:.1e}); the flow is not invertible: turn one of its columns", determinant));
  }
  planeMix_ = w;
  showPlaneMix_ = context.text("matrix") == "plane";
  return {};
}

Panel Glow::planeMixPanel() const {
  const auto& [a, b, c, d] = planeMix_;
  // The row with the larger first entry is the first pivot: s1 (u), then s2 = the rest.
  const bool swapped = std::abs(c) > std::abs(a);
  const double s1 = swapped ? c : a, u = swapped ? d : b;
  const double l = (swapped ? a : c) / s1, s2 = (swapped ? b : d) - l * u;
  Panel panel;
  panel.id = "matrix";
  panel.title = tr("Two channels mixed: drag the columns of W");
  panel.note = trf("s = ({:.2f}, {:.2f}), ln |det W| = {:.3f}", s1, s2, std::log(std::abs(s1)) + std::log(std::abs(s2)));
  panel.equalAspect = true;
  panel.x.range = panel.y.range = Range{-reach, reach};
  panel.x.label = tr("channel 1"), panel.y.label = tr("channel 2");

  // Lines of whole numbers, where W takes them: [ends, lines, 2].
  std::vector<float> xy;
  for (const int end : {-gridReach, gridReach}) {
    for (int line = -gridReach; line <= gridReach; ++line) {
      for (const auto& [x, y] : {std::pair<double, double>{end, line}, {line, end}}) {
        xy.insert(xy.end(), {static_cast<float>(a * x + b * y), static_cast<float>(c * x + d * y)});
      }
    }
  }
  auto grid = std::make_shared<PathsMark>("grid");
  grid->xy = Tensor::from(Shape{2, 2 * (2 * gridReach + 1), 2}, xy);
  grid->stepCount = 2;
  grid->paint = Paint::of(Role::muted, 0.7f);
  grid->width = 0.7f;
  grid->fade = false;
  grid->knownBounds = Bounds{*panel.x.range, *panel.y.range};
  panel.marks.push_back(grid);
  auto square = curveOf("square", {0, a, a + b, b, 0}, {0, c, c + d, d, 0}, Paint::of(Role::muted), tr("unit square"));
  square->directLabel = false;
  square->dash = {3, 2};
  panel.marks.push_back(square);
  const std::array<Paint, 2> paints{Paint::of(Role::estimate), Paint::series(5)};
  const std::array<std::string, 2> names{tr("first column"), tr("second column")};
  for (std::size_t k = 0; k < 2; ++k) {
    const double x = k == 0 ? a : b, y = k == 0 ? c : d;
    auto column = curveOf(k == 0 ? "first" : "second", {0, x}, {0, y}, paints[k], names[k]);
    column->width = 2;
    column->directLabel = false;
    panel.marks.push_back(column);
    panel.handles.push_back({k == 0 ? "first" : "second", x, y, Handle::Kind::point, names[k]});
  }
  return panel;
}

Changes Glow::planeMixChanges(const PointerEvent& event) {
  const auto value = [](double v) { return Value(std::clamp(v, -5.0, 5.0)); };
  if (event.handle == "first") return {{"w11", value(event.x)}, {"w21", value(event.y)}};
  if (event.handle == "second") return {{"w12", value(event.x)}, {"w22", value(event.y)}};
  return {};
}

}  // namespace orrery::generative
