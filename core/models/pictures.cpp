#include "core/models/pictures.h"

#include "core/data/shapeworld_table.h"
#include "core/kernels/shapeworld_raster.h"

namespace orrery::models {

std::vector<shapeworld::Scene> scenesFrom(const shapeworld::Options& options, std::int64_t first, std::int64_t count) {
  std::vector<shapeworld::Scene> scenes;
  for (std::int64_t i = 0; i < count; ++i) scenes.push_back(shapeworld::makeScene(static_cast<std::uint32_t>(first + i), options));
  return scenes;
}

std::vector<shapeworld::Scene> largeScenes(const shapeworld::Options& options, std::int64_t first, std::int64_t count, double least) {
  if (least <= 0) return scenesFrom(options, first, count);
  constexpr std::int64_t perPicture = 16;  // more than a quarter of all shapes have a radius of 400 and more
  std::vector<shapeworld::Scene> scenes;
  for (std::int64_t i = 0; static_cast<std::int64_t>(scenes.size()) < count; ++i) {
    auto scene = shapeworld::makeScene(static_cast<std::uint32_t>(first * perPicture + i), options);
    const bool last = count * perPicture - i <= count - static_cast<std::int64_t>(scenes.size());
    if (last || scene.objects.at(0).radius >= least) scenes.push_back(std::move(scene));
  }
  return scenes;
}

Tensor drawn(gpu::Stream& stream, std::span<const shapeworld::Scene> scenes, const shapeworld::Options& options, std::int64_t size) {
  return kernels::shapeWorldImages(stream, shapeworld::drawTable(scenes, options), static_cast<int>(size));
}

}  // namespace orrery::models
