// Training of a flow of pictures. Pictures keep the n highest bits of every value, k / 2^n, and get uniform noise of one step,
// x = (k + u) / 2^n in [0, 1): then -ln p(x) / (D ln 2) + n is a bound on the bits per value a code for the n-bit picture needs (Theis, van
// den Oord and Bethge 2016). Loss: that number, mean over a batch.
// Random numbers, key = seed: picture j of step t is word j mod 4 of philox (j / 4, t, 0x620, 0); its noise stream 0x622; noise of the
// held-out pictures 0x624; first weights streams 0x1000 and up.

#include "core/labs/generative/shared/picture_flow_lab.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/philox.h"
#include "core/base/text.h"
#include "core/kernels/gather.h"
#include "core/modelfile/safetensors_write.h"

namespace orrery::generative {

namespace flows = models::flows;

namespace {

constexpr std::uint32_t batchStream = 0x620, noiseStream = 0x622, heldOutStream = 0x624, firstWeightStream = 0x1000;
constexpr std::int64_t heldOutPictures = 32;

constexpr std::string_view pictureOnly[] = {"way", "direction", "temperature", "rows"};

double oneOf(const Tensor& scalar) { return static_cast<double>(scalar.toFloats()[0]); }

bool holds(const std::vector<std::string_view>& ids, const std::string& id) { return std::find(ids.begin(), ids.end(), id) != ids.end(); }

std::string kindName(flows::PictureFlow::Kind kind) {
  using Kind = flows::PictureFlow::Kind;
  switch (kind) {
    case Kind::squeeze:
      return "squeeze";
    case Kind::split:
      return "split";
    case Kind::actnorm:
      return "actnorm";
    case Kind::norm:
      return "norm";
    case Kind::mixing:
      return "mixing";
    case Kind::logit:
      return "logit";
    case Kind::checker:
      return "checker";
    case Kind::scale:
      return "scale";
    case Kind::coupling:
      break;
  }
  return "coupling";
}

}  // namespace

Expected<void> affordable(double operations, double bytes) {
  constexpr double mostOperations = 2e12, mostBytes = 8e9;
  if (operations <= mostOperations && bytes <= mostBytes) return {};
  return makeError(ErrorCode::usage,
                   trf("One training step of this flow would take {:.1f} Tflop and {:.1f} GB, more than {:.0f} and {:.0f}: "
                       "take fewer steps per level, hidden channels or pixels, or a smaller batch",
                       operations / 1e12, bytes / 1e9, mostOperations / 1e12, mostBytes / 1e9));
}

Expected<bool> onlyLookedAt(double operations, double bytes, double lookingOperations, double lookingBytes) {
  if (affordable(operations, bytes)) return false;
  // Once per change of the picture instead of thousands of times.
  constexpr double mostOperations = 2e13, mostBytes = 8e9;
  if (lookingOperations <= mostOperations && lookingBytes <= mostBytes) return true;
  return makeError(ErrorCode::usage,
                   trf("Looking at this flow would take {:.1f} Tflop and {:.1f} GB, more than {:.0f} and {:.0f}: take smaller pictures, or a "
                       "flow of fewer steps per level or hidden channels",
                       lookingOperations / 1e12, lookingBytes / 1e9, mostOperations / 1e12, mostBytes / 1e9));
}

bool PictureFlowLab::keepsTime(const LabContext& context) const {
  if (context.restarting() || runs_.empty()) return false;
  const auto own = ownPictureParameters();
  for (const auto& [id, value] : context.values()) {
    if (context.changed(id) && std::find(std::begin(pictureOnly), std::end(pictureOnly), id) == std::end(pictureOnly) && !holds(own, id)) {
      return false;
    }
  }
  return true;
}

Expected<void> PictureFlowLab::update(LabContext& context) {
  stream_ = &context.stream();
  share_ = context.number("way");
  temperature_ = context.number("temperature");
  towardsData_ = context.text("direction") == "to-data";
  rows_ = context.text("rows");
  if (auto read = readPicture(context); !read) return read;
  if (!keepsTime(context)) return begin(context);
  if (auto fits = checkPicture(); !fits) return fits;
  // Along the way everything is there already.
  bool evaluated = context.anyChanged({"direction", "temperature", "rows"});
  for (const std::string_view id : ownEvaluated()) evaluated = evaluated || context.changed(id);
  if (evaluated) evaluate(context.stream());
  return {};
}

Expected<void> PictureFlowLab::begin(LabContext& context) {
  const std::int64_t side = context.integer("side"), count = context.integer("pictures");
  auto set = chosenPictures(context, side, count, heldOutPictures);
  if (!set) return set.error();
  // An error leaves the lab as it was.
  PictureFlowState before = static_cast<PictureFlowState&>(*this);
  static_cast<PictureFlowState&>(*this) = {};
  auto started = start(context, *std::move(set));
  if (!started) static_cast<PictureFlowState&>(*this) = std::move(before);
  return started;
}

Expected<void> PictureFlowLab::start(LabContext& context, PictureSet set) {
  gpu::Stream& stream = context.stream();
  seed_ = static_cast<std::uint64_t>(context.integer("seed"));
  bits_ = static_cast<int>(context.integer("bits"));
  batch_ = context.integer(idOf("batch"));
  dequantise_ = dequantises(context);
  pictures_ = std::move(set);
  train_ = quantized(pictures_.train, pictures_.side, bits_);
  heldOut_ = noisy(stream, quantized(pictures_.heldOut, pictures_.side, bits_), {seed_, heldOutStream, 0});
  totalSteps_ = context.integer(idOf("steps")), stepsPerFrame_ = context.integer("steps-per-frame");
  firstBatch_ = batchOf(stream, 0);
  if (auto fits = checkPicture(); !fits) return fits;
  auto wanted = plan(context);
  if (!wanted) return wanted.error();
  if (wanted->front().still) {
    totalSteps_ = 0;
    batch_ = std::min(batch_, heldOutPictures);  // its first batch is looked at, too
    firstBatch_ = batchOf(stream, 0);
  }

  nn::TrainerOptions training;
  training.optimizer.kind = nn::OptimizerKind::adam;
  training.optimizer.learningRate = context.number(idOf("learning-rate"));
  training.schedule.kind = nn::Schedule::Kind::cosine;
  training.schedule.total = totalSteps_;
  training.schedule.warmup = std::min<std::int64_t>(10, totalSteps_ / 10);
  training.schedule.last = 0.05;
  for (WantedFlow& one : *wanted) {
    nn::Weights weights = std::move(one.weights);
    if (weights.empty()) {
      nn::Initializer draw(stream, seed_, firstWeightStream);
      weights = one.flow->initial(draw);
      if (auto prepared = one.flow->prepare(stream, weights, firstBatch_); !prepared) return prepared.error();
    }
    runs_.push_back({std::move(one.id), std::move(one.name), std::move(one.flow), nn::Trainer(std::move(weights), training)});
  }
  return measure(stream);
}

Expected<void> PictureFlowLab::writeFiles(LabContext&, FolderWriter& folder) {
  if (runs_.empty()) return makeError(ErrorCode::usage, tr("There is no flow yet"));
  Saved now = saved();
  now.said["steps"] = std::to_string(stepsAt(frame_)), now.said["bits"] = std::to_string(bits_);
  return folder.write("model.safetensors", modelfile::safetensorsContent(now.parts, now.said));
}

Tensor PictureFlowLab::noisy(gpu::Stream& stream, const Tensor& pictures, const kernels::RandomKey& key) const {
  return dequantise_ ? dequantized(stream, pictures, bits_, key) : pictures;
}

// The pictures of a step, drawn with replacement, with fresh noise: they depend on the seed and the step alone.
Tensor PictureFlowLab::batchOf(gpu::Stream& stream, std::int64_t step) const {
  std::vector<std::uint32_t> chosen(static_cast<std::size_t>(batch_));
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const PhiloxBlock block =
        philox({static_cast<std::uint32_t>(i / 4), static_cast<std::uint32_t>(step), batchStream, 0}, philoxKey(seed_));
    chosen[i] = philoxBounded(block[i % 4], static_cast<std::uint32_t>(pictures_.trainCount()));
  }
  const std::int64_t each = 3 * pictures_.side * pictures_.side;
  const Tensor rows = kernels::gather(stream, train_.reshaped(Shape{pictures_.trainCount(), each}), Tensor::from(Shape{batch_}, chosen));
  return noisy(stream, rows.reshaped(Shape{batch_, 3, pictures_.side, pictures_.side}),
               {seed_, noiseStream, static_cast<std::uint64_t>(step * batch_ * each)});
}

Expected<bool> PictureFlowLab::advance(LabContext& context) {
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
      flows::Flow::Watched watched;
      const nn::Trainer::Loss loss = [&](nn::Tape& tape, std::span<const nn::Variable> weights) {
        return nn::affine(nn::mean(run.flow->learn(weights, tape.constant(x), watched)), perValue, bits_);
      };
      losses[i].push_back(run.trainer.step(stream, loss).loss);
      flows::setWatched(run.trainer, watched);
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

std::string PictureFlowLab::remedy() const {
  return trf("Lower the learning rate {:.3g}", runs_.front().trainer.options().optimizer.learningRate);
}

Expected<void> PictureFlowLab::measure(gpu::Stream& stream) {
  for (const Run& run : runs_) {
    if (auto fine = run.flow->check(flows::toHost(run.trainer.weights())); !fine) {
      records_.erase(frame_);
      return makeError(ErrorCode::badInput, trf("After step {}: {}. {}", stepsAt(frame_), fine.error().message, remedy()));
    }
  }
  evaluate(stream);
  Record& now = records_[frame_];
  now.heldOut = heldOutBits_;
  for (std::size_t i = 1; i < runs_.size(); ++i) {
    nn::Tape tape(stream);
    const nn::Variable logP = runs_[i].flow->logLikelihood(nn::constants(tape, runs_[i].trainer.weights()), tape.constant(heldOut_));
    now.heldOut.push_back(flows::bitsPerDimensionOfBits(oneOf(nn::mean(logP).value()), flow().dimensions(), bits_));
  }
  const bool finite = std::all_of(now.heldOut.begin(), now.heldOut.end(), [](double v) { return std::isfinite(v); });
  float worst = 0;
  for (const float e : errors_) worst = std::max(worst, std::isfinite(e) ? std::abs(e) : 2.0f);
  // A pixel's whole range is 1: beyond it the inverse no longer finds the pictures.
  if (finite && worst < 1) return {};
  records_.erase(frame_);
  return makeError(ErrorCode::badInput, trf("Numerical range exceeded after step {}: the inverse is off by {:.1e}. {}", stepsAt(frame_),
                                            static_cast<double>(worst), remedy()));
}

void PictureFlowLab::evaluate(gpu::Stream& stream) {
  host_ = flows::toHost(runs_.front().trainer.weights());
  nn::Tape tape(stream);
  const auto weights = nn::constants(tape, runs_.front().trainer.weights());
  evaluateForward(stream, tape, weights);
  evaluateInverse(stream, tape, weights);
  evaluateOwn(stream, tape, weights);
}

Timeline PictureFlowLab::timeline() const { return {(totalSteps_ + stepsPerFrame_ - 1) / stepsPerFrame_ + 1, "frame", 30, true}; }

std::vector<Tensor> PictureFlowLab::capture() const {
  std::vector<Tensor> state;
  for (const Run& run : runs_) {
    const auto one = run.trainer.capture();
    state.insert(state.end(), one.begin(), one.end());
  }
  return state;
}

void PictureFlowLab::restore(std::int64_t frame, std::vector<Tensor> state) {
  frame_ = frame;
  std::size_t at = 0;
  for (Run& run : runs_) {
    const std::size_t count = run.trainer.capture().size();
    run.trainer.restore(stepsAt(frame), std::span(state).subspan(at, count));
    at += count;
  }
  evaluate(*stream_);
}

const PictureFlowLab::Record* PictureFlowLab::record() const {
  const auto found = records_.find(frame_);
  return found == records_.end() ? nullptr : &found->second;
}

std::vector<Metric> PictureFlowLab::metrics() const {
  std::vector<Metric> result{{"step", static_cast<double>(stepsAt(frame_)), ""}};
  if (runs_.empty()) return result;
  if (const Record* now = record()) {
    result.push_back({"bits.held-out", now->heldOut.front(), "bits/dim"});
    if (!now->train.empty()) result.push_back({"bits.train", now->train.front(), "bits/dim"});
    for (std::size_t i = 0; runs_.size() > 1 && i < runs_.size(); ++i)
      result.push_back({"bits." + runs_[i].id, now->heldOut[i], "bits/dim"});
  }
  for (const Kind kind : {Kind::logit, Kind::actnorm, Kind::norm, Kind::mixing, Kind::checker, Kind::coupling, Kind::scale}) {
    double all = 0;
    bool there = false;
    for (std::size_t i = 0; i < stageCount(); ++i) {
      if (flow().stages()[i].kind == kind) all += volumes_[i], there = true;
    }
    if (there) result.push_back({"volume." + kindName(kind), all, "nats"});
  }
  float worst = 0;
  for (const float e : errors_) worst = std::max(worst, std::abs(e));
  result.push_back({"inverse-error", static_cast<double>(worst), ""});
  std::int64_t parameters = 0;
  const nn::Weights& all = runs_.front().trainer.weights();
  for (std::size_t i = 0; i < all.size(); ++i) parameters += flow().watches(i) ? 0 : all[i].value.count();
  result.push_back({"parameters", static_cast<double>(parameters), ""});
  return result;
}

Changes PictureFlowLab::pointer(const PointerEvent& event, const Values&) const {
  if (event.kind != PointerEvent::Kind::click || runs_.empty()) return {};
  const auto goTo = [&](std::size_t stages) {
    Changes changes{{"way", static_cast<double>(stages) / static_cast<double>(stageCount())}};
    if (stages > 0) {
      for (auto& change : stageChosen(flow().stages()[stages - 1])) changes.push_back(std::move(change));
    }
    return changes;
  };
  const auto among = [&](const std::vector<std::size_t>& stages, double x) -> Changes {
    if (x < 0 || x >= static_cast<double>(stages.size())) return {};
    return goTo(stages[static_cast<std::size_t>(x)]);
  };
  if (event.panel == "strip") return among(stripStages(), event.x);
  if (event.panel == "masks") {
    auto stages = maskedStages();
    for (std::size_t& stage : stages) ++stage;  // behind the coupling
    return among(stages, event.x);
  }
  return {};
}

}  // namespace orrery::generative
