#include "core/render/pipelines.h"

#include <cstddef>

#include "core/gpu/vulkan.h"
#include "core/render/target.h"
#include "core/render/vertex.h"

namespace orrery::render {

VkRenderPass makeRenderPass(gpu::Device& device, VkFormat format, VkImageLayout finalLayout) {
  VkAttachmentDescription color{};
  color.format = format;
  color.samples = VK_SAMPLE_COUNT_1_BIT;
  color.loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR;
  color.storeOp = VK_ATTACHMENT_STORE_OP_STORE;
  color.stencilLoadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE;
  color.stencilStoreOp = VK_ATTACHMENT_STORE_OP_DONT_CARE;
  color.initialLayout = VK_IMAGE_LAYOUT_UNDEFINED;
  color.finalLayout = finalLayout;
  const VkAttachmentReference reference{0, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL};
  VkSubpassDescription subpass{};
  subpass.pipelineBindPoint = VK_PIPELINE_BIND_POINT_GRAPHICS;
  subpass.colorAttachmentCount = 1;
  subpass.pColorAttachments = &reference;
  // After whatever read the image last (presentation, a copy, a frame that sampled it); before a copy or a frame that samples it.
  const VkSubpassDependency dependencies[2] = {
      {VK_SUBPASS_EXTERNAL, 0,
       VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT | VK_PIPELINE_STAGE_FRAGMENT_SHADER_BIT,
       VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT,
       VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT,
       VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT | VK_ACCESS_COLOR_ATTACHMENT_READ_BIT, 0},
      {0, VK_SUBPASS_EXTERNAL, VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT,
       VK_PIPELINE_STAGE_TRANSFER_BIT | VK_PIPELINE_STAGE_FRAGMENT_SHADER_BIT | VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT,
       VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT, VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_SHADER_READ_BIT, 0}};
  VkRenderPassCreateInfo info{VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO};
  info.attachmentCount = 1;
  info.pAttachments = &color;
  info.subpassCount = 1;
  info.pSubpasses = &subpass;
  info.dependencyCount = 2;
  info.pDependencies = dependencies;
  VkRenderPass pass = VK_NULL_HANDLE;
  gpu::check(vkCreateRenderPass(device.vulkan().device, &info, nullptr, &pass), "vkCreateRenderPass");
  return pass;
}

namespace {

struct KindShaders {
  std::string_view vertex, fragment;
  VkPrimitiveTopology topology;
  bool vertices, blend;
};

KindShaders shadersOf(Kind kind) {
  switch (kind) {
    case Kind::mesh:
      return {"figure/mesh.vert", "figure/mesh.frag", VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST, true, true};
    case Kind::solid:
      return {"figure/mesh.vert", "figure/solid.frag", VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST, true, false};
    case Kind::glyph:
      return {"figure/mesh.vert", "figure/glyph.frag", VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST, true, true};
    case Kind::points:
      return {"figure/points.vert", "figure/points.frag", VK_PRIMITIVE_TOPOLOGY_POINT_LIST, false, true};
    case Kind::pointQuads:
      return {"figure/points.vert@quad", "figure/points.frag", VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST, false, true};
    case Kind::bundle:
      return {"figure/bundle.vert", "figure/bundle.frag", VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST, false, true};
    case Kind::bundleLines:
      return {"figure/bundle.vert@line", "figure/bundle.frag@line", VK_PRIMITIVE_TOPOLOGY_LINE_STRIP, false, true};
    case Kind::texture:
      return {"figure/image.vert", "figure/texture.frag", VK_PRIMITIVE_TOPOLOGY_TRIANGLE_STRIP, false, true};
    case Kind::cells:
      return {"figure/cells.vert", "figure/cells.frag", VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST, false, false};
    case Kind::image:
      return {"figure/image.vert", "figure/image.frag", VK_PRIMITIVE_TOPOLOGY_TRIANGLE_STRIP, false, true};
  }
  return {};
}

}  // namespace

Pipelines::Pipelines(gpu::Device& device) : device_(device) {
  const VkDevice vk = device_.vulkan().device;
  VkDescriptorSetLayoutBinding buffers[3];
  for (std::uint32_t i = 0; i < 3; ++i) {
    buffers[i] = {i, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, VK_SHADER_STAGE_VERTEX_BIT | VK_SHADER_STAGE_FRAGMENT_BIT, nullptr};
  }
  VkDescriptorSetLayoutCreateInfo info{VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO};
  info.bindingCount = 3;
  info.pBindings = buffers;
  gpu::check(vkCreateDescriptorSetLayout(vk, &info, nullptr, &dataLayout_), "vkCreateDescriptorSetLayout");
  const VkDescriptorSetLayoutBinding sampler{0, VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, 1, VK_SHADER_STAGE_FRAGMENT_BIT, nullptr};
  info.bindingCount = 1;
  info.pBindings = &sampler;
  gpu::check(vkCreateDescriptorSetLayout(vk, &info, nullptr, &atlasLayout_), "vkCreateDescriptorSetLayout");

  const VkDescriptorSetLayout sets[2] = {dataLayout_, atlasLayout_};
  const VkPushConstantRange range{VK_SHADER_STAGE_VERTEX_BIT | VK_SHADER_STAGE_FRAGMENT_BIT, 0, sizeof(Push)};
  VkPipelineLayoutCreateInfo layout{VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO};
  layout.setLayoutCount = 2;
  layout.pSetLayouts = sets;
  layout.pushConstantRangeCount = 1;
  layout.pPushConstantRanges = &range;
  gpu::check(vkCreatePipelineLayout(vk, &layout, nullptr, &layout_), "vkCreatePipelineLayout");

  // Native points and wide lines save a CPU driver most of its vertex work. Everywhere else quads do: they are never slower there, and
  // their joins are mitred.
  VkPhysicalDeviceFeatures features{};
  vkGetPhysicalDeviceFeatures(device_.vulkan().physicalDevice, &features);
  hasSprites_ = device_.isCpu() && features.largePoints;
  hasWideLines_ = device_.isCpu() && features.wideLines;
}

Pipelines::~Pipelines() {
  const VkDevice vk = device_.vulkan().device;
  for (const Made& made : made_) vkDestroyPipeline(vk, made.pipeline, nullptr);
  for (const auto& [format, pass] : passes_) vkDestroyRenderPass(vk, pass, nullptr);
  vkDestroyPipelineLayout(vk, layout_, nullptr);
  vkDestroyDescriptorSetLayout(vk, dataLayout_, nullptr);
  vkDestroyDescriptorSetLayout(vk, atlasLayout_, nullptr);
}

VkRenderPass Pipelines::passFor(VkFormat format) {
  VkRenderPass& pass = passes_[format];
  if (pass == VK_NULL_HANDLE) pass = makeRenderPass(device_, format, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL);
  return pass;
}

VkPipeline Pipelines::get(Kind kind, std::uint32_t flags, VkFormat format) {
  for (const Made& made : made_) {
    if (made.kind == kind && made.flags == flags && made.format == format) return made.pipeline;
  }
  const KindShaders shaders = shadersOf(kind);
  const VkSpecializationMapEntry entry{0, 0, sizeof(flags)};
  const VkSpecializationInfo constants{1, &entry, sizeof(flags), &flags};
  VkPipelineShaderStageCreateInfo stages[2]{};
  for (VkPipelineShaderStageCreateInfo& stage : stages) {
    stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
    stage.pName = "main";
    stage.pSpecializationInfo = &constants;
  }
  stages[0].stage = VK_SHADER_STAGE_VERTEX_BIT;
  stages[0].module = gpu::shaderModule(device_, shaders.vertex);
  stages[1].stage = VK_SHADER_STAGE_FRAGMENT_BIT;
  stages[1].module = gpu::shaderModule(device_, shaders.fragment);

  const VkVertexInputBindingDescription binding{0, sizeof(Vertex), VK_VERTEX_INPUT_RATE_VERTEX};
  const VkVertexInputAttributeDescription attributes[3] = {{0, 0, VK_FORMAT_R32G32_SFLOAT, offsetof(Vertex, x)},
                                                           {1, 0, VK_FORMAT_R32G32_SFLOAT, offsetof(Vertex, u)},
                                                           {2, 0, VK_FORMAT_R8G8B8A8_UNORM, offsetof(Vertex, color)}};
  VkPipelineVertexInputStateCreateInfo input{VK_STRUCTURE_TYPE_PIPELINE_VERTEX_INPUT_STATE_CREATE_INFO};
  if (shaders.vertices) {
    input.vertexBindingDescriptionCount = 1;
    input.pVertexBindingDescriptions = &binding;
    input.vertexAttributeDescriptionCount = 3;
    input.pVertexAttributeDescriptions = attributes;
  }
  VkPipelineInputAssemblyStateCreateInfo assembly{VK_STRUCTURE_TYPE_PIPELINE_INPUT_ASSEMBLY_STATE_CREATE_INFO};
  assembly.topology = shaders.topology;
  VkPipelineViewportStateCreateInfo viewport{VK_STRUCTURE_TYPE_PIPELINE_VIEWPORT_STATE_CREATE_INFO};
  viewport.viewportCount = 1;
  viewport.scissorCount = 1;
  VkPipelineRasterizationStateCreateInfo raster{VK_STRUCTURE_TYPE_PIPELINE_RASTERIZATION_STATE_CREATE_INFO};
  raster.polygonMode = VK_POLYGON_MODE_FILL;
  raster.cullMode = VK_CULL_MODE_NONE;
  raster.lineWidth = 1;
  VkPipelineMultisampleStateCreateInfo samples{VK_STRUCTURE_TYPE_PIPELINE_MULTISAMPLE_STATE_CREATE_INFO};
  samples.rasterizationSamples = VK_SAMPLE_COUNT_1_BIT;
  // Colours are mixed as sRGB values, like SVG viewers do; the alpha channel adds up so that a transparent ground works.
  VkPipelineColorBlendAttachmentState blend{};
  blend.blendEnable = shaders.blend;
  blend.srcColorBlendFactor = VK_BLEND_FACTOR_SRC_ALPHA;
  blend.dstColorBlendFactor = VK_BLEND_FACTOR_ONE_MINUS_SRC_ALPHA;
  blend.colorBlendOp = VK_BLEND_OP_ADD;
  blend.srcAlphaBlendFactor = VK_BLEND_FACTOR_ONE;
  blend.dstAlphaBlendFactor = VK_BLEND_FACTOR_ONE_MINUS_SRC_ALPHA;
  blend.alphaBlendOp = VK_BLEND_OP_ADD;
  blend.colorWriteMask = VK_COLOR_COMPONENT_R_BIT | VK_COLOR_COMPONENT_G_BIT | VK_COLOR_COMPONENT_B_BIT | VK_COLOR_COMPONENT_A_BIT;
  VkPipelineColorBlendStateCreateInfo blending{VK_STRUCTURE_TYPE_PIPELINE_COLOR_BLEND_STATE_CREATE_INFO};
  blending.attachmentCount = 1;
  blending.pAttachments = &blend;
  const VkDynamicState states[3] = {VK_DYNAMIC_STATE_VIEWPORT, VK_DYNAMIC_STATE_SCISSOR, VK_DYNAMIC_STATE_LINE_WIDTH};
  VkPipelineDynamicStateCreateInfo dynamic{VK_STRUCTURE_TYPE_PIPELINE_DYNAMIC_STATE_CREATE_INFO};
  dynamic.dynamicStateCount = kind == Kind::bundleLines ? 3 : 2;
  dynamic.pDynamicStates = states;

  VkGraphicsPipelineCreateInfo info{VK_STRUCTURE_TYPE_GRAPHICS_PIPELINE_CREATE_INFO};
  info.stageCount = 2;
  info.pStages = stages;
  info.pVertexInputState = &input;
  info.pInputAssemblyState = &assembly;
  info.pViewportState = &viewport;
  info.pRasterizationState = &raster;
  info.pMultisampleState = &samples;
  info.pColorBlendState = &blending;
  info.pDynamicState = &dynamic;
  info.layout = layout_;
  info.renderPass = passFor(format);
  VkPipeline pipeline = VK_NULL_HANDLE;
  gpu::check(vkCreateGraphicsPipelines(device_.vulkan().device, device_.vulkan().pipelineCache, 1, &info, nullptr, &pipeline),
             "vkCreateGraphicsPipelines");
  made_.push_back({kind, flags, format, pipeline});
  return pipeline;
}

}  // namespace orrery::render
