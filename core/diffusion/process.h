#pragma once
// Noise processes: alpha and sigma of x_t = alpha x_0 + sigma eps against time t (data at 0, noise at 1), generative.md C1.
// Chains of T = 1000 steps have t = i / T, i = 1 .. T, and sqrt(abar) linear in between.

#include <string>
#include <string_view>
#include <vector>

#include "core/base/registry.h"
#include "core/diffusion/prediction.h"

namespace orrery::diffusion {

struct Process {
  std::string id, title;
  std::string source;          // authors and year
  double first = 0, last = 1;  // times at which it is defined and invertible
  Moment (*at)(double t) = nullptr;
  std::vector<double> (*betas)() = nullptr;  // beta_1 .. beta_T of a chain, or nullptr
};

// abar_1 .. abar_T = prod (1 - beta).
std::vector<double> cumulativeAlphas(const std::vector<double>& betas);
// sqrt((1 - abar) / abar), rising. For a process without a chain, of t = i / T.
std::vector<double> levelTable(const Process& process, int T = 1000);
// The time of a relative noise level, by halving; clamped to [first, last].
double timeOf(const Process& process, double level);

// Shifts sqrt(abar) so that the last is 0 and the first stays (Lin et al. 2024, algorithm 1).
std::vector<double> zeroTerminal(const std::vector<double>& betas);

}  // namespace orrery::diffusion
