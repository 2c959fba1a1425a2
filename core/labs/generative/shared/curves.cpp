#include "core/labs/generative/shared/curves.h"

#include <utility>

namespace orrery::generative {

Tensor columnOf(const std::vector<double>& values) {
  std::vector<float> floats(values.begin(), values.end());
  return Tensor::from(Shape{static_cast<std::int64_t>(floats.size())}, floats);
}

std::shared_ptr<LineMark> curveOf(std::string id, const std::vector<double>& x, const std::vector<double>& y, Paint paint,
                                  std::string label) {
  auto line = std::make_shared<LineMark>(std::move(id));
  line->x = columnOf(x);
  line->y = columnOf(y);
  line->paint = paint;
  line->label = std::move(label);
  line->width = 1.25f;
  return line;
}

}  // namespace orrery::generative
