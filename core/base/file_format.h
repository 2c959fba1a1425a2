#pragma once
// What a file is, told by its content and never by its extension. Readers in modelfile/ and data/ register one FileFormat each;
// `orrery inspect`, drag and drop and the labs' `accepts` all ask here.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/expected.h"

namespace orrery {

struct TensorSummary {
  std::string name;
  std::string dtype;                 // "f32", "f16", "i64", ... as the file stores it
  std::vector<std::int64_t> shape;
  std::uint64_t bytes = 0;
  bool readable = true;
  std::string note;                  // why it is not readable, "12 345 NaN", ...
};

// The answer to "what is this file?".
struct FileReport {
  std::string kind;                              // the FileFormat's id, or "unknown"
  std::string title;                             // one line for a person: "safetensors file, 148 tensors, 548 MB"
  std::uint64_t bytes = 0;
  std::vector<TensorSummary> tensors;
  std::map<std::string, std::int64_t> counts;    // "images": 5000, "boxes": 36781, "classes": 80, "width": 640 ...
  std::map<std::string, std::string> metadata;
  std::vector<std::string> notes;                // warnings: explicit partial success
  std::optional<Error> error;                    // set when the file is of this kind but damaged
  std::vector<TensorSummary> inputs, outputs;    // of a graph that can be run; an extent that is not stated is -1
};

// The first 4 KiB (or all of a shorter file) and the size. For folders `isFolder` is set and `head` is empty.
struct FileHead {
  std::string path;
  std::span<const std::byte> head;
  std::uint64_t bytes = 0;
  bool isFolder = false;
};

struct InspectOptions {
  bool lenient = false;  // list what can be listed although the file is not clean
};

struct FileFormat {
  std::string_view id;                                       // "safetensors", "npz", "coco-ground-truth", "image", ...
  std::string_view title;                                    // English, goes through tr(): "safetensors weights"
  int (*probe)(const FileHead&);                             // 0 = no, 100 = certainly; the best score wins
  Expected<FileReport> (*inspect)(const std::string& path, const InspectOptions&);
};

// Reads the head, asks every registered format and lets the best inspect it. Not found, not a regular file or folder, unreadable: an Error.
// Content nobody reads (a Git-LFS pointer, a web page, an archive, an empty file): an Error that names what it is.
Expected<FileReport> inspectFile(const std::string& path, const InspectOptions& options = {});

}  // namespace orrery
