// The Vulkan instance, shared by the whole process, and the validation messages.

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#include "core/base/files.h"
#include "core/gpu/state.h"

namespace orrery::gpu {
namespace {

std::mutex messageMutex;
std::vector<std::string>& messages() {
  static auto* list = new std::vector<std::string>;   // never destroyed: the layer may speak during exit
  return *list;
}

VKAPI_ATTR VkBool32 VKAPI_CALL onMessage(VkDebugUtilsMessageSeverityFlagBitsEXT, VkDebugUtilsMessageTypeFlagsEXT,
                                         const VkDebugUtilsMessengerCallbackDataEXT* data, void*) {
  std::lock_guard lock(messageMutex);
  messages().emplace_back(data->pMessage == nullptr ? "" : data->pMessage);
  return VK_FALSE;
}

bool wantedByEnvironment() {
  const char* set = std::getenv("ORRERY_VALIDATION");
  return set != nullptr && *set != '\0' && std::strcmp(set, "0") != 0;
}

InstanceChoice create(bool validation) {
  // Let lavapipe keep its compiled shaders between runs in our own cache folder.
  ::setenv("MESA_SHADER_CACHE_DIR", (cacheFolder() + "/mesa").c_str(), 0);

  std::uint32_t count = 0;
  vkEnumerateInstanceExtensionProperties(nullptr, &count, nullptr);
  std::vector<VkExtensionProperties> offered(count);
  vkEnumerateInstanceExtensionProperties(nullptr, &count, offered.data());
  vkEnumerateInstanceLayerProperties(&count, nullptr);
  std::vector<VkLayerProperties> layers(count);
  vkEnumerateInstanceLayerProperties(&count, layers.data());

  std::vector<const char*> extensions, enabledLayers;
  const auto environmentHas = [](const char* name) { return std::getenv(name) != nullptr; };
  // Without a Wayland session, Mesa's device selection layer would print an error about it for every instance.
  const bool wayland = environmentHas("WAYLAND_DISPLAY") && environmentHas("XDG_RUNTIME_DIR");
  for (const char* wanted : {"VK_KHR_surface", "VK_KHR_xcb_surface", "VK_KHR_xlib_surface", "VK_KHR_wayland_surface", "VK_KHR_win32_surface",
                             "VK_EXT_metal_surface", "VK_KHR_portability_enumeration", "VK_KHR_get_surface_capabilities2"}) {
    if (!wayland && std::strcmp(wanted, "VK_KHR_wayland_surface") == 0) continue;
    const bool available =
        std::any_of(offered.begin(), offered.end(), [&](const auto& extension) { return std::strcmp(extension.extensionName, wanted) == 0; });
    if (available) extensions.push_back(wanted);
  }
  const bool portability = std::any_of(extensions.begin(), extensions.end(),
                                       [](const char* name) { return std::strcmp(name, "VK_KHR_portability_enumeration") == 0; });

  InstanceChoice choice;
  choice.canPresent = std::any_of(extensions.begin(), extensions.end(), [](const char* name) { return std::strcmp(name, "VK_KHR_surface") == 0; });

  constexpr const char* layerName = "VK_LAYER_KHRONOS_validation";
  choice.validating = validation && std::any_of(layers.begin(), layers.end(),
                                                [&](const auto& layer) { return std::strcmp(layer.layerName, layerName) == 0; });
  if (choice.validating) {
    enabledLayers.push_back(layerName);
    extensions.push_back(VK_EXT_DEBUG_UTILS_EXTENSION_NAME);   // offered by the layer itself
  }

  VkDebugUtilsMessengerCreateInfoEXT messenger{VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT};
  messenger.messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
  messenger.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT;
  messenger.pfnUserCallback = onMessage;

  VkApplicationInfo application{VK_STRUCTURE_TYPE_APPLICATION_INFO};
  application.pApplicationName = "orrery";
  application.pEngineName = "orrery";
  application.apiVersion = VK_API_VERSION_1_2;
  VkInstanceCreateInfo info{VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
  if (portability) info.flags = 1;   // VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR
  info.pApplicationInfo = &application;
  info.enabledLayerCount = static_cast<std::uint32_t>(enabledLayers.size());
  info.ppEnabledLayerNames = enabledLayers.data();
  info.enabledExtensionCount = static_cast<std::uint32_t>(extensions.size());
  info.ppEnabledExtensionNames = extensions.data();
  if (vkCreateInstance(&info, nullptr, &choice.instance) != VK_SUCCESS) {
    choice.instance = VK_NULL_HANDLE;
    return choice;
  }
  if (choice.validating) {
    const auto createMessenger =
        reinterpret_cast<PFN_vkCreateDebugUtilsMessengerEXT>(vkGetInstanceProcAddr(choice.instance, "vkCreateDebugUtilsMessengerEXT"));
    VkDebugUtilsMessengerEXT handle = VK_NULL_HANDLE;
    if (createMessenger != nullptr) createMessenger(choice.instance, &messenger, nullptr, &handle);
  }
  return choice;
}

}  // namespace

InstanceChoice instanceFor(bool validation) {
  static std::mutex mutex;
  static InstanceChoice plain, validating;
  std::lock_guard lock(mutex);
  // Once validation was asked for, everybody gets that instance, so that a window and its device agree.
  if (validating.instance != VK_NULL_HANDLE) return validating;
  if (validation || wantedByEnvironment()) {
    InstanceChoice made = create(true);
    if (made.validating) return validating = made;
    if (plain.instance == VK_NULL_HANDLE) {
      plain = made;
    } else if (made.instance != VK_NULL_HANDLE) {
      vkDestroyInstance(made.instance, nullptr);   // the layer is not installed; the plain instance serves
    }
    return plain;
  }
  if (plain.instance == VK_NULL_HANDLE) plain = create(false);
  return plain;
}

VkInstance sharedInstance() { return instanceFor(false).instance; }

std::size_t validationMessageCount() {
  std::lock_guard lock(messageMutex);
  return messages().size();
}

std::vector<std::string> validationMessagesSince(std::size_t first) {
  std::lock_guard lock(messageMutex);
  const auto& all = messages();
  return {all.begin() + static_cast<std::ptrdiff_t>(std::min(first, all.size())), all.end()};
}

}  // namespace orrery::gpu
