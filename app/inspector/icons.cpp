#include "app/inspector/icons.h"

#include <QFile>
#include <QHash>
#include <QIconEngine>
#include <QPainter>
#include <QSvgRenderer>

#include "app/inspector/theme.h"
#include "core/base/files.h"

namespace orrery::app {

namespace {

const QByteArray& sourceOf(const QString& name) {
  static QHash<QString, QByteArray> sources;
  auto found = sources.find(name);
  if (found == sources.end()) {
    QFile file(QString::fromStdString(resourceFolder()) + "/icons/" + name + ".svg");
    found = sources.insert(name, file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray());
  }
  return *found;
}

QColor colorOf(IconTone tone) {
  const Tokens& t = tokens();
  switch (tone) {
    case IconTone::text: return t.text;
    case IconTone::muted: return t.muted;
    case IconTone::accent: return t.accent;
    case IconTone::changed: return t.changed;
    case IconTone::danger: return t.danger;
    case IconTone::good: return t.good;
    case IconTone::onAccent: return t.onAccent;
  }
  return t.text;
}

class SvgIconEngine : public QIconEngine {
 public:
  SvgIconEngine(QString name, IconTone tone) : name_(std::move(name)), tone_(tone) {}

  void paint(QPainter* painter, const QRect& rect, QIcon::Mode mode, QIcon::State) override {
    const QColor color = mode == QIcon::Disabled ? tokens().faint : colorOf(tone_);
    QByteArray svg = sourceOf(name_);
    svg.replace("currentColor", color.name().toLatin1());
    QSvgRenderer renderer(svg);
    painter->setRenderHint(QPainter::Antialiasing);
    renderer.render(painter, rect);
  }
  QPixmap pixmap(const QSize& size, QIcon::Mode mode, QIcon::State state) override {
    QPixmap pixmap(size);
    pixmap.fill(Qt::transparent);
    QPainter painter(&pixmap);
    paint(&painter, QRect(QPoint(), size), mode, state);
    return pixmap;
  }
  QIconEngine* clone() const override { return new SvgIconEngine(name_, tone_); }

 private:
  QString name_;
  IconTone tone_;
};

}  // namespace

QIcon icon(const QString& name, IconTone tone) { return QIcon(new SvgIconEngine(name, tone)); }

QPixmap svgPixmap(const QByteArray& source, const QColor& color, double ratio, double height) {
  QByteArray svg = source;
  svg.replace("currentColor", color.name().toLatin1());
  QSvgRenderer renderer(svg);
  if (!renderer.isValid()) return {};
  QSizeF size = renderer.defaultSize();
  if (height > 0 && size.height() > 0) size *= height / size.height();
  QPixmap pixmap((size * ratio).toSize().expandedTo(QSize(1, 1)));
  pixmap.fill(Qt::transparent);
  QPainter painter(&pixmap);
  painter.setRenderHint(QPainter::Antialiasing);
  renderer.render(&painter, QRectF(pixmap.rect()));
  painter.end();
  pixmap.setDevicePixelRatio(ratio);
  return pixmap;
}

}  // namespace orrery::app
