// What drawing needs from the device: ordering with the compute work, and memory for images.

#include "core/gpu/state.h"

namespace orrery::gpu {

struct ImageMemory {
  std::shared_ptr<Memory> memory;
  Memory::ImagePlace place;
  ~ImageMemory() {
    if (place.block != nullptr) memory->release(place.block, place.offset, place.bytes);
  }
};

// The barrier itself is put in front of the command buffer at submission, and only when earlier work wrote what is read here.
void useForDrawing(Device& device, VkCommandBuffer commands, const BufferView& view) {
  auto& state = device.state();
  std::lock_guard lock(state.queueMutex);
  auto& uses = state.drawing[commands];
  if (std::find(uses.begin(), uses.end(), view.buffer) == uses.end()) uses.push_back(view.buffer);
}

std::uint64_t submitGraphics(Device& device, VkCommandBuffer commands, VkSemaphore wait, VkPipelineStageFlags waitStage, VkSemaphore signal,
                             VkFence fence) {
  auto& state = device.state();
  // An empty recording carries the references until the drawing has finished.
  std::unique_ptr<Recording> carrier = state.takeRecording();
  std::uint64_t number = 0;
  std::exception_ptr failure;
  {
    std::lock_guard lock(state.queueMutex);
    std::vector<std::shared_ptr<Buffer>> uses;
    if (const auto found = state.drawing.find(commands); found != state.drawing.end()) {
      uses = std::move(found->second);
      state.drawing.erase(found);
    }
    bool needsBarrier = state.crossHazards.isFull();
    for (const auto& buffer : uses) {
      const MemoryRange range{buffer->block().buffer, buffer->offset(), buffer->offset() + buffer->bytes()};
      needsBarrier = needsBarrier || state.crossHazards.conflicts(range, Access::read);
      carrier->uses.add(buffer, range, Access::read);
    }
    const VkCommandBuffer list[] = {state.barrier, commands};
    try {
      number = state.submitLocked(needsBarrier ? std::span(list) : std::span(list).subspan(1), wait, waitStage, signal, fence);
    } catch (...) {
      failure = std::current_exception();
    }
    if (!failure) {
      if (needsBarrier) state.crossHazards.clear();
      for (const auto& buffer : uses) {
        state.crossHazards.add({buffer->block().buffer, buffer->offset(), buffer->offset() + buffer->bytes()}, Access::read);
        buffer->lastUse.store(number);
      }
      carrier->submission = number;
      state.inFlight.push_back(std::move(carrier));
    }
  }
  if (failure) {
    state.giveBack(std::move(carrier));
    std::rethrow_exception(failure);
  }
  state.collect();
  return number;
}

std::shared_ptr<ImageMemory> bindImageMemory(Device& device, VkImage image) {
  auto& state = device.state();
  state.throwIfLost();
  VkMemoryRequirements requirements;
  vkGetImageMemoryRequirements(state.handles.device, image, &requirements);
  auto result = std::make_shared<ImageMemory>();
  result->memory = state.memory;
  result->place = state.memory->allocateForImage(requirements);
  check(vkBindImageMemory(state.handles.device, image, result->place.block->memory, result->place.offset), "vkBindImageMemory");
  return result;
}

}  // namespace orrery::gpu
