#pragma once
// Qt's view of our Vulkan instance.

#include <QVulkanInstance>
#include <QWindow>

namespace orrery::app {

// Adopts gpu::sharedInstance(); null when there is no Vulkan. Lives until the application ends.
QVulkanInstance* qtVulkanInstance();

}  // namespace orrery::app
