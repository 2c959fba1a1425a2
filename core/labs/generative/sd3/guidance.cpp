// Guidance. Source: Ho and Salimans 2022; velocities as in Esser et al. 2024, equation 7 with u for eps: u_w = u_none + w (u_class -
// u_none), written (1 - w) u_none + w u_class so that w = 0 and w = 1 are the two themselves. D is a straight map of u given the state, so
// the same holds for D. With p_class = N(m, c^2) and p_none = N(0, c^2), D_w is the denoiser of N(w m, c^2). Steps are those of
// core/diffusion on the straight path with the shifted grid; double precision on the host.

#include "core/labs/generative/sd3/guidance.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/labs/generative/sd3/shift.h"
#include "core/labs/generative/shared/curves.h"
#include "core/labs/generative/shared/plane_scene_panels.h"

namespace orrery::generative::sd3 {

using diffusion::State;

namespace {

constexpr double pairMean = 0.5, pairVariance = 0.3;
constexpr std::size_t sweepParticles = 400, trailCount = 64;
constexpr double ellipse99 = 9.210340371976184;  // -2 ln 0.01: the chi-squared quantile in two dimensions

PlaneScene alone(const PlanarDensity& density, std::size_t component) {
  PlanarDensity one = density;
  one.components = {density.components[component]};
  one.components[0].weight = 1;
  return planeScene("class", std::move(one));
}

}  // namespace

bool Guidance::touched(const LabContext& context) const {
  return context.anyChanged({"show", "classes", "class", "guidance", "sampler", "steps", "shift", "particles", "moment", "seed"});
}

State Guidance::denoise(const State& x, double level, double w) const {
  if (w == 0) return scene_.mixture.denoise(x, level);
  if (w == 1) return own_.mixture.denoise(x, level);
  return (1 - w) * scene_.mixture.denoise(x, level) + w * own_.mixture.denoise(x, level);
}

Expected<Guidance::Walk> Guidance::walk(double w, std::size_t particles, bool record) const {
  Walk result;
  result.w = w;
  diffusion::Run run([this, w](const State& x, double level) { return denoise(x, level, w); }, levels_, seed_, 2 * particles, options_);
  run.record = record;
  // At the largest level the data's own place is lost in the noise.
  const State start = levels_.front() * diffusion::Noise(seed_, 2 * particles).fresh(0, 0);
  const auto end = diffusion::sample(*sampler_, run, start);
  if (!end) return end.error();
  if (record) {
    result.visits.push_back({levels_.front(), 0, start});
    for (auto& visit : run.visits) {
      if (visit.level < result.visits.back().level) result.visits.push_back(std::move(visit));
    }
    if (result.visits.back().level > 0) result.visits.push_back({0, run.evaluations(), *end});
  }
  result.ends = endsOf(*end);
  return result;
}

Guidance::Ends Guidance::endsOf(const State& x) const {
  const auto& c = own_.density.components[0];
  const auto n = static_cast<double>(x.size() / 2);
  Ends ends;
  const double cosine = std::cos(c.angle), sine = std::sin(c.angle);
  for (std::size_t i = 0; i + 1 < x.size(); i += 2) {
    ends.meanX += x[i] / n, ends.meanY += x[i + 1] / n;
    const double dx = x[i] - c.x, dy = x[i + 1] - c.y, u = cosine * dx + sine * dy, v = cosine * dy - sine * dx;
    ends.outside += u * u / c.along + v * v / c.across > ellipse99 ? 1 / n : 0;
    // p(class | x) = weight p_class / p_none.
    double weight = 0.5;
    if (!pair_) {
      for (const auto& other : scene_.density.components) weight = other.x == c.x && other.y == c.y ? other.weight : weight;
      ends.certainty += weight * std::exp(own_.mixture.logDensity(x[i], x[i + 1], 0) - scene_.mixture.logDensity(x[i], x[i + 1], 0)) / n;
    } else {
      const double odds = std::exp(own_.mixture.logDensity(x[i], x[i + 1], 0) - scene_.mixture.logDensity(x[i], x[i + 1], 0));
      ends.certainty += odds / (1 + odds) / n;
    }
  }
  for (std::size_t i = 0; i + 1 < x.size(); i += 2) {
    ends.varianceX += std::pow(x[i] - ends.meanX, 2) / (n - 1), ends.varianceY += std::pow(x[i + 1] - ends.meanY, 2) / (n - 1);
  }
  ends.spread = std::sqrt((ends.varianceX + ends.varianceY) / (c.along + c.across));
  return ends;
}

Expected<void> Guidance::update(LabContext& context) {
  // The moment shown changes nothing that is walked.
  const std::string& id = context.text("classes");
  const std::string sweptFor = keyOf(context, {"classes", "class", "sampler", "steps", "shift", "seed"}),
                    plainFor = sweptFor + keyOf(context, {"particles"}), walkedFor = plainFor + keyOf(context, {"guidance"});
  moment_ = context.number("moment");
  // The overview does not show the curves over w.
  const bool walked = walkedFor_ == walkedFor, plainStands = plainFor_ == plainFor,
             sweepStands = sweptFor_ == sweptFor || context.text("show") != "guidance";
  if (walked && sweepStands) return {};
  walkedFor_.clear(), plainFor_.clear();

  // The classes: the blobs of a scene, or one Gaussian against another.
  const auto number = static_cast<std::size_t>(context.integer("class"));
  pair_ = id == "pair";
  if (pair_) {
    PlanarDensity none, one;
    none.components = {{1, 0, 0, pairVariance, pairVariance, 0}}, none.reach = 1.6;
    one.components = {{1, pairMean, 0, pairVariance, pairVariance, 0}};
    scene_ = planeScene("pair", none), own_ = planeScene("class", one);
  } else {
    auto scene = planeScene(id);
    if (!scene) return scene.error();
    if (number >= scene->density.components.size()) {
      return makeError(ErrorCode::usage,
                       trf("There are the classes 0 to {}, class {} was asked for", scene->density.components.size() - 1, number));
    }
    scene_ = *std::move(scene);
    own_ = alone(scene_.density, number);
  }
  w_ = context.number("guidance");
  kappa_ = context.number("shift");
  options_ = {};
  options_.dimension = 2;
  sampler_ = diffusion::namedSampler(context.text("sampler"), options_);
  const auto levels = shiftedLevels(static_cast<int>(context.integer("steps")), kappa_);
  if (!levels) return levels.error();
  levels_ = *levels;
  seed_ = static_cast<std::uint64_t>(context.integer("seed"));
  const auto particles = static_cast<std::size_t>(context.integer("particles"));
  const auto walkInto = [&](Walk& into, double w) -> Expected<void> {
    if (context.cancelled()) return makeError(ErrorCode::cancelled, tr("cancelled"));
    auto one = walk(w, particles, true);
    if (!one) return one.error();
    into = *std::move(one);
    return {};
  };
  if (!plainStands) {
    if (auto done = walkInto(without_, 0); !done) return done;
    if (auto done = walkInto(plain_, 1); !done) return done;
  }
  if (!walked) {
    if (auto done = walkInto(guided_, w_); !done) return done;
  }
  if (!sweepStands) {
    sweptFor_.clear(), sweepW_.clear(), sweep_.clear();
    for (const double w : {0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 15.0}) {
      if (context.cancelled()) return makeError(ErrorCode::cancelled, tr("cancelled"));
      const auto one = walk(w, sweepParticles, false);
      if (!one) return one.error();
      sweepW_.push_back(w), sweep_.push_back(one->ends);
    }
    sweptFor_ = sweptFor;
  }
  walkedFor_ = walkedFor, plainFor_ = plainFor;
  return {};
}

const diffusion::Visit& Guidance::visitOf(const Walk& walk) const {
  return walk.visits[static_cast<std::size_t>(std::lround(moment_ * static_cast<double>(walk.visits.size() - 1)))];
}

// Particles and their trails in the path's own coordinates, x_t = (1 - t) x; behind them the law asked for, without noise.
Panel Guidance::canvas(const char* id, const Walk& walk, bool trails) const {
  Panel panel = planePanel(id, half());
  const auto& now = visitOf(walk);
  const double t = now.level / (1 + now.level);
  panel.title = walk.w == 0 ? tr("No class, w = 0") : walk.w == 1 ? tr("The class alone, w = 1") : trf("Guided, w = {:.3g}", walk.w);
  panel.note = moment_ < 1 ? trf("t = {:.3f}", t) : trf("outside of the class's 99 %: {:.0f} %", 100 * walk.ends.outside);
  if (walk.w == 0 && moment_ >= 1) panel.note.clear();
  panel.marks.push_back(hostDensityMark(walk.w == 0 ? scene_ : own_, 1, 0, half()));
  if (walk.w != 0 && !pair_) {
    // Where the other classes are.
    auto rings = std::make_shared<PointsMark>("classes");
    std::vector<float> xy;
    for (const auto& c : scene_.density.components) xy.insert(xy.end(), {static_cast<float>(c.x), static_cast<float>(c.y)});
    rings->xy = Tensor::from(Shape{static_cast<std::int64_t>(xy.size() / 2), 2}, xy);
    rings->shape = PointShape::ring;
    rings->radius = 4;
    rings->paint = Paint::of(Role::muted, 0.8f);
    rings->name = tr("class");
    panel.marks.push_back(std::move(rings));
  }
  if (trails) {
    const auto last = static_cast<std::size_t>(std::lround(moment_ * static_cast<double>(walk.visits.size() - 1)));
    const std::size_t lines = std::min(trailCount, now.x.size() / 2);
    std::vector<float> xy;
    for (std::size_t i = 0; i <= last; ++i) {
      const auto& visit = walk.visits[i];
      for (std::size_t k = 0; k < 2 * lines; ++k) xy.push_back(static_cast<float>(visit.x[k] / (1 + visit.level)));
    }
    if (last > 0) {
      auto paths = std::make_shared<PathsMark>("trails");
      paths->xy = Tensor::from(Shape{static_cast<std::int64_t>(last + 1), static_cast<std::int64_t>(lines), 2}, xy);
      paths->stepCount = static_cast<std::int64_t>(last + 1);
      paths->paint = Paint::of(Role::muted, 0.45f);
      paths->knownBounds = Bounds{Range{-half(), half()}, Range{-half(), half()}};
      panel.marks.push_back(std::move(paths));
    }
  }
  panel.marks.push_back(cloudMark("samples", pairsOf(now.x, 1 / (1 + now.level)), Paint::of(Role::estimate, 0.7f), half()));
  return panel;
}

Panel Guidance::sweepPanel() const {
  Panel panel;
  panel.id = "sweep";
  panel.title = pair_ ? tr("The mean moves with w, the spread stays") : tr("What guidance buys, and what it costs");
  panel.x.label = tr("guidance w");
  panel.x.range = Range{0, 15.4};
  const auto add = [&](const char* id, double (*of)(const Ends&), Paint paint, const std::string& name, bool dashed = false) {
    std::vector<double> y;
    for (const Ends& ends : sweep_) y.push_back(of(ends));
    auto curve = curveOf(id, sweepW_, y, paint, name);
    curve->markers = true;
    curve->directLabel = false;
    if (dashed) curve->dash = {4, 2};
    panel.marks.push_back(std::move(curve));
  };
  if (pair_) {
    panel.y.label = tr("data units");
    add(
        "mean", [](const Ends& e) { return e.meanX; }, Paint::of(Role::estimate), tr("mean of the samples"));
    add(
        "deviation", [](const Ends& e) { return std::sqrt(e.varianceX); }, Paint::series(5), tr("their deviation"));
    auto exact = curveOf("exact", {0, 15}, {0, 15 * pairMean}, Paint::of(Role::data), tr("w m"));
    exact->dash = {3, 2};
    exact->directLabel = false;
    panel.marks.push_back(std::move(exact));
  } else {
    panel.y.label = tr("share or ratio");
    panel.y.range = Range{0, 1.12};
    add(
        "certainty", [](const Ends& e) { return e.certainty; }, Paint::of(Role::good), tr("p(class | sample)"));
    add(
        "outside", [](const Ends& e) { return e.outside; }, Paint::of(Role::falsePositive), tr("outside of the class's 99 %"));
    add(
        "spread", [](const Ends& e) { return e.spread; }, Paint::of(Role::muted), tr("spread / the class's own"), true);
  }
  auto rule = std::make_shared<RuleMark>("w");
  rule->at = w_;
  rule->paint = Paint::of(Role::accent);
  panel.marks.push_back(std::move(rule));
  panel.handles.push_back({"w", w_, 0, Handle::Kind::verticalLine, tr("Guidance w")});
  return panel;
}

// What guidance adds to the class's own velocity: towards the data, (w - 1)(D_class - D_none) / t.
Panel Guidance::pushPanel() const {
  Panel panel = planePanel("push", half());
  const double level = std::clamp(visitOf(guided_).level, 0.5, 20.0), t = level / (1 + level);
  panel.title = tr("Where guidance pushes");
  panel.note = trf("t = {:.2f}", t);
  constexpr int cells = 15;
  State at(2 * cells * cells);
  for (std::size_t i = 0; i < cells * cells; ++i) {
    // In the state's coordinates; the denoiser takes x / (1 - t).
    at[2 * i] = half() * (2 * (static_cast<double>(i % cells) + 0.5) / cells - 1) / (1 - t);
    at[2 * i + 1] = half() * (2 * (static_cast<double>(i / cells) + 0.5) / cells - 1) / (1 - t);
  }
  const State push = denoise(at, level, 1) - denoise(at, level, 0);
  std::vector<float> xy, uv;
  double most = 0;
  for (std::size_t i = 0; i < cells * cells; ++i) {
    xy.insert(xy.end(), {static_cast<float>(at[2 * i] * (1 - t)), static_cast<float>(at[2 * i + 1] * (1 - t))});
    uv.insert(uv.end(), {static_cast<float>((w_ - 1) * push[2 * i] / t), static_cast<float>((w_ - 1) * push[2 * i + 1] / t)});
    most = std::max(most, static_cast<double>(std::hypot(uv[2 * i], uv[2 * i + 1])));
  }
  panel.marks.push_back(hostDensityMark(scene_, 1 - t, level, half()));
  if (most > 0) {
    auto field = std::make_shared<VectorFieldMark>("push");
    field->xy = Tensor::from(Shape{cells * cells, 2}, xy), field->uv = Tensor::from(Shape{cells * cells, 2}, uv);
    field->paint = Paint::of(Role::stochastic);
    panel.marks.push_back(std::move(field));
  }
  return panel;
}

Panel Guidance::overview() const { return canvas("guided", guided_, true); }

Figure Guidance::detail() const {
  Figure figure;
  place(figure, canvas("unguided", without_, false), 0, 0);
  place(figure, canvas("conditional", plain_, false), 0, 1);
  place(figure, canvas("guided", guided_, true), 0, 2);
  place(figure, pushPanel(), 1, 0);
  place(figure, sweepPanel(), 1, 1, 1, 2);
  return figure;
}

void Guidance::addMetrics(std::vector<Metric>& metrics) const {
  const auto add = [&](const std::string& name, const Ends& ends) {
    metrics.push_back({"guidance." + name + ".mean.x", ends.meanX, ""});
    metrics.push_back({"guidance." + name + ".mean.y", ends.meanY, ""});
    metrics.push_back({"guidance." + name + ".variance.x", ends.varianceX, ""});
    metrics.push_back({"guidance." + name + ".certainty", ends.certainty, ""});
    metrics.push_back({"guidance." + name + ".outside", ends.outside, ""});
  };
  add("unguided", without_.ends);
  add("conditional", plain_.ends);
  add("guided", guided_.ends);
}

Changes Guidance::pointer(const PointerEvent& event, const Values&) const {
  if (event.kind != PointerEvent::Kind::drag || event.handle != "w") return {};
  return {{"guidance", std::clamp(std::round(10 * event.x) / 10, 0.0, 15.0)}};
}

}  // namespace orrery::generative::sd3
