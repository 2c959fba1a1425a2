#include "app/inspector/small_widgets.h"

#include <QPainter>
#include <QRegularExpression>
#include <QStyleOptionComboBox>
#include <QStylePainter>
#include <algorithm>
#include <cmath>

#include "app/inspector/theme.h"
#include "core/base/text.h"

namespace orrery::app {

QString shown(const std::string& english) { return QString::fromStdString(orrery::tr(english)); }

QString withoutMnemonic(QString text) {
  static const QRegularExpression bracketed(QStringLiteral("\\(&.\\)"));
  return text.remove(bracketed).remove('&');
}

ToggleSwitch::ToggleSwitch(QWidget* parent) : QCheckBox(parent) {
  setCursor(Qt::PointingHandCursor);
  setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Fixed);
}

void ToggleSwitch::paintEvent(QPaintEvent*) {
  const Tokens& t = tokens();
  QPainter painter(this);
  painter.setRenderHint(QPainter::Antialiasing);
  const QRectF track(1.5, height() / 2.0 - 8.5, 31, 17);
  painter.setPen(QPen(hasFocus() ? t.accent : isChecked() ? t.accent : t.faint, 1));
  painter.setBrush(isChecked() ? t.accent : t.raised);
  painter.drawRoundedRect(track, 8.5, 8.5);
  painter.setPen(Qt::NoPen);
  painter.setBrush(isChecked() ? t.onAccent : t.muted);
  painter.drawEllipse(QPointF(isChecked() ? track.right() - 8.5 : track.left() + 8.5, track.center().y()), 5.5, 5.5);
  if (hasFocus()) {
    QColor halo = t.accent;
    halo.setAlphaF(0.35f);
    painter.setPen(QPen(halo, 2));
    painter.setBrush(Qt::NoBrush);
    painter.drawRoundedRect(track.adjusted(-1, -1, 1, 1), 9.5, 9.5);
  }
}

namespace {

double figureWidth(const QFontMetricsF& metrics) {
  double widest = 0;
  for (char c = '0'; c <= '9'; ++c) widest = std::max(widest, metrics.horizontalAdvance(QLatin1Char(c)));
  return widest;
}

}  // namespace

double TabularLabel::textWidth() const {
  const QFontMetricsF metrics(font());
  const double figure = figureWidth(metrics);
  double width = 0;
  for (const QChar c : text()) width += c.isDigit() ? figure : metrics.horizontalAdvance(c);
  return width;
}

QSize TabularLabel::sizeHint() const {
  const QMargins m = contentsMargins();
  return {static_cast<int>(std::ceil(textWidth())) + m.left() + m.right() + 1, QFontMetrics(font()).height() + m.top() + m.bottom()};
}

void TabularLabel::paintEvent(QPaintEvent*) {
  QPainter painter(this);
  painter.setPen(palette().color(foregroundRole()));
  const QFontMetricsF metrics(font());
  const double figure = figureWidth(metrics);
  const QRect area = contentsRect();
  double x = area.left();
  if (alignment().testFlag(Qt::AlignRight)) x = area.right() + 1 - textWidth();
  if (alignment().testFlag(Qt::AlignHCenter)) x = area.left() + (area.width() - textWidth()) / 2;
  const double baseline = area.top() + (area.height() - metrics.height()) / 2 + metrics.ascent();
  // Runs of other characters are drawn together, so that Chinese and symbols shape as they should.
  QString run;
  const auto flush = [&] {
    if (run.isEmpty()) return;
    painter.drawText(QPointF(x, baseline), run);
    x += metrics.horizontalAdvance(run);
    run.clear();
  };
  for (const QChar c : text()) {
    if (!c.isDigit()) {
      run += c;
      continue;
    }
    flush();
    painter.drawText(QPointF(x + (figure - metrics.horizontalAdvance(c)) / 2, baseline), QString(c));
    x += figure;
  }
  flush();
}

void ElidedLabel::paintEvent(QPaintEvent*) {
  QPainter painter(this);
  painter.setPen(palette().color(foregroundRole()));
  const QRect area = contentsRect();
  painter.drawText(area, static_cast<int>(alignment() | Qt::TextSingleLine), fontMetrics().elidedText(text(), Qt::ElideRight, area.width()));
}

void QuietComboBox::paintEvent(QPaintEvent*) {
  QStylePainter painter(this);
  QStyleOptionComboBox option;
  initStyleOption(&option);
  painter.drawComplexControl(QStyle::CC_ComboBox, option);
  // Left and right padding and the arrow, as in resources/style/window.qss.
  option.currentText = fontMetrics().elidedText(option.currentText, Qt::ElideRight, width() - 34);
  painter.drawControl(QStyle::CE_ComboBoxLabel, option);
}

QLabel* groupHeading(const QString& text, QWidget* parent) {
  auto* label = new QLabel(text, parent);
  label->setObjectName("group");
  label->setFont(groupFont());
  return label;
}

}  // namespace orrery::app
