#pragma once
// What a network predicts, and how any of it becomes any other (generative.md C2). All are linear in (x_t, prediction) at one time.
// Notation (C1): x_t = alpha x_0 + sigma eps; lambda = ln(alpha / sigma); relative level = sigma / alpha; rates are d/dt.
// Sources: Ho et al. 2020 (eps), Salimans & Ho 2022 (v), Song et al. 2021 (score), Karras et al. 2022 (F, eq. 7), Lipman et al. 2023
// (velocity).

#include <string_view>

#include "core/diffusion/state.h"

namespace orrery::diffusion {

// One time of a noise process.
struct Moment {
  double alpha = 1, sigma = 0;
  double alphaRate = 0, sigmaRate = 1;
  double relative() const { return sigma / alpha; }
  double lambda() const;
};

enum class Prediction {
  epsilon,   // eps
  data,      // x_0 = D
  score,     // grad log p_t(x_t) = -eps / sigma
  v,         // alpha eps - sigma x_0
  velocity,  // dx_t/dt = alpha' x_0 + sigma' eps
  edm,       // F with D = c_skip x_t / alpha + c_out F
};
constexpr Prediction allPredictions[] = {Prediction::epsilon, Prediction::data,     Prediction::score,
                                         Prediction::v,       Prediction::velocity, Prediction::edm};
std::string_view idOf(Prediction prediction);  // "epsilon", "x0", "score", "v", "velocity", "F"

// EDM's scalings at relative level s for data of standard deviation d (Karras et al. 2022, table 1).
struct Preconditioning {
  double skip, out, in, noise;
};
Preconditioning preconditioning(double relative, double dataDeviation);

// coefficient of x_t, coefficient of the prediction.
struct Linear {
  double x = 0, y = 0;
};
// D and eps out of a prediction. dataDeviation is read by F only. Not defined: eps at alpha = 0 for D, x_0 at sigma = 0 for eps, v at q =
// 0.
Linear dataFrom(Prediction given, const Moment& at, double dataDeviation = 0.5);
Linear epsilonFrom(Prediction given, const Moment& at, double dataDeviation = 0.5);

// `value` is what `given` says at x; the result is what `wanted` says. Goes through D and eps, each taken directly (C12.3).
State convert(Prediction given, Prediction wanted, const State& value, const State& x, const Moment& at, double dataDeviation = 0.5);

}  // namespace orrery::diffusion
