#include "core/labs/generative/shared/picture_memory_lab.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/base/parallel.h"
#include "core/base/text.h"
#include "core/diffusion/noise.h"
#include "core/labs/generative/shared/picture_choice.h"
#include "core/labs/generative/shared/plane_or_pictures.h"

namespace orrery::generative {

using diffusion::State;

namespace {

constexpr std::uint32_t startPurpose = 60;
constexpr std::size_t mostCompared = 64;  // pictures whose nearest other one is looked for
constexpr std::int64_t filmTiles = 9;
// Below this share of the distance between pictures a sample is a copy: far below what an eye sees.
constexpr double copyShare = 0.02;
// Beyond it D is the mean of the set to 1e-6, and a path may end where no data are left.
constexpr double mostLevel = 1e6;

constexpr std::string_view pictureOnly[] = {"chosen", "picture-chart"};

State rounded(State x) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<double>(static_cast<float>(x[i]));
  return x;
}

}  // namespace

std::vector<diffusion::PointSet::Answer> PictureMemory::ask(const State& x, double alpha, double sigma) const {
  std::vector<diffusion::PointSet::Answer> answers(samplesOf(x));
  const double scale = std::max(alpha, sigma / mostLevel);
  parallelFor(answers.size(), 0, [&](std::size_t i) {
    const auto one = x.values().subspan(i * values(), values());
    std::vector<double> scaled(one.begin(), one.end());
    for (double& v : scaled) v /= scale;
    answers[i] = sigma > 0 ? set.ask(scaled, sigma / scale) : diffusion::PointSet::Answer{State(std::move(scaled)), 1, 0};
  });
  return answers;
}

State PictureMemory::denoise(const State& x, double alpha, double sigma) const {
  State clean(x.size());
  const auto answers = ask(x, alpha, sigma);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    for (std::size_t v = 0; v < values(); ++v) clean[i * values() + v] = answers[i].mean[v];
  }
  return clean;
}

Expected<PictureMemory> pictureMemory(LabContext& context) {
  const std::int64_t side = context.integer("side"), count = context.integer("memory");
  Expected<PictureSet> set = chosenPictures(context, side, count, 0, 2);
  if (!set) return set.error();
  PictureMemory memory;
  memory.side = side;
  memory.set.dimension = static_cast<std::size_t>(3 * side * side);
  double sum = 0, squares = 0;
  for (const std::uint8_t v : set->train) {
    memory.set.points.push_back((2.0f * static_cast<float>(v) - 255.0f) / 255.0f);
    const auto x = static_cast<double>(memory.set.points.back());
    sum += x, squares += x * x;
  }
  const auto n = static_cast<double>(set->train.size());
  memory.deviation = std::sqrt(std::max(squares / n - sum / n * (sum / n), 1e-6));
  const std::size_t compared = std::min(memory.set.size(), mostCompared);
  std::vector<double> distances(compared);
  parallelFor(compared, 0, [&](std::size_t k) {
    const auto from = memory.set.points.begin() + static_cast<std::ptrdiff_t>(k * memory.values());
    const std::vector<double> picture(from, from + static_cast<std::ptrdiff_t>(memory.values()));
    distances[k] = memory.set.nearestBut(k, picture).distance;
  });
  for (const double d : distances) memory.apart += d / static_cast<double>(compared);
  if (context.cancelled()) return makeError(ErrorCode::cancelled, tr("Cancelled"));
  return memory;
}

std::vector<Parameter> PictureMemoryLab::dataParameters() {
  const auto whole = [](std::int64_t v) { return Value(v); };
  Parameter data = planeOrPicturesParameter();
  data.help = "Points of the plane, whose density is known; or pictures, under the ideal denoiser of a set of them.";
  std::vector<Parameter> parameters = pictureFileParameters("PNG or JPEG: its patches are what is known.");
  parameters.insert(parameters.begin(), std::move(data));
  parameters.push_back({"side", "Side of a picture", "Pictures are side × side pixels in colour.", "Data", whole(16), Integer{8, 32}, "px", onPictures});
  parameters.push_back({"memory", "Pictures in memory", "How many pictures the ideal denoiser knows.", "Data", whole(512), Integer{2, 4096, true},
                        "", onPictures});
  return parameters;
}

std::vector<Parameter> PictureMemoryLab::pictureParameters() {
  const auto whole = [](std::int64_t v) { return Value(v); };
  return shownOnPictures({
      {"samples", "Samples", "How many pictures are made, each from noise of its own.", "Picture", whole(8), Integer{1, 24}},
      {"picture-chart", "Chart", "What the chart beside the film strip shows.", "Picture", std::string("candidates"),
       Choice{{{"candidates", "How many pictures it could be"}, {"distance", "Distance to the nearest picture"}}}},
      {"chosen", "Chosen picture", "Its place in the grid, row by row; click a picture.", "Picture", whole(0), Integer{0, 23}},
  });
}

std::vector<View> PictureMemoryLab::views() {
  return {{"state", "Pictures on their way"},
          {"expected", "What the denoiser expects"},
          {"nearest", "Nearest known picture"},
          {"strip", "Film strip of one picture"},
          {"candidates", "How many pictures it could be"},
          {"distances", "Distance to the nearest picture"}};
}

bool PictureMemoryLab::keepsTime(const LabContext& context) const {
  if (context.restarting() || course_ == nullptr) return false;
  for (const auto& [id, value] : context.values()) {
    if (context.changed(id) && std::find(std::begin(pictureOnly), std::end(pictureOnly), id) == std::end(pictureOnly)) return false;
  }
  return true;
}

Expected<void> PictureMemoryLab::update(LabContext& context) {
  if (!keepsTime(context)) {
    Expected<PictureMemory> memory = memory_;
    const bool known = course_ != nullptr && !context.restarting() && !picturesChanged(context) && !context.changed("memory");
    if (!known) memory = pictureMemory(context);
    if (!memory) return memory.error();
    auto course = plan_(context, *memory);
    if (!course) return course.error();
    memory_ = *std::move(memory);
    course_ = *std::move(course);
    samples_ = static_cast<std::size_t>(context.integer("samples"));
    const auto seed = static_cast<std::uint64_t>(context.integer("seed"));
    state_ = rounded(course_->start * diffusion::Noise(seed, samples_ * memory_.values()).fresh(0, startPurpose));
    frame_ = 0;
    records_.clear(), film_.clear();
    look();
  }
  chart_ = context.text("picture-chart");
  chosen_ = std::min(static_cast<std::size_t>(context.integer("chosen")), samples_ - 1);
  return {};
}

void PictureMemoryLab::look() {
  const PictureCourse::Stop& stop = course_->stops[static_cast<std::size_t>(frame_)];
  const auto answers = memory_.ask(state_, stop.alpha, stop.sigma);
  clean_ = State(state_.size());
  Record record;
  record.candidates.resize(samples_), record.distances.resize(samples_), record.nearest.resize(samples_);
  parallelFor(samples_, 0, [&](std::size_t i) {
    const auto found = memory_.set.nearest(answers[i].mean.values());
    record.nearest[i] = found.index, record.distances[i] = found.distance, record.candidates[i] = answers[i].candidates;
  });
  for (std::size_t i = 0; i < samples_; ++i) {
    for (std::size_t v = 0; v < memory_.values(); ++v) clean_[i * memory_.values() + v] = answers[i].mean[v];
  }
  records_[frame_] = std::move(record);
  const auto shown = filmFrames();
  if (std::find(shown.begin(), shown.end(), frame_) != shown.end()) film_[frame_] = {state_, clean_};
}

std::vector<std::int64_t> PictureMemoryLab::filmFrames() const {
  const auto last = static_cast<std::int64_t>(course_->stops.size()) - 1, tiles = std::min(filmTiles, last + 1);
  std::vector<std::int64_t> frames;
  for (std::int64_t i = 0; i < tiles; ++i) frames.push_back(tiles > 1 ? (i * last + (tiles - 1) / 2) / (tiles - 1) : 0);
  return frames;
}

Expected<bool> PictureMemoryLab::advance(LabContext& context) {
  if (frame_ + 1 >= static_cast<std::int64_t>(course_->stops.size())) return false;
  if (context.cancelled()) return makeError(ErrorCode::cancelled, tr("Cancelled"));
  state_ = rounded(course_->step(static_cast<std::size_t>(frame_), state_, clean_, memory_));
  ++frame_;
  look();
  return true;
}

Timeline PictureMemoryLab::timeline() const {
  const auto frames = course_ == nullptr ? std::int64_t{1} : static_cast<std::int64_t>(course_->stops.size());
  return {frames, "step", std::clamp(static_cast<double>(frames) / 10, 4.0, 60.0)};
}

std::vector<Tensor> PictureMemoryLab::capture() const {
  return {Tensor::from(Shape{static_cast<std::int64_t>(state_.size())}, std::vector<float>(state_.begin(), state_.end()))};
}

void PictureMemoryLab::restore(std::int64_t frame, std::vector<Tensor> state) {
  frame_ = frame;
  const auto values = state.front().as<float>();
  state_ = State(std::vector<double>(values.begin(), values.end()));
  look();
}

std::vector<Metric> PictureMemoryLab::metrics() const {
  if (course_ == nullptr) return {};
  const PictureCourse::Stop& stop = course_->stops[static_cast<std::size_t>(frame_)];
  const Record& now = record();
  double candidates = 0, distance = 0, copies = 0;
  for (std::size_t i = 0; i < samples_; ++i) {
    candidates += now.candidates[i] / static_cast<double>(samples_), distance += now.distances[i] / static_cast<double>(samples_);
    copies += now.distances[i] <= copyShare * memory_.apart ? 1 : 0;
  }
  std::vector<Metric> result{{"t", stop.time, ""},
                             {"alpha", stop.alpha, ""},
                             {"sigma", stop.sigma, ""},
                             {"evaluations", static_cast<double>(stop.evaluations), ""},
                             {"pictures", static_cast<double>(memory_.set.size()), ""},
                             {"pictures.apart", memory_.apart, ""},
                             {"candidates", candidates, "pictures"},
                             {"distance", distance, ""},
                             {"copies", copies, "samples"},
                             {"different", static_cast<double>(std::set(now.nearest.begin(), now.nearest.end()).size()), "pictures"}};
  for (std::size_t i = 0; i < samples_; ++i) {
    result.push_back({"sample." + std::to_string(i) + ".nearest", static_cast<double>(now.nearest[i]), ""});
    result.push_back({"sample." + std::to_string(i) + ".distance", now.distances[i], ""});
  }
  return result;
}

Changes PictureMemoryLab::pointer(const PointerEvent& event, const Values&) const {
  const bool grid = event.panel == "state" || event.panel == "expected" || event.panel == "nearest";
  if (course_ == nullptr || !grid || event.kind != PointerEvent::Kind::click || event.x < 0 || event.y < 0) return {};
  const auto column = static_cast<std::size_t>(event.x), row = static_cast<std::size_t>(event.y / mosaic(perRow(), true).pitch());
  const std::size_t index = row * perRow() + column;
  if (column >= perRow() || index >= samples_) return {};
  return {{"chosen", static_cast<std::int64_t>(index)}};
}

}  // namespace orrery::generative
