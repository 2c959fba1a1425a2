// Image diffusion: any of the forty samplers on pictures, driven by the bundled tiny-dit, a dropped diffusion transformer or ONNX graph, or
// the ideal denoiser of a set of pictures, whole or local. State x = x_t / alpha_t against the relative noise level sigma, double
// precision on the host; the network runs on the device in f32, D is what it says there (core/models/trained_dit.h). Sources: Ho et al.
// 2020; Karras et al. 2022; Peebles and Xie 2023 (DiT); Ho and Salimans 2022 (guidance); Song et al. 2021 (inversion by the ODE).
// Random numbers, key = seed: picture c of a row starts from the values [c V, (c + 1) V) of core/diffusion/noise.h off the path (step 0,
// purpose 0), V = channels S S; the same in every row unless the rows are seeds. Between two noises a and b of deviation 1: slerp, (sin((1
// - t) w) a + sin(t w) b) / sin w with w the angle between them (White 2016), which keeps the length.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/labs/generative/image_diffusion/lab.h"
#include "core/labs/generative/image_diffusion/memory.h"
#include "core/labs/generative/shared/number_list.h"
#include "core/labs/generative/shared/stated_network.h"
#include "core/labs/generative/shared/step_grid.h"
#include "core/models/bundled.h"

namespace orrery::generative {

using diffusion::Run;
using diffusion::SamplerOptions;
using diffusion::State;

namespace {

struct Cancelled {};

constexpr std::uint32_t mostColumns = 12;

State part(const State& all, std::size_t index, std::size_t size) {
  const auto from = all.begin() + static_cast<std::ptrdiff_t>(index * size);
  return State(std::vector<double>(from, from + static_cast<std::ptrdiff_t>(size)));
}

void append(std::vector<double>& to, const State& values) { to.insert(to.end(), values.begin(), values.end()); }

State between(const State& a, const State& b, double t) {
  double aa = 0, bb = 0, ab = 0;
  for (std::size_t i = 0; i < a.size(); ++i) aa += a[i] * a[i], bb += b[i] * b[i], ab += a[i] * b[i];
  const double angle = std::acos(std::clamp(ab / std::sqrt(aa * bb), -1.0, 1.0));
  return (std::sin((1 - t) * angle) / std::sin(angle)) * a + (std::sin(t * angle) / std::sin(angle)) * b;
}

// Whether a network is asked, ours or the user's, and not a set of pictures.
bool asksNetwork(const LabContext& context) {
  const std::string& kind = context.text("denoiser");
  return kind == "tiny-dit" || kind == "file";
}

bool beginsWithPictures(const LabContext& context) {
  return context.text("experiment") == "inversion" || context.text("experiment") == "pictures";
}

// The set of pictures chosen, of so many pictures and pixels.
Expected<KnownPictures> chosenSet(LabContext& context, std::int64_t side, std::int64_t count, std::int64_t others) {
  const std::string& set = context.text("set");
  const auto seed = static_cast<std::uint64_t>(context.integer("seed"));
  const Watch watch = [&](double done) {
    context.progress(done, tr("Reading the pictures"));
    return !context.cancelled();
  };
  return set == "patches"  ? patchesKnown(context.file("image").path, side, count, others, seed)
         : set == "folder" ? folderKnown(context.file("folder").path, context.text("files"), side, count, others, watch)
         : set == "array"  ? arrayKnown(context.file("array").path, side, count, others, watch)
                           : shapeWorldKnown(static_cast<std::uint32_t>(count), static_cast<std::uint32_t>(others),
                                             static_cast<std::uint32_t>(seed % 1000));
}

}  // namespace

Expected<void> ImageDiffusion::openDenoiser(LabContext& context) {
  const std::string& kind = context.text("denoiser");
  if (!asksNetwork(context)) {
    auto known = chosenSet(context, context.integer("side"), context.integer("memory"), mostColumns);
    if (!known) return known.error();
    LocalWindow window;
    if (kind == "local") window = {context.integer("window-far"), context.integer("window-near")};
    denoiser_ = memoryDenoiser(*std::move(known), window);
    return {};
  }
  if (kind == "tiny-dit") {
    auto opened = networkDenoiser(context.stream(), models::bundledFolder("tiny-dit"), {});
    if (!opened) return opened.error();
    denoiser_ = *std::move(opened);
    return takePictures(context);
  }
  const std::string& path = context.file("network").path;
  if (path.empty()) {
    return makeError(ErrorCode::usage,
                     tr("no network yet: drop a DiT's safetensors file ('orrery train tiny-dit' makes one) or an ONNX graph "
                        "from pictures and a time, or choose another denoiser"));
  }
  const models::DitStated stated{statedNetwork(context), context.integer("heads")};
  const std::int64_t none = context.integer("null-class");
  auto opened = networkDenoiser(context.stream(), path, stated, none >= 0 ? std::optional(none) : std::nullopt);
  if (!opened) return opened.error();
  denoiser_ = *std::move(opened);
  return takePictures(context);
}

// The user's pictures for a network that is to take pictures to their noise.
Expected<void> ImageDiffusion::takePictures(LabContext& context) {
  denoiser_->taken.clear();
  if (context.text("set") == "shapeworld" || !beginsWithPictures(context)) return {};
  auto pictures = chosenSet(context, denoiser_->side, mostColumns, 0);
  if (!pictures) return pictures.error();
  denoiser_->taken = std::move(pictures->known);
  return {};
}

SamplerOptions ImageDiffusion::optionsFrom(const LabContext& context) const {
  SamplerOptions o;
  o.eta = context.number("eta");
  o.churn = context.number("churn");
  o.dimension = denoiser_->values();
  return o;
}

// Values of deviation 1 for pictures first ... first + count - 1 of a seed.
State ImageDiffusion::picturesNoise(std::uint64_t seed, std::size_t first, std::size_t count) const {
  const std::size_t size = denoiser_->values();
  const State all = diffusion::Noise(seed, (first + count) * size).fresh(0, 0);
  const auto from = all.begin() + static_cast<std::ptrdiff_t>(first * size);
  return State(std::vector<double>(from, all.end()));
}

Expected<std::vector<ImageDiffusion::Row>> ImageDiffusion::plan(const LabContext& context) const {
  const auto columns = static_cast<std::size_t>(context.integer("columns"));
  const std::size_t size = denoiser_->values(), classes = denoiser_->classNames.size();
  const auto options = optionsFrom(context);
  const bool file = context.text("denoiser") == "file";
  const auto none = static_cast<std::uint32_t>(classes);
  const std::int64_t label = context.integer("label");
  if (file && classes > 0 && label >= static_cast<std::int64_t>(classes)) {
    return makeError(ErrorCode::usage, trf("Class number {} is beyond the network's {} classes (0 to {})", label, classes, classes - 1));
  }
  if (file && label < 0 && denoiser_->alwaysClass) {
    return makeError(ErrorCode::usage,
                     tr("This network must be told a class and which one means none is not known: choose a class number from 0, "
                        "or state its null class"));
  }
  if (experiment_ == "guidance" && !denoiser_->noGuidance.empty()) {
    return makeError(ErrorCode::usage, trf("Rows of guidance scales would all be the same: {}", denoiser_->noGuidance));
  }
  std::uint32_t wanted = none;
  if (file && classes > 0 && label >= 0) wanted = static_cast<std::uint32_t>(label);
  if (!file) {
    const auto found = std::find(denoiser_->classNames.begin(), denoiser_->classNames.end(), context.text("class"));
    wanted = static_cast<std::uint32_t>(found - denoiser_->classNames.begin());
  }

  Row base;
  base.options = options;
  const auto setSampler = [&](Row& row, const std::string& id, double evaluations) -> Expected<void> {
    row.sampler = diffusion::namedSampler(id, row.options);
    if (row.sampler == nullptr || id == "ddim-inversion") {
      return makeError(ErrorCode::usage, trf("There is no sampler '{}'; 'orrery data generative/samplers' names them all", id));
    }
    row.steps = std::max(1, static_cast<int>(std::lround(evaluations / row.sampler->evaluations)));
    return {};
  };
  const std::string sampler = context.text("sampler");
  const auto budget = static_cast<double>(context.integer("nfe"));
  if (auto set = setSampler(base, sampler, budget); !set) return set.error();
  base.guidance = context.number("guidance");
  base.labels.assign(columns, wanted);
  base.start = picturesNoise(seed_, 0, columns);
  const auto className = [&](std::uint32_t c) { return c == none ? tr("anything") : tr(denoiser_->classNames[c]); };

  std::vector<Row> rows;
  if (experiment_ == "classes" || experiment_ == "interpolation") {
    const auto first = static_cast<std::uint32_t>(file ? std::max<std::int64_t>(label, 0) : 0);
    const std::uint32_t count = std::min<std::uint32_t>(none - std::min(first, none), 4);
    if (count == 0) {  // pictures without classes: one row of anything
      Row row = base;
      row.id = "any", row.name = className(none);
      rows.push_back(std::move(row));
    }
    for (std::uint32_t c = first; c < first + count; ++c) {
      Row row = base;
      row.id = std::to_string(c), row.name = className(c);
      row.labels.assign(columns, c);
      rows.push_back(std::move(row));
    }
    if (experiment_ == "interpolation") {
      const State ends = picturesNoise(seed_, 0, 2);
      std::vector<double> starts;
      for (std::size_t i = 0; i < columns; ++i) {
        const double t = columns > 1 ? static_cast<double>(i) / static_cast<double>(columns - 1) : 0;
        append(starts, between(part(ends, 0, size), part(ends, 1, size), t));
      }
      for (Row& row : rows) row.start = State(starts);
    }
  } else if (experiment_ == "seeds") {
    for (std::size_t r = 0; r < 4; ++r) {
      Row row = base;
      row.id = std::to_string(r), row.name = trf("{} to {}", r * columns + 1, (r + 1) * columns);
      row.start = picturesNoise(seed_, r * columns, columns);
      rows.push_back(std::move(row));
    }
  } else if (experiment_ == "samplers") {
    for (const std::string& id : separated(context.text("compared"))) {
      Row row = base;
      row.options = options;
      if (auto set = setSampler(row, id, budget); !set) return set.error();
      row.id = id, row.name = tr(row.sampler->title);
      rows.push_back(std::move(row));
    }
    if (rows.empty() || rows.size() > 12) {
      return makeError(ErrorCode::usage, trf("Samplers compared: expected 1 to 12 ids separated by commas, found {}", rows.size()));
    }
  } else if (experiment_ == "guidance") {
    const auto scales = numbersIn(context.text("guidances"), tr("Guidance scales"), {0, 100});
    if (!scales) return scales.error();
    for (const double w : *scales) {
      Row row = base;
      row.id = fmt::format("{:g}", w), row.name = fmt::format("w = {:g}", w);
      row.guidance = w;
      rows.push_back(std::move(row));
    }
  } else if (experiment_ == "budget") {
    const auto budgets = numbersIn(context.text("budgets"), tr("Evaluations compared"), {1, 1024});
    if (!budgets) return budgets.error();
    for (const double n : *budgets) {
      Row row = base;
      if (auto set = setSampler(row, sampler, n); !set) return set.error();
      row.id = fmt::format("{:g}", n), row.name = fmt::format("{:g}", n);
      rows.push_back(std::move(row));
    }
  } else {
    // There and back: up the ODE, then down it; the first row is what comes out. Or down it from noises between those of two pictures.
    const bool between = experiment_ == "pictures";
    Row row = base;
    row.id = between ? "sphere" : "back", row.name = between ? tr("sphere") : tr("back");
    row.guidance = 1;
    if (denoiser_->channels != 3) {
      return makeError(ErrorCode::usage,
                       trf("There and back needs a denoiser of colour pictures, this one has {} channel", denoiser_->channels));
    }
    row.labels.assign(columns, denoiser_->alwaysClass ? wanted : none);
    row.start = picturesTaken(context, between ? 2 : columns);
    rows.push_back(row);
    if (between) {
      row.id = "line", row.name = tr("line");
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

// Neighbouring rows that go through one sampler with the same steps and guidance go together: the denoiser is asked for all their
// pictures at once, which costs a network little more than for one row. Not where a picture's steps depend on the others.
Expected<void> ImageDiffusion::runAll(LabContext& context, std::span<Row> rows, double done, double share, const Told& told) const {
  const double each = share / static_cast<double>(rows.size());
  for (std::size_t first = 0, count = 0; first < rows.size(); first += count) {
    const auto joins = [&](const Row& row) {
      return !row.sampler->couples && row.sampler == rows[first].sampler && row.steps == rows[first].steps &&
             row.guidance == rows[first].guidance;
    };
    count = 1;
    while (first + count < rows.size() && joins(rows[first + count])) ++count;
    auto ran = run(context, rows.subspan(first, count), done + each * static_cast<double>(first), each * static_cast<double>(count), told);
    if (!ran) return ran;
  }
  return {};
}

// Rows of one sampler, steps and guidance. The noise of a column is the same in all of them, at the start as the rows have it and on the
// way.
Expected<void> ImageDiffusion::run(LabContext& context, std::span<Row> rows, double done, double share, const Told& told) const {
  Row& first = rows.front();
  auto levels = diffusion::stepLevels(*grid_, first.steps, finalZero_, request_);
  if (!levels) return levels.error();
  struct Asked {
    double level;
    State clean;
  };
  std::vector<Asked> asked;
  const std::size_t size = first.start.size();
  std::vector<double> starts;
  std::vector<std::uint32_t> labels;
  for (const Row& row : rows) {
    append(starts, row.start);
    labels.insert(labels.end(), row.labels.begin(), row.labels.end());
  }
  for (Row& row : rows) row.looks.clear();
  const std::string doing = rows.size() == 1 ? trf("Denoising: {}", first.name) : trf("Denoising {} pictures", labels.size());
  const double expected = std::max(1.0, first.sampler->evaluations * first.steps);
  const auto denoise = [&](const State& x, double level) {
    if (context.cancelled()) throw Cancelled();
    context.progress(done + share * std::min(static_cast<double>(asked.size()) / expected, 1.0), doing);
    State clean = denoiser_->denoise(context.stream(), x, level, labels, first.guidance);
    asked.push_back({level, clean});
    for (std::size_t r = 0; r < rows.size(); ++r)
      rows[r].looks.push_back({level, static_cast<int>(asked.size()), part(x, r, size), part(clean, r, size)});
    told();
    return clean;
  };
  SamplerOptions options = first.options;
  options.noisePeriod = size;
  Run sampling(denoise, *levels, seed_, starts.size(), options);
  sampling.record = true;
  const auto end = diffusion::sample(*first.sampler, sampling, levels->front() * State(std::move(starts)));
  if (!end) return end.error();
  for (Row& row : rows) row.looks.clear();
  for (const diffusion::Visit& visit : sampling.visits) {
    // What the denoiser said nearest to this level, the later of two; the last picture is its own.
    const bool last = &visit == &sampling.visits.back();
    const auto distance = [&](const Asked& a) { return std::abs(std::log(a.level / std::max(visit.level, 1e-9))); };
    const Asked* nearest = &asked.front();
    for (const Asked& a : asked) {
      if (distance(a) <= distance(*nearest)) nearest = &a;
    }
    for (std::size_t r = 0; r < rows.size(); ++r) {
      rows[r].looks.push_back({visit.level, visit.evaluations, part(visit.x, r, size), part(last ? visit.x : nearest->clean, r, size)});
    }
  }
  return {};
}

// The pictures of the experiments that begin with pictures: `count` of those the denoiser knows or of those it does not.
State ImageDiffusion::picturesTaken(const LabContext& context, std::size_t count) const {
  const bool known = context.text("taken") == "known";
  std::vector<double> all;
  for (std::size_t i = 0; i < count; ++i) {
    if (!denoiser_->taken.empty()) {
      append(all, denoiser_->knownPicture(i));
      continue;
    }
    const std::size_t index = static_cast<std::size_t>(seed_ % 1000) + i;
    // Its own held-out pictures begin with the seed's already.
    append(all, known ? denoiser_->knownPicture(index) : denoiser_->heldOutPicture(denoiser_->knownCount() > 0 ? i : index));
  }
  return State(std::move(all));
}

// Takes pictures to noise of deviation 1 by DDIM inversion on the row's own levels. `up`, unless null, keeps the way.
Expected<State> ImageDiffusion::noiseOf(LabContext& context, const Row& row, const State& pictures, Row* up) const {
  const auto levels = diffusion::stepLevels(*grid_, row.steps, finalZero_, request_);
  if (!levels) return levels.error();
  std::size_t asked = 0;
  const std::vector<std::uint32_t> labels(pictures.size() / denoiser_->values(), row.labels.front());
  const auto denoise = [&](const State& x, double level) {
    if (context.cancelled()) throw Cancelled();
    context.progress(0.5 * std::min(static_cast<double>(asked++) / static_cast<double>(levels->size()), 1.0),
                     tr("Taking the pictures to their noise"));
    return denoiser_->denoise(context.stream(), x, level, labels, 1);
  };
  Run inversion(denoise, *levels, seed_, pictures.size(), row.options);
  inversion.record = up != nullptr;
  const auto noise = diffusion::sample(*findRegistered<diffusion::Sampler>("ddim-inversion"), inversion, pictures);
  if (!noise) return noise.error();
  if (up != nullptr) {
    for (diffusion::Visit& visit : inversion.visits) up->looks.push_back({visit.level, visit.evaluations, visit.x, pictures});
    // Its first visit is the picture itself, whatever level the grid begins with.
    up->looks.front().level = 0;
  }
  return *noise / levels->front();
}

// Takes the pictures of the row to noise, then lets the row sample from there. The rows that come out: the pictures on their way to noise,
// and what came back.
Expected<void> ImageDiffusion::invert(LabContext& context, std::vector<Row>& rows, const Told& told) const {
  rows.insert(rows.begin(), rows.front());
  Row &up = rows[0], &back = rows[1];
  up.id = "there", up.name = tr("there");
  auto noise = noiseOf(context, back, back.start, &up);
  if (!noise) return noise.error();
  back.start = *std::move(noise);
  return run(context, std::span(&back, 1), 0.5, 0.5, told);
}

// Takes two pictures to their noises and samples from noises between: on the sphere and, in the second row, on the straight line.
Expected<void> ImageDiffusion::walk(LabContext& context, std::vector<Row>& rows, const Told& told) const {
  const std::size_t size = denoiser_->values(), columns = rows.front().labels.size();
  const auto noise = noiseOf(context, rows.front(), rows.front().start, nullptr);
  if (!noise) return noise.error();
  const State a = part(*noise, 0, size), b = part(*noise, 1, size);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::vector<double> starts;
    for (std::size_t i = 0; i < columns; ++i) {
      const double t = columns > 1 ? static_cast<double>(i) / static_cast<double>(columns - 1) : 0;
      append(starts, r == 0 ? between(a, b, t) : (1 - t) * a + t * b);
    }
    rows[r].start = State(std::move(starts));
  }
  return runAll(context, rows, 0.5, 0.5, told);
}

// What the network says at the first, the middle and the last noise level of a row, guided as the row is: elsewhere its path is none of its
// own.
NetworkProbe ImageDiffusion::probed(LabContext& context, const Row& row) const {
  std::size_t last = row.looks.size() - 1;
  while (last > 0 && row.looks[last].level <= 0) --last;
  NetworkProbe probe;
  for (const std::size_t i : {std::size_t{0}, std::size_t{1}, std::size_t{2}}) {
    const Look& look = row.looks[row.id == "there" ? last - i * last / 2 : i * last / 2];
    const State clean = denoiser_->denoise(context.stream(), look.x, look.level, row.labels, row.guidance);
    probe.look(i, look.x, clean, look.level, denoiser_->values());
    // At a high level the noise hides what is wrong with x0: sigma = 80 times an eighth of it is ten times a picture. Guidance overdraws,
    // so a factor of two is allowed.
    double squares = 0;
    for (const double v : clean) squares += v * v;
    const double size = std::sqrt(squares / static_cast<double>(clean.size()));
    if (probe.complaint.empty() && !(size < 2)) {
      probe.complaint = trf("its x̂₀ at σ = {} has deviation {}, and pictures lie between −1 and 1: is what is said of the network true?",
                            fmt::format("{:.3g}", look.level), fmt::format("{:.3g}", size));
    }
  }
  return probe;
}

Expected<void> ImageDiffusion::update(LabContext& context) {
  chosen_ = context.integer("chosen");
  beside_ = context.text("beside");
  if (beside_ == "nearest" && asksNetwork(context)) {
    return makeError(ErrorCode::usage,
                     tr("A network keeps no pictures that one could be nearest: choose perfect or local memory, or show x̂₀ beside"));
  }
  if (keepsTime(context)) return {};
  if (denoiser_ == nullptr || context.restarting() ||
      context.anyChanged({"denoiser", "network", "prediction", "schedule", "told-time", "null-class", "heads", "memory", "set", "image",
                          "folder", "files", "array", "side", "window-far", "window-near", "seed"})) {
    auto before = std::move(denoiser_);
    if (auto opened = openDenoiser(context); !opened) {
      denoiser_ = std::move(before);
      return opened.error();
    }
  } else if (asksNetwork(context) && context.changed("experiment")) {
    if (auto taken = takePictures(context); !taken) return taken;
  }
  grid_ = &chosenGrid(context);
  request_ = gridRequest(context);
  finalZero_ = context.flag("final-zero");
  seed_ = static_cast<std::uint64_t>(context.integer("seed"));
  experiment_ = context.text("experiment");
  auto rows = plan(context);
  if (!rows) return rows.error();
  for (const Row& row : *rows) {
    if (auto known = denoiser_->knows(context.stream(), row.labels.front()); !known) return known.error();
  }
  guidanceMissing_ = context.number("guidance") != 1 ? denoiser_->noGuidance : std::string();
  const Told told = [&] { context.preview([&] { return unfinished(*rows, context.integer("columns")); }); };
  try {
    if (experiment_ == "inversion") {
      if (auto inverted = invert(context, *rows, told); !inverted) return inverted;
    } else if (experiment_ == "pictures") {
      if (auto walked = walk(context, *rows, told); !walked) return walked;
    } else {
      if (auto ran = runAll(context, *rows, 0, 1, told); !ran) return ran;
    }
  } catch (const Cancelled&) {
    return makeError(ErrorCode::cancelled, tr("cancelled"));
  }
  for (Row& row : *rows) {
    row.likeness.clear();
    for (std::size_t i = 0; i < row.labels.size(); ++i) {
      if (const auto likeness = denoiser_->nearest(row.looks.back().x, i)) row.likeness.push_back(*likeness);
    }
  }
  probe_ = context.text("denoiser") == "file" ? std::optional(probed(context, rows->front())) : std::nullopt;
  rows_ = *std::move(rows);
  columns_ = context.integer("columns");
  frame_ = 0;
  return {};
}

bool ImageDiffusion::keepsTime(const LabContext& context) const {
  if (context.restarting() || rows_.empty() || !context.anyChanged({"chosen", "beside"})) return false;
  for (const auto& [id, value] : context.values()) {
    if (id != "chosen" && id != "beside" && context.changed(id)) return false;
  }
  return true;
}

std::int64_t ImageDiffusion::frames() const {
  std::size_t most = 1;
  for (const Row& row : rows_) most = std::max(most, row.looks.size());
  return static_cast<std::int64_t>(most);
}

// Eight steps a second: denoising is watched, not raced.
Timeline ImageDiffusion::timeline() const { return {frames(), "step", 8}; }

Expected<bool> ImageDiffusion::advance(LabContext&) {
  if (frame_ + 1 >= frames()) return false;
  ++frame_;
  return true;
}

// Every frame is there already; which one is shown is all that changes.
std::vector<Tensor> ImageDiffusion::capture() const { return {Tensor::from(Shape{1}, std::vector<float>{static_cast<float>(frame_)})}; }

void ImageDiffusion::restore(std::int64_t frame, std::vector<Tensor>) { frame_ = frame; }

// A row of fewer steps goes at its own pace: all begin and end together.
const ImageDiffusion::Look& ImageDiffusion::lookAt(const Row& row, std::int64_t frame) const {
  const std::int64_t last = frames() - 1, own = static_cast<std::int64_t>(row.looks.size()) - 1;
  const std::int64_t at = last > 0 ? (frame * own + last / 2) / last : own;
  return row.looks[static_cast<std::size_t>(std::clamp<std::int64_t>(at, 0, own))];
}

double ImageDiffusion::apart(const State& a, const State& b) const {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

std::vector<Metric> ImageDiffusion::metrics() const {
  std::vector<Metric> result = probe_ ? probe_->metrics() : std::vector<Metric>();
  for (const Row& row : rows_) {
    result.push_back({"evaluations." + row.id, static_cast<double>(row.looks.back().evaluations), ""});
    if (!row.likeness.empty() && row.id != "there") {
      double sum = 0;
      for (const auto& l : row.likeness) sum += l.distance;
      result.push_back({"from-known." + row.id, sum / static_cast<double>(row.likeness.size()), ""});
    }
    if (experiment_ == "inversion") continue;
    // Of the finished pictures, in units of -1 ... 1.
    result.push_back({"apart." + row.id, apart(row.looks.back().x, rows_.front().looks.back().x), ""});
  }
  if (experiment_ == "inversion" && rows_.size() == 2) {
    result.push_back({"error.inversion", apart(rows_[1].looks.back().x, rows_[0].looks.front().x), ""});
    double squares = 0;
    const Look& top = rows_[0].looks.back();
    for (const double v : top.x) squares += v * v;
    result.push_back({"noise.deviation", std::sqrt(squares / static_cast<double>(top.x.size())) / top.level, ""});
  }
  return result;
}

Changes ImageDiffusion::pointer(const PointerEvent& event, const Values&) const {
  if (event.kind != PointerEvent::Kind::click || (event.panel != "noisy" && event.panel != "clean")) return {};
  const double column = std::floor(event.x), row = std::floor(event.y);
  if (column < 0 || row < 0 || column >= static_cast<double>(columns_) || row >= static_cast<double>(rows_.size())) return {};
  return {{"chosen", static_cast<std::int64_t>(row) * columns_ + static_cast<std::int64_t>(column)}};
}

ORRERY_LAB(ImageDiffusion);

}  // namespace orrery::generative
