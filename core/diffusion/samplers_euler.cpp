// First-order samplers: Euler, DDIM, DDPM and their kin. In scaled coordinates DDIM without noise is Euler's step, and DDPM is Euler
// ancestral with eta = 1 (generative.md C5); ddim and ddpm are written here in their papers' own variables, so that the tests compare.

#include <algorithm>
#include <cmath>

#include "core/diffusion/sampler.h"

namespace orrery::diffusion {

namespace {

State euler(Run& run, State x) {
  for (const Step& s : run.steps()) {
    const State e = run.slope(x, s.a);
    x += (s.b - s.a) * e;
    run.visit(s.b, x);
  }
  return x;
}

State eulerAncestral(Run& run, State x) {
  for (const Step& s : run.steps()) {
    const auto [down, up] = ancestral(s.a, s.b, run.options().eta);
    x += (down - s.a) * run.slope(x, s.a);
    if (up > 0) x += up * run.noise(s.a, s.b);
    run.visit(s.b, x);
  }
  return x;
}

// Song et al. 2020a, eq. 12 and 16, in the variance-preserving state x_t = sqrt(abar) x, abar = 1 / (1 + level^2).
State ddim(Run& run, State x) {
  for (const Step& s : run.steps()) {
    const double now = 1 / (1 + s.a * s.a), next = 1 / (1 + s.b * s.b);
    const State xt = std::sqrt(now) * x, D = run.denoise(x, s.a);
    const State epsilon = (xt - std::sqrt(now) * D) / std::sqrt(1 - now);
    const double most = std::sqrt(1 - next);
    const double added = std::min(most, run.options().eta * std::sqrt((1 - next) / (1 - now)) * std::sqrt(1 - now / next));
    State xn = std::sqrt(next) * D + std::sqrt(std::max(0.0, 1 - next - added * added)) * epsilon;
    if (added > 0) xn += added * run.noise(s.a, s.b);
    x = xn / std::sqrt(next);
    run.visit(s.b, x);
  }
  return x;
}

// From data to noise, Song et al. 2020a section 4.3: eps of the level left (explicit), or of the level reached, by fixed-point iteration
// (implicit, exactly undone by Euler's step).
State ddimInversion(Run& run, State x) {
  std::vector<double> levels = run.levels();
  std::reverse(levels.begin(), levels.end());
  if (levels.front() == 0) levels.erase(levels.begin());
  for (std::size_t i = 0; i + 1 < levels.size(); ++i) {
    const double a = levels[i], b = levels[i + 1];
    State next = x + (b - a) * run.slope(x, a);
    for (int k = 0; k < run.options().fixedPoint; ++k) next = x + (b - a) * run.slope(next, b);
    x = next;
    run.visit(b, x);
  }
  return x;
}

// Ho et al. 2020, eq. 6-7: the posterior mean of x_{t-1} under q(x_{t-1} | x_t, x_0 = D), with variance betaTilde or beta.
State ancestralChain(Run& run, State x, bool large) {
  for (const Step& s : run.steps()) {
    const double now = 1 / (1 + s.a * s.a), next = 1 / (1 + s.b * s.b), keep = now / next, beta = 1 - keep;
    const State D = run.denoise(x, s.a);
    State xn = std::sqrt(next) * beta / (1 - now) * D + std::sqrt(keep) * (1 - next) / (1 - now) * (std::sqrt(now) * x);
    const double variance = large ? beta : beta * (1 - next) / (1 - now);
    if (s.b > 0) xn += std::sqrt(variance) * run.noise(s.a, s.b);
    x = xn / std::sqrt(next);
    run.visit(s.b, x);
  }
  return x;
}
State ddpm(Run& run, State x) { return ancestralChain(run, std::move(x), false); }
State ddpmLarge(Run& run, State x) { return ancestralChain(run, std::move(x), true); }

// Denoise, then noise again in full (Song et al. 2023, algorithm 1; Luo et al. 2023).
State lcm(Run& run, State x) {
  for (const Step& s : run.steps()) {
    x = run.denoise(x, s.a);
    if (s.b > 0) x += s.b * run.noise(s.a, s.b);
    run.visit(s.b, x);
  }
  return x;
}

// The family C4 in sigma^2, Euler-Maruyama; eta is zeta: 0 the ODE, 1 the reverse SDE.
State eulerMaruyama(Run& run, State x) {
  const double zeta = run.options().eta;
  for (const Step& s : run.steps()) {
    const State e = run.slope(x, s.a);
    if (s.b == 0) {
      x -= s.a * e;  // the drift of the last step would overshoot D
    } else {
      x -= 0.5 * (1 + zeta * zeta) * (s.a * s.a - s.b * s.b) / s.a * e;
      if (zeta > 0) x += zeta * std::sqrt(s.a * s.a - s.b * s.b) * run.noise(s.a, s.b);
    }
    run.visit(s.b, x);
  }
  return x;
}

// Song et al. 2021, algorithms 2 and 4: the predictor is Euler-Maruyama, the corrector Langevin steps at the level reached, their size set
// by a signal to noise ratio of mean norms.
State langevinCorrected(Run& run, State x) {
  const std::size_t d = run.options().dimension;
  const auto meanNorm = [&](const State& v) {
    double sum = 0;
    for (std::size_t i = 0; i < v.size(); i += d) {
      double square = 0;
      for (std::size_t j = i; j < std::min(i + d, v.size()); ++j) square += v[j] * v[j];
      sum += std::sqrt(square);
    }
    return sum / static_cast<double>((v.size() + d - 1) / d);
  };
  for (const Step& s : run.steps()) {
    const State e = run.slope(x, s.a);
    if (s.b == 0) {
      x -= s.a * e;
      run.visit(s.b, x);
      continue;
    }
    const double span = s.a * s.a - s.b * s.b;
    x += std::sqrt(span) * run.noise(s.a, s.b) - span / s.a * e;
    for (int k = 0; k < run.options().correctorSteps; ++k) {
      const State score = -1 / s.b * run.slope(x, s.b), z = run.fresh(s.index, 2 + static_cast<std::uint32_t>(k));
      const double ratio = run.options().correctorRatio * meanNorm(z) / meanNorm(score), size = 2 * ratio * ratio;
      x += size * score + std::sqrt(2 * size) * z;
    }
    run.visit(s.b, x);
  }
  return x;
}

// Permenter & Yuan 2023: the direction is extrapolated by gamma from its change; Euler with what comes out.
State gradientEstimation(Run& run, State x) {
  State before;
  for (const Step& s : run.steps()) {
    const State e = run.slope(x, s.a);
    State used = e;
    if (!before.empty() && s.b > 0) used += (run.options().gradientGamma - 1) * (e - before);
    x += (s.b - s.a) * used;
    before = e;
    run.visit(s.b, x);
  }
  return x;
}

const Registration<Sampler> entries[] = {
    Registration<Sampler>{describeSampler("euler", "Euler", "Song et al. 2020a; Karras et al. 2022", 1, 0, 1, euler,
                                          "EulerDiscreteScheduler; EDMEulerScheduler; FlowMatchEulerDiscreteScheduler",
                                          "sample_euler", "euler")},
    Registration<Sampler>{describeSampler("euler-a", "Euler ancestral", "Song et al. 2020a, eq. 16", 0, 1, 1, eulerAncestral,
                                          "EulerAncestralDiscreteScheduler", "sample_euler_ancestral", "euler_ancestral",
                                          "euler_a; ancestral_sampling")},
    Registration<Sampler>{describeSampler("ddim", "DDIM", "Song et al. 2020a, eq. 12", 0, 1, 1, ddim,
                                          "DDIMScheduler -> eta 0; DDIMParallelScheduler -> eta 0", "", "ddim -> eta 0",
                                          "ddim_trailing -> eta 0, timestep_spacing trailing")},
    Registration<Sampler>{describeSampler("ddim-inversion", "DDIM inversion", "Song et al. 2020a, section 4.3", 1, 0, 1, ddimInversion,
                                          "DDIMInverseScheduler", "", "")},
    Registration<Sampler>{describeSampler("ddpm", "DDPM, smaller variance", "Ho et al. 2020, eq. 6-7", 0, 1, 1, ddpm,
                                          "DDPMScheduler; DDPMParallelScheduler", "", "ddpm")},
    Registration<Sampler>{describeSampler("ddpm-large", "DDPM, larger variance", "Ho et al. 2020, section 3.2", 0, 1, 1, ddpmLarge,
                                          "DDPMScheduler (fixed_large); DDPMParallelScheduler (fixed_large)", "", "")},
    Registration<Sampler>{[] {
      Sampler s = describeSampler("lcm", "LCM, multistep consistency", "Song et al. 2023, algorithm 1; Luo et al. 2023", 0, 0, 1, lcm,
                                  "LCMScheduler", "", "lcm");
      s.stochastic = true;  // of no order: D is not a consistency function, so the law stays too narrow
      return s;
    }()},
    Registration<Sampler>{
        describeSampler("em", "Euler–Maruyama", "Song et al. 2021, eq. 6", 0, 1, 1, eulerMaruyama,
                        "ScoreSdeVeScheduler (correct_steps 0)", "", "", "euler_maruyama; reverse_diffusion")},
    Registration<Sampler>{[] {
      Sampler s = describeSampler("langevin-pc", "Predictor–corrector, Langevin", "Song et al. 2021, algorithms 2 and 4", 0, 1, 2,
                                  langevinCorrected, "ScoreSdeVeScheduler", "", "", "langevin");
      s.couples = true;  // the corrector's size is made of mean norms
      return s;
    }()},
    Registration<Sampler>{describeSampler("gradient-estimation", "Gradient estimation", "Permenter & Yuan 2023", 1, 0, 1,
                                          gradientEstimation, "", "", "gradient_estimation", "euler_ge")},
};

}  // namespace

}  // namespace orrery::diffusion
