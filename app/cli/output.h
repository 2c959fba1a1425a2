#pragma once
// What the commands print.

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "core/base/expected.h"
#include "core/gpu/device.h"

namespace orrery::cli {

// Everything at once on stdout; an unwritable stdout is a failure (silent when the reader went away). Returns the exit code.
int print(std::string_view text);
int printJson(const nlohmann::json& json);

// "orrery: <message>" on stderr; returns the error's exit code.
int fail(const Error& error);
int usage(std::string_view message);  // 2
void note(std::string_view message);
// Says so when `--variant matrix` was asked for and this device has no cooperative matrices.
void noteMissingMatrices(gpu::Device& device);

// Progress on stderr: one line that is rewritten on a terminal, a line now and then otherwise. Quiet for the first second.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine();  // clears the line
  void show(std::string_view what, double fraction = -1);

 private:
  std::chrono::steady_clock::time_point began_, last_;
  bool terminal_ = false, shown_ = false;
};

// Columns for people: pads every cell but the last of a row to the widest of its column. CJK letters count as two.
class Table {
 public:
  void row(std::vector<std::string> cells);
  std::string text(int indent = 0) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// Error when nothing could be written to this path (missing folder, read-only, a folder itself): asked before computing for minutes.
Expected<void> checkWritable(const std::string& path);

}  // namespace orrery::cli
