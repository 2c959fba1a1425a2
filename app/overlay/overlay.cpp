#include "app/overlay/overlay.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <stdexcept>

#include "app/overlay/font_file.h"
#include "app/overlay/imgui_compat.h"
#include "core/gpu/vulkan.h"

namespace orrery::app {

namespace {

// Dear ImGui keeps its current context in one global variable.
std::mutex contextMutex;

constexpr float fontSize = 12;
constexpr float padding = 8, corner = 6, distance = 12;

ImVec4 toImGui(const Color& color, float alpha = 1) { return {color.r, color.g, color.b, color.a * alpha}; }

// The characters of a UTF-8 text that lie beyond ASCII.
void collectCharacters(const std::string& text, std::set<ImWchar>& to) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const int size = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    unsigned code = size == 1 ? lead : lead & (0xFFu >> (size + 1));
    for (int k = 1; k < size && i + static_cast<std::size_t>(k) < text.size(); ++k) {
      code = code << 6 | (static_cast<unsigned char>(text[i + static_cast<std::size_t>(k)]) & 0x3Fu);
    }
    if (code > 0x7E && code <= 0xFFFF) to.insert(static_cast<ImWchar>(code));
    i += static_cast<std::size_t>(size);
  }
}

}  // namespace

struct Overlay::State {
  State(gpu::Device& owner, VkRenderPass renderPass, std::uint32_t images, float pixelScale)
      : device(owner), pass(renderPass), imageCount(std::max(images, 2u)), scale(pixelScale) {
    const VkDescriptorPoolSize size{VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, 8};
    VkDescriptorPoolCreateInfo info{VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO};
    info.flags = VK_DESCRIPTOR_POOL_CREATE_FREE_DESCRIPTOR_SET_BIT;
    info.maxSets = 8;
    info.poolSizeCount = 1;
    info.pPoolSizes = &size;
    gpu::check(vkCreateDescriptorPool(device.vulkan().device, &info, nullptr, &pool), "vkCreateDescriptorPool");
    open();
  }

  ~State() {
    close();
    vkDestroyDescriptorPool(device.vulkan().device, pool, nullptr);
  }

  void open() {
    const gpu::VulkanHandles& vk = device.vulkan();
    context = ImGui::CreateContext();
    ImGui::SetCurrentContext(context);
    ImGuiIO& io = ImGui::GetIO();
    io.IniFilename = nullptr;
    io.LogFilename = nullptr;
    io.BackendPlatformName = "orrery";
    addFonts(io);
    ImGui_ImplVulkan_InitInfo info{};
    info.Instance = vk.instance;
    info.PhysicalDevice = vk.physicalDevice;
    info.Device = vk.device;
    info.QueueFamily = vk.queueFamily;
    info.Queue = vk.queue;
    info.PipelineCache = vk.pipelineCache;
    info.DescriptorPool = pool;
    info.MinImageCount = imageCount;
    info.ImageCount = imageCount;
    info.MSAASamples = VK_SAMPLE_COUNT_1_BIT;
    const std::scoped_lock lock(*vk.queueMutex);
    if (!imgui::init(info, pass)) throw std::runtime_error("Dear ImGui could not be set up on this device");
    hasFonts = false;
  }

  void close() {
    if (!context) return;
    ImGui::SetCurrentContext(context);
    ImGui_ImplVulkan_Shutdown();
    ImGui::DestroyContext(context);
    context = nullptr;
  }

  // The window's own faces; of the large ones only the characters in use.
  void addFonts(ImGuiIO& io) {
    ranges.clear();
    ranges.insert(ranges.end(), {ImWchar(0x20), ImWchar(0x7E)});
    for (const ImWchar c : characters) ranges.insert(ranges.end(), {c, c});
    ranges.push_back(0);
    ImFontConfig config;
    const bool chinese = !characters.empty() && *characters.rbegin() >= 0x2E80;
    for (const FontFile& file : fontFiles(chinese)) {
      config.FontNo = file.index;
      if (io.Fonts->AddFontFromFileTTF(file.path.c_str(), fontSize * scale, &config, ranges.data())) config.MergeMode = true;
    }
    if (io.Fonts->Fonts.empty()) io.Fonts->AddFontDefault();
  }

  void build(const OverlayContent& content) {
    const Theme& theme = themeOf(content.theme);
    const float s = content.scale;
    ImGuiIO& io = ImGui::GetIO();
    io.DisplaySize = {content.width * s, content.height * s};
    io.DeltaTime = 1.0f / 60;
    ImGui_ImplVulkan_NewFrame();
    ImGui::NewFrame();
    ImGuiStyle& style = ImGui::GetStyle();
    style.WindowPadding = {padding * s, (padding - 2) * s};
    style.WindowRounding = corner * s;
    style.WindowBorderSize = 1;
    style.ItemSpacing = {8 * s, 3 * s};
    style.CellPadding = {4 * s, 1 * s};
    style.Colors[ImGuiCol_WindowBg] = toImGui(theme.panel, 0.92f);
    style.Colors[ImGuiCol_Border] = toImGui(theme.border);
    style.Colors[ImGuiCol_Text] = toImGui(theme.text);
    style.Colors[ImGuiCol_TextDisabled] = toImGui(theme.muted);
    style.Colors[ImGuiCol_Separator] = toImGui(theme.border);
    ImGui::SetNextWindowPos({(content.width - distance) * s, (content.height - distance) * s}, ImGuiCond_Always, {1, 1});
    ImGui::Begin("##overlay", nullptr,
                 ImGuiWindowFlags_NoDecoration | ImGuiWindowFlags_AlwaysAutoResize | ImGuiWindowFlags_NoInputs | ImGuiWindowFlags_NoNav |
                     ImGuiWindowFlags_NoFocusOnAppearing | ImGuiWindowFlags_NoSavedSettings);
    if (ImGui::BeginTable("##values", 2, ImGuiTableFlags_SizingFixedFit | ImGuiTableFlags_NoSavedSettings)) {
      for (const auto& [name, value] : content.rows) {
        ImGui::TableNextRow();
        ImGui::TableNextColumn();
        ImGui::TextDisabled("%s", name.c_str());
        ImGui::TableNextColumn();
        ImGui::TextUnformatted(value.c_str());
      }
      ImGui::EndTable();
    }
    if (!content.probes.empty()) {
      ImGui::Separator();
      for (const std::string& probe : content.probes) ImGui::TextUnformatted(probe.c_str());
    }
    ImGui::End();
    ImGui::Render();
  }

  gpu::Device& device;
  VkRenderPass pass;
  std::uint32_t imageCount;
  float scale;
  VkDescriptorPool pool = VK_NULL_HANDLE;
  ImGuiContext* context = nullptr;
  std::set<ImWchar> characters{0x00B7, 0x00D7, 0x2212, 0x2026};
  std::vector<ImWchar> ranges;  // read by the font atlas while it lives
  bool hasFonts = false;
  int framesSinceFonts = 0;
};

Overlay::Overlay(gpu::Device& device, VkRenderPass pass, std::uint32_t imageCount, float scale) {
  const std::scoped_lock lock(contextMutex);
  state_ = std::make_unique<State>(device, pass, imageCount, scale);
}

Overlay::~Overlay() {
  const std::scoped_lock lock(contextMutex);
  state_.reset();
}

float Overlay::scale() const { return state_->scale; }

void Overlay::prepare(const OverlayContent& content, VkCommandBuffer commands) {
  const std::scoped_lock lock(contextMutex);
  State& state = *state_;
  ImGui::SetCurrentContext(state.context);

  // New characters (another language, a unit) need a new font texture: rare enough to start anew.
  const std::size_t known = state.characters.size();
  for (const auto& [name, value] : content.rows) {
    collectCharacters(name, state.characters);
    collectCharacters(value, state.characters);
  }
  for (const std::string& probe : content.probes) collectCharacters(probe, state.characters);
  if (state.characters.size() != known) {
    state.device.waitIdle();
    state.close();
    state.open();
  }
  if (!state.hasFonts) {
    const std::scoped_lock queue(*state.device.vulkan().queueMutex);
    imgui::uploadFonts(commands);
    state.hasFonts = true;
    state.framesSinceFonts = 0;
  } else if (state.framesSinceFonts >= 0 && ++state.framesSinceFonts > 8) {
    imgui::fontsUploaded();  // the frame that copied them has long finished
    state.framesSinceFonts = -1;
  }

  // Dear ImGui sizes a window by what it held in the frame before; there may be no next frame, so measure first and then build.
  state.build(content);
  state.build(content);
}

void Overlay::record(VkCommandBuffer commands) {
  const std::scoped_lock lock(contextMutex);
  ImGui::SetCurrentContext(state_->context);
  if (ImDrawData* data = ImGui::GetDrawData()) ImGui_ImplVulkan_RenderDrawData(data, commands);
}

}  // namespace orrery::app
