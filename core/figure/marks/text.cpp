// TextMark: words at places.

#include "core/figure/marks/marks.h"
#include "core/figure/marks/support.h"

namespace orrery {

using namespace marks;

Bounds TextMark::bounds() const {
  Bounds bounds;
  for (const Word& word : words) bounds.include(word.x, word.y);
  return bounds;
}

void TextMark::lower(const Frame& frame, DisplayList& list) const {
  for (const Word& word : words) {
    const Vec2 at = frame.transform.apply(word.x, word.y);
    if (word.text.empty() || !finite(at)) continue;
    const TextStyle style{word.size * frame.unit, word.weight, false};
    list.items.emplace_back(GlyphItem{word.text, at, word.h, word.v, style, frame.theme.resolve(word.paint), word.angle});
  }
}

std::vector<Channel> TextMark::channels() const {
  std::vector<float> xy;
  for (const Word& word : words) xy.insert(xy.end(), {static_cast<float>(word.x), static_cast<float>(word.y)});
  return {{"xy", Tensor::from({static_cast<std::int64_t>(words.size()), 2}, xy)}};
}

}  // namespace orrery
