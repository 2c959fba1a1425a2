#pragma once
// Comparison of a text with tests/golden/<name>.txt; see tests/golden/README.md.

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace golden {

// Empty when equal, else where the first difference is. ORRERY_ACCEPT=<name> writes this one file instead.
inline std::string differenceFrom(const std::string& name, const std::string& found) {
  const std::string path = std::string(ORRERY_SOURCE_FOLDER) + "/tests/golden/" + name + ".txt";
  const char* accept = std::getenv("ORRERY_ACCEPT");
  if (accept && name == accept) {
    std::ofstream(path, std::ios::binary) << found;
    return {};
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) return "there is no golden " + path + "; look at the picture, then run again with ORRERY_ACCEPT=" + name;
  std::stringstream content;
  content << file.rdbuf();
  std::istringstream expectedLines(content.str()), foundLines(found);
  std::string expectedLine, foundLine;
  for (int number = 1;; ++number) {
    const bool hasExpected = static_cast<bool>(std::getline(expectedLines, expectedLine));
    const bool hasFound = static_cast<bool>(std::getline(foundLines, foundLine));
    if (!hasExpected && !hasFound) return {};
    if (hasExpected && hasFound && expectedLine == foundLine) continue;
    return name + ".txt line " + std::to_string(number) + "\n  expected: " + (hasExpected ? expectedLine : "(end)") + "\n  found:    " + (hasFound ? foundLine : "(end)") +
           "\nIf the change is meant, look at the picture, then accept this one file with ORRERY_ACCEPT=" + name;
  }
}

}  // namespace golden
