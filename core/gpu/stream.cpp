#include "core/gpu/stream.h"

#include <cassert>
#include <cstring>
#include <mutex>

#include "core/gpu/state.h"

namespace orrery::gpu {
namespace {

constexpr std::uint32_t maxGroups = 65535;

// What a view covers inside its block's VkBuffer. Whole words, as shaders access them.
MemoryRange rangeOf(const BufferView& view) {
  const std::uint64_t begin = offsetOf(view);
  return {bufferOf(view), begin, begin + (view.bytes + 3) / 4 * 4};
}

// Whole texels: what lies between the view's end and the next multiple of 16 bytes belongs to the same allocation (a multiple of 256).
// lavapipe (Mesa 22.3) takes bits 8 to 15 of the view's size for a mip level and compiles the shader once more where they are zero, that is for
// sizes just above a multiple of 64 KiB: such views get 256 bytes more, where the block has them.
VkBufferView texelView(Device::State& device, const MemoryRange& range, std::uint64_t blockBytes, bool integer) {
  VkBufferViewCreateInfo info{VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO};
  info.buffer = range.buffer;
  info.format = integer ? VK_FORMAT_R32G32B32A32_UINT : VK_FORMAT_R32G32B32A32_SFLOAT;
  info.offset = range.begin;
  info.range = (range.end - range.begin + 15) / 16 * 16;
  if ((info.range >> 8 & 0xff) == 0 && info.offset + info.range + 256 <= blockBytes) info.range += 256;
  VkBufferView view = VK_NULL_HANDLE;
  check(vkCreateBufferView(device.handles.device, &info, nullptr, &view), "vkCreateBufferView");
  return view;
}

}  // namespace

struct Stream::State {
  std::shared_ptr<Device> device;
  std::mutex mutex;   // the owner's thread and a tensor that reads back may meet here
  std::unique_ptr<Recording> recording;
  std::uint64_t last = 0;                      // number of the last submission
  std::shared_ptr<SpanResults> latest, earlier;
  bool inSpan = false;

  Recording& current() {
    if (!recording) recording = device->state().takeRecording();
    return *recording;
  }

  void barrier(Recording& target) {
    recordFullBarrier(target.commands);
    target.open.clear();
    target.hasBarrier = true;
  }

  // Notes the accesses of one command, after a barrier when one of them needs it.
  void access(Recording& target, std::span<const Binding> bindings) {
    std::array<MemoryRange, maxBindings> ranges;
    bool needed = target.open.isFull();
    for (std::size_t i = 0; i < bindings.size(); ++i) {
      ranges[i] = rangeOf(bindings[i].view);
      needed = needed || target.open.conflicts(ranges[i], bindings[i].access);
    }
    if (needed) barrier(target);
    for (std::size_t i = 0; i < bindings.size(); ++i) {
      target.open.add(ranges[i], bindings[i].access);
      target.uses.add(bindings[i].view.buffer, ranges[i], bindings[i].access);
    }
    target.empty = false;
  }

  void endSpan() {
    if (!inSpan) return;
    inSpan = false;
    const auto query = static_cast<std::uint32_t>(2 * recording->spanNames.size() - 1);
    vkCmdWriteTimestamp(recording->commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, recording->queries, query);
  }

  std::uint64_t submit() {
    if (!recording || recording->empty) return last;
    endSpan();
    if (recording->spans) {
      earlier = std::move(latest);
      latest = recording->spans;
    }
    return last = device->state().submit(std::move(recording));
  }

  void drop() {
    inSpan = false;
    if (recording) device->state().giveBack(std::move(recording));
  }
};

Stream::Stream(std::shared_ptr<Device> device) : state_(std::make_shared<State>()) { state_->device = std::move(device); }
Stream::Stream(Stream&&) noexcept = default;

Stream& Stream::operator=(Stream&& other) noexcept {
  if (this != &other) {
    Stream old(std::move(*this));
    state_ = std::move(other.state_);
  }
  return *this;
}

Stream::~Stream() {
  if (!state_) return;
  std::lock_guard lock(state_->mutex);
  state_->drop();
}

void Stream::dispatch(std::string_view shader, std::span<const Binding> bindings, std::span<const std::byte> push, Groups groups,
                      std::span<const std::uint32_t> constants) {
  assert(bindings.size() <= maxBindings && push.size() <= pushBytes && push.size() % 4 == 0);
  assert(groups.x <= maxGroups && groups.y <= maxGroups && groups.z <= maxGroups);
  if (groups.x == 0 || groups.y == 0 || groups.z == 0) return;
  std::lock_guard lock(state_->mutex);
  auto& device = state_->device->state();
  const Pipeline& pipeline = device.pipeline(shader, static_cast<std::uint32_t>(bindings.size()), constants);
  Recording& target = state_->current();
  state_->access(target, bindings);

  std::array<VkDescriptorBufferInfo, maxBindings> buffers;
  std::array<VkWriteDescriptorSet, maxBindings> writes;
  std::array<VkBufferView, maxBindings> texels;
  const VkDescriptorSet set = device.pushDescriptors || bindings.empty() ? VK_NULL_HANDLE : device.descriptorSet(target, pipeline);
  for (std::uint32_t i = 0; i < bindings.size(); ++i) {
    const MemoryRange range = rangeOf(bindings[i].view);
    buffers[i] = {range.buffer, range.begin, range.end - range.begin};
    writes[i] = {VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET};
    writes[i].dstSet = set;
    writes[i].dstBinding = i;
    writes[i].descriptorCount = 1;
    if ((pipeline.texels.all >> i & 1) != 0) {
      texels[i] = texelView(device, range, bindings[i].view.buffer->block().bytes, (pipeline.texels.integer >> i & 1) != 0);
      target.texelViews.push_back(texels[i]);
      writes[i].descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER;
      writes[i].pTexelBufferView = &texels[i];
    } else {
      writes[i].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
      writes[i].pBufferInfo = &buffers[i];
    }
  }
  if (target.boundPipeline != pipeline.pipeline) {
    vkCmdBindPipeline(target.commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline.pipeline);
    target.boundPipeline = pipeline.pipeline;
  }
  const auto count = static_cast<std::uint32_t>(bindings.size());
  if (count > 0 && device.pushDescriptors) {
    device.cmdPushDescriptorSet(target.commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline.layout, 0, count, writes.data());
  } else if (count > 0) {
    vkUpdateDescriptorSets(device.handles.device, count, writes.data(), 0, nullptr);
    vkCmdBindDescriptorSets(target.commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline.layout, 0, 1, &set, 0, nullptr);
  }
  if (!push.empty()) {
    vkCmdPushConstants(target.commands, pipeline.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, static_cast<std::uint32_t>(push.size()), push.data());
  }
  vkCmdDispatch(target.commands, groups.x, groups.y, groups.z);
}

void Stream::copy(const BufferView& from, const BufferView& to) {
  assert(from.bytes == to.bytes);
  std::lock_guard lock(state_->mutex);
  Recording& target = state_->current();
  const Binding used[] = {{from, Access::read}, {to, Access::write}};
  state_->access(target, used);
  const VkBufferCopy region{offsetOf(from), offsetOf(to), from.bytes};
  vkCmdCopyBuffer(target.commands, bufferOf(from), bufferOf(to), 1, &region);
}

void Stream::fill(const BufferView& view, std::uint32_t word) {
  assert(view.bytes % 4 == 0);
  std::lock_guard lock(state_->mutex);
  Recording& target = state_->current();
  const Binding used[] = {{view, Access::write}};
  state_->access(target, used);
  vkCmdFillBuffer(target.commands, bufferOf(view), offsetOf(view), view.bytes, word);
}

void Stream::hostWillRead() {
  std::lock_guard lock(state_->mutex);
  VkMemoryBarrier toHost{VK_STRUCTURE_TYPE_MEMORY_BARRIER};
  toHost.srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT;
  toHost.dstAccessMask = VK_ACCESS_HOST_READ_BIT;
  vkCmdPipelineBarrier(state_->current().commands, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &toHost, 0, nullptr, 0,
                       nullptr);
}

void Stream::beginSpan(std::string_view name) {
  std::lock_guard lock(state_->mutex);
  auto& device = state_->device->state();
  if (!device.hasTimestamps) return;
  Recording& target = state_->current();
  assert(!state_->inSpan && "spans do not nest");
  if (target.spanNames.size() >= maxSpans) return;
  if (target.queries == VK_NULL_HANDLE) {
    VkQueryPoolCreateInfo info{VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO};
    info.queryType = VK_QUERY_TYPE_TIMESTAMP;
    info.queryCount = 2 * maxSpans;
    check(vkCreateQueryPool(device.handles.device, &info, nullptr, &target.queries), "vkCreateQueryPool");
  }
  if (!target.spans) {
    target.spans = std::make_shared<SpanResults>();
    vkCmdResetQueryPool(target.commands, target.queries, 0, 2 * maxSpans);
  }
  const auto query = static_cast<std::uint32_t>(2 * target.spanNames.size());
  target.spanNames.emplace_back(name);
  vkCmdWriteTimestamp(target.commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, target.queries, query);
  state_->inSpan = true;
}

void Stream::endSpan() {
  std::lock_guard lock(state_->mutex);
  state_->endSpan();
}

std::uint64_t Stream::submit() {
  std::lock_guard lock(state_->mutex);
  return state_->submit();
}

void Stream::finish() {
  submit();
  wait();
}

void Stream::wait() {
  state_->device->state().wait(state_->last);
  state_->device->state().collect();
}

bool Stream::isFinished() const { return state_->device->state().isFinished(state_->last); }

std::vector<Timing> Stream::timings() const {
  state_->device->state().collect();
  std::lock_guard lock(state_->mutex);
  for (const auto& results : {state_->latest, state_->earlier}) {
    if (!results) continue;
    std::lock_guard resultsLock(results->mutex);
    if (results->ready) return results->timings;
  }
  return {};
}

void Stream::keepAlive(std::shared_ptr<const void> object) {
  std::lock_guard lock(state_->mutex);
  state_->current().kept.push_back(std::move(object));
}

Stream::Pending Stream::pending() const {
  Pending result;
  result.state_ = state_;
  return result;
}

void Stream::Pending::submitIfUsing(const BufferView& view) const {
  const auto state = state_.lock();
  if (!state) return;
  std::lock_guard lock(state->mutex);
  if (state->recording && state->recording->uses.contains(view.buffer.get())) state->submit();
}

bool Stream::Pending::isOf(const Stream& stream) const { return state_.lock() == stream.state_; }

bool Stream::empty() const {
  std::lock_guard lock(state_->mutex);
  return !state_->recording || state_->recording->empty;
}

Device& Stream::device() const { return *state_->device; }
std::shared_ptr<Device> Stream::sharedDevice() const { return state_->device; }

}  // namespace orrery::gpu
