// Captions and vocabulary of ShapeWorld v1 (see shapeworld.h).

#include "core/data/shapeworld_captions.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace orrery::shapeworld {

namespace {

std::string colourAndShape(const Object& o) {
  return std::string(colourNames[static_cast<std::size_t>(o.colour)]) + " " + std::string(classNames[static_cast<std::size_t>(o.shape)]);
}

std::string withArticle(const std::string& words) { return (words.starts_with("orange") ? "an " : "a ") + words; }

}  // namespace

std::string relationOf(const Object& first, const Object& second) {
  const int dx = second.cx - first.cx, dy = second.cy - first.cy;
  if (std::abs(dx) >= std::abs(dy)) return dx >= 0 ? "left of" : "right of";
  return dy > 0 ? "above" : "below";
}

std::string captionOf(const Scene& scene, unsigned templates, const std::function<int(int)>& pick) {
  std::vector<int> allowed;
  for (int t = 0; t < 5; ++t) {
    if ((templates >> t & 1u) != 0) allowed.push_back(t);
  }
  if (allowed.empty() || scene.objects.empty()) return {};
  int chosen = allowed[static_cast<std::size_t>(pick(static_cast<int>(allowed.size())))];
  if (chosen == 3 && scene.objects.size() < 2) chosen = 1;
  const Object& o = scene.objects.front();
  const std::string sized = "a " + std::string(sizeNames[static_cast<std::size_t>(o.size)]) + " " + colourAndShape(o);
  const std::string ground = " on a " + std::string(textureNames[static_cast<std::size_t>(scene.texture)]) + " background";
  switch (chosen) {
    case 0: return withArticle(colourAndShape(o));
    case 1: return sized;
    case 2: return sized + ground;
    case 3: return withArticle(colourAndShape(o)) + " " + relationOf(o, scene.objects[1]) + " " + withArticle(colourAndShape(scene.objects[1]));
    default: {
      const std::size_t n = scene.objects.size();
      return std::string(vocabulary()[21 + n]) + (n == 1 ? " shape" : " shapes") + ground;
    }
  }
}

const std::array<std::string_view, 64>& vocabulary() {
  static constexpr std::array<std::string_view, 64> words{
      "[pad]", "[bos]", "[eos]", "[mask]", "[unk]", "[enc]", "a", "an", "on", "background", "left", "right", "of", "above", "below", "shape",
      "shapes", "photo", "drawing", "picture", "no", "and", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
      "eleven", "twelve", "small", "medium", "large", "red", "orange", "yellow", "green", "cyan", "blue", "purple", "white", "circle", "square",
      "triangle", "star", "plain", "gradient", "checkered", "striped", "noisy", "dotted", "what", "colour", "the", "is", "how", "many", "yes",
      "", ""};
  return words;
}

std::array<int, 16> tokenize(std::string_view caption) {
  std::array<int, 16> tokens{};
  std::size_t n = 0;
  tokens[n++] = 1;
  while (!caption.empty() && n < 15) {
    const std::size_t space = std::min(caption.find(' '), caption.size());
    const std::string_view word = caption.substr(0, space);
    caption.remove_prefix(std::min(space + 1, caption.size()));
    if (word.empty()) continue;
    const auto& words = vocabulary();
    const auto found = std::find(words.begin(), words.end(), word);
    tokens[n++] = found == words.end() ? 4 : static_cast<int>(found - words.begin());
  }
  tokens[n] = 2;
  return tokens;
}

}  // namespace orrery::shapeworld
