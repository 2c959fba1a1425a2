#include "core/labs/generative/shared/step_grid.h"

#include "core/labs/generative/shared/number_list.h"
#include "core/labs/generative/shared/stated_network.h"

namespace orrery::generative {

namespace {

bool gridIs(const Values& values, std::string_view id) { return std::get<std::string>(values.find("grid")->second) == id; }

}  // namespace

std::vector<Parameter> stepGridParameters(std::string_view grid, double sigmaMin, double sigmaMax) {
  using namespace std::string_literals;
  return {
      {"grid", "Grid", "How the noise levels are spaced.", "Step grid", std::string(grid), choiceOf(diffusion::gridNames())},
      {"sigma-min", "Smallest noise level σ", "Where the last step, or the one before 0, ends.", "Step grid", sigmaMin, LogReal{1e-4, 1}},
      {"sigma-max", "Largest noise level σ", "Where the samplers start.", "Step grid", sigmaMax, LogReal{1.001, 500}},
      {"rho", "Grid exponent ρ", "Larger values put more steps at small noise.", "Step grid", 7.0, Real{1, 10, 0.1}, "",
       [](const Values& v) { return gridIs(v, "karras"); }},
      {"poly-rho", "Polynomial exponent ρ", "1 is the exponential grid.", "Step grid", 1.0, Real{0.2, 5, 0.05}, "",
       [](const Values& v) { return gridIs(v, "polyexponential"); }},
      {"beta-shape", "Beta a", "Below 1, more steps at the noise end.", "Step grid", 0.6, Real{0.05, 3, 0.05}, "",
       [](const Values& v) { return gridIs(v, "beta"); }},
      {"beta-b", "Beta b", "Below 1, more steps at the data end; 0 is the same as a.", "Step grid", 0.0, Real{0, 3, 0.05}, "",
       [](const Values& v) { return gridIs(v, "beta"); }},
      {"shift", "Flow shift m", "Multiplies the noise level of a time uniform on the straight path.", "Step grid", 3.0, LogReal{0.1, 20},
       "", [](const Values& v) { return gridIs(v, "flow-shift"); }},
      {"level-mean", "Mean of ln σ", "Centre of the logit-normal or Laplace law.", "Step grid", 0.0, Real{-4, 4, 0.05}, "",
       [](const Values& v) { return gridIs(v, "logit-normal") || gridIs(v, "laplace"); }},
      {"level-deviation", "Deviation of ln σ", "Width of the logit-normal law; twice the scale of Laplace's.", "Step grid", 1.0,
       Real{0.1, 4, 0.05}, "", [](const Values& v) { return gridIs(v, "logit-normal") || gridIs(v, "laplace"); }},
      {"process", "Noise process", "Whose 1000 levels the grids over timesteps read.", "Step grid", "scaled-linear"s,
       choiceOf(diffusion::processNames()), "",
       [](const Values& v) {
         for (const char* id : {"normal", "leading", "trailing", "quadratic", "simple", "sgm-uniform", "ddim-uniform", "beta"})
           if (gridIs(v, id)) return true;
         return false;
       }},
      {"levels", "Levels", "Noise levels of the drawn grid, falling, separated by commas. Drag a step on the ruler to draw them.",
       "Step grid", "20, 10, 5, 2.5, 1.2, 0.6, 0.3, 0.1, 0.02"s, Text{}, "", [](const Values& v) { return gridIs(v, "drawn"); }},
  };
}

const diffusion::Grid& chosenGrid(const LabContext& context) { return *findRegistered<diffusion::Grid>(context.text("grid")); }

diffusion::GridRequest gridRequest(const LabContext& context) {
  diffusion::GridRequest request;
  request.sigmaMin = context.number("sigma-min");
  request.sigmaMax = context.number("sigma-max");
  request.rho = context.text("grid") == "polyexponential" ? context.number("poly-rho") : context.number("rho");
  request.a = context.number("beta-shape");
  request.b = context.number("beta-b") > 0 ? context.number("beta-b") : request.a;
  request.shift = context.number("shift");
  request.mean = context.number("level-mean");
  request.deviation = context.number("level-deviation");
  request.process = context.text("process");
  request.custom = numbersOf(context.text("levels"));
  return request;
}

}  // namespace orrery::generative
