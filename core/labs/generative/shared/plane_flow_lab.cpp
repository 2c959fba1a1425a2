// Training and evaluation of a flow of the plane. Loss: the mean of -ln p(x) over a batch of fresh exact samples of the scene, nats; its
// smallest value is the entropy of the data, and what is left above it is the Kullback-Leibler divergence from data to model.
// Random numbers, key = seed: sample j of step t is exactPoint number t batch + j of purpose 40; the points shown are purpose 41; the noise
// added to the data: philox (j, t, 42, .); latents of the samples: stream 0x602; probe j: philox (j, t, 43, .); latents to train on,
// towards an energy: stream 0x605, those to measure it by: 0x606.

#include "core/labs/generative/shared/plane_flow_lab.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "core/base/philox.h"
#include "core/base/text.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/mixture.h"
#include "core/labs/generative/shared/plane_scene_panels.h"
#include "core/modelfile/safetensors_write.h"

namespace orrery::generative {

namespace flows = models::flows;

namespace {

constexpr std::uint32_t batchPurpose = 40, shownPurpose = 41, noisePurpose = 42, probePurpose = 43, latentStream = 0x602,
                        reverseStream = 0x605, judgeStream = 0x606;
constexpr std::int64_t gridLines = 15, gridPoints = 81;  // per direction; along each

// Half the side of the canvas around the latents: a logistic is 1.8 times as wide as a normal.
double latentHalf(flows::Prior prior) { return prior == flows::Prior::normal ? 3.4 : 6.2; }

constexpr std::string_view pictureOnly[] = {"way", "direction", "colour", "temperature", "raster", "point-x", "point-y", "brush"};

// Exact points of the scene plus noise, [count, 2].
Tensor points(const PlaneScene& scene, double noise, std::uint64_t seed, std::uint32_t purpose, std::uint32_t step, std::int64_t count) {
  const std::uint32_t first = step * static_cast<std::uint32_t>(count);
  const diffusion::State state = scene.draw(seed, static_cast<std::size_t>(count), purpose, first);
  std::vector<float> values;
  values.reserve(state.size());
  for (std::size_t i = 0; i < state.size(); i += 2) {
    std::array<double, 2> z{};
    if (noise > 0) {
      const PhiloxBlock words = philox({first + static_cast<std::uint32_t>(i / 2), purpose, noisePurpose, 0}, philoxKey(seed));
      z = philoxNormals(words[0], words[1]);
    }
    values.push_back(static_cast<float>(state[i] + noise * z[0]));
    values.push_back(static_cast<float>(state[i + 1] + noise * z[1]));
  }
  return Tensor::from(Shape{count, 2}, values);
}

// Rademacher probes: each element -1 or 1 with the same chance, so that the mean of e^T A e is tr A. [count, 2].
Tensor signs(std::uint64_t seed, std::int64_t step, std::int64_t count) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) {
    const PhiloxBlock words = philox({static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(step), probePurpose, 0}, philoxKey(seed));
    for (const std::uint32_t word : {words[0], words[1]}) values.push_back(word >> 31 ? 1.0f : -1.0f);
  }
  return Tensor::from(Shape{count, 2}, values);
}

// Lines of a square grid, [gridPoints, 2 gridLines, 2]: first the vertical ones.
std::vector<float> squareGrid(double half) {
  std::vector<float> xy;
  const auto at = [&](std::int64_t i, std::int64_t n) {
    return static_cast<float>(half * (2 * static_cast<double>(i) / static_cast<double>(n - 1) - 1));
  };
  for (std::int64_t p = 0; p < gridPoints; ++p) {
    for (std::int64_t line = 0; line < gridLines; ++line) xy.insert(xy.end(), {at(line, gridLines), at(p, gridPoints)});
    for (std::int64_t line = 0; line < gridLines; ++line) xy.insert(xy.end(), {at(p, gridPoints), at(line, gridLines)});
  }
  return xy;
}

// Centres of cells x cells over the raster, row 0 at the bottom.
Tensor rasterPoints(std::int64_t cells, double half) {
  std::vector<float> xy;
  const auto centre = [&](std::int64_t i) {
    return static_cast<float>(planeRasterShare * half * (2 * (static_cast<double>(i) + 0.5) / static_cast<double>(cells) - 1));
  };
  for (std::int64_t r = 0; r < cells; ++r) {
    for (std::int64_t c = 0; c < cells; ++c) xy.insert(xy.end(), {centre(c), centre(r)});
  }
  return Tensor::from(Shape{cells * cells, 2}, xy);
}

// What all but one in a hundred of |values| lie below.
double usualSize(std::vector<float> values) {
  for (float& v : values) v = std::abs(v);
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(values.size() - 1 - values.size() / 100);
  std::nth_element(values.begin(), at, values.end());
  return static_cast<double>(*at);
}

Tensor angles(const Tensor& xy) {
  const auto values = xy.toFloats();
  std::vector<float> result;
  for (std::size_t i = 0; i + 1 < values.size(); i += 2) result.push_back(std::atan2(values[i + 1], values[i]));
  return Tensor::from(Shape{static_cast<std::int64_t>(result.size())}, result);
}

Tensor stacked(std::vector<float> first, const std::vector<float>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return Tensor::from(Shape{static_cast<std::int64_t>(first.size() / 2), 2}, first);
}

}  // namespace

bool PlaneFlowLab::keepsTime(const LabContext& context) const {
  if (context.restarting()) return false;
  const auto own = ownPictureParameters();
  for (const auto& [id, value] : context.values()) {
    if (!context.changed(id)) continue;
    if (std::find(std::begin(pictureOnly), std::end(pictureOnly), id) == std::end(pictureOnly) &&
        std::find(own.begin(), own.end(), id) == own.end()) {
      return false;
    }
  }
  return true;
}

double PlaneFlowLab::half(double position) const {
  const auto below = static_cast<std::size_t>(std::clamp(std::floor(position), 0.0, static_cast<double>(halves_.size() - 1)));
  const std::size_t above = std::min(below + 1, halves_.size() - 1);
  const double rest = position - static_cast<double>(below);
  return (1 - rest) * halves_[below] + rest * halves_[above];
}

Expected<void> PlaneFlowLab::update(LabContext& context) {
  stream_ = &context.stream();
  share_ = context.number("way");
  temperature_ = context.number("temperature");
  cells_ = context.integer("raster");
  point_ = {context.number("point-x"), context.number("point-y")};
  towardsData_ = context.text("direction") == "to-data";
  colourOfOrigin_ = context.text("colour") == "origin";
  readPicture(context);
  if (!keepsTime(context)) {
    if (auto begun = begin(context); !begun) return begun;
  } else {
    evaluate(context.stream());
  }
  return {};
}

Expected<void> PlaneFlowLab::begin(LabContext& context) {
  const auto target = this->target(context);
  Expected<PlaneScene> scene = PlaneScene{};
  if (target == nullptr) scene = planeScene(context);
  if (!scene) return scene.error();
  if (target != nullptr) scene->density.reach = PlaneEnergy::reach;
  const double noise = context.number("noise");
  for (const kernels::Component& c : scene->density.components) {
    if (std::min(c.along, c.across) + noise * noise <= 0) {
      return makeError(ErrorCode::badInput, tr("These data have points without width, and a density grows without bound on them: add noise "
                                               "to the data, 0.05 for example"));
    }
  }
  std::vector<kernels::Component> widened = scene->density.components;
  for (kernels::Component& c : widened) c.along += noise * noise, c.across += noise * noise;
  auto plan = this->plan(context, widened);
  if (!plan) return plan.error();

  scene_ = std::move(*scene);
  noise_ = noise;
  seed_ = static_cast<std::uint64_t>(context.integer("seed"));
  particles_ = context.integer("particles") / 64 * 64;  // whole groups of 256 bytes, so that rows after them can be bound
  totalSteps_ = plan->trained ? context.integer("steps") : 0;
  stepsPerFrame_ = context.integer("steps-per-frame");
  batch_ = context.integer("batch");
  prior_ = plan->prior;
  energyWeight_ = plan->energyWeight;
  estimated_ = plan->estimated;
  reverse_ = plan->reverse;
  said_ = std::move(plan->said);
  calls_ = plan->calls;
  target_ = target;
  widened_ = std::move(widened);
  flow_ = flows::Flow(2, std::move(plan->layers));

  // The data's own density with the noise: ln p of the points shown, and its largest value.
  gpu::Stream& stream = context.stream();
  Tensor exactLog;
  if (target_ != nullptr) {
    const auto drawn = target_->draw(seed_, static_cast<std::size_t>(particles_), shownPurpose);
    std::vector<float> logs;
    for (std::size_t i = 0; i < drawn.size(); i += 2)
      logs.push_back(static_cast<float>(-(*target_)(drawn[i], drawn[i + 1]) - target_->logMass()));
    data_ = Tensor::from(Shape{particles_, 2}, std::vector<float>(drawn.begin(), drawn.end()));
    exactLog = Tensor::from(Shape{particles_}, logs);
  } else {
    table_ = kernels::makeMixtureTable(widened_);
    data_ = points(scene_, noise_, seed_, shownPurpose, 0, particles_);
    constexpr double nearlyNone = 1e-6;  // the kernel's noise level must be positive
    exactLog = kernels::mixture(stream, table_, data_, 1, nearlyNone, kernels::MixtureOutput::logDensity);
  }
  entropy_ = 0;
  double most = -1e30;
  for (const float v : exactLog.toFloats()) {
    entropy_ -= static_cast<double>(v) / static_cast<double>(particles_);
    most = std::max(most, static_cast<double>(v));
  }
  peak_ = std::exp(most);
  origin_[0] = angles(data_);

  nn::TrainerOptions options;
  options.optimizer.kind = nn::OptimizerKind::adam;
  options.optimizer.learningRate = context.number("learning-rate");
  options.schedule.kind = nn::Schedule::Kind::cosine;
  options.schedule.total = totalSteps_;
  options.schedule.warmup = std::min<std::int64_t>(20, totalSteps_ / 10);
  options.schedule.last = 0.02;
  nn::Initializer draw(stream, seed_);
  trainer_ = nn::Trainer(plan->weights.empty() ? flow_.initial(draw) : std::move(plan->weights), options);
  besideFlow_ = flows::Flow(2, std::move(plan->beside));
  name_ = std::move(plan->name), besideName_ = std::move(plan->besideName);
  nn::Initializer drawAgain(stream, seed_);
  besideTrainer_ = compares() ? nn::Trainer(besideFlow_.initial(drawAgain), options) : nn::Trainer();
  frame_ = 0;
  records_.clear();
  begun(stream);
  return measure(stream);
}

// U(x) of the law, [n].
nn::Variable PlaneFlowLab::energyOf(const nn::Variable& x) const {
  if (target_ != nullptr) return target_->onTape(x);
  return *mixtureEnergy(widened_, x);  // components without width were refused
}

nn::Trainer::Loss PlaneFlowLab::lossOfStep(const flows::Flow& flow, std::int64_t step, flows::Flow::Watched& watched) const {
  if (reverse_) {
    return [this, &flow, step](nn::Tape& tape, std::span<const nn::Variable> weights) {
      // E[U(x)] - E[ln |det dx/dz|]: the rest of the divergence does not depend on the weights.
      const Tensor z = flows::samplePrior(tape.stream(), prior_, Shape{batch_, 2},
                                          {seed_, reverseStream, static_cast<std::uint64_t>(2 * step * batch_)});
      const flows::Mapped made = flow.generate(weights, tape.constant(z));
      const double share = std::min(1.0, 0.05 + 2 * static_cast<double>(step) / static_cast<double>(totalSteps_));
      const nn::Variable energy = nn::affine(nn::mean(energyOf(made.y)), share, 0);
      return made.logDet.empty() ? energy : nn::sub(energy, nn::mean(made.logDet));
    };
  }
  return [this, &flow, step, &watched](nn::Tape& tape, std::span<const nn::Variable> weights) {
    const Tensor x = points(scene_, noise_, seed_, batchPurpose, static_cast<std::uint32_t>(step), batch_);
    const nn::Variable probe = estimated_ ? tape.constant(signs(seed_, step, batch_)) : nn::Variable();
    const flows::Mapped mapped =
        flow.watches() ? flow.learn(weights, tape.constant(x), watched) : flow.forward(weights, tape.constant(x), nullptr, probe);
    nn::Variable likelihood = flows::logPrior(prior_, mapped.y);
    if (!mapped.logDet.empty()) likelihood = nn::add(likelihood, mapped.logDet);
    const nn::Variable loss = nn::affine(nn::mean(likelihood), -1, 0);
    return energyWeight_ > 0 && !mapped.energy.empty() ? nn::add(loss, nn::affine(nn::mean(mapped.energy), energyWeight_, 0)) : loss;
  };
}

Expected<bool> PlaneFlowLab::advance(LabContext& context) {
  const std::int64_t from = stepsAt(frame_), to = stepsAt(frame_ + 1);
  if (from >= to) return false;
  const nn::Trainer before = trainer_, besideBefore = besideTrainer_;
  const auto giveUp = [&](Error error) {
    trainer_ = before, besideTrainer_ = besideBefore;
    return error;
  };
  for (std::int64_t step = from; step < to; ++step) {
    if (context.cancelled()) return giveUp(makeError(ErrorCode::cancelled, tr("Cancelled")));
    flows::Flow::Watched watched;
    trainer_.step(context.stream(), lossOfStep(flow_, step, watched));
    flows::setWatched(trainer_, watched);
    if (compares()) {
      flows::Flow::Watched besideWatched;
      besideTrainer_.step(context.stream(), lossOfStep(besideFlow_, step, besideWatched));
      flows::setWatched(besideTrainer_, besideWatched);
    }
    // One step is recorded while the one before it runs: each holds all of its tensors until it is done.
    context.stream().wait();
    context.stream().submit();
  }
  ++frame_;
  if (auto measured = measure(context.stream()); !measured) {
    --frame_;
    return giveUp(measured.error());
  }
  return true;
}

Expected<void> PlaneFlowLab::measure(gpu::Stream& stream) {
  evaluate(stream);
  if (compares()) records_[frame_].beside = besideLikelihood(stream);
  // Exceeded when the inverse no longer finds the data at all, before anything becomes infinite.
  const double worst = *std::max_element(errors_.begin(), errors_.end());
  if (std::isfinite(records_[frame_].likelihood) && worst < scene_.density.reach) return {};
  records_.erase(frame_);
  if (totalSteps_ == 0) {
    return makeError(ErrorCode::badInput, trf("Numerical range exceeded: the inverse is off by {:.1e}, further than the data reach. Take "
                                              "more layers, or a flow that stretches less",
                                              worst));
  }
  return makeError(ErrorCode::badInput, trf("Numerical range exceeded after step {}: the inverse is off by {:.1e}. Lower the learning rate "
                                            "{:.3g} or what a layer may stretch",
                                            stepsAt(frame_), worst, trainer_.options().optimizer.learningRate));
}

double PlaneFlowLab::besideLikelihood(gpu::Stream& stream) const {
  nn::Tape tape(stream);
  const auto weights = nn::constants(tape, besideTrainer_.weights());
  return -static_cast<double>(nn::mean(flows::logLikelihood(besideFlow_, prior_, weights, tape.constant(data_))).value().toFloats()[0]);
}

void PlaneFlowLab::evaluate(gpu::Stream& stream) {
  const std::size_t count = layerCount();
  host_ = flows::toHost(trainer_.weights());
  nn::Tape tape(stream);
  const auto weights = nn::constants(tape, trainer_.weights());
  const auto split = [&](Way& way, std::size_t k, const Tensor& both, std::int64_t skip) {
    way.cloud[k] = both.rows(skip, skip + particles_);
    way.grid[k] =
        both.rows(skip + particles_, skip + particles_ + gridPoints * 2 * gridLines).reshaped(Shape{gridPoints, 2 * gridLines, 2});
  };
  const std::vector<float> none(static_cast<std::size_t>(particles_), 0.0f);

  // Data and a square grid around them, down to the latents.
  halves_.assign(count + 1, 1.1 * scene_.density.reach);
  const Tensor dataAndGrid = stacked(data_.toFloats(), squareGrid(halves_[0]));
  flows::Flow::Trace trace;
  const flows::AdaptivePtr counter = counted();
  if (counter != nullptr) counter->evaluations = 0;
  const flows::Mapped mapped = flow_.forward(weights, tape.constant(dataAndGrid), &trace);
  evaluations_ = counter != nullptr ? counter->evaluations : 0;
  for (Way* way : {&down_, &up_}) {
    way->cloud.assign(count + 1, {}), way->grid.assign(count + 1, {});
    way->volume.assign(count + 1, Tensor::from(Shape{particles_}, none));
  }
  split(down_, 0, dataAndGrid, 0);
  layerVolumes_.assign(count, {});
  for (std::size_t k = 0; k < count; ++k) {
    split(down_, k + 1, trace.states[k].value(), 0);
    halves_[k + 1] = k + 1 == count ? latentHalf(prior_) : std::max(1.0, 1.2 * usualSize(down_.cloud[k + 1].toFloats()));
    down_.volume[k + 1] = down_.volume[k];
    if (trace.logDets[k].empty()) continue;
    const Tensor volume = trace.logDets[k].value().rows(0, particles_);
    layerVolumes_[k] = volume.toFloats();
    down_.volume[k + 1] = kernels::binary(stream, kernels::Binary::add, down_.volume[k], volume);
  }

  // The likelihood of the data points.
  nn::Variable logDensity = flows::logPrior(prior_, mapped.y);
  if (!mapped.logDet.empty()) logDensity = nn::add(logDensity, mapped.logDet);
  double likelihood = 0;
  const auto perPoint = logDensity.value().rows(0, particles_).toFloats();
  for (const float v : perPoint) likelihood -= static_cast<double>(v) / static_cast<double>(particles_);
  records_[frame_].likelihood = likelihood;
  energy_ = -1;
  if (!mapped.energy.empty()) {
    energy_ = 0;
    for (const float v : mapped.energy.value().rows(0, particles_).toFloats())
      energy_ += static_cast<double>(v) / static_cast<double>(particles_);
  }

  // Back again: the data points' latents, fresh latents, and a grid that is square among the latents.
  const Tensor latents = flows::samplePrior(stream, prior_, Shape{particles_, 2}, {seed_, latentStream, 0}, temperature_);
  origin_[1] = angles(latents);
  std::vector<float> starts = mapped.y.value().rows(0, particles_).toFloats();
  const std::vector<float> fresh = latents.toFloats(), square = squareGrid(latentHalf(prior_));
  starts.insert(starts.end(), fresh.begin(), fresh.end());
  const Tensor top = stacked(std::move(starts), square);
  std::vector<nn::Variable> states;
  const nn::Variable data = flow_.inverse(weights, tape.constant(top), &states);
  split(up_, count, top, particles_);
  for (std::size_t i = 0; i < count; ++i) split(up_, count - 1 - i, states[i].value(), particles_);
  samples_ = up_.cloud[0];
  // The volume on a sample's way, from data to latents as everywhere.
  if (!mapped.logDet.empty()) {
    flows::Flow::Trace back;
    flow_.forward(weights, tape.constant(samples_), &back);
    for (std::size_t k = 0; k < count; ++k) {
      up_.volume[k + 1] =
          back.logDets[k].empty() ? up_.volume[k] : kernels::binary(stream, kernels::Binary::add, up_.volume[k], back.logDets[k].value());
    }
  }
  errors_.clear();
  const auto returned = data.value().rows(0, particles_).toFloats(), original = data_.toFloats();
  for (std::size_t i = 0; i < original.size(); i += 2) {
    errors_.push_back(std::max(std::abs(static_cast<double>(returned[i]) - static_cast<double>(original[i])),
                               std::abs(static_cast<double>(returned[i + 1]) - static_cast<double>(original[i + 1]))));
  }

  // The model's density on the raster, its mass there, and the share of samples that fall elsewhere.
  const double reach = planeRasterShare * half(0), cell = 2 * reach / static_cast<double>(cells_);
  const Tensor raster = rasterPoints(cells_, half(0));
  density_ = kernels::unary(stream, kernels::Unary::exp, flows::logLikelihood(flow_, prior_, weights, tape.constant(raster)).value())
                 .reshaped(Shape{cells_, cells_});
  integrate(cell);
  outside_ = 0;
  const auto sampled = samples_.toFloats();
  for (std::size_t i = 0; i < sampled.size(); i += 2) {
    const bool off = !(std::abs(sampled[i]) <= reach && std::abs(sampled[i + 1]) <= reach);
    outside_ += off ? 1 / static_cast<double>(particles_) : 0;
  }
  if (reverse_) {
    const nn::Variable z = tape.constant(flows::samplePrior(stream, prior_, Shape{particles_, 2}, {seed_, judgeStream, 0}));
    const flows::Mapped made = flow_.generate(weights, z);
    nn::Variable each = nn::add(flows::logPrior(prior_, z), energyOf(made.y));
    if (!made.logDet.empty()) each = nn::sub(each, made.logDet);
    double sum = 0;
    for (const float v : each.value().toFloats()) sum += static_cast<double>(v) / static_cast<double>(particles_);
    records_[frame_].reverse = sum + (target_ != nullptr ? target_->logMass() : 0);
  }
  if (target_ != nullptr) {
    const auto places = raster.toFloats();
    std::vector<float> values;
    for (std::size_t i = 0; i < places.size(); i += 2) {
      const double u = (*target_)(static_cast<double>(places[i]), static_cast<double>(places[i + 1]));
      values.push_back(static_cast<float>(std::exp(-u - target_->logMass())));
    }
    exact_ = Tensor::from(Shape{cells_, cells_}, values);
    return;
  }
  // The data's density, one cell wide at least so that no blob falls between the cells.
  exact_ = kernels::unary(stream, kernels::Unary::exp,
                          kernels::mixture(stream, table_, raster, 1, 0.5 * cell, kernels::MixtureOutput::logDensity))
               .reshaped(Shape{cells_, cells_});
}

// Midpoints. Every second cell along both axes makes four sums of their own, with steps twice as long: for a density that cells can follow
// they agree far better than 1 %, and on a ridge thinner than a cell each is what its cells happened to hit. A quarter of their spread is
// what one cell that was hit adds to the sum over all. (A planar layer that nearly folds has ridges of any height: 1 / softplus(w u).)
void PlaneFlowLab::integrate(double cell) {
  const auto values = density_.toFloats();
  double sums[4] = {0, 0, 0, 0}, most = 0;
  bool finite = true;
  for (std::int64_t r = 0; r < cells_; ++r) {
    for (std::int64_t c = 0; c < cells_; ++c) {
      const auto v = static_cast<double>(values[static_cast<std::size_t>(r * cells_ + c)]);
      finite = finite && std::isfinite(v);
      sums[2 * (r % 2) + c % 2] += 4 * v * cell * cell;
      if (std::isfinite(v)) most = std::max(most, v);
    }
  }
  inside_ = 0.25 * (sums[0] + sums[1] + sums[2] + sums[3]);
  doubt_ = finite ? 0.25 * (*std::max_element(sums, sums + 4) - *std::min_element(sums, sums + 4)) : std::numeric_limits<double>::infinity();
  densest_ = most;
  if (resolved()) return;
  std::vector<float> usual;
  std::copy_if(values.begin(), values.end(), std::back_inserter(usual), [](float v) { return std::isfinite(v); });
  if (!usual.empty()) densest_ = usualSize(std::move(usual));
}

Expected<void> PlaneFlowLab::writeFiles(LabContext&, FolderWriter& folder) {
  if (totalSteps_ == 0 || trainer_.weights().empty())
    return makeError(ErrorCode::usage, tr("Nothing is learnt here that a file could keep"));
  std::vector<std::pair<std::string, Tensor>> parts;
  for (const nn::NamedTensor& w : trainer_.weights()) parts.emplace_back(w.name, w.value);
  flows::Said said = said_;
  said["steps"] = std::to_string(stepsAt(frame_));
  return folder.write("model.safetensors", modelfile::safetensorsContent(parts, said));
}

Timeline PlaneFlowLab::timeline() const { return {(totalSteps_ + stepsPerFrame_ - 1) / stepsPerFrame_ + 1, "frame", 30, true}; }

std::vector<Tensor> PlaneFlowLab::capture() const {
  std::vector<Tensor> state = trainer_.capture();
  if (!compares()) return state;
  const auto beside = besideTrainer_.capture();
  state.insert(state.end(), beside.begin(), beside.end());
  return state;
}

void PlaneFlowLab::restore(std::int64_t frame, std::vector<Tensor> state) {
  frame_ = frame;
  const std::size_t own = trainer_.capture().size();
  trainer_.restore(stepsAt(frame), std::span(state).first(own));
  if (compares()) besideTrainer_.restore(stepsAt(frame), std::span(state).subspan(own));
  evaluate(*stream_);
}

const PlaneFlowRecord* PlaneFlowLab::record() const {
  const auto found = records_.find(frame_);
  return found == records_.end() ? nullptr : &found->second;
}

std::vector<Metric> PlaneFlowLab::metrics() const {
  std::vector<Metric> result{{"step", static_cast<double>(stepsAt(frame_)), ""}};
  if (const PlaneFlowRecord* now = record()) {
    result.push_back({"nll", now->likelihood, "nats"});
    result.push_back({"entropy", entropy_, "nats"});
    result.push_back({"divergence", now->likelihood - entropy_, "nats"});
    if (reverse_) result.push_back({"divergence.reverse", now->reverse, "nats"});
    if (compares()) result.push_back({"nll.beside", now->beside, "nats"});
  }
  if (!errors_.empty()) result.push_back({"inverse-error", *std::max_element(errors_.begin(), errors_.end()), ""});
  if (temperature_ == 1) {
    if (resolved()) result.push_back({"mass.raster", inside_, ""});
    result.push_back({"mass.elsewhere", outside_, ""});
  }
  if (target_ == nullptr && scene_.density.columns > 2) result.push_back({"columns.variance-shown", scene_.density.told, ""});
  if (energy_ >= 0) result.push_back({"path-energy", energy_, ""});
  std::int64_t parameters = 0;
  for (std::size_t i = 0; i < trainer_.weights().size(); ++i) parameters += flow_.watches(i) ? 0 : trainer_.weights()[i].value.count();
  result.push_back({"parameters", static_cast<double>(parameters), ""});
  return result;
}

std::vector<double> PlaneFlowLab::pointAt(double position) const {
  const auto below = static_cast<std::size_t>(std::clamp(std::floor(position), 0.0, static_cast<double>(layerCount())));
  std::vector<double> at(point_.begin(), point_.end());
  flow_.forward(host_, at, 0, below);
  const double rest = position - static_cast<double>(below);
  if (rest <= 0 || below >= layerCount()) return at;
  std::vector<double> next = at;
  flow_.forward(host_, next, below, below + 1);
  return {at[0] + rest * (next[0] - at[0]), at[1] + rest * (next[1] - at[1])};
}

Changes PlaneFlowLab::pointer(const PointerEvent& event, const Values& values) const {
  if (event.handle == "point" && event.kind != PointerEvent::Kind::click) {
    // Back from the nearest whole layer: the coupling moves one coordinate, and half way it is moved half.
    std::vector<double> at{event.x, event.y};
    const double whole = event.panel == "layers" ? std::round(position()) : 0;
    flow_.inverse(host_, at, 0, static_cast<std::size_t>(whole));
    if (!std::isfinite(at[0]) || !std::isfinite(at[1])) return {};
    return {{"point-x", std::clamp(at[0], -12.0, 12.0)}, {"point-y", std::clamp(at[1], -12.0, 12.0)}};
  }
  if (event.panel == "strip" && event.kind == PointerEvent::Kind::click && layerCount() > 0) {
    const auto positions = stripPositions();
    if (event.x < 0 || event.x >= static_cast<double>(positions.size())) return {};
    return {{"way", positions[static_cast<std::size_t>(event.x)] / static_cast<double>(layerCount())}};
  }
  if (event.panel == "density" || event.panel == "samples") return sceneChanges(event, values, 1);
  return {};
}

}  // namespace orrery::generative
