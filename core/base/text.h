#pragma once
// Text that people read. Every such string goes through tr(): the English text is the key of the catalogue
// resources/i18n/<language>.json. Window code uses Qt's own tr(), which looks into the same catalogue (app/shell).
// A ctest collects every literal inside tr("...") / QT tr("...") and every registered label, and fails when one has no translation.

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace orrery {

// The text in the current language; the English text itself when the language is English or the entry is missing.
// Thread-safe. For messages with values use fmt::format(fmt::runtime(tr("... {} ...")), value).
std::string tr(std::string_view english);

// "en" (default) or "zh". Unknown languages leave the current one and return false.
bool setLanguage(std::string_view language);
std::string_view language();

// Whether `language` has a translation of this text ("en" always has).
bool hasTranslation(std::string_view language, std::string_view english);

// fmt::format with a translated pattern.
template <class... Args>
std::string trf(std::string_view english, const Args&... args) {
  return fmt::vformat(tr(english), fmt::make_format_args(args...));
}

}  // namespace orrery
