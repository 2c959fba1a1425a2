#pragma once
// The inside of a Device, for core/gpu/*.cpp only.

#include <vulkan/vulkan.h>

#include <array>
#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/gpu/buffer.h"
#include "core/gpu/cooperative_matrix.h"
#include "core/gpu/device.h"
#include "core/gpu/hazards.h"
#include "core/gpu/memory.h"
#include "core/gpu/shader_code.h"
#include "core/gpu/stream.h"
#include "core/gpu/vulkan.h"

namespace orrery::gpu {

inline constexpr VkBufferUsageFlags storageBufferUsage =
    VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT |
    VK_BUFFER_USAGE_VERTEX_BUFFER_BIT | VK_BUFFER_USAGE_INDEX_BUFFER_BIT | VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT |
    VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT | VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT;
inline constexpr std::uint32_t pushBytes = 128;       // what every device guarantees
inline constexpr std::uint32_t maxBindings = 16;
inline constexpr std::uint32_t maxSpans = 64;         // named spans of one submission

// Results of the spans of one submission, filled when it has finished.
struct SpanResults {
  std::mutex mutex;
  bool ready = false;
  std::vector<Timing> timings;
};

// A command buffer with everything that must live until the GPU has finished it. Recycled by the device.
struct Recording {
  VkCommandPool pool = VK_NULL_HANDLE;
  VkCommandBuffer commands = VK_NULL_HANDLE;
  VkQueryPool queries = VK_NULL_HANDLE;
  std::vector<VkDescriptorPool> descriptorPools;      // only without push descriptors
  std::size_t descriptorPoolInUse = 0;
  std::vector<VkBufferView> texelViews;
  BufferUses uses;                                    // everything used, with hulls
  HazardTracker open;                                 // exact ranges used since the last barrier inside this recording
  VkPipeline boundPipeline = VK_NULL_HANDLE;
  bool hasBarrier = false;                            // a full barrier was recorded
  bool empty = true;                                  // no command yet
  std::vector<std::shared_ptr<const void>> kept;
  std::vector<std::string> spanNames;
  std::shared_ptr<SpanResults> spans;
  std::uint64_t submission = 0;
};

// Which bindings a shader reads as texels (bit i = binding i), and which of those are unsigned integers.
struct TexelBindings {
  std::uint32_t all = 0, integer = 0;
};

struct Pipeline {
  VkPipeline pipeline = VK_NULL_HANDLE;
  VkPipelineLayout layout = VK_NULL_HANDLE;
  VkDescriptorSetLayout setLayout = VK_NULL_HANDLE;
  TexelBindings texels;
};

struct Device::State {
  explicit State(Device& parent) : device(parent) {}
  Device& device;

  DeviceSummary summary;
  VulkanHandles handles;
  std::mutex queueMutex;
  std::shared_ptr<DeviceOwner> owner;
  std::shared_ptr<Memory> memory;
  VkPhysicalDeviceLimits limits{};
  std::optional<MatrixShape> matrices;
  bool fixesMatrixLanes = false;                      // pipelines with matrices ask for subgroups of matrices->lanes
  float timestampPeriod = 1;
  bool hasTimestamps = false;
  std::size_t firstValidationMessage = 0;
  std::atomic<bool> lost{false};

  // Queue (queue.cpp). Submissions are numbered from 1 by the timeline semaphore.
  VkSemaphore timeline = VK_NULL_HANDLE;
  std::atomic<std::uint64_t> submitted{0};
  std::atomic<std::uint64_t> completed{0};
  std::atomic<int> loseAt{0};
  VkCommandPool barrierPool = VK_NULL_HANDLE;
  VkCommandBuffer barrier = VK_NULL_HANDLE;           // one full barrier, put in front of a submission that needs it
  HazardTracker crossHazards;                         // what submissions did since the last full barrier; guarded by queueMutex
  std::deque<std::unique_ptr<Recording>> inFlight;    // guarded by queueMutex
  std::vector<std::unique_ptr<Recording>> idle;       // guarded by queueMutex
  std::unordered_map<VkCommandBuffer, std::vector<std::shared_ptr<Buffer>>> drawing;   // guarded by queueMutex

  std::unique_ptr<Recording> takeRecording();
  void giveBack(std::unique_ptr<Recording> recording);        // not submitted
  std::uint64_t submit(std::unique_ptr<Recording> recording);
  std::uint64_t submitLocked(std::span<const VkCommandBuffer> commands, VkSemaphore wait, VkPipelineStageFlags waitStage, VkSemaphore signal,
                             VkFence fence);
  void wait(std::uint64_t submission);
  bool isFinished(std::uint64_t submission);
  void collect();                                             // releases what finished submissions kept alive
  std::size_t inFlightCount();
  void readSpans(Recording& recording);
  void createQueueObjects();
  void destroyQueueObjects();
  void throwIfLost() const {
    if (lost.load(std::memory_order_relaxed)) throw DeviceLost();
  }

  // Pipelines (pipeline.cpp).
  bool pushDescriptors = false;
  bool storesPairs = false;                                   // the build variants `pairs` are taken: two floats stored as one word
  bool decidesBranches = false;                               // those that constants decide, before the driver sees them (decide.h)
  PFN_vkCmdPushDescriptorSetKHR cmdPushDescriptorSet = nullptr;
  struct Variant {
    std::uint64_t hash = 0;
    std::vector<std::uint32_t> constants;
    std::uint32_t bindings = 0;
    Pipeline pipeline;
  };
  struct Shader {
    const ShaderCode* code = nullptr;
    VkShaderModule module = VK_NULL_HANDLE;
    std::uint32_t bindings = 0;                               // highest binding of set 0, plus one
    TexelBindings texels;
    bool matrices = false;                                    // cooperative ones
    std::deque<Variant> variants;                             // a deque: references stay valid while it grows
  };
  struct Layout {
    VkDescriptorSetLayout set = VK_NULL_HANDLE;
    VkPipelineLayout pipeline = VK_NULL_HANDLE;
  };
  std::shared_mutex pipelineMutex;
  std::unordered_map<std::string_view, Shader> shaders;
  std::map<std::uint64_t, Layout> layouts;                    // by the number of bindings and which are texels
  std::array<unsigned char, VK_UUID_SIZE> cacheUuid{};
  std::uint32_t driverVersion = 0;
  std::mutex saveMutex;
  std::uint32_t savedCacheCrc = 0;

  const Pipeline& pipeline(std::string_view shader, std::uint32_t bindings, std::span<const std::uint32_t> constants);
  VkShaderModule createModule(std::span<const std::uint32_t> words) const;
  Shader& shaderLocked(std::string_view name);
  Layout& layoutLocked(std::uint32_t bindings, std::uint32_t texels);
  VkDescriptorSet descriptorSet(Recording& recording, const Pipeline& pipeline);
  void createPipelineObjects();
  void destroyPipelineObjects();
  std::string cachePath() const;
  void savePipelineCache();
};

void recordFullBarrier(VkCommandBuffer commands);

struct InstanceChoice {
  VkInstance instance = VK_NULL_HANDLE;
  bool validating = false;
  bool canPresent = false;   // has VK_KHR_surface, which VK_KHR_swapchain needs
};
// Instances live as long as the process (instance.cpp).
InstanceChoice instanceFor(bool validation);
std::size_t validationMessageCount();
std::vector<std::string> validationMessagesSince(std::size_t first);

// What listDevices() and open() know of a physical device (physical.cpp).
struct Candidate {
  VkPhysicalDevice physical = VK_NULL_HANDLE;
  std::uint32_t queueFamily = 0;
  DeviceSummary summary;
};
std::vector<Candidate> candidates(VkInstance instance);

}  // namespace orrery::gpu
