#pragma once
// Small file helpers. Reading of strangers' files goes through modelfile/bounded_reader.h; these are for our own documents.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/expected.h"

namespace orrery {

// The whole file, refused above `limit` bytes, and refused when the path is not a regular file.
Expected<std::string> readWholeFile(const std::string& path, std::uint64_t limit = std::uint64_t{1} << 30);

// Writes to `path + ".partial"`, flushes to disk, renames over `path`. On failure the old file is intact and the partial one removed.
Expected<void> writeFileAtomically(const std::string& path, std::string_view content);

// Lower-case hexadecimal SHA-256 of a file's content (recipes name their files by it).
Expected<std::string> sha256OfFile(const std::string& path);
std::string sha256(std::string_view bytes);

// CRC-32 (IEEE 802.3, as zlib and PNG).
std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t start = 0);

// $XDG_CACHE_HOME/orrery, $XDG_CONFIG_HOME/orrery, $XDG_STATE_HOME/orrery, created when missing; a temporary folder when the home is
// read-only or unset.
std::string cacheFolder();
std::string configFolder();
std::string stateFolder();

// The resources folder itself: <prefix>/share/orrery of the installed program, or resources/ of the source tree it was built from
// (also: environment variable ORRERY_RESOURCES). resourceFolder() + "/i18n/zh" holds the Chinese catalogue.
std::string resourceFolder();

}  // namespace orrery
