// A multilayer perceptron trained live on points in the plane: y = W_L f(... f(W_1 x + b_1) ...) + b_L, by gradient descent on the mean
// loss over random batches (Rumelhart, Hinton and Williams 1986). Loss: binary cross entropy of sigmoid(y) for classes, squared error for
// regression. Gradients by the tape of core/nn, optimisers as PyTorch's. Input: built-in point sets, or a CSV of x, y and a label.

#include "core/labs/training/mlp_playground/lab.h"

#include <algorithm>
#include <cmath>

#include "core/base/philox.h"
#include "core/base/text.h"
#include "core/kernels/gather.h"
#include "core/kernels/permute.h"

namespace orrery::training {
namespace {

constexpr std::int64_t cells = 64;  // of the picture's grid, per side
constexpr std::uint32_t batchStream = 0x512;

bool fromFile(const Values& values) { return std::get<std::string>(values.at("task")) == "file"; }
bool builtIn(const Values& values) { return !fromFile(values); }
bool withSgd(const Values& values) { return std::get<std::string>(values.at("optimizer")) == "sgd"; }
bool hasLayers(const Values& values) { return std::get<std::int64_t>(values.at("layers")) > 0; }

int scoreOf(const FileReport& report) {
  if (report.error || report.kind != "points") return 0;
  const auto columns = report.counts.find("columns");
  return columns != report.counts.end() && columns->second == 3 ? 80 : 0;
}

std::optional<kernels::Unary> activationOf(const std::string& id) {
  using kernels::Unary;
  static const std::map<std::string, Unary> known{{"relu", Unary::relu}, {"tanh", Unary::tanh},       {"gelu", Unary::gelu},
                                                  {"silu", Unary::silu}, {"sigmoid", Unary::sigmoid}, {"sin", Unary::sin}};
  const auto found = known.find(id);
  return found == known.end() ? std::nullopt : std::optional(found->second);
}

Tensor gridPoints() {
  std::vector<float> points;
  const auto centre = [](std::int64_t i) { return static_cast<float>(canvasReach * (2 * (static_cast<double>(i) + 0.5) / cells - 1)); };
  for (std::int64_t r = 0; r < cells; ++r) {
    for (std::int64_t c = 0; c < cells; ++c) points.insert(points.end(), {centre(c), centre(r)});
  }
  return Tensor::from(Shape{cells * cells, 2}, points);
}

double meanOf(const Tensor& scalar) { return static_cast<double>(scalar.toFloats()[0]); }

}  // namespace

LabEntry MlpPlayground::describe() {
  using namespace std::string_literals;
  const auto whole = [](std::int64_t v) { return Value(v); };
  LabEntry entry;
  entry.id = "training/mlp-playground";
  entry.title = "Training an MLP";
  entry.summary = "Layers, widths and learning rates, live";
  entry.parameters = {
      {"task", "Task", "What the network has to learn from points in the plane.", "Data", "moons"s,
       Choice{{{"moons", "Two moons"},
               {"circles", "Disc and ring"},
               {"xor", "Exclusive or"},
               {"spiral", "Two spirals"},
               {"blobs", "Six blobs"},
               {"saddle", "Regression: saddle"},
               {"waves", "Regression: waves"},
               {"bumps", "Regression: four bumps"},
               {"file", "From a file"}}}},
      {"file", "File", "A CSV of x, y and a label: 0 or 1 for classes, other numbers for regression.", "Data", Asset{},
       FileWell{{"points"}, false}, "", fromFile},
      {"points", "Points", "How many points there are, held-out ones included.", "Data", whole(600), Integer{16, 8192, true}, "", builtIn},
      {"noise", "Noise", "Deviation added to the coordinates of classes, or to the targets of a regression.", "Data", 0.08,
       Real{0, 0.5, 0.01}, "", builtIn},
      {"held-out", "Held-out share", "Share of the points the training never sees.", "Data", 0.3, Real{0.05, 0.9, 0.05}},
      {"layers", "Hidden layers", "0 is a linear model.", "Network", whole(2), Integer{0, 6}},
      {"width", "Units per layer", "The same for every hidden layer.", "Network", whole(16), Integer{1, 256, true}, "", hasLayers},
      {"activation", "Activation", "The function after every hidden layer.", "Network", "tanh"s,
       Choice{{{"tanh", "tanh"},
               {"relu", "ReLU"},
               {"gelu", "GELU"},
               {"silu", "SiLU"},
               {"sigmoid", "Sigmoid"},
               {"sin", "Sine"},
               {"linear", "None (linear)"}}},
       "", hasLayers},
      {"optimizer", "Optimizer", "With PyTorch's defaults for everything not shown here.", "Training", "adamw"s,
       Choice{{{"sgd", "SGD"}, {"adam", "Adam"}, {"adamw", "AdamW"}}}},
      {"learning-rate", "Learning rate η", "Length of a step.", "Training", 0.01, LogReal{1e-5, 10}},
      {"momentum", "Momentum", "Share of the last step that goes on.", "Training", 0.9, Real{0, 0.99, 0.01}, "", withSgd},
      {"weight-decay", "Weight decay λ", "How strongly weights are pulled to zero.", "Training", 0.0, Real{0, 0.5, 0.001}},
      {"batch", "Batch size", "Points per step, drawn anew each time; as many as there are or more means all of them.", "Training",
       whole(64), Integer{1, 8192, true}},
      {"clip", "Clip gradients at", "Largest global norm of a step's gradients; 0 never clips.", "Training", 0.0, Real{0, 10, 0.1}},
      {"schedule", "Schedule", "How the learning rate changes over the run.", "Training", "constant"s,
       Choice{{{"constant", "Constant"}, {"linear", "Linear to zero"}, {"cosine", "Cosine to zero"}}}},
      {"warmup", "Warm-up steps", "Steps in which the learning rate rises.", "Training", whole(0), Integer{0, 1000}},
      {"steps", "Steps", "Length of the run.", "Training", whole(1000), Integer{10, 20000, true}},
      {"steps-per-frame", "Steps per frame", "Steps between two pictures.", "Training", whole(5), Integer{1, 200, true}},
      {"layer", "Hidden layer shown", "Whose units are shown as pictures over the plane.", "Picture", whole(1), Integer{1, 6}, "",
       hasLayers},
      {"unit", "Unit in the large picture", "0 is the network's output. Click a unit to choose it.", "Picture", whole(0), Integer{0, 256},
       "", hasLayers},
      {"seed", "Seed", "Data, first weights and batches follow from it.", "Randomness", whole(20261121), Seed{}},
  };
  entry.presets = {
      {"one-neuron",
       "A line cannot bend",
       "No hidden layer: two moons stay mixed at the tips.",
       {{"layers", whole(0)}, {"learning-rate", 0.05}}},
      {"xor",
       "Two units are enough for exclusive or",
       "One small hidden layer bends the plane once.",
       {{"task", "xor"s}, {"layers", whole(1)}, {"width", whole(4)}, {"learning-rate", 0.03}, {"noise", 0.02}}},
      {"spirals",
       "Spirals need depth or sines",
       "Three layers of 32 units wind the boundary around.",
       {{"task", "spiral"s},
        {"layers", whole(3)},
        {"width", whole(32)},
        {"noise", 0.02},
        {"steps", whole(2000)},
        {"steps-per-frame", whole(10)}}},
      {"memorised",
       "Few points, many units: learnt by heart",
       "The training loss falls, the held-out loss turns and rises.",
       {{"points", whole(48)}, {"noise", 0.3}, {"held-out", 0.5}, {"layers", whole(3)}, {"width", whole(64)}, {"activation", "relu"s}}},
      {"too-fast",
       "Too large a step",
       "SGD at a learning rate that overshoots: the loss jumps instead of falling.",
       {{"optimizer", "sgd"s}, {"learning-rate", 3.0}, {"activation", "relu"s}, {"momentum", 0.9}}},
      {"regression",
       "Four bumps",
       "A regression: the surface itself is learnt.",
       {{"task", "bumps"s}, {"layers", whole(2)}, {"width", whole(32)}, {"noise", 0.02}}},
  };
  entry.views = {{"surface", "What the network says everywhere"},
                 {"loss", "Loss"},
                 {"units", "Units of a layer"},
                 {"weights", "Weights"},
                 {"movement", "How fast the layers move"}};
  entry.accepts = {{"points with a label (CSV of x, y, label)", "file", scoreOf, {{"task", "file"s}}}};
  entry.make = [] { return std::make_unique<MlpPlayground>(); };
  return entry;
}

bool MlpPlayground::keepsTime(const LabContext& context) const {
  if (context.restarting()) return false;
  for (const auto& [id, value] : context.values()) {
    if (id != "layer" && id != "unit" && context.changed(id)) return false;
  }
  return true;
}

Expected<void> MlpPlayground::update(LabContext& context) {
  stream_ = &context.stream();
  layer_ = context.integer("layer");
  unit_ = context.integer("unit");
  if (!keepsTime(context)) {
    if (auto begun = begin(context); !begun) return begun;
  }
  evaluate(context.stream());
  return {};
}

Expected<void> MlpPlayground::begin(LabContext& context) {
  seed_ = static_cast<std::uint64_t>(context.integer("seed"));
  PlanarTask task;
  if (context.text("task") == "file") {
    const Asset& file = context.file("file");
    if (file.path.empty()) return makeError(ErrorCode::usage, tr("Choose a file first: a CSV of x, y and a label"));
    auto read = taskFromFile(file.path, seed_);
    if (!read) return read.error();
    task = *std::move(read);
  } else {
    task = builtInTask(context.text("task"), context.integer("points"), context.number("noise"), seed_);
  }
  task_ = std::move(task);
  const auto n = static_cast<std::int64_t>(task_.size());
  const std::int64_t trained = std::clamp<std::int64_t>(std::llround((1 - context.number("held-out")) * static_cast<double>(n)), 1, n - 1);
  trainCount_ = static_cast<std::size_t>(trained);
  const auto part = [](const std::vector<float>& values, std::size_t from, std::size_t to, std::int64_t columns) {
    return Tensor::from(Shape{static_cast<std::int64_t>(to - from), columns},
                        std::vector<float>(values.begin() + static_cast<std::ptrdiff_t>(from) * columns,
                                           values.begin() + static_cast<std::ptrdiff_t>(to) * columns));
  };
  trainX_ = part(task_.xy, 0, trainCount_, 2), trainY_ = part(task_.target, 0, trainCount_, 1);
  heldOutX_ = part(task_.xy, trainCount_, task_.size(), 2), heldOutY_ = part(task_.target, trainCount_, task_.size(), 1);

  // The points by class, for the picture.
  for (std::size_t k = 0; k < 2; ++k) {
    std::vector<float> in, out;
    for (std::size_t i = 0; i < task_.size(); ++i) {
      if (task_.classes ? (task_.target[i] > 0.5f) != (k == 1) : k == 1) continue;
      auto& to = i < trainCount_ ? in : out;
      to.insert(to.end(), {task_.xy[2 * i], task_.xy[2 * i + 1]});
    }
    trainPoints_[k] = Tensor::from(Shape{static_cast<std::int64_t>(in.size() / 2), 2}, in);
    heldOutPoints_[k] = Tensor::from(Shape{static_cast<std::int64_t>(out.size() / 2), 2}, out);
  }
  trainTargets_ = trainY_.reshaped(Shape{trained}), heldOutTargets_ = heldOutY_.reshaped(Shape{n - trained});

  mlp_.widths = {2};
  for (std::int64_t i = 0; i < context.integer("layers"); ++i) mlp_.widths.push_back(context.integer("width"));
  mlp_.widths.push_back(1);
  mlp_.activation = activationOf(context.text("activation"));
  totalSteps_ = context.integer("steps");
  stepsPerFrame_ = context.integer("steps-per-frame");
  batch_ = context.integer("batch");

  nn::TrainerOptions options;
  const std::string& optimizer = context.text("optimizer");
  options.optimizer.kind = optimizer == "sgd"    ? nn::OptimizerKind::sgd
                           : optimizer == "adam" ? nn::OptimizerKind::adam
                                                 : nn::OptimizerKind::adamw;
  options.optimizer.learningRate = context.number("learning-rate");
  options.optimizer.momentum = optimizer == "sgd" ? context.number("momentum") : 0;
  options.optimizer.weightDecay = context.number("weight-decay");
  options.clipNorm = context.number("clip");
  const std::string& schedule = context.text("schedule");
  options.schedule.kind = schedule == "linear"   ? nn::Schedule::Kind::linear
                          : schedule == "cosine" ? nn::Schedule::Kind::cosine
                                                 : nn::Schedule::Kind::constant;
  options.schedule.warmup = context.integer("warmup");
  options.schedule.total = totalSteps_;
  nn::Initializer draw(context.stream(), seed_);
  trainer_ = nn::Trainer(mlp_.initial(draw), options);
  frame_ = 0;
  records_.clear();
  records_[0] = measure(context.stream());
  return {};
}

nn::Variable MlpPlayground::lossOf(const nn::Variable& output, const Tensor& target) const {
  const nn::Variable wanted = output.tape().constant(target);
  return task_.classes ? nn::bceWithLogits(output, wanted) : nn::mseLoss(output, wanted);
}

nn::Trainer::Loss MlpPlayground::lossOfStep(std::int64_t step) const {
  return [this, step](nn::Tape& tape, std::span<const nn::Variable> weights) {
    Tensor x = trainX_, y = trainY_;
    const auto n = static_cast<std::int64_t>(trainCount_);
    if (batch_ < n) {
      // Points with replacement; the draw depends on the seed and the step alone.
      std::vector<std::uint32_t> chosen(static_cast<std::size_t>(batch_));
      for (std::size_t i = 0; i < chosen.size(); ++i) {
        const PhiloxBlock block =
            philox({static_cast<std::uint32_t>(i / 4), static_cast<std::uint32_t>(step), batchStream, 0}, philoxKey(seed_));
        chosen[i] = static_cast<std::uint32_t>((static_cast<std::uint64_t>(block[i % 4]) * static_cast<std::uint64_t>(n)) >> 32);
      }
      const Tensor index = Tensor::from(Shape{batch_}, chosen);
      x = kernels::gather(tape.stream(), x, index);
      y = kernels::gather(tape.stream(), y, index);
    }
    return lossOf(mlp_.forward(weights, tape.constant(x)), y);
  };
}

Record MlpPlayground::measure(gpu::Stream& stream) const {
  Record record;
  const auto over = [&](const Tensor& x, const Tensor& y, double& loss, double& right) {
    nn::Tape tape(stream);
    const nn::Variable output = mlp_.forward(nn::constants(tape, trainer_.weights()), tape.constant(x));
    loss = meanOf(lossOf(output, y).value());
    if (!task_.classes) return;
    const auto found = output.value().as<float>(), wanted = y.as<float>();
    std::size_t hits = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) hits += (found[i] > 0) == (wanted[i] > 0.5f) ? 1 : 0;
    right = static_cast<double>(hits) / static_cast<double>(std::max<std::size_t>(wanted.size(), 1));
  };
  over(trainX_, trainY_, record.train, record.trainRight);
  over(heldOutX_, heldOutY_, record.heldOut, record.heldOutRight);
  return record;
}

Expected<bool> MlpPlayground::advance(LabContext& context) {
  const std::int64_t from = stepsAt(frame_), to = stepsAt(frame_ + 1);
  if (from >= to) return false;
  gpu::Stream& stream = context.stream();
  const nn::Trainer before = trainer_;
  for (std::int64_t step = from; step < to; ++step) trainer_.step(stream, lossOfStep(step));

  Record now = measure(stream);
  if (!std::isfinite(now.train)) {
    // Keep the last good weights and find the step that broke them.
    trainer_ = before;
    nn::Trainer probe = before;
    std::int64_t step = from;
    while (step < to && std::isfinite(meanOf(probe.step(stream, lossOfStep(step)).loss))) ++step;
    return makeError(
        ErrorCode::badInput,
        trf("The loss is no longer a number after step {}: the weights have run away. Lower the learning rate {:.3g} or clip the gradients",
            std::min(step + 1, to), trainer_.options().optimizer.learningRate));
  }
  // How far each layer moved per step in this frame, as its root mean square.
  for (std::size_t layer = 0; layer < mlp_.layers(); ++layer) {
    const auto old = before.weights()[2 * layer].value.as<float>(), fresh = trainer_.weights()[2 * layer].value.as<float>();
    double sum = 0;
    for (std::size_t i = 0; i < old.size(); ++i) sum += static_cast<double>(fresh[i] - old[i]) * static_cast<double>(fresh[i] - old[i]);
    now.movement.push_back(std::sqrt(sum / static_cast<double>(std::max<std::size_t>(old.size(), 1))) / static_cast<double>(to - from));
  }
  ++frame_;
  records_[frame_] = std::move(now);
  evaluate(stream);
  return true;
}

void MlpPlayground::evaluate(gpu::Stream& stream) {
  nn::Tape tape(stream);
  std::vector<nn::Variable> hidden;
  const nn::Variable output = mlp_.forward(nn::constants(tape, trainer_.weights()), tape.constant(gridPoints()), &hidden);
  const Tensor shown = task_.classes ? nn::sigmoid(output).value() : output.value();
  surface_ = shown.reshaped(Shape{cells, cells});
  units_.clear();
  if (hidden.empty()) return;
  const nn::Variable& layer =
      hidden[static_cast<std::size_t>(std::clamp<std::int64_t>(layer_, 1, static_cast<std::int64_t>(hidden.size())) - 1)];
  // One picture per unit: the columns of [cells^2, width], as rows of its transpose.
  const Tensor planes = kernels::permute(stream, layer.value(), {1, 0});
  for (std::int64_t u = 0; u < planes.shape()[0]; ++u) units_.push_back(planes.rows(u, u + 1).reshaped(Shape{cells, cells}));
}

Timeline MlpPlayground::timeline() const { return {(totalSteps_ + stepsPerFrame_ - 1) / stepsPerFrame_ + 1, "frame", 30, true}; }

std::vector<Tensor> MlpPlayground::capture() const { return trainer_.capture(); }

void MlpPlayground::restore(std::int64_t frame, std::vector<Tensor> state) {
  frame_ = frame;
  trainer_.restore(stepsAt(frame), state);
  evaluate(*stream_);
}

const Record* MlpPlayground::record() const {
  const auto found = records_.find(frame_);
  return found == records_.end() ? nullptr : &found->second;
}

std::vector<Metric> MlpPlayground::metrics() const {
  std::vector<Metric> result{{"step", static_cast<double>(stepsAt(frame_)), ""}};
  if (const Record* now = record()) {
    result.push_back({"loss.train", now->train, task_.classes ? "nats" : ""});
    result.push_back({"loss.held-out", now->heldOut, task_.classes ? "nats" : ""});
    if (task_.classes) {
      result.push_back({"accuracy.train", now->trainRight, ""});
      result.push_back({"accuracy.held-out", now->heldOutRight, ""});
    }
  }
  std::int64_t parameters = 0;
  for (const nn::NamedTensor& w : trainer_.weights()) parameters += w.value.count();
  result.push_back({"parameters", static_cast<double>(parameters), ""});
  return result;
}

ORRERY_LAB(MlpPlayground);

}  // namespace orrery::training
