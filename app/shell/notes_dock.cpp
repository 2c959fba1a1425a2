#include "app/shell/notes_dock.h"

#include <QCryptographicHash>
#include <QDesktopServices>
#include <QFile>
#include <QPainter>
#include <QRegularExpression>
#include <QScrollBar>
#include <QSvgRenderer>
#include <QTextBlock>
#include <QTimer>

#include "app/inspector/icons.h"
#include "app/inspector/theme.h"
#include "core/base/files.h"
#include "core/base/text.h"

namespace orrery::app {

namespace {

QString readText(const QString& path) {
  QFile file(path);
  return file.open(QIODevice::ReadOnly) ? QString::fromUtf8(file.readAll()) : QString();
}

// The recipe sets formulas at 14 px per em; beside 12.5 px text, whose x-height is larger, they are shown at this scale.
constexpr double formulaScale = 1.0;

}  // namespace

QString formulaHash(const Formula& formula) {
  const QByteArray text = (formula.display ? "d:" : "i:") + formula.tex.trimmed().toUtf8();
  return QString::fromLatin1(QCryptographicHash::hash(text, QCryptographicHash::Sha256).toHex().left(12));
}

QString withFormulaImages(const QString& markdown, const QString& folder, int* missing) {
  // Code is left alone: `$x$` inside backticks stays as it is.
  static const QRegularExpression pattern(R"((```.*?```|`[^`\n]*`)|\$\$(.+?)\$\$|\$([^$\n]+?)\$)", QRegularExpression::DotMatchesEverythingOption);
  QString result;
  qsizetype from = 0;
  auto matches = pattern.globalMatch(markdown);
  while (matches.hasNext()) {
    const auto match = matches.next();
    result += markdown.mid(from, match.capturedStart() - from);
    from = match.capturedEnd();
    if (!match.captured(1).isEmpty()) {
      result += match.captured(1);
      continue;
    }
    const Formula formula{match.captured(2).isEmpty() ? match.captured(3) : match.captured(2), !match.captured(2).isEmpty()};
    const QString hash = formulaHash(formula);
    if (QFile::exists(folder + "/formulas/" + hash + ".svg")) {
      // One plain word: without any, or with several runs, Qt inserts no image, or several.
      const QString image = QStringLiteral("![formula](formula:%1)").arg(hash);
      result += formula.display ? "\n\n" + image + "\n\n" : image;
    } else {
      if (missing) ++*missing;
      const QString code = "`" + formula.tex.simplified() + "`";
      result += formula.display ? "\n\n" + code + "\n\n" : code;
    }
  }
  return result + markdown.mid(from);
}

QString notesFolder(const QString& lab) {
  QString folder = lab;
  folder.replace('-', '_');
  return QString::fromStdString(resourceFolder()) + "/labs/" + folder;
}

Notes::Notes(QWidget* parent) : QTextBrowser(parent) {
  setObjectName("notesBody");
  setAccessibleName(tr("Notes"));
  setOpenLinks(false);
  setFrameShape(QFrame::NoFrame);
  connect(this, &QTextBrowser::anchorClicked, this, [](const QUrl& url) {
    // Only web pages; nothing in a note may start a program or open a local file.
    if (url.scheme() == "https" || url.scheme() == "http") QDesktopServices::openUrl(url);
  });
  reload();
}

void Notes::setLab(const QString& lab) {
  if (lab == lab_) return;
  lab_ = lab;
  reload();
  moveCursor(QTextCursor::Start);
  // Once more when the pictures have given the page its height.
  QTimer::singleShot(0, this, [this] { verticalScrollBar()->setValue(0); });
}

void Notes::reload() {
  const QString folder = notesFolder(lab_);
  QString text;
  if (!lab_.isEmpty()) {
    text = readText(folder + "/notes." + QString::fromStdString(std::string(orrery::language())) + ".md");
    if (text.isEmpty()) text = readText(folder + "/notes.en.md");
  }
  if (text.isEmpty()) text = lab_.isEmpty() ? tr("Open a lab to read its notes here.") : tr("This lab has no notes yet.");
  document()->clear();
  const Tokens& t = tokens();
  document()->setDefaultFont(controlFont());
  document()->setDocumentMargin(14);
  document()->setMarkdown(withFormulaImages(text, folder), QTextDocument::MarkdownDialectGitHub);
  // Markdown has no styles of its own: headings and spacing follow the tokens.
  for (QTextBlock block = document()->begin(); block.isValid(); block = block.next()) {
    QTextCursor cursor(block);
    QTextBlockFormat layout = block.blockFormat();
    const int level = layout.headingLevel();
    layout.setLineHeight(135, QTextBlockFormat::ProportionalHeight);
    layout.setTopMargin(level > 1 ? 14 : 4);
    layout.setBottomMargin(6);
    cursor.setBlockFormat(layout);
    // Formula pictures are symmetric about the middle of the line.
    QList<std::pair<int, int>> images;
    for (auto it = block.begin(); !it.atEnd(); ++it)
      if (it.fragment().charFormat().isImageFormat()) images.append({it.fragment().position(), it.fragment().length()});
    for (const auto& [position, length] : images) {
      QTextCursor image(document());
      image.setPosition(position);
      image.setPosition(position + length, QTextCursor::KeepAnchor);
      QTextCharFormat middle;
      middle.setVerticalAlignment(QTextCharFormat::AlignMiddle);
      image.mergeCharFormat(middle);
    }
    if (level == 0) continue;
    cursor.select(QTextCursor::BlockUnderCursor);
    QTextCharFormat format;
    QFont font = titleFont();
    font.setPointSizeF((level == 1 ? 16 : 13) * 0.75);
    format.setFont(font);
    format.setForeground(t.text);
    cursor.mergeCharFormat(format);
  }
}

QVariant Notes::loadResource(int type, const QUrl& name) {
  if (name.scheme() != "formula") return {};         // notes load nothing from elsewhere
  QFile file(notesFolder(lab_) + "/formulas/" + name.path() + ".svg");
  if (!file.open(QIODevice::ReadOnly)) return {};
  const QByteArray svg = file.readAll();
  QSvgRenderer renderer(svg);
  // 96 px per 72 pt; wider than the dock: shrunk to fit.
  double height = renderer.defaultSize().height() * formulaScale;
  const double room = std::max(120.0, viewport()->width() - 40.0), width = renderer.defaultSize().width() * formulaScale;
  if (width > room) height *= room / width;
  Q_UNUSED(type);
  return svgPixmap(svg, tokens().text, devicePixelRatioF(), height);
}

}  // namespace orrery::app
