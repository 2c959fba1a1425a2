#include "core/labs/generative/shared/plane_network.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/diffusion/noise.h"
#include "core/kernels/elementwise.h"
#include "core/labs/generative/shared/curves.h"
#include "core/labs/generative/shared/network_velocity.h"
#include "core/labs/generative/shared/stated_network.h"

namespace orrery::generative {

using diffusion::State;

namespace {

constexpr int judgedLevels = 24;
constexpr std::size_t judgedPoints = 1024, complainedPoints = 128;
constexpr std::uint32_t judgePurpose = 0x6E7;  // of random numbers: the points, and in diffusion::Noise their noise

bool networked(const Values& values) { return std::get<std::string>(values.find("denoiser")->second) == "network"; }

Tensor rowsOf(const State& pairs) {
  return Tensor::from(Shape{static_cast<std::int64_t>(pairs.size() / 2), 2}, std::vector<float>(pairs.begin(), pairs.end()));
}

std::string shortly(double error) { return fmt::format("{:.2g}", error); }

}  // namespace

std::vector<Parameter> planeDenoiserParameters(std::string help) {
  std::vector<Parameter> parameters = {{"denoiser", "Denoiser", std::move(help), "Denoiser", std::string("exact"),
                                        Choice{{{"exact", "Exact"}, {"network", "Your network"}}}}};
  const auto network = planeNetworkParameters(networked, "network-schedule");
  parameters.insert(parameters.end(), network.begin(), network.end());
  return parameters;
}

Expected<PlaneNetwork> chosenPlaneNetwork(const LabContext& context, PlaneNetwork known) {
  if (context.text("denoiser") != "network") return PlaneNetwork();
  if (known && !pointNetworkChanged(context, "network-schedule")) return known;
  return statedPlaneNetwork(context, tr("choose the exact denoiser"), "network-schedule");
}

State denoiseOnDevice(gpu::Stream& stream, const models::PointDenoiser& network, const State& x, double level) {
  const Tensor clean = network.denoise(stream, rowsOf(x), level);
  const auto values = clean.as<float>();
  return State(std::vector<double>(values.begin(), values.end()));
}

Error ranAway() {
  return makeError(ErrorCode::badInput,
                   tr("Under your network the particles ran away beyond all numbers: check what is said of it, or take smaller steps"));
}

double NetworkErrors::at(double level) const {
  const auto nearer = [&](const auto& a, const auto& b) {
    const double now = std::log(std::max(level, levels.back().first));
    return std::abs(std::log(a.first) - now) < std::abs(std::log(b.first) - now);
  };
  return levels.empty() ? 0 : std::min_element(levels.begin(), levels.end(), nearer)->second;
}

double networkError(gpu::Stream& stream, const kernels::MixtureTable& exact, const models::PointDenoiser& network, const Tensor& x,
                    double level) {
  return rootMeanSquare(network.denoise(stream, x, level), kernels::mixture(stream, exact, x, 1, level, kernels::MixtureOutput::denoiser));
}

NetworkErrors judgeNetwork(gpu::Stream& stream, const kernels::MixtureTable& exact, const models::PointDenoiser& network,
                           const PlaneScene& scene, double top, double bottom, std::uint64_t seed) {
  NetworkErrors errors;
  const State clean = scene.draw(seed, judgedPoints, judgePurpose), noise = diffusion::Noise(seed, clean.size()).fresh(0, judgePurpose);
  for (int k = 0; k < judgedLevels; ++k) {
    const double level = top * std::pow(bottom / top, static_cast<double>(k) / (judgedLevels - 1));
    errors.levels.emplace_back(level, networkError(stream, exact, network, rowsOf(clean + level * noise), level));
  }
  // What it calls noise can be held against it only where noise is what the exact denoiser finds.
  State first(2 * complainedPoints);
  for (std::size_t i = 0; i < first.size(); ++i) first[i] = clean[i] + top * noise[i];
  const State found = (first - scene.mixture.denoise(first, top)) / top;
  double squares = 0;
  for (const double z : found) squares += z * z / static_cast<double>(found.size());
  if (squares > 0.8) errors.complaint = pointNetworkComplaint(network, first, top);
  return errors;
}

Panel networkErrorMap(gpu::Stream& stream, const kernels::MixtureTable& exact, const models::PointDenoiser& network, double level,
                      double scale, double half, double error, const std::string& complaint, ErrorOf of) {
  Panel panel;
  panel.id = "network";
  const std::string at = fmt::format("{:.3g}", level);
  panel.title = of == ErrorOf::score ? trf("At σ = {} its score is off by {} / σ", at, shortly(error / level))
                                     : trf("At σ = {} the network's D is off by {}", at, shortly(error));
  panel.note = complaint.empty() ? tr("root mean square under pₜ; contours: exact density") : complaint;
  constexpr std::int64_t cells = 48;
  const Tensor x = squareCentres(cells, half / scale);
  // Contours of a density narrower than a cell would be dots.
  const double wide = std::max(level, 2 * half / scale / static_cast<double>(cells));
  const auto logDensity = kernels::mixture(stream, exact, x, 1, wide, kernels::MixtureOutput::logDensity).toFloats();
  Tensor found = network.denoise(stream, x, level), expected = kernels::mixture(stream, exact, x, 1, level, kernels::MixtureOutput::denoiser);
  if (of == ErrorOf::score) {
    found = kernels::affine(stream, found, static_cast<float>(1 / level), 0);
    expected = kernels::affine(stream, expected, static_cast<float>(1 / level), 0);
  }
  drawErrorMap(panel, cells, half, found, expected, logDensity,
               of == ErrorOf::score ? tr("σ |S of the network − S|") : tr("|D of the network − D|"));
  return panel;
}

Panel networkErrorChart(const NetworkErrors& errors, double now, Paint paint, ErrorOf of) {
  Panel panel;
  panel.id = "network-levels";
  std::vector<double> x, y;
  std::pair<double, double> worst{0, -1};
  for (const auto& [level, error] : errors.levels) {
    const double shown = of == ErrorOf::score ? error / level : error;
    x.push_back(level);
    y.push_back(std::max(shown, 1e-9));
    if (shown > worst.second) worst = {level, shown};
  }
  const std::string where = fmt::format("{:.3g}", worst.first), most = shortly(worst.second);
  panel.title = of == ErrorOf::score ? trf("Its score is off most at σ = {}: {} / σ", where, most)
                                     : trf("The network's D is off most at σ = {}: by {}", where, most);
  panel.note = errors.complaint;
  panel.x.label = tr("noise level σ");
  panel.x.scale = ScaleKind::log;
  panel.x.reversed = true;
  panel.y.label = of == ErrorOf::score ? tr("error of σ S, root mean square under pₜ") : tr("error of D, root mean square under pₜ");
  panel.y.scale = ScaleKind::log;
  panel.y.grid = true;
  panel.marks.push_back(curveOf("error", x, y, paint));
  auto rule = std::make_shared<RuleMark>("now");
  rule->at = std::max(now, x.back());
  rule->paint = Paint::of(Role::accent);
  panel.marks.push_back(rule);
  return panel;
}

}  // namespace orrery::generative
