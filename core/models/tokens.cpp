#include "core/models/tokens.h"

#include <cmath>

#include "core/kernels/permute.h"

namespace orrery::models {

Tensor imagePatches(gpu::Stream& stream, const Tensor& images, std::int64_t p) {
  const Shape& s = images.shape();
  const std::int64_t rows = s[2] / p, columns = s[3] / p;
  return kernels::permute(stream, images.reshaped(Shape{s[0], s[1], rows, p, columns, p}), {0, 2, 4, 1, 3, 5})
      .reshaped(Shape{s[0], rows * columns, s[1] * p * p});
}

std::vector<float> sineCosineCode(std::int64_t side, std::int64_t width) {
  std::vector<float> values;
  const std::int64_t quarter = width / 4;
  for (std::int64_t place = 0; place < side * side; ++place) {
    for (const std::int64_t along : {place % side, place / side}) {
      for (const bool cosine : {false, true}) {
        for (std::int64_t i = 0; i < quarter; ++i) {
          const double angle = static_cast<double>(along) * std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(quarter));
          values.push_back(static_cast<float>(cosine ? std::cos(angle) : std::sin(angle)));
        }
      }
    }
    values.resize(static_cast<std::size_t>((place + 1) * width), 0.0f);
  }
  return values;
}

std::vector<float> timeCode(double t, std::int64_t width) {
  std::vector<float> values;
  const std::int64_t half = width / 2;
  for (const bool cosine : {true, false}) {
    for (std::int64_t i = 0; i < half; ++i) {
      const double angle = t * std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(half));
      values.push_back(static_cast<float>(cosine ? std::cos(angle) : std::sin(angle)));
    }
  }
  return values;
}

nn::Variable paddedRows(const nn::Variable& x, std::int64_t rows) {
  const std::int64_t more = rows - x.shape()[0], d = x.shape()[1];
  if (more == 0) return x;
  const std::vector<float> zeros(static_cast<std::size_t>(more * d), 0.0f);
  return nn::concat({x, x.tape().constant(Tensor::from(Shape{more, d}, zeros))}, 0);
}

nn::Variable tokenOf(const nn::Variable& x, std::int64_t index) {
  return nn::reshape(nn::slice(x, 1, index, index + 1), Shape{x.shape()[0], x.shape()[2]});
}

}  // namespace orrery::models
