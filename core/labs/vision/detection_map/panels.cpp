// The lab vision/detection-map: curves, bars and matrices.

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/figure/marks/marks.h"
#include "core/labs/vision/detection_map/lab.h"

namespace orrery::vision {

namespace {

constexpr Range unitRange{0, 1.02};

std::shared_ptr<LineMark> line(const std::string& id, const std::vector<double>& x, const std::vector<double>& y, Paint paint, float width) {
  auto mark = std::make_shared<LineMark>(id);
  mark->x = floats(x);
  mark->y = floats(y);
  mark->paint = paint;
  mark->width = width;
  return mark;
}

std::shared_ptr<PointsMark> points(const std::string& id, const std::vector<float>& xy, Paint paint, float radius, PointShape shape) {
  auto mark = std::make_shared<PointsMark>(id);
  mark->xy = Tensor::from(Shape{static_cast<std::int64_t>(xy.size() / 2), 2}, xy);
  mark->paint = paint;
  mark->radius = radius;
  mark->shape = shape;
  return mark;
}

// Marks of one detector have plain ids, those of several end in -a, -b, -c.
std::string suffixOf(std::size_t detector, std::size_t detectors) {
  return detectors == 1 ? std::string() : fmt::format("-{}", static_cast<char>('a' + detector));
}

std::string number(double value) { return value <= -1 ? std::string("\u2013") : fmt::format("{:.3f}", value); }

// The envelope as a staircase that starts at recall 0 and ends where the curve ends.
void staircase(const PrecisionRecall& curve, std::vector<double>& x, std::vector<double>& y) {
  if (curve.envelope.empty()) return;
  x.push_back(0);
  y.push_back(curve.envelope.front());
  for (std::size_t i = 0; i < curve.envelope.size(); ++i) {
    // p is constant up to the recall where it was reached: only corners are kept.
    const bool last = i + 1 == curve.envelope.size();
    if (!last && curve.envelope[i + 1] == curve.envelope[i]) continue;
    x.push_back(curve.recall[i]);
    y.push_back(curve.envelope[i]);
    if (!last) {
      x.push_back(curve.recall[i]);
      y.push_back(curve.envelope[i + 1]);
    }
  }
  x.push_back(curve.recall.back());
  y.push_back(0);
}

// Bars side by side: one per detector at each position.
std::shared_ptr<BarsMark> bars(const std::string& id, const std::vector<double>& values, std::size_t detector, std::size_t detectors, Paint paint) {
  auto mark = std::make_shared<BarsMark>(id);
  const double width = 0.8 / static_cast<double>(detectors);
  std::vector<double> position, shown;
  for (std::size_t i = 0; i < values.size(); ++i) {
    position.push_back(static_cast<double>(i) + width * (static_cast<double>(detector) - 0.5 * static_cast<double>(detectors - 1)));
    shown.push_back(values[i]);
  }
  mark->position = floats(position);
  mark->value = floats(shown);
  mark->thickness = width * 0.92;
  mark->paint = paint;
  return mark;
}

}  // namespace

Panel DetectionMapLab::curvePanel() const {
  Panel panel;
  panel.id = "pr-curve";
  panel.x.label = tr("recall R");
  panel.y.label = tr("precision P");
  panel.x.range = panel.y.range = unitRange;
  panel.x.grid = panel.y.grid = true;
  const std::size_t k = shownClass();
  panel.title = trf("PR curve of {}, IoU {:.2f}", className(k), iou_);
  if (detectors_.empty()) return panel;
  for (std::size_t d = 0; d < detectors_.size(); ++d) {
    const DetectorState& detector = detectors_[d];
    const Paint paint = paintOf(d);
    const std::string suffix = suffixOf(d, detectors_.size());
    if (k == allClasses) {
      const MeanCurve mean = meanCurve(detector.curves);
      auto curve = line("mean" + suffix, mean.recall, mean.precision, paint, 1.4f);
      curve->label = trf("{} mean", detector.name);
      curve->xName = "R", curve->yName = "P";
      panel.marks.push_back(curve);
      continue;
    }
    if (k >= detector.curves.size()) continue;
    const PrecisionRecall& curve = detector.curves[k];
    if (curve.truths == 0) {
      panel.message = trf("{} has no ground truth: AP is not defined", className(k));
      continue;
    }
    // The area under the envelope is AP by the rule of all points.
    std::vector<double> x, y;
    staircase(curve, x, y);
    if (detectors_.size() == 1) {
      auto area = std::make_shared<BandMark>("area");
      area->x = floats(x), area->high = floats(y), area->low = floats(std::vector<double>(x.size(), 0.0));
      area->paint = {paint.role, 0.12f, {}};
      panel.marks.push_back(area);
    }
    auto saw = line("curve" + suffix, curve.recall, curve.precision, {paint.role, 0.55f, {}}, 0.7f);
    saw->xName = "R", saw->yName = "P";
    panel.marks.push_back(saw);
    auto envelope = line("envelope" + suffix, x, y, paint, 1.4f);
    envelope->label = trf("{}  AP {}", detector.name, number(curve.ap));
    panel.marks.push_back(envelope);
    if (d != 0) continue;

    // Where the rule reads the envelope.
    const int steps = interpolation_ == Interpolation::elevenPoints ? 10 : interpolation_ == Interpolation::hundredOnePoints ? 100 : 0;
    std::vector<float> samples;
    for (int j = 0; steps > 0 && j <= steps; ++j) {
      const double r = static_cast<double>(j) / steps;
      const auto at = static_cast<std::size_t>(std::lower_bound(curve.recall.begin(), curve.recall.end(), r - 1e-12) - curve.recall.begin());
      samples.push_back(static_cast<float>(r));
      samples.push_back(at < curve.envelope.size() ? static_cast<float>(curve.envelope[at]) : 0.0f);
    }
    if (!samples.empty()) {
      auto mark = points("samples", samples, Paint::of(Role::ink, 0.8f), steps == 10 ? 1.9f : 0.8f, PointShape::disc);
      mark->name = tr("sample");
      panel.marks.push_back(mark);
    }
    // The operating point and the selected detection.
    const OperatingPoint now = operatingPoint(detector.curves, k, threshold_);
    auto dot = points("operating-point", {static_cast<float>(now.recall), static_cast<float>(now.precision)}, Paint::of(Role::changed), 3.2f, PointShape::disc);
    dot->name = trf("c = {:.3f}", threshold_);
    panel.marks.push_back(dot);
    const auto chosen = std::find(curve.detection.begin(), curve.detection.end(), static_cast<std::uint32_t>(std::max<std::int64_t>(selected_, 0)));
    if (selected_ >= 0 && chosen != curve.detection.end()) {
      const auto i = static_cast<std::size_t>(chosen - curve.detection.begin());
      auto ring = points("selected", {static_cast<float>(curve.recall[i]), static_cast<float>(curve.precision[i])}, Paint::of(Role::ink), 4.5f, PointShape::ring);
      ring->name = trf("rank {}, score {:.4f}", i + 1, curve.score[i]);
      panel.marks.push_back(ring);
    }
    panel.note = trf("11 points {}, all {}, 101 {}", number(interpolatedAp(curve, Interpolation::elevenPoints, RecallArithmetic::exact)),
                     number(interpolatedAp(curve, Interpolation::allPoints, RecallArithmetic::exact)),
                     number(interpolatedAp(curve, Interpolation::hundredOnePoints, RecallArithmetic::doubles)));
  }
  return panel;
}

Panel DetectionMapLab::confidencePanel() const {
  Panel panel;
  panel.id = "confidence";
  panel.x.label = tr("score threshold c");
  panel.y.label = tr("precision, recall, F1");
  panel.x.range = Range{0, 1};
  panel.y.range = unitRange;
  panel.y.grid = true;
  panel.title = tr("Where to cut");
  if (detectors_.empty()) return panel;
  const ConfidenceCurves curves = confidenceCurves(detectors_.front().curves, shownClass());
  const OperatingPoint now = operatingPoint(detectors_.front().curves, shownClass(), threshold_);
  if (curves.confidence.empty()) {
    panel.message = trf("{} has no ground truth", className(shownClass()));
    return panel;
  }
  panel.title = trf("Best F1 {:.3f} of {} at c = {:.2f}", curves.bestF1, className(shownClass()), curves.bestConfidence);
  panel.note = trf("P {} R {} F1 {}", number(now.precision), number(now.recall), number(now.f1));
  auto p = line("precision", curves.confidence, curves.precision, Paint::series(4), 1.1f);
  auto r = line("recall", curves.confidence, curves.recall, Paint::series(2), 1.1f);
  auto f = line("f1", curves.confidence, curves.f1, Paint::of(Role::ink), 1.5f);
  r->dash = {4, 2};
  p->label = tr("precision"), r->label = tr("recall"), f->label = "F1";
  for (const auto& mark : {p, r, f}) {
    mark->xName = "c";
    mark->yName = mark->label;
    panel.marks.push_back(mark);
  }
  auto best = points("best-f1", {static_cast<float>(curves.bestConfidence), static_cast<float>(curves.bestF1)}, Paint::of(Role::good), 3, PointShape::diamond);
  best->name = tr("best F1");
  panel.marks.push_back(best);
  auto rule = std::make_shared<RuleMark>("threshold");
  rule->at = threshold_;
  rule->paint = Paint::of(Role::changed);
  rule->dash = {};
  rule->width = 1.1f;
  panel.marks.push_back(rule);
  panel.handles.push_back({"threshold", threshold_, 0.5, Handle::Kind::verticalLine, trf("score threshold c = {:.3f}", threshold_)});
  return panel;
}

Panel DetectionMapLab::classPanel() const {
  Panel panel;
  panel.id = "per-class";
  panel.x.scale = ScaleKind::categorical;
  panel.y.range = unitRange;
  panel.y.grid = true;
  panel.y.label = "AP";
  panel.title = tr("AP by class");
  if (detectors_.empty()) return panel;
  const std::size_t K = detectors_.front().scores.classes.size();
  for (std::size_t k = 0; k < K; ++k) panel.x.categories.push_back(className(k));
  const std::size_t shown = shownClass();
  for (std::size_t d = 0; d < detectors_.size(); ++d) {
    std::vector<double> all, kept;
    for (std::size_t k = 0; k < K; ++k) {
      all.push_back(std::max(0.0, detectors_[d].scores.classes[k].ap));
      kept.push_back(std::max(0.0, detectors_[d].kept.classes[k].ap));
    }
    const std::string suffix = suffixOf(d, detectors_.size());
    const Paint paint = paintOf(d);
    // All boxes pale behind those above the threshold.
    auto pale = bars("all" + suffix, all, d, detectors_.size(), {paint.role, 0.3f, {}});
    auto full = bars("kept" + suffix, kept, d, detectors_.size(), paint);
    for (std::size_t k = 0; k < K; ++k) {
      const double ap = detectors_[d].scores.classes[k].ap;
      pale->names.push_back(ap < 0 ? trf("{}: no ground truth", className(k)) : trf("{} {}, all boxes", detectors_[d].name, className(k)));
      full->names.push_back(trf("{} {}, above c", detectors_[d].name, className(k)));
      if (shown != allClasses && k != shown && detectors_.size() == 1) full->paints.push_back({paint.role, 0.75f, {}});
      else full->paints.push_back(paint);
    }
    panel.marks.push_back(pale);
    panel.marks.push_back(full);
  }
  auto mean = std::make_shared<RuleMark>("mean");
  mean->vertical = false;
  mean->at = std::max(0.0, detectors_.front().scores.meanAp());
  panel.title = trf("Mean AP {}, above c {}", number(detectors_.front().scores.meanAp()), number(detectors_.front().kept.meanAp()));
  panel.marks.push_back(mean);
  return panel;
}

Panel DetectionMapLab::thresholdPanel() const {
  Panel panel;
  panel.id = "ap-by-iou";
  panel.x.label = tr("IoU threshold t");
  panel.y.label = tr("AP, mean over classes");
  panel.x.range = Range{0.48, 0.97};
  panel.y.range = unitRange;
  panel.y.grid = true;
  panel.title = tr("Strict overlap separates detectors");
  if (detectors_.empty()) return panel;
  for (std::size_t d = 0; d < detectors_.size(); ++d) {
    const DetectorState& detector = detectors_[d];
    const std::string suffix = suffixOf(d, detectors_.size());
    std::vector<double> values;
    for (const double ap : detector.cocoScores.apPerThreshold) values.push_back(ap < 0 ? std::numeric_limits<double>::quiet_NaN() : ap);
    auto curve = line("ap" + suffix, detector.coco->protocol().thresholds, values, paintOf(d), 1.3f);
    curve->markers = true;
    curve->xName = "t", curve->yName = "AP";
    curve->label = trf("{}  {}", detector.name, number(detector.cocoScores.stats[0]));
    panel.marks.push_back(curve);
  }
  const auto& stats = detectors_.front().cocoScores.stats;
  panel.note = trf("COCO AP {}  AP50 {}  AP75 {}", number(stats[0]), number(stats[1]), number(stats[2]));
  return panel;
}

Panel DetectionMapLab::sizePanel() const {
  Panel panel;
  panel.id = "sizes";
  panel.x.scale = ScaleKind::categorical;
  for (const auto& name : {tr("AP small"), tr("AP medium"), tr("AP large"), tr("AR small"), tr("AR medium"), tr("AR large")}) panel.x.categories.push_back(name);
  panel.y.range = unitRange;
  panel.y.grid = true;
  panel.title = tr("By size of the object");
  if (detectors_.empty()) return panel;
  if (!truth_.sizeKnown) {
    panel.message = tr("image sizes unknown: no split by size");
    return panel;
  }
  for (std::size_t d = 0; d < detectors_.size(); ++d) {
    const auto& stats = detectors_[d].cocoScores.stats;
    std::vector<double> values;
    for (const std::size_t i : {3u, 4u, 5u, 9u, 10u, 11u}) values.push_back(std::max(0.0, stats[i]));
    const std::string suffix = suffixOf(d, detectors_.size());
    auto mark = bars("values" + suffix, values, d, detectors_.size(), paintOf(d));
    for (std::size_t i = 0; i < values.size(); ++i) mark->names.push_back(trf("{} {}", detectors_[d].name, panel.x.categories[i]));
    panel.marks.push_back(mark);
  }
  const auto& areas = detectors_.front().coco->protocol().areas;
  panel.note = trf("small up to {:.0f} px, large from {:.0f} px", std::sqrt(areas[1].high), std::sqrt(areas[3].low));
  return panel;
}

Panel DetectionMapLab::confusionPanel() const {
  Panel panel;
  panel.id = "confusion";
  panel.title = tr("Which class is taken for which");
  panel.x.label = tr("true class");
  panel.y.label = tr("predicted class");
  panel.x.scale = panel.y.scale = ScaleKind::categorical;
  panel.y.reversed = true;
  panel.equalAspect = false;
  if (detectors_.empty() || truth_.classes.empty()) return panel;
  const ConfusionMatrix& matrix = detectors_.front().confusion;
  const std::size_t n = matrix.classes + 1;
  if (n > 512) {
    panel.message = tr("more than 511 classes: the matrix is not drawn");
    return panel;
  }
  std::vector<std::string> names;
  for (const auto& category : truth_.classes) names.push_back(category.name);
  names.push_back(tr("background"));
  panel.x.categories = panel.y.categories = names;

  // Colour: share of the true class (column); background against background cannot occur.
  auto map = std::make_shared<HeatMapMark>("share");
  std::vector<float> share(n * n, 0.0f);
  std::vector<double> counts;
  auto words = std::make_shared<TextMark>("counts");
  for (std::size_t actual = 0; actual < n; ++actual) {
    double column = 0;
    for (std::size_t predicted = 0; predicted < n; ++predicted) column += static_cast<double>(matrix.at(predicted, actual));
    for (std::size_t predicted = 0; predicted < n; ++predicted) {
      const auto count = static_cast<double>(matrix.at(predicted, actual));
      share[predicted * n + actual] = column > 0 ? static_cast<float>(count / column) : 0.0f;
      if (n > 9 || (predicted == n - 1 && actual == n - 1)) continue;
      TextMark::Word word;
      word.x = static_cast<double>(actual), word.y = static_cast<double>(predicted);
      word.text = fmt::format("{}", matrix.at(predicted, actual));
      word.h = HAlign::center, word.v = VAlign::middle;
      word.size = 7;
      // Viridis is dark below two thirds: white there, black above.
      word.paint = share[predicted * n + actual] < 0.66f ? Paint::custom({1, 1, 1, 0.92f}) : Paint::custom({0.07f, 0.08f, 0.1f, 1});
      words->words.push_back(word);
    }
  }
  const auto extent = static_cast<double>(n) - 0.5;
  map->value = Tensor::from(Shape{static_cast<std::int64_t>(n), static_cast<std::int64_t>(n)}, share);
  map->x = map->y = Range{-0.5, extent};
  map->range = {0, 1};
  map->quantity = tr("share of the true class");
  map->rowNames = map->columnNames = names;
  panel.marks.push_back(map);
  if (!words->words.empty()) panel.marks.push_back(words);
  panel.note = trf("c = {:.2f}, IoU > {:.2f}", threshold_, iou_);
  panel.colorBar = ColorBar{ColorMap::viridis, {0, 1}, false, tr("share of the true class")};
  return panel;
}

Panel DetectionMapLab::tidePanel() const {
  Panel panel;
  panel.id = "tide";
  panel.title = tr("What fixing one kind of error would gain");
  panel.x.scale = ScaleKind::categorical;
  panel.x.categories = {tr("class"), tr("place"), tr("both"), tr("duplicate"), tr("background"), tr("missed")};
  panel.y.label = tr("gain in AP50");
  panel.y.grid = true;
  if (detectors_.empty()) return panel;
  double highest = 0.02;
  for (std::size_t d = 0; d < detectors_.size(); ++d) {
    const TideResult& tide = detectors_[d].tide;
    std::vector<double> values(tide.deltaAp.begin(), tide.deltaAp.end());
    for (double& value : values) {
      value = std::isfinite(value) ? value : 0;
      highest = std::max(highest, value);
    }
    const std::string suffix = suffixOf(d, detectors_.size());
    auto mark = bars("gain" + suffix, values, d, detectors_.size(), paintOf(d));
    for (std::size_t i = 0; i < values.size(); ++i) mark->names.push_back(trf("{} {}: {} boxes", detectors_[d].name, panel.x.categories[i], tide.counts[i]));
    panel.marks.push_back(mark);
  }
  panel.y.range = Range{0, highest * 1.08};
  panel.note = trf("AP50 {}", number(detectors_.front().tide.ap));
  return panel;
}

}  // namespace orrery::vision
