// What the samplers of the bench are asked to solve: a density whose denoiser is exact, or a user's network, and what is wrong with its score.

#include <cmath>

#include "core/labs/generative/samplers/lab.h"
#include "core/labs/generative/shared/plane_scene.h"
#include "core/labs/generative/shared/stated_network.h"

namespace orrery::generative {

using diffusion::State;

namespace {

constexpr std::size_t mostKept = 256;  // blobs of a density: the reference asks for each 16,000 times per start

// Systematic resampling: every blob kept stands for the same share of the whole.
void thinOut(std::vector<kernels::Component>& components, const std::vector<double>& sums) {
  std::vector<kernels::Component> kept;
  for (std::size_t i = 0, at = 0; i < mostKept; ++i) {
    const double share = (static_cast<double>(i) + 0.5) / static_cast<double>(mostKept) * sums.back();
    while (sums[at] < share) ++at;
    kept.push_back(components[at]);
    kept.back().weight = 1;
  }
  components = std::move(kept);
}

BenchError errorNamed(const std::string& kind) {
  return kind == "constant" ? BenchError::constant : kind == "field" ? BenchError::field : BenchError::shrink;
}

}  // namespace

State BenchScene::denoise(const State& x, double level) const {
  return network ? network->denoise(x, level) : dimension == 1 ? line.denoise(x, level) : plane.denoise(x, level);
}

// The formulas of sde-vs-ode (kernels/mixture_step) in double precision; a particle's first two coordinates see the field.
State BenchScene::answer(const State& x, double level) const {
  State D = denoise(x, level);
  if (error == BenchError::none || amount == 0) return D;
  if (error == BenchError::shrink) return D + amount * (x - D);
  const double scale = 1 / std::sqrt(1 + level * level), l = std::log(level + 1e-6);
  for (std::size_t i = 0; i < x.size(); i += dimension) {
    if (error == BenchError::constant) {
      D[i] -= level * amount;
      continue;
    }
    const double u = scale * x[i], v = dimension > 1 ? scale * x[i + 1] : 0;
    D[i] -= level * amount * (std::sin(2.1 * u + 3.7 * v + 0.9 * l) + std::cos(3.3 * v - 1.7 * u + 1.3 * l + 0.5));
    if (dimension > 1) D[i + 1] -= level * amount * (std::sin(2.9 * v - 1.3 * u + 1.1 * l + 1.0) + std::cos(1.9 * u + 2.3 * v - 0.7 * l));
  }
  return D;
}

State BenchScene::path(const State& x, double from, double to, int steps) const {
  if (onLine()) return line.exact(x, from, to);
  return diffusion::referencePath([this](const State& at, double level) { return denoise(at, level); }, x, from, to, steps);
}

Expected<void> SamplerBench::readScene(const LabContext& context) {
  const std::string& id = context.text("scene");
  BenchScene scene;
  if (id == "network") {
    auto network = statedPointNetwork(context, tr("choose another shape"));
    if (!network) return network.error();
    scene.network = *std::move(network);
    scene.dimension = scene.network->dimension();
    scene.reach = 2.6;
  } else if (id == "1d-tri") {
    scene.line = diffusion::threeModes();
    scene.reach = 2.6;
  } else if (id == "1d-gauss") {
    scene.line = {{{1, 0, 0.5}}};
    scene.gaussian = true;
    scene.reach = 3;
  } else {
    auto read = planeScene(context);
    if (!read) return read.error();
    scene.dimension = 2;
    scene.density = std::move(read->density);
    auto& components = scene.density.components;
    if (components.size() > mostKept) thinOut(components, cumulativeWeights(scene.density));
    double whole = 0;
    for (const kernels::Component& c : components) whole += c.weight;
    for (kernels::Component& c : components) {
      c.weight = static_cast<decltype(c.weight)>(c.weight / whole);
      scene.plane.components.push_back({c.weight, c.x, c.y, c.along, c.across, c.angle});
    }
    scene.reach = scene.density.reach;
  }
  scene_ = std::move(scene);
  sceneId_ = id;
  return {};
}

void SamplerBench::readError(const LabContext& context) {
  scene_.amount = context.number("score-error");
  scene_.error = scene_.amount == 0 ? BenchError::none : errorNamed(context.text("score-error-kind"));
}

}  // namespace orrery::generative
