// Glow: a flow of pictures, trained live by maximum likelihood. Source: Kingma and Dhariwal 2018 (core/models/image_flow.h has the formulas).
// Pictures keep the n highest bits of every value, k / 2^n, and get uniform noise of one step, x = (k + u) / 2^n in [0, 1): then
// -ln p(x) / (D ln 2) + n is a bound on the bits per value a code for the n-bit picture needs (Theis, van den Oord and Bethge 2016).
// Loss: that number, mean over a batch.
// Random numbers, key = seed: picture j of step t is word j mod 4 of philox (j / 4, t, 0x620, 0); its noise stream 0x622; latents of samples
// stream 0x623; noise of the held-out pictures 0x624, of the first batch and of pictures with an attribute 0x625.

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/philox.h"
#include "core/base/text.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/gather.h"
#include "core/kernels/philox.h"
#include "core/labs/generative/glow/lab.h"

namespace orrery::generative {

namespace flows = models::flows;

namespace {

constexpr std::uint32_t batchStream = 0x620, noiseStream = 0x622, latentStream = 0x623, heldOutStream = 0x624, firstStream = 0x625;
constexpr std::int64_t heldOutPictures = 32, sampleCount = 25, rowColumns = 6;

constexpr std::string_view pictureOnly[] = {"way", "direction", "temperature", "step", "rows", "attribute", "matrix", "w11", "w12", "w21", "w22"};

flows::Mixing mixingOf(std::string_view id) {
  return id == "reverse"   ? flows::Mixing::reverse
         : id == "shuffle" ? flows::Mixing::shuffle
         : id == "dense"   ? flows::Mixing::dense
                           : flows::Mixing::lu;
}

std::string nameOf(const Choice& choice, const std::string& id) {
  for (const Choice::Option& option : choice.options) {
    if (option.id == id) return tr(option.label);
  }
  return id;
}

// Uniform noise of one step of n-bit values.
Tensor dequantized(gpu::Stream& stream, const Tensor& pictures, int bits, const kernels::RandomKey& key) {
  return kernels::binary(stream, kernels::Binary::add, pictures,
                         kernels::uniform(stream, pictures.shape(), key, 0, std::ldexp(1.0f, -bits)));
}

double oneOf(const Tensor& scalar) { return static_cast<double>(scalar.toFloats()[0]); }

Tensor picturesOf(const std::vector<float>& values, std::int64_t side) {
  return Tensor::from(Shape{static_cast<std::int64_t>(values.size()) / (3 * side * side), 3, side, side}, values);
}

void append(std::vector<float>& to, const std::vector<float>& from, std::size_t index, std::size_t each, double scale = 1) {
  for (std::size_t i = 0; i < each; ++i) to.push_back(static_cast<float>(scale) * from[index * each + i]);
}

// Which of the first pictures have an attribute (1), which have its opposite (-1), and which neither (0). Error: the pictures have no labels.
Expected<std::vector<int>> labelsOf(const PictureSet& set, const std::string& attribute, std::int64_t count) {
  std::vector<int> labels;
  const std::int64_t n = std::min(count, set.trainCount());
  if (attribute == "brightness") {
    std::vector<double> mean;
    const auto each = static_cast<std::size_t>(3 * set.side * set.side);
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
      double sum = 0;
      for (std::size_t k = 0; k < each; ++k) sum += set.train[i * each + k];
      mean.push_back(sum);
    }
    std::vector<double> sorted = mean;
    std::sort(sorted.begin(), sorted.end());
    const double low = sorted[sorted.size() / 3], high = sorted[sorted.size() - 1 - sorted.size() / 3];
    for (const double m : mean) labels.push_back(m > high ? 1 : m < low ? -1 : 0);
    return labels;
  }
  if (set.scenes.empty()) {
    return makeError(ErrorCode::usage, tr("Only ShapeWorld's pictures say what they show: choose brightness, or ShapeWorld as the pictures"));
  }
  for (std::int64_t i = 0; i < n; ++i) {
    const auto& objects = set.scenes[static_cast<std::size_t>(i)].objects;
    if (objects.empty()) {
      labels.push_back(0);
      continue;
    }
    const shapeworld::Object& object = objects.back();
    if (attribute == "size") labels.push_back(object.size - 1);
    // Red, orange and yellow against green, cyan and blue.
    if (attribute == "warmth") labels.push_back(object.colour < 3 ? 1 : object.colour < 6 ? -1 : 0);
  }
  return labels;
}

}  // namespace

bool Glow::keepsTime(const LabContext& context) const {
  if (context.restarting() || runs_.empty()) return false;
  for (const auto& [id, value] : context.values()) {
    if (context.changed(id) && std::find(std::begin(pictureOnly), std::end(pictureOnly), id) == std::end(pictureOnly)) return false;
  }
  return true;
}

Expected<void> Glow::update(LabContext& context) {
  stream_ = &context.stream();
  share_ = context.number("way");
  temperature_ = context.number("temperature");
  towardsData_ = context.text("direction") == "to-data";
  step_ = context.integer("step");
  rows_ = context.text("rows");
  attribute_ = context.text("attribute");
  if (auto read = readPlaneMix(context); !read) return read;
  if (keepsTime(context)) {
    if (rows_ == "attribute") {
      if (auto labels = labelsOf(pictures_, attribute_, 1); !labels) return labels.error();
    }
    evaluate(context.stream());
    return {};
  }
  return begin(context);
}

Expected<std::vector<Glow::Run>> Glow::plan(LabContext& context) const {
  flows::ImageFlowOptions options;
  options.height = options.width = context.integer("side");
  options.levels = context.integer("levels"), options.steps = context.integer("steps-per-level");
  options.hidden = context.integer("hidden");
  options.mixing = mixingOf(context.text("mixing"));
  options.affine = context.text("coupling") == "affine";
  options.leastScale = context.number("least-scale");

  struct Wanted {
    std::string id, name;
    flows::ImageFlowOptions options;
  };
  const std::string compare = context.text("compare"), mixing = context.text("mixing"), coupling = context.text("coupling");
  std::vector<Wanted> wanted{{mixing, nameOf(mixingChoice(), mixing), options}};
  if (compare == "couplings") wanted.front().id = coupling, wanted.front().name = nameOf(couplingChoice(), coupling);
  if (compare == "mixings") {
    for (const std::string id : {"reverse", "shuffle", "dense", "lu"}) {
      if (id == wanted.front().id) continue;
      wanted.push_back({id, nameOf(mixingChoice(), id), options});
      wanted.back().options.mixing = mixingOf(id);
    }
  } else if (compare == "couplings") {
    const std::string other = options.affine ? "additive" : "affine";
    wanted.push_back({other, nameOf(couplingChoice(), other), options});
    wanted.back().options.affine = !options.affine;
  }

  nn::TrainerOptions training;
  training.optimizer.kind = nn::OptimizerKind::adam;
  training.optimizer.learningRate = context.number("learning-rate");
  training.schedule.kind = nn::Schedule::Kind::cosine;
  training.schedule.total = context.integer("steps");
  training.schedule.warmup = std::min<std::int64_t>(10, context.integer("steps") / 10);
  training.schedule.last = 0.05;
  std::vector<Run> runs;
  for (const Wanted& one : wanted) {
    auto flow = flows::ImageFlow::make(one.options, seed_);
    if (!flow) return flow.error();
    nn::Initializer draw(context.stream(), seed_);
    nn::Weights weights = flow->initial(draw);
    if (auto started = flow->initializeActnorm(context.stream(), weights, firstBatch_); !started) return started.error();
    runs.push_back({one.id, one.name, *std::move(flow), nn::Trainer(std::move(weights), training)});
  }
  return runs;
}

Expected<void> Glow::begin(LabContext& context) {
  gpu::Stream& stream = context.stream();
  const std::uint64_t seed = static_cast<std::uint64_t>(context.integer("seed"));
  const std::int64_t side = context.integer("side"), count = context.integer("pictures");
  const std::string data = context.text("data");
  context.progress(0, tr("Reading the pictures"));
  PictureSet set;
  if (data == "patches" || data == "folder") {
    auto read = data == "patches" ? patchesOf(context.file("image").path, side, count, heldOutPictures, seed)
                                  : folderOf(context.file("folder").path, side, count, heldOutPictures);
    if (!read) return read.error();
    set = *std::move(read);
  } else {
    const auto profile = data == "scene" ? shapeworld::Profile::scene : data == "dense" ? shapeworld::Profile::dense : shapeworld::Profile::single;
    set = shapeWorldSet(stream, profile, side, count, heldOutPictures);
  }
  const auto bits = static_cast<int>(context.integer("bits"));
  const std::int64_t batch = context.integer("batch");

  // Kept until everything has succeeded: an error leaves the lab as it was.
  Glow fresh;
  fresh.stream_ = stream_;
  fresh.share_ = share_, fresh.temperature_ = temperature_, fresh.towardsData_ = towardsData_, fresh.step_ = step_;
  fresh.rows_ = rows_, fresh.attribute_ = attribute_, fresh.planeMix_ = planeMix_, fresh.showPlaneMix_ = showPlaneMix_;
  fresh.seed_ = seed, fresh.bits_ = bits, fresh.batch_ = batch;
  fresh.pictures_ = std::move(set);
  fresh.train_ = quantized(fresh.pictures_.train, side, bits);
  fresh.heldOut_ = dequantized(stream, quantized(fresh.pictures_.heldOut, side, bits), bits, {seed, heldOutStream, 0});
  fresh.totalSteps_ = context.integer("steps"), fresh.stepsPerFrame_ = context.integer("steps-per-frame");
  fresh.firstBatch_ = fresh.batchOf(stream, 0);
  if (rows_ == "attribute") {
    if (auto labels = labelsOf(fresh.pictures_, attribute_, 1); !labels) return labels.error();
  }
  auto runs = fresh.plan(context);
  if (!runs) return runs.error();
  fresh.runs_ = *std::move(runs);
  if (auto measured = fresh.measure(stream); !measured) return measured;
  *this = std::move(fresh);
  return {};
}

// The pictures of a step, drawn with replacement, with fresh noise: they depend on the seed and the step alone.
Tensor Glow::batchOf(gpu::Stream& stream, std::int64_t step) const {
  std::vector<std::uint32_t> chosen(static_cast<std::size_t>(batch_));
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const PhiloxBlock block =
        philox({static_cast<std::uint32_t>(i / 4), static_cast<std::uint32_t>(step), batchStream, 0}, philoxKey(seed_));
    chosen[i] = philoxBounded(block[i % 4], static_cast<std::uint32_t>(pictures_.trainCount()));
  }
  const std::int64_t each = 3 * pictures_.side * pictures_.side;
  const Tensor rows = kernels::gather(stream, train_.reshaped(Shape{pictures_.trainCount(), each}), Tensor::from(Shape{batch_}, chosen));
  return dequantized(stream, rows.reshaped(Shape{batch_, 3, pictures_.side, pictures_.side}), bits_,
                     {seed_, noiseStream, static_cast<std::uint64_t>(step * batch_ * each)});
}

Expected<bool> Glow::advance(LabContext& context) {
  const std::int64_t from = stepsAt(frame_), to = stepsAt(frame_ + 1);
  if (from >= to) return false;
  gpu::Stream& stream = context.stream();
  std::vector<nn::Trainer> before;
  for (const Run& run : runs_) before.push_back(run.trainer);
  const auto giveUp = [&](Error error) {
    for (std::size_t i = 0; i < runs_.size(); ++i) runs_[i].trainer = before[i];
    return error;
  };
  std::vector<std::vector<Tensor>> losses(runs_.size());
  const double perValue = -1 / (static_cast<double>(flow().dimensions()) * std::numbers::ln2);
  for (std::int64_t step = from; step < to; ++step) {
    if (context.cancelled()) return giveUp(makeError(ErrorCode::cancelled, tr("Cancelled")));
    const Tensor x = batchOf(stream, step);
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      Run& run = runs_[i];
      const nn::Trainer::Loss loss = [&](nn::Tape& tape, std::span<const nn::Variable> weights) {
        return nn::affine(nn::mean(run.flow.logLikelihood(weights, tape.constant(x))), perValue, bits_);
      };
      losses[i].push_back(run.trainer.step(stream, loss).loss);
      // One step is recorded while the one before it runs: each holds all of its tensors until it is done.
      stream.wait();
      stream.submit();
    }
  }
  ++frame_;
  Record& now = records_[frame_];
  now.train.clear();
  for (const auto& ofRun : losses) {
    double sum = 0;
    for (const Tensor& loss : ofRun) sum += oneOf(loss);
    now.train.push_back(sum / static_cast<double>(ofRun.size()));
  }
  if (auto measured = measure(stream); !measured) {
    --frame_;
    return giveUp(measured.error());
  }
  return true;
}

Expected<void> Glow::measure(gpu::Stream& stream) {
  for (const Run& run : runs_) {
    if (auto fine = run.flow.check(flows::toHost(run.trainer.weights())); !fine) {
      records_.erase(frame_);
      return makeError(ErrorCode::badInput, trf("After step {}: {}. Lower the learning rate {:.3g}", stepsAt(frame_), fine.error().message,
                                                run.trainer.options().optimizer.learningRate));
    }
  }
  evaluate(stream);
  Record& now = records_[frame_];
  now.heldOut = heldOutBits_;
  for (std::size_t i = 1; i < runs_.size(); ++i) {
    nn::Tape tape(stream);
    const nn::Variable logP = runs_[i].flow.logLikelihood(nn::constants(tape, runs_[i].trainer.weights()), tape.constant(heldOut_));
    now.heldOut.push_back(flows::bitsPerDimensionOfBits(oneOf(nn::mean(logP).value()), flow().dimensions(), bits_));
  }
  const bool finite = std::all_of(now.heldOut.begin(), now.heldOut.end(), [](double v) { return std::isfinite(v); });
  float worst = 0;
  for (const float e : errors_) worst = std::max(worst, std::isfinite(e) ? std::abs(e) : 2.0f);
  // A pixel's whole range is 1: beyond it the inverse no longer finds the pictures.
  if (finite && worst < 1) return {};
  records_.erase(frame_);
  return makeError(ErrorCode::badInput, trf("Numerical range exceeded after step {}: the inverse is off by {:.1e}. Lower the learning rate {:.3g}",
                                            stepsAt(frame_), static_cast<double>(worst), runs_.front().trainer.options().optimizer.learningRate));
}

void Glow::evaluate(gpu::Stream& stream) {
  host_ = flows::toHost(runs_.front().trainer.weights());
  nn::Tape tape(stream);
  const auto weights = nn::constants(tape, runs_.front().trainer.weights());
  evaluateForward(stream, tape, weights);
  evaluateInverse(stream, tape, weights);
}

// The held-out pictures and the first batch down to their latents.
void Glow::evaluateForward(gpu::Stream&, nn::Tape& tape, std::span<const nn::Variable> weights) {
  const std::size_t stages = stageCount();
  const auto d = static_cast<std::size_t>(flow().dimensions());
  flows::ImageFlow::Trace trace;
  const flows::Mapped mapped = flow().forward(weights, tape.constant(heldOut_), &trace);
  down_.assign(1, heldOut_);
  for (const nn::Variable& state : trace.states) down_.push_back(state.value());

  // Bits per dimension, in double precision from the latents on.
  const std::vector<float> z = mapped.y.value().toFloats();
  const std::size_t n = z.size() / d;
  double likelihood = 0;
  for (const float v : z) likelihood -= 0.5 * static_cast<double>(v) * static_cast<double>(v) + 0.5 * std::log(2 * std::numbers::pi);
  if (!mapped.logDet.empty()) {
    for (const float v : mapped.logDet.value().toFloats()) likelihood += static_cast<double>(v);
  }
  heldOutBits_ = {flows::bitsPerDimensionOfBits(likelihood / static_cast<double>(n), flow().dimensions(), bits_)};

  volumes_.assign(static_cast<std::size_t>(flow().options().levels * flow().options().steps), {});
  for (std::size_t i = 0; i < stages; ++i) {
    const Stage& stage = flow().stages()[i];
    if (stage.kind == Kind::squeeze || stage.kind == Kind::split || trace.logDets[i].empty()) continue;
    double mean = 0;
    const auto each = trace.logDets[i].value().toFloats();
    for (const float v : each) mean += static_cast<double>(v) / static_cast<double>(each.size());
    StepVolumes& volumes = volumes_[static_cast<std::size_t>(stage.level * flow().options().steps + stage.step)];
    (stage.kind == Kind::actnorm ? volumes.actnorm : stage.kind == Kind::mixing ? volumes.mixing : volumes.coupling) = mean;
  }

  // The first batch around the shown step's actnorm.
  flows::ImageFlow::Trace first;
  flow().forward(weights, tape.constant(firstBatch_), &first);
  const std::size_t at = stageOf(shownStep(), Kind::actnorm);
  const Stage& stage = flow().stages()[at];
  actnormBefore_ = first.inputs[at].value().toFloats();
  actnormAfter_ = first.inputs[at + 1].value().toFloats();
  worstMean_ = worstVariance_ = 0;
  const auto channels = static_cast<std::size_t>(stage.channels), pixels = static_cast<std::size_t>(stage.height * stage.width);
  std::vector<double> mean(channels, 0.0), square(channels, 0.0);
  const double count = static_cast<double>(actnormAfter_.size() / channels);
  for (std::size_t i = 0; i < actnormAfter_.size(); ++i) {
    const double v = static_cast<double>(actnormAfter_[i]);
    mean[i / pixels % channels] += v / count, square[i / pixels % channels] += v * v / count;
  }
  for (std::size_t c = 0; c < channels; ++c) {
    worstMean_ = std::max(worstMean_, std::abs(mean[c]));
    worstVariance_ = std::max(worstVariance_, std::abs(square[c] - mean[c] * mean[c] - 1));
  }
}

// Latents up to pictures: those of the held-out pictures again, fresh ones, and the rows of small pictures.
void Glow::evaluateInverse(gpu::Stream& stream, nn::Tape& tape, std::span<const nn::Variable> weights) {
  const auto d = static_cast<std::size_t>(flow().dimensions());
  const std::int64_t side = pictures_.side;
  const std::vector<float> found = down_.back().toFloats();
  const std::size_t held = found.size() / d;
  const std::vector<float> fresh =
      kernels::normal(stream, Shape{sampleCount, 3, side, side}, {seed_, latentStream, 0}).toFloats();

  small_.clear();
  std::vector<float> rows;
  const auto row = [&](std::string name, auto&& fill) {
    small_.push_back({std::move(name), {}});
    for (std::size_t c = 0; c < static_cast<std::size_t>(rowColumns); ++c) fill(c);
  };
  if (rows_ == "temperature") {
    for (const double t : {0.0, 0.5, 0.7, 1.0}) row(fmt::format("T = {:g}", t), [&](std::size_t c) { append(rows, fresh, c, d, t); });
  } else if (rows_ == "interpolation") {
    // Along the line between the latents of two held-out pictures.
    for (std::size_t r = 0; r < 4; ++r) {
      row(std::to_string(r + 1), [&](std::size_t c) {
        const double share = static_cast<double>(c) / static_cast<double>(rowColumns - 1);
        for (std::size_t i = 0; i < d; ++i) {
          rows.push_back(static_cast<float>((1 - share) * static_cast<double>(found[(2 * r % held) * d + i]) +
                                            share * static_cast<double>(found[((2 * r + 1) % held) * d + i])));
        }
      });
    }
  } else if (rows_ == "levels") {
    // The latents of a picture, flat: what moved through all levels, then what left last, ..., what left first. One part is drawn anew.
    const auto levels = static_cast<std::size_t>(flow().options().levels);
    for (std::size_t r = 0; r <= levels; ++r) {
      row(r == 0 ? tr("as it was") : trf("level {}", r), [&](std::size_t c) {
        std::vector<double> kept, drawn;
        for (std::size_t i = 0; i < d; ++i) {
          kept.push_back(static_cast<double>(found[c % held * d + i]));
          drawn.push_back(temperature_ * static_cast<double>(fresh[c * d + i]));
        }
        flow().fromPicture(kept, stageCount());
        if (r > 0) {
          const std::size_t end = d >> (r - 1), begin = r == levels ? 0 : d >> r;
          std::copy(drawn.begin() + static_cast<std::ptrdiff_t>(begin), drawn.begin() + static_cast<std::ptrdiff_t>(end),
                    kept.begin() + static_cast<std::ptrdiff_t>(begin));
        }
        flow().toPicture(kept, stageCount());
        for (const double v : kept) rows.push_back(static_cast<float>(v));
      });
    }
  } else {
    const std::vector<double> direction = attributeDirection(stream, tape, weights);
    for (std::size_t r = 0; r < 4; ++r) {
      row(std::to_string(r + 1), [&](std::size_t c) {
        const double strength = attributeStrength(static_cast<std::int64_t>(c));
        for (std::size_t i = 0; i < d; ++i) rows.push_back(static_cast<float>(static_cast<double>(found[r % held * d + i]) + strength * direction[i]));
      });
    }
  }

  std::vector<float> latents = found;
  for (const float v : fresh) latents.push_back(static_cast<float>(temperature_) * v);
  const std::vector<float> sampled(latents.end() - static_cast<std::ptrdiff_t>(fresh.size()), latents.end());
  latents.insert(latents.end(), rows.begin(), rows.end());
  const std::vector<float> made = flow().inverse(weights, tape.constant(picturesOf(latents, side))).value().toFloats();

  const std::vector<float> wanted = heldOut_.toFloats();
  errors_.clear();
  for (std::size_t i = 0; i < wanted.size(); ++i) errors_.push_back(made[i] - wanted[i]);
  const auto from = made.begin() + static_cast<std::ptrdiff_t>(found.size()), behind = from + static_cast<std::ptrdiff_t>(fresh.size());
  samples_ = picturesOf(std::vector<float>(from, behind), side);
  const std::size_t each = static_cast<std::size_t>(rowColumns) * d;
  for (std::size_t r = 0; r < small_.size(); ++r) {
    small_[r].values.assign(behind + static_cast<std::ptrdiff_t>(r * each), behind + static_cast<std::ptrdiff_t>((r + 1) * each));
  }

  up_.clear();
  if (!towardsData_) return;
  // The same samples again with everything on their way.
  std::vector<nn::Variable> states;
  const Tensor z = picturesOf(sampled, side);
  flow().inverse(weights, tape.constant(z), &states);
  up_.assign(stageCount() + 1, z);
  for (std::size_t i = 0; i < states.size(); ++i) up_[stageCount() - 1 - i] = states[i].value();
}

double Glow::attributeStrength(std::int64_t column) { return 1.5 * static_cast<double>(column) / static_cast<double>(rowColumns - 1) - 0.75; }

// The mean latent of pictures with the attribute less that of pictures with its opposite.
std::vector<double> Glow::attributeDirection(gpu::Stream& stream, nn::Tape& tape, std::span<const nn::Variable> weights) const {
  const auto d = static_cast<std::size_t>(flow().dimensions());
  std::vector<double> direction(d, 0.0);
  constexpr std::int64_t most = 128;
  const auto labels = labelsOf(pictures_, attribute_, most);
  if (!labels) return direction;  // refused by update() before
  const std::int64_t n = static_cast<std::int64_t>(labels->size());
  std::vector<float> chosen = train_.rows(0, n).toFloats();
  const Tensor x = dequantized(stream, picturesOf(chosen, pictures_.side), bits_, {seed_, firstStream, 0});
  const std::vector<float> z = flow().forward(weights, tape.constant(x)).y.value().toFloats();
  const auto with = static_cast<double>(std::count(labels->begin(), labels->end(), 1));
  const auto without = static_cast<double>(std::count(labels->begin(), labels->end(), -1));
  if (with == 0 || without == 0) return direction;
  for (std::size_t i = 0; i < z.size(); ++i) {
    const int label = (*labels)[i / d];
    if (label != 0) direction[i % d] += static_cast<double>(z[i]) * (label > 0 ? 1 / with : -1 / without);
  }
  return direction;
}

Timeline Glow::timeline() const { return {(totalSteps_ + stepsPerFrame_ - 1) / stepsPerFrame_ + 1, "frame", 30}; }

std::vector<Tensor> Glow::capture() const {
  std::vector<Tensor> state;
  for (const Run& run : runs_) {
    const auto one = run.trainer.capture();
    state.insert(state.end(), one.begin(), one.end());
  }
  return state;
}

void Glow::restore(std::int64_t frame, std::vector<Tensor> state) {
  frame_ = frame;
  std::size_t at = 0;
  for (Run& run : runs_) {
    const std::size_t count = run.trainer.capture().size();
    run.trainer.restore(stepsAt(frame), std::span(state).subspan(at, count));
    at += count;
  }
  evaluate(*stream_);
}

const Glow::Record* Glow::record() const {
  const auto found = records_.find(frame_);
  return found == records_.end() ? nullptr : &found->second;
}

std::vector<Metric> Glow::metrics() const {
  std::vector<Metric> result{{"step", static_cast<double>(stepsAt(frame_)), ""}};
  if (runs_.empty()) return result;
  if (const Record* now = record()) {
    result.push_back({"bits.held-out", now->heldOut.front(), "bits/dim"});
    if (!now->train.empty()) result.push_back({"bits.train", now->train.front(), "bits/dim"});
    for (std::size_t i = 0; runs_.size() > 1 && i < runs_.size(); ++i) result.push_back({"bits." + runs_[i].id, now->heldOut[i], "bits/dim"});
  }
  StepVolumes all;
  for (const StepVolumes& v : volumes_) all.actnorm += v.actnorm, all.mixing += v.mixing, all.coupling += v.coupling;
  result.push_back({"volume.actnorm", all.actnorm, "nats"});
  result.push_back({"volume.mixing", all.mixing, "nats"});
  result.push_back({"volume.coupling", all.coupling, "nats"});
  result.push_back({"actnorm.mean", worstMean_, ""});
  result.push_back({"actnorm.variance", worstVariance_, ""});
  float worst = 0;
  for (const float e : errors_) worst = std::max(worst, std::abs(e));
  result.push_back({"inverse-error", static_cast<double>(worst), ""});
  std::int64_t parameters = 0;
  for (const nn::NamedTensor& w : runs_.front().trainer.weights()) parameters += w.value.count();
  result.push_back({"parameters", static_cast<double>(parameters), ""});
  return result;
}

std::size_t Glow::shownStep() const {
  return static_cast<std::size_t>(std::clamp<std::int64_t>(step_, 1, flow().options().levels * flow().options().steps) - 1);
}

std::size_t Glow::stageOf(std::size_t step, Kind kind) const {
  const auto perLevel = static_cast<std::size_t>(flow().options().steps);
  const auto& stages = flow().stages();
  for (std::size_t i = 0; i < stages.size(); ++i) {
    if (stages[i].kind == kind && static_cast<std::size_t>(stages[i].level) == step / perLevel &&
        static_cast<std::size_t>(stages[i].step) == step % perLevel) {
      return i;
    }
  }
  return 0;
}

Changes Glow::pointer(const PointerEvent& event, const Values&) const {
  if (event.panel == "matrix" && event.kind != PointerEvent::Kind::click) return planeMixChanges(event);
  if (event.kind != PointerEvent::Kind::click || runs_.empty()) return {};
  if (event.panel == "strip") {
    const auto stages = stripStages();
    if (event.x < 0 || event.x >= static_cast<double>(stages.size())) return {};
    const std::size_t at = stages[static_cast<std::size_t>(event.x)];
    Changes changes{{"way", static_cast<double>(at) / static_cast<double>(stageCount())}};
    if (at > 0) {
      const Stage& stage = flow().stages()[at - 1];
      changes.push_back({"step", stage.level * flow().options().steps + stage.step + 1});
    }
    return changes;
  }
  if (event.panel == "volumes") {
    const double step = std::round(event.x);
    if (step < 1 || step > static_cast<double>(volumes_.size())) return {};
    return {{"step", static_cast<std::int64_t>(step)}};
  }
  return {};
}

ORRERY_LAB(Glow);

}  // namespace orrery::generative
