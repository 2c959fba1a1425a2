// Reading the recipe back from a figure or a film: the content decides what the file is, never its name.

#include "app/export/recipe.h"

#include <QByteArray>
#include <QXmlStreamReader>
#include <fstream>

#include "app/export/export.h"
#include "app/export/film.h"
#include "app/export/png.h"
#include "core/base/files.h"
#include "core/base/text.h"
#include "core/figure/utf8.h"

namespace orrery::exporting {

std::string escapedXml(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t start = at;
    const std::uint32_t code = nextCodePoint(text, at);
    const bool allowed = code == 0x9 || code == 0xA || code == 0xD || (code >= 0x20 && code < 0xD800) || (code >= 0xE000 && code < 0xFFFE) || (code >= 0x10000 && code < 0x110000);
    if (!allowed || code == 0xFFFD) out += "\uFFFD";
    else if (code == '&') out += "&amp;";
    else if (code == '<') out += "&lt;";
    else if (code == '>') out += "&gt;";
    else if (code == '"') out += "&quot;";
    else if (code == '\r') out += "&#13;";      // a parser would turn a bare one into a line feed
    else out.append(text.substr(start, at - start));
  }
  return out;
}

namespace {

Error noRecipe(const std::string& path) {
  return makeError(ErrorCode::notFound, trf("'{}' carries no Orrery recipe: only figures that Orrery exported with their recipe can be reopened", path), "E-RCP-01");
}

// The first element "recipe" of our namespace.
Expected<std::string> recipeInXml(QByteArray xml, const std::string& path) {
  QXmlStreamReader reader(xml);
  const QString space = QString::fromLatin1(recipeNamespace.data(), static_cast<qsizetype>(recipeNamespace.size()));
  while (!reader.atEnd()) {
    if (reader.readNext() == QXmlStreamReader::DTD) break;      // our files have none, and entities are how XML is attacked
    if (reader.isStartElement() && reader.name() == QLatin1String("recipe") && reader.namespaceUri() == space) {
      const QString text = reader.readElementText(QXmlStreamReader::SkipChildElements);
      if (reader.hasError()) break;
      return text.toStdString();
    }
  }
  if (reader.hasError()) {
    return makeError(ErrorCode::badInput, trf("the recipe in '{}' cannot be read: its XML breaks off in line {}; export the figure again", path, reader.lineNumber()), "E-RCP-02");
  }
  return noRecipe(path);
}

// The XMP packet of a PDF is plain text between its markers.
Expected<std::string> recipeInPdf(std::string_view bytes, const std::string& path) {
  for (std::size_t at = 0; (at = bytes.find("<x:xmpmeta", at)) != std::string_view::npos; ++at) {
    const std::size_t end = bytes.find("</x:xmpmeta>", at);
    if (end == std::string_view::npos) break;
    const std::string_view packet = bytes.substr(at, end + 12 - at);
    auto recipe = recipeInXml(QByteArray(packet.data(), static_cast<qsizetype>(packet.size())), path);
    if (recipe || recipe.error().code != ErrorCode::notFound) return recipe;
  }
  return noRecipe(path);
}

}  // namespace

Expected<std::string> readRecipe(const std::string& path) {
  // A film may be long, and its recipe lies in its head.
  char head[12] = {};
  std::ifstream(path, std::ios::binary).read(head, sizeof head);
  if (looksLikeFilm({head, sizeof head})) return recipeInFilm(path);
  auto content = readWholeFile(path, std::uint64_t{512} << 20);
  if (!content) return content.error();
  const std::string_view bytes = *content;
  if (bytes.starts_with("\x89PNG\r\n\x1a\n")) return recipeInPng(bytes, path);
  if (bytes.starts_with("%PDF-")) return recipeInPdf(bytes, path);
  const std::size_t first = bytes.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  if (first != std::string_view::npos && bytes[first] == '<') return recipeInXml(QByteArray(bytes.data(), static_cast<qsizetype>(bytes.size())), path);
  return noRecipe(path);
}

}  // namespace orrery::exporting
