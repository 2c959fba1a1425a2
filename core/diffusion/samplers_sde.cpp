// Multistep samplers of the reverse SDE: DPM-Solver++ SDE (2M, 3M), SA-Solver, ER-SDE. eta scales the noise; 0 gives the ODE.

#include <algorithm>
#include <cmath>
#include <deque>

#include "core/diffusion/polynomials.h"
#include "core/diffusion/sampler.h"

namespace orrery::diffusion {

namespace {

// DPM-Solver++(2M) and (3M) for the SDE (Lu et al. 2022b, appendix; Crowson 2023): h -> (1 + eta) h in the weights, plus noise.
State dpmppMultistepSde(Run& run, State x, bool third) {
  const double eta = run.options().eta;
  State before, beforeThat;
  double hBefore = 0, hBeforeThat = 0;
  for (const Step& s : run.steps()) {
    const State D = run.denoise(x, s.a);
    if (s.b == 0) {
      x = D;
      run.visit(0, x);
      continue;
    }
    const double h = s.h(), he = (1 + eta) * h, decay = -std::expm1(-he);
    x = std::exp(-he) * x + decay * D;
    if (!before.empty()) {
      const double r0 = hBefore / h;
      const State first = (D - before) / r0;
      if (!third) {
        x += (run.options().sdeHeun ? phi2(he) : decay / 2) * first;
      } else if (beforeThat.empty()) {
        x += phi2(he) * first;
      } else {
        const double r1 = hBeforeThat / h;
        const State second = (before - beforeThat) / r1;
        x += phi2(he) * (first + r0 / (r0 + r1) * (first - second)) - run.options().kappa * phi3(he) / (r0 + r1) * (first - second);
      }
    }
    if (eta > 0) x += s.b * std::sqrt(-std::expm1(-2 * eta * h)) * run.noise(s.a, s.b);
    beforeThat = before;
    before = D;
    hBeforeThat = hBefore;
    hBefore = h;
    run.visit(s.b, x);
  }
  return x;
}
State dpmpp2mSde(Run& run, State x) { return dpmppMultistepSde(run, std::move(x), false); }
State dpmpp3mSde(Run& run, State x) { return dpmppMultistepSde(run, std::move(x), true); }

// SA-Solver (Xue et al. 2023, eq. 14-17) with tau = eta, predictor of 3 and corrector of 4 points; the corrector keeps the step's noise,
// and its evaluation is the next step's (PEC).
State saSolver(Run& run, State x) {
  const double tau2 = run.options().eta * run.options().eta;
  const auto steps = run.steps();
  std::deque<std::pair<double, State>> past;  // lambda and D, newest first
  for (const Step& s : steps) {
    const double now = -std::log(s.a);
    if (past.empty() || past.front().first != now) past.emplace_front(now, run.denoise(x, s.a));
    if (s.b == 0) {
      x = past.front().second;
      run.visit(0, x);
      continue;
    }
    const double then = -std::log(s.b), h = s.h();
    const auto weight = [&](double lambda) { return (1 + tau2) * std::exp(-(1 + tau2) * (then - lambda)); };
    State kept = std::exp(-(1 + tau2) * h) * x;
    if (tau2 > 0) kept += s.b * std::sqrt(-std::expm1(-2 * tau2 * h)) * run.noise(s.a, s.b);
    const auto moved = [&](std::size_t points) {
      std::vector<double> places;
      for (std::size_t j = 0; j < points; ++j) places.push_back(past[j].first);
      const auto weights = lagrangeWeights(places, now, then, weight);
      State next = kept;
      for (std::size_t j = 0; j < points; ++j) next += weights[j] * past[j].second;
      return next;
    };
    x = moved(std::min<std::size_t>(3, past.size()));
    if (s.index + 1 < steps.size()) {
      past.emplace_front(then, run.denoise(x, s.b));
      x = moved(std::min<std::size_t>(4, past.size()));
      while (past.size() > 3) past.pop_back();
    }
    run.visit(s.b, x);
  }
  return x;
}

// ER-SDE-Solver-3 (Cui et al. 2023, eq. 32-34) with the noise scale s (e^(s^0.3) + 10); the integrals by Gauss-Legendre.
State erSde(Run& run, State x) {
  const auto scale = [](double s) { return s * (std::exp(std::pow(s, 0.3)) + 10); };
  State before, slopeBefore;
  double levelBefore = 0, levelBeforeThat = 0;
  for (const Step& s : run.steps()) {
    const State D = run.denoise(x, s.a);
    if (s.b == 0) {
      x = D;
      run.visit(0, x);
      continue;
    }
    const double ratio = scale(s.b) / scale(s.a);
    x = ratio * x + (1 - ratio) * D;
    State slope;
    if (!before.empty()) {
      // In ln(level), where the integrand is smooth over long steps.
      const auto integral = [&](auto&& f) {
        return integrate([&](double u) { return f(std::exp(u)) * std::exp(u) / scale(std::exp(u)); }, std::log(s.b), std::log(s.a));
      };
      slope = (D - before) / (s.a - levelBefore);
      x += (s.b - s.a + integral([](double) { return 1.0; }) * scale(s.b)) * slope;
      if (!slopeBefore.empty()) {
        const State curve = (slope - slopeBefore) / (0.5 * (s.a - levelBeforeThat));
        x += (0.5 * (s.b - s.a) * (s.b - s.a) + integral([&](double at) { return at - s.a; }) * scale(s.b)) * curve;
      }
    }
    const double variance = s.b * s.b - s.a * s.a * ratio * ratio;
    if (variance > 0) x += std::sqrt(variance) * run.noise(s.a, s.b);
    before = D;
    slopeBefore = slope;
    levelBeforeThat = levelBefore;
    levelBefore = s.a;
    run.visit(s.b, x);
  }
  return x;
}

const Registration<Sampler> entries[] = {
    Registration<Sampler>{describeSampler("dpm++2m-sde", "DPM-Solver++(2M) SDE", "Lu et al. 2022b; Crowson 2022", 0, 2, 1, dpmpp2mSde,
                                          "DPMSolverMultistepScheduler (sde-dpmsolver++) -> eta 1, solver_type midpoint",
                                          "sample_dpmpp_2m_sde -> solver_type midpoint",
                                          "dpmpp_2m_sde -> solver_type midpoint; dpmpp_2m_sde_heun -> solver_type heun")},
    Registration<Sampler>{describeSampler("dpm++3m-sde", "DPM-Solver++(3M) SDE", "Crowson 2023", 0, 2, 1, dpmpp3mSde,
                                          "DPMSolverMultistepScheduler (sde-dpmsolver++, solver_order 3)", "sample_dpmpp_3m_sde",
                                          "dpmpp_3m_sde")},
    Registration<Sampler>{
        describeSampler("sa-solver", "SA-Solver", "Xue et al. 2023", 0, 1, 1, saSolver, "SASolverScheduler", "", "sa_solver")},
    Registration<Sampler>{describeSampler("er-sde", "ER-SDE-Solver-3", "Cui et al. 2023", 0, 1, 1, erSde, "", "", "er_sde")},
};

}  // namespace

}  // namespace orrery::diffusion
