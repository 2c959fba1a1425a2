// Glow: a flow of pictures, trained live by maximum likelihood. Source: Kingma and Dhariwal 2018 (core/models/image_flow.h has the
// formulas). Pictures keep the n highest bits of every value, k / 2^n, and get uniform noise of one step, x = (k + u) / 2^n in [0, 1): then
// -ln p(x) / (D ln 2) + n is a bound on the bits per value a code for the n-bit picture needs (Theis, van den Oord and Bethge 2016).
// Loss: that number, mean over a batch.
// Random numbers, key = seed: picture j of step t is word j mod 4 of philox (j / 4, t, 0x620, 0); its noise stream 0x622; noise of the
// held-out pictures 0x624; first weights streams 0x1000 and up.

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/philox.h"
#include "core/base/text.h"
#include "core/kernels/gather.h"
#include "core/labs/generative/glow/lab.h"

namespace orrery::generative {

namespace flows = models::flows;

namespace {

constexpr std::uint32_t batchStream = 0x620, noiseStream = 0x622, heldOutStream = 0x624, firstWeightStream = 0x1000;
constexpr std::int64_t heldOutPictures = 32;

constexpr std::string_view pictureOnly[] = {"way",    "direction", "temperature", "step", "rows", "attribute",
                                            "matrix", "w11",       "w12",         "w21",  "w22"};

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

// What one training step of a flow asks for: operations (forward and two products back for every convolution of the couplings) and the
// bytes its tape holds (values and gradients of the hidden layers, and about eight states per step).
struct StepCost {
  double operations = 0, bytes = 0;
};
StepCost costOf(const flows::ImageFlowOptions& o, std::int64_t batch) {
  StepCost cost;
  double channels = static_cast<double>(o.channels), pixels = static_cast<double>(o.height * o.width);
  const auto h = static_cast<double>(o.hidden), count = static_cast<double>(o.steps * batch);
  for (std::int64_t level = 0; level < o.levels; ++level) {
    channels *= 4, pixels /= 4;
    cost.operations += 6 * count * pixels * (9 * h * channels / 2 + h * h + 9 * h * channels);
    cost.bytes += 2 * 4 * count * pixels * (4 * h + 8 * channels);
    channels /= 2;
  }
  return cost;
}

double oneOf(const Tensor& scalar) { return static_cast<double>(scalar.toFloats()[0]); }

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
      if (auto labels = attributeLabels(pictures_, attribute_, 1); !labels) return labels.error();
    }
    // Along the way everything is there already.
    if (context.anyChanged({"direction", "temperature", "step", "rows", "attribute"})) evaluate(context.stream());
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

  // Far above this a step takes minutes on any device a person sits at, and its tape does not fit.
  constexpr double mostOperations = 2e12, mostBytes = 8e9;
  const StepCost cost = costOf(options, batch_);
  if (cost.operations > mostOperations || cost.bytes > mostBytes) {
    return makeError(ErrorCode::usage,
                     trf("One training step of this flow would take {:.1f} Tflop and {:.1f} GB, more than {:.0f} and {:.0f}: "
                         "take fewer steps per level, hidden channels or pixels, or a smaller batch",
                         cost.operations / 1e12, cost.bytes / 1e9, mostOperations / 1e12, mostBytes / 1e9));
  }

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
    nn::Initializer draw(context.stream(), seed_, firstWeightStream);
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
    const auto profile = data == "scene"   ? shapeworld::Profile::scene
                         : data == "dense" ? shapeworld::Profile::dense
                                           : shapeworld::Profile::single;
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
    if (auto labels = attributeLabels(fresh.pictures_, attribute_, 1); !labels) return labels.error();
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
  return makeError(ErrorCode::badInput,
                   trf("Numerical range exceeded after step {}: the inverse is off by {:.1e}. Lower the learning rate {:.3g}",
                       stepsAt(frame_), static_cast<double>(worst), runs_.front().trainer.options().optimizer.learningRate));
}

void Glow::evaluate(gpu::Stream& stream) {
  host_ = flows::toHost(runs_.front().trainer.weights());
  nn::Tape tape(stream);
  const auto weights = nn::constants(tape, runs_.front().trainer.weights());
  evaluateForward(stream, tape, weights);
  evaluateInverse(stream, tape, weights);
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
    for (std::size_t i = 0; runs_.size() > 1 && i < runs_.size(); ++i)
      result.push_back({"bits." + runs_[i].id, now->heldOut[i], "bits/dim"});
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
