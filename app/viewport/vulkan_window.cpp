#include "app/viewport/vulkan_window.h"

#include <QCoreApplication>
#include <memory>

#include "core/gpu/vulkan.h"

namespace orrery::app {

QVulkanInstance* qtVulkanInstance() {
  static std::unique_ptr<QVulkanInstance> instance;
  if (!instance) {
    const VkInstance shared = gpu::sharedInstance();
    if (shared == VK_NULL_HANDLE) return nullptr;
    auto made = std::make_unique<QVulkanInstance>();
    made->setVkInstance(shared);
    if (!made->create()) return nullptr;
    instance = std::move(made);
    // It needs the platform plug-in, which goes with the application.
    qAddPostRoutine([] { instance.reset(); });
  }
  return instance.get();
}

}  // namespace orrery::app
