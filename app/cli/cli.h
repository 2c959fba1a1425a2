#pragma once
// The command line. Names, JSON shapes and exit codes are a contract: 0 done, 1 failed, 2 used wrongly; results on stdout, progress and
// errors on stderr. Commands that need no device open none, and only a PDF needs a QGuiApplication.

#include <functional>
#include <string>
#include <vector>

#include "core/gpu/device.h"

namespace orrery::cli {

// What the window needs to know when no command is given.
struct WindowRequest {
  std::vector<std::string> files;
  std::string language;  // "en", "zh", empty = not said
  gpu::DeviceOptions device;
  bool safeMode = false;
};
using OpenWindow = std::function<int(int& argc, char** argv, const WindowRequest& request)>;

// The exit code of the process.
int run(int& argc, char** argv, const OpenWindow& openWindow);

}  // namespace orrery::cli
