// The lab vision/detection-map: the image grid with boxes coloured by their fate, and pointer actions.

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "core/data/image.h"
#include "core/figure/marks/marks.h"
#include "core/labs/vision/detection_map/lab.h"

namespace orrery::vision {

namespace {

constexpr double gap = 0.06;      // between pictures, in cells

// Which filter a false positive of this kind answers to.
std::string_view filterOf(TideKind kind) { return kind == TideKind::none || kind == TideKind::missed ? "" : tideNames[static_cast<std::size_t>(kind)]; }

Tensor shapeWorldPixels(const shapeworld::Options& world, std::uint32_t index) {
  const auto picture = shapeworld::render(shapeworld::makeScene(index, world), 128, world);
  std::vector<std::uint8_t> rgba;
  rgba.reserve(128 * 128 * 4);
  for (std::size_t i = 0; i < picture.rgb.size(); i += 3) {
    rgba.insert(rgba.end(), {picture.rgb[i], picture.rgb[i + 1], picture.rgb[i + 2], 255});
  }
  return Tensor::from(Shape{128, 128, 4}, rgba);
}

// A picture from the image folder, found by the last part of its name only.
Tensor filePixels(const std::string& folder, const std::string& name) {
  namespace fs = std::filesystem;
  if (folder.empty() || name.empty()) return {};
  const fs::path last = fs::path(name).filename();
  if (last.empty() || last == ".." || last == ".") return {};
  std::vector<fs::path> candidates{fs::path(folder) / last};
  for (const char* extension : {".jpg", ".png", ".jpeg", ".JPG", ".PNG"}) candidates.push_back(fs::path(folder) / (stemOf(last.string()) + extension));
  for (const auto& path : candidates) {
    std::error_code failure;
    if (!fs::is_regular_file(path, failure)) continue;
    if (auto image = readImage(path.string())) return image->rgba;
  }
  return {};
}

// Images that hold a box of the wanted kind, at the score threshold.
std::vector<std::uint8_t> passing(const GroundTruth& truth, const DetectorState& detector, const std::string& filter, double threshold) {
  std::vector<std::uint8_t> pass(truth.images.size(), filter == "all");
  if (filter == "all") return pass;
  if (filter == "missed") {
    for (std::size_t g = 0; g < truth.boxes.size(); ++g) {
      const TruthBox& box = truth.boxes[g];
      const std::int32_t by = detector.detail.detectionOf[g];
      const bool found = by >= 0 && detector.boxes[static_cast<std::size_t>(by)].score >= threshold;
      if (!found && !box.crowd && !box.difficult) pass[box.image] = 1;
    }
    return pass;
  }
  for (std::size_t d = 0; d < detector.boxes.size(); ++d) {
    if (detector.boxes[d].score < threshold || detector.detail.labels[d] != BoxLabel::falsePositive) continue;
    if (filter == "fp" || filterOf(detector.tide.kinds[d]) == filter) pass[detector.boxes[d].image] = 1;
  }
  return pass;
}

}  // namespace

void DetectionMapLab::layTiles(LabContext& context) {
  const std::vector<Tile> before = std::move(tiles_);
  const bool samePixels = !context.anyChanged({"source", "ground-truth", "images", "crowds", "seed", "image-folder"});
  tiles_.clear();
  if (truth_.images.empty()) return;
  const DetectorState& detector = detectors_.front();
  const auto pass = passing(truth_, detector, context.text("show"), threshold_);
  matching_ = std::count(pass.begin(), pass.end(), std::uint8_t{1});

  // The image of the selected box first, then those that pass, from the first one asked for.
  std::vector<std::uint32_t> shown;
  const std::int64_t columns = context.integer("grid"), rows = columns <= 1 ? 1 : columns <= 5 ? 3 : 4;
  const auto most = static_cast<std::size_t>(columns * rows);
  if (selected_ >= 0 && static_cast<std::size_t>(selected_) < detector.boxes.size()) shown.push_back(detector.boxes[static_cast<std::size_t>(selected_)].image);
  std::int64_t skip = std::min(context.integer("first-image"), std::max<std::int64_t>(0, matching_ - 1));
  for (std::uint32_t image = 0; image < truth_.images.size() && shown.size() < most; ++image) {
    if (pass[image] == 0 || (!shown.empty() && shown.front() == image) || skip-- > 0) continue;
    shown.push_back(image);
  }

  // Each picture fills its cell along its longer side.
  for (std::size_t i = 0; i < shown.size(); ++i) {
    Tile tile;
    tile.image = shown[i];
    const auto reuse = std::find_if(before.begin(), before.end(), [&](const Tile& old) { return old.image == tile.image; });
    if (samePixels && reuse != before.end()) tile.pixels = reuse->pixels;
    else if (onScenes()) tile.pixels = shapeWorldPixels(world_, tile.image);
    else if (source_ == "files") tile.pixels = filePixels(context.file("image-folder").path, truth_.images[tile.image].name);
    double w = truth_.images[tile.image].width, h = truth_.images[tile.image].height;
    if ((w < 1 || h < 1) && !tile.pixels.empty()) h = static_cast<double>(tile.pixels.shape()[0]), w = static_cast<double>(tile.pixels.shape()[1]);
    if (w < 1 || h < 1) {
      // Unknown size: the range of the boxes (1 x 1 when coordinates are relative).
      w = h = truth_.sizeKnown ? 16 : 1;
      for (const TruthBox& box : truth_.boxes) {
        if (box.image == tile.image) w = std::max(w, box.x + box.width), h = std::max(h, box.y + box.height);
      }
    }
    tile.scale = 1 / std::max(w, h);
    tile.width = w * tile.scale, tile.height = h * tile.scale;
    tiles_.push_back(std::move(tile));
  }
  // Rows are as high as the highest picture.
  double cellWidth = 0, cellHeight = 0;
  for (const Tile& tile : tiles_) cellWidth = std::max(cellWidth, tile.width), cellHeight = std::max(cellHeight, tile.height);
  for (std::size_t i = 0; i < tiles_.size(); ++i) {
    const auto column = static_cast<double>(static_cast<std::int64_t>(i) % columns), row = static_cast<double>(static_cast<std::int64_t>(i) / columns);
    tiles_[i].x = column * (cellWidth + gap) + (cellWidth - tiles_[i].width) / 2;
    tiles_[i].y = row * (cellHeight + gap) + (cellHeight - tiles_[i].height) / 2;
  }
}

Panel DetectionMapLab::imagePanel() const {
  Panel panel;
  panel.id = "images";
  panel.frameless = true;
  panel.equalAspect = true;
  panel.legend = false;
  panel.y.reversed = true;
  if (detectors_.empty() || tiles_.empty()) {
    panel.title = tr("Boxes on images");
    panel.message = truth_.images.empty() ? tr("no images") : tr("no image holds such a box");
    return panel;
  }
  const DetectorState& detector = detectors_.front();
  double right = 0, bottom = 0;
  for (const Tile& tile : tiles_) right = std::max(right, tile.x + tile.width), bottom = std::max(bottom, tile.y + tile.height);
  panel.x.range = Range{-0.01, right + 0.01};
  // A line for the colour key below the pictures.
  const double keyHeight = 0.05 * std::max(right, bottom);
  panel.y.range = Range{-0.01, bottom + 0.01 + (detector.boxes.empty() ? 0 : keyHeight) + keyHeight * static_cast<double>(std::min<std::size_t>(notes_.size(), 3))};
  panel.title = detector.boxes.empty() ? tr("Objects; drop a results file to see detections") : trf("Boxes with score at least {:.2f}", threshold_);
  panel.note = trf("{} of {} images", matching_, truth_.images.size());

  std::size_t number = 0;
  for (const Tile& tile : tiles_) {
    auto image = std::make_shared<ImageMark>("picture-" + std::to_string(++number));
    image->pixels = tile.pixels;
    if (tile.pixels.empty()) image->pixels = Tensor::from(Shape{1, 1, 4}, std::vector<std::uint8_t>{128, 132, 140, 90});
    image->x = {tile.x, tile.x + tile.width};
    image->y = {tile.y, tile.y + tile.height};
    panel.marks.push_back(image);
  }

  // One mark per meaning, so that each has its colour, dash and legend entry.
  const auto mark = [&](const char* id, const std::string& label, Role role) {
    auto boxes = std::make_shared<BoxesMark>(id);
    boxes->label = label;
    boxes->directLabel = false;
    boxes->lineWidth = role == Role::ignored ? 0.9f : 1.1f;
    return boxes;
  };
  auto hits = mark("true-positives", tr("true positive"), Role::truePositive), misses = mark("false-positives", tr("false positive"), Role::falsePositive);
  auto ignored = mark("ignored", tr("ignored"), Role::ignored), missed = mark("missed", tr("missed"), Role::missed);
  auto chosen = std::make_shared<BoxesMark>("selected");
  chosen->lineWidth = 2.4f;
  const auto place = [](const Tile& tile, double x, double y, double w, double h, Role role) {
    BoxesMark::Box box;
    box.x = tile.x + x * tile.scale, box.y = tile.y + y * tile.scale, box.width = w * tile.scale, box.height = h * tile.scale;
    box.paint = Paint::of(role);
    return box;
  };
  const auto nameOf = [&](std::uint32_t category) { return category < truth_.classes.size() ? truth_.classes[category].name : std::string(); };
  std::vector<std::int32_t> tileOf(truth_.images.size(), -1);
  for (std::size_t i = 0; i < tiles_.size(); ++i) tileOf[tiles_[i].image] = static_cast<std::int32_t>(i);
  const bool few = tiles_.size() <= 2;
  for (std::size_t g = 0; g < truth_.boxes.size(); ++g) {
    const TruthBox& truth = truth_.boxes[g];
    if (tileOf[truth.image] < 0) continue;
    const Tile& tile = tiles_[static_cast<std::size_t>(tileOf[truth.image])];
    const std::int32_t by = detector.detail.detectionOf[g];
    const bool found = by >= 0 && detector.boxes[static_cast<std::size_t>(by)].score >= threshold_;
    const bool outOfPlay = truth.crowd || truth.difficult;
    if (found && !outOfPlay) continue;
    auto box = place(tile, truth.x, truth.y, truth.width, truth.height, outOfPlay ? Role::ignored : Role::missed);
    box.dashed = true;
    box.hover = outOfPlay ? trf("{}, ignored ({})", nameOf(truth.category), truth.crowd ? tr("crowd") : tr("difficult")) : trf("{}, missed", nameOf(truth.category));
    (outOfPlay ? ignored : missed)->boxes.push_back(std::move(box));
  }
  for (std::size_t d = 0; d < detector.boxes.size(); ++d) {
    const ScoredBox& scored = detector.boxes[d];
    const bool selected = static_cast<std::int64_t>(d) == selected_;
    if (tileOf[scored.image] < 0 || (scored.score < threshold_ && !selected) || detector.detail.labels[d] == BoxLabel::leftOut) continue;
    const Tile& tile = tiles_[static_cast<std::size_t>(tileOf[scored.image])];
    const BoxLabel label = detector.detail.labels[d];
    const Role role = label == BoxLabel::truePositive ? Role::truePositive : label == BoxLabel::ignored ? Role::ignored : Role::falsePositive;
    auto box = place(tile, scored.x, scored.y, scored.width, scored.height, role);
    box.score = scored.score;
    if (few || selected) box.tag = fmt::format("{} {:.2f}", nameOf(scored.category), scored.score);
    const std::string reason = filterOf(detector.tide.kinds[d]).empty() ? std::string() : fmt::format(" ({})", filterOf(detector.tide.kinds[d]));
    box.hover = trf("{} {:.4f}, {}{}, IoU {:.4f}", nameOf(scored.category), scored.score,
                    label == BoxLabel::truePositive ? tr("true positive") : label == BoxLabel::ignored ? tr("ignored") : tr("false positive"), reason, detector.detail.overlap[d]);
    if (selected) {
      // The ground truth it was matched with, beside it.
      if (const std::int32_t g = detector.detail.truthOf[d]; g >= 0) {
        const TruthBox& truth = truth_.boxes[static_cast<std::size_t>(g)];
        auto partner = place(tile, truth.x, truth.y, truth.width, truth.height, Role::data);
        partner.dashed = true;
        partner.hover = tr("its ground truth");
        chosen->boxes.push_back(std::move(partner));
      }
      chosen->boxes.push_back(box);
      continue;
    }
    (label == BoxLabel::truePositive ? hits : label == BoxLabel::ignored ? ignored : misses)->boxes.push_back(std::move(box));
  }
  for (const auto& boxes : {missed, ignored, misses, hits}) panel.marks.push_back(boxes);
  panel.marks.push_back(chosen);
  if (!detector.boxes.empty()) {
    auto key = std::make_shared<TextMark>("key");
    const std::pair<std::string, Role> entries[] = {{tr("true positive"), Role::truePositive}, {tr("false positive"), Role::falsePositive},
                                                    {tr("missed"), Role::missed}, {tr("ignored"), Role::ignored}};
    // Each entry gets room as its text is long: an ideograph is about two letters wide, a swatch and the gap about three.
    const auto room = [](const std::string& text) {
      double letters = 3;
      for (const char c : text) letters += (c & 0xc0) == 0x80 ? 0 : static_cast<unsigned char>(c) < 0x80 ? 1 : 2;
      return letters;
    };
    double total = 0, before = 0;
    for (const auto& entry : entries) total += room(entry.first);
    for (std::size_t i = 0; i < 4; ++i) {
      TextMark::Word word;
      word.x = right * (before + 0.5 * room(entries[i].first)) / total;
      before += room(entries[i].first);
      word.y = bottom + 0.6 * keyHeight;
      word.text = (entries[i].second == Role::missed || entries[i].second == Role::ignored ? "\u25A1 " : "\u25A0 ") + entries[i].first;
      word.paint = Paint::of(entries[i].second);
      word.h = HAlign::center, word.v = VAlign::middle;
      word.size = 7.5f;
      key->words.push_back(std::move(word));
    }
    panel.marks.push_back(key);
  }
  // What the readers had to say: explicit partial success.
  if (!notes_.empty()) {
    auto remarks = std::make_shared<TextMark>("remarks");
    for (std::size_t i = 0; i < std::min<std::size_t>(notes_.size(), 3); ++i) {
      TextMark::Word word;
      word.y = bottom + keyHeight * (static_cast<double>(i) + (detector.boxes.empty() ? 0.6 : 1.6));
      word.text = i == 2 && notes_.size() > 3 ? trf("and {} more remarks on the files", notes_.size() - 2) : printable(notes_[i], 100);
      word.paint = Paint::of(Role::muted);
      word.v = VAlign::middle;
      word.size = 7;
      remarks->words.push_back(std::move(word));
    }
    panel.marks.push_back(remarks);
  }
  return panel;
}

Changes DetectionMapLab::pointer(const PointerEvent& event, const Values&) const {
  using Kind = PointerEvent::Kind;
  if (detectors_.empty()) return {};
  const DetectorState& detector = detectors_.front();
  // Drag the threshold line.
  if (event.panel == "confidence" && (event.handle == "threshold" || event.kind == Kind::click)) {
    return {{"score-threshold", std::clamp(event.x, 0.0, 1.0)}};
  }
  if (event.kind != Kind::click) return {};

  // A point of the curve: the detection behind it.
  if (event.panel == "pr-curve" && shownClass() < detector.curves.size()) {
    const PrecisionRecall& curve = detector.curves[shownClass()];
    std::int64_t best = -1;
    double nearest = 1e300;
    for (std::size_t i = 0; i < curve.detection.size(); ++i) {
      const double distance = std::hypot(curve.recall[i] - event.x, curve.precision[i] - event.y);
      if (distance < nearest) nearest = distance, best = curve.detection[i];
    }
    if (best >= 0 && nearest < 0.1) return {{"selected", best}};
    return {};
  }
  if (event.panel == "per-class" && !classAgnostic_) {
    const auto k = static_cast<std::int64_t>(std::lround(event.x));
    if (k >= 0 && static_cast<std::size_t>(k) < truth_.classes.size()) return {{"class", k + 1}};
  }
  if (event.panel == "tide") {
    const auto kind = std::lround(event.x);
    if (kind >= 0 && kind < 6) return {{"show", kind == 5 ? std::string("missed") : std::string(tideNames[static_cast<std::size_t>(kind)])}, {"first-image", std::int64_t{0}}};
  }
  // A box in a picture: the smallest under the pointer; beside all boxes, nothing is selected.
  if (event.panel == "images") {
    for (const Tile& tile : tiles_) {
      const double x = (event.x - tile.x) / tile.scale, y = (event.y - tile.y) / tile.scale;
      if (event.x < tile.x || event.y < tile.y || event.x > tile.x + tile.width || event.y > tile.y + tile.height) continue;
      std::int64_t best = -1;
      double smallest = 1e300;
      for (std::size_t d = 0; d < detector.boxes.size(); ++d) {
        const ScoredBox& box = detector.boxes[d];
        if (box.image != tile.image || box.score < threshold_ || x < box.x || y < box.y || x > box.x + box.width || y > box.y + box.height) continue;
        if (box.area() < smallest) smallest = box.area(), best = static_cast<std::int64_t>(d);
      }
      return {{"selected", best}};
    }
  }
  return {};
}

}  // namespace orrery::vision
