// ShapeWorld v1: endless labelled pictures of circles, squares, triangles and stars, the same on every machine.
// What does a detector, a captioner or a contrastive model of this program see, and how often?
// Source: this project's own data set; random numbers by Philox4x32-10 (Salmon et al. 2011), keyed by the seed and counted by
// (block, stream, index, domain), so scene i depends on nothing but (seed, profile, split, i).
//
//   pixel: out = (bg (16 - c) + fg c + 8) >> 4, c = samples of 4 x 4 inside; mask: c >= 8
//   box: tight around the own mask, half-open pixel edges; difficult: 4 visible < area; truncated: the bounding circle crosses the border
//
// Everything is integer arithmetic. The pictures are drawn by the C++ reference and by the device, and the lab says how many values differ.

#include "core/figure/place.h"
#include "core/labs/data/shapeworld/lab.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/data/shapeworld_files.h"
#include "core/data/shapeworld_table.h"
#include "core/kernels/shapeworld_raster.h"

namespace orrery::data_labs {

using namespace shapeworld;

namespace {

const std::string& choiceIn(const Values& values, const char* id) {
  static const std::string none;
  const auto found = values.find(id);
  const auto* text = found == values.end() ? nullptr : std::get_if<std::string>(&found->second);
  return text == nullptr ? none : *text;
}

bool isDense(const Values& values) { return choiceIn(values, "profile") == "dense"; }
bool isTrain(const Values& values) { return choiceIn(values, "split") == "train"; }

// "As drawn" and one option per name.
template <std::size_t N>
Choice oneOf(const std::array<std::string_view, N>& names) {
  Choice choice{{{"drawn", "As drawn"}}};
  for (const auto& name : names) choice.options.push_back({std::string(name), std::string(name)});
  return choice;
}

// -1 for "drawn".
template <std::size_t N>
int placeOf(const std::array<std::string_view, N>& names, const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  return found == names.end() ? -1 : static_cast<int>(found - names.begin());
}

constexpr std::array<std::string_view, 4> splitNames{"train", "val", "test", "demo"};
constexpr std::array<std::string_view, 3> profileNames{"single", "scene", "dense"};

Options optionsOf(const LabContext& context) {
  Options options;
  options.seed = static_cast<std::uint64_t>(context.integer("seed"));
  options.profile = static_cast<Profile>(placeOf(profileNames, context.text("profile")));
  options.split = static_cast<Split>(placeOf(splitNames, context.text("split")));
  options.upright = context.flag("upright");
  options.crowd = context.flag("crowd");
  options.holdout = context.flag("holdout");
  options.fixedTexture = placeOf(textureNames, context.text("texture"));
  options.fixedColour = placeOf(colourNames, context.text("colour"));
  options.fixedClass = placeOf(classNames, context.text("class"));
  options.templates = 0;
  for (unsigned t = 0; t < 5; ++t) options.templates |= static_cast<unsigned>(context.flag("t" + std::to_string(t))) << t;
  return options;
}

bool drawsChanged(const LabContext& context) {
  return context.anyChanged(
      {"seed", "profile", "split", "upright", "crowd", "holdout", "texture", "colour", "class", "t0", "t1", "t2", "t3", "t4"});
}

}  // namespace

LabEntry ShapeWorldLab::describe() {
  LabEntry lab;
  lab.id = "data/shapeworld";
  lab.title = "ShapeWorld pictures";
  lab.summary = "Endless labelled pictures, the same on every machine";
  lab.files = "PNG + COCO + VOC + YOLO";
  lab.parameters = {
      {"seed", "Seed", "Another seed, another world", "World", std::int64_t{1}, Seed{}},
      {"profile", "Profile", "One object, a few that hardly touch, or many that hide each other", "World", std::string("scene"),
       Choice{{{"single", "Single"}, {"scene", "Scene"}, {"dense", "Dense"}}}},
      {"split", "Split", "Splits never share a draw", "World", std::string("train"),
       Choice{{{"train", "Train"}, {"val", "Validation"}, {"test", "Test"}, {"demo", "Demo"}}}},
      {"size", "Picture size", "The scene is the same at every size; boxes are those of the pixels", "World", std::string("64"),
       Choice{{{"32", "32 px"}, {"64", "64 px"}, {"128", "128 px"}}}},
      {"first", "First scene", "Index of the first picture of the grid", "View", std::int64_t{0}, Integer{0, 1'000'000}},
      {"columns", "Grid columns", "Pictures side by side", "View", std::int64_t{4}, Integer{1, 8}},
      {"selected", "Chosen picture", "Its place in the grid; click a picture", "View", std::int64_t{7}, Integer{0, 55}},
      {"boxes", "Boxes", "By class, or by what an evaluator must know about them", "View", std::string("class"),
       Choice{{{"none", "None"}, {"class", "By class"}, {"flags", "Difficult, truncated, crowd"}}}},
      {"captions", "Captions in the grid", "Below each picture", "View", false, Switch{}},
      {"count", "Scenes counted", "From index 0", "View", std::int64_t{10000}, Integer{1, 100'000, true}},
      {"upright", "Upright", "All angles 0", "Options without draws", false, Switch{}},
      {"crowd", "Crowds", "One dense scene in eight gets eight equal shapes behind everything, annotated as one box",
       "Options without draws", false, Switch{}, "", isDense},
      {"holdout", "Hold out four pairs", "Four pairs of class and colour never appear in training", "Options without draws", false,
       Switch{}, "", isTrain},
      {"class", "Class", "The same for all objects", "Options without draws", std::string("drawn"), oneOf(classNames)},
      {"colour", "Colour", "The same for all objects", "Options without draws", std::string("drawn"), oneOf(colourNames)},
      {"texture", "Texture", "The same for all backgrounds", "Options without draws", std::string("drawn"), oneOf(textureNames)},
      {"t0", "T0: colour, shape", "Allow this caption", "Captions", true, Switch{}},
      {"t1", "T1: size, colour, shape", "Allow this caption", "Captions", true, Switch{}},
      {"t2", "T2: and the background", "Allow this caption", "Captions", true, Switch{}},
      {"t3", "T3: two shapes and where", "Allow this caption", "Captions", true, Switch{}},
      {"t4", "T4: number of shapes", "Allow this caption", "Captions", true, Switch{}},
      {"export", "Pictures exported", "By Export data set, from the first scene of the grid on", "Export", std::int64_t{200},
       Integer{1, 20'000, true}},
  };
  lab.presets = {
      {"captions",
       "Captions and questions",
       "One picture, five captions and up to four questions; the strong ones are drawn",
       {{"columns", std::int64_t{3}},
        {"captions", true},
        {"first", std::int64_t{36}},
        {"selected", std::int64_t{5}},
        {"boxes", std::string("none")}}},
      {"occlusion",
       "Who hides whom",
       "Dense scenes: three quarters hidden is difficult, cut by the border is truncated",
       {{"profile", std::string("dense")},
        {"size", std::string("128")},
        {"boxes", std::string("flags")},
        {"columns", std::int64_t{3}},
        {"first", std::int64_t{111}},
        {"selected", std::int64_t{0}}}},
      {"crowd",
       "A crowd",
       "Eight equal shapes are one box; detectors are not blamed inside it",
       {{"profile", std::string("dense")},
        {"split", std::string("val")},
        {"size", std::string("128")},
        {"crowd", true},
        {"boxes", std::string("flags")},
        {"first", std::int64_t{11}},
        {"columns", std::int64_t{2}},
        {"selected", std::int64_t{0}}}},
      {"held-out",
       "Pairs never seen",
       "Four empty cells: can a model name a pair it never saw?",
       {{"profile", std::string("single")},
        {"holdout", true},
        {"texture", std::string("plain")},
        {"columns", std::int64_t{5}},
        {"selected", std::int64_t{1}}}},
      {"same-draws",
       "The draws stay",
       "Upright and all stars, yet every place, size and colour is as before",
       {{"upright", true}, {"class", std::string("star")}, {"texture", std::string("plain")}}},
      {"smallest",
       "At 32 pixels",
       "The same scenes with a quarter of the detail: boxes move by parts of a pixel",
       {{"profile", std::string("dense")}, {"size", std::string("32")}}},
  };
  lab.views = {{"grid", "Scenes"},           {"scene", "Chosen scene"}, {"masks", "Masks"}, {"words", "Captions and questions"},
               {"classes", "Classes"},       {"colours", "Colours"},    {"sizes", "Sizes"}, {"textures", "Textures"},
               {"pairs", "Class and colour"}};
  lab.shaders = {"kernels/shapeworld_raster"};
  lab.make = [] { return std::make_unique<ShapeWorldLab>(); };
  return lab;
}

Expected<void> ShapeWorldLab::update(LabContext& context) {
  const bool restart = stale_;
  stale_ = true;
  options_ = optionsOf(context);
  boxes_ = context.text("boxes");
  captions_ = context.flag("captions");
  const bool scenes = restart || drawsChanged(context);
  if (scenes || context.anyChanged({"size", "first", "columns"})) makeTiles(context);
  selected_ = std::min<std::int64_t>(context.integer("selected"), static_cast<std::int64_t>(tiles_.size()) - 1);
  if (scenes || context.changed("count")) {
    if (auto counted = count(context); !counted) return counted;
  }
  stale_ = false;
  return {};
}

// The grid's scenes by the reference, and the same pictures by the device: the two are compared value by value.
void ShapeWorldLab::makeTiles(LabContext& context) {
  size_ = std::stoi(context.text("size"));
  first_ = static_cast<std::uint32_t>(context.integer("first"));
  columns_ = context.integer("columns");
  rows_ = columns_ <= 3 ? columns_ : columns_ - 1;
  tiles_.clear();
  std::vector<Scene> scenes;
  for (std::int64_t i = 0; i < columns_ * rows_; ++i) {
    Tile tile;
    tile.scene = makeScene(first_ + static_cast<std::uint32_t>(i), options_);
    tile.picture = render(tile.scene, size_, options_);
    std::vector<std::uint8_t> rgba;
    for (std::size_t k = 0; k < tile.picture.rgb.size(); k += 3) {
      rgba.insert(rgba.end(), {tile.picture.rgb[k], tile.picture.rgb[k + 1], tile.picture.rgb[k + 2], 255});
    }
    tile.pixels = Tensor::from(Shape{size_, size_, 4}, rgba);
    scenes.push_back(tile.scene);
    tiles_.push_back(std::move(tile));
  }
  const Tensor pixels = kernels::shapeWorldPixels(context.stream(), drawTable(scenes, options_), size_);
  const auto words = pixels.as<std::uint32_t>();
  const std::size_t area = static_cast<std::size_t>(size_) * static_cast<std::size_t>(size_);
  differing_ = 0;
  for (std::size_t i = 0; i < tiles_.size(); ++i) {
    for (std::size_t k = 0; k < 3 * area; ++k) differing_ += (words[i * area + k / 3] >> (8 * (k % 3)) & 255) != tiles_[i].picture.rgb[k];
  }
}

Expected<void> ShapeWorldLab::count(LabContext& context) {
  counts_ = {};
  const std::int64_t scenes = context.integer("count");
  std::set<std::string> captions;
  for (std::int64_t i = 0; i < scenes; ++i) {
    if (i % 1024 == 0) {
      if (context.cancelled()) return makeError(ErrorCode::cancelled, tr("cancelled"));
      context.progress(static_cast<double>(i) / static_cast<double>(scenes), tr("counting scenes"));
    }
    Scene scene = makeScene(static_cast<std::uint32_t>(i), options_);
    ++counts_.textures[static_cast<std::size_t>(scene.texture)];
    counts_.dropped += scene.dropped;
    counts_.crowds += !scene.crowd.empty();
    for (const Object& o : scene.objects) {
      const auto shape = static_cast<std::size_t>(o.shape), colour = static_cast<std::size_t>(o.colour);
      ++counts_.objects;
      ++counts_.classes[shape];
      ++counts_.colours[colour];
      ++counts_.sizes[static_cast<std::size_t>(o.size)];
      ++counts_.pairs[shape][colour];
    }
    captions.insert(std::move(scene.caption));
  }
  counts_.scenes = static_cast<double>(scenes);
  counts_.captions = static_cast<double>(captions.size());
  return {};
}

Figure ShapeWorldLab::figure() const {
  Figure figure;
  figure.title = tr("ShapeWorld pictures");
  place(figure, gridPanel(), 0, 0, 11, 2);
  place(figure, scenePanel(), 0, 11, 6);
  place(figure, maskPanel(), 1, 11, 6);
  place(figure, wordsPanel(), 0, 17, 7, 2);
  place(figure, classPanel(), 2, 0, 4);
  place(figure, colourPanel(), 2, 4, 5);
  place(figure, sizePanel(), 2, 9, 4);
  place(figure, texturePanel(), 2, 13, 6);
  place(figure, pairPanel(), 2, 19, 5);
  figure.rowWeights = {1, 1, 0.9f};
  figure.columnWeights.assign(24, 1);
  return figure;
}

std::vector<Metric> ShapeWorldLab::metrics() const {
  std::vector<Metric> metrics;
  const auto add = [&](const std::string& name, double value) { metrics.push_back({name, value, ""}); };
  for (std::size_t i = 0; i < classNames.size(); ++i) add("class." + std::string(classNames[i]), counts_.classes[i]);
  for (std::size_t i = 0; i < colourNames.size(); ++i) add("colour." + std::string(colourNames[i]), counts_.colours[i]);
  for (std::size_t i = 0; i < sizeNames.size(); ++i) add("size." + std::string(sizeNames[i]), counts_.sizes[i]);
  for (std::size_t i = 0; i < textureNames.size(); ++i) add("texture." + std::string(textureNames[i]), counts_.textures[i]);
  add("scenes", counts_.scenes);
  add("objects", counts_.objects);
  add("dropped", counts_.dropped);
  add("crowds", counts_.crowds);
  add("captions", counts_.captions);
  add("device.differing", static_cast<double>(differing_));
  return metrics;
}

Changes ShapeWorldLab::pointer(const PointerEvent& event, const Values&) const {
  if (event.kind != PointerEvent::Kind::click || event.panel != "grid") return {};
  const double pitchX = 1 + pictureGap, pitchY = cellHeight() + pictureGap;
  const double column = std::floor(event.x / pitchX), row = std::floor(event.y / pitchY);
  // Between pictures nothing is chosen; a caption belongs to its picture.
  const bool beside = event.x - column * pitchX > 1 || event.y - row * pitchY > cellHeight();
  if (beside || column < 0 || row < 0 || column >= static_cast<double>(columns_) || row >= static_cast<double>(rows_)) return {};
  return {{"selected", static_cast<std::int64_t>(row) * columns_ + static_cast<std::int64_t>(column)}};
}

Expected<void> ShapeWorldLab::writeFiles(LabContext& context, FolderWriter& folder) {
  return writeShapeWorld(folder, options_, first_, static_cast<std::uint32_t>(context.integer("export")), size_, [&](double share) {
    context.progress(share, tr("writing pictures"));
    return !context.cancelled();
  });
}

ORRERY_LAB(ShapeWorldLab);

}  // namespace orrery::data_labs
