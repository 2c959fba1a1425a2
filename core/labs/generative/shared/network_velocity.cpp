#include "core/labs/generative/shared/network_velocity.h"

#include <algorithm>
#include <cmath>

#include "core/figure/marks/marks.h"
#include "core/kernels/elementwise.h"

namespace orrery::generative {

namespace {

constexpr double ends = 1e-3;

double apart(std::span<const float> a, std::span<const float> b, std::size_t row) {
  return std::hypot(static_cast<double>(a[2 * row]) - static_cast<double>(b[2 * row]),
                    static_cast<double>(a[2 * row + 1]) - static_cast<double>(b[2 * row + 1]));
}

}  // namespace

Velocity networkVelocity(std::shared_ptr<const models::PointDenoiser> network, const FlowPath& path) {
  return [network = std::move(network), path](gpu::Stream& stream, const Tensor& cloud, double t) {
    FlowMoment m = path.at(t);
    if (m.alpha < ends || m.sigma < ends) m = path.at(std::clamp(t, ends, 1 - ends));
    const double sigmaRate = m.halfVarianceRate / m.sigma;
    const Tensor D = network->denoise(stream, kernels::affine(stream, cloud, static_cast<float>(1 / m.alpha), 0), m.sigma / m.alpha);
    // u = (sigma' / sigma) x + (alpha' - sigma' alpha / sigma) D.
    return addScaled(stream, kernels::affine(stream, cloud, static_cast<float>(sigmaRate / m.sigma), 0), D,
                     m.alphaRate - sigmaRate * m.alpha / m.sigma);
  };
}

Tensor squareCentres(std::int64_t cells, double half) {
  std::vector<float> points;
  const auto centre = [&](std::int64_t i) {
    return static_cast<float>(half * (2 * (static_cast<double>(i) + 0.5) / static_cast<double>(cells) - 1));
  };
  for (std::int64_t r = 0; r < cells; ++r)
    for (std::int64_t c = 0; c < cells; ++c) points.insert(points.end(), {centre(c), centre(r)});
  return Tensor::from(Shape{cells * cells, 2}, points);
}

void drawErrorMap(Panel& panel, std::int64_t cells, double half, const Tensor& found, const Tensor& exact,
                  std::span<const float> logDensity, const std::string& quantity) {
  const auto a = found.as<float>(), b = exact.as<float>();
  const float peak = *std::max_element(logDensity.begin(), logDensity.end());
  double high = 1e-6;
  std::vector<float> error, density;
  for (std::size_t i = 0; i < logDensity.size(); ++i) {
    const double off = apart(a, b, i);
    density.push_back(std::exp(logDensity[i] - peak));
    if (density.back() > 0.01f) high = std::max(high, off);
    error.push_back(static_cast<float>(off));
  }
  auto heat = std::make_shared<HeatMapMark>("error");
  heat->matrix = false;
  heat->value = Tensor::from(Shape{cells, cells}, error);
  heat->x = heat->y = Range{-half, half};
  heat->map = ColorMap::magma;
  heat->range = Range{0, high};
  heat->quantity = quantity;
  panel.marks.push_back(heat);
  auto contour = std::make_shared<ContourMark>("density");
  contour->value = Tensor::from(Shape{cells, cells}, density);
  contour->x = contour->y = heat->x;
  contour->levels = {0.1, 0.5};
  contour->paint = Paint::custom(Color{1, 1, 1, 0.8f});
  panel.marks.push_back(contour);
  panel.equalAspect = true;
  panel.x.range = panel.y.range = Range{-half, half};
  panel.x.visible = panel.y.visible = false;
  panel.colorBar = ColorBar{ColorMap::magma, heat->range, false, quantity};
}

double rootMeanSquare(const Tensor& found, const Tensor& exact) {
  const auto a = found.as<float>(), b = exact.as<float>();
  double sum = 0;
  for (std::size_t i = 0; i < a.size() / 2; ++i) sum += apart(a, b, i) * apart(a, b, i);
  return std::sqrt(sum / static_cast<double>(a.size() / 2));
}

}  // namespace orrery::generative
