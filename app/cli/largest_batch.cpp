#include "app/cli/largest_batch.h"

#include <stdexcept>
#include <string>
#include <vector>

#include "core/gpu/stream.h"

namespace orrery::cli {
namespace {

bool fits(const models::Recipe& recipe, models::Settings settings, std::int64_t batch, const std::shared_ptr<gpu::Device>& device) {
  // Smaller than the recipe allows.
  if (!settings.set("batch=" + std::to_string(batch))) return false;
  try {
    const auto training = recipe.make(settings);
    if (!training->prepare()) return false;
    gpu::Stream stream(device);
    nn::Initializer draw(stream, 1);
    nn::Trainer trainer(training->initial(draw), training->options());
    // Later steps find more than the first: the state with its moments and averages, and the last good one beside it.
    std::vector<gpu::BufferView> reserve;
    for (const nn::NamedTensor& weight : trainer.weights()) {
      for (int i = 0; i < 5; ++i) reserve.push_back(device->allocate(weight.value.bytes()));
    }
    trainer.step(stream, training->loss(0));
    return true;
  } catch (const gpu::OutOfMemory&) {
    return false;
  } catch (const std::length_error&) {
    return false;
  }
}

}  // namespace

std::int64_t largestBatch(const models::Recipe& recipe, const models::Settings& settings, const std::shared_ptr<gpu::Device>& device) {
  std::int64_t enough = 0, tooMany = settings.integer("batch") + 1;
  while (tooMany - enough > 1) {
    const std::int64_t middle = (enough + tooMany) / 2;
    (fits(recipe, settings, middle, device) ? enough : tooMany) = middle;
  }
  return enough;
}

}  // namespace orrery::cli
