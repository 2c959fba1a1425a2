// Shader modules, compute pipelines, descriptor sets, and the pipeline cache on disk.

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <map>
#include <stdexcept>

#include "core/base/files.h"
#include "core/gpu/decide.h"
#include "core/gpu/matrix_support.h"
#include "core/gpu/shader_code.h"
#include "core/gpu/spirv.h"
#include "core/gpu/state.h"

namespace orrery::gpu {
namespace {

// The file: this header, then the driver's data. The driver checks its own header again.
struct CacheHeader {
  char magic[4] = {'O', 'R', 'P', 'C'};
  std::uint32_t version = 1;
  std::uint32_t driverVersion = 0;
  std::uint32_t crc = 0;
  std::uint64_t bytes = 0;
};

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0x9E3779B97F4A7C15;
  return hash ^ hash >> 29;
}

// Highest Binding decoration plus one (SPIR-V: OpDecorate is 71, Binding is 33).
std::uint32_t bindingsOf(const ShaderCode& code) {
  std::uint32_t result = 0;
  eachInstruction({code.words, code.bytes / 4}, [&](std::span<const std::uint32_t> instruction) {
    if (operationOf(instruction) == 71 && instruction.size() >= 4 && instruction[2] == 33) result = std::max(result, instruction[3] + 1);
  });
  return result;
}

// Finds the variables of type `uniform samplerBuffer` (an image of dimension Buffer, behind a sampled image and a pointer) and their
// bindings.
TexelBindings texelBindingsOf(const ShaderCode& code) {
  constexpr std::uint32_t opTypeInt = 21, opTypeImage = 25, opTypeSampledImage = 27, opTypePointer = 32, opVariable = 59, opDecorate = 71;
  constexpr std::uint32_t bufferDimension = 5, bindingDecoration = 33;
  std::map<std::uint32_t, bool> integers, texels;  // id -> the texels are integers
  std::map<std::uint32_t, std::uint32_t> bindings;
  TexelBindings result;
  eachInstruction({code.words, code.bytes / 4}, [&](std::span<const std::uint32_t> instruction) {
    const std::uint32_t operation = operationOf(instruction);
    const std::uint32_t* argument = instruction.data() + 1;
    if (operation == opDecorate && instruction.size() >= 4 && argument[1] == bindingDecoration) bindings[argument[0]] = argument[2];
    if (operation == opTypeInt) integers[argument[0]] = true;
    if (operation == opTypeImage && argument[2] == bufferDimension) texels[argument[0]] = integers.contains(argument[1]);
    if (operation == opTypeSampledImage) {
      if (const auto found = texels.find(argument[1]); found != texels.end()) texels[argument[0]] = found->second;
    }
    if (operation == opTypePointer) {
      if (const auto found = texels.find(argument[2]); found != texels.end()) texels[argument[0]] = found->second;
    }
    if (operation == opVariable) {
      const auto found = texels.find(argument[0]);
      const auto binding = bindings.find(argument[1]);
      if (found != texels.end() && binding != bindings.end() && binding->second < maxBindings) {
        result.all |= 1u << binding->second;
        if (found->second) result.integer |= 1u << binding->second;
      }
    }
  });
  return result;
}

const ShaderCode& codeOf(std::string_view name) {
  if (const ShaderCode* code = findRegistered<ShaderCode>(name)) return *code;
  throw std::logic_error(fmt::format("there is no shader '{}'", name));
}

}  // namespace

VkShaderModule Device::State::createModule(std::span<const std::uint32_t> words) const {
  VkShaderModuleCreateInfo info{VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO};
  info.codeSize = words.size_bytes();
  info.pCode = words.data();
  VkShaderModule module = VK_NULL_HANDLE;
  check(vkCreateShaderModule(handles.device, &info, nullptr, &module), "vkCreateShaderModule");
  return module;
}

VkShaderModule shaderModule(Device& device, std::string_view name) {
  std::unique_lock lock(device.state().pipelineMutex);
  return device.state().shaderLocked(name).module;
}

Device::State::Shader& Device::State::shaderLocked(std::string_view name) {
  if (const auto found = shaders.find(name); found != shaders.end()) return found->second;
  const ShaderCode& plain = codeOf(name);
  const ShaderCode* pairs = storesPairs ? findRegistered<ShaderCode>(fmt::format("{}@pairs", name)) : nullptr;
  const ShaderCode& code = pairs != nullptr ? *pairs : plain;
  Shader shader;
  shader.code = &code;
  shader.module = createModule({code.words, code.bytes / 4});
  shader.bindings = bindingsOf(code);
  shader.texels = texelBindingsOf(code);
  shader.matrices = usesMatrices(code);
  return shaders.emplace(plain.id, std::move(shader)).first->second;  // the id lives in the registry
}

// All shaders with the same kinds of bindings share a layout; push constants always have their full 128 bytes.
Device::State::Layout& Device::State::layoutLocked(std::uint32_t bindings, std::uint32_t texels) {
  Layout& layout = layouts[std::uint64_t{texels} << 32 | bindings];
  if (layout.pipeline != VK_NULL_HANDLE) return layout;
  std::array<VkDescriptorSetLayoutBinding, maxBindings> entries{};
  for (std::uint32_t i = 0; i < bindings; ++i) {
    entries[i].binding = i;
    entries[i].descriptorType = (texels >> i & 1) != 0 ? VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER : VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    entries[i].descriptorCount = 1;
    entries[i].stageFlags = VK_SHADER_STAGE_COMPUTE_BIT;
  }
  VkDescriptorSetLayoutCreateInfo set{VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO};
  if (pushDescriptors) set.flags = VK_DESCRIPTOR_SET_LAYOUT_CREATE_PUSH_DESCRIPTOR_BIT_KHR;
  set.bindingCount = bindings;
  set.pBindings = entries.data();
  if (layout.set == VK_NULL_HANDLE)
    check(vkCreateDescriptorSetLayout(handles.device, &set, nullptr, &layout.set), "vkCreateDescriptorSetLayout");
  VkPushConstantRange range{VK_SHADER_STAGE_COMPUTE_BIT, 0, pushBytes};
  VkPipelineLayoutCreateInfo info{VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO};
  info.setLayoutCount = 1;
  info.pSetLayouts = &layout.set;
  info.pushConstantRangeCount = 1;
  info.pPushConstantRanges = &range;
  check(vkCreatePipelineLayout(handles.device, &info, nullptr, &layout.pipeline), "vkCreatePipelineLayout");
  return layout;
}

const Pipeline& Device::State::pipeline(std::string_view name, std::uint32_t bindings, std::span<const std::uint32_t> constants) {
  std::uint64_t hash = mix(bindings, constants.size());
  for (const std::uint32_t constant : constants) hash = mix(hash, constant);
  const auto lookUp = [&](const Shader& shader) -> const Pipeline* {
    for (const Variant& variant : shader.variants) {
      if (variant.hash == hash && variant.bindings == bindings &&
          std::equal(variant.constants.begin(), variant.constants.end(), constants.begin(), constants.end())) {
        return &variant.pipeline;
      }
    }
    return nullptr;
  };
  {
    std::shared_lock lock(pipelineMutex);
    if (const auto found = shaders.find(name); found != shaders.end()) {
      if (const Pipeline* pipeline = lookUp(found->second)) return *pipeline;
    }
  }
  std::unique_lock lock(pipelineMutex);
  Shader& shader = shaderLocked(name);
  if (const Pipeline* pipeline = lookUp(shader)) return *pipeline;
  assert(bindings >= shader.bindings && "a shader needs more buffers than were bound");
  const Layout& layout = layoutLocked(bindings, shader.texels.all);

  std::vector<VkSpecializationMapEntry> entries(constants.size());
  for (std::uint32_t i = 0; i < entries.size(); ++i) entries[i] = {i, i * 4, 4};
  VkSpecializationInfo specialization{};
  specialization.mapEntryCount = static_cast<std::uint32_t>(entries.size());
  specialization.pMapEntries = entries.data();
  specialization.dataSize = constants.size_bytes();
  specialization.pData = constants.data();
  VkComputePipelineCreateInfo info{VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO};
  info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  // A module of its own for these constants, where the driver would take long to find out what they exclude.
  const VkShaderModule own =
      decidesBranches ? createModule(decided({shader.code->words, shader.code->bytes / 4}, constants)) : VK_NULL_HANDLE;
  info.stage.module = own != VK_NULL_HANDLE ? own : shader.module;
  info.stage.pName = "main";
  info.stage.pSpecializationInfo = constants.empty() ? nullptr : &specialization;
  VkPipelineShaderStageRequiredSubgroupSizeCreateInfoEXT lanes{
      VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO_EXT};
  if (shader.matrices && fixesMatrixLanes) {
    lanes.requiredSubgroupSize = matrices->lanes;
    info.stage.pNext = &lanes;
    info.stage.flags = VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT_EXT;
  }
  info.layout = layout.pipeline;
  Variant variant;
  variant.hash = hash;
  variant.bindings = bindings;
  variant.constants.assign(constants.begin(), constants.end());
  variant.pipeline.layout = layout.pipeline;
  variant.pipeline.setLayout = layout.set;
  variant.pipeline.texels = shader.texels;
  const VkResult made = vkCreateComputePipelines(handles.device, handles.pipelineCache, 1, &info, nullptr, &variant.pipeline.pipeline);
  vkDestroyShaderModule(handles.device, own, nullptr);
  check(made, "vkCreateComputePipelines");
  shader.variants.push_back(std::move(variant));
  return shader.variants.back().pipeline;
}

// Only for devices without push descriptors: a set from the recording's pools, which are reset when the recording is recycled.
VkDescriptorSet Device::State::descriptorSet(Recording& recording, const Pipeline& pipeline) {
  VkDescriptorSetAllocateInfo info{VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO};
  info.descriptorSetCount = 1;
  info.pSetLayouts = &pipeline.setLayout;
  VkDescriptorSet set = VK_NULL_HANDLE;
  for (;;) {
    if (recording.descriptorPoolInUse == recording.descriptorPools.size()) {
      constexpr std::uint32_t sets = 256;
      const VkDescriptorPoolSize sizes[] = {{VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, sets * 6},
                                            {VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER, sets * 6}};
      VkDescriptorPoolCreateInfo poolInfo{VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO};
      poolInfo.maxSets = sets;
      poolInfo.poolSizeCount = 2;
      poolInfo.pPoolSizes = sizes;
      VkDescriptorPool pool = VK_NULL_HANDLE;
      check(vkCreateDescriptorPool(handles.device, &poolInfo, nullptr, &pool), "vkCreateDescriptorPool");
      recording.descriptorPools.push_back(pool);
    }
    info.descriptorPool = recording.descriptorPools[recording.descriptorPoolInUse];
    const VkResult result = vkAllocateDescriptorSets(handles.device, &info, &set);
    if (result == VK_SUCCESS) return set;
    if (result != VK_ERROR_OUT_OF_POOL_MEMORY && result != VK_ERROR_FRAGMENTED_POOL) check(result, "vkAllocateDescriptorSets");
    ++recording.descriptorPoolInUse;
  }
}

std::string Device::State::cachePath() const {
  std::string name = cacheFolder() + "/pipelines-";
  for (const unsigned char byte : cacheUuid) name += fmt::format("{:02x}", byte);
  return name + fmt::format("-{:x}.bin", driverVersion);
}

void Device::State::createPipelineObjects() {
  // Read the cache of an earlier run. Anything unexpected in it means that we start with an empty one.
  std::string stored;
  if (auto content = readWholeFile(cachePath(), std::uint64_t{256} << 20)) {
    CacheHeader header;
    if (content->size() > sizeof header) {
      std::memcpy(&header, content->data(), sizeof header);
      const std::string_view data = std::string_view(*content).substr(sizeof header);
      const CacheHeader expected;
      if (std::memcmp(header.magic, expected.magic, sizeof header.magic) == 0 && header.version == expected.version &&
          header.driverVersion == driverVersion && header.bytes == data.size() && header.crc == crc32(std::as_bytes(std::span(data)))) {
        stored = data;
      }
    }
  }
  VkPipelineCacheCreateInfo info{VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO};
  info.initialDataSize = stored.size();
  info.pInitialData = stored.data();
  check(vkCreatePipelineCache(handles.device, &info, nullptr, &handles.pipelineCache), "vkCreatePipelineCache");
  savedCacheCrc = stored.empty() ? 0 : crc32(std::as_bytes(std::span(stored)));
}

void Device::State::savePipelineCache() {
  if (handles.pipelineCache == VK_NULL_HANDLE) return;
  std::lock_guard lock(saveMutex);
  std::size_t size = 0;
  if (vkGetPipelineCacheData(handles.device, handles.pipelineCache, &size, nullptr) != VK_SUCCESS || size == 0) return;
  std::string content(sizeof(CacheHeader) + size, '\0');
  if (vkGetPipelineCacheData(handles.device, handles.pipelineCache, &size, content.data() + sizeof(CacheHeader)) != VK_SUCCESS) return;
  content.resize(sizeof(CacheHeader) + size);
  CacheHeader header;
  header.driverVersion = driverVersion;
  header.bytes = size;
  header.crc = crc32(std::as_bytes(std::span(content)).subspan(sizeof header));
  if (header.crc == savedCacheCrc) return;  // nothing new since it was read or written
  std::memcpy(content.data(), &header, sizeof header);
  // A cache that cannot be written costs time at the next start and nothing else.
  if (writeFileAtomically(cachePath(), content)) savedCacheCrc = header.crc;
}

void Device::State::destroyPipelineObjects() {
  const VkDevice vk = handles.device;
  for (auto& [name, shader] : shaders) {
    for (Variant& variant : shader.variants) vkDestroyPipeline(vk, variant.pipeline.pipeline, nullptr);
    vkDestroyShaderModule(vk, shader.module, nullptr);
  }
  shaders.clear();
  for (auto& [key, layout] : layouts) {
    if (layout.pipeline != VK_NULL_HANDLE) vkDestroyPipelineLayout(vk, layout.pipeline, nullptr);
    if (layout.set != VK_NULL_HANDLE) vkDestroyDescriptorSetLayout(vk, layout.set, nullptr);
  }
  layouts.clear();
  if (handles.pipelineCache != VK_NULL_HANDLE) vkDestroyPipelineCache(vk, handles.pipelineCache, nullptr);
  handles.pipelineCache = VK_NULL_HANDLE;
}

void Device::warm(std::span<const std::string_view> names) {
  std::vector<std::uint32_t> bindings;
  for (const std::string_view name : names) {
    std::uint32_t count = 0;
    {
      std::unique_lock lock(state_->pipelineMutex);
      count = state_->shaderLocked(name).bindings;
    }
    state_->pipeline(name, count, {});
    bindings.push_back(count);
  }
  if (!isCpu()) return;
  // Zero push constants mean zero elements, so the dispatch writes nothing; robust buffer access covers a shader without a guard.
  const BufferView scratch = allocate(65536);
  const std::array<std::byte, pushBytes> zeros{};
  Stream stream(shared_from_this());
  stream.fill(scratch, 0);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::vector<Binding> bound(bindings[i], Binding{scratch, Access::readWrite});
    stream.dispatch(names[i], bound, zeros, {});
  }
  stream.finish();
}

}  // namespace orrery::gpu
