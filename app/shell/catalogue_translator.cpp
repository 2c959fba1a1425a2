#include "app/shell/catalogue_translator.h"

#include "core/base/text.h"

namespace orrery::app {

QString CatalogueTranslator::translate(const char*, const char* sourceText, const char*, int) const {
  if (!sourceText || orrery::language() == "en") return {};
  const std::string found = orrery::tr(sourceText);
  return found == sourceText ? QString() : QString::fromStdString(found);
}

}  // namespace orrery::app
