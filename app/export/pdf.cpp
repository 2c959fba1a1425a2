// PDF through QPdfWriter: one page of the figure's size, text as text, recipe in the XMP packet.

#include <QBuffer>
#include <QFont>
#include <QFontMetricsF>
#include <QGuiApplication>
#include <QImage>
#include <QPageSize>
#include <QPainter>
#include <QPainterPath>
#include <QPdfWriter>
#include <fmt/format.h>

#include <cmath>

#include "app/export/export.h"
#include "app/export/raster.h"
#include "app/export/recipe.h"
#include "core/base/files.h"
#include "core/base/text.h"

namespace orrery::exporting {

namespace {

constexpr int resolution = 1200;                       // PDF units per inch while painting
constexpr double k = resolution / 96.0;                // units per logical px

QColor qColor(const Color& c) {
  return QColor::fromRgbF(std::clamp(c.r, 0.0f, 1.0f), std::clamp(c.g, 0.0f, 1.0f), std::clamp(c.b, 0.0f, 1.0f), std::clamp(c.a, 0.0f, 1.0f));
}
QPointF qPoint(Vec2 p) { return {k * static_cast<double>(p.x), k * static_cast<double>(p.y)}; }
QRectF qRect(const Rect& r) { return {k * static_cast<double>(r.x), k * static_cast<double>(r.y), k * static_cast<double>(r.width), k * static_cast<double>(r.height)}; }
bool finite(Vec2 p) { return std::isfinite(p.x) && std::isfinite(p.y); }

QPen penOf(const Color& color, float width, const std::vector<float>& dash = {}) {
  QPen pen(qColor(color), std::max(1e-3, k * static_cast<double>(width)));
  pen.setJoinStyle(Qt::RoundJoin);
  pen.setCapStyle(Qt::FlatCap);
  if (!dash.empty() && width > 0) {
    // Qt counts dashes in pen widths, and wants them in pairs.
    QList<qreal> pattern;
    for (std::size_t i = 0; i < dash.size() * (dash.size() % 2 + 1); ++i) pattern.append(static_cast<double>(dash[i % dash.size()] / width));
    pen.setDashPattern(pattern);
  }
  return pen;
}

QFont fontOf(const TextStyle& style) {
  QFont font;
  font.setFamilies({QStringLiteral("Inter"), QStringLiteral("DejaVu Sans"), QStringLiteral("Noto Sans CJK SC")});
  font.setPointSizeF(static_cast<double>(style.size) * 72.0 / 96.0);
  font.setWeight(style.weight == Weight::semibold ? QFont::DemiBold : (style.weight == Weight::medium ? QFont::Medium : QFont::Normal));
  font.setHintingPreference(QFont::PreferNoHinting);
  // Shaping swaps in contextual forms ("=" and ")" beside digits in Inter) that no longer map back to characters when text is extracted.
  font.setStyleStrategy(QFont::PreferNoShaping);
  return font;
}

class PdfPainter {
 public:
  PdfPainter(QPainter& painter, QPdfWriter& device, const ExportOptions& options) : painter_(painter), device_(device), options_(options) {}

  std::vector<std::string> notes;

  void operator()(const PathItem& item) {
    QPainterPath path;
    path.setFillRule(Qt::OddEvenFill);
    if (item.cornerRadius > 0 && item.lines.size() == 1 && item.lines[0].size() == 4) {
      path.addRoundedRect(QRectF(qPoint(item.lines[0][0]), qPoint(item.lines[0][2])).normalized(), k * static_cast<double>(item.cornerRadius), k * static_cast<double>(item.cornerRadius));
    } else {
      for (const auto& line : item.lines) {
        if (line.size() < 2) continue;
        path.moveTo(qPoint(line[0]));
        for (std::size_t i = 1; i < line.size(); ++i) path.lineTo(qPoint(line[i]));
        if (item.closed || item.hasFill) path.closeSubpath();
      }
    }
    painter_.setBrush(item.hasFill ? QBrush(qColor(item.fill)) : QBrush(Qt::NoBrush));
    painter_.setPen(item.hasStroke ? penOf(item.stroke.color, item.stroke.width, item.stroke.dash) : QPen(Qt::NoPen));
    painter_.drawPath(path);
  }

  void operator()(const GlyphItem& item) {
    if (item.text.empty() || !finite(item.at)) return;
    const Fonts& fonts = Fonts::shared();
    const float ascent = fonts.ascent(item.style), descent = fonts.descent(item.style);
    float down = 0;
    if (item.v == VAlign::top) down = ascent;
    if (item.v == VAlign::middle) down = 0.5f * (ascent - descent);
    if (item.v == VAlign::bottom) down = -descent;
    painter_.save();
    painter_.translate(qPoint(item.at));
    painter_.rotate(-static_cast<double>(item.angle));
    if (options_.textAsOutlines) {
      float x = 0;
      if (item.h == HAlign::center) x = -0.5f * fonts.width(item.text, item.style);
      if (item.h == HAlign::right) x = -fonts.width(item.text, item.style);
      painter_.fillPath(outlines(item, x, down), qColor(item.color));
    } else {
      const QString text = QString::fromStdString(item.text);
      const QFont font = fontOf(item.style);
      const QFontMetricsF metrics(font, &device_);
      double x = 0;
      if (item.h == HAlign::center) x = -0.5 * metrics.horizontalAdvance(text);
      if (item.h == HAlign::right) x = -metrics.horizontalAdvance(text);
      painter_.setFont(font);
      painter_.setPen(qColor(item.color));
      painter_.drawText(QPointF(x, k * static_cast<double>(down)), text);
    }
    painter_.restore();
  }

  void operator()(const ImageItem& item) {
    if (item.data.empty() || item.data.shape().rank() < 2 || !(item.to.width > 0) || !(item.to.height > 0)) return;
    picture(pictureOf(item));
  }

  void operator()(const PointItem& item) {
    if (item.xy.empty()) return;
    if (markCount(item) > vectorMarkLimit) {
      notes.push_back(trf("{} points drawn as an image", formatNumber(static_cast<double>(markCount(item)))));
      picture(pictureOf(item, rasterScale));
      return;
    }
    const auto xy = item.xy.as<float>();
    const std::span<const float> scalars = item.scalar.empty() ? std::span<const float>{} : item.scalar.as<float>();
    painter_.save();
    painter_.setClipRect(qRect(item.clip), Qt::IntersectClip);
    const float line = std::max(1.0f, item.radius / 3);
    const double r = k * static_cast<double>(item.radius);
    for (std::size_t i = 0; i + 1 < xy.size(); i += 2) {
      const Vec2 p = item.transform.apply(static_cast<double>(xy[i]), static_cast<double>(xy[i + 1]));
      const Color color = colorOf(item, scalars, i / 2);
      const Rect reach{item.clip.x - item.radius, item.clip.y - item.radius, item.clip.width + 2 * item.radius, item.clip.height + 2 * item.radius};
      if (!finite(p) || color.a <= 0 || !reach.contains(p)) continue;
      const QPointF c = qPoint(p);
      const bool stroked = item.shape == PointShape::ring || item.shape == PointShape::cross;
      painter_.setPen(stroked ? penOf(color, line) : QPen(Qt::NoPen));
      painter_.setBrush(stroked ? QBrush(Qt::NoBrush) : QBrush(qColor(color)));
      switch (item.shape) {
        case PointShape::disc: painter_.drawEllipse(c, r, r); break;
        case PointShape::ring: {
          const double inner = std::max(0.1, r - 0.5 * k * static_cast<double>(line));
          painter_.drawEllipse(c, inner, inner);
          break;
        }
        case PointShape::square: painter_.drawRect(QRectF(c.x() - r, c.y() - r, 2 * r, 2 * r)); break;
        case PointShape::cross: {
          const double a = r * 0.70710678;
          painter_.drawLine(QPointF(c.x() - a, c.y() - a), QPointF(c.x() + a, c.y() + a));
          painter_.drawLine(QPointF(c.x() - a, c.y() + a), QPointF(c.x() + a, c.y() - a));
          break;
        }
        case PointShape::diamond:
          painter_.drawPolygon(QPolygonF({{c.x(), c.y() - r}, {c.x() + r, c.y()}, {c.x(), c.y() + r}, {c.x() - r, c.y()}}));
          break;
      }
    }
    painter_.restore();
  }

  void operator()(const BundleItem& item) {
    if (item.xy.empty() || item.stepCount < 2) return;
    if (markCount(item) > vectorMarkLimit) {
      notes.push_back(trf("{} path points drawn as an image", formatNumber(static_cast<double>(markCount(item)))));
      picture(pictureOf(item, rasterScale));
      return;
    }
    const auto xy = item.xy.as<float>();
    const std::span<const float> alphas = item.scalar.empty() ? std::span<const float>{} : item.scalar.as<float>();
    const std::int64_t lines = item.xy.shape()[1];
    painter_.save();
    painter_.setClipRect(qRect(item.clip), Qt::IntersectClip);
    painter_.setBrush(Qt::NoBrush);
    for (std::int64_t line = 0; line < lines; ++line) {
      const std::int64_t pieces = item.fade ? std::min<std::int64_t>(12, item.stepCount - 1) : 1;
      for (std::int64_t piece = 0; piece < pieces; ++piece) {
        const std::int64_t from = piece * (item.stepCount - 1) / pieces, to = (piece + 1) * (item.stepCount - 1) / pieces;
        const float alpha = alphaOf(item, alphas, line, (from + to - 1) / 2);
        if (alpha <= 0.002f) continue;
        QPainterPath path;
        bool pen = false;
        for (std::int64_t s = from; s <= to; ++s) {
          const auto index = static_cast<std::size_t>(((item.firstStep + s) * lines + line) * 2);
          const Vec2 p = item.transform.apply(static_cast<double>(xy[index]), static_cast<double>(xy[index + 1]));
          if (!finite(p)) {
            pen = false;
            continue;
          }
          pen ? path.lineTo(qPoint(p)) : path.moveTo(qPoint(p));
          pen = true;
        }
        painter_.setPen(penOf(item.color.withAlpha(alpha), item.width));
        painter_.drawPath(path);
      }
    }
    painter_.restore();
  }

  void operator()(const ClipItem& item) {
    if (!item.pop) {
      painter_.save();
      painter_.setClipRect(qRect(item.rect), Qt::IntersectClip);
      ++open_;
    } else if (open_ > 0) {
      painter_.restore();
      --open_;
    }
  }

  void finish() {
    for (; open_ > 0; --open_) painter_.restore();
  }

 private:
  static QPainterPath outlines(const GlyphItem& item, float x, float down) {
    const Fonts& fonts = Fonts::shared();
    QPainterPath path;
    path.setFillRule(Qt::WindingFill);
    for (const PlacedGlyph& glyph : fonts.place(item.text, item.style)) {
      const auto at = [&](Vec2 p) { return qPoint({x + glyph.x + p.x * item.style.size, down - p.y * item.style.size}); };
      for (const auto& command : fonts.outlineOf(glyph.face, glyph.glyph).commands) {
        switch (command.kind) {
          case GlyphOutline::Kind::move: path.moveTo(at(command.points[0])); break;
          case GlyphOutline::Kind::line: path.lineTo(at(command.points[0])); break;
          case GlyphOutline::Kind::quadratic: path.quadTo(at(command.points[0]), at(command.points[1])); break;
          case GlyphOutline::Kind::cubic: path.cubicTo(at(command.points[0]), at(command.points[1]), at(command.points[2])); break;
          case GlyphOutline::Kind::close: path.closeSubpath(); break;
        }
      }
    }
    return path;
  }

  void picture(const Picture& p) {
    const QImage image(p.pixels.rgba.data(), p.pixels.width, p.pixels.height, p.pixels.width * 4, QImage::Format_RGBA8888);
    painter_.setRenderHint(QPainter::SmoothPixmapTransform, p.smooth);
    painter_.drawImage(qRect(p.to), image);
  }

  QPainter& painter_;
  QPdfWriter& device_;
  const ExportOptions& options_;
  int open_ = 0;
};

QByteArray xmpOf(const ExportOptions& options) {
  std::string xmp = "<?xpacket begin=\"\uFEFF\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n"
                    "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\n"
                    "<rdf:Description rdf:about=\"\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\" xmlns:xmp=\"http://ns.adobe.com/xap/1.0/\">\n";
  if (!options.title.empty()) xmp += "<dc:title><rdf:Alt><rdf:li xml:lang=\"x-default\">" + escapedXml(options.title) + "</rdf:li></rdf:Alt></dc:title>\n";
  xmp += "<xmp:CreatorTool>Orrery " ORRERY_VERSION "</xmp:CreatorTool>\n</rdf:Description>\n";
  if (!options.recipe.empty()) {
    xmp += fmt::format("<rdf:Description rdf:about=\"\" xmlns:orrery=\"{}\"><orrery:recipe>{}</orrery:recipe></rdf:Description>\n", recipeNamespace, escapedXml(options.recipe));
  }
  xmp += "</rdf:RDF></x:xmpmeta>\n<?xpacket end=\"w\"?>";
  return QByteArray(xmp.data(), static_cast<qsizetype>(xmp.size()));
}

}  // namespace

Expected<Written> writePdf(const DisplayList& list, const std::string& path, const ExportOptions& options) {
  if (!qGuiApp) {
    return makeError(ErrorCode::internal, trf("cannot write '{}': PDF export needs the Qt application, and none is running; start it before exporting", path));
  }
  if (!(list.size.x > 0) || !(list.size.y > 0)) {
    return makeError(ErrorCode::usage, trf("cannot write '{}': the figure has no size; give a width and a height above 0", path));
  }
  QByteArray bytes;
  QBuffer buffer(&bytes);
  buffer.open(QIODevice::WriteOnly);
  std::vector<std::string> notes;
  {
    QPdfWriter writer(&buffer);
    writer.setResolution(resolution);
    writer.setCreator(QStringLiteral("Orrery " ORRERY_VERSION));
    writer.setTitle(QString::fromStdString(options.title));
    writer.setPageSize(QPageSize(QSizeF(static_cast<double>(list.size.x) * 0.75, static_cast<double>(list.size.y) * 0.75), QPageSize::Point, QString(), QPageSize::ExactMatch));
    writer.setPageMargins(QMarginsF(0, 0, 0, 0));
    writer.setDocumentXmpMetadata(xmpOf(options));
    QPainter painter;
    if (!painter.begin(&writer)) return makeError(ErrorCode::io, trf("cannot write '{}': the PDF writer refused a page of {} x {} px; choose another size", path, list.size.x, list.size.y));
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setRenderHint(QPainter::LosslessImageRendering);
    if (list.ground.a > 0) painter.fillRect(qRect({0, 0, list.size.x, list.size.y}), qColor(list.ground));
    PdfPainter pdf(painter, writer, options);
    for (const Primitive& item : list.items) std::visit(pdf, item);
    pdf.finish();
    notes = std::move(pdf.notes);
    painter.end();
  }
  buffer.close();
  if (auto written = writeFileAtomically(path, std::string_view(bytes.constData(), static_cast<std::size_t>(bytes.size()))); !written) return written.error();
  return Written{path, std::move(notes)};
}

}  // namespace orrery::exporting
