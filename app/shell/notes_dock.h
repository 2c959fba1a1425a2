#pragma once
// The notes of the open lab: Markdown from resources/labs/<wing>/<lab>/notes.<language>.md with formulas typeset beforehand.

#include <QTextBrowser>

namespace orrery::app {

// One formula in Markdown: $...$ in a line, $$...$$ on its own.
struct Formula {
  QString tex;
  bool display = false;
};

// The name of a formula's picture: the first 12 hexadecimal digits of SHA-256 over "d:" or "i:" and the TeX text
// (packaging/dev/formulas.py computes the same).
QString formulaHash(const Formula& formula);

// Markdown with every formula replaced by an image reference "formula:<hash>" when its SVG is there, else by its TeX text as code.
// `missing` counts the ones without a picture.
QString withFormulaImages(const QString& markdown, const QString& folder, int* missing = nullptr);

QString notesFolder(const QString& lab);             // resources/labs/<wing>/<lab with underscores>

class Notes : public QTextBrowser {
  Q_OBJECT

 public:
  explicit Notes(QWidget* parent = nullptr);
  void setLab(const QString& lab);                   // empty = general help
  void reload();                                     // theme or language changed

 protected:
  QVariant loadResource(int type, const QUrl& name) override;

 private:
  QString lab_;
};

}  // namespace orrery::app
