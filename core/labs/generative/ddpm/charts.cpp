// The charts of the lab ddpm: schedule, signal to noise, variances, the bound, loss weights, distance.

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/text.h"
#include "core/labs/generative/ddpm/lab.h"

namespace orrery::generative {

namespace {

constexpr double gap = std::numeric_limits<double>::quiet_NaN();

std::string titleOf(const std::string& schedule) {
  if (schedule == "scaled-linear") return tr("Scaled linear β");
  if (schedule == "cosine") return tr("Cosine");
  if (schedule == "zero-snr") return tr("Zero terminal SNR");
  if (schedule == "drawn") return tr("Drawn by hand");
  return tr("Linear β");
}

// At most about 500 points of t = 1 .. T, both ends and every step near data included.
std::vector<int> timesOf(const Chain& chain) {
  std::vector<int> times;
  const int T = chain.steps();
  for (int t = 1; t <= T; t += t < 50 ? 1 : std::max(1, T / 400)) times.push_back(t);
  if (times.back() != T) times.push_back(T);
  return times;
}

template <class F>
std::shared_ptr<LineMark> over(const Chain& chain, std::string id, Paint paint, std::string label, const F& value, bool dashed = false) {
  std::vector<double> x, y;
  for (const int t : timesOf(chain)) {
    x.push_back(t);
    y.push_back(value(t));
  }
  auto line = curveOf(std::move(id), x, y, paint, std::move(label));
  if (dashed) line->dash = {3, 2};
  line->xName = "t";
  line->yName = line->label;
  return line;
}

}  // namespace

Axis Ddpm::timeAxis() const {
  Axis axis;
  axis.label = tr("step t (data at 0)");
  axis.range = Range{0, static_cast<double>(main_.chain.steps())};
  axis.reversed = true;
  return axis;
}

void Ddpm::addNow(Panel& panel) const {
  auto now = std::make_shared<RuleMark>("now");
  now->at = time();
  now->paint = Paint::of(Role::accent);
  panel.marks.push_back(now);
}

Panel Ddpm::schedulePanel() const {
  Panel panel;
  panel.id = "schedule";
  const int cross = main_.chain.crossing();
  panel.title = main_.chain.snr(main_.chain.steps()) > 1 ? tr("Signal outweighs noise to the end")
                                                         : trf("Signal and noise are equal at step {}", cross);
  panel.note = titleOf(main_.kind);
  panel.x = timeAxis();
  panel.y.range = Range{-0.02, 1.05};
  panel.y.grid = true;
  const auto add = [&](const ChainResult& one, bool dashed, const std::string& end) {
    const Chain& c = one.chain;
    panel.marks.push_back(over(
        c, "alpha-bar" + end, Paint::of(Role::data, dashed ? 0.6f : 1.0f), dashed ? "" : "ᾱ",
        [&](int t) { return c.alphaBar[static_cast<std::size_t>(t)]; }, dashed));
    panel.marks.push_back(over(
        c, "one-minus" + end, Paint::of(Role::stochastic, dashed ? 0.6f : 1.0f), dashed ? "" : "1 − ᾱ",
        [&](int t) { return c.oneMinus[static_cast<std::size_t>(t)]; }, dashed));
    panel.marks.push_back(over(
        c, "keep" + end, Paint::of(Role::deterministic, dashed ? 0.6f : 1.0f), dashed ? "" : "√(1 − β)",
        [&](int t) { return std::sqrt(1 - c.beta[static_cast<std::size_t>(t)]); }, dashed));
  };
  if (other_) add(*other_, true, "-compared");
  add(main_, false, "");
  addNow(panel);
  return panel;
}

Panel Ddpm::snrPanel() const {
  Panel panel;
  panel.id = "snr";
  panel.title = tr("How much signal is left: λ = ln (α / σ)");
  panel.note = titleOf(main_.kind);
  panel.x = timeAxis();
  panel.y.grid = true;
  // A chain that ends without signal would stretch the axis.
  const auto lambda = [](const Chain& chain) { return [&chain](int t) { return std::max(-std::log(chain.level(t)), -8.0); }; };
  if (other_) {
    auto line = over(other_->chain, "compared", Paint::of(Role::muted), titleOf(other_->kind), lambda(other_->chain), true);
    panel.marks.push_back(line);
  }
  panel.marks.push_back(over(main_.chain, "lambda", Paint::of(Role::estimate), titleOf(main_.kind), lambda(main_.chain)));
  auto even = std::make_shared<RuleMark>("even");
  even->vertical = false;
  even->at = 0;
  even->tag = tr("SNR = 1");
  panel.marks.push_back(even);
  addNow(panel);
  return panel;
}

Panel Ddpm::betaPanel() const {
  Panel panel;
  panel.id = "beta";
  const Chain& c = main_.chain;
  panel.title = tr("How much noise a step adds");
  panel.note = tr("drag a point to draw β");
  panel.x = timeAxis();
  panel.y.scale = ScaleKind::log;
  panel.y.label = "β";
  panel.y.grid = true;
  const auto betaOf = [](const Chain& chain) { return [&chain](int t) { return chain.beta[static_cast<std::size_t>(t)]; }; };
  if (other_)
    panel.marks.push_back(over(other_->chain, "compared", Paint::of(Role::muted), titleOf(other_->kind), betaOf(other_->chain), true));
  panel.marks.push_back(over(c, "beta", Paint::of(Role::stochastic), titleOf(main_.kind), betaOf(c)));
  for (std::size_t k = 0; k < 5; ++k) {
    const int t = static_cast<int>(std::lround(1 + static_cast<double>(k) / 4 * (c.steps() - 1)));
    const double beta = c.beta[static_cast<std::size_t>(t)];
    if (beta < 1)
      panel.handles.push_back(
          {"beta-" + std::to_string(k), static_cast<double>(t), beta, Handle::Kind::point, fmt::format("β = {:.3g}", beta)});
  }
  addNow(panel);
  return panel;
}

// Reverse variances as shares of the forward one.
Panel Ddpm::variancePanel() const {
  Panel panel;
  panel.id = "variance";
  const Chain& c = main_.chain;
  panel.title = tr("The best reverse variance lies between β˜ and β");
  panel.note = tr("as a share of β");
  panel.x.label = tr("step t (data at 0)");
  panel.x.scale = ScaleKind::log;
  panel.x.reversed = true;
  panel.x.range = Range{1, static_cast<double>(c.steps())};
  panel.y.range = Range{0, 1.1};
  panel.y.grid = true;
  std::vector<double> best = reverseVariances(c, ReverseVariance::analytic, 0, main_.error);
  if (main_.error[1] == 0) best[1] = 0;  // data without width: nothing is left to guess, though a density needs some variance
  const auto share = [&](const std::vector<double>& variance) {
    return [&variance, &c](int t) { return variance[static_cast<std::size_t>(t)] / c.beta[static_cast<std::size_t>(t)]; };
  };
  auto used = over(c, "used", Paint::of(Role::accent, 0.4f), tr("used"), share(main_.variance));
  used->width = 4;
  used->directLabel = false;
  panel.marks.push_back(used);
  panel.marks.push_back(over(c, "beta", Paint::of(Role::stochastic), "β", [](int) { return 1.0; }));
  panel.marks.push_back(over(c, "beta-tilde", Paint::of(Role::deterministic), "β˜",
                             [&](int t) { return c.posteriorVariance(t) / c.beta[static_cast<std::size_t>(t)]; }));
  panel.marks.push_back(over(c, "analytic", Paint::of(Role::data), tr("best"), share(best), true));
  if (time() > 0) addNow(panel);
  return panel;
}

// The terms of the bound from noise to data, in bars of equal parts of ln t, with the running total.
Panel Ddpm::boundPanel() const {
  Panel panel;
  panel.id = "bound";
  const int T = main_.chain.steps();
  std::vector<int> edges{T};  // bars hold t in (edges[i + 1], edges[i]]
  constexpr int most = 20;
  for (int k = 1; k < most; ++k) {
    const int edge = static_cast<int>(std::lround(T * std::pow(1.0 / T, static_cast<double>(k) / most)));
    if (edge < edges.back() && edge > 1) edges.push_back(edge);
  }
  edges.push_back(1);
  const std::size_t bars = edges.size() - 1;
  const auto heights = [&](const ChainResult& one) {
    std::vector<double> values{one.terms[0]};
    for (std::size_t i = 0; i < bars; ++i) {
      double sum = 0;
      for (int t = edges[i + 1] + 1; t <= edges[i]; ++t) sum += one.terms[static_cast<std::size_t>(t)];
      values.push_back(sum);
    }
    values.push_back(one.terms[1]);
    return values;
  };
  panel.x.scale = ScaleKind::categorical;
  panel.x.categories = {"L(T)"};
  for (std::size_t i = 0; i < bars; ++i)
    panel.x.categories.push_back(edges[i] == edges[i + 1] + 1 ? std::to_string(edges[i])
                                                              : fmt::format("{}–{}", edges[i], edges[i + 1] + 1));
  panel.x.categories.push_back("L(0)");
  panel.x.label = tr("terms of the bound, by step t");
  panel.y.label = tr("nats per axis");
  panel.y.grid = true;
  const bool known = std::isfinite(error_.entropy());
  // Beside the bars of the schedule compared with, or of the exact denoiser when a network is shown.
  const ChainResult* network = learning_ || dropped_ ? learned() : nullptr;
  const ChainResult& first = network != nullptr ? *network : main_;
  const ChainResult* second = network != nullptr ? &main_ : other_ ? &*other_ : nullptr;
  const std::string total = fmt::format("{:.4f}", first.total());
  if (network != nullptr)
    panel.title = trf("The network's bound is {} nats per axis; with the exact denoiser {}", total, fmt::format("{:.4f}", main_.total()));
  else
    panel.title = known ? trf("The bound is {} nats per axis; the exact value is {}", total, fmt::format("{:.4f}", error_.entropy()))
                        : trf("The bound is {} nats per axis; data without width have no density", total);
  const std::vector<double> main = heights(first);
  std::vector<double> place, mainPlace, running;
  double sum = 0;
  for (std::size_t i = 0; i < main.size(); ++i) {
    place.push_back(static_cast<double>(i));
    mainPlace.push_back(static_cast<double>(i) - (second != nullptr ? 0.2 : 0));
    running.push_back(sum += main[i]);
  }
  if (second != nullptr) {
    auto bar = std::make_shared<BarsMark>("compared");
    std::vector<double> shifted = place;
    for (double& p : shifted) p += 0.2;
    bar->position = columnOf(shifted);
    bar->value = columnOf(heights(*second));
    bar->thickness = 0.38;
    bar->paint = Paint::of(Role::muted, 0.8f);
    bar->label = network != nullptr ? tr("exact denoiser") : trf("{}: {}", titleOf(second->kind), fmt::format("{:.4f}", second->total()));
    bar->directLabel = false;
    panel.marks.push_back(bar);
  }
  auto bar = std::make_shared<BarsMark>("terms");
  bar->position = columnOf(mainPlace);
  bar->value = columnOf(main);
  bar->thickness = second != nullptr ? 0.38 : 0.76;
  bar->paint = Paint::of(Role::estimate, 0.85f);
  bar->label = network != nullptr ? tr("network") : second != nullptr ? trf("{}: {}", titleOf(main_.kind), total) : tr("terms");
  bar->directLabel = false;
  panel.marks.push_back(bar);
  auto line = curveOf("running", place, running, Paint::of(Role::stochastic), tr("running total"));
  line->directLabel = false;
  line->markers = true;
  panel.marks.push_back(line);
  if (known) {
    const double left = -0.5, right = static_cast<double>(main.size()) - 0.5;
    auto exact = curveOf("nll", {left, right}, {error_.entropy(), error_.entropy()}, Paint::of(Role::data), tr("exact value"));
    exact->directLabel = false;
    exact->dash = {3, 2};
    panel.marks.push_back(exact);
  }
  return panel;
}

// What each weighting says about the squared error of the predicted quantity, scaled to mean 1 over t.
Panel Ddpm::weightPanel() const {
  Panel panel;
  panel.id = "weights";
  const Chain& c = main_.chain;
  const auto factor = [&](int t) { return target_.factor(c, t); };
  const std::string quantity = predict_ == "x0"      ? "x₀"
                               : predict_ == "v"     ? "v"
                               : predict_ == "score" ? tr("score")
                               : predict_ == "mean"  ? "μ"
                                                     : "ε";
  panel.title = trf("Which steps the loss listens to, as a weight of |{} error|²", quantity);
  panel.note = tr("scaled to mean 1");
  panel.x = timeAxis();
  panel.y.scale = ScaleKind::log;
  panel.y.label = tr("weight");
  const struct {
    const char* id;
    LossWeight kind;
    Paint paint;
    std::string label;
  } kinds[] = {{"simple", LossWeight::simple, Paint::of(Role::data), tr("simple")},
               {"bound", LossWeight::bound, Paint::of(Role::stochastic), tr("bound")},
               {"clipped", LossWeight::clipped, Paint::of(Role::estimate), trf("min(SNR, {:.2g})", gamma_)}};
  for (const auto& kind : kinds) {
    double mean = 0;
    for (int t = 1; t <= c.steps(); ++t) mean += lossWeight(c, main_.variance, t, kind.kind, gamma_) * factor(t) / c.steps();
    auto line = over(c, kind.id, kind.paint, kind.label, [&](int t) {
      const double value = lossWeight(c, main_.variance, t, kind.kind, gamma_) * factor(t) / mean;
      return value > 1e-12 ? value : gap;
    });
    line->width = kind.id == lossWeight_ ? 2.2f : 1;
    panel.marks.push_back(line);
  }
  addNow(panel);
  return panel;
}

Panel Ddpm::distancePanel() const {
  Panel panel;
  panel.id = "distance";
  std::vector<double> x, value, floor, zero;
  double high = 0;
  for (const ChainTick& tick : ticks_) {
    high = std::max({high, tick.sliced, 1.5 * tick.floor});
    if (tick.frame > frame_) continue;
    x.push_back(static_cast<double>(learning_ ? trainedAt(tick.frame) : timeAt(tick.frame)));
    value.push_back(tick.sliced);
    floor.push_back(tick.floor);
    zero.push_back(0);
  }
  const ChainTick& now = tick();
  panel.title = now.sliced > 2 * now.floor ? tr("The reverse chain is not where the forward chain was")
                                           : tr("The reverse chain is where the forward chain was");
  panel.note = tr("sliced W₂");
  panel.x = timeAxis();
  if (learning_) {
    panel.x.reversed = false;
    panel.x.label = tr("training steps");
    panel.x.range = Range{0, static_cast<double>(trainSteps_)};
  }
  panel.y.range = Range{0, 1.1 * std::max(high, 1e-3)};
  panel.y.grid = true;
  auto band = std::make_shared<BandMark>("floor");
  band->x = columnOf(x);
  band->low = columnOf(zero);
  band->high = columnOf(floor);
  band->label = tr("sampling noise");
  panel.marks.push_back(band);
  auto line = curveOf("reverse", x, value, Paint::of(Role::stochastic), tr("reverse chain"));
  line->markers = true;
  panel.marks.push_back(line);
  if (!learning_) addNow(panel);
  return panel;
}

Panel Ddpm::trainingPanel() const {
  Panel panel;
  panel.id = "training";
  panel.title = tr("The loss falls towards the noise no network can know");
  if (!learning_) {
    panel.title.clear();
    panel.message = tr("Choose the network as the denoiser and press play");
    return panel;
  }
  panel.note = trf("{} parameters", formatNumber(static_cast<double>(network_.network().parameters())));
  panel.x.label = tr("training steps");
  panel.x.range = Range{0, static_cast<double>(trainSteps_)};
  panel.y.label = tr("loss");
  panel.y.grid = true;
  std::vector<double> x, y;
  double high = leastLoss_;
  for (const auto& [frame, loss] : losses_) {
    if (frame > frame_) break;
    x.push_back(static_cast<double>(trainedAt(frame)));
    y.push_back(loss);
    high = std::max(high, loss);
  }
  panel.y.range = Range{0, 1.15 * std::max(high, 1e-6)};
  panel.marks.push_back(curveOf("loss", x, y, Paint::of(Role::estimate), tr("loss")));
  auto least = std::make_shared<RuleMark>("least");
  least->vertical = false;
  least->at = leastLoss_;
  least->tag = tr("exact denoiser");
  panel.marks.push_back(least);
  return panel;
}

Panel Ddpm::lowerPanel(const std::string& kind) const {
  if (kind == "snr") return snrPanel();
  if (kind == "beta") return betaPanel();
  if (kind == "variance") return variancePanel();
  if (kind == "bound") return boundPanel();
  if (kind == "weights") return weightPanel();
  if (kind == "distance") return distancePanel();
  if (kind == "training") return trainingPanel();
  return schedulePanel();
}

}  // namespace orrery::generative
