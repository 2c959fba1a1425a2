// The conversion table C2.

#include "core/diffusion/prediction.h"

#include <cmath>

namespace orrery::diffusion {

double Moment::lambda() const { return std::log(alpha / sigma); }

std::string_view idOf(Prediction prediction) {
  switch (prediction) {
    case Prediction::epsilon:
      return "epsilon";
    case Prediction::data:
      return "x0";
    case Prediction::score:
      return "score";
    case Prediction::v:
      return "v";
    case Prediction::velocity:
      return "velocity";
    case Prediction::edm:
      break;
  }
  return "F";
}

Preconditioning preconditioning(double relative, double d) {
  const double total = relative * relative + d * d;
  return {d * d / total, relative * d / std::sqrt(total), 1 / std::sqrt(total), 0.25 * std::log(relative)};
}

Linear dataFrom(Prediction given, const Moment& at, double dataDeviation) {
  const double a = at.alpha, s = at.sigma, q = a * a + s * s, w = a * at.sigmaRate - s * at.alphaRate;
  switch (given) {
    case Prediction::epsilon:
      return {1 / a, -s / a};
    case Prediction::data:
      return {0, 1};
    case Prediction::score:
      return {1 / a, s * s / a};
    case Prediction::v:
      return {a / q, -s / q};
    case Prediction::velocity:
      return {at.sigmaRate / w, -s / w};
    case Prediction::edm:
      break;
  }
  const Preconditioning c = preconditioning(at.relative(), dataDeviation);
  return {c.skip / a, c.out};
}

Linear epsilonFrom(Prediction given, const Moment& at, double dataDeviation) {
  const double a = at.alpha, s = at.sigma, q = a * a + s * s, w = a * at.sigmaRate - s * at.alphaRate;
  switch (given) {
    case Prediction::epsilon:
      return {0, 1};
    case Prediction::data:
      return {1 / s, -a / s};
    case Prediction::score:
      return {0, -s};
    case Prediction::v:
      return {s / q, a / q};
    case Prediction::velocity:
      return {-at.alphaRate / w, a / w};
    case Prediction::edm:
      break;
  }
  // (1 - c_skip) / s without the difference: s / (s^2 + d^2) per relative level.
  const double r = at.relative();
  const Preconditioning c = preconditioning(r, dataDeviation);
  return {r / (r * r + dataDeviation * dataDeviation) / a, -c.out / r};
}

State convert(Prediction given, Prediction wanted, const State& value, const State& x, const Moment& at, double dataDeviation) {
  const auto apply = [&](const Linear& map) { return map.x * x + map.y * value; };
  const auto data = [&] { return apply(dataFrom(given, at, dataDeviation)); };
  const auto epsilon = [&] { return apply(epsilonFrom(given, at, dataDeviation)); };
  switch (wanted) {
    case Prediction::epsilon:
      return epsilon();
    case Prediction::data:
      return data();
    case Prediction::score:
      return -1 / at.sigma * epsilon();
    case Prediction::v:
      return at.alpha * epsilon() - at.sigma * data();
    case Prediction::velocity:
      return at.alphaRate * data() + at.sigmaRate * epsilon();
    case Prediction::edm:
      break;
  }
  const Preconditioning c = preconditioning(at.relative(), dataDeviation);
  return (data() - c.skip / at.alpha * x) / c.out;
}

}  // namespace orrery::diffusion
