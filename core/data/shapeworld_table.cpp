// ShapeWorld scenes as rows of numbers (see shapeworld_table.h).

#include "core/data/shapeworld_table.h"

#include <algorithm>
#include <cassert>

#include "core/base/philox.h"

namespace orrery::shapeworld {

int mostObjects(const Options& options) {
  if (options.profile == Profile::single) return 1;
  if (options.profile == Profile::scene) return 4;
  return 12 + (options.crowd ? 8 : 0);
}

Tensor drawTable(std::span<const Scene> scenes, const Options& options, int capacity) {
  if (capacity == 0) capacity = mostObjects(options);
  const std::size_t width = 8 + 4 * static_cast<std::size_t>(capacity);
  std::vector<std::uint32_t> words(scenes.size() * width);
  const auto key = philoxKey(options.seed);
  for (std::size_t i = 0; i < scenes.size(); ++i) {
    const Scene& scene = scenes[i];
    assert(scene.crowd.size() + scene.objects.size() <= static_cast<std::size_t>(capacity));
    const auto style = {static_cast<std::uint32_t>(scene.texture),
                        static_cast<std::uint32_t>(scene.tint),
                        static_cast<std::uint32_t>(scene.orientation),
                        static_cast<std::uint32_t>(scene.scale),
                        scene.index,
                        domainOf(options),
                        key[0],
                        key[1]};
    auto at = std::copy(style.begin(), style.end(), words.begin() + static_cast<std::ptrdiff_t>(i * width));
    const auto put = [&](const Object& o) {
      *at++ = static_cast<std::uint32_t>(o.shape) | static_cast<std::uint32_t>(o.colour) << 8 | static_cast<std::uint32_t>(o.angle) << 16;
      for (const int value : {o.radius, o.cx, o.cy}) *at++ = static_cast<std::uint32_t>(value);
    };
    for (const Object& o : scene.crowd) put(o);
    for (const Object& o : scene.objects) put(o);
  }
  return Tensor::from(Shape{static_cast<std::int64_t>(scenes.size()), static_cast<std::int64_t>(width)}, words);
}

}  // namespace orrery::shapeworld
