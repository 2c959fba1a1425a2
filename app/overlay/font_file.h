#pragma once
// The files of the faces that Fonts uses, for Dear ImGui, which reads fonts by itself.

#include <string>
#include <vector>

namespace orrery::app {

struct FontFile {
  std::string path;
  int index = 0;
};

// Inter and DejaVu Sans, as far as they are installed; with `chinese` also Noto Sans CJK SC (a large file, read only when needed).
std::vector<FontFile> fontFiles(bool chinese);

}  // namespace orrery::app
