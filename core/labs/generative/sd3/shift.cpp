// The resolution shift. Source: Esser et al. 2024, section 5.3.2 and equation 23: of a constant picture c seen as (1 - t) c + t eps in n
// pixels, the mean tells c up to the deviation t / (1 - t) / sqrt(n). The time t_m at which m pixels leave the same uncertainty has
// t_m / (1 - t_m) = sqrt(m / n) t_n / (1 - t_n).

#include "core/labs/generative/sd3/shift.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/philox.h"
#include "core/data/shapeworld.h"
#include "core/diffusion/grid.h"
#include "core/diffusion/time_law.h"
#include "core/labs/generative/sd3/picture.h"
#include "core/labs/generative/shared/curves.h"

namespace orrery::generative::sd3 {

using diffusion::shiftedTime;

namespace {

constexpr double gap = std::numeric_limits<double>::quiet_NaN();
constexpr int largeSide = 128, smallSide = 32;  // of the noised pictures

Expected<std::vector<double>> stepTimes(int steps, double kappa) {
  const auto levels = shiftedLevels(steps, kappa);
  if (!levels) return levels.error();
  std::vector<double> times;
  for (const double level : *levels) times.push_back(level / (1 + level));
  return times;
}

std::vector<double> averaged(const std::vector<double>& picture, int side, int block) {
  const int small = side / block;
  std::vector<double> result(static_cast<std::size_t>(small * small * 3), 0.0);
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      for (int c = 0; c < 3; ++c) {
        result[static_cast<std::size_t>(((y / block) * small + x / block) * 3 + c)] +=
            picture[static_cast<std::size_t>((y * side + x) * 3 + c)] / (block * block);
      }
    }
  }
  return result;
}

std::vector<double> noised(const std::vector<double>& picture, double t, std::uint32_t word, std::uint64_t seed) {
  std::vector<double> result;
  for (std::size_t i = 0; i < picture.size(); i += 2) {
    const auto words = philox({static_cast<std::uint32_t>(i / 2), word, 62, 0}, philoxKey(seed));
    const auto z = philoxNormals(words[0], words[1]);
    result.push_back((1 - t) * picture[i] + t * z[0]);
    if (i + 1 < picture.size()) result.push_back((1 - t) * picture[i + 1] + t * z[1]);
  }
  return result;
}

}  // namespace

Expected<std::vector<double>> shiftedLevels(int steps, double kappa) {
  diffusion::GridRequest request;
  request.shift = kappa;
  // The ends are given behind the shift.
  request.sigmaMax = kappa * 999, request.sigmaMin = kappa / 999;
  return diffusion::stepLevels(*findRegistered<diffusion::Grid>("flow-shift"), steps, true, request);
}

bool ResolutionShift::touched(const LabContext& context) const {
  return context.anyChanged({"shift", "columns", "rows", "base", "time", "steps", "mean", "deviation", "seed"});
}

Expected<void> ResolutionShift::update(LabContext& context) {
  const double kappa = context.number("shift");
  const auto steps = static_cast<int>(context.integer("steps"));
  auto plain = stepTimes(steps, 1), shifted = stepTimes(steps, kappa);
  if (!plain) return plain.error();
  if (!shifted) return shifted.error();
  plain_ = *std::move(plain), shifted_ = *std::move(shifted);
  kappa_ = kappa, time_ = context.number("time");
  base_ = context.number("base");
  side_ = 16 * std::sqrt(context.number("columns") * context.number("rows"));
  mean_ = context.number("mean"), deviation_ = context.number("deviation");

  // The same picture at two sizes, at the same time and at the shifted one; below, without noise, and as seen in 32 x 32 cells.
  const auto seed = static_cast<std::uint64_t>(context.integer("seed"));
  shapeworld::Options options;
  options.split = shapeworld::Split::demo, options.profile = shapeworld::Profile::scene;
  const auto drawn = shapeworld::render(shapeworld::makeScene(3, options), largeSide, options);
  std::vector<double> large;
  for (const std::uint8_t v : drawn.rgb) large.push_back(v / 127.5 - 1);
  const std::vector<double> small = averaged(large, largeSide, largeSide / smallSide);
  const std::vector<std::vector<double>> pictures{noised(small, time_, 0, seed), noised(large, time_, 1, seed),
                                                  noised(large, shiftedTime(time_, kappa_), 1, seed)};
  Mosaic mosaic(2, 3, largeSide, 6);
  for (int i = 0; i < 3; ++i) {
    const auto& picture = pictures[static_cast<std::size_t>(i)];
    const int side = i == 0 ? smallSide : largeSide;
    mosaic.put(0, i, picture, side, side, spreadOf(picture));
    const auto seen = i == 0 ? small : averaged(picture, largeSide, largeSide / smallSide);
    mosaic.put(1, i, seen, smallSide, smallSide, spreadOf(seen));
  }
  mosaic_ = mosaic.pixels();
  mosaicRows_ = mosaic.height(), mosaicColumns_ = mosaic.width();
  return {};
}

// Three rulers over the uncertainty of a constant picture: the base resolution, the larger one at the same times, and at shifted times.
Panel ResolutionShift::rulerPanel() const {
  Panel panel;
  panel.id = "ruler";
  panel.title = tr("The same time destroys less of a large picture");
  panel.note = trf("κ = {:.3g}, exact {:.3g}", kappa_, exact());
  panel.legend = false;
  panel.x.label = tr("ln uncertainty of a constant picture");
  panel.y.visible = false;
  panel.y.range = Range{-0.75, 2.75};
  struct Row {
    double y, side, kappa;
    std::string name;
    Paint paint;
  };
  const std::string large = fmt::format("{:.0f}²", side_), small = fmt::format("{:.0f}²", base_);
  const Row rows[] = {{2, base_, 1, trf("{} pixels", small), Paint::of(Role::data)},
                      {1, side_, 1, trf("{} pixels, same t", large), Paint::of(Role::muted)},
                      {0, side_, kappa_, trf("{} pixels, t shifted by κ = {:.3g}", large, kappa_), Paint::of(Role::estimate)}};
  const auto placeOf = [](double t, double side) { return diffusion::logitOf(t) - std::log(side); };
  auto words = std::make_shared<TextMark>("names");
  // Guides down from the marks of the first ruler: where the others stand against it.
  std::vector<double> linkX, linkY;
  for (const double t : {0.05, 0.25, 0.5, 0.75, 0.95}) {
    linkX.insert(linkX.end(), {placeOf(t, base_), placeOf(t, base_), gap});
    linkY.insert(linkY.end(), {2.14, -0.14, gap});
  }
  const double left = placeOf(0.03, std::max(base_, side_));
  for (const Row& row : rows) {
    std::vector<double> x, y;
    const double first = placeOf(shiftedTime(0.05, row.kappa), row.side), last = placeOf(shiftedTime(0.95, row.kappa), row.side);
    x.insert(x.end(), {first, last, gap}), y.insert(y.end(), {row.y, row.y, gap});
    for (int i = 1; i <= 19; ++i) {
      const double t = i / 20.0, at = placeOf(shiftedTime(t, row.kappa), row.side);
      const double high = i % 5 == 0 || i == 1 || i == 19 ? 0.14 : 0.07;
      x.insert(x.end(), {at, at, gap}), y.insert(y.end(), {row.y - high, row.y + high, gap});
      if (i % 5 == 0 || i == 1 || i == 19) {
        words->words.push_back(
            {at, row.y - 0.2, formatNumber(std::round(100 * shiftedTime(t, row.kappa)) / 100), row.paint, HAlign::center, VAlign::top, 7});
      }
    }
    auto line = curveOf(fmt::format("row-{:.0f}", row.y), x, y, row.paint, {});
    line->width = 1;
    panel.marks.push_back(std::move(line));
    words->words.push_back(
        {0.5 * (first + last), row.y + 0.22, row.name, row.paint, HAlign::center, VAlign::baseline, 8, Weight::semibold});
  }
  auto links = curveOf("links", linkX, linkY, Paint::of(Role::data, 0.3f), {});
  links->width = 0.5f;
  panel.marks.insert(panel.marks.begin(), std::move(links));
  panel.marks.push_back(std::move(words));
  const double right = std::max(placeOf(0.97, base_), placeOf(shiftedTime(0.97, kappa_), side_));
  panel.x.range = Range{std::min(left, placeOf(shiftedTime(0.03, kappa_), side_)), right};
  panel.handles.push_back({"shift", placeOf(shiftedTime(0.5, kappa_), side_), 0, Handle::Kind::point, tr("Shift κ")});
  return panel;
}

Panel ResolutionShift::curvePanel() const {
  Panel panel;
  panel.id = "curve";
  panel.title = tr("Where a time goes");
  panel.x.label = tr("time t before the shift");
  panel.y.label = tr("time t after it");
  panel.x.range = panel.y.range = Range{0, 1};
  int series = 0;
  for (const double kappa : {1.0, 3.0, exact(), kappa_}) {
    const bool own = series == 3;
    std::vector<double> x, y;
    for (int i = 0; i <= 100; ++i) x.push_back(i / 100.0), y.push_back(shiftedTime(i / 100.0, kappa));
    auto curve = curveOf(fmt::format("curve-{}", series), x, y, own ? Paint::of(Role::estimate) : Paint::of(Role::muted),
                         own           ? trf("κ = {:.3g}", kappa)
                         : series == 2 ? trf("√(m / n) = {:.3g}", kappa)
                                       : fmt::format("{:.0f}", kappa));
    curve->width = own ? 1.6f : 0.8f;
    if (!own) curve->dash = {3, 2};
    curve->directLabel = own || series == 2;
    if (!curve->directLabel) curve->label.clear();
    panel.marks.push_back(std::move(curve));
    ++series;
  }
  auto middle = std::make_shared<PointsMark>("half");
  middle->xy = Tensor::from(Shape{1, 2}, {0.5f, static_cast<float>(shiftedTime(0.5, kappa_))});
  middle->radius = 3;
  middle->paint = Paint::of(Role::accent);
  panel.marks.push_back(std::move(middle));
  panel.note = trf("½ → {:.3f}, ln odds + {:.4f}", shiftedTime(0.5, kappa_), std::log(kappa_));
  panel.handles.push_back({"half", 0.5, shiftedTime(0.5, kappa_), Handle::Kind::point, tr("Shift κ")});
  return panel;
}

// The steps of a sampler on the axis of time.
Panel ResolutionShift::stepsPanel() const {
  Panel panel;
  panel.id = "steps";
  const auto above = [](const std::vector<double>& times) {
    return std::count_if(times.begin(), times.end(), [](double t) { return t >= 0.75; });
  };
  panel.title = tr("Where a sampler's steps stand");
  panel.note = trf("above t = 0.75: {} of {} → {}", above(plain_), plain_.size() - 1, above(shifted_));
  panel.x.label = tr("time t (data at 0)");
  panel.x.range = Range{-0.03, 1.03};
  panel.y.visible = false;
  panel.y.range = Range{-0.7, 1.75};
  panel.legend = false;
  auto words = std::make_shared<TextMark>("names");
  const auto row = [&](const char* id, const std::vector<double>& times, double y, const std::string& name, Paint paint) {
    std::vector<float> xy;
    for (const double t : times) xy.insert(xy.end(), {static_cast<float>(t), static_cast<float>(y)});
    auto points = std::make_shared<PointsMark>(id);
    points->xy = Tensor::from(Shape{static_cast<std::int64_t>(times.size()), 2}, xy);
    points->radius = 2.2f;
    points->paint = paint;
    points->name = tr("step");
    panel.marks.push_back(std::move(points));
    words->words.push_back({0, y + 0.2, name, paint, HAlign::left, VAlign::baseline, 8, Weight::semibold});
  };
  std::vector<double> linkX, linkY;
  for (std::size_t i = 0; i < std::min(plain_.size(), shifted_.size()); ++i) {
    linkX.insert(linkX.end(), {plain_[i], shifted_[i], gap});
    linkY.insert(linkY.end(), {0.95, 0.05, gap});
  }
  auto links = curveOf("links", linkX, linkY, Paint::of(Role::muted, 0.4f), {});
  links->width = 0.6f;
  panel.marks.push_back(std::move(links));
  auto rule = std::make_shared<RuleMark>("three-quarters");
  rule->at = 0.75;
  panel.marks.push_back(std::move(rule));
  row("plain", plain_, 1, tr("shift 1"), Paint::of(Role::data));
  row("shifted", shifted_, 0, trf("shift {:.3g}", kappa_), Paint::of(Role::estimate));
  words->words.back().y = -0.45;
  panel.marks.push_back(std::move(words));
  return panel;
}

// In training: the logit-normal density of times, and the same times shifted.
Panel ResolutionShift::densityPanel() const {
  Panel panel;
  panel.id = "training";
  panel.title = tr("A shift moves the mean of the logit by ln κ");
  panel.x.label = tr("time t (data at 0)");
  panel.x.range = Range{0, 1};
  panel.y.label = tr("density");
  const auto* law = diffusion::timeLaw("logit-normal");
  std::vector<double> x, before, after, predicted;
  double top = 0;
  for (int i = 0; i < 241; ++i) {
    const double t = 0.5 - 0.5 * std::cos(std::numbers::pi * (i + 0.5) / 241);
    x.push_back(t);
    before.push_back(law->density(t, mean_, deviation_));
    // The density of shifted times: back to the time before the shift, times how much the shift stretches there.
    const double back = shiftedTime(t, 1 / kappa_), stretch = kappa_ / std::pow(1 + (kappa_ - 1) * back, 2);
    after.push_back(law->density(back, mean_, deviation_) / stretch);
    predicted.push_back(law->density(t, mean_ + std::log(kappa_), deviation_));
    top = std::max({top, before.back(), after.back()});
  }
  panel.y.range = Range{0, 1.08 * top};
  const auto add = [&](const char* id, const std::vector<double>& y, Paint paint, const std::string& name, bool dashed) {
    auto curve = curveOf(id, x, y, paint, name);
    if (dashed) curve->dash = {4, 3}, curve->width = 2;
    curve->directLabel = false;
    panel.marks.push_back(std::move(curve));
  };
  add("before", before, Paint::of(Role::muted), trf("logit-normal, m = {:.3g}", mean_), false);
  add("after", after, Paint::of(Role::estimate), trf("its times shifted by κ = {:.3g}", kappa_), false);
  add("predicted", predicted, Paint::of(Role::stochastic), trf("logit-normal, m = {:.3g}", mean_ + std::log(kappa_)), true);
  return panel;
}

Panel ResolutionShift::picturesPanel() const {
  Panel panel = picturePanel("noised", mosaicColumns_, mosaicRows_, 22, 4, 26);
  panel.title = tr("Seen from afar, a large picture keeps more");
  panel.note = trf("t = {:.2f}", time_);
  panel.marks.push_back(pictureMark("pictures", mosaic_));
  auto words = std::make_shared<TextMark>("names");
  const double cell = largeSide + 6;
  const std::string names[] = {trf("{}² pixels, t = {:.2f}", smallSide, time_), trf("{}² pixels, t = {:.2f}", largeSide, time_),
                               trf("{}² pixels, t = {:.2f}", largeSide, shiftedTime(time_, kappa_))};
  for (int i = 0; i < 3; ++i) {
    words->words.push_back(
        {i * cell + largeSide / 2.0, -6, names[i], Paint::of(i == 2 ? Role::estimate : Role::ink), HAlign::center, VAlign::baseline, 7.5f});
    words->words.push_back({i * cell + largeSide / 2.0, mosaicRows_ + 4.0, i == 0 ? tr("without noise") : tr("means of 4 × 4 pixels"),
                            Paint::of(Role::muted), HAlign::center, VAlign::top, 7});
  }
  panel.marks.push_back(std::move(words));
  return panel;
}

Panel ResolutionShift::overview() const { return rulerPanel(); }

Figure ResolutionShift::detail() const {
  Figure figure;
  place(figure, rulerPanel(), 0, 0, 1, 2);
  place(figure, picturesPanel(), 0, 2);
  place(figure, curvePanel(), 1, 0);
  place(figure, stepsPanel(), 1, 1);
  place(figure, densityPanel(), 1, 2);
  return figure;
}

void ResolutionShift::addMetrics(std::vector<Metric>& metrics) const {
  const auto share = [](const std::vector<double>& times) {
    const auto above = std::count_if(times.begin(), times.end(), [](double t) { return t >= 0.75; });
    return static_cast<double>(above) / static_cast<double>(times.size() - 1);
  };
  metrics.push_back({"shift.exact", exact(), ""});
  metrics.push_back({"shift.half", shiftedTime(0.5, kappa_), ""});
  metrics.push_back({"shift.log-odds", diffusion::logitOf(shiftedTime(0.3, kappa_)) - diffusion::logitOf(0.3), "nats"});
  metrics.push_back({"shift.steps-above.plain", share(plain_), ""});
  metrics.push_back({"shift.steps-above", share(shifted_), ""});
}

Changes ResolutionShift::pointer(const PointerEvent& event, const Values&) const {
  if (event.kind != PointerEvent::Kind::drag) return {};
  if (event.handle == "shift") return {{"shift", std::clamp(std::exp(event.x + std::log(side_)), 0.25, 12.0)}};
  // The time that one half goes to is kappa / (1 + kappa).
  if (event.handle == "half" && event.y > 0 && event.y < 1) return {{"shift", std::clamp(event.y / (1 - event.y), 0.25, 12.0)}};
  return {};
}

}  // namespace orrery::generative::sd3
