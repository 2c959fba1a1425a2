// Multistep samplers of the ODE: they remember earlier D or e. Formulas: generative.md C5.

#include <algorithm>
#include <cmath>
#include <deque>

#include "core/diffusion/polynomials.h"
#include "core/diffusion/sampler.h"

namespace orrery::diffusion {

namespace {

// What was evaluated before, newest first.
struct Past {
  double level;
  State value;
};
using History = std::deque<Past>;

void remember(History& history, double level, State value, std::size_t most) {
  history.push_front({level, std::move(value)});
  if (history.size() > most) history.pop_back();
}

std::vector<double> levelsOf(const History& history) {
  std::vector<double> levels;
  for (const Past& past : history) levels.push_back(past.level);
  return levels;
}

// Linear multistep in the level (Crowson 2022 after Adams; rho-AB of Zhang & Chen 2022): e as a polynomial through the last k levels.
State lms(Run& run, State x) {
  const int k = run.options().lmsOrder;
  History history;
  for (const Step& s : run.steps()) {
    remember(history, s.a, run.slope(x, s.a), static_cast<std::size_t>(k));
    if (!run.exactStart(s, k - 1, x)) {
      const auto weights = lagrangeWeights(levelsOf(history), s.a, s.b, [](double) { return 1.0; });
      for (std::size_t j = 0; j < history.size(); ++j) x += weights[j] * history[j].value;
    }
    run.visit(s.b, x);
  }
  return x;
}

// Time of the variance-preserving SDE (beta 0.1 to 20) at a level, and d level / dt.
constexpr double beta0 = 0.1, beta1 = 20;
double vpTime(double level) {
  return (std::sqrt(beta0 * beta0 + 2 * (beta1 - beta0) * std::log1p(level * level)) - beta0) / (beta1 - beta0);
}
double vpRate(double t) {
  const double level = std::sqrt(std::expm1(0.5 * t * t * (beta1 - beta0) + t * beta0));
  return level == 0 ? 0 : (1 + level * level) / (2 * level) * (beta0 + t * (beta1 - beta0));
}

// tAB-DEIS (Zhang & Chen 2022): e as a polynomial in VP time through the last three evaluations.
State deis(Run& run, State x) {
  History history;
  for (const Step& s : run.steps()) {
    remember(history, s.a, run.slope(x, s.a), 3);
    if (s.b == 0) {
      x -= s.a * history.front().value;
    } else if (!run.exactStart(s, 2, x)) {
      std::vector<double> times;
      for (const Past& past : history) times.push_back(vpTime(past.level));
      const auto weights = lagrangeWeights(times, vpTime(s.a), vpTime(s.b), vpRate);
      for (std::size_t j = 0; j < history.size(); ++j) x += weights[j] * history[j].value;
    }
    run.visit(s.b, x);
  }
  return x;
}

// Adams-Bashforth's weights of equal steps, by how many e are known.
State adamsBashforth(const History& h) {
  switch (h.size()) {
    case 1:
      return h[0].value;
    case 2:
      return (3 * h[0].value - h[1].value) / 2;
    case 3:
      return (23 * h[0].value - 16 * h[1].value + 5 * h[2].value) / 12;
    default:
      return (55 * h[0].value - 59 * h[1].value + 37 * h[2].value - 9 * h[3].value) / 24;
  }
}

// PLMS (Liu et al. 2022a, as in latent diffusion): the first step is Heun's; then Euler with the mean direction.
State plms(Run& run, State x) {
  History history;
  for (const Step& s : run.steps()) {
    remember(history, s.a, run.slope(x, s.a), 4);
    State mean = adamsBashforth(history);
    if (s.index == 0 && s.b > 0) mean = 0.5 * (mean + run.slope(x + (s.b - s.a) * mean, s.b));
    x += (s.b - s.a) * mean;
    run.visit(s.b, x);
  }
  return x;
}

// PNDM (Liu et al. 2022a, algorithm 2): the first three steps are pseudo Runge-Kutta, every stage a DDIM step.
State pndm(Run& run, State x) {
  History history;
  for (const Step& s : run.steps()) {
    const State e1 = run.slope(x, s.a);
    remember(history, s.a, e1, 4);
    State mean = adamsBashforth(history);
    if (s.index < 3 && s.b > 0) {
      const double middle = std::sqrt(s.a * s.b);
      const State e2 = run.slope(x + (middle - s.a) * e1, middle), e3 = run.slope(x + (middle - s.a) * e2, middle);
      const State e4 = run.slope(x + (s.b - s.a) * e3, s.b);
      mean = (e1 + 2 * e2 + 2 * e3 + e4) / 6;
    }
    x += (s.b - s.a) * mean;
    run.visit(s.b, x);
  }
  return x;
}

// Improved PNDM (Zhang & Chen 2022): no Runge-Kutta start.
State ipndm(Run& run, State x) {
  History history;
  for (const Step& s : run.steps()) {
    remember(history, s.a, run.slope(x, s.a), 4);
    x += (s.b - s.a) * adamsBashforth(history);
    run.visit(s.b, x);
  }
  return x;
}

// DPM-Solver++(2M) and (3M) (Lu et al. 2022b; 3M as coded in k-diffusion with kappa = 1).
State dpmppMultistep(Run& run, State x, std::size_t order) {
  History history;
  for (const Step& s : run.steps()) {
    remember(history, s.a, run.denoise(x, s.a), order);
    const State& D = history[0].value;
    if (s.b == 0) {
      x = D;
    } else if (!run.exactStart(s, static_cast<int>(order) - 1, x)) {
      const double h = s.h(), decay = -std::expm1(-h);
      State next = s.b / s.a * x + decay * D;
      if (history.size() > 1) {
        const double r0 = std::log(history[1].level / s.a) / h;
        const State first = (D - history[1].value) / r0;
        if (order == 2) {
          next += decay / 2 * first;
        } else if (history.size() == 2) {
          next += phi2(h) * first;
        } else {
          const double r1 = std::log(history[2].level / history[1].level) / h;
          const State second = (history[1].value - history[2].value) / r1;
          next += phi2(h) * (first + r0 / (r0 + r1) * (first - second)) - run.options().kappa * phi3(h) / (r0 + r1) * (first - second);
        }
      }
      x = next;
    }
    run.visit(s.b, x);
  }
  return x;
}
State dpmpp2m(Run& run, State x) { return dpmppMultistep(run, std::move(x), 2); }
State dpmpp3m(Run& run, State x) { return dpmppMultistep(run, std::move(x), 3); }

// RES multistep: exponential Adams-Bashforth of two steps (Hochbruck & Ostermann 2010), ancestral when eta > 0.
State resMultistepTo(Run& run, State x, double eta) {
  History history;
  double downBefore = 0;
  for (const Step& s : run.steps()) {
    remember(history, s.a, run.denoise(x, s.a), 2);
    const State& D = history[0].value;
    const auto [down, up] = ancestral(s.a, s.b, eta);
    if (down == 0) {
      x = D;
    } else {
      const double h = std::log(s.a / down);
      State next = down / s.a * x - std::expm1(-h) * D;
      // The distance back is counted from where the last step's deterministic part ended.
      if (history.size() > 1 && downBefore > 0) next += phi2(h) * h / std::log(history[1].level / downBefore) * (D - history[1].value);
      x = next;
    }
    downBefore = down;
    if (up > 0) x += up * run.noise(s.a, s.b);
    run.visit(s.b, x);
  }
  return x;
}
State resMultistep(Run& run, State x) { return resMultistepTo(run, std::move(x), 0); }
State resMultistepAncestral(Run& run, State x) { return resMultistepTo(run, std::move(x), run.options().eta); }

// Solves sum_m rho_m r_m^(k-1) = k! phi_{k+1} / B for k = 1 .. n by elimination.
std::vector<double> uniWeights(const std::vector<double>& r, double h, double B) {
  const std::size_t n = r.size();
  std::vector<std::vector<double>> rows(n, std::vector<double>(n + 1));
  double factorial = 1;
  for (std::size_t k = 0; k < n; ++k) {
    factorial *= static_cast<double>(k + 1);
    for (std::size_t m = 0; m < n; ++m) rows[k][m] = std::pow(r[m], static_cast<double>(k));
    rows[k][n] = factorial * uniPhi(static_cast<int>(k) + 2, h) / B;
  }
  for (std::size_t c = 0; c < n; ++c) {
    std::size_t best = c;
    for (std::size_t k = c; k < n; ++k)
      if (std::abs(rows[k][c]) > std::abs(rows[best][c])) best = k;
    std::swap(rows[c], rows[best]);
    for (std::size_t k = 0; k < n; ++k) {
      if (k == c) continue;
      const double factor = rows[k][c] / rows[c][c];
      for (std::size_t m = c; m <= n; ++m) rows[k][m] -= factor * rows[c][m];
    }
  }
  std::vector<double> weights;
  for (std::size_t k = 0; k < n; ++k) weights.push_back(rows[k][n] / rows[k][k]);
  return weights;
}

// UniPC-p (Zhao et al. 2023, algorithms 5 and 6, data prediction): predict b, evaluate there once, correct; that evaluation is the next
// step's.
State uniPc(Run& run, State x) {
  const auto order = static_cast<std::size_t>(run.options().uniOrder);
  const auto steps = run.steps();
  History history;
  for (const Step& s : steps) {
    if (history.empty() || history.front().level != s.a) remember(history, s.a, run.denoise(x, s.a), order);
    const State D = history.front().value;
    if (s.b == 0) {
      x = D;
      run.visit(0, x);
      continue;
    }
    if (run.exactStart(s, static_cast<int>(order) - 1, x)) {
      run.visit(s.b, x);
      continue;
    }
    const double h = s.h(), B = run.options().uniBh1 ? -h : uniPhi(1, h);
    std::vector<double> r;
    std::vector<State> differences;
    for (std::size_t m = 1; m < history.size(); ++m) {
      r.push_back(-std::log(history[m].level / s.a) / h);
      differences.push_back((history[m].value - D) / r.back());
    }
    const State base = s.b / s.a * x - uniPhi(1, h) * D;
    const auto moved = [&](const std::vector<double>& weights) {
      State next = base;
      for (std::size_t m = 0; m < weights.size(); ++m) next -= B * weights[m] * differences[m];
      return next;
    };
    x = moved(r.size() == 1 ? std::vector<double>{0.5} : uniWeights(r, h, B));
    const bool last = s.index + 1 == steps.size();
    if (run.options().uniCorrector && !last) {
      const State reached = run.denoise(x, s.b);
      r.push_back(1);
      differences.push_back(reached - D);
      x = moved(r.size() == 1 ? std::vector<double>{0.5} : uniWeights(r, h, B));
      remember(history, s.b, reached, order);
    }
    run.visit(s.b, x);
  }
  return x;
}

const Registration<Sampler> entries[] = {
    Registration<Sampler>{
        describeSampler("lms", "LMS", "Crowson 2022, after Adams", 4, 0, 1, lms, "LMSDiscreteScheduler", "sample_lms", "lms")},
    Registration<Sampler>{describeSampler("deis", "DEIS, tAB-3", "Zhang & Chen 2022", 3, 0, 1, deis,
                                          "DEISMultistepScheduler (solver_order 3)", "", "deis")},
    Registration<Sampler>{describeSampler("plms", "PLMS", "Liu et al. 2022a", 2, 0, 1, plms, "PNDMScheduler (skip_prk_steps)", "", "")},
    Registration<Sampler>{describeSampler("pndm", "PNDM", "Liu et al. 2022a, algorithm 2", 2, 0, 1, pndm, "PNDMScheduler", "", "")},
    Registration<Sampler>{describeSampler("ipndm", "iPNDM", "Zhang & Chen 2022", 2, 0, 1, ipndm, "IPNDMScheduler", "", "ipndm")},
    Registration<Sampler>{describeSampler("dpm++2m", "DPM-Solver++(2M)", "Lu et al. 2022b, algorithm 2", 2, 0, 1, dpmpp2m,
                                          "DPMSolverMultistepScheduler; EDMDPMSolverMultistepScheduler", "sample_dpmpp_2m",
                                          "dpmpp_2m")},
    Registration<Sampler>{describeSampler("dpm++3m", "DPM-Solver++(3M)", "Lu et al. 2022b; Crowson 2023", 3, 0, 1, dpmpp3m,
                                          "DPMSolverMultistepScheduler (solver_order 3)", "sample_dpmpp_3m_sde (eta 0)",
                                          "dpmpp_3m_sde (eta 0)")},
    Registration<Sampler>{describeSampler("res-multistep", "RES multistep", "Zhang et al. 2023; Hochbruck & Ostermann 2010", 2, 0, 1,
                                          resMultistep, "", "", "res_multistep")},
    Registration<Sampler>{describeSampler("res-multistep-a", "RES multistep ancestral", "ComfyUI, after Zhang et al. 2023", 0, 1, 1,
                                          resMultistepAncestral, "", "", "res_multistep_ancestral")},
    Registration<Sampler>{describeSampler("unipc", "UniPC", "Zhao et al. 2023, algorithms 5 and 6", 3, 0, 1, uniPc,
                                          "UniPCMultistepScheduler", "",
                                          "uni_pc -> solver_type bh1, solver_order 3; uni_pc_bh2 -> solver_type bh2, solver_order 3")},
};

}  // namespace

}  // namespace orrery::diffusion
