#pragma once
// Samplers: from noise to data in scaled coordinates (x = x_t / alpha_t against the relative noise level), generative.md C5. Each is one
// function of a state and a Run, registered with its names elsewhere. Double precision on the host; the denoiser is any function.
// Notation in every sampler: a and b are the levels before and after a step (b < a), h = ln(a / b), D the denoised state, e = (x - D) / a
// the noise direction, z standard normal.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/expected.h"
#include "core/base/registry.h"
#include "core/diffusion/density.h"
#include "core/diffusion/noise.h"
#include "core/diffusion/state.h"

namespace orrery::diffusion {

struct SamplerOptions {
  double eta = 1;         // share of noise of ancestral samplers and SDE solvers (tau of SA-Solver, zeta of em)
  double noiseScale = 1;  // s_noise: multiplies every z
  double churn = 40, churnFrom = 0.05, churnTo = 50, churnNoise = 1.003;  // EDM's S_churn, S_tmin, S_tmax, S_noise
  int lmsOrder = 4;                                                       // 1..4
  int uniOrder = 2;                                                       // 1..3
  bool uniBh1 = false;                                                    // B(h) = -h instead of e^-h - 1
  bool uniCorrector = true;
  double kappa = 1;                                // of dpm++3m: 1 as commonly coded, 2 consistent (C5 note ii)
  bool sdeHeun = false;                            // of dpm++2m-sde: Heun form instead of midpoint
  double gradientGamma = 2;                        // of gradient estimation
  double absolute = 1e-4, relative = 1e-3;         // tolerances of the adaptive samplers
  int correctorSteps = 1;                          // Langevin steps at every level
  double correctorRatio = 0.16;                    // their signal to noise ratio
  int fixedPoint = 0;                              // of ddim-inversion: iterations of the implicit step, 0 = explicit
  std::size_t dimension = 1;                       // coordinates per particle (Langevin's norms are per particle)
  std::size_t noisePeriod = 0;                     // coordinates after which every z repeats; 0: it does not
  std::function<State(double a, double b)> noise;  // replaces every z, on the path and off it (then a, b = step, purpose), when it is set
  std::function<State(double level)> exact;        // the exact path: multistep samplers start from it when it is set
  std::function<State(const State& x, double level)> slope;  // replaces (x - D) / level when it is set
};

struct Step {
  std::size_t index = 0;
  double a = 0, b = 0;
  double h() const;  // ln(a / b)
};

// One state of a run, for pictures.
struct Visit {
  double level = 0;
  int evaluations = 0;  // so far
  State x;
};

// What an adaptive sampler tried: a step between two levels, its error against the tolerance (1 is as large as allowed), and the verdict.
struct Attempt {
  double from = 0, to = 0, error = 0;
  bool taken = true;
};

class Run {
 public:
  Run(Denoiser denoiser, std::vector<double> levels, std::uint64_t seed, std::size_t coordinates, SamplerOptions options = {});

  const SamplerOptions& options() const { return options_; }
  const std::vector<double>& levels() const { return levels_; }
  std::vector<Step> steps() const;

  State denoise(const State& x, double level);                 // D, counted
  State slope(const State& x, double level);                   // e = (x - D) / level, counted
  State noise(double a, double b);                             // z of the path's part between two levels
  State fresh(std::size_t step, std::uint32_t purpose) const;  // z off the path

  // Whether the first `needed` steps are taken from the exact path; then x is it at level b.
  bool exactStart(const Step& step, int needed, State& x) const;
  void visit(double level, const State& x);  // after each step

  int evaluations() const { return evaluations_; }
  void tried(const Attempt& attempt);
  int rejected = 0;               // steps an adaptive sampler took back
  std::vector<Attempt> attempts;  // filled when `record` is set
  std::vector<Visit> visits;  // filled when `record` is set
  bool record = false;

 private:
  State repeated(const State& z) const;

  Denoiser denoiser_;
  std::vector<double> levels_;
  std::size_t coordinates_;
  Noise noise_;
  SamplerOptions options_;
  int evaluations_ = 0;
};

struct Sampler {
  std::string id, title;
  std::string source;      // authors and year
  double order = 0;        // of convergence to the ODE's path; 0 = of the law only (weakOrder) or not stated
  double weakOrder = 0;    // of convergence in law
  double evaluations = 1;  // per step
  bool stochastic = false, adaptive = false;
  bool couples = false;                              // what a particle does depends on the others: steps sized by means over all
  std::string diffusers, kDiffusion, comfy, others;  // how libraries name it, written as in library_names.h; empty = not there
  State (*run)(Run& run, State x) = nullptr;
};

// One registration. A sampler with a weak order is stochastic; the names are those of diffusers, k-diffusion, ComfyUI and others
// (stable-diffusion.cpp, score_sde_pytorch, torchdyn, EDM), written as in library_names.h.
Sampler describeSampler(std::string id, std::string title, std::string source, double order, double weakOrder, double evaluations,
                        State (*run)(Run&, State), std::string diffusers, std::string kDiffusion, std::string comfy,
                        std::string others = {}, bool adaptive = false);

// The sampler of an id; "unipc-3" is unipc at order 3 and "dpm++3m-consistent" is dpm++3m with kappa 2, which `options` are told. Null: none.
const Sampler* namedSampler(std::string_view id, SamplerOptions& options);

// Checks grid and state, then runs. Levels fall strictly; the last may be 0 (then solvers in ln(level) end with x = D). "ddim-inversion"
// runs the other way: its levels are walked from the last that is not 0 up to the first.
Expected<State> sample(const Sampler& sampler, Run& run, State start);
Expected<void> checkLevels(const std::vector<double>& levels);

// Shared by the samplers: the split of b into noise kept and noise added (ancestral step, Song et al. 2020a eq. 16).
struct Ancestral {
  double down = 0, up = 0;
};
Ancestral ancestral(double a, double b, double eta);

// One step of Dormand & Prince's fifth-order formula in ln(level) from a to b: six evaluations, no error control.
State dormandPrinceStep(Run& run, const State& x, double a, double b);

// e^-h - 1 and its successors: phi1 = e^-h - 1, phi_{k+1} = phi_k / -h - 1/k!, by series when h is small.
double uniPhi(int k, double h);
// 1 - (1 - e^-h)/h and its half-step phi3 = phi2 / h - 1/2 (C5), both well conditioned.
double phi2(double h);
double phi3(double h);

}  // namespace orrery::diffusion
