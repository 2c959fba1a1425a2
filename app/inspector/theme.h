#pragma once
// The window's look: the tokens of both themes, the palette, the stylesheet and the fonts that follow from them.

#include <QColor>
#include <QFont>
#include <QString>

#include "core/figure/color.h"

namespace orrery::app {

struct Tokens {
  QColor ground, panel, raised, canvas, border;     // surfaces, and 1 px lines
  QColor text, muted, faint;                        // text and muted are both at least 4.5:1 on their ground; faint is for disabled things
  QColor accent, accentHover, onAccent;             // what can be acted on
  QColor changed, danger, good;                     // differs from its default / error / passed
  QColor hover, selection;                          // backgrounds of what the pointer or the keyboard is on
};

enum class ThemeChoice { system, light, dark };

const Tokens& tokensOf(ThemeKind kind);
const Tokens& tokens();                             // of the theme in use
ThemeKind themeInUse();

// What the desktop asks for (Qt 6.4 cannot say: the portal's setting, GTK's, then the lightness of the palette the program started with).
ThemeKind desktopTheme();
bool desktopReducesMotion();

// Sets palette, stylesheet and fonts of the whole application. Window thread.
void applyTheme(ThemeKind kind);

QFont controlFont();                                // 12.5 px
QFont titleFont();                                  // 14 px semi-bold
QFont groupFont();                                  // 10 px semi-bold, spaced capitals
QFont smallFont();                                  // 11 px

}  // namespace orrery::app
