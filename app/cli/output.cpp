#include "app/cli/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/base/text.h"
#include "core/gpu/cooperative_matrix.h"

namespace orrery::cli {

namespace {

// Long enough not to flood a log, short enough to show that something moves.
constexpr auto lineInterval = std::chrono::seconds(2);
constexpr auto terminalInterval = std::chrono::milliseconds(100);
constexpr auto quietTime = std::chrono::seconds(1);

// Columns a text takes on a terminal: CJK and full-width letters take two.
std::size_t columnsOf(std::string_view text) {
  std::size_t columns = 0;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    // U+2E80 and above begins with the byte E2 BA; the letters below it are narrow.
    const bool wide =
        length == 4 ||
        (length == 3 && (lead > 0xE2 || (lead == 0xE2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) >= 0xBA)));
    columns += wide ? 2 : 1;
    i += length;
  }
  return columns;
}

}  // namespace

int print(std::string_view text) {
  errno = 0;
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (written) return 0;
  // The reader closed the pipe (`orrery labs | head -1`): it has what it wanted.
  if (errno == EPIPE) return 1;
  return fail(makeError(ErrorCode::io, trf("the output could not be written: {}", std::string(std::strerror(errno)))));
}

int printJson(const nlohmann::json& json) { return print(json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"); }

int fail(const Error& error) {
  std::fprintf(stderr, "orrery: %s%s\n", error.message.c_str(), error.id.empty() ? "" : (" [" + error.id + "]").c_str());
  return exitCodeOf(error);
}

int usage(std::string_view message) { return fail(makeError(ErrorCode::usage, std::string(message))); }

void note(std::string_view message) { std::fprintf(stderr, "orrery: %.*s\n", static_cast<int>(message.size()), message.data()); }

void noteMissingMatrices(gpu::Device& device) {
  const char* variant = std::getenv("ORRERY_VARIANT");
  if (variant == nullptr || std::string_view(variant) != "matrix" || gpu::matrixShape(device)) return;
  note(trf("{} has no cooperative matrices: the usual builds run", device.summary().name));
}

ProgressLine::ProgressLine() : began_(std::chrono::steady_clock::now()), last_(began_), terminal_(isatty(STDERR_FILENO) != 0) {}

ProgressLine::~ProgressLine() {
  if (shown_ && terminal_) std::fputs("\r\033[K", stderr);
}

void ProgressLine::show(std::string_view what, double fraction) {
  const auto now = std::chrono::steady_clock::now();
  if (now - began_ < quietTime) return;
  if (shown_ && now - last_ < (terminal_ ? std::chrono::steady_clock::duration(terminalInterval) : lineInterval)) return;
  last_ = now;
  shown_ = true;
  std::string line = "orrery: " + std::string(what);
  if (fraction >= 0) line += fmt::format(" {} %", std::lround(fraction * 100));
  std::fprintf(stderr, terminal_ ? "\r\033[K%s" : "%s\n", line.c_str());
  std::fflush(stderr);
}

void Table::row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

std::string Table::text(int indent) const {
  std::vector<std::size_t> widths;
  for (const auto& row : rows_) {
    if (widths.size() < row.size()) widths.resize(row.size());
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], columnsOf(row[i]));
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line(static_cast<std::size_t>(indent), ' ');
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line += std::string(widths[i] - columnsOf(row[i]) + 2, ' ');
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    text += line + "\n";
  }
  return text;
}

Expected<void> checkWritable(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return makeError(ErrorCode::io, trf("cannot write '{}': it is a folder", path));
  // The exporters write beside the target first, so that is what has to work.
  const auto partial = path + ".partial";
  const bool existed = std::filesystem::exists(partial, ignored);
  const int file = ::open(partial.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0) return makeError(ErrorCode::io, trf("cannot write '{}': {}", path, std::string(std::strerror(errno))));
  ::close(file);
  if (!existed) std::filesystem::remove(partial, ignored);
  return {};
}

}  // namespace orrery::cli
