#pragma once
// Densities whose denoiser D(x, s) = E[x_0 | x_0 + s eps = x] is known exactly (generative.md C3), in scaled coordinates (x_t / alpha, s
// the relative noise level), double precision. With S_k = C_k + s^2 I and responsibilities r_k of x:
//   D = sum_k r_k (mu_k + C_k S_k^-1 (x - mu_k))    [taken from posterior means, never as x + s^2 score: C12.1]

#include <array>
#include <functional>
#include <span>
#include <vector>

#include "core/diffusion/state.h"

namespace orrery::diffusion {

using Denoiser = std::function<State(const State& x, double level)>;

// The path of the probability-flow ODE by classic Runge-Kutta of `steps` steps uniform in ln(level): error falls as steps^-4.
State referencePath(const Denoiser& denoiser, const State& x, double from, double to, int steps);

// One Gaussian of mean mu and variance c^2 on every coordinate: the probability-flow ODE has a closed solution.
struct Gaussian {
  double mean = 0, deviation = 1;
  State denoise(const State& x, double level) const;
  // The state at level `to` of the path through x at level `from`.
  State exact(const State& x, double from, double to) const;
};

// A mixture on the line. Every coordinate of a State is a particle of its own.
struct LineMixture {
  struct Component {
    double weight = 1, mean = 0, deviation = 1;
  };
  std::vector<Component> components;

  State denoise(const State& x, double level) const;
  double logDensity(double x, double level) const;
  // The distribution function of the noised density and its inverse: constant along the probability-flow ODE.
  double cumulative(double x, double level) const;
  double quantile(double q, double level) const;
  State exact(const State& x, double from, double to) const;
};
LineMixture threeModes();  // C8's `1d-tri`: weights .3, .5, .2; means -1.5, .4, 1.6; deviations .35, .3, .2

// A mixture in the plane. A State holds pairs (x, y).
struct PlaneMixture {
  struct Component {
    double weight = 1, x = 0, y = 0;
    double along = 1, across = 1, angle = 0;  // principal variances, and the angle of the first axis in radians
  };
  std::vector<Component> components;

  State denoise(const State& x, double level) const;
  double logDensity(double x, double y, double level) const;
  State reference(const State& x, double from, double to, int steps) const;  // referencePath() under this denoiser
};

// Points of equal weight in any number of dimensions: the ideal denoiser of a training set, D = sum_k softmax_k(-|x - y_k|^2 / (2 s^2)) y_k
// (Karras et al. 2022, equation 57; attention with keys = values = data). A State holds particles of `dimension` coordinates.
struct PointSet {
  std::size_t dimension = 1;
  std::vector<float> points;  // [n, dimension]

  std::size_t size() const { return points.size() / dimension; }
  // The points are those whose numbers `among` lists, or all of them when it is empty.
  State denoise(const State& x, double level, const std::vector<std::size_t>& among = {}) const;

  // What one particle says about the point it came from, all points alike before: E[x_0 | x], how many points it could still be, the
  // exponential of the entropy of their shares (1 to size()), and tr Cov[x_0 | x] / dimension.
  struct Answer {
    State mean;
    double candidates = 1, variance = 0;
  };
  Answer ask(std::span<const double> x, double level) const;

  // The point nearest to one particle, and their root mean square distance over the coordinates.
  struct Nearest {
    std::size_t index = 0;
    double distance = 0;
  };
  Nearest nearest(std::span<const double> x) const;
  // The same but for the point of this number.
  Nearest nearestBut(std::size_t except, std::span<const double> x) const;
};

}  // namespace orrery::diffusion
