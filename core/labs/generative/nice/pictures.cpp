// NICE on pictures: their values in one row, half of which moves by what a perceptron makes of the other half, and one factor per value
// last. Source: Dinh, Krueger and Bengio 2014, sections 3 and 5.1; 5.2 for hidden pixels: known values stay, hidden ones start as noise and
// follow d ln p / dx (here by Adam's steps, and without the noise the authors add).
// Data in [0, 1) with n bits; the loss is the bits per value of picture_flow_lab.cpp. Random numbers, key = seed: first values of hidden
// pixels stream 0x626, which of them are hidden at random philox (j, 0, 0x627, 0).

#include "core/labs/generative/nice/pictures.h"

#include <algorithm>
#include <cmath>

#include "core/base/philox.h"
#include "core/base/text.h"
#include "core/figure/place.h"
#include "core/kernels/philox.h"
#include "core/labs/generative/shared/curves.h"
#include "core/labs/generative/shared/painted_mask.h"

namespace orrery::generative {

namespace flows = models::flows;

namespace {

constexpr std::uint32_t startStream = 0x626, hiddenStream = 0x627;
constexpr std::int64_t climbs = 40;  // steps
constexpr double climbRate = 0.03;   // a pixel's whole range is 1

// 1 where a value of a picture is hidden, [3, side, side].
std::vector<float> hiddenMask(const std::string& part, const flows::PaintedMask& painted, std::int64_t side, std::uint64_t seed) {
  std::vector<float> mask;
  for (std::int64_t c = 0; c < 3; ++c) {
    for (std::int64_t y = 0; y < side; ++y) {
      for (std::int64_t x = 0; x < side; ++x) {
        bool hidden = 2 * x >= side;
        if (part == "below") hidden = 2 * y >= side;
        if (part == "middle") hidden = 4 * x >= side && 4 * x < 3 * side && 4 * y >= side && 4 * y < 3 * side;
        if (part == "random") {
          const PhiloxBlock words = philox({static_cast<std::uint32_t>(y * side + x), 0, hiddenStream, 0}, philoxKey(seed));
          hidden = words[0] >= 1u << 30;
        }
        if (part == "painted") {
          const std::int64_t cell = y * flows::paintedSide / side * flows::paintedSide + x * flows::paintedSide / side;
          hidden = painted[static_cast<std::size_t>(cell)] != 0;
        }
        mask.push_back(hidden ? 1.0f : 0.0f);
      }
    }
  }
  return mask;
}

}  // namespace

Expected<void> NicePictures::readPicture(const LabContext& context) {
  const auto painted = flows::maskOfText(context.text("hidden-mask"));
  if (!painted) {
    return makeError(ErrorCode::usage, trf("The painted mask should be 16 hexadecimal digits, two for each of its 8 rows, found '{}'",
                                           context.text("hidden-mask")));
  }
  painted_ = *painted;
  hiddenPart_ = context.text("hidden-part");
  return {};
}

namespace {

const std::vector<std::string> splits = {"alternating", "halves", "random"}, priors = {"normal", "logistic"};

// What a file says of a flow of these pictures.
struct Opened {
  flows::FlatFlowOptions options;
  std::uint64_t seed = 0;
  nn::Weights weights;
  std::string split, prior;
};
Expected<Opened> opened(const std::string& path, std::int64_t side, const std::string& split, const std::string& prior,
                        std::uint64_t seed) {
  auto chain = flows::readFlowChain(path);
  if (!chain) return chain.error();
  if (chain->dimensions != 3 * side * side) {
    return makeError(ErrorCode::badInput, trf("The flow in {} is of rows of {} numbers; pictures of {} x {} pixels have {}", path,
                                              chain->dimensions, side, side, 3 * side * side));
  }
  Opened result;
  flows::FlatFlowOptions& o = result.options;
  o.couplings = static_cast<std::int64_t>(chain->couplings());
  o.scale = chain->parts.back().kind == flows::FlowChain::Kind::scale;
  for (std::size_t i = 0; i < chain->parts.size(); ++i) {
    const auto& part = chain->parts[i];
    if (part.kind == flows::FlowChain::Kind::scale && i + 1 == chain->parts.size()) continue;
    if (i == 0) o.hidden = part.width, o.depth = part.depth;
    if (part.kind != flows::FlowChain::Kind::coupling || part.affine || part.width != o.hidden || part.depth != o.depth) {
      return makeError(ErrorCode::badInput,
                       trf("Layer {} of the flow in {} is none of NICE's on pictures: couplings that only shift, all of "
                           "one size, and a scale last",
                           i, path));
    }
  }
  auto saidSplit = flows::choiceSaid(chain->said, path, "split", split, splits),
       saidPrior = flows::choiceSaid(chain->said, path, "prior", prior, priors);
  const auto saidSeed = flows::numberSaid(chain->said, path, "mask_seed", static_cast<double>(seed), 0, 9007199254740992.0);  // 2^53
  if (!saidSplit) return saidSplit.error();
  if (!saidPrior) return saidPrior.error();
  if (!saidSeed) return saidSeed.error();
  result.split = *std::move(saidSplit), result.prior = *std::move(saidPrior);
  result.seed = static_cast<std::uint64_t>(*saidSeed);
  result.weights = std::move(chain->weights);
  return result;
}

}  // namespace

Expected<std::vector<WantedFlow>> NicePictures::plan(const LabContext& context) const {
  flows::FlatFlowOptions options;
  options.couplings = context.integer("couplings");
  options.hidden = context.integer("picture-width");
  options.depth = static_cast<int>(context.integer("depth"));
  options.scale = context.flag("scale-layer");
  std::string split = context.text("split"), prior = context.text("prior");
  std::uint64_t seed = seed_;
  nn::Weights weights;
  if (const std::string& path = context.file("weights").path; !path.empty()) {
    auto file = opened(path, pictures_.side, split, prior, seed_);
    if (!file) return file.error();
    options = file->options, split = file->split, prior = file->prior, seed = file->seed, weights = std::move(file->weights);
  }
  options.height = options.width = pictures_.side;
  options.split = split == "halves"   ? flows::FlatSplit::halves
                  : split == "random" ? flows::FlatSplit::random
                                      : flows::FlatSplit::alternating;
  options.prior = prior == "normal" ? flows::Prior::normal : flows::Prior::logistic;
  // Every weight is multiplied once forward and twice back; a state per layer, with its gradient.
  const double d = 3.0 * static_cast<double>(pictures_.side * pictures_.side), width = static_cast<double>(options.hidden);
  const double each = 2 * d * width + (options.depth - 1) * width * width, rows = static_cast<double>(batch_);
  const double couplings = static_cast<double>(options.couplings);
  // Four numbers of 4 bytes per weight: itself, its gradient and Adam's two means.
  const double operations = 6 * couplings * each * rows, bytes = 16 * couplings * each + 8 * couplings * rows * (4 * d + 2 * width);
  bool still = false;
  if (weights.empty()) {
    if (auto fine = affordable(operations, bytes); !fine) return fine.error();
  } else {
    // Forward alone, and the steps of hidden pixels, each of which goes back as well.
    const double down = static_cast<double>(evaluatedPictures), climbed = 3.0 * climbs * rowColumns;
    auto only = onlyLookedAt(operations, bytes, 2 * couplings * each * (down + climbed),
                             4 * couplings * each + 4 * couplings * down * (4 * d + 2 * width));
    if (!only) return only.error();
    still = *only;
  }
  auto flow = flows::FlatFlow::make(options, seed);
  if (!flow) return flow.error();
  return std::vector<WantedFlow>{{"nice", tr("NICE"), std::make_shared<flows::FlatFlow>(*std::move(flow)), std::move(weights), still}};
}

NicePictures::Saved NicePictures::saved() const {
  Saved saved;
  for (const nn::NamedTensor& w : shownWeights()) saved.parts.emplace_back(w.name, w.value);
  const flows::FlatFlowOptions& o = flatFlow().options();
  saved.said = {{"split", splits[static_cast<std::size_t>(o.split)]},
                {"mask_seed", std::to_string(flatFlow().seed())},
                {"prior", priors[static_cast<std::size_t>(o.prior)]}};
  return saved;
}

// Pixels; between the couplings pixels less their means; behind the scale, latents.
double NicePictures::reachOf(std::size_t stages) const {
  if (stages == 0) return 0;
  const bool scaled = flow().stages()[stages - 1].kind == Kind::scale;
  return scaled ? (flow().prior() == flows::Prior::logistic ? 5.4 : 3) : 0.5;
}

void NicePictures::evaluateOwn(gpu::Stream& stream, nn::Tape&, std::span<const nn::Variable>) {
  if (rows_ == "inpainting") inpaint(stream);
}

// Known values stay, hidden ones climb ln p.
void NicePictures::inpaint(gpu::Stream& stream) {
  const std::int64_t side = pictures_.side;
  const Shape shape{rowColumns, 3, side, side};
  const std::vector<float> original = heldOut_.rows(0, std::min(rowColumns, heldOut_.shape()[0])).toFloats();
  const auto d = static_cast<std::size_t>(flow().dimensions());
  std::vector<float> mask = hiddenMask(hiddenPart_, painted_, side, seed_), known(static_cast<std::size_t>(rowColumns) * d);
  std::vector<float> visible = mask;
  for (float& v : visible) v = 1 - v;
  for (std::size_t i = 0; i < known.size(); ++i) known[i] = original[i % original.size()] * visible[i % d];
  const Tensor maskTensor = Tensor::from(Shape{3, side, side}, mask), knownTensor = Tensor::from(shape, known);

  nn::TrainerOptions options;
  options.optimizer.kind = nn::OptimizerKind::adam;
  options.optimizer.learningRate = climbRate;
  options.schedule.kind = nn::Schedule::Kind::cosine;
  options.schedule.total = climbs;
  options.schedule.last = 0.05;
  nn::Trainer climber({{"hidden", kernels::uniform(stream, shape, {seed_, startStream, 0}, 0, 1)}}, options);
  const auto whole = [&](nn::Tape& tape, const nn::Variable& hidden) {
    return nn::add(nn::mul(hidden, tape.constant(maskTensor)), tape.constant(knownTensor));
  };
  const auto present = [&] {
    nn::Tape tape(stream);
    return whole(tape, tape.constant(climber.weights().front().value)).value().toFloats();
  };
  const auto likelihood = [&] {
    nn::Tape tape(stream);
    const auto weights = nn::constants(tape, runs_.front().trainer.weights());
    const nn::Variable x = whole(tape, tape.constant(climber.weights().front().value));
    return static_cast<double>(nn::mean(flow().logLikelihood(weights, x)).value().toFloats()[0]) / static_cast<double>(d);
  };
  small_.clear();
  std::vector<float> shown(known.size());
  for (std::size_t i = 0; i < shown.size(); ++i) shown[i] = original[i % original.size()];
  small_.push_back({tr("picture"), shown});
  small_.push_back({tr("start"), present()});
  climbedFrom_ = likelihood();
  for (std::int64_t step = 0; step < climbs; ++step) {
    climber.step(stream, [&](nn::Tape& tape, std::span<const nn::Variable> hidden) {
      const auto weights = nn::constants(tape, runs_.front().trainer.weights());
      return nn::affine(nn::mean(flow().logLikelihood(weights, whole(tape, hidden.front()))), -1 / static_cast<double>(d), 0);
    });
    stream.wait();
    stream.submit();
    if (step + 1 == climbs / 4) small_.push_back({trf("step {}", step + 1), present()});
  }
  small_.push_back({trf("step {}", climbs), present()});
  climbedTo_ = likelihood();
}

std::string NicePictures::rowsTitle() const {
  if (rows_ != "inpainting") return PictureFlowLab::rowsTitle();
  return trf("Hidden pixels climb to {:.2f} nats per value", climbedTo_);
}

std::vector<Metric> NicePictures::metrics() const {
  std::vector<Metric> result = PictureFlowLab::metrics();
  if (rows_ == "inpainting" && !runs_.empty()) {
    result.push_back({"inpainting.start", climbedFrom_, "nats/dim"});
    result.push_back({"inpainting.end", climbedTo_, "nats/dim"});
  }
  return result;
}

std::vector<double> NicePictures::widths() const {
  std::vector<double> result;
  if (!flatFlow().options().scale) return result;
  for (const double s : host_.back()) result.push_back(std::exp(-s));
  return result;
}

Panel NicePictures::spectrumPanel() const {
  Panel panel;
  panel.id = "spectrum";
  std::vector<double> sorted = widths();
  if (sorted.empty()) {
    panel.title = tr("Widths of the latents");
    panel.message = tr("Without the scale layer every latent is as wide as the prior: turn it on to see the widths");
    return panel;
  }
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  std::vector<double> at;
  for (std::size_t i = 0; i < sorted.size(); ++i) at.push_back(static_cast<double>(i) + 1);
  panel.title = tr("Widths of the latents, widest first");
  panel.note = trf("{:.1e} … {:.1e}", sorted.back(), sorted.front());
  auto line = curveOf("width", at, sorted, Paint::of(Role::estimate));
  line->width = 1.5f;
  line->xName = tr("rank"), line->yName = tr("width");
  panel.marks.push_back(line);
  panel.x.label = tr("rank");
  panel.x.range = Range{1, static_cast<double>(sorted.size())};
  panel.y.label = tr("exp(−s)");
  panel.y.scale = ScaleKind::log;
  panel.y.range = Range{0.7 * sorted.back(), 1.4 * sorted.front()};
  return panel;
}

// Where in the picture, and in which colour, values keep room of their own.
Panel NicePictures::widthsPanel() const {
  Panel panel = picturesPanel("widths");
  panel.title = tr("Widths as a picture");
  const std::vector<double> all = widths();
  if (all.empty()) {
    panel.message = tr("There is no scale layer");
    return panel;
  }
  const double most = *std::max_element(all.begin(), all.end());
  std::vector<float> shown;
  for (const double v : all) shown.push_back(static_cast<float>(v / most));
  panel.note = tr("white: widest");
  auto image = std::make_shared<ImageMark>("pictures");
  image->pixels = mosaic(shown, 1);
  panel.marks.push_back(image);
  panel.x.range = panel.y.range = Range{0, 1};
  return panel;
}

Changes NicePictures::pointer(const PointerEvent& event, const Values& values) const {
  if (event.panel != "rows" || !paints() || event.kind == PointerEvent::Kind::click) return PictureFlowLab::pointer(event, values);
  if (event.kind != PointerEvent::Kind::press && event.kind != PointerEvent::Kind::drag) return {};
  if (event.x < 0 || event.y < 0 || event.x >= rowColumns || event.y >= static_cast<double>(small_.size())) return {};
  const auto cell = paintedCellAt(event.x, event.y, pictures_.side, maskGap);
  return cell ? paintedCellSet(values, "hidden-mask", *cell, !event.alternate) : Changes{};
}

Figure NicePictures::figure() const {
  Figure figure;
  figure.title = tr("NICE: additive coupling");
  if (runs_.empty()) return figure;
  place(figure, stagePanel(), 0, 0, 3);
  place(figure, samplesPanel(), 0, 3, 3);
  Panel rows = rowsPanel();
  if (paints()) {
    rows.note = tr("drag over a picture to hide pixels; Alt: to show them");
    rows.handles.push_back({"paint", 0.5, 0.5, Handle::Kind::point, rows.note});  // without it a drag moves the view
  }
  place(figure, std::move(rows), 0, 6, 3);
  place(figure, bitsPanel(), 0, 9, 3);
  place(figure, stripPanel(), 1, 0, 6);
  place(figure, masksPanel(), 1, 6, 4);
  place(figure, widthsPanel(), 1, 10, 2);
  place(figure, volumesPanel(), 2, 0, 4);
  place(figure, spectrumPanel(), 2, 4, 4);
  place(figure, inversePanel(), 2, 8, 4);
  figure.rowWeights = {1.25f, 0.85f, 0.9f};
  return figure;
}

}  // namespace orrery::generative
