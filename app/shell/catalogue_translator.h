#pragma once
// Lets Qt's tr() look into the same catalogue as orrery::tr(): resources/i18n/<language>/*.json.

#include <QTranslator>

namespace orrery::app {

class CatalogueTranslator : public QTranslator {
  Q_OBJECT

 public:
  using QTranslator::QTranslator;
  bool isEmpty() const override { return false; }
  QString translate(const char* context, const char* sourceText, const char* disambiguation, int n) const override;
};

}  // namespace orrery::app
