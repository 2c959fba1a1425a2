#pragma once
// Opens the window and runs until it is closed.

#include <string>
#include <vector>

#include "core/gpu/device.h"

namespace orrery::app {

struct WindowOptions {
  std::vector<std::string> files;             // dropped on the window at start
  std::string lab;                            // open this lab at once
  std::string language;                       // "en", "zh", empty = setting, else the system's
  gpu::DeviceOptions device;
  bool safeMode = false;                      // ignore settings, layout and journal
};

// The exit code of the process. Says in one sentence on stderr when there is no display or no device and returns 1.
int runWindow(int& argc, char** argv, const WindowOptions& options);

}  // namespace orrery::app
