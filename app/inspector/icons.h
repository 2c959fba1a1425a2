#pragma once
// Our thin-line icons (resources/icons/*.svg, drawn in currentColor): they take the theme's colour when painted, so a theme change needs
// no new icons.

#include <QColor>
#include <QIcon>
#include <QPixmap>
#include <QString>

namespace orrery::app {

enum class IconTone { text, muted, accent, changed, danger, good, onAccent };

QIcon icon(const QString& name, IconTone tone = IconTone::text);

// SVG text with its currentColor replaced, at `height` logical px (its own size when 0) for this device pixel ratio.
QPixmap svgPixmap(const QByteArray& svg, const QColor& color, double ratio, double height = 0);

}  // namespace orrery::app
