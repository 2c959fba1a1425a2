// Energies of the plane on the host and on the tape:
//   w1 = sin(2 pi x / 4),  w2 = 3 e^(-0.5 ((x - 1) / 0.6)^2),  w3 = 3 sigmoid((x - 1) / 0.3)
//   U1 = 0.5 ((|z| - 2) / 0.4)^2 - ln(e^(-0.5 ((x - 2) / 0.6)^2) + e^(-0.5 ((x + 2) / 0.6)^2))
//   U2 = 0.5 ((y - w1) / 0.4)^2
//   U3 = -ln(e^(-0.5 ((y - w1) / 0.35)^2) + e^(-0.5 ((y - w1 + w2) / 0.35)^2))
//   U4 = -ln(e^(-0.5 ((y - w1) / 0.4)^2) + e^(-0.5 ((y - w1 + w3) / 0.35)^2))

#include "core/labs/generative/shared/plane_energy.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/philox.h"
#include "core/base/text.h"

namespace orrery::generative {

namespace {

using kernels::Unary;
using nn::Variable;

constexpr double wallWidth = 0.2;
// Cells reach as far as walls leave anything to find: e^(-0.5 (1 / 0.2)^2) = 4e-6.
constexpr double extent = PlaneEnergy::reach + 1, cell = 0.01;
constexpr auto cells = static_cast<std::size_t>(2 * extent / cell + 0.5);

double centreOf(std::size_t i) { return -extent + cell * (static_cast<double>(i) + 0.5); }

double bowl(double x, double width) { return 0.5 * (x / width) * (x / width); }
// -ln(e^-a + e^-b)
double either(double a, double b) { return std::min(a, b) - std::log1p(std::exp(-std::abs(a - b))); }
double wall(double x) { return bowl(std::max(std::abs(x) - PlaneEnergy::reach, 0.0), wallWidth); }

Variable bowl(const Variable& x, double width) { return nn::affine(nn::square(x), 0.5 / (width * width), 0); }
// min(a, b) - ln(1 + e^-|a - b|) = a - softplus(a - b)
Variable either(const Variable& a, const Variable& b) { return nn::sub(a, nn::softplus(nn::sub(a, b))); }
Variable wall(const Variable& x) { return bowl(nn::relu(nn::affine(nn::apply(Unary::abs, x), 1, -PlaneEnergy::reach)), wallWidth); }

}  // namespace

PlaneEnergy::PlaneEnergy(std::string_view id) : kind_(id.back() - '0') {
  cumulative_.reserve(cells * cells);
  double sum = 0;
  for (std::size_t r = 0; r < cells; ++r) {
    for (std::size_t c = 0; c < cells; ++c) {
      sum += std::exp(-(*this)(centreOf(c), centreOf(r)));
      cumulative_.push_back(sum);
    }
  }
  logMass_ = std::log(sum * cell * cell);
}

double PlaneEnergy::operator()(double x, double y) const {
  const double w1 = std::sin(0.5 * std::numbers::pi * x);
  switch (kind_) {
    case 1:
      return bowl(std::hypot(x, y) - 2, 0.4) + either(bowl(x - 2, 0.6), bowl(x + 2, 0.6));
    case 2:
      return bowl(y - w1, 0.4) + wall(x) + wall(y);
    case 3:
      return either(bowl(y - w1, 0.35), bowl(y - w1 + 3 * std::exp(-bowl(x - 1, 0.6)), 0.35)) + wall(x) + wall(y);
    default:
      return either(bowl(y - w1, 0.4), bowl(y - w1 + 3 / (1 + std::exp(-(x - 1) / 0.3)), 0.35)) + wall(x) + wall(y);
  }
}

Variable PlaneEnergy::onTape(const Variable& z) const {
  const Shape rows{z.shape()[0]};
  const Variable x = nn::reshape(nn::slice(z, 1, 0, 1), rows), y = nn::reshape(nn::slice(z, 1, 1, 2), rows);
  if (kind_ == 1) {
    // The tiny number keeps the root's derivative finite at the centre.
    const Variable r = nn::apply(Unary::sqrt, nn::affine(nn::sum(nn::square(z), 1), 1, 1e-12));
    return nn::add(bowl(nn::affine(r, 1, -2), 0.4), either(bowl(nn::affine(x, 1, -2), 0.6), bowl(nn::affine(x, 1, 2), 0.6)));
  }
  const Variable off = nn::sub(y, nn::apply(Unary::sin, nn::affine(x, 0.5 * std::numbers::pi, 0)));
  const Variable walls = nn::add(wall(x), wall(y));
  if (kind_ == 2) return nn::add(bowl(off, 0.4), walls);
  if (kind_ == 3) {
    const Variable w2 = nn::affine(nn::apply(Unary::exp, nn::affine(bowl(nn::affine(x, 1, -1), 0.6), -1, 0)), 3, 0);
    return nn::add(either(bowl(off, 0.35), bowl(nn::add(off, w2), 0.35)), walls);
  }
  const Variable w3 = nn::affine(nn::sigmoid(nn::affine(x, 1 / 0.3, -1 / 0.3)), 3, 0);
  return nn::add(either(bowl(off, 0.4), bowl(nn::add(off, w3), 0.35)), walls);
}

std::vector<double> PlaneEnergy::draw(std::uint64_t seed, std::size_t count, std::uint32_t purpose) const {
  std::vector<double> pairs;
  pairs.reserve(2 * count);
  for (std::size_t j = 0; j < count; ++j) {
    const PhiloxBlock words = philox({static_cast<std::uint32_t>(j), 0, purpose, 0}, philoxKey(seed));
    const double wanted = static_cast<double>(philoxUniform(words[0])) * cumulative_.back();
    const auto at = static_cast<std::size_t>(std::upper_bound(cumulative_.begin(), cumulative_.end() - 1, wanted) - cumulative_.begin());
    pairs.push_back(centreOf(at % cells) + cell * (static_cast<double>(philoxUniform(words[1])) - 0.5));
    pairs.push_back(centreOf(at / cells) + cell * (static_cast<double>(philoxUniform(words[2])) - 0.5));
  }
  return pairs;
}

Expected<Variable> mixtureEnergy(const std::vector<kernels::Component>& components, const Variable& x) {
  // ln of each weighted Gaussian is linear in (x^2, x y, y^2, x, y): one product for all of them.
  const std::int64_t count = static_cast<std::int64_t>(components.size()), n = x.shape()[0];
  std::vector<float> table(5 * components.size()), constant;
  for (std::size_t k = 0; k < components.size(); ++k) {
    const kernels::Component& c = components[k];
    if (std::min(c.along, c.across) <= 0) {
      return makeError(ErrorCode::badInput, tr("The energy has no finite integral on the canvas, since these data have points without "
                                               "width: add noise to the data, 0.05 for example"));
    }
    const double cosine = std::cos(c.angle), sine = std::sin(c.angle);
    const double pxx = cosine * cosine / c.along + sine * sine / c.across, pyy = sine * sine / c.along + cosine * cosine / c.across;
    const double pxy = cosine * sine * (1 / c.along - 1 / c.across);
    const double values[] = {-0.5 * pxx, -pxy, -0.5 * pyy, pxx * c.x + pxy * c.y, pxy * c.x + pyy * c.y};
    for (std::size_t row = 0; row < 5; ++row) table[row * components.size() + k] = static_cast<float>(values[row]);
    const double logWeight = std::log(std::max(c.weight, 1e-300)) - std::log(2 * std::numbers::pi) - 0.5 * std::log(c.along * c.across);
    constant.push_back(static_cast<float>(logWeight - 0.5 * (pxx * c.x * c.x + 2 * pxy * c.x * c.y + pyy * c.y * c.y)));
  }
  nn::Tape& tape = x.tape();
  const Variable first = nn::slice(x, 1, 0, 1), second = nn::slice(x, 1, 1, 2);
  const Variable features = nn::concat({nn::square(first), nn::mul(first, second), nn::square(second), first, second}, 1);
  const Variable each = nn::add(nn::matmul(features, tape.constant(Tensor::from(Shape{5, count}, table))),
                                tape.constant(Tensor::from(Shape{count}, constant)));
  return nn::affine(nn::reshape(nn::logSumExp(each), Shape{n}), -1, 0);
}

}  // namespace orrery::generative
