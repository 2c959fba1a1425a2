// Session files (*.orrery): {"orrery": 1, "crc32": "8 hex digits of session's compact JSON", "session": {...}}.
// The three versions before are kept beside it as name.orrery.bak1 (newest) to .bak3.

#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>

#include "core/base/files.h"
#include "core/base/text.h"
#include "core/session/session.h"

namespace orrery {

namespace {

// A session holds parameters and at most a few texts of 64 KiB.
constexpr std::uint64_t largestSession = 64u << 20;
constexpr int backups = 3;

// Keys are sorted by nlohmann::json, so the text is the same for the same content.
std::string canonical(const nlohmann::json& session) { return session.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace); }

std::string checksumOf(const std::string& text) {
  return fmt::format("{:08x}", crc32(std::as_bytes(std::span<const char>(text.data(), text.size()))));
}

std::string backupName(const std::string& path, int number) { return fmt::format("{}.bak{}", path, number); }

Error damaged(const std::string& path, std::string_view why) {
  std::error_code ignored;
  if (!std::filesystem::exists(backupName(path, 1), ignored)) {
    return makeError(ErrorCode::badInput, trf("The session file '{}' is damaged: {}.", path, why));
  }
  return makeError(ErrorCode::badInput,
                   trf("The session file '{}' is damaged: {}. The version before it is '{}'.", path, why, backupName(path, 1)));
}

}  // namespace

Expected<SessionFile> readSessionFile(const std::string& path) {
  const auto text = readWholeFile(path, largestSession);
  if (!text) return text.error();
  const auto document = parseRecipe(*text);
  if (!document) return damaged(path, tr("it is not valid JSON"));
  if (!document->is_object()) return damaged(path, tr("it is not a session"));

  // A newer format may be sealed in another way, so its version is looked at first.
  const auto version = document->find("orrery");
  if (version != document->end() && version->is_number_integer() && version->get<std::int64_t>() > 1) {
    return makeError(ErrorCode::unsupported, trf("'{}' was saved by a newer Orrery (format {}, this one reads {}); please update", path,
                                                 version->get<std::int64_t>(), 1));
  }
  const auto sum = document->find("crc32"), session = document->find("session");
  if (sum == document->end() || !sum->is_string() || session == document->end()) return damaged(path, tr("its checksum is missing"));
  if (sum->get<std::string>() != checksumOf(canonical(*session))) return damaged(path, tr("its checksum does not match"));
  const auto lab = labOfRecipe(*session);
  if (!lab) return damaged(path, lab.error().message);
  return SessionFile{*lab, canonical(*session)};
}

Expected<void> writeSessionFile(const std::string& path, const nlohmann::json& session) {
  const auto text = canonical(session);
  // Built by hand so that the session stands in the file exactly as it was summed.
  const auto document = fmt::format("{{\n\"orrery\": 1,\n\"crc32\": \"{}\",\n\"session\": {}\n}}\n", checksumOf(text), text);

  // Push the backups back by one. They are a second line of defence: that one cannot be made is no reason not to save.
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) {
    for (int number = backups; number > 1; --number)
      std::filesystem::rename(backupName(path, number - 1), backupName(path, number), ignored);
    std::filesystem::copy_file(path, backupName(path, 1), std::filesystem::copy_options::overwrite_existing, ignored);
  }
  return writeFileAtomically(path, document);
}

}  // namespace orrery
