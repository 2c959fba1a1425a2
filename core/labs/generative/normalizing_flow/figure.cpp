// The pictures of the lab normalizing-flow's own: the density between two blobs, the table of flows and diffusions, and where everything
// stands.

#include <algorithm>
#include <cmath>

#include "core/base/text.h"
#include "core/kernels/mixture.h"
#include "core/labs/generative/normalizing_flow/lab.h"
#include "core/labs/generative/shared/curves.h"

namespace orrery::generative {

namespace flows = models::flows;

namespace {

constexpr std::int64_t linePoints = 241;
constexpr double inverseAllowed = 1e-4;  // data units
constexpr double tableWidth = 10, columnStart[] = {0, 2.15, 6.1};

}  // namespace

Tensor NormalizingFlow::bridgeLine(std::vector<double>& at) const {
  const kernels::Component &a = scene_.density.components[0], &b = scene_.density.components[1];
  std::vector<float> xy;
  at.clear();
  for (std::int64_t i = 0; i < linePoints; ++i) {
    at.push_back(-1.0 / 3 + (5.0 / 3) * static_cast<double>(i) / (linePoints - 1));
    xy.insert(xy.end(), {static_cast<float>(a.x + at.back() * (b.x - a.x)), static_cast<float>(a.y + at.back() * (b.y - a.y))});
  }
  return Tensor::from(Shape{linePoints, 2}, xy);
}

NormalizingFlow::Bridge NormalizingFlow::bridge() const {
  Bridge bridge;
  const Tensor line = bridgeLine(bridge.at);
  nn::Tape tape(*stream_);
  const auto weights = nn::constants(tape, trainer_.weights());
  const auto model = flows::logLikelihood(flow_, prior_, weights, tape.constant(line)).value().toFloats();
  const auto data = kernels::mixture(*stream_, table_, line, 1, 1e-6, kernels::MixtureOutput::logDensity).toFloats();
  bridge.model.assign(model.begin(), model.end());
  bridge.data.assign(data.begin(), data.end());
  bridge.thinnest = bridge.thinnestData = 1e30;
  for (std::size_t i = 0; i < bridge.at.size(); ++i) {
    if (bridge.at[i] < 0 || bridge.at[i] > 1) continue;
    bridge.thinnest = std::min(bridge.thinnest, bridge.model[i]);
    bridge.thinnestData = std::min(bridge.thinnestData, bridge.data[i]);
  }
  return bridge;
}

Panel NormalizingFlow::bridgePanel(const Bridge& bridge) const {
  Panel panel;
  panel.id = "bridge";
  panel.title = trf("Between two blobs: at least {:.1e}", std::exp(bridge.thinnest));
  panel.note = trf("data {:.1e}", std::exp(bridge.thinnestData));
  const double top =
      std::max(*std::max_element(bridge.model.begin(), bridge.model.end()), *std::max_element(bridge.data.begin(), bridge.data.end()));
  const double floor = std::min(bridge.thinnest, bridge.thinnestData) - 1;
  const auto density = [&](const std::vector<double>& logarithm) {
    std::vector<double> values;
    for (const double v : logarithm) values.push_back(std::exp(std::max(v, floor)));
    return values;
  };
  auto data = curveOf("data", bridge.at, density(bridge.data), Paint::of(Role::data), tr("data"));
  data->dash = {3, 2};
  auto model = curveOf("model", bridge.at, density(bridge.model), Paint::of(Role::estimate), tr("model"));
  model->width = 1.5f;
  std::vector lines{data, model};
  if (!diffusion_.line.empty()) {
    lines.push_back(curveOf("diffusion", bridge.at, density(diffusion_.line), Paint::series(5), tr("diffusion ODE")));
  }
  for (const auto& line : lines) {
    line->xName = tr("way"), line->yName = tr("density");
    panel.marks.push_back(line);
  }
  panel.x.label = tr("from blob 0 to blob 1");
  panel.x.range = Range{-1.0 / 3, 4.0 / 3};
  panel.y.scale = ScaleKind::log;
  panel.y.label = tr("density p(x)");
  panel.y.range = Range{std::exp(floor), std::exp(top + 0.5)};
  return panel;
}

std::vector<NormalizingFlow::TableRow> NormalizingFlow::tableRows() const {
  const PlaneFlowRecord* now = record();
  const std::string nll = now != nullptr && !diffusing_ ? trf("exact; {:.3f} nats here", now->likelihood) : tr("exact");
  const std::string ode = diffusion_.steps > 0 ? trf("by the ODE, {} calls; {:.3f} nats here", 4 * diffusion_.steps, diffusion_.likelihood)
                                               : tr("by the ODE, or a bound");
  return {
      {tr("learnt map"),
       tr("between data and noise, both ways"),
       tr("noise to data; the way to noise is fixed"),
       {{"direction", std::string("to-data")}}},
      {tr("laws between"), tr("whatever training makes of them"), tr("the data's, blurred by a Gaussian"), {{"way", 0.5}}},
      {tr("network"), tr("must be invertible"), tr("any"), {{"lower-left", std::string("strip")}}},
      {tr("latents"), tr("as many as the data"), tr("as many as the data"), {{"way", 1.0}}},
      {tr("training"), tr("exact −ln p of whole chains"), tr("a regression per noise level"), {}},
      {tr("likelihood"), nll, ode, {{"lower-right", std::string("bridge")}}},
      {tr("calls per sample"),
       calls() > 0 && !diffusing_ ? trf("{} here", calls()) : tr("one pass"),
       diffusion_.steps > 0 ? trf("{} here", 4 * diffusion_.steps) : tr("many"),
       {{"direction", std::string("to-data")}, {"way", 0.0}}},
      {tr("topology"), tr("keeps the base's: bridges"), tr("the ODE keeps it too; noise tears"), {{"lower-right", std::string("bridge")}}},
  };
}

// Rows from above; a click on a cell shows it live.
Panel NormalizingFlow::tablePanel() const {
  Panel panel;
  panel.id = "table";
  panel.frameless = true;
  panel.legend = false;
  panel.title = tr("Flow against diffusion");
  panel.note = tr("click a cell to see it live");
  panel.y.reversed = true;
  const auto rows = tableRows();
  auto words = std::make_shared<TextMark>("cells");
  const auto put = [&](std::size_t column, double y, const std::string& text, Paint paint, Weight weight = Weight::regular) {
    words->words.push_back({columnStart[column], y + 0.5, text, paint, HAlign::left, VAlign::middle, 7.5f, weight, 0});
  };
  put(1, 0, tr("normalizing flow"), Paint::of(diffusing_ ? Role::ink : Role::accent), Weight::semibold);
  put(2, 0, tr("diffusion"), Paint::of(diffusing_ ? Role::accent : Role::ink), Weight::semibold);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const double y = static_cast<double>(r) + 1;
    put(0, y, rows[r].name, Paint::of(Role::muted));
    put(1, y, rows[r].flow, Paint::of(Role::ink));
    put(2, y, rows[r].diffusion, Paint::of(Role::ink));
  }
  panel.marks.push_back(words);
  panel.x.range = Range{0, tableWidth};
  panel.y.range = Range{0, static_cast<double>(rows.size()) + 1};
  return panel;
}

Changes NormalizingFlow::tableChanges(double x, double y) const {
  const auto rows = tableRows();
  const auto row = static_cast<std::int64_t>(std::floor(y)) - 1;
  if (x < columnStart[1] || x > tableWidth || row < -1 || row >= static_cast<std::int64_t>(rows.size())) return {};
  const bool diffusion = x >= columnStart[2];
  Changes changes;
  if (diffusion != diffusing_) changes.push_back({"family", std::string(diffusion ? "diffusion" : "both")});
  if (row >= 0)
    changes.insert(changes.end(), rows[static_cast<std::size_t>(row)].shows.begin(), rows[static_cast<std::size_t>(row)].shows.end());
  return changes;
}

Figure NormalizingFlow::figure() const {
  if (samples_.empty()) return {};
  Figure figure = flowFigure(tr("Normalizing flows"), volumesPanel(), lowerLeft_ == "table" ? tablePanel() : stripPanel(),
                             lowerRight_ == "inverse" || !bridged() ? inversePanel() : bridgePanel(bridge()));
  for (Panel& panel : figure.panels) {
    // What a look along the whole way costs.
    if (panel.id != "layers") continue;
    if (hasVelocity()) panel.note += trf(", {} calls of the velocity one way", calls());
    // Everything on these pictures hangs on both directions.
    const double worst = errors_.empty() ? 0 : *std::max_element(errors_.begin(), errors_.end());
    if (worst <= inverseAllowed) continue;
    panel.note += hasVelocity() && adaptive_->tolerance == 0 ? trf("; the inverse is off by {:.0e}: too few steps of the solver", worst)
                                                             : trf("; the inverse is off by {:.0e}", worst);
  }
  if (hand_ != Hand::none) {
    for (Panel& panel : figure.panels) {
      if (panel.id == "density") addHand(panel);
    }
  }
  return figure;
}

}  // namespace orrery::generative
