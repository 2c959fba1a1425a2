// The step grids of generative.md C6 and those of the libraries whose names they carry.

#include "core/diffusion/grid.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/text.h"
#include "core/diffusion/process.h"
#include "core/diffusion/sampler.h"

namespace orrery::diffusion {

double normalQuantile(double p) {
  double low = -40, high = 40;
  for (int i = 0; i < 100; ++i) {
    const double middle = 0.5 * (low + high);
    (0.5 * std::erfc(-middle / std::numbers::sqrt2) > p ? high : low) = middle;
  }
  return 0.5 * (low + high);
}

namespace {

// The regularised incomplete beta function by Lentz's continued fraction (Abramowitz & Stegun 26.5.8).
double incompleteBeta(double x, double a, double b) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  constexpr double tiny = 1e-300;
  double c = 1, d = 1 / std::max(tiny, 1 - (a + b) * x / (a + 1)), f = d;
  for (int m = 1; m < 300; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / (1 + even * d);
    c = 1 + even / c;
    f *= c * d;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / (1 + odd * d);
    c = 1 + odd / c;
    f *= c * d;
    if (std::abs(c * d - 1) < 1e-16) break;
  }
  return f * std::exp(a * std::log(x) + b * std::log1p(-x) - std::log(a) - (std::lgamma(a) + std::lgamma(b) - std::lgamma(a + b)));
}

}  // namespace

double betaQuantile(double p, double a, double b) {
  double low = 0, high = 1;
  for (int i = 0; i < 100; ++i) {
    const double middle = 0.5 * (low + high);
    (incompleteBeta(middle, a, b) > p ? high : low) = middle;
  }
  return p >= 1 ? 1 : 0.5 * (low + high);
}

namespace {

using Levels = std::vector<double>;

// f at the shares 0, 1/(n-1), ..., 1 of the way from the largest to the smallest level.
template <class F>
Levels along(const GridRequest& r, const F& f) {
  Levels levels;
  for (int i = 0; i < r.count; ++i) levels.push_back(f(r.count == 1 ? 0.0 : static_cast<double>(i) / (r.count - 1)));
  return levels;
}
double between(double share, double from, double to) { return from + share * (to - from); }

Levels karras(const GridRequest& r) {
  return along(r, [&](double s) { return std::pow(between(s, std::pow(r.sigmaMax, 1 / r.rho), std::pow(r.sigmaMin, 1 / r.rho)), r.rho); });
}
Levels exponential(const GridRequest& r) {
  return along(r, [&](double s) { return std::exp(between(s, std::log(r.sigmaMax), std::log(r.sigmaMin))); });
}
Levels polyexponential(const GridRequest& r) {
  return along(r, [&](double s) { return std::exp(std::pow(1 - s, r.rho) * std::log(r.sigmaMax / r.sigmaMin) + std::log(r.sigmaMin)); });
}
Levels linearLevel(const GridRequest& r) {
  return along(r, [&](double s) { return between(s, r.sigmaMax, r.sigmaMin); });
}
Levels uniformTime(const GridRequest& r, const char* id) {
  const Process& process = *findRegistered<Process>(id);
  const double from = timeOf(process, r.sigmaMax), to = timeOf(process, r.sigmaMin);
  return along(r, [&](double s) { return process.at(between(s, from, to)).relative(); });
}
Levels vp(const GridRequest& r) { return uniformTime(r, "vp"); }

Levels laplace(const GridRequest& r) {
  return along(r, [&](double s) {
    const double sign = s < 0.5   ? 1
                        : s > 0.5 ? -1
                                  : 0,
                 lambda = r.mean - 0.5 * r.deviation * sign * std::log(1 - 2 * std::abs(0.5 - s) + 1e-5);
    return std::clamp(std::exp(lambda), r.sigmaMin, r.sigmaMax);
  });
}
Levels klOptimal(const GridRequest& r) {
  return along(r, [&](double s) { return std::tan(between(s, std::atan(r.sigmaMax), std::atan(r.sigmaMin))); });
}

// The flow's time is level / (1 + level); its logit is ln(level).
Levels logitNormal(const GridRequest& r) {
  const auto place = [&](double level) { return 0.5 * std::erfc(-(std::log(level) - r.mean) / r.deviation / std::numbers::sqrt2); };
  const double from = place(r.sigmaMax), to = place(r.sigmaMin);
  return along(r, [&](double s) {
    return s == 0 ? r.sigmaMax : s == 1 ? r.sigmaMin : std::exp(r.mean + r.deviation * normalQuantile(between(s, from, to)));
  });
}
// t -> m t / (1 + (m - 1) t) multiplies level = t / (1 - t) by m; t is uniform before the shift.
Levels flowShift(const GridRequest& r) {
  const auto time = [&](double level) { return level / (r.shift + level); };
  return along(r, [&](double s) {
    const double t = between(s, time(r.sigmaMax), time(r.sigmaMin));
    return r.shift * t / (1 - t);
  });
}

Levels linearQuadratic(const GridRequest& r) {
  const int n = r.count, linear = n / 2;
  if (linear == 0) return {r.sigmaMax};
  constexpr double threshold = 0.025;
  const double difference = linear - threshold * n, rest = n - linear;
  const double square = difference / (linear * rest * rest), slope = threshold / linear - 2 * difference / (rest * rest);
  Levels levels;
  for (int i = 0; i < n; ++i) {
    const double done = i < linear ? i * threshold / linear : square * i * i + slope * i + square * linear * linear;
    levels.push_back((1 - done) * r.sigmaMax);
  }
  return levels;
}

// Grids over the timesteps 0 .. T-1 of a table of levels, rising. Fractional timesteps interpolate ln(level).
Levels tableOf(const GridRequest& r) { return levelTable(*findRegistered<Process>(r.process)); }
double atTimestep(const Levels& table, double t) {
  t = std::clamp(t, 0.0, static_cast<double>(table.size() - 1));
  const auto low = std::min(static_cast<std::size_t>(t), table.size() - 2);
  return std::exp(between(t - static_cast<double>(low), std::log(table[low]), std::log(table[low + 1])));
}

Levels normal(const GridRequest& r) {
  const Levels table = tableOf(r);
  return along(r, [&](double s) { return atTimestep(table, between(s, static_cast<double>(table.size() - 1), 0)); });
}
Levels sgmUniform(const GridRequest& r) {
  const Levels table = tableOf(r);
  Levels levels;
  for (int i = 0; i < r.count; ++i)
    levels.push_back(atTimestep(table, static_cast<double>(table.size() - 1) * (1 - static_cast<double>(i) / r.count)));
  return levels;
}
Levels simple(const GridRequest& r) {
  const Levels table = tableOf(r);
  const double stride = static_cast<double>(table.size()) / r.count;
  Levels levels;
  for (int i = 0; i < r.count; ++i) levels.push_back(table[table.size() - 1 - static_cast<std::size_t>(i * stride)]);
  return levels;
}
Levels ddimUniform(const GridRequest& r) {
  const Levels table = tableOf(r);
  const std::size_t stride = std::max<std::size_t>(table.size() / static_cast<std::size_t>(r.count), 1);
  Levels levels;
  for (std::size_t i = 1; i < table.size(); i += stride) levels.push_back(table[i]);
  std::reverse(levels.begin(), levels.end());
  return levels;
}
Levels betaGrid(const GridRequest& r) {
  const Levels table = tableOf(r);
  Levels levels;
  for (int i = 0; i < r.count; ++i) {
    const double t = std::nearbyint(betaQuantile(1 - static_cast<double>(i) / r.count, r.a, r.b) * static_cast<double>(table.size() - 1));
    levels.push_back(table[static_cast<std::size_t>(t)]);
  }
  return levels;
}
Levels leading(const GridRequest& r) {
  const Levels table = tableOf(r);
  const std::size_t stride = std::max<std::size_t>(table.size() / static_cast<std::size_t>(r.count), 1);
  Levels levels;
  for (int i = r.count; i-- > 0;) levels.push_back(table[std::min(static_cast<std::size_t>(i) * stride + 1, table.size() - 1)]);
  return levels;
}
Levels trailing(const GridRequest& r) {
  const Levels table = tableOf(r);
  const double stride = static_cast<double>(table.size()) / r.count;
  Levels levels;
  for (int i = 0; i < r.count; ++i) {
    const double t = std::nearbyint(static_cast<double>(table.size()) - i * stride) - 1;
    levels.push_back(table[static_cast<std::size_t>(std::max(t, 0.0))]);
  }
  return levels;
}
Levels quadratic(const GridRequest& r) {
  const Levels table = tableOf(r);
  return along(r, [&](double s) { return atTimestep(table, static_cast<double>(table.size() - 1) * (1 - s) * (1 - s)); });
}

// Ten steps as published, log-linear in between for other numbers (Sabour et al. 2024).
Levels published(const GridRequest& r, const Levels& table) {
  return along(r, [&](double s) { return atTimestep(table, s * static_cast<double>(table.size() - 1)); });
}
Levels alignSd15(const GridRequest& r) {
  return published(r, {14.6146412293, 6.4745760956, 3.8636745985, 2.6946151520, 1.8841921177, 1.3943805092, 0.9642583904, 0.6523686016,
                       0.3977456272, 0.1515232662, 0.0291671582});
}
Levels alignSdxl(const GridRequest& r) {
  return published(r, {14.6146412293, 6.3184485287, 3.7681790315, 2.1811480769, 1.3405244945, 0.8620721141, 0.5550693289, 0.3798540708,
                       0.2332364134, 0.1114188177, 0.0291671582});
}
Levels alignSvd(const GridRequest& r) {
  return published(r, {700.00, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.002});
}

Levels drawn(const GridRequest& r) { return r.custom; }

const Registration<Grid> entries[] = {
    Registration<Grid>{{"karras", "Karras", "Karras et al. 2022, eq. 5", "use_karras_sigmas; get_sigmas_karras; karras", false, karras}},
    Registration<Grid>{{"exponential", "Exponential", "Lu et al. 2022a, uniform in λ",
                        "use_exponential_sigmas; use_lu_lambdas; get_sigmas_exponential; exponential", false, exponential}},
    Registration<Grid>{{"polyexponential", "Polyexponential", "Crowson 2022", "get_sigmas_polyexponential; PolyexponentialScheduler", false,
                        polyexponential}},
    Registration<Grid>{{"linear-sigma", "Linear in σ", "", "", false, linearLevel}},
    Registration<Grid>{{"vp", "VP, uniform in t", "Song et al. 2021", "get_sigmas_vp; VPScheduler", false, vp}},
    Registration<Grid>{
        {"ve", "VE, geometric", "Song et al. 2021; the same levels as exponential", "ScoreSdeVeScheduler", false, exponential}},
    Registration<Grid>{{"laplace", "Laplace", "Hang et al. 2024", "LaplaceScheduler", false, laplace}},
    Registration<Grid>{{"kl-optimal", "KL-optimal", "Sabour et al. 2024, section 3", "kl_optimal", false, klOptimal}},
    Registration<Grid>{{"logit-normal", "Logit-normal", "Esser et al. 2024, eq. 19", "logit_normal", false, logitNormal}},
    Registration<Grid>{
        {"flow-shift", "Flow, shifted", "Esser et al. 2024, eq. 23", "FlowMatchEulerDiscreteScheduler; use_flow_sigmas", false, flowShift}},
    Registration<Grid>{{"linear-quadratic", "Linear, then quadratic", "Genmo 2024, Mochi", "linear_quadratic", false, linearQuadratic}},
    Registration<Grid>{{"normal", "Normal, linspace in timesteps", "Crowson 2022", "timestep_spacing linspace; normal; discrete", true, normal}},
    Registration<Grid>{{"sgm-uniform", "SGM uniform", "Stability AI 2023, generative-models", "sgm_uniform", true, sgmUniform}},
    Registration<Grid>{{"simple", "Simple", "ComfyUI 2023", "simple", true, simple}},
    Registration<Grid>{{"ddim-uniform", "DDIM uniform", "Song et al. 2020a", "ddim_uniform", true, ddimUniform}},
    Registration<Grid>{{"beta", "Beta", "Lee et al. 2024", "use_beta_sigmas; beta; BetaSamplingScheduler; beta57 -> alpha 0.5, beta 0.7", true, betaGrid}},
    Registration<Grid>{
        {"leading", "Leading timesteps", "Song et al. 2020a; Lin et al. 2024, table 2", "timestep_spacing leading", true, leading}},
    Registration<Grid>{{"trailing", "Trailing timesteps", "Lin et al. 2024, table 2", "timestep_spacing trailing", true, trailing}},
    Registration<Grid>{{"quadratic", "Quadratic in timesteps", "Song et al. 2020a, appendix D.2", "", true, quadratic}},
    Registration<Grid>{{"ays-sd15", "Align your steps, SD 1.5", "Sabour et al. 2024", "AlignYourStepsScheduler (SD1)", true, alignSd15}},
    Registration<Grid>{{"ays-sdxl", "Align your steps, SDXL", "Sabour et al. 2024", "AlignYourStepsScheduler (SDXL)", true, alignSdxl}},
    Registration<Grid>{{"ays-svd", "Align your steps, SVD", "Sabour et al. 2024", "AlignYourStepsScheduler (SVD)", true, alignSvd}},
    Registration<Grid>{{"drawn", "Drawn by you", "", "", true, drawn}},
};

}  // namespace

Expected<std::vector<double>> stepLevels(const Grid& grid, int steps, bool finalZero, GridRequest request) {
  request.count = finalZero ? steps : steps + 1;
  if (steps < 1) return makeError(ErrorCode::usage, trf("A step grid needs at least 1 step, found {}", steps));
  if (!(request.sigmaMin > 0 && request.sigmaMin < request.sigmaMax))
    return makeError(ErrorCode::usage,
                     trf("The smallest noise level {} must lie above 0 and below the largest {}", request.sigmaMin, request.sigmaMax));
  if (!(request.a > 0 && request.b > 0))
    return makeError(ErrorCode::usage, trf("The beta grid's parameters {} and {} must lie above 0", request.a, request.b));
  const Process* process = findRegistered<Process>(request.process);
  if (process == nullptr) return makeError(ErrorCode::usage, trf("There is no noise process '{}'", request.process));
  std::vector<double> levels = grid.levels(request);
  // The ends exactly, whatever the powers rounded to.
  if (!grid.ownRange && levels.size() > 1 && grid.id != "laplace" && grid.id != "linear-quadratic") {
    levels.front() = request.sigmaMax;
    levels.back() = request.sigmaMin;
  }
  levels.erase(std::unique(levels.begin(), levels.end()), levels.end());
  if (finalZero) levels.push_back(0);
  if (auto good = checkLevels(levels); !good) return good.error();
  return levels;
}

}  // namespace orrery::diffusion
