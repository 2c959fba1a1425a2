// The lab data/shapeworld: the grid, the chosen scene, its masks and its words.

#include <fmt/format.h>

#include <algorithm>

#include "core/figure/marks/marks.h"
#include "core/labs/data/shapeworld/lab.h"

namespace orrery::data_labs {

using namespace shapeworld;

namespace {

constexpr double captionHeight = 0.26;

// One meaning of a box: its colour and line, and its name in the key.
struct Meaning {
  Paint paint;
  bool dashed = false;
  std::string name;
};

std::vector<Meaning> meanings(const std::string& boxes) {
  if (boxes == "class") {
    std::vector<Meaning> all;
    for (std::size_t k = 0; k < classNames.size(); ++k) all.push_back({Paint::series(static_cast<int>(k)), false, tr(classNames[k])});
    return all;
  }
  if (boxes == "flags") {
    return {{Paint::of(Role::truePositive), false, tr("whole")},
            {Paint::of(Role::estimate), false, tr("truncated")},
            {Paint::of(Role::falsePositive), true, tr("difficult")},
            {Paint::of(Role::ignored), true, tr("crowd")}};
  }
  return {};
}

std::size_t meaningOf(const Annotation& note, const std::string& boxes) {
  if (boxes == "class") return static_cast<std::size_t>(note.classId);
  return note.crowd ? 3 : note.difficult ? 2 : note.truncated ? 1 : 0;
}

std::string describeBox(const Annotation& note, const Scene& scene) {
  if (note.crowd) {
    const Object& o = scene.crowd.front();
    return trf("crowd of {} {} shapes: {}, area {} px, visible {}", scene.crowd.size(), tr(colourNames[static_cast<std::size_t>(o.colour)]),
               tr(classNames[static_cast<std::size_t>(o.shape)]), note.area, note.visible);
  }
  const Object& o = scene.objects[static_cast<std::size_t>(note.object)];
  std::string text =
      trf("{} {} {}, area {} px, visible {}", tr(sizeNames[static_cast<std::size_t>(o.size)]),
          tr(colourNames[static_cast<std::size_t>(o.colour)]), tr(classNames[static_cast<std::size_t>(o.shape)]), note.area, note.visible);
  if (note.difficult) text += ", " + tr("difficult");
  if (note.truncated) text += ", " + tr("truncated");
  return text;
}

// Breaks a caption into lines of at most `longest` characters, at spaces.
std::vector<std::string> wrapped(const std::string& text, std::size_t longest) {
  std::vector<std::string> lines(1);
  std::size_t from = 0;
  while (from < text.size()) {
    const std::size_t space = std::min(text.find(' ', from), text.size());
    const std::string word = text.substr(from, space - from);
    if (!lines.back().empty() && lines.back().size() + 1 + word.size() > longest) lines.emplace_back();
    lines.back() += (lines.back().empty() ? "" : " ") + word;
    from = space + 1;
  }
  return lines;
}

Panel pictures(const char* id) {
  Panel panel;
  panel.id = id;
  panel.frameless = true;
  panel.equalAspect = true;
  panel.legend = false;
  panel.y.reversed = true;
  return panel;
}

std::shared_ptr<ImageMark> image(const std::string& id, const Tensor& pixels, double x, double y) {
  auto mark = std::make_shared<ImageMark>(id);
  mark->pixels = pixels;
  mark->x = {x, x + 1};
  mark->y = {y, y + 1};
  return mark;
}

}  // namespace

double ShapeWorldLab::cellHeight() const { return captions_ ? 1 + captionHeight : 1; }

// The boxes of one picture whose corner lies at (x, y), a side being 1. Without boxes to show, invisible ones still answer the pointer.
void ShapeWorldLab::addBoxes(Panel& panel, const Tile& tile, const std::string& prefix, double x, double y, bool tags) const {
  const auto all = meanings(boxes_);
  auto mark = std::make_shared<BoxesMark>(prefix);
  mark->lineWidth = tags ? 1.3f : 1.0f;
  const double scale = 1.0 / size_;
  for (const Annotation& note : tile.picture.annotations) {
    BoxesMark::Box box;
    box.x = x + note.x0 * scale, box.y = y + note.y0 * scale;
    box.width = (note.x1 - note.x0) * scale, box.height = (note.y1 - note.y0) * scale;
    box.paint = Paint::of(Role::ink, 0);
    if (!all.empty()) {
      const Meaning& meaning = all[meaningOf(note, boxes_)];
      box.paint = meaning.paint;
      box.dashed = meaning.dashed;
      if (tags)
        box.tag = boxes_ == "class" || meaning.name == tr("whole") ? tr(classNames[static_cast<std::size_t>(note.classId)]) : meaning.name;
    }
    box.hover = describeBox(note, tile.scene);
    mark->boxes.push_back(std::move(box));
  }
  panel.marks.push_back(std::move(mark));
}

Panel ShapeWorldLab::gridPanel() const {
  Panel panel = pictures("grid");
  const double right = static_cast<double>(columns_) * (1 + pictureGap) - pictureGap,
               bottom = static_cast<double>(rows_) * (cellHeight() + pictureGap) - pictureGap;
  const double key = boxes_ == "none" ? 0 : 0.055 * right;
  panel.x.range = Range{-0.02, right + 0.02};
  panel.y.range = Range{-0.02, bottom + 0.02 + key};
  panel.title = trf("Scenes {} to {}", first_, first_ + tiles_.size() - 1);
  panel.note = differing_ == 0 ? tr("device and reference agree to the bit") : trf("{} values differ on this device", differing_);
  auto words = std::make_shared<TextMark>("captions");
  for (std::size_t i = 0; i < tiles_.size(); ++i) {
    const Tile& tile = tiles_[i];
    const double x = static_cast<double>(static_cast<std::int64_t>(i) % columns_) * (1 + pictureGap),
                 y = static_cast<double>(static_cast<std::int64_t>(i) / columns_) * (cellHeight() + pictureGap);
    panel.marks.push_back(image("picture-" + std::to_string(i), tile.pixels, x, y));
    addBoxes(panel, tile, "boxes-" + std::to_string(i), x, y, false);
    if (!captions_) continue;
    // As many characters as a cell of this grid holds at this size of text.
    const auto lines = wrapped(tile.scene.caption, columns_ <= 2 ? 40 : columns_ == 3 ? 30 : 20);
    for (std::size_t line = 0; line < std::min<std::size_t>(lines.size(), 2); ++line) {
      words->words.push_back({x + 0.01, y + 1.075 + 0.1 * static_cast<double>(line), lines[line], Paint::of(Role::ink), HAlign::left,
                              VAlign::middle, columns_ <= 3 ? 7.5f : 6.5f});
    }
  }
  if (captions_) panel.marks.push_back(std::move(words));
  // The chosen one.
  auto frame = std::make_shared<BoxesMark>("chosen");
  frame->lineWidth = 2.4f;
  BoxesMark::Box around;
  around.x = static_cast<double>(selected_ % columns_) * (1 + pictureGap),
  around.y = static_cast<double>(selected_ / columns_) * (cellHeight() + pictureGap);
  around.width = around.height = 1;
  around.paint = Paint::of(Role::accent);
  around.hover = trf("scene {}", chosen().scene.index);
  frame->boxes.push_back(std::move(around));
  panel.marks.push_back(std::move(frame));
  if (const auto all = meanings(boxes_); !all.empty()) {
    auto words2 = std::make_shared<TextMark>("key");
    for (std::size_t k = 0; k < all.size(); ++k) {
      words2->words.push_back({right * (static_cast<double>(k) + 0.5) / static_cast<double>(all.size()), bottom + 0.6 * key,
                               (all[k].dashed ? "\u25A1 " : "\u25A0 ") + all[k].name, all[k].paint, HAlign::center, VAlign::middle, 7.5f});
    }
    panel.marks.push_back(std::move(words2));
  }
  return panel;
}

Panel ShapeWorldLab::scenePanel() const {
  Panel panel = pictures("scene");
  const Scene& scene = chosen().scene;
  panel.title = trf("Scene {}", scene.index);
  panel.note = scene.dropped == 0 ? trf("objects: {}", scene.objects.size())
                                  : trf("objects: {}, without place: {}", scene.objects.size(), scene.dropped);
  panel.x.range = panel.y.range = Range{-0.01, 1.01};
  panel.marks.push_back(image("picture", chosen().pixels, 0, 0));
  addBoxes(panel, chosen(), "boxes", 0, 0, true);
  return panel;
}

// Every object in a colour of its own where it is in front; where it is hidden, its colour and the front's in a chequer.
Panel ShapeWorldLab::maskPanel() const {
  Panel panel = pictures("masks");
  panel.title = tr("Masks");
  panel.x.range = panel.y.range = Range{-0.01, 1.01};
  const Picture& picture = chosen().picture;
  const auto side = static_cast<std::size_t>(size_);
  std::vector<std::uint8_t> rgba(side * side * 4);
  for (std::size_t i = 0; i < side * side; ++i) {
    // The picture shines through, grey and dark.
    const auto grey =
        static_cast<std::uint8_t>((54 * picture.rgb[3 * i] + 183 * picture.rgb[3 * i + 1] + 19 * picture.rgb[3 * i + 2]) / 256 / 3 + 12);
    rgba[4 * i] = rgba[4 * i + 1] = rgba[4 * i + 2] = grey;
    rgba[4 * i + 3] = 255;
  }
  bool hidden = false;
  for (std::size_t n = picture.annotations.size(); n-- > 0;) {
    // From front to back, so that a taken pixel is one that is hidden.
    const Annotation& note = picture.annotations[n];
    const Color colour = themeOf(ThemeKind::dark).resolve(Paint::series(static_cast<int>(n % 8)));
    const int width = note.x1 - note.x0;
    for (int y = note.y0; y < note.y1; ++y) {
      for (int x = note.x0; x < note.x1; ++x) {
        if (note.mask[static_cast<std::size_t>((y - note.y0) * width + (x - note.x0))] == 0) continue;
        std::uint8_t* pixel = &rgba[(static_cast<std::size_t>(y) * side + static_cast<std::size_t>(x)) * 4];
        const bool taken = pixel[3] == 254;
        hidden = hidden || taken;
        if (taken && ((x + y) & 1) == 0) continue;
        const float channels[] = {colour.r, colour.g, colour.b};
        for (int c = 0; c < 3; ++c) pixel[c] = static_cast<std::uint8_t>(255 * channels[c] + 0.5f);
        pixel[3] = 254;
      }
    }
  }
  for (std::size_t i = 3; i < rgba.size(); i += 4) rgba[i] = 255;
  panel.note = hidden ? tr("chequered: hidden") : tr("nothing is hidden");
  panel.marks.push_back(image("masks", Tensor::from(Shape{size_, size_, 4}, rgba), 0, 0));
  auto boxes = std::make_shared<BoxesMark>("objects");
  for (const Annotation& note : picture.annotations) {
    BoxesMark::Box box;
    box.x = static_cast<double>(note.x0) / size_, box.y = static_cast<double>(note.y0) / size_;
    box.width = static_cast<double>(note.x1 - note.x0) / size_, box.height = static_cast<double>(note.y1 - note.y0) / size_;
    box.paint = Paint::of(Role::ink, 0);
    box.hover = describeBox(note, chosen().scene);
    boxes->boxes.push_back(std::move(box));
  }
  panel.marks.push_back(std::move(boxes));
  return panel;
}

Panel ShapeWorldLab::wordsPanel() const {
  Panel panel;
  panel.id = "words";
  panel.title = tr("What can be said about it");
  panel.note = tr("strong: drawn");
  panel.frameless = true;
  panel.legend = false;
  panel.y.reversed = true;
  panel.x.range = Range{-0.025, 1};
  const Scene& scene = chosen().scene;
  const auto captions = captionsOf(scene);
  const Questions questions = questionsOf(scene, options_);
  auto mark = std::make_shared<TextMark>("words");
  double line = 0.6;
  const auto put = [&](double x, const std::string& text, Paint paint, Weight weight = Weight::regular, float size = 8) {
    mark->words.push_back({x, line, text, paint, HAlign::left, VAlign::middle, size, weight});
  };
  constexpr double textAt = 0.075;

  // The caption drawn is the first allowed template with its text: T3 of one object reads as T1.
  bool marked = false;
  for (std::size_t t = 0; t < captions.size(); ++t) {
    const bool allowed = (options_.templates >> t & 1u) != 0, isDrawn = !marked && allowed && captions[t] == scene.caption;
    marked = marked || isDrawn;
    put(0, fmt::format("T{}", t), Paint::of(isDrawn ? Role::accent : Role::muted), isDrawn ? Weight::semibold : Weight::regular);
    put(textAt, captions[t], Paint::of(allowed ? Role::ink : Role::muted), isDrawn ? Weight::semibold : Weight::regular);
    line += 1;
  }
  line += 0.5;
  for (std::size_t q = 0; q < questions.forms.size(); ++q) {
    const Question& question = questions.forms[q];
    const bool isDrawn = static_cast<int>(q) == questions.asked;
    put(0, fmt::format("Q{}", q), Paint::of(isDrawn ? Role::accent : Role::muted), isDrawn ? Weight::semibold : Weight::regular);
    if (question.text.empty()) {
      put(textAt, tr("not defined for this scene"), Paint::of(Role::muted));
    } else {
      put(textAt, question.text + "?  \u2192 " + question.answer, Paint::of(Role::ink), isDrawn ? Weight::semibold : Weight::regular);
    }
    line += 1;
  }
  line += 0.5;
  put(0, tr("The caption as tokens"), Paint::of(Role::muted));
  line += 1;
  const auto tokens = tokenize(scene.caption);
  for (const std::size_t from : {std::size_t{0}, std::size_t{8}}) {
    std::string numbers;
    for (std::size_t i = from; i < from + 8; ++i) numbers += (numbers.empty() ? "" : "  ") + std::to_string(tokens[i]);
    put(textAt, numbers, Paint::of(Role::ink));
    line += 1;
  }
  panel.y.range = Range{0, line};
  panel.marks.push_back(std::move(mark));
  return panel;
}

}  // namespace orrery::data_labs
