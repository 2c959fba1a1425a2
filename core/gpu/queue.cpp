// The queue: numbered submissions on one timeline semaphore, barriers between submissions, and release of what they kept alive.

#include <algorithm>
#include <cstdio>

#include "core/gpu/state.h"

namespace orrery::gpu {
namespace {

constexpr std::uint64_t second = 1'000'000'000;
// No submission of ours may take this long (the rule is 250 ms); a device that is silent for two minutes is taken for lost.
constexpr int patienceSeconds = 120;

VkMemoryBarrier fullBarrier() {
  VkMemoryBarrier barrier{VK_STRUCTURE_TYPE_MEMORY_BARRIER};
  barrier.srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT;
  barrier.dstAccessMask = VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT;
  return barrier;
}

}  // namespace

void recordFullBarrier(VkCommandBuffer commands) {
  const VkMemoryBarrier barrier = fullBarrier();
  vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, 0, 1, &barrier, 0, nullptr, 0, nullptr);
}

void Device::State::createQueueObjects() {
  const VkDevice vk = handles.device;
  VkSemaphoreTypeCreateInfo type{VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO};
  type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE;
  VkSemaphoreCreateInfo semaphore{VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, &type};
  check(vkCreateSemaphore(vk, &semaphore, nullptr, &timeline), "vkCreateSemaphore");

  VkCommandPoolCreateInfo pool{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
  pool.queueFamilyIndex = handles.queueFamily;
  check(vkCreateCommandPool(vk, &pool, nullptr, &barrierPool), "vkCreateCommandPool");
  VkCommandBufferAllocateInfo allocate{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
  allocate.commandPool = barrierPool;
  allocate.commandBufferCount = 1;
  check(vkAllocateCommandBuffers(vk, &allocate, &barrier), "vkAllocateCommandBuffers");
  VkCommandBufferBeginInfo begin{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  begin.flags = VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT;
  check(vkBeginCommandBuffer(barrier, &begin), "vkBeginCommandBuffer");
  recordFullBarrier(barrier);
  check(vkEndCommandBuffer(barrier), "vkEndCommandBuffer");
}

void Device::State::destroyQueueObjects() {
  const VkDevice vk = handles.device;
  std::vector<std::unique_ptr<Recording>> all;
  {
    std::lock_guard lock(queueMutex);
    for (auto& recording : inFlight) all.push_back(std::move(recording));
    for (auto& recording : idle) all.push_back(std::move(recording));
    inFlight.clear();
    idle.clear();
    drawing.clear();
  }
  for (auto& recording : all) {
    readSpans(*recording);
    for (VkBufferView view : recording->texelViews) vkDestroyBufferView(vk, view, nullptr);
    for (VkDescriptorPool pool : recording->descriptorPools) vkDestroyDescriptorPool(vk, pool, nullptr);
    if (recording->queries != VK_NULL_HANDLE) vkDestroyQueryPool(vk, recording->queries, nullptr);
    if (recording->pool != VK_NULL_HANDLE) vkDestroyCommandPool(vk, recording->pool, nullptr);
  }
  if (barrierPool != VK_NULL_HANDLE) vkDestroyCommandPool(vk, barrierPool, nullptr);
  if (timeline != VK_NULL_HANDLE) vkDestroySemaphore(vk, timeline, nullptr);
  barrierPool = VK_NULL_HANDLE;
  timeline = VK_NULL_HANDLE;
}

// A recording in the begun state: an idle one, or a new one.
std::unique_ptr<Recording> Device::State::takeRecording() {
  throwIfLost();
  collect();
  std::unique_ptr<Recording> recording;
  {
    std::lock_guard lock(queueMutex);
    if (!idle.empty()) {
      recording = std::move(idle.back());
      idle.pop_back();
    }
  }
  const VkDevice vk = handles.device;
  if (!recording) {
    recording = std::make_unique<Recording>();
    VkCommandPoolCreateInfo pool{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
    pool.flags = VK_COMMAND_POOL_CREATE_TRANSIENT_BIT;
    pool.queueFamilyIndex = handles.queueFamily;
    check(vkCreateCommandPool(vk, &pool, nullptr, &recording->pool), "vkCreateCommandPool");
    VkCommandBufferAllocateInfo allocate{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
    allocate.commandPool = recording->pool;
    allocate.commandBufferCount = 1;
    if (const VkResult result = vkAllocateCommandBuffers(vk, &allocate, &recording->commands)) {
      vkDestroyCommandPool(vk, recording->pool, nullptr);
      check(result, "vkAllocateCommandBuffers");
    }
  }
  VkCommandBufferBeginInfo begin{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  begin.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
  if (const VkResult result = vkBeginCommandBuffer(recording->commands, &begin)) {
    giveBack(std::move(recording));
    check(result, "vkBeginCommandBuffer");
  }
  return recording;
}

// Empties a recording that the GPU no longer uses (or never used) and makes it idle. References are dropped outside of the lock.
void Device::State::giveBack(std::unique_ptr<Recording> recording) {
  recording->uses.clear();
  recording->open.clear();
  recording->kept.clear();
  recording->spanNames.clear();
  recording->spans.reset();
  recording->boundPipeline = VK_NULL_HANDLE;
  recording->empty = true;
  recording->hasBarrier = false;
  recording->submission = 0;
  recording->descriptorPoolInUse = 0;
  for (VkBufferView view : recording->texelViews) vkDestroyBufferView(handles.device, view, nullptr);
  recording->texelViews.clear();
  for (VkDescriptorPool pool : recording->descriptorPools) vkResetDescriptorPool(handles.device, pool, 0);
  vkResetCommandPool(handles.device, recording->pool, 0);
  std::lock_guard lock(queueMutex);
  idle.push_back(std::move(recording));
}

// Sends command buffers to the queue under the next number. Called with queueMutex held.
std::uint64_t Device::State::submitLocked(std::span<const VkCommandBuffer> commands, VkSemaphore wait, VkPipelineStageFlags waitStage,
                                          VkSemaphore signal, VkFence fence) {
  throwIfLost();
  if (loseAt.load(std::memory_order_relaxed) > 0 && loseAt.fetch_sub(1) == 1) {
    lost.store(true);
    throw DeviceLost();
  }
  const std::uint64_t number = submitted.load() + 1;
  const VkSemaphore signals[] = {timeline, signal};
  const std::uint64_t values[] = {number, 0};
  const std::uint64_t waitValue = 0;
  VkTimelineSemaphoreSubmitInfo numbers{VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO};
  VkSubmitInfo info{VK_STRUCTURE_TYPE_SUBMIT_INFO, &numbers};
  info.commandBufferCount = static_cast<std::uint32_t>(commands.size());
  info.pCommandBuffers = commands.data();
  info.signalSemaphoreCount = signal == VK_NULL_HANDLE ? 1 : 2;
  info.pSignalSemaphores = signals;
  numbers.signalSemaphoreValueCount = info.signalSemaphoreCount;
  numbers.pSignalSemaphoreValues = values;
  if (wait != VK_NULL_HANDLE) {
    info.waitSemaphoreCount = 1;
    info.pWaitSemaphores = &wait;
    info.pWaitDstStageMask = &waitStage;
    numbers.waitSemaphoreValueCount = 1;
    numbers.pWaitSemaphoreValues = &waitValue;
  }
  const VkResult result = vkQueueSubmit(handles.queue, 1, &info, fence);
  if (result == VK_ERROR_DEVICE_LOST) lost.store(true);
  check(result, "vkQueueSubmit");
  submitted.store(number);
  return number;
}

std::uint64_t Device::State::submit(std::unique_ptr<Recording> recording) {
  const bool hostReads = memory->storageIsMapped() &&
                         std::any_of(recording->uses.all().begin(), recording->uses.all().end(), [](const auto& use) { return use.writeEnd > 0; });
  if (hostReads) {
    // Make the results visible to the host's plain reads.
    VkMemoryBarrier toHost{VK_STRUCTURE_TYPE_MEMORY_BARRIER};
    toHost.srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT;
    toHost.dstAccessMask = VK_ACCESS_HOST_READ_BIT;
    vkCmdPipelineBarrier(recording->commands, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &toHost, 0, nullptr, 0,
                         nullptr);
  }
  if (const VkResult result = vkEndCommandBuffer(recording->commands)) {
    giveBack(std::move(recording));
    check(result, "vkEndCommandBuffer");
  }
  std::uint64_t number = 0;
  std::exception_ptr failure;
  {
    std::lock_guard lock(queueMutex);
    bool needsBarrier = crossHazards.isFull();
    for (const auto& use : recording->uses.all()) {
      const VkBuffer buffer = use.buffer->block().buffer;
      needsBarrier = needsBarrier || (use.readEnd > 0 && crossHazards.conflicts({buffer, use.readBegin, use.readEnd}, Access::read)) ||
                     (use.writeEnd > 0 && crossHazards.conflicts({buffer, use.writeBegin, use.writeEnd}, Access::write));
    }
    const VkCommandBuffer commands[] = {barrier, recording->commands};
    try {
      number = submitLocked(needsBarrier ? std::span(commands) : std::span(commands).subspan(1), VK_NULL_HANDLE, 0, VK_NULL_HANDLE,
                            VK_NULL_HANDLE);
    } catch (...) {
      failure = std::current_exception();
    }
    if (!failure) {
      // A barrier before or inside this submission also orders all earlier work before what follows.
      if (needsBarrier || recording->hasBarrier) crossHazards.clear();
      for (const auto& range : recording->open.reads()) crossHazards.add(range, Access::read);
      for (const auto& range : recording->open.writes()) crossHazards.add(range, Access::write);
      for (const auto& use : recording->uses.all()) {
        use.buffer->lastUse.store(number);
        if (use.writeEnd > 0) use.buffer->lastWrite.store(number);
      }
      recording->submission = number;
      inFlight.push_back(std::move(recording));
    }
  }
  if (failure) {
    giveBack(std::move(recording));
    std::rethrow_exception(failure);
  }
  collect();
  return number;
}

bool Device::State::isFinished(std::uint64_t submission) {
  if (completed.load(std::memory_order_acquire) >= submission) return true;
  if (lost.load()) return false;
  std::uint64_t value = 0;
  const VkResult result = vkGetSemaphoreCounterValue(handles.device, timeline, &value);
  if (result == VK_ERROR_DEVICE_LOST) {
    lost.store(true);
    throw DeviceLost();
  }
  check(result, "vkGetSemaphoreCounterValue");
  std::uint64_t before = completed.load();
  while (before < value && !completed.compare_exchange_weak(before, value)) {
  }
  return value >= submission;
}

void Device::State::wait(std::uint64_t submission) {
  if (submission == 0 || completed.load(std::memory_order_acquire) >= submission) return;
  throwIfLost();
  VkSemaphoreWaitInfo info{VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO};
  info.semaphoreCount = 1;
  info.pSemaphores = &timeline;
  info.pValues = &submission;
  // Patience is for one submission: while earlier ones still finish, a slow or busy device is not a lost one.
  std::uint64_t seen = completed.load();
  for (int i = 0; i < patienceSeconds; ++i) {
    const VkResult result = vkWaitSemaphores(handles.device, &info, second);
    if (result == VK_TIMEOUT) {
      throwIfLost();
      std::uint64_t now = 0;
      check(vkGetSemaphoreCounterValue(handles.device, timeline, &now), "vkGetSemaphoreCounterValue");
      if (now > seen) seen = now, i = -1;
      continue;
    }
    if (result == VK_ERROR_DEVICE_LOST) lost.store(true);
    check(result, "vkWaitSemaphores");
    std::uint64_t before = completed.load();
    while (before < submission && !completed.compare_exchange_weak(before, submission)) {
    }
    return;
  }
  lost.store(true);
  throw DeviceLost();
}

void Device::State::collect() {
  std::uint64_t done = UINT64_MAX;
  if (lost.load(std::memory_order_relaxed)) {
    // Nothing will be read any more; wait (a lost device returns at once) and let everything go.
    std::lock_guard lock(queueMutex);
    if (inFlight.empty()) return;
    vkDeviceWaitIdle(handles.device);
  } else {
    isFinished(submitted.load());
    done = completed.load();
  }
  for (;;) {
    std::unique_ptr<Recording> finished;
    {
      std::lock_guard lock(queueMutex);
      if (inFlight.empty() || inFlight.front()->submission > done) return;
      finished = std::move(inFlight.front());
      inFlight.pop_front();
    }
    readSpans(*finished);
    giveBack(std::move(finished));
  }
}

std::size_t Device::State::inFlightCount() {
  std::lock_guard lock(queueMutex);
  return inFlight.size();
}

void Device::State::readSpans(Recording& recording) {
  if (!recording.spans) return;
  const std::size_t count = recording.spanNames.size();
  std::array<std::uint64_t, 2 * maxSpans> ticks{};
  const VkResult result = vkGetQueryPoolResults(handles.device, recording.queries, 0, static_cast<std::uint32_t>(2 * count), sizeof ticks,
                                                ticks.data(), sizeof(std::uint64_t), VK_QUERY_RESULT_64_BIT);
  std::lock_guard lock(recording.spans->mutex);
  recording.spans->timings.clear();
  for (std::size_t i = 0; i < count && result == VK_SUCCESS; ++i) {
    const double elapsed = static_cast<double>(ticks[2 * i + 1] - ticks[2 * i]) * static_cast<double>(timestampPeriod);
    recording.spans->timings.push_back({recording.spanNames[i], elapsed * 1e-6});
  }
  recording.spans->ready = true;
}

}  // namespace orrery::gpu
