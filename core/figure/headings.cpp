// Titles, notes, legends and messages of a panel.

#include <algorithm>

#include "core/base/text.h"
#include "core/figure/layout_parts.h"
#include "core/figure/utf8.h"

namespace orrery::layout {

namespace {

constexpr std::size_t legendLimit = 14;      // more entries than a reader can match: the rest is counted

std::vector<std::string> paragraphs(const std::string& text) {
  std::vector<std::string> result{""};
  for (const char c : text) {
    if (c == '\n') result.emplace_back();
    else result.back() += c;
  }
  return result;
}

// Words with the space after them; each Chinese character is a word.
std::vector<std::string> words(const std::string& text) {
  std::vector<std::string> result;
  std::string word;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t start = at;
    const std::uint32_t code = nextCodePoint(text, at);
    const std::string piece = text.substr(start, at - start);
    if (isWide(code)) {
      if (!word.empty()) result.push_back(std::move(word));
      word.clear();
      // Full-width punctuation never starts a line.
      const bool closing = code == 0x3002 || code == 0xFF0C || code == 0x3001 || code == 0xFF1A || code == 0xFF1B || code == 0xFF09;
      if (closing && !result.empty()) result.back() += piece;
      else result.push_back(piece);
      continue;
    }
    word += piece;
    if (piece == " ") {
      result.push_back(std::move(word));
      word.clear();
    }
  }
  if (!word.empty()) result.push_back(std::move(word));
  return result;
}

std::string trimmed(std::string text) {
  while (text.ends_with(' ')) text.pop_back();
  return text;
}

void drawSwatch(const LegendEntry& entry, Vec2 at, const Drawing& d) {
  const float width = 12 * d.sizes.unit;
  const Color color = d.theme.resolve(entry.swatch.paint);
  switch (entry.swatch.kind) {
    case Swatch::Kind::line: {
      std::vector<float> dash = entry.swatch.dash;
      for (float& length : dash) length *= d.sizes.unit;
      d.line({at.x, at.y}, {at.x + width, at.y}, color.withAlpha(std::max(color.a, 0.5f)), 1.2f * d.sizes.unit, std::move(dash));
      break;
    }
    case Swatch::Kind::area: {
      const float half = 3 * d.sizes.unit;
      PathItem box;
      box.lines = {{{at.x, at.y - half}, {at.x + width, at.y - half}, {at.x + width, at.y + half}, {at.x, at.y + half}}};
      box.closed = true;
      box.hasFill = true;
      box.fill = color;
      d.list.items.emplace_back(std::move(box));
      break;
    }
    case Swatch::Kind::point: {
      PointItem point;
      point.xy = Tensor::from({1, 2}, {0.0f, 0.0f});
      point.transform = {1, static_cast<double>(at.x + 0.5f * width), 1, static_cast<double>(at.y), false, false};
      point.clip = {at.x - width, at.y - width, 3 * width, 2 * width};
      point.shape = entry.swatch.shape;
      point.radius = 2.5f * d.sizes.unit;
      point.color = color.withAlpha(std::max(color.a, 0.7f));
      d.list.items.emplace_back(std::move(point));
      break;
    }
  }
}

}  // namespace

std::string fitted(const std::string& text, const TextStyle& style, float width, const TextMetrics& metrics) {
  if (metrics.width(text, style) <= width) return text;
  std::string kept;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t start = at;
    nextCodePoint(text, at);
    const std::string longer = kept + text.substr(start, at - start);
    if (metrics.width(longer + "\u2026", style) > width) break;
    kept = longer;
  }
  return trimmed(kept) + "\u2026";
}

std::vector<std::string> wrap(const std::string& text, const TextStyle& style, float width, int maxLines, const TextMetrics& metrics) {
  std::vector<std::string> lines;
  for (const std::string& paragraph : paragraphs(text)) {
    std::string line;
    for (const std::string& word : words(paragraph)) {
      if (!line.empty() && metrics.width(trimmed(line + word), style) > width) {
        lines.push_back(trimmed(line));
        line.clear();
      }
      line += word;
    }
    lines.push_back(trimmed(line));
  }
  if (static_cast<int>(lines.size()) > maxLines) {
    // Put what is left over on the last line, which is then cut.
    std::string rest = lines[static_cast<std::size_t>(maxLines - 1)];
    for (std::size_t i = static_cast<std::size_t>(maxLines); i < lines.size(); ++i) rest.append(" ").append(lines[i]);
    lines.resize(static_cast<std::size_t>(maxLines));
    lines.back() = rest;
  }
  for (std::string& line : lines) line = fitted(line, style, width, metrics);
  return lines;
}

bool goesToLegend(const Panel& panel, const Mark& mark) {
  if (!panel.legend || mark.label.empty() || !mark.swatch()) return false;
  if (!mark.directLabel) return true;
  // Curves name themselves where they run, unless they are too many; other marks cannot.
  const bool curve = mark.swatch()->kind != Swatch::Kind::point;
  const auto direct = std::count_if(panel.marks.begin(), panel.marks.end(), [](const auto& m) {
    return m && m->directLabel && !m->label.empty() && m->swatch() && m->swatch()->kind != Swatch::Kind::point;
  });
  return !curve || direct > 8;
}

void planHeading(PanelWork& work, const Sizes& sizes, const TextMetrics& metrics, const std::string& letter) {
  const Panel& panel = *work.panel;
  const float letterWidth = letter.empty() ? 0 : metrics.width(letter, sizes.titleStyle()) + 4 * sizes.unit;
  const float width = std::max(10.0f, work.content.width - letterWidth);
  if (!panel.title.empty()) work.titleLines = wrap(panel.title, sizes.titleStyle(), width, 2, metrics);
  if (!letter.empty() && work.titleLines.empty()) work.titleLines.push_back("");
  if (!panel.note.empty()) {
    const float last = work.titleLines.empty() ? 0 : metrics.width(work.titleLines.back(), sizes.titleStyle());
    work.noteOnOwnLine = work.titleLines.empty() || last + 8 * sizes.unit + metrics.width(panel.note, sizes.tickStyle()) > width;
  }
  // Lay the legend out from left to right in rows.
  float x = 0;
  std::size_t left = 0;
  for (const auto& mark : panel.marks) {
    if (!mark || !panel.message.empty() || !goesToLegend(panel, *mark)) continue;
    if (work.legend.size() >= legendLimit) {
      ++left;
      continue;
    }
    LegendEntry entry;
    entry.text = fitted(mark->label, sizes.textStyle(), work.content.width - 16 * sizes.unit, metrics);
    entry.swatch = *mark->swatch();
    const float own = 16 * sizes.unit + metrics.width(entry.text, sizes.textStyle());
    if (x > 0 && x + own > work.content.width) {
      x = 0;
      ++work.legendRows;
    }
    entry.x = x;
    entry.row = work.legendRows;
    x += own + 10 * sizes.unit;
    work.legend.push_back(std::move(entry));
  }
  if (left > 0) work.legend.back().text += "  " + trf("and {} more", left);
  if (!work.legend.empty()) ++work.legendRows;
}

float headingHeight(const PanelWork& work, const Sizes& sizes) {
  float height = sizes.titleHeight * static_cast<float>(work.titleLines.size());
  if (work.noteOnOwnLine) height += sizes.lineHeight;
  height += 1.15f * sizes.lineHeight * static_cast<float>(work.legendRows);
  return height > 0 ? height + 2 * sizes.gap : 0;
}

void drawHeading(const PanelWork& work, const Drawing& d, const std::string& letter) {
  const Sizes& s = d.sizes;
  const Rect& c = work.content;
  float x = c.x, y = c.y;
  if (!letter.empty()) {
    d.text(letter, {x, y + 0.5f * s.titleHeight}, HAlign::left, VAlign::middle, s.titleStyle(), d.theme.text);
    x += d.metrics.width(letter, s.titleStyle()) + 4 * s.unit;
  }
  for (const std::string& line : work.titleLines) {
    d.text(line, {x, y + 0.5f * s.titleHeight}, HAlign::left, VAlign::middle, s.titleStyle(), d.theme.text);
    y += s.titleHeight;
  }
  if (!work.panel->note.empty()) {
    const std::string note = fitted(work.panel->note, s.tickStyle(), c.width, d.metrics);
    if (work.noteOnOwnLine) {
      d.text(note, {x, y + 0.5f * s.lineHeight}, HAlign::left, VAlign::middle, s.tickStyle(), d.theme.muted);
      y += s.lineHeight;
    } else {
      d.text(note, {c.right(), y - 0.5f * s.titleHeight}, HAlign::right, VAlign::middle, s.tickStyle(), d.theme.muted);
    }
  }
  const float rowHeight = 1.15f * s.lineHeight;
  for (const LegendEntry& entry : work.legend) {
    const float middle = y + 0.5f * s.gap + rowHeight * (static_cast<float>(entry.row) + 0.5f);
    drawSwatch(entry, {c.x + entry.x, middle}, d);
    d.text(entry.text, {c.x + entry.x + 16 * s.unit, middle}, HAlign::left, VAlign::middle, s.textStyle(), s.interactive ? d.theme.muted : d.theme.text);
  }
}

void drawMessage(const PanelWork& work, const Drawing& d) {
  const Rect& a = work.area;
  const TextStyle style = d.sizes.textStyle();
  const float height = 1.15f * d.sizes.lineHeight;
  const int most = std::max(1, static_cast<int>(a.height / height));
  const std::vector<std::string> lines = wrap(work.panel->message, style, std::max(20.0f, std::min(a.width * 0.9f, 60 * style.size * 0.5f)), most, d.metrics);
  float y = a.y + 0.5f * a.height - 0.5f * height * static_cast<float>(lines.size() - 1);
  for (const std::string& line : lines) {
    d.text(line, {a.x + 0.5f * a.width, y}, HAlign::center, VAlign::middle, style, d.theme.muted);
    y += height;
  }
}

}  // namespace orrery::layout
