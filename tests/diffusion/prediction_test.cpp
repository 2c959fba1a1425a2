// The conversion table C2 and EDM's scalings.

#include "core/diffusion/prediction.h"

#include <cmath>

#include "core/diffusion/density.h"
#include "core/diffusion/process.h"
#include "tests/support/catch.h"

using namespace orrery;
using namespace orrery::diffusion;

namespace {

const State data{0.7, -1.3, 0.02, 2.5}, epsilon{-0.4, 1.1, 0.9, -2.2};
const char* const processes[] = {"ddpm-linear", "scaled-linear", "cosine", "vp", "sub-vp", "ve", "edm", "flow", "trigonometric"};

double largest(const State& difference) {
  double most = 0;
  for (const double value : difference) most = std::max(most, std::abs(value));
  return most;
}

}  // namespace

TEST_CASE("every prediction is what its definition says, and becomes every other and returns") {
  for (const char* id : processes) {
    const Process& process = *findRegistered<Process>(id);
    for (const double share : {0.05, 0.3, 0.5, 0.8}) {
      const double t = process.first + share * (process.last - process.first);
      const Moment m = process.at(t);
      if (m.relative() > 10) continue;  // beyond, eps and x_0 amplify rounding by the level (C12.3)
      const State x = m.alpha * data + m.sigma * epsilon;
      const auto truth = [&](Prediction p) {
        switch (p) {
          case Prediction::epsilon:
            return epsilon;
          case Prediction::data:
            return data;
          case Prediction::score:
            return -1 / m.sigma * epsilon;
          case Prediction::v:
            return m.alpha * epsilon - m.sigma * data;
          case Prediction::velocity:
            return m.alphaRate * data + m.sigmaRate * epsilon;
          case Prediction::edm:
            break;
        }
        const double s = m.relative(), d = 0.5, total = s * s + d * d;
        return (data - d * d / total / m.alpha * x) / (s * d / std::sqrt(total));
      };
      for (const Prediction from : allPredictions) {
        for (const Prediction to : allPredictions) {
          INFO(id << " t " << t << ": " << idOf(from) << " -> " << idOf(to));
          const State there = convert(from, to, truth(from), x, m), expected = truth(to);
          // A few roundings, amplified by at most the level, its inverse (score at small noise) or the rates.
          const double scale = 1 + largest(expected);
          const double amplified = 1 + m.relative() + 1 / m.relative();
          CHECK(largest(there - expected) < 2e-15 * scale * amplified * amplified * (1 + largest(truth(from))));
          CHECK(largest(convert(to, from, there, x, m) - truth(from)) < 1e-14 * (1 + largest(truth(from))) * amplified * amplified * scale);
        }
      }
    }
  }
}

TEST_CASE("rates are the derivatives of alpha and sigma") {
  for (const char* id : processes) {
    const Process& process = *findRegistered<Process>(id);
    for (const double share : {0.05031, 0.3033, 0.8047}) {  // not on a step of a chain
      const double span = process.last - process.first, t = process.first + share * span, h = 1e-6 * span;
      const Moment low = process.at(t - h), high = process.at(t + h), m = process.at(t);
      INFO(id << " " << t);
      // Central differences: h^2 of truncation, 1e-16 / h = 1e-10 of rounding.
      CHECK((high.alpha - low.alpha) / (2 * h) == Approx(m.alphaRate).margin(1e-7 * (1 + std::abs(m.alphaRate))));
      CHECK((high.sigma - low.sigma) / (2 * h) == Approx(m.sigmaRate).margin(1e-7 * (1 + std::abs(m.sigmaRate))));
    }
  }
}

TEST_CASE("loss weights make the losses equal") {
  const State other{0.9, -1.0, -0.4, 2.0};
  const auto square = [](const State& v) {
    double sum = 0;
    for (const double value : v) sum += value * value;
    return sum;
  };
  const auto distance = [&](const Moment& m, Prediction p) {
    const State x = m.alpha * data + m.sigma * epsilon;
    return square(convert(Prediction::data, p, other, x, m) - convert(Prediction::data, p, data, x, m));
  };
  const double own = square(other - data);
  const Moment vp = findRegistered<Process>("vp")->at(0.37), flow = findRegistered<Process>("flow")->at(0.37);
  const double snr = std::pow(vp.alpha / vp.sigma, 2);
  CHECK(distance(vp, Prediction::epsilon) == Approx(snr * own).epsilon(1e-12));
  CHECK(distance(vp, Prediction::v) == Approx((snr + 1) * own).epsilon(1e-12));
  CHECK(distance(flow, Prediction::velocity) == Approx(own / (0.37 * 0.37)).epsilon(1e-12));
}

TEST_CASE("EDM's network sees unit variance, and for Gaussian data of its deviation F is 0") {
  for (const double level : {0.002, 0.1, 0.5, 5.0, 80.0}) {
    const Preconditioning c = preconditioning(level, 0.5);
    CHECK(c.in * c.in * (0.25 + level * level) == Approx(1).epsilon(1e-12));
    // Variance of the target (y - c_skip (y + n)) / c_out.
    CHECK((std::pow(1 - c.skip, 2) * 0.25 + c.skip * c.skip * level * level) / (c.out * c.out) == Approx(1).epsilon(1e-12));
    const Gaussian gauss{0, 0.5};
    const State x{0.3, -2, 1};
    CHECK(largest(convert(Prediction::data, Prediction::edm, gauss.denoise(x, level), x, {1, level, 0, 1})) < 1e-12);
  }
}
