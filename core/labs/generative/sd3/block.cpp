// The joint block of the lab: embeddings, one run of core/models/mmdit.h, and what is read off it. Logits are q . k / sqrt(dh); entropies
// in nats. With q and k of root mean square 1 (RMS norm) a logit is at most sqrt(dh) times the gains. Random numbers, key = seed: Philox
// streams 71 (text), 72 (y), 73 (the embedding of latent patches), 100 ... (weights).

#include "core/labs/generative/sd3/block.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "core/kernels/elementwise.h"
#include "core/kernels/matmul.h"
#include "core/kernels/philox.h"
#include "core/kernels/reduce.h"
#include "core/modelfile/tensor_file.h"

namespace orrery::generative::sd3 {

using models::QkNorm;

namespace {

constexpr double mostWeightBytes = 1024.0 * 1024 * 1024;
constexpr std::int64_t mapCells = 512, mostForSweep = 512;
constexpr double contentDeviation = 0.7;  // of an embedded patch, as large as a position code's

double rootMeanSquare(const Tensor& a, const Tensor& b) {
  const auto x = a.as<float>(), y = b.as<float>();
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += std::pow(static_cast<double>(x[i]) - static_cast<double>(y[i]), 2);
  return std::sqrt(sum / static_cast<double>(std::max<std::size_t>(x.size(), 1)));
}

// 1, 2 or 5 times a power of ten above all but one value in two hundred.
double colourTop(std::vector<float> values) {
  if (values.empty()) return 1;
  const auto place = values.begin() + static_cast<std::ptrdiff_t>(static_cast<double>(values.size() - 1) * 0.995);
  std::nth_element(values.begin(), place, values.end());
  const double value = static_cast<double>(*place);
  if (!(value > 0)) return 1;
  const double decade = std::pow(10, std::floor(std::log10(value)));
  for (const double step : {1.0, 2.0, 5.0, 10.0}) {
    if (step * decade >= value * (1 - 1e-9)) return std::min(step * decade, 1.0);
  }
  return 1;
}

}  // namespace

bool JointBlock::touched(const LabContext& context) const {
  return context.anyChanged({"show",      "depth", "text-tokens", "image-tokens", "qk-norm",    "weight-scale", "last-block",
                             "gates",     "alike", "weights",     "block",        "embeddings", "head",         "query",
                             "positions", "table", "trained",     "picture",      "fit",        "channels",     "seed"});
}

Expected<void> JointBlock::update(LabContext& context) {
  const std::string inputs = keyOf(context, {"depth", "last-block", "alike", "weights", "block", "text-tokens", "image-tokens",
                                             "embeddings", "positions", "table", "trained", "picture", "fit", "channels", "seed"}),
                    run = inputs + keyOf(context, {"qk-norm", "weight-scale", "gates"});
  try {
    const bool sameInputs = inputsFor_ == inputs, sameRun = ranFor_ == run;
    inputsFor_.clear(), ranFor_.clear();
    if (!sameInputs) {
      if (auto done = readWeights(context); !done) return done;
      if (auto done = embed(context); !done) return done;
    }
    if (!sameRun) {
      const std::string& wanted = context.text("qk-norm");
      norm_ = wanted == "off"     ? QkNorm::off
              : wanted == "rms"   ? QkNorm::rms
              : wanted == "layer" ? QkNorm::layer
                                  : (file_ ? file_->norm : QkNorm::rms);
      block_.norm = norm_;
      scale_ = context.number("weight-scale");
      context.progress(0.3, tr("joint attention"));
      result_ = models::mmditBlock(context.stream(), block_, text_, image_, told_, {scale_, context.number("gates")});
      if (context.cancelled()) return makeError(ErrorCode::cancelled, tr("cancelled"));
      meter(context);
    }
    // The overview does not show the curves over the scale.
    if (context.text("show") == "block" && sweptFor_ != inputs) {
      sweptFor_.clear();
      sweep(context);
      sweptFor_ = inputs;
    }
    if (context.cancelled()) return makeError(ErrorCode::cancelled, tr("cancelled"));
    head_ = std::min(context.integer("head"), block_.heads);
    query_ = std::min(context.integer("query"), tokens() - 1);
    look(context);
    inputsFor_ = inputs, ranFor_ = run;
  } catch (const std::length_error& error) {
    return makeError(ErrorCode::unsupported, error.what());
  }
  return {};
}

Expected<void> JointBlock::readWeights(LabContext& context) {
  const Asset& asset = context.file("weights");
  const std::string wanted =
      asset.path.empty() ? keyOf(context, {"depth", "last-block", "alike", "seed"}) : keyOf(context, {"weights", "block"});
  if (readFrom_ == wanted) return {};
  readFrom_.clear();
  if (asset.path.empty()) {
    file_.reset();
    models::RandomMmdit options;
    options.depth = context.integer("depth");
    options.textEnds = context.flag("last-block");
    options.alike = context.number("alike");
    options.seed = static_cast<std::uint64_t>(context.integer("seed"));
    block_ = models::randomMmditBlock(context.stream(), options);
  } else {
    context.progress(0.05, tr("reading weights"));
    auto file = models::MmditFile::open(asset.path);
    if (!file) return file.error();
    auto block = file->block(context.integer("block"), mostWeightBytes);
    if (!block) return block.error();
    file_ = *std::move(file), block_ = *std::move(block), index_ = context.integer("block");
  }
  readFrom_ = wanted;
  return {};
}

Expected<void> JointBlock::readEmbeddings(const Asset& asset) {
  auto file = modelfile::TensorFile::open(asset.path);
  if (!file) return file.error();
  const auto read = [&](const char* name, int rank) -> Expected<Tensor> {
    if (!file->contains(name)) return Tensor();
    std::int64_t notFinite = 0;
    auto tensor = file->read(name, &notFinite);
    if (!tensor) return tensor.error();
    Tensor x = *tensor;
    if (x.shape().rank() == rank + 1 && x.shape()[0] == 1) {
      std::vector<std::int64_t> rest(x.shape().extents().begin() + 1, x.shape().extents().end());
      x = x.reshaped(Shape(rest));
    }
    if (x.shape().rank() != rank || x.shape()[-1] != block_.width || x.empty()) {
      return makeError(ErrorCode::badInput,
                       trf("{}: '{}' has shape {}, the block is {} wide: [tokens, {}] is needed for text and image, [{}] for y", asset.path,
                           name, tensor->shape().toString(), block_.width, block_.width, block_.width));
    }
    if (notFinite > 0)
      return makeError(ErrorCode::badInput, trf("{}: '{}' holds {} values that are not finite numbers", asset.path, name, notFinite));
    return x;
  };
  const auto text = read("text", 2), image = read("image", 2), y = read("y", 1);
  for (const auto* tensor : {&text, &image, &y}) {
    if (!*tensor) return tensor->error();
  }
  if (text->empty() && image->empty() && y->empty()) {
    return makeError(ErrorCode::badInput, trf("{} holds none of the tensors 'text', 'image' and 'y'", asset.path));
  }
  if ((!text->empty() && text->shape()[0] > 1024) || (!image->empty() && image->shape()[0] > 4096)) {
    return makeError(ErrorCode::badInput, trf("{}: at most 1024 text tokens and 4096 image tokens can be run", asset.path));
  }
  if (!text->empty()) text_ = *text, words_ = text->shape()[0];
  if (!image->empty()) {
    image_ = *image, pictures_ = image->shape()[0];
    columns_ = static_cast<std::int64_t>(std::ceil(std::sqrt(static_cast<double>(pictures_))));
    rows_ = (pictures_ + columns_ - 1) / columns_;
  }
  if (!y->empty()) told_ = *y;
  dropped_ = true;
  return {};
}

Expected<void> JointBlock::embed(LabContext& context) {
  auto& stream = context.stream();
  const std::int64_t d = block_.width;
  const auto seed = static_cast<std::uint64_t>(context.integer("seed"));
  words_ = context.integer("text-tokens"), pictures_ = context.integer("image-tokens");
  // A grid of the picture's shape.
  const double shape = static_cast<double>(codec_.width()) / static_cast<double>(codec_.height());
  columns_ = std::clamp<std::int64_t>(std::llround(std::sqrt(static_cast<double>(pictures_) * shape)), 1, pictures_);
  rows_ = (pictures_ + columns_ - 1) / columns_;
  text_ = words_ > 0 ? kernels::normal(stream, Shape{words_, d}, {seed, 71, 0}) : Tensor();
  told_ = kernels::normal(stream, Shape{d}, {seed, 72, 0});

  // Patches of 2 x 2 latents of the codec's picture, spread over the grid of tokens; then their places.
  const auto channels = static_cast<std::int64_t>(codec_.channels()), w = static_cast<std::int64_t>(codec_.width() / 8),
             h = static_cast<std::int64_t>(codec_.height() / 8);
  std::vector<float> content, codes;
  PositionGrid grid;
  grid.kind = positionKind(context.text("positions"));
  grid.rows = rows_, grid.columns = columns_;
  grid.table = context.integer("table"), grid.trained = std::min(context.integer("trained"), grid.table);
  if (std::max(rows_, columns_) > grid.table) {
    return makeError(ErrorCode::usage,
                     trf("{} × {} image tokens do not fit the position table of {} × {}", columns_, rows_, grid.table, grid.table));
  }
  for (std::int64_t n = 0; n < pictures_; ++n) {
    const std::int64_t r = n / columns_, c = n % columns_;
    for (const std::int64_t dy : {0, 1}) {
      for (const std::int64_t dx : {0, 1}) {
        const std::int64_t y = r * (h / 2) / rows_ * 2 + dy, x = c * (w / 2) / columns_ * 2 + dx;
        for (std::int64_t i = 0; i < channels; ++i)
          content.push_back(static_cast<float>(codec_.latents()[static_cast<std::size_t>((y * w + x) * channels + i)]));
      }
    }
    const auto code = positionCode(grid.kind, grid.placeOf(static_cast<double>(r), static_cast<double>(c)), d);
    for (const double v : code) codes.push_back(static_cast<float>(v));
  }
  const auto spread = static_cast<float>(contentDeviation / std::sqrt(4.0 * static_cast<double>(channels)));
  const Tensor embedding = kernels::normal(stream, Shape{d, 4 * channels}, {seed, 73, 0}, 0, spread);
  kernels::MatmulOptions options;
  options.transposeB = true;
  options.residual = Tensor::from(Shape{pictures_, d}, codes);
  image_ = kernels::matmul(stream, Tensor::from(Shape{pictures_, 4 * channels}, content), embedding, options);
  dropped_ = false;
  const Asset& asset = context.file("embeddings");
  return asset.path.empty() ? Expected<void>() : readEmbeddings(asset);
}

void JointBlock::look(LabContext& context) {
  auto& stream = context.stream();
  const auto &q = result_.heads.q, &k = result_.heads.k;
  const std::int64_t heads = block_.heads;
  cell_ = kernels::cellFor(tokens(), mapCells);

  // The map and one row of it: of a head, or the mean of all.
  Tensor map, row;
  for (std::int64_t h = head_ > 0 ? head_ - 1 : 0; h < (head_ > 0 ? head_ : heads); ++h) {
    const Tensor one = kernels::attentionWeights(stream, q, k, result_.attention.statistics, {h, 1, 0, -1, cell_});
    const Tensor line = kernels::attentionWeights(stream, q, k, result_.attention.statistics, {h, 1, query_, 1, 1});
    map = map.empty() ? one : kernels::binary(stream, kernels::Binary::add, map, one);
    row = row.empty() ? line : kernels::binary(stream, kernels::Binary::add, row, line);
  }
  const float share = head_ > 0 ? 1 : 1.0f / static_cast<float>(heads);
  map_ = kernels::affine(stream, map, share, 0).reshaped(Shape{map.shape()[1], map.shape()[2]});
  mapTop_ = colourTop(map_.toFloats());
  row_ = kernels::affine(stream, row, share, 0).toFloats();
}

// The meters of all heads.
void JointBlock::meter(LabContext& context) {
  auto& stream = context.stream();
  const auto &q = result_.heads.q, &k = result_.heads.k;
  const std::int64_t n = tokens(), heads = block_.heads;
  const auto most = models::largestLogits(stream, q, k).toFloats();
  logits_.assign(most.begin(), most.end());
  const auto statistics = result_.attention.statistics.toFloats();
  entropies_.assign(static_cast<std::size_t>(heads), 0);
  for (std::int64_t h = 0; h < heads; ++h) {
    for (std::int64_t i = 0; i < n; ++i)
      entropies_[static_cast<std::size_t>(h)] +=
          static_cast<double>(statistics[static_cast<std::size_t>((h * n + i) * 2 + 1)]) / static_cast<double>(n);
  }

  // How much of what each side attends to is the other: attention over values that are 1 for image tokens.
  std::vector<float> isImage(static_cast<std::size_t>(heads * n * 4), 0.0f);
  for (std::int64_t h = 0; h < heads; ++h) std::fill_n(isImage.begin() + (h * n + words_) * 4, pictures_ * 4, 1.0f);
  const auto shares = kernels::attention(stream, q, k, Tensor::from(Shape{heads, n, 4}, isImage)).output.toFloats();
  textToImage_ = imageToText_ = 0;
  for (std::int64_t h = 0; h < heads; ++h) {
    for (std::int64_t i = 0; i < n; ++i) {
      const double toImage = static_cast<double>(shares[static_cast<std::size_t>((h * n + i) * 4)]) / static_cast<double>(heads);
      if (i < words_)
        textToImage_ += toImage / static_cast<double>(words_);
      else
        imageToText_ += (1.0 / static_cast<double>(heads) - toImage) / static_cast<double>(pictures_);
    }
  }
  changed_ = rootMeanSquare(result_.image, image_);
}

// The same projections under every norm and scale.
void JointBlock::sweep(LabContext& context) {
  scales_.clear();
  for (Sweep& one : sweeps_) one = {};
  if (tokens() > mostForSweep) return;
  auto& stream = context.stream();
  for (const double scale : {0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0}) scales_.push_back(scale);
  // Record everything, then wait once.
  struct Found {
    Tensor logits, statistics;
  };
  std::vector<Found> all;
  for (const double scale : scales_) {
    for (const QkNorm norm : {QkNorm::off, QkNorm::rms, QkNorm::layer}) {
      const auto heads = models::joinHeads(stream, block_, result_.projections, norm, scale);
      all.push_back({models::largestLogits(stream, heads.q, heads.k), kernels::attention(stream, heads.q, heads.k, heads.v).statistics});
    }
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto most = all[i].logits.toFloats(), statistics = all[i].statistics.toFloats();
    double entropy = 0;
    for (std::size_t j = 1; j < statistics.size(); j += 2) entropy += static_cast<double>(statistics[j]);
    Sweep& into = sweeps_[i % 3];
    into.logits.push_back(static_cast<double>(*std::max_element(most.begin(), most.end())));
    into.entropies.push_back(entropy / static_cast<double>(statistics.size() / 2));
  }
}

void JointBlock::addMetrics(std::vector<Metric>& metrics) const {
  double entropy = 0;
  for (const double e : entropies_) entropy += e / static_cast<double>(entropies_.size());
  metrics.push_back({"block.largest-logit", *std::max_element(logits_.begin(), logits_.end()), ""});
  metrics.push_back({"block.entropy", entropy, "nats"});
  metrics.push_back({"block.text-to-image", textToImage_, ""});
  metrics.push_back({"block.image-to-text", imageToText_, ""});
  metrics.push_back({"block.image-change", changed_, ""});
  metrics.push_back({"block.text-output", result_.text.empty() ? 0.0 : 1.0, ""});
  metrics.push_back({"block.width", static_cast<double>(block_.width), ""});
  metrics.push_back({"block.heads", static_cast<double>(block_.heads), ""});
}

Changes JointBlock::pointer(const PointerEvent& event, const Values&) const {
  if (event.kind == PointerEvent::Kind::release) return {};
  if (event.panel == "joint") return {{"query", std::clamp<std::int64_t>(std::llround(event.y), 0, tokens() - 1)}};
  if (event.panel == "looks" && event.y > -0.5) {
    const std::int64_t n = std::llround(event.y) * columns_ + std::llround(event.x);
    if (n >= 0 && n < pictures_) return {{"query", words_ + n}};
  }
  if (event.panel == "logits" && event.kind == PointerEvent::Kind::click) {
    return {{"head", std::clamp<std::int64_t>(std::llround(event.x), 0, block_.heads)}};
  }
  if (event.panel == "scale-logits" && event.handle == "weight-scale" && event.x > 0)
    return {{"weight-scale", std::clamp(event.x, 0.1, 30.0)}};
  return {};
}

}  // namespace orrery::generative::sd3
