#include "core/figure/display_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace orrery {

Vec2 DataTransform::apply(double x, double y) const {
  return {static_cast<float>(offsetX + scaleX * (logX ? std::log10(x) : x)), static_cast<float>(offsetY + scaleY * (logY ? std::log10(y) : y))};
}

std::array<double, 2> DataTransform::invert(Vec2 pixel) const {
  const double x = (static_cast<double>(pixel.x) - offsetX) / scaleX;
  const double y = (static_cast<double>(pixel.y) - offsetY) / scaleY;
  return {logX ? std::pow(10.0, x) : x, logY ? std::pow(10.0, y) : y};
}

namespace {

// Two decimals, and never "-0.00".
std::string number(double value) {
  std::string text = fmt::format("{:.2f}", value);
  return text == "-0.00" ? "0.00" : text;
}

std::string color(const Color& c) { return c.a >= 1 ? c.toHex() : c.toHex() + "@" + number(c.a); }
std::string rect(const Rect& r) { return fmt::format("{} {} {} {}", number(r.x), number(r.y), number(r.width), number(r.height)); }

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (c == '\n') result += "\\n";
    else result += c;
  }
  result += '"';
  return result;
}

// FNV-1a: short, stable on every machine, and enough to see that something changed.
struct Checksum {
  std::uint64_t value = 14695981039346656037ull;
  void add(const void* data, std::size_t size) {
    const auto* bytes = static_cast<const unsigned char*>(data);
    for (std::size_t i = 0; i < size; ++i) value = (value ^ bytes[i]) * 1099511628211ull;
  }
};

std::string tensor(const Tensor& t) {
  if (t.empty()) return "none";
  Checksum sum;
  if (t.dtype() == DType::f32) {
    // Four digits: the last bit of a sine may differ between C libraries.
    for (const float value : t.as<float>()) {
      const std::string rounded = fmt::format("{:.4g};", value);
      sum.add(rounded.data(), rounded.size());
    }
  } else {
    const auto bytes = t.host();
    sum.add(bytes.data(), std::min<std::size_t>(bytes.size(), t.bytes()));
  }
  return fmt::format("{}{}#{:016x}", nameOf(t.dtype()), t.shape().toString(), sum.value);
}

std::string transform(const DataTransform& t) {
  return fmt::format("x{}{:+.4f}*{} y{}{:+.4f}*{}", number(t.offsetX), t.scaleX, t.logX ? "log" : "x", number(t.offsetY), t.scaleY, t.logY ? "log" : "y");
}

std::string stroke(const Stroke& s) {
  std::string text = fmt::format("stroke {} {}", color(s.color), number(s.width));
  if (!s.dash.empty()) {
    text += " dash";
    for (const float d : s.dash) text += fmt::format(" {}", number(d));
  }
  return text;
}

constexpr std::array<const char*, 3> hNames{"left", "center", "right"};
constexpr std::array<const char*, 4> vNames{"top", "middle", "baseline", "bottom"};
constexpr std::array<const char*, 3> weightNames{"regular", "medium", "semibold"};
constexpr std::array<const char*, 5> shapeNames{"disc", "ring", "square", "cross", "diamond"};

struct Writer {
  std::string out, indent;

  void line(const std::string& text) { out += indent + text + "\n"; }

  void operator()(const PathItem& item) {
    std::string text = item.closed ? "polygon" : "path";
    if (item.hasFill) text += " fill " + color(item.fill);
    if (item.hasStroke) text += fmt::format(" {}", stroke(item.stroke));
    if (item.cornerRadius > 0) text += " radius " + number(item.cornerRadius);
    // Long lines stand by their ends and a checksum of the rounded points: a golden stays readable.
    constexpr std::size_t shownPoints = 12;
    for (std::size_t i = 0; i < item.lines.size(); ++i) {
      const auto& points = item.lines[i];
      text += i == 0 ? ":" : " |";
      if (points.size() <= shownPoints) {
        for (const Vec2 p : points) text += fmt::format(" {},{}", number(p.x), number(p.y));
        continue;
      }
      Checksum sum;
      for (const Vec2 p : points) {
        const std::string rounded = fmt::format("{:.1f},{:.1f};", p.x, p.y);
        sum.add(rounded.data(), rounded.size());
      }
      text += fmt::format(" {},{} .. {},{} ({} points #{:016x})", number(points.front().x), number(points.front().y), number(points.back().x),
                          number(points.back().y), points.size(), sum.value);
    }
    line(text);
  }

  void operator()(const GlyphItem& item) {
    std::string text = fmt::format("text {} at {},{} {} {} size {} {} {}", quoted(item.text), number(item.at.x), number(item.at.y),
                                   hNames[static_cast<std::size_t>(item.h)], vNames[static_cast<std::size_t>(item.v)], number(item.style.size),
                                   weightNames[static_cast<std::size_t>(item.style.weight)], color(item.color));
    if (item.style.tabular) text += " tabular";
    if (item.angle != 0) text += " angle " + number(item.angle);
    line(text);
  }

  void operator()(const ImageItem& item) {
    std::string text = fmt::format("image {} {}", rect(item.to), tensor(item.data));
    if (item.data.dtype() == DType::f32) text += fmt::format(" map {} {:.6g} {:.6g}", nameOf(item.map), item.low, item.high);
    if (item.logScale) text += " log";
    if (item.smooth) text += " smooth";
    if (item.flipped) text += " flipped";
    if (item.alpha < 1) text += " alpha " + number(item.alpha);
    if (item.alphaFromValue) text += " alpha-from-value";
    line(text);
  }

  void operator()(const PointItem& item) {
    std::string text = fmt::format("points {} {} radius {} {} {} clip {}", tensor(item.xy), shapeNames[static_cast<std::size_t>(item.shape)],
                                   number(item.radius), color(item.color), transform(item.transform), rect(item.clip));
    if (!item.scalar.empty()) text += fmt::format(" scalar {} map {} {:.6g} {:.6g}", tensor(item.scalar), nameOf(item.map), item.low, item.high);
    line(text);
  }

  void operator()(const BundleItem& item) {
    std::string text = fmt::format("bundle {} steps {}+{} width {} {} {} clip {}", tensor(item.xy), item.firstStep, item.stepCount,
                                   number(item.width), color(item.color), transform(item.transform), rect(item.clip));
    if (item.fade) text += " fade";
    if (!item.scalar.empty()) text += " alpha " + tensor(item.scalar);
    line(text);
  }

  void operator()(const ClipItem& item) {
    if (item.pop) {
      indent.resize(indent.size() >= 2 ? indent.size() - 2 : 0);
      line("unclip");
    } else {
      line("clip " + rect(item.rect));
      indent += "  ";
    }
  }
};

}  // namespace

std::string DisplayList::toText() const {
  Writer writer;
  writer.line(fmt::format("size {} {} ground {}", number(size.x), number(size.y), ground.a > 0 ? color(ground) : "none"));
  for (const Primitive& item : items) std::visit(writer, item);
  return writer.out;
}

}  // namespace orrery
