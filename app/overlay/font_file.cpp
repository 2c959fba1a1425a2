#include "app/overlay/font_file.h"

#include <fontconfig/fontconfig.h>

#include <cstring>

namespace orrery::app {

std::vector<FontFile> fontFiles(bool chinese) {
  std::vector<FontFile> files;
  for (const char* family : {"Inter", "DejaVu Sans", "Noto Sans CJK SC"}) {
    if (!chinese && std::strstr(family, "CJK")) continue;
    FcPattern* pattern = FcPatternCreate();
    FcPatternAddString(pattern, FC_FAMILY, reinterpret_cast<const FcChar8*>(family));
    FcPatternAddInteger(pattern, FC_WEIGHT, FC_WEIGHT_REGULAR);
    FcPatternAddInteger(pattern, FC_SLANT, FC_SLANT_ROMAN);
    FcConfigSubstitute(nullptr, pattern, FcMatchPattern);
    FcDefaultSubstitute(pattern);
    FcResult result = FcResultNoMatch;
    FcPattern* match = FcFontMatch(nullptr, pattern, &result);
    FcPatternDestroy(pattern);
    if (!match) continue;
    FcChar8 *found = nullptr, *path = nullptr;
    FontFile file;
    const bool same =
        FcPatternGetString(match, FC_FAMILY, 0, &found) == FcResultMatch && std::strcmp(reinterpret_cast<const char*>(found), family) == 0;
    if (same && FcPatternGetString(match, FC_FILE, 0, &path) == FcResultMatch) {
      FcPatternGetInteger(match, FC_INDEX, 0, &file.index);
      file.path = reinterpret_cast<const char*>(path);
      files.push_back(std::move(file));
    }
    FcPatternDestroy(match);
  }
  return files;
}

}  // namespace orrery::app
