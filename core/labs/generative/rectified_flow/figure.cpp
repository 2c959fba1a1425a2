// The pictures of the lab rectified-flow: the coupling, its flow, and what a few steps of it do; two smaller panels chosen by the user.

#include <algorithm>
#include <cmath>

#include "core/figure/place.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/slice.h"
#include "core/labs/generative/rectified_flow/lab.h"
#include "core/labs/generative/shared/plane_scene_panels.h"

namespace orrery::generative {

namespace {

constexpr std::size_t linesDrawn = 96;

// Paths [steps, m, 2] of the line as curves over time: (t, x).
Tensor overTime(const Tensor& path, std::int64_t lines) {
  const auto values = path.as<float>();
  const std::int64_t steps = path.shape()[0], m = path.shape()[1];
  std::vector<float> xy;
  for (std::int64_t s = 0; s < steps; ++s) {
    for (std::int64_t i = 0; i < lines; ++i) {
      xy.push_back(1 - static_cast<float>(s) / static_cast<float>(steps - 1));
      xy.push_back(values[static_cast<std::size_t>(2 * (s * m + i))]);
    }
  }
  return Tensor::from(Shape{steps, lines, 2}, xy);
}

// The straight lines of pairs [n, 4]: [2, lines, 2], base end first.
Tensor pairLines(const std::vector<float>& pairs, std::size_t lines) {
  std::vector<float> xy;
  for (const std::size_t end : {2u, 0u})
    for (std::size_t i = 0; i < lines; ++i) xy.insert(xy.end(), {pairs[4 * i + end], pairs[4 * i + end + 1]});
  return Tensor::from(Shape{2, static_cast<std::int64_t>(lines), 2}, xy);
}

Paint paintOfRound(std::size_t round) {
  static constexpr Role roles[] = {Role::series6, Role::deterministic, Role::good, Role::series0, Role::ink};
  return Paint::of(roles[round % 5]);
}

}  // namespace

double RectifiedFlow::reach() const { return std::max(1.2 * source_.data.density.reach, source_.base.reach()); }

void RectifiedFlow::drawPaths(Panel& panel, const char* id, const Tensor& path, std::int64_t until, Paint paint, float width) const {
  auto lines = std::make_shared<PathsMark>(id);
  lines->xy = settings_.line ? overTime(path, path.shape()[1]) : path;
  lines->stepCount = until + 1;
  lines->paint = paint;
  lines->width = width;
  lines->fade = false;
  lines->knownBounds = Bounds{*panel.x.range, *panel.y.range};
  panel.marks.push_back(lines);
}

void RectifiedFlow::drawDensity(Panel& panel) const {
  if (!settings_.showDensity || settings_.line) return;
  const double half = reach();
  const PlanarDensity& density = source_.data.density;
  panel.marks.push_back(
      densityMark(*stream_, source_.data, kernels::makeMixtureTable(density.components), 1, 1e-3, half, ColorMap::viridis));
}

namespace {

// A canvas of the plane, or of (time, place) on the line.
Panel canvasOf(const char* id, double half, bool line) {
  Panel panel = planePanel(id, half);
  if (!line) return panel;
  panel.equalAspect = panel.frameless = false;
  panel.x.range = Range{-0.02, 1.02};
  panel.x.reversed = true;
  panel.x.label = tr("time t (data at 0)");
  panel.y.label = tr("x");
  return panel;
}

}  // namespace

Panel RectifiedFlow::couplingPanel() const {
  Panel panel = canvasOf("coupling", reach(), settings_.line);
  const Round& round = shown();
  const std::size_t k = rounds_.size(), lines = std::min(linesDrawn, round.pairs.size() / 4);
  panel.title = k == 1               ? dropped_ ? tr("The pairs your network stands for") : tr("Round 1 learns independent pairs")
                              : k == 2 && dropped_ ? tr("Round 2 learns the pairs your network makes")
                                     : trf("Round {} learns the pairs of round {}", k, k - 1);
  panel.note = trf("mean squared length {:.3f}", round.pairCost);
  const Tensor ends = pairLines(round.pairs, lines);
  drawPaths(panel, "lines", ends, 1, Paint::of(Role::muted, 0.6f), 0.75f);
  if (settings_.line) return panel;
  const auto base = cloudMark("base-points", kernels::slice(*stream_, ends, 0, 0, 1).reshaped(Shape{static_cast<std::int64_t>(lines), 2}),
                              Paint::of(Role::stochastic), reach());
  base->radius = 1.8f, base->shape = PointShape::ring, base->name = tr("base point");
  panel.marks.push_back(base);
  const auto data = cloudMark("data-points", kernels::slice(*stream_, ends, 0, 1, 2).reshaped(Shape{static_cast<std::int64_t>(lines), 2}),
                              Paint::of(Role::data), reach());
  data->radius = 1.8f, data->name = tr("data point");
  panel.marks.push_back(data);
  return panel;
}

Panel RectifiedFlow::flowPanel() const {
  Panel panel = canvasOf("flow", reach(), settings_.line);
  const Round& round = shown();
  const double straightness = round.run.straightness;
  panel.title = straightness < 0.02 * round.run.cost ? trf("The flow of round {} is straight", rounds_.size())
                                                     : trf("The flow of round {} bends, and never crosses", rounds_.size());
  panel.note = trf("straightness {:.3g}", straightness);
  if (dropped_ && rounds_.size() == 1) {
    panel.title =
        networkError_ ? trf("The flow of your network, off by {:.2g} in mean square", *networkError_) : tr("The flow of your network");
  }
  if (!complaint_.empty()) panel.note = complaint_;
  drawDensity(panel);
  const std::int64_t lines = std::min<std::int64_t>(static_cast<std::int64_t>(linesDrawn), round.run.path.shape()[1]),
                     steps = round.run.path.shape()[0];
  const std::int64_t until = std::llround((1 - time()) * static_cast<double>(steps - 1));
  // All of the way when nothing has moved yet: the picture that the other two are compared with.
  drawPaths(panel, "paths", kernels::slice(*stream_, round.run.path, 1, 0, lines), steps - 1,
            Paint::of(Role::deterministic, until == 0 ? 0.6f : 0.25f), 0.75f);
  if (until > 0 && until < steps - 1) {
    drawPaths(panel, "trails", kernels::slice(*stream_, round.run.path, 1, 0, lines), until, Paint::of(Role::deterministic, 0.8f), 0.9f);
  }
  if (!settings_.line) {
    const std::int64_t m = round.run.path.shape()[1];
    const auto points = cloudMark("particles", kernels::slice(*stream_, round.run.path, 0, until, until + 1).reshaped(Shape{m, 2}),
                                  Paint::of(Role::data, 0.85f), reach());
    // Coloured by how much each one's way bends, from the middle of the map on: its dark end would vanish on a dark ground.
    const double bend =
        std::max(1e-6, 2.5 * (rounds_.front().run.path.empty() ? round.run.straightness : rounds_.front().run.straightness));
    points->scalar = Tensor::from(Shape{m}, round.run.bend);
    points->map = ColorMap::viridis;
    points->range = Range{-0.5 * bend, bend};
    points->radius = 1.2f;
    panel.marks.push_back(points);
  }
  // The chosen start in every round.
  for (std::size_t i = 0; i < rounds_.size(); ++i) {
    if (rounds_[i].probe.empty()) continue;
    drawPaths(panel, ("start-" + std::to_string(i + 1)).c_str(), kernels::slice(*stream_, rounds_[i].probe, 1, 0, 1),
              rounds_[i].probe.shape()[0] - 1, paintOfRound(i), 1.75f);
  }
  if (settings_.line)
    panel.handles.push_back({"start", 1, settings_.probe[0], Handle::Kind::point, tr("a start and its way in every round")});
  else
    panel.handles.push_back(
        {"start", settings_.probe[0], settings_.probe[1], Handle::Kind::point, tr("a start and its way in every round")});
  return panel;
}

Panel RectifiedFlow::fewPanel() const {
  Panel panel = canvasOf("few", reach(), settings_.line);
  const bool good = fewError_ < 2 * shown().floor;
  panel.title = settings_.steps == 1 ? (good ? tr("One Euler step lands on the data") : tr("One Euler step misses the data"))
                                     : (good ? trf("{} Euler steps land on the data", settings_.steps)
                                             : trf("{} Euler steps miss the data", settings_.steps));
  panel.note = trf("sliced W₂ {:.3f}, noise {:.3f}", fewError_, shown().floor);
  drawDensity(panel);
  const std::int64_t m = few_.shape()[1], lines = std::min<std::int64_t>(static_cast<std::int64_t>(linesDrawn), m);
  drawPaths(panel, "paths", kernels::slice(*stream_, few_, 1, 0, lines), settings_.steps, Paint::of(Role::deterministic, 0.3f), 0.75f);
  const Tensor end = kernels::slice(*stream_, few_, 0, settings_.steps, settings_.steps + 1).reshaped(Shape{m, 2});
  if (!settings_.line) panel.marks.push_back(cloudMark("landed", end, Paint::of(Role::data, 0.85f), reach()));
  return panel;
}

Panel RectifiedFlow::straightnessPanel() const {
  Panel panel;
  panel.id = "straightness";
  panel.title = tr("Every round is straighter");
  std::vector<double> at, value;
  std::vector<Paint> paints;
  double high = 0;
  for (std::size_t i = 0; i < rounds_.size(); ++i) {
    at.push_back(static_cast<double>(i));
    value.push_back(rounds_[i].run.straightness);
    paints.push_back(paintOfRound(i));
    panel.x.categories.push_back(std::to_string(i + 1));
    high = std::max(high, value.back());
  }
  if (rounds_.size() == 1) panel.title = trf("Straightness of round 1: {:.3f}", value[0]);
  for (std::size_t i = 1; i < value.size(); ++i)
    if (value[i] > value[i - 1]) panel.title = tr("Straightness of the rounds");
  panel.note = tr("0: one step is exact");
  panel.x.scale = ScaleKind::categorical;
  panel.x.label = tr("round k");
  panel.y.label = tr("straightness S");
  panel.y.range = Range{0, 1.2 * std::max(high, 1e-6)};
  panel.y.grid = true;
  auto bars = std::make_shared<BarsMark>("straightness");
  bars->position = columnOf(at);
  bars->value = columnOf(value);
  bars->paints = paints;
  bars->thickness = 0.5;
  panel.marks.push_back(bars);
  auto words = std::make_shared<TextMark>("values");
  for (std::size_t i = 0; i < value.size(); ++i)
    words->words.push_back({at[i], value[i] + 0.03 * high, fmt::format("{:.3g}", value[i]), Paint::of(Role::ink), HAlign::center,
                            VAlign::baseline, 8, Weight::regular, 0});
  panel.marks.push_back(words);
  return panel;
}

Panel RectifiedFlow::budgetPanel() const {
  Panel panel;
  panel.id = "budget";
  double worst = 0, high = 0;
  std::vector<double> at, cost, disagreement, straightness, first, second, zero;
  for (std::size_t i = 0; i < rounds_.size(); ++i) {
    const Round& round = rounds_[i];
    if (round.run.path.empty()) continue;
    at.push_back(static_cast<double>(i));
    cost.push_back(round.run.cost), disagreement.push_back(round.disagreement), straightness.push_back(round.run.straightness);
    zero.push_back(0), first.push_back(cost.back()), second.push_back(first.back() + disagreement.back());
    const double total = second.back() + straightness.back();
    worst = std::max(worst, std::abs(total - round.pairCost) / rounds_.front().pairCost);
    high = std::max({high, total, round.pairCost});
  }
  for (std::size_t i = 0; i < rounds_.size(); ++i) panel.x.categories.push_back(std::to_string(i + 1));
  panel.title = tr("Where the cost of the pairs goes");
  panel.note = trf("closes within {:.1f} % of the first cost", 100 * worst);
  panel.x.scale = ScaleKind::categorical;
  panel.x.label = tr("round k");
  panel.y.label = tr("mean squared length");
  panel.y.range = Range{0, 1.15 * std::max(high, 1e-6)};
  panel.y.grid = true;
  const auto part = [&](const char* id, const std::vector<double>& base, const std::vector<double>& value, Paint paint, std::string label) {
    auto bars = std::make_shared<BarsMark>(id);
    std::vector<double> top;
    for (std::size_t i = 0; i < value.size(); ++i) top.push_back(base[i] + value[i]);
    bars->position = columnOf(at);
    bars->base = columnOf(base);
    bars->value = columnOf(top);
    bars->thickness = 0.5;
    bars->paint = paint;
    bars->label = std::move(label);
    bars->directLabel = false;
    panel.marks.push_back(bars);
  };
  part("cost", zero, cost, Paint::of(Role::deterministic), tr("cost of the flow"));
  part("disagreement", first, disagreement, Paint::of(Role::muted, 0.7f), tr("pairs disagree"));
  part("straightness", second, straightness, Paint::of(Role::falsePositive), tr("straightness"));
  std::vector<double> x, y;
  for (std::size_t i = 0; i < at.size(); ++i) {
    x.insert(x.end(), {at[i] - 0.38, at[i] + 0.38, at[i] + 0.38});
    y.insert(y.end(), {rounds_[static_cast<std::size_t>(at[i])].pairCost, rounds_[static_cast<std::size_t>(at[i])].pairCost, std::nan("")});
  }
  auto whole = curveOf("pairs", x, y, Paint::of(Role::data), tr("cost of the pairs"));
  whole->directLabel = false;
  whole->width = 1.5f;
  panel.marks.push_back(whole);
  return panel;
}

Panel RectifiedFlow::stepsPanel() const {
  Panel panel;
  panel.id = "steps";
  panel.title = tr("Fewer steps are enough after a reflow");
  panel.note = tr("sliced W₂ to the data");
  panel.x.label = tr("Euler steps N");
  panel.x.scale = ScaleKind::log;
  panel.x.range = Range{0.9, 20};
  panel.x.ticks = {{1, "1"}, {2, "2"}, {4, "4"}, {8, "8"}, {16, "16"}};
  panel.y.scale = ScaleKind::log;
  panel.y.grid = true;
  if (rounds_.size() == 1) panel.title = tr("Round 1 needs many steps");
  const double floor = shown().floor;
  auto band = std::make_shared<BandMark>("floor");
  band->x = columnOf({0.9, 20}), band->low = columnOf({1e-4, 1e-4}), band->high = columnOf({floor, floor});
  band->label = tr("sampling noise");
  panel.marks.push_back(band);
  double low = floor, high = floor;
  for (std::size_t i = 0; i < rounds_.size(); ++i) {
    std::vector<double> steps, error;
    for (const auto& [n, e] : rounds_[i].stepErrors)
      steps.push_back(static_cast<double>(n)), error.push_back(e), low = std::min(low, e), high = std::max(high, e);
    if (steps.empty()) continue;
    auto line = curveOf("round-" + std::to_string(i + 1), steps, error, paintOfRound(i), trf("round {}", i + 1));
    line->markers = true;
    panel.marks.push_back(line);
  }
  panel.y.range = Range{0.6 * low, 1.7 * high};
  return panel;
}

Panel RectifiedFlow::trainingPanel() const {
  Panel panel;
  panel.id = "training";
  panel.title = tr("Training loss, round after round");
  if (!training()) {
    panel.message = tr("Nothing is trained: choose the network as the source of the velocity");
    return panel;
  }
  std::vector<std::vector<double>> step(static_cast<std::size_t>(settings_.round)), loss(step.size());
  for (const auto& [frame, value] : losses_) {
    if (frame > frame_) break;
    const auto round = static_cast<std::size_t>((frame - 1) / framesPerRound());
    step[round].push_back(static_cast<double>(frame * settings_.stepsPerFrame));
    loss[round].push_back(std::max(value, 1e-6));
  }
  if (step[0].empty()) {
    panel.message = tr("Press play: training has not begun");
    return panel;
  }
  panel.x.label = tr("step");
  panel.x.range = Range{0, static_cast<double>(settings_.round * framesPerRound() * settings_.stepsPerFrame)};
  panel.y.label = tr("mean squared error");
  panel.y.scale = ScaleKind::log;
  panel.y.grid = true;
  for (std::size_t i = 0; i < step.size(); ++i) {
    if (step[i].empty()) continue;
    panel.marks.push_back(curveOf("round-" + std::to_string(i + 1), step[i], loss[i], paintOfRound(i), trf("round {}", i + 1)));
    panel.note = trf("{:.3g} now", loss[i].back());
  }
  return panel;
}

Panel RectifiedFlow::lowerPanel(const std::string& kind) const {
  if (kind == "budget") return budgetPanel();
  if (kind == "steps") return stepsPanel();
  if (kind == "training") return trainingPanel();
  return straightnessPanel();
}

Figure RectifiedFlow::figure() const {
  Figure figure;
  figure.title = tr("Rectified flow");
  if (rounds_.empty() || few_.empty()) return figure;
  place(figure, couplingPanel(), 0, 0, 2);
  place(figure, flowPanel(), 0, 2, 2);
  place(figure, fewPanel(), 0, 4, 2);
  const bool same = settings_.lower[0] == settings_.lower[1];
  place(figure, lowerPanel(settings_.lower[0]), 1, 0, same ? 6 : 3);
  if (!same) place(figure, lowerPanel(settings_.lower[1]), 1, 3, 3);
  figure.rowWeights = {1.35f, 1.0f};
  return figure;
}

}  // namespace orrery::generative
