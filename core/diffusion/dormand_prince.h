#pragma once
// The pair of Dormand and Prince 1980, 5(4), and its step control: the home of both for whoever integrates with tolerances.
// A step from y with slopes k_0 ... k_6, k_i at y + h sum_j A[i][j] k_j and the time t + C[i] h; the last row of A is the fifth-order
// result, whose slope is the next step's first; its error is estimated as h sum_j E[j] k_j.

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace orrery::diffusion::dormand_prince {

inline constexpr std::size_t stages = 7;
inline constexpr double A[stages][6] = {{},
                                        {1.0 / 5},
                                        {3.0 / 40, 9.0 / 40},
                                        {44.0 / 45, -56.0 / 15, 32.0 / 9},
                                        {19372.0 / 6561, -25360.0 / 2187, 64448.0 / 6561, -212.0 / 729},
                                        {9017.0 / 3168, -355.0 / 33, 46732.0 / 5247, 49.0 / 176, -5103.0 / 18656},
                                        {35.0 / 384, 0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84}};
inline constexpr double C[stages] = {0, 1.0 / 5, 3.0 / 10, 4.0 / 5, 8.0 / 9, 1, 1};
inline constexpr double E[stages] = {71.0 / 57600, 0, -71.0 / 16695, 71.0 / 1920, -17253.0 / 339200, 22.0 / 525, -1.0 / 40};

// The length of the next step (Hairer, Norsett and Wanner 1993, II.4, exponents 0.7/5 and 0.4/5). It never falls below `least`, which no
// tolerance controls any more: a step of that length is taken as it is, so that every run ends.
class StepControl {
 public:
  StepControl(double first, double least) : h_(std::max(first, least)), least_(least) {}

  // The step to try, at most `left`.
  double step(double left) { return h_ = std::min(h_, left); }
  // Not even the least step gives a number: what is integrated answers none.
  bool hopeless(double error) const { return !std::isfinite(error) && h_ <= least_; }
  static double bounded(double error) { return std::isfinite(error) ? std::max(1e-10, error) : 1e10; }
  // `error`: of the step tried, as a multiple of what is allowed. Whether the step is taken.
  bool taken(double error) {
    const double size = bounded(error);
    const bool good = size <= 1 || h_ <= least_;
    const double factor = good ? std::clamp(0.9 * std::pow(size, -0.7 / 5) * std::pow(before_, 0.4 / 5), 0.2, 5.0)
                               : std::clamp(0.9 * std::pow(size, -1.0 / 5), 0.2, 1.0);
    h_ = std::max(h_ * factor, least_);
    if (good) before_ = size;
    return good;
  }

 private:
  double h_, least_, before_ = 1;
};

}  // namespace orrery::diffusion::dormand_prince
