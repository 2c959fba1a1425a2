// A folder of pictures: how many regular files in it, not below it, begin as a picture does. Whether a picture is whole is found out by who
// reads it.

#include <filesystem>
#include <fstream>

#include "core/base/registry.h"
#include "core/base/text.h"
#include "core/data/image.h"

namespace orrery {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t probed = 2'000;    // entries looked at for a first picture
constexpr std::size_t counted = 20'000;  // and to count them

struct Counted {
  std::int64_t pictures = 0, others = 0;
  bool all = true;  // false: there are more entries than were looked at
};

bool beginsAsPicture(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  char head[16] = {};
  file.read(head, sizeof(head));
  const FileHead begin{path.string(), std::as_bytes(std::span<const char>(head, static_cast<std::size_t>(file.gcount()))), 0, false};
  for (const ImageDecoder& decoder : registered<ImageDecoder>()) {
    if (decoder.probe(begin) > 0) return true;
  }
  return false;
}

Counted count(const std::string& folder, std::size_t most, std::int64_t enough) {
  Counted found;
  std::error_code failure;
  std::size_t seen = 0;
  for (fs::directory_iterator entry(folder, failure), end; !failure && entry != end; entry.increment(failure)) {
    if (++seen > most || found.pictures >= enough) {
      found.all = false;
      break;
    }
    std::error_code ignored;
    if (!entry->is_regular_file(ignored)) continue;
    ++(beginsAsPicture(entry->path()) ? found.pictures : found.others);
  }
  return found;
}

// Detection data that bring their pictures along score higher.
int probe(const FileHead& file) { return file.isFolder && count(file.path, probed, 1).pictures > 0 ? 35 : 0; }

Expected<FileReport> inspect(const std::string& path, const InspectOptions&) {
  FileReport report;
  report.kind = "pictures";
  const Counted found = count(path, counted, static_cast<std::int64_t>(counted));
  report.counts["pictures"] = found.pictures;
  report.title = found.all ? trf("folder of {} pictures", found.pictures) : trf("folder of more than {} pictures", found.pictures);
  if (found.others > 0) report.notes.push_back(trf("{} other files in the folder are left alone", found.others));
  return report;
}

const Registration<FileFormat> format{{"pictures", "folder of pictures", probe, inspect}};

}  // namespace

}  // namespace orrery
