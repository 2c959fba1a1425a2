#include "core/diffusion/names.h"

namespace orrery::diffusion {

std::vector<Name> samplerNames() {
  return {{"euler", "Euler"},
          {"ddim", "DDIM"},
          {"ddim-inversion", "DDIM inversion"},
          {"heun", "Heun"},
          {"dpm-2", "DPM-Solver-2"},
          {"dpm-3", "DPM-Solver-3"},
          {"dpm++2s", "DPM-Solver++(2S)"},
          {"dpm++2m", "DPM-Solver++(2M)"},
          {"dpm++3m", "DPM-Solver++(3M)"},
          {"unipc", "UniPC"},
          {"lms", "LMS"},
          {"plms", "PLMS"},
          {"pndm", "PNDM"},
          {"ipndm", "iPNDM"},
          {"deis", "DEIS, tAB-3"},
          {"res-2s", "RES, two stages"},
          {"res-multistep", "RES multistep"},
          {"exp-heun", "Exponential Heun"},
          {"gradient-estimation", "Gradient estimation"},
          {"rk4", "Runge–Kutta 4"},
          {"rk4-log", "Runge–Kutta 4 in ln σ"},
          {"rk45", "Dormand–Prince 5(4)"},
          {"dpm-adaptive", "DPM-Solver-23, adaptive"},
          {"euler-a", "Euler ancestral"},
          {"ddpm", "DDPM, smaller variance"},
          {"ddpm-large", "DDPM, larger variance"},
          {"em", "Euler–Maruyama"},
          {"edm", "EDM, Heun with churn"},
          {"dpm-2-a", "DPM-Solver-2 ancestral"},
          {"dpm++2s-a", "DPM-Solver++(2S) ancestral"},
          {"dpm++sde", "DPM-Solver++ SDE"},
          {"dpm++2m-sde", "DPM-Solver++(2M) SDE"},
          {"dpm++3m-sde", "DPM-Solver++(3M) SDE"},
          {"res-multistep-a", "RES multistep ancestral"},
          {"seeds-2", "SEEDS-2"},
          {"seeds-3", "SEEDS-3"},
          {"sa-solver", "SA-Solver"},
          {"er-sde", "ER-SDE-Solver-3"},
          {"langevin-pc", "Predictor–corrector, Langevin"},
          {"lcm", "LCM, multistep consistency"}};
}

std::vector<Name> gridNames() {
  return {{"karras", "Karras"},
          {"exponential", "Exponential"},
          {"polyexponential", "Polyexponential"},
          {"linear-sigma", "Linear in σ"},
          {"vp", "VP, uniform in t"},
          {"ve", "VE, geometric"},
          {"laplace", "Laplace"},
          {"kl-optimal", "KL-optimal"},
          {"logit-normal", "Logit-normal"},
          {"flow-shift", "Flow, shifted"},
          {"linear-quadratic", "Linear, then quadratic"},
          {"normal", "Normal, linspace in timesteps"},
          {"leading", "Leading timesteps"},
          {"trailing", "Trailing timesteps"},
          {"quadratic", "Quadratic in timesteps"},
          {"simple", "Simple"},
          {"sgm-uniform", "SGM uniform"},
          {"ddim-uniform", "DDIM uniform"},
          {"beta", "Beta"},
          {"ays-sd15", "Align your steps, SD 1.5"},
          {"ays-sdxl", "Align your steps, SDXL"},
          {"ays-svd", "Align your steps, SVD"},
          {"drawn", "Drawn by you"}};
}

std::vector<Name> processNames() {
  return {{"ddpm-linear", "DDPM, linear β"},
          {"scaled-linear", "Scaled linear β"},
          {"cosine", "Cosine"},
          {"sigmoid", "Sigmoid β"},
          {"zero-terminal", "Zero terminal SNR"},
          {"vp", "Variance preserving SDE"},
          {"sub-vp", "Sub-VP SDE"},
          {"ve", "Variance exploding SDE"},
          {"edm", "EDM"},
          {"flow", "Flow matching, straight path"},
          {"trigonometric", "Trigonometric"}};
}

}  // namespace orrery::diffusion
