#pragma once
// Dear ImGui 1.86 (Debian 12) to 1.91 (Debian 13) behind one interface. The caller holds the queue's mutex: newer versions submit the font
// texture themselves.

#include <backends/imgui_impl_vulkan.h>
#include <imgui.h>

namespace orrery::app::imgui {

inline bool init(ImGui_ImplVulkan_InitInfo& info, VkRenderPass pass) {
#if IMGUI_VERSION_NUM >= 19044
  info.RenderPass = pass;
  return ImGui_ImplVulkan_Init(&info);
#else
  return ImGui_ImplVulkan_Init(&info, pass);
#endif
}

// Older versions record the upload of the font texture; newer ones upload on their own and ignore `commands`.
inline void uploadFonts([[maybe_unused]] VkCommandBuffer commands) {
#if IMGUI_VERSION_NUM >= 18992
  ImGui_ImplVulkan_CreateFontsTexture();
#else
  ImGui_ImplVulkan_CreateFontsTexture(commands);
#endif
}

inline void fontsUploaded() {
#if IMGUI_VERSION_NUM < 18992
  ImGui_ImplVulkan_DestroyFontUploadObjects();
#endif
}

}  // namespace orrery::app::imgui
