// Samplers of one step and several evaluations: Heun, EDM, DPM-Solver-2 and -3, the single-step DPM-Solver++, exponential Runge-Kutta (RES,
// SEEDS), Runge-Kutta 4 and the adaptive pairs. Formulas: generative.md C5.

#include <algorithm>
#include <cmath>

#include "core/diffusion/dormand_prince.h"
#include "core/diffusion/sampler.h"

namespace orrery::diffusion {

namespace {

State heun(Run& run, State x) {
  for (const Step& s : run.steps()) {
    const State e = run.slope(x, s.a), u = x + (s.b - s.a) * e;
    x = s.b == 0 ? u : x + 0.5 * (s.b - s.a) * (e + run.slope(u, s.b));
    run.visit(s.b, x);
  }
  return x;
}

// Karras et al. 2022, algorithm 2: raise the level by churn, then Heun.
State edm(Run& run, State x) {
  const SamplerOptions& o = run.options();
  const auto N = static_cast<double>(run.levels().size() - 1);
  for (const Step& s : run.steps()) {
    const double gamma = s.a >= o.churnFrom && s.a <= o.churnTo ? std::min(o.churn / N, std::sqrt(2.0) - 1) : 0.0;
    const double raised = s.a * (1 + gamma);
    if (gamma > 0) x += std::sqrt(raised * raised - s.a * s.a) * o.churnNoise * run.fresh(s.index, 1);
    const State e = run.slope(x, raised), u = x + (s.b - raised) * e;
    x = s.b == 0 ? u : x + 0.5 * (s.b - raised) * (e + run.slope(u, s.b));
    run.visit(s.b, x);
  }
  return x;
}

// DPM-Solver-2 down to `down`, then noise up to b.
State dpm2To(Run& run, State x, double eta) {
  for (const Step& s : run.steps()) {
    const auto [down, up] = ancestral(s.a, s.b, eta);
    const State e = run.slope(x, s.a);
    if (down == 0) {
      x += (down - s.a) * e;
    } else {
      const double middle = std::sqrt(s.a * down);
      x += (down - s.a) * run.slope(x + (middle - s.a) * e, middle);
    }
    if (up > 0) x += up * run.noise(s.a, s.b);
    run.visit(s.b, x);
  }
  return x;
}
State dpm2(Run& run, State x) { return dpm2To(run, std::move(x), 0); }
State dpm2Ancestral(Run& run, State x) { return dpm2To(run, std::move(x), run.options().eta); }

// One step of DPM-Solver-3, r1 = 1/3, r2 = 2/3 (Lu et al. 2022a, algorithm 2).
State dpm3Step(Run& run, const State& x, const State& e, double a, double b) {
  const double h = std::log(a / b), r1 = 1.0 / 3, r2 = 2.0 / 3, s1 = a * std::exp(-r1 * h), s2 = a * std::exp(-r2 * h);
  const State e1 = run.slope(x - s1 * std::expm1(r1 * h) * e, s1);
  const State e2 = run.slope(x - s2 * std::expm1(r2 * h) * e - s2 * (r2 / r1) * (std::expm1(r2 * h) / (r2 * h) - 1) * (e1 - e), s2);
  return x - b * std::expm1(h) * e - b / r2 * (std::expm1(h) / h - 1) * (e2 - e);
}

State dpm3(Run& run, State x) {
  for (const Step& s : run.steps()) {
    const State e = run.slope(x, s.a);
    x = s.b == 0 ? x - s.a * e : dpm3Step(run, x, e, s.a, s.b);
    run.visit(s.b, x);
  }
  return x;
}

// DPM-Solver++(2S), Lu et al. 2022b, algorithm 1 with r = 1/2; noise from `down` to b.
State dpmpp2sTo(Run& run, State x, double eta) {
  for (const Step& s : run.steps()) {
    const auto [down, up] = ancestral(s.a, s.b, eta);
    const State D = run.denoise(x, s.a);
    if (down == 0) {
      x = D;
    } else {
      const double h = std::log(s.a / down), middle = std::sqrt(s.a * down);
      const State u = middle / s.a * x - std::expm1(-0.5 * h) * D;
      x = down / s.a * x - std::expm1(-h) * run.denoise(u, middle);
    }
    if (up > 0) x += up * run.noise(s.a, s.b);
    run.visit(s.b, x);
  }
  return x;
}
State dpmpp2s(Run& run, State x) { return dpmpp2sTo(run, std::move(x), 0); }
State dpmpp2sAncestral(Run& run, State x) { return dpmpp2sTo(run, std::move(x), run.options().eta); }

// DPM-Solver++ SDE, single step, r = 1/2: both halves are ancestral.
State dpmppSde(Run& run, State x) {
  const double eta = run.options().eta;
  for (const Step& s : run.steps()) {
    const State D = run.denoise(x, s.a);
    if (s.b == 0) {
      x = D;
    } else {
      const double middle = std::sqrt(s.a * s.b);
      const auto [down1, up1] = ancestral(s.a, middle, eta);
      State u = down1 / s.a * x + (1 - down1 / s.a) * D;
      if (up1 > 0) u += up1 * run.noise(s.a, middle);
      const State D2 = run.denoise(u, middle);
      const auto [down, up] = ancestral(s.a, s.b, eta);
      x = down / s.a * x + (1 - down / s.a) * D2;  // 1 / 2r = 1: the midpoint's D alone
      if (up > 0) x += up * run.noise(s.a, s.b);
    }
    run.visit(s.b, x);
  }
  return x;
}

// Exponential Runge-Kutta of two stages (Hochbruck & Ostermann 2010; Zhang et al. 2023, RES): inner point at c of the step in ln(level).
State exponential2(Run& run, State x, double c) {
  for (const Step& s : run.steps()) {
    const State D = run.denoise(x, s.a);
    if (s.b == 0) {
      x = D;
    } else {
      const double h = s.h(), middle = s.a * std::exp(-c * h);
      const State D2 = run.denoise(middle / s.a * x - std::expm1(-c * h) * D, middle);
      x = s.b / s.a * x - std::expm1(-h) * D + phi2(h) / c * (D2 - D);
    }
    run.visit(s.b, x);
  }
  return x;
}
State res2s(Run& run, State x) { return exponential2(run, std::move(x), 0.5); }
State exponentialHeun(Run& run, State x) { return exponential2(run, std::move(x), 1); }

// SEEDS (Gonzalez et al. 2023): exponential Runge-Kutta for the SDE, h -> (1 + eta) h, with the noise of every stage a part of the path's.
State seeds(Run& run, State x, int stages) {
  const double eta = run.options().eta;
  for (const Step& s : run.steps()) {
    const State D = run.denoise(x, s.a);
    if (s.b == 0) {
      x = D;
      run.visit(s.b, x);
      continue;
    }
    const double h = s.h(), he = (1 + eta) * h;
    // Noise gathered up to a share r of the step, as a multiple of the level there.
    State gathered(x.size());
    double from = 0;
    const auto gather = [&](double r) {
      if (eta == 0) return;
      const double span = (r - from) * h;
      gathered = std::exp(-eta * span) * gathered +
                 std::sqrt(-std::expm1(-2 * eta * span)) * run.noise(s.a * std::exp(-from * h), s.a * std::exp(-r * h));
      from = r;
    };
    const auto linear = [&](double r) { return std::exp(-r * he) * x + s.a * std::exp(-r * h) * gathered; };
    if (stages == 2) {
      const double r = 0.5;
      gather(r);
      const State D2 = run.denoise(linear(r) - std::expm1(-r * he) * D, s.a * std::exp(-r * h));
      gather(1);
      x = linear(1) - std::expm1(-he) * (D + 0.5 / r * (D2 - D));
    } else {
      const double r1 = 1.0 / 3, r2 = 2.0 / 3;
      gather(r1);
      const State D2 = run.denoise(linear(r1) - std::expm1(-r1 * he) * D, s.a * std::exp(-r1 * h));
      gather(r2);
      const State D3 = run.denoise(linear(r2) - std::expm1(-r2 * he) * D + r2 / r1 * phi2(r2 * he) * (D2 - D), s.a * std::exp(-r2 * h));
      gather(1);
      x = linear(1) - std::expm1(-he) * D + phi2(he) / r2 * (D3 - D);
    }
    run.visit(s.b, x);
  }
  return x;
}
State seeds2(Run& run, State x) { return seeds(run, std::move(x), 2); }
State seeds3(Run& run, State x) { return seeds(run, std::move(x), 3); }

// Classic Runge-Kutta in the level.
State rk4(Run& run, State x) {
  for (const Step& s : run.steps()) {
    const double d = s.b - s.a, middle = 0.5 * (s.a + s.b);
    const State k1 = run.slope(x, s.a);
    if (s.b == 0) {
      x -= s.a * k1;
    } else {
      const State k2 = run.slope(x + 0.5 * d * k1, middle), k3 = run.slope(x + 0.5 * d * k2, middle), k4 = run.slope(x + d * k3, s.b);
      x += d / 6 * (k1 + 2 * k2 + 2 * k3 + k4);
    }
    run.visit(s.b, x);
  }
  return x;
}

// The same in ln(level), where dx/dlambda = D - x.
State rk4Log(Run& run, State x) {
  for (const Step& s : run.steps()) {
    const auto slope = [&](const State& at, double level) { return run.denoise(at, level) - at; };
    const State k1 = slope(x, s.a);
    if (s.b == 0) {
      x += k1;
    } else {
      const double h = s.h(), middle = std::sqrt(s.a * s.b);
      const State k2 = slope(x + 0.5 * h * k1, middle), k3 = slope(x + 0.5 * h * k2, middle), k4 = slope(x + h * k3, s.b);
      x += h / 6 * (k1 + 2 * k2 + 2 * k3 + k4);
    }
    run.visit(s.b, x);
  }
  return x;
}

// Root mean square of error / (absolute + relative max(|x|, |y|)).
double scaledError(const State& error, const State& x, const State& y, double absolute, double relative) {
  double sum = 0;
  for (std::size_t i = 0; i < error.size(); ++i) {
    const double scale = absolute + relative * std::max(std::abs(x[i]), std::abs(y[i]));
    sum += error[i] * error[i] / (scale * scale);
  }
  return std::sqrt(sum / static_cast<double>(error.size()));
}

struct Ends {
  double from = 0, to = 0;
  bool zero = false;
};
Ends endsOf(const Run& run) {
  const auto& levels = run.levels();
  const bool zero = levels.back() == 0;
  return {levels.front(), zero ? levels[levels.size() - 2] : levels.back(), zero};
}

// x + h sum_j A[stage][j] k_j.
State stagePoint(const State& x, double h, const std::vector<State>& k, std::size_t stage) {
  State next = x;
  for (std::size_t j = 0; j < stage; ++j)
    if (dormand_prince::A[stage][j] != 0) next += h * dormand_prince::A[stage][j] * k[j];
  return next;
}

// In lambda = -ln(level). The grid gives the ends only.
State dormandPrince(Run& run, State x) {
  using namespace dormand_prince;
  const Ends ends = endsOf(run);
  const double whole = std::log(ends.from / ends.to);
  const auto levelAt = [&](double place) { return ends.from * std::exp(-place); };
  const auto slope = [&](const State& at, double place) { return run.denoise(at, levelAt(place)) - at; };
  StepControl control(0.05, 1e-9 * whole);
  double place = 0;
  std::vector<State> k(stages);
  k[0] = slope(x, 0);
  while (whole - place > 1e-12 * whole) {
    const double h = control.step(whole - place);
    State next = x, error(x.size());
    for (std::size_t stage = 1; stage < stages; ++stage) {
      next = stagePoint(x, h, k, stage);
      k[stage] = slope(next, place + C[stage] * h);
    }
    for (std::size_t j = 0; j < stages; ++j)
      if (E[j] != 0) error += h * E[j] * k[j];
    const double size = scaledError(error, x, next, run.options().absolute, run.options().relative);
    if (control.hopeless(size)) return next;
    const bool taken = control.taken(size);
    run.tried({levelAt(place), levelAt(place + h), StepControl::bounded(size), taken});
    if (!taken) continue;
    place += h;
    x = next;
    k[0] = k[stages - 1];
    run.visit(levelAt(place), x);
  }
  if (ends.zero) {
    x = run.denoise(x, ends.to);
    run.visit(0, x);
  }
  return x;
}

// DPM-Solver-23 (Lu et al. 2022a, appendix C) with k-diffusion's controller: an integral term, order 3, safety 0.81.
State dpmAdaptive(Run& run, State x) {
  const Ends ends = endsOf(run);
  const double whole = std::log(ends.from / ends.to);
  double place = 0, h = std::min(0.05, whole);
  const double least = 1e-9 * whole;  // no tolerance controls a shorter step: it is taken as it is
  State low = x;
  while (whole - place > 1e-12 * whole) {
    h = std::min(h, whole - place);
    const double a = ends.from * std::exp(-place), b = ends.from * std::exp(-place - h);
    const State e = run.slope(x, a);
    // The second-order result shares its inner point at 1/3 with the third-order one.
    const double s1 = a * std::exp(-h / 3), s2 = a * std::exp(-2 * h / 3);
    const State e1 = run.slope(x - s1 * std::expm1(h / 3) * e, s1);
    const State second = x - b * std::expm1(h) * e - 1.5 * b * std::expm1(h) * (e1 - e);
    const State e2 = run.slope(x - s2 * std::expm1(2 * h / 3) * e - 2 * s2 * (std::expm1(2 * h / 3) / (2 * h / 3) - 1) * (e1 - e), s2);
    const State third = x - b * std::expm1(h) * e - 1.5 * b * (std::expm1(h) / h - 1) * (e2 - e);
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double scale = std::max(run.options().absolute, run.options().relative * std::max(std::abs(second[i]), std::abs(low[i])));
      sum += (second[i] - third[i]) * (second[i] - third[i]) / (scale * scale);
    }
    const double found = std::sqrt(sum / static_cast<double>(x.size()));
    if (!std::isfinite(found) && h <= least) return third;
    const double size = std::isfinite(found) ? found : 1e10;
    const double factor = 1 + std::atan(std::pow(1 / (size + 1e-8), 1.0 / 3) - 1);
    const bool taken = factor >= 0.81 || h <= least;
    run.tried({a, b, size, taken});
    if (taken) {
      low = second;
      x = third;
      place += h;
      run.visit(b, x);
    }
    h = std::max(h * factor, least);
  }
  if (ends.zero) {
    x = run.denoise(x, ends.to);
    run.visit(0, x);
  }
  return x;
}

const Registration<Sampler> entries[] = {
    Registration<Sampler>{
        describeSampler("heun", "Heun", "Karras et al. 2022, algorithm 1", 2, 0, 2, heun, "HeunDiscreteScheduler; FlowMatchHeunDiscreteScheduler", "sample_heun",
                                          "heun")},
    Registration<Sampler>{describeSampler("edm", "EDM, Heun with churn", "Karras et al. 2022, algorithm 2", 0, 2, 2, edm,
                                          "KarrasVeScheduler -> s_churn 80, s_noise 1.007",
                                          "sample_heun (s_churn) -> s_tmin 0, s_tmax 500, s_noise 1", "",
                                          "edm_sampler -> s_churn 0, s_tmin 0, s_tmax 500, s_noise 1")},
    Registration<Sampler>{describeSampler("dpm-2", "DPM-Solver-2", "Lu et al. 2022a; Karras et al. 2022", 2, 0, 2, dpm2,
                                          "KDPM2DiscreteScheduler", "sample_dpm_2", "dpm_2")},
    Registration<Sampler>{describeSampler("dpm-2-a", "DPM-Solver-2 ancestral", "Crowson 2022", 0, 1, 2, dpm2Ancestral,
                                          "KDPM2AncestralDiscreteScheduler", "sample_dpm_2_ancestral", "dpm_2_ancestral")},
    Registration<Sampler>{describeSampler("dpm-3", "DPM-Solver-3", "Lu et al. 2022a, algorithm 2", 3, 0, 3, dpm3,
                                          "DPMSolverSinglestepScheduler (dpmsolver, solver_order 3)", "sample_dpm_fast [its third-order steps]",
                                          "dpm_fast [its third-order steps]")},
    Registration<Sampler>{describeSampler("dpm++2s", "DPM-Solver++(2S)", "Lu et al. 2022b, algorithm 1", 2, 0, 2, dpmpp2s,
                                          "DPMSolverSinglestepScheduler", "", "")},
    Registration<Sampler>{describeSampler("dpm++2s-a", "DPM-Solver++(2S) ancestral", "Crowson 2022", 0, 1, 2, dpmpp2sAncestral, "",
                                          "sample_dpmpp_2s_ancestral", "dpmpp_2s_ancestral")},
    Registration<Sampler>{describeSampler("dpm++sde", "DPM-Solver++ SDE", "Crowson 2022", 0, 1, 2, dpmppSde, "DPMSolverSDEScheduler",
                                          "sample_dpmpp_sde", "dpmpp_sde")},
    Registration<Sampler>{
        describeSampler("res-2s", "RES, two stages", "Zhang et al. 2023; Hochbruck & Ostermann 2010", 2, 0, 2, res2s, "", "", "")},
    Registration<Sampler>{
        describeSampler("exp-heun", "Exponential Heun", "Hochbruck & Ostermann 2010", 2, 0, 2, exponentialHeun, "", "", "exp_heun_2_x0")},
    Registration<Sampler>{describeSampler("seeds-2", "SEEDS-2", "Gonzalez et al. 2023", 0, 1, 2, seeds2, "", "", "seeds_2")},
    Registration<Sampler>{describeSampler("seeds-3", "SEEDS-3", "Gonzalez et al. 2023", 0, 1, 3, seeds3, "", "", "seeds_3")},
    Registration<Sampler>{describeSampler("rk4", "Runge–Kutta 4", "Kutta 1901", 4, 0, 4, rk4, "", "", "")},
    Registration<Sampler>{describeSampler("rk4-log", "Runge–Kutta 4 in ln σ", "Kutta 1901", 4, 0, 4, rk4Log, "", "", "")},
    Registration<Sampler>{
        describeSampler("rk45", "Dormand–Prince 5(4)", "Dormand & Prince 1980", 5, 0, 6, dormandPrince, "", "", "", "dopri5; RK45", true)},
    Registration<Sampler>{describeSampler("dpm-adaptive", "DPM-Solver-23, adaptive", "Lu et al. 2022a, appendix C", 3, 0, 3, dpmAdaptive,
                                          "", "sample_dpm_adaptive", "dpm_adaptive", "", true)},
};

}  // namespace

State dormandPrinceStep(Run& run, const State& x, double a, double b) {
  const double h = std::log(a / b);
  std::vector<State> k;
  for (std::size_t stage = 0; stage < 6; ++stage) {
    const State at = stagePoint(x, h, k, stage);
    k.push_back(run.denoise(at, a * std::exp(-dormand_prince::C[stage] * h)) - at);
  }
  return stagePoint(x, h, k, 6);
}

}  // namespace orrery::diffusion
