// Opening and closing a device.

#include "core/gpu/device.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "core/base/text.h"
#include "core/gpu/matrix_support.h"
#include "core/gpu/state.h"

namespace orrery::gpu {
namespace {

double inMiB(std::uint64_t bytes) { return static_cast<double>(bytes) / (1024.0 * 1024.0); }

bool containsIgnoringCase(std::string_view text, std::string_view part) {
  return std::search(text.begin(), text.end(), part.begin(), part.end(), [](char a, char b) {
           return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
         }) != text.end();
}

// The device asked for: by number, by ORRERY_DEVICE (a number or a part of the name), or the best one.
Expected<Candidate> choose(const std::vector<Candidate>& found, int index) {
  if (found.empty()) {
    return makeError(ErrorCode::gpu,
                     tr("no Vulkan 1.2 device was found: install a driver (Debian: mesa-vulkan-drivers, which also runs without a GPU)"),
                     "E-GP-01");
  }
  const auto unknown = [&](const std::string& asked) {
    std::string names;
    for (const auto& candidate : found)
      names += fmt::format("{}{}: {}", names.empty() ? "" : ", ", candidate.summary.index, candidate.summary.name);
    return makeError(ErrorCode::usage, trf("there is no device '{}'; there are {}", asked, names), "E-GP-02");
  };
  if (index < 0) {
    const char* set = std::getenv("ORRERY_DEVICE");
    if (set == nullptr || *set == '\0') return found.front();
    const std::string_view asked = set;
    const auto [end, failure] = std::from_chars(asked.data(), asked.data() + asked.size(), index);
    if (failure != std::errc{} || end != asked.data() + asked.size()) {
      for (const auto& candidate : found) {
        if (containsIgnoringCase(candidate.summary.name, asked)) return candidate;
      }
      return unknown(std::string(asked));
    }
  }
  if (index < 0 || static_cast<std::size_t>(index) >= found.size()) return unknown(std::to_string(index));
  return found[static_cast<std::size_t>(index)];
}

// Turns on what we can use of what the device offers, and nothing that it does not.
struct Features {
  VkPhysicalDeviceShaderAtomicFloatFeaturesEXT atomics{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_ATOMIC_FLOAT_FEATURES_EXT};
  VkPhysicalDeviceVulkan12Features v12{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES};
  VkPhysicalDeviceVulkan11Features v11{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES};
  VkPhysicalDeviceFeatures2 v10{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};

  Features(VkPhysicalDevice physical, bool withAtomics) {
    Features offered;
    offered.chain(withAtomics);
    vkGetPhysicalDeviceFeatures2(physical, &offered.v10);
    chain(withAtomics);
    const auto& from = offered.v10.features;
    auto& to = v10.features;
    to.robustBufferAccess = from.robustBufferAccess;
    to.independentBlend = from.independentBlend;
    to.dualSrcBlend = from.dualSrcBlend;
    to.fillModeNonSolid = from.fillModeNonSolid;
    to.wideLines = from.wideLines;
    to.largePoints = from.largePoints;
    to.samplerAnisotropy = from.samplerAnisotropy;
    to.shaderClipDistance = from.shaderClipDistance;
    to.drawIndirectFirstInstance = from.drawIndirectFirstInstance;
    to.shaderFloat64 = from.shaderFloat64;
    to.shaderInt64 = from.shaderInt64;
    to.shaderInt16 = from.shaderInt16;
    v11.storageBuffer16BitAccess = offered.v11.storageBuffer16BitAccess;
    v11.uniformAndStorageBuffer16BitAccess = offered.v11.uniformAndStorageBuffer16BitAccess;
    v11.shaderDrawParameters = offered.v11.shaderDrawParameters;
    v12.timelineSemaphore = VK_TRUE;
    v12.hostQueryReset = offered.v12.hostQueryReset;
    v12.scalarBlockLayout = offered.v12.scalarBlockLayout;
    v12.uniformBufferStandardLayout = offered.v12.uniformBufferStandardLayout;
    v12.shaderFloat16 = offered.v12.shaderFloat16;
    v12.shaderInt8 = offered.v12.shaderInt8;
    v12.storageBuffer8BitAccess = offered.v12.storageBuffer8BitAccess;
    v12.uniformAndStorageBuffer8BitAccess = offered.v12.uniformAndStorageBuffer8BitAccess;
    v12.shaderSubgroupExtendedTypes = offered.v12.shaderSubgroupExtendedTypes;
    v12.vulkanMemoryModel = offered.v12.vulkanMemoryModel;
    v12.vulkanMemoryModelDeviceScope = offered.v12.vulkanMemoryModelDeviceScope;
    v12.shaderBufferInt64Atomics = offered.v12.shaderBufferInt64Atomics;
    atomics.shaderBufferFloat32Atomics = offered.atomics.shaderBufferFloat32Atomics;
    atomics.shaderBufferFloat32AtomicAdd = offered.atomics.shaderBufferFloat32AtomicAdd;
    atomics.shaderSharedFloat32Atomics = offered.atomics.shaderSharedFloat32Atomics;
    atomics.shaderSharedFloat32AtomicAdd = offered.atomics.shaderSharedFloat32AtomicAdd;
  }
  Features(const Features&) = delete;
  Features& operator=(const Features&) = delete;

 private:
  Features() = default;
  void chain(bool withAtomics) {
    v10.pNext = &v11;
    v11.pNext = &v12;
    v12.pNext = withAtomics ? &atomics : nullptr;
  }
};

std::vector<VkExtensionProperties> extensionsOf(VkPhysicalDevice physical) {
  std::uint32_t count = 0;
  vkEnumerateDeviceExtensionProperties(physical, nullptr, &count, nullptr);
  std::vector<VkExtensionProperties> result(count);
  vkEnumerateDeviceExtensionProperties(physical, nullptr, &count, result.data());
  return result;
}

}  // namespace

OutOfMemory::OutOfMemory(std::uint64_t needed, std::uint64_t available)
    : needed_(needed),
      available_(available),
      message_(trf("needs {:.0f} MiB of device memory, {:.0f} MiB are free", inMiB(needed), inMiB(available))) {}

void check(VkResult result, const char* call) {
  if (result >= 0) return;
  if (result == VK_ERROR_DEVICE_LOST) throw DeviceLost();
  if (result == VK_ERROR_OUT_OF_DEVICE_MEMORY || result == VK_ERROR_OUT_OF_HOST_MEMORY || result == VK_ERROR_OUT_OF_POOL_MEMORY) {
    throw OutOfMemory(0, 0);
  }
  throw std::runtime_error(fmt::format("{} failed with code {}", call, static_cast<int>(result)));
}

Device::Device() : state_(std::make_unique<State>(*this)) {}

Expected<std::shared_ptr<Device>> Device::open(const DeviceOptions& options) {
  const std::size_t firstMessage = validationMessageCount();
  const InstanceChoice instance = instanceFor(options.validation);
  auto chosen = choose(candidates(instance.instance), options.index);
  if (!chosen) return chosen.error();
  const VkPhysicalDevice physical = chosen->physical;

  const auto offered = extensionsOf(physical);
  std::vector<const char*> extensions;
  const auto wants = [&](const char* name) {
    const bool there =
        std::any_of(offered.begin(), offered.end(), [&](const auto& entry) { return std::strcmp(entry.extensionName, name) == 0; });
    if (there) extensions.push_back(name);
    return there;
  };
  if (instance.canPresent) wants("VK_KHR_swapchain");
  wants("VK_KHR_portability_subset");
  const bool push = wants(VK_KHR_PUSH_DESCRIPTOR_EXTENSION_NAME) && options.pushDescriptors;
  const bool atomics = wants(VK_EXT_SHADER_ATOMIC_FLOAT_EXTENSION_NAME);
  const Features features(physical, atomics);
  MatrixSupport matrices(instance.instance, physical, offered);
  for (const char* name : matrices.extensions()) extensions.push_back(name);

  const float priority = 1;
  VkDeviceQueueCreateInfo queue{VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO};
  queue.queueFamilyIndex = chosen->queueFamily;
  queue.queueCount = 1;
  queue.pQueuePriorities = &priority;
  VkPhysicalDeviceFeatures2 wanted = features.v10;
  wanted.pNext = matrices.chain(wanted.pNext);
  VkDeviceCreateInfo info{VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, &wanted};
  info.queueCreateInfoCount = 1;
  info.pQueueCreateInfos = &queue;
  info.enabledExtensionCount = static_cast<std::uint32_t>(extensions.size());
  info.ppEnabledExtensionNames = extensions.data();

  auto owner = std::make_shared<DeviceOwner>();
  if (const VkResult result = vkCreateDevice(physical, &info, nullptr, &owner->device); result != VK_SUCCESS) {
    owner->device = VK_NULL_HANDLE;
    return makeError(ErrorCode::gpu,
                     trf("the device '{}' could not be opened (Vulkan code {}); try another one with --device", chosen->summary.name,
                         static_cast<int>(result)),
                     "E-GP-03");
  }

  std::shared_ptr<Device> device(new Device());
  State& state = *device->state_;
  VkPhysicalDeviceProperties properties;
  vkGetPhysicalDeviceProperties(physical, &properties);
  state.summary = chosen->summary;
  state.limits = properties.limits;
  state.timestampPeriod = properties.limits.timestampPeriod;
  state.hasTimestamps = chosen->summary.timestamps;
  state.driverVersion = properties.driverVersion;
  std::copy(std::begin(properties.pipelineCacheUUID), std::end(properties.pipelineCacheUUID), state.cacheUuid.begin());
  state.firstValidationMessage = firstMessage;
  state.owner = owner;
  state.handles.instance = instance.instance;
  state.handles.physicalDevice = physical;
  state.handles.device = owner->device;
  state.handles.queueFamily = chosen->queueFamily;
  state.handles.queueMutex = &state.queueMutex;
  vkGetDeviceQueue(owner->device, chosen->queueFamily, 0, &state.handles.queue);
  state.matrices = matrices.shape();
  state.fixesMatrixLanes = matrices.fixesSize();
  state.pushDescriptors = push;
  state.decidesBranches = chosen->summary.kind == DeviceKind::cpu;
  state.storesPairs = chosen->summary.kind == DeviceKind::cpu && features.v10.features.shaderFloat64 == VK_TRUE;
  if (push) {
    state.cmdPushDescriptorSet =
        reinterpret_cast<PFN_vkCmdPushDescriptorSetKHR>(vkGetDeviceProcAddr(owner->device, "vkCmdPushDescriptorSetKHR"));
    state.pushDescriptors = state.cmdPushDescriptorSet != nullptr;
  }
  try {
    const bool preferMapped = state.summary.kind == DeviceKind::cpu || state.summary.kind == DeviceKind::integrated;
    state.memory = std::make_shared<Memory>(owner, physical, preferMapped && options.mappedStorage);
    state.createQueueObjects();
    state.createPipelineObjects();
  } catch (const std::exception& failure) {
    return makeError(ErrorCode::gpu, trf("the device '{}' could not be opened: {}", chosen->summary.name, failure.what()), "E-GP-03");
  }
  return device;
}

Device::~Device() {
  State& state = *state_;
  if (state.handles.device == VK_NULL_HANDLE) return;
  {
    std::lock_guard lock(state.queueMutex);
    vkDeviceWaitIdle(state.handles.device);  // a lost device returns at once
  }
  state.completed.store(state.submitted.load());
  if (!state.lost.load()) state.savePipelineCache();
  state.destroyQueueObjects();
  state.destroyPipelineObjects();
}

const DeviceSummary& Device::summary() const { return state_->summary; }
bool Device::isCpu() const { return state_->summary.kind == DeviceKind::cpu; }
std::uint64_t Device::bytesInUse() const { return state_->memory->bytesInUse(); }
std::uint64_t Device::maxBufferRange() const { return state_->limits.maxStorageBufferRange; }
std::uint32_t Device::subgroupSize() const { return state_->summary.subgroupSize; }
VulkanHandles& Device::vulkan() { return state_->handles; }
void Device::savePipelineCache() { state_->savePipelineCache(); }
void Device::injectDeviceLost(int submission) { state_->loseAt.store(submission); }
void Device::injectOutOfMemory(int allocation) { state_->memory->injectOutOfMemory(allocation); }
std::vector<std::string> Device::validationMessages() const { return validationMessagesSince(state_->firstValidationMessage); }
bool Device::isLost() const { return state_->lost.load(); }

void Device::waitIdle() {
  state_->wait(state_->submitted.load());
  state_->collect();
}

BufferView Device::allocate(std::uint64_t bytes) {
  state_->throwIfLost();
  const std::uint64_t visible = std::max<std::uint64_t>(bytes, 4);
  try {
    return {state_->memory->allocate(visible, MemoryUse::storage), 0, visible};
  } catch (const OutOfMemory&) {
    if (state_->inFlightCount() == 0) throw;
  }
  // What finished work kept alive may be enough.
  waitIdle();
  return {state_->memory->allocate(visible, MemoryUse::storage), 0, visible};
}

}  // namespace orrery::gpu
