#include "app/inspector/theme.h"

#include <QApplication>
#include <QDir>
#include <QFile>
#include <QPalette>
#include <QProxyStyle>
#include <QSettings>
#include <QStyle>
#include <utility>

#include "core/base/files.h"

namespace orrery::app {

namespace {

ThemeKind inUse = ThemeKind::dark;

constexpr double pointsPerPixel = 0.75;             // Qt's logical 96 dpi

QFont fontOf(double pixels, QFont::Weight weight) {
  QFont font;
  font.setFamilies({QStringLiteral("Inter"), QStringLiteral("DejaVu Sans"), QStringLiteral("Noto Sans CJK SC")});
  font.setPointSizeF(pixels * pointsPerPixel);
  font.setWeight(weight);
  return font;
}

QString readText(const QString& path) {
  QFile file(path);
  return file.open(QIODevice::ReadOnly) ? QString::fromUtf8(file.readAll()) : QString();
}

// The stylesheet can only name image files, so the few icons it uses are written to the cache in the theme's colour.
QString tintedIcons(ThemeKind kind) {
  const Tokens& t = tokensOf(kind);
  const QString folder = QString::fromStdString(cacheFolder()) + (kind == ThemeKind::dark ? "/style-dark" : "/style-light");
  QDir().mkpath(folder);
  for (const char* name : {"check", "chevron-down", "chevron-right"}) {
    QString svg = readText(QString::fromStdString(resourceFolder()) + "/icons/" + name + ".svg");
    svg.replace("currentColor", (QLatin1String(name) == QLatin1String("check") ? t.accent : t.muted).name());
    const QString path = folder + "/" + name + ".svg";
    if (readText(path) == svg) continue;
    QFile file(path);
    if (file.open(QIODevice::WriteOnly | QIODevice::Truncate)) file.write(svg.toUtf8());
  }
  return folder;
}

QString styleSheetOf(ThemeKind kind) {
  const Tokens& t = tokensOf(kind);
  QString sheet = readText(QString::fromStdString(resourceFolder()) + "/style/window.qss");
  const std::pair<const char*, QString> names[] = {
      // Longer names first: "@accent" is the beginning of "@accentHover".
      {"@accentHover", t.accentHover.name()}, {"@onAccent", t.onAccent.name()}, {"@selection", t.selection.name()},
      {"@accent", t.accent.name()}, {"@changed", t.changed.name()}, {"@danger", t.danger.name()}, {"@good", t.good.name()},
      {"@ground", t.ground.name()}, {"@panel", t.panel.name()}, {"@raised", t.raised.name()}, {"@canvas", t.canvas.name()},
      {"@border", t.border.name()}, {"@hover", t.hover.name()}, {"@muted", t.muted.name()}, {"@faint", t.faint.name()},
      {"@text", t.text.name()}, {"@icons", tintedIcons(kind)}};
  for (const auto& [name, value] : names) sheet.replace(QLatin1String(name), value);
  return sheet;
}

// Fusion takes its colours from the palette on every desktop. Letters of menus are underlined by no one who has not pressed Alt, so never.
class WindowStyle : public QProxyStyle {
 public:
  WindowStyle() : QProxyStyle(QStringLiteral("Fusion")) {}
  int styleHint(StyleHint hint, const QStyleOption* option, const QWidget* widget, QStyleHintReturn* data) const override {
    if (hint == SH_UnderlineShortcut) return 0;
    if (hint == SH_ToolTip_WakeUpDelay) return 500;
    return QProxyStyle::styleHint(hint, option, widget, data);
  }
};

}  // namespace

const Tokens& tokensOf(ThemeKind kind) {
  static const Tokens dark{"#14161A", "#1B1E24", "#22262E", "#0F1115", "#2E333D", "#E6E8EC", "#9AA3B2", "#5E6777",
                           "#6EA8FE", "#8BBAFF", "#0F1115", "#F2B25C", "#F2777A", "#5CC8A1", "#282D37", "#263450"};
  static const Tokens light{"#F3F4F6", "#FFFFFF", "#F7F8FA", "#FFFFFF", "#D9DDE3", "#1B1F26", "#5B6472", "#9AA1AC",
                            "#2563C9", "#1D52AB", "#FFFFFF", "#B5651D", "#C62F3B", "#1B8A5A", "#EDEFF3", "#DCE7FA"};
  return kind == ThemeKind::dark ? dark : light;
}

const Tokens& tokens() { return tokensOf(inUse); }
ThemeKind themeInUse() { return inUse; }

ThemeKind desktopTheme() {
  // GTK_THEME wins where it is set, as it does for GTK programs.
  const QString forced = qEnvironmentVariable("GTK_THEME");
  if (!forced.isEmpty()) return forced.contains("dark", Qt::CaseInsensitive) ? ThemeKind::dark : ThemeKind::light;
  for (const char* version : {"gtk-4.0", "gtk-3.0"}) {
    const QString path = QDir::homePath() + "/.config/" + version + "/settings.ini";
    if (!QFile::exists(path)) continue;
    const QSettings gtk(path, QSettings::IniFormat);
    if (gtk.value("Settings/gtk-application-prefer-dark-theme").toBool()) return ThemeKind::dark;
    const QString name = gtk.value("Settings/gtk-theme-name").toString();
    if (!name.isEmpty()) return name.contains("dark", Qt::CaseInsensitive) ? ThemeKind::dark : ThemeKind::light;
  }
  // The style's own palette, not the one set by applyTheme().
  static const bool darkPalette = [] {
    const QPalette palette = QApplication::style() ? QApplication::style()->standardPalette() : QPalette();
    return palette.color(QPalette::Window).lightness() < palette.color(QPalette::WindowText).lightness();
  }();
  return darkPalette ? ThemeKind::dark : ThemeKind::light;
}

bool desktopReducesMotion() {
  for (const char* version : {"gtk-4.0", "gtk-3.0"}) {
    const QSettings gtk(QDir::homePath() + "/.config/" + version + "/settings.ini", QSettings::IniFormat);
    if (gtk.contains("Settings/gtk-enable-animations")) return !gtk.value("Settings/gtk-enable-animations").toBool();
  }
  return false;
}

void applyTheme(ThemeKind kind) {
  inUse = kind;
  const Tokens& t = tokens();
  QPalette palette;
  palette.setColor(QPalette::Window, t.ground);
  palette.setColor(QPalette::WindowText, t.text);
  palette.setColor(QPalette::Base, t.panel);
  palette.setColor(QPalette::AlternateBase, t.raised);
  palette.setColor(QPalette::Text, t.text);
  palette.setColor(QPalette::PlaceholderText, t.muted);
  palette.setColor(QPalette::Button, t.raised);
  palette.setColor(QPalette::ButtonText, t.text);
  palette.setColor(QPalette::BrightText, t.danger);
  palette.setColor(QPalette::ToolTipBase, t.raised);
  palette.setColor(QPalette::ToolTipText, t.text);
  palette.setColor(QPalette::Highlight, t.selection);
  palette.setColor(QPalette::HighlightedText, t.text);
  palette.setColor(QPalette::Link, t.accent);
  palette.setColor(QPalette::LinkVisited, t.accent);
  palette.setColor(QPalette::Light, t.raised);
  palette.setColor(QPalette::Mid, t.border);
  palette.setColor(QPalette::Dark, t.border);
  palette.setColor(QPalette::Shadow, t.border);
  for (const auto role : {QPalette::WindowText, QPalette::Text, QPalette::ButtonText}) palette.setColor(QPalette::Disabled, role, t.faint);
  static bool styled = false;
  if (!std::exchange(styled, true)) {
    (void)desktopTheme();                            // remembers what the desktop's own style looks like
    QApplication::setStyle(new WindowStyle);
  }
  QApplication::setPalette(palette);
  QApplication::setFont(controlFont());
  qApp->setStyleSheet(styleSheetOf(kind));
}

QFont controlFont() { return fontOf(12.5, QFont::Normal); }
QFont titleFont() { return fontOf(14, QFont::DemiBold); }
QFont smallFont() { return fontOf(11, QFont::Normal); }

QFont groupFont() {
  QFont font = fontOf(10, QFont::DemiBold);
  font.setLetterSpacing(QFont::AbsoluteSpacing, 0.5);
  font.setCapitalization(QFont::AllUppercase);
  return font;
}

}  // namespace orrery::app
