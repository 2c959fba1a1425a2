// Softmax attention: which tokens each head looks at, how sharply, and what reaches the output after several layers.
// Sources: Vaswani et al. 2017, section 3.2 (attention, heads); Abnar and Zuidema 2020 (rollout); Elhage et al. 2021, Olsson et al. 2022
// (induction circuit); Henry et al. 2020 (query-key normalisation).
//
//   S = Q K^T / (tau sqrt(dh)) + M,  P = softmax of each row,  O = P V.
//
// Q, K, V [H, n, dh]; row vectors, i = query (row), j = key (column), from 0; entropies in nats. The n x n matrices are never held except
// the one that is looked at (and, up to 1024 tokens, those the rollout multiplies).

#include "core/labs/attention/softmax_attention/lab.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <stdexcept>

#include "core/kernels/elementwise.h"
#include "core/kernels/layer_norm.h"
#include "core/labs/attention/shared/fixture.h"
#include "core/modelfile/tensor_file.h"
#include "core/models/bundled.h"

namespace orrery::attention {
namespace {

// Weights of random projections: d x d x 4 per layer. Beyond this much memory the lab refuses instead of making the machine swap.
constexpr double mostWeightBytes = 1024.0 * 1024 * 1024;

std::vector<std::int64_t> parseIntegers(const std::string& text) {
  std::vector<std::int64_t> result;
  const char* at = text.c_str();
  while (*at != '\0') {
    char* end = nullptr;
    const long long value = std::strtoll(at, &end, 10);
    if (end == at) {
      ++at;
      continue;
    }
    result.push_back(value);
    at = end;
  }
  return result;
}

// 1, 2 or 5 times a power of ten, at least `value` and at most 1: colour ranges that stand still while a slider moves a little.
double roundedTop(double value) {
  if (!(value > 0)) return 1;
  const double decade = std::pow(10, std::floor(std::log10(value)));
  for (const double step : {1.0, 2.0, 5.0, 10.0}) {
    if (step * decade >= value * (1 - 1e-9)) return std::min(step * decade, 1.0);
  }
  return 1;
}

// Where a colour range ends: above all but half a percent of the weights that are not zero. (The first row of a causal map is always 1.)
double colourTop(std::vector<float> values) {
  std::erase_if(values, [](float value) { return !(value > 0); });
  if (values.empty()) return 1;
  const auto place = values.begin() + static_cast<std::ptrdiff_t>(static_cast<double>(values.size() - 1) * 0.995);
  std::nth_element(values.begin(), place, values.end());
  return roundedTop(static_cast<double>(*place));
}

}  // namespace

Expected<void> SoftmaxAttentionLab::update(LabContext& context) {
  const bool restart =
      stale_ || context.anyChanged({"source", "text", "tokens", "file", "model", "length", "seed", "heads", "head-width", "layers"});
  const bool forward = restart || context.anyChanged({"strength", "temperature", "scale", "normalize", "gain", "mask", "valid", "prefix",
                                                      "block", "parents"});
  stale_ = true;
  try {
    if (restart) {
      if (auto result = readInputs(context); !result) return result;
    }
    if (forward) {
      if (auto result = runLayers(context); !result) return result;
    }
  } catch (const std::length_error& error) {
    return makeError(ErrorCode::unsupported, error.what());
  }
  if (context.cancelled()) return makeError(ErrorCode::cancelled, tr("cancelled"));
  if (auto result = lookAt(context); !result) return result;
  stale_ = false;
  return {};
}

Expected<void> SoftmaxAttentionLab::readInputs(LabContext& context) {
  source_ = context.text("source");
  tokens_.clear();
  labels_.clear();
  weights_.clear();
  layers_.clear();
  x_ = fileQ_ = fileK_ = fileV_ = Tensor();
  model_.reset();
  if (source_ == "file") return readFile(context);

  // Cut the text.
  if (source_ != "random") {
    const std::string& text = context.text("text");
    if (text.empty()) return makeError(ErrorCode::usage, tr("the text is empty: type at least one character"), "E-ATT-TEXT");
    const std::string& cut = context.text("tokens");
    if (cut == "ids") {
      auto ids = numberTokens(text);
      if (!ids) return ids.error();
      tokens_ = *std::move(ids);
    } else {
      tokens_ = cut == "bytes" ? byteTokens(text) : characterTokens(text);
    }
    if (source_ == "induction") labels_.push_back("<s>");
    for (const TextToken& token : tokens_) labels_.push_back(token.label);
    n_ = static_cast<std::int64_t>(labels_.size());
  } else {
    n_ = context.integer("length");
    for (std::int64_t i = 0; i < n_; ++i) labels_.push_back(std::to_string(i));
  }
  if (source_ == "induction") {
    heads_ = 1;
    return {};
  }
  if (source_ == "model") return readModel(context);

  // Make embeddings and weights. Equal tokens have equal vectors.
  heads_ = context.integer("heads");
  const std::int64_t d = heads_ * context.integer("head-width"), layers = context.integer("layers");
  const double bytes = 16.0 * static_cast<double>(d) * static_cast<double>(d) * static_cast<double>(layers);
  if (bytes > mostWeightBytes) {
    return makeError(
        ErrorCode::outOfMemory,
        trf("{} layers of width {} need {:.1f} GiB of weights, the lab uses at most 1: take fewer layers, heads or a smaller head width",
            layers, d, bytes / mostWeightBytes),
        "E-ATT-MEM");
  }
  const auto seed = static_cast<std::uint32_t>(context.integer("seed"));
  if (source_ == "random") {
    x_ = fixture(n_, d, seed, std::sqrt(3.0));
  } else {
    constexpr std::uint32_t embeddingSeed = 7;
    x_ = Tensor(Shape{n_, d});
    auto values = x_.asMutable<float>();
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      for (std::int64_t c = 0; c < d; ++c) {
        values[i * static_cast<std::size_t>(d) + static_cast<std::size_t>(c)] =
            std::sqrt(3.0f) * fixtureValue(embeddingSeed, tokens_[i].id, static_cast<std::uint32_t>(c));
      }
    }
  }
  for (std::int64_t l = 0; l < layers; ++l) {
    if (context.cancelled()) return makeError(ErrorCode::cancelled, tr("cancelled"));
    context.progress(static_cast<double>(l) / static_cast<double>(layers), tr("making weights"));
    const double factor = std::sqrt(3.0 / static_cast<double>(d));
    const std::uint32_t first = seed + 1 + 4 * static_cast<std::uint32_t>(l);
    weights_.push_back(cutByHeads(fixture(d, d, first, factor), fixture(d, d, first + 1, factor), fixture(d, d, first + 2, factor),
                                  fixture(d, d, first + 3, factor), heads_));
  }
  return {};
}

Expected<void> SoftmaxAttentionLab::readFile(LabContext& context) {
  const Asset& asset = context.file("file");
  if (asset.path.empty()) {
    return makeError(
        ErrorCode::usage,
        tr("no file yet: drop a .npz or .safetensors file with q, k and v of shape [heads, tokens, width], or choose another source"),
        "E-ATT-NOFILE");
  }
  auto file = modelfile::TensorFile::open(asset.path);
  if (!file) return file.error();
  const auto read = [&](const char* name) -> Expected<Tensor> {
    std::string upper(1, static_cast<char>(std::toupper(name[0])));
    std::int64_t notFinite = 0;
    auto tensor = file->read(file->contains(name) ? std::string(name) : upper, &notFinite);
    if (!tensor) return tensor.error();
    if (notFinite > 0)
      return makeError(ErrorCode::badInput,
                       trf("{} holds {} values that are not finite numbers; attention over them has no meaning", name, notFinite),
                       "E-ATT-NAN");
    const Shape& shape = tensor->shape();
    if (shape.rank() == 2) return tensor->reshaped(Shape{1, shape[0], shape[1]});
    if (shape.rank() == 4 && shape[0] == 1) return tensor->reshaped(Shape{shape[1], shape[2], shape[3]});
    if (shape.rank() != 3)
      return makeError(ErrorCode::badInput, trf("{} has shape {}; [heads, tokens, width] is needed", name, shape.toString()), "E-ATT-RANK");
    return *tensor;
  };
  auto q = read("q"), k = read("k"), v = read("v");
  for (const auto* tensor : {&q, &k, &v}) {
    if (!*tensor) return tensor->error();
  }
  const Shape &sq = q->shape(), &sk = k->shape(), &sv = v->shape();
  if (sq[2] != sk[2]) return makeError(ErrorCode::badInput, trf("q is {} wide and k {}: they must agree", sq[2], sk[2]), "E-ATT-WIDTH");
  if (sk[1] != sv[1] || sk[0] != sv[0]) {
    return makeError(ErrorCode::badInput, trf("k has shape {} and v {}: heads and tokens must agree", sk.toString(), sv.toString()),
                     "E-ATT-KV");
  }
  if (sk[0] == 0 || sq[0] == 0 || sq[0] % sk[0] != 0) {
    return makeError(ErrorCode::badInput, trf("{} key heads do not divide {} query heads", sk[0], sq[0]), "E-ATT-GQA");
  }
  if (sq[1] != sk[1])
    return makeError(ErrorCode::badInput, trf("q has {} tokens and k {}: this lab shows self-attention, they must agree", sq[1], sk[1]),
                     "E-ATT-SELF");
  if (sq[1] < 1 || sq[1] > mostTokens || sq[0] > 128 || sq[2] < 1 || sv[2] < 1) {
    return makeError(ErrorCode::badInput, trf("q has shape {}: 1 to 128 heads and 1 to {} tokens can be shown", sq.toString(), mostTokens),
                     "E-ATT-SIZE");
  }
  fileQ_ = *q, fileK_ = *k, fileV_ = *v;
  heads_ = sq[0], n_ = sq[1];
  for (std::int64_t i = 0; i < n_; ++i) labels_.push_back(std::to_string(i));
  return {};
}

Expected<void> SoftmaxAttentionLab::readModel(LabContext& context) {
  const Asset& asset = context.file("model");
  const std::string path = asset.path.empty() ? models::bundledFolder("tiny-gpt") + "/model.safetensors" : asset.path;
  auto opened = GptFile::open(path, mostWeightBytes);
  if (!opened) return opened.error();
  if (n_ > opened->context()) {
    return makeError(ErrorCode::usage, trf("the text has {} tokens, this model reads at most {}", n_, opened->context()), "E-ATT-CONTEXT");
  }
  std::vector<std::uint32_t> ids;
  for (const TextToken& token : tokens_) ids.push_back(token.id);
  const auto largest = *std::max_element(ids.begin(), ids.end());
  if (largest >= static_cast<std::uint64_t>(opened->vocabulary())) {
    return makeError(ErrorCode::usage, trf("token {} is outside of this model's vocabulary of {}", largest, opened->vocabulary()),
                     "E-ATT-VOCABULARY");
  }
  if (opened->vocabulary() != 256 && context.text("tokens") != "ids") {
    return makeError(ErrorCode::usage,
                     trf("this model's {} tokens are not bytes: run its tokenizer, type the numbers as text and choose Tokens: numbers",
                         opened->vocabulary()),
                     "E-ATT-TOKENIZER");
  }
  x_ = opened->embed(ids);
  heads_ = opened->heads();
  model_ = *std::move(opened);
  return {};
}

Expected<kernels::AttentionOptions> SoftmaxAttentionLab::optionsFor(LabContext& context) const {
  kernels::AttentionOptions options;
  const std::string& mask = context.text("mask");
  if (mask == "causal") options.mask = kernels::AttentionMask::causal;
  if (mask == "prefix") options.mask = kernels::AttentionMask::prefix, options.maskParameter = context.integer("prefix");
  if (mask == "blocks") options.mask = kernels::AttentionMask::blocks, options.maskParameter = context.integer("block");
  if (mask == "padding") {
    options.validKeys = options.validQueries = context.integer("valid");
    if (options.validKeys == 0) return makeError(ErrorCode::usage, tr("no valid key: nothing to attend to"), "E-ATT-VALID");
  }
  if (mask == "tree") {
    auto tree = treeMask(parseIntegers(context.text("parents")), n_);
    if (!tree) return tree.error();
    options.additive = *tree;
  }
  return options;
}

Expected<void> SoftmaxAttentionLab::runLayers(LabContext& context) {
  layers_.clear();
  predictions_.clear();
  headNames_.clear();
  if (source_ == "induction") {
    runInduction(context);
    return {};
  }
  auto& stream = context.stream();
  auto options = optionsFor(context);
  if (!options) return options.error();
  const std::int64_t width = source_ == "file" ? fileQ_.shape()[2] : model_ ? model_->width() / heads_ : context.integer("head-width");
  options->scale =
      static_cast<float>((context.flag("scale") ? 1 / std::sqrt(static_cast<double>(width)) : 1.0) / context.number("temperature"));
  for (std::int64_t h = 0; h < heads_; ++h) headNames_.push_back(trf("head {}", h + 1));

  if (source_ == "file") {
    ShownLayer layer;
    layer.options = *options;
    layer.result.q = fileQ_, layer.result.k = fileK_, layer.result.v = fileV_;
    layer.result.attention = kernels::attention(stream, fileQ_, fileK_, fileV_, *options);
    layers_.push_back(std::move(layer));
    return {};
  }
  if (model_) return runModel(context, *options);
  Tensor x = x_;
  for (std::size_t l = 0; l < weights_.size(); ++l) {
    if (context.cancelled()) return makeError(ErrorCode::cancelled, tr("cancelled"));
    context.progress(static_cast<double>(l) / static_cast<double>(weights_.size()), tr("attention"));
    LayerOptions layerOptions;
    layerOptions.attention = *options;
    layerOptions.normalize = context.flag("normalize");
    layerOptions.gain = context.number("gain");
    layers_.push_back({multiHead(stream, x, weights_[l], layerOptions), *options});
    // Add and normalise.
    x = kernels::layerNorm(stream, kernels::binary(stream, kernels::Binary::add, x, layers_.back().result.output));
  }
  return {};
}

// Every block in turn; then what the model expects after each token, and how many bits the token that came was worth to it.
Expected<void> SoftmaxAttentionLab::runModel(LabContext& context, kernels::AttentionOptions options) {
  auto& stream = context.stream();
  Tensor x = x_;
  for (std::size_t l = 0; l < model_->layers(); ++l) {
    if (context.cancelled()) return makeError(ErrorCode::cancelled, tr("cancelled"));
    context.progress(static_cast<double>(l) / static_cast<double>(model_->layers()), tr("attention"));
    GptFile::Block block = model_->block(stream, l, x, options);
    layers_.push_back({std::move(block.attention), options});
    x = block.x;
  }
  const auto vocabulary = static_cast<std::size_t>(model_->vocabulary());
  const auto logits = model_->logits(stream, x).toFloats();
  double nats = 0;
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    const auto row = std::span(logits).subspan(i * vocabulary, vocabulary);
    const auto best = std::max_element(row.begin(), row.end());
    const auto expected = static_cast<std::uint32_t>(best - row.begin());
    predictions_.push_back(context.text("tokens") == "ids" ? std::to_string(expected)
                                                           : byteTokens(std::string(1, static_cast<char>(expected))).front().label);
    if (i + 1 == tokens_.size()) break;
    double sum = 0;
    for (const float value : row) sum += std::exp(static_cast<double>(value) - static_cast<double>(*best));
    nats += std::log(sum) + static_cast<double>(*best) - static_cast<double>(row[tokens_[i + 1].id]);
  }
  bitsPerToken_ = tokens_.size() < 2 ? 0 : nats / std::numbers::ln2 / static_cast<double>(tokens_.size() - 1);
  return {};
}

// Two heads that copy (one-hot tokens X): the first puts beta on the key just before the query, so its output Prev_j is the token before j;
// the second scores beta x_i . Prev_j, so it finds places whose predecessor equals the present token. Its read-out P_2 X is what followed
// there.
void SoftmaxAttentionLab::runInduction(LabContext& context) {
  auto& stream = context.stream();
  const auto n = static_cast<std::size_t>(n_);
  const auto beta = static_cast<float>(context.number("strength") / context.number("temperature"));
  std::vector<std::string> vocabulary(labels_);
  std::sort(vocabulary.begin() + 1, vocabulary.end());
  vocabulary.erase(std::unique(vocabulary.begin() + 1, vocabulary.end()), vocabulary.end());
  const std::size_t words = vocabulary.size();
  std::vector<float> oneHot(n * words, 0.0f);
  for (std::size_t i = 0; i < n; ++i) {
    const auto word = i == 0 ? vocabulary.begin() : std::lower_bound(vocabulary.begin() + 1, vocabulary.end(), labels_[i]);
    oneHot[i * words + static_cast<std::size_t>(word - vocabulary.begin())] = 1;
  }
  const Tensor x = Tensor::from(Shape{1, n_, static_cast<std::int64_t>(words)}, oneHot);

  ShownLayer first, second;
  first.options.mask = second.options.mask = kernels::AttentionMask::causal;
  std::vector<float> before(n * n, 0.0f);
  for (std::size_t i = 1; i < n; ++i) before[i * n + i - 1] = beta;
  first.options.additive = Tensor::from(Shape{n_, n_}, before);
  first.result.q = first.result.k = Tensor::from(Shape{1, n_, 4}, std::vector<float>(n * 4, 0.0f));  // the scores are the mask alone
  first.result.v = x;
  first.result.attention = kernels::attention(stream, first.result.q, first.result.k, x, first.options);

  second.options.scale = beta;
  second.result.q = x;
  second.result.k = first.result.attention.output;
  second.result.v = x;
  second.result.attention = kernels::attention(stream, x, second.result.k, x, second.options);
  const auto readOut = second.result.attention.output.toFloats();
  for (std::size_t i = 0; i < n; ++i) {
    const auto row = readOut.begin() + static_cast<std::ptrdiff_t>(i * words);
    predictions_.push_back(vocabulary[static_cast<std::size_t>(std::max_element(row, row + static_cast<std::ptrdiff_t>(words)) - row)]);
  }
  layers_.push_back(std::move(first));
  layers_.push_back(std::move(second));
  headNames_ = {tr("layer 1: one back"), tr("layer 2: what came after")};
}

Expected<void> SoftmaxAttentionLab::lookAt(LabContext& context) {
  auto& stream = context.stream();
  const bool induction = source_ == "induction";
  const auto maps = static_cast<std::int64_t>(headNames_.size());
  const std::int64_t chosen = std::clamp<std::int64_t>(context.integer("head"), 1, maps) - 1;
  // The circuit has one head in each of two layers; the grid shows both.
  layer_ = induction ? chosen : std::min<std::int64_t>(context.integer("layer"), static_cast<std::int64_t>(layers_.size())) - 1;
  head_ = induction ? 0 : chosen;
  query_ = std::min(context.integer("query"), n_ - 1);
  logColor_ = context.flag("log-color");

  // Draw the small maps and the enlarged one.
  thumbnails_.clear();
  thumbnailCell_ = kernels::cellFor(n_, gridCells);
  mapCell_ = kernels::cellFor(n_, mapCells);
  const auto mapOf = [&](std::int64_t index, std::int64_t cell) {
    const ShownLayer& layer = layers_[static_cast<std::size_t>(induction ? index : layer_)];
    const Tensor map = kernels::attentionWeights(stream, layer.result.q, layer.result.k, layer.result.attention.statistics,
                                                 {induction ? 0 : index, 1, 0, -1, cell}, layer.options);
    return map.reshaped(Shape{map.shape()[1], map.shape()[2]});
  };
  for (std::int64_t index = 0; index < maps; ++index) {
    if (context.cancelled()) return makeError(ErrorCode::cancelled, tr("cancelled"));
    context.progress(static_cast<double>(index) / static_cast<double>(maps), tr("maps"));
    thumbnails_.push_back(mapOf(index, thumbnailCell_));
  }
  map_ = mapCell_ == thumbnailCell_ ? thumbnails_[static_cast<std::size_t>(chosen)] : mapOf(chosen, mapCell_);
  std::vector<float> all;
  for (const Tensor& small : thumbnails_) {
    const auto values = small.toFloats();
    all.insert(all.end(), values.begin(), values.end());
  }
  gridTop_ = colourTop(std::move(all));
  mapTop_ = colourTop(map_.toFloats());

  // Follow the information through the layers.
  rollout_ = Tensor();
  rolloutNote_.clear();
  if (n_ > mostForRollout) {
    rolloutNote_ = trf("The rollout multiplies n × n matrices; it is shown up to {} tokens, this input has {}.", mostForRollout, n_);
  } else {
    const std::string& name = context.text("fusion");
    const Fusion fusion = name == "max" ? Fusion::max : name == "min" ? Fusion::min : Fusion::mean;
    std::vector<Tensor> fused;
    for (const ShownLayer& layer : layers_) fused.push_back(fusedWeights(stream, layer.result, layer.options, fusion));
    rollout_ = rollout(stream, fused, context.number("residual"), context.number("discard"));
    rolloutTop_ = colourTop(rollout_.toFloats());
  }
  readRow(context);
  return {};
}

void SoftmaxAttentionLab::readRow(LabContext& context) {
  auto& stream = context.stream();
  const ShownLayer& layer = layers_[static_cast<std::size_t>(layer_)];
  const auto n = static_cast<std::size_t>(n_);
  const std::int64_t layerHeads = layer.result.q.shape()[0];

  // The selected row of every head.
  const Tensor rows = kernels::attentionWeights(stream, layer.result.q, layer.result.k, layer.result.attention.statistics,
                                                {0, layerHeads, query_, 1, 1}, layer.options);
  const auto weights = rows.toFloats();
  double worstSum = 0;
  for (std::int64_t h = 0; h < layerHeads; ++h) {
    double sum = 0;
    for (std::size_t j = 0; j < n; ++j) sum += static_cast<double>(weights[static_cast<std::size_t>(h) * n + j]);
    if (sum > 0) worstSum = std::max(worstSum, std::abs(sum - 1));
  }
  const auto own = std::span(weights).subspan(static_cast<std::size_t>(head_) * n, n);
  std::vector<float> row(own.begin(), own.end());
  rowAsComputed_ = Tensor::from(Shape{n_}, row);

  // Move one score by delta: p_j' = p_j e^delta / (1 - p_j + p_j e^delta), the others share what is left in proportion.
  const double delta = context.number("nudge");
  const auto key = static_cast<std::size_t>(std::min(context.integer("nudge-key"), n_ - 1));
  if (delta != 0 && row[key] > 0) {
    const double p = row[key], total = 1 - p + p * std::exp(delta);
    for (std::size_t j = 0; j < n; ++j)
      row[j] = static_cast<float>(static_cast<double>(row[j]) * (j == key ? std::exp(delta) : 1.0) / total);
  }
  row_ = Tensor::from(Shape{n_}, row);
  rowEntropy_ = 0;
  double largest = 0;
  std::size_t top = 0;
  for (std::size_t j = 0; j < n; ++j) {
    const double p = row[j];
    if (p > 0) rowEntropy_ -= p * std::log(p);
    if (p > largest) largest = p, top = j;
  }

  // Entropy of every row and its ceiling, the logarithm of the number of keys that the row sees.
  const auto statistics = layer.result.attention.statistics.toFloats();
  entropies_.clear();
  double mean = 0;
  for (std::int64_t h = 0; h < layerHeads; ++h) {
    std::vector<float> entropy(n);
    for (std::size_t i = 0; i < n; ++i)
      entropy[i] = statistics[(static_cast<std::size_t>(h) * n + i) * 2 + 1], mean += static_cast<double>(entropy[i]);
    entropies_.push_back(Tensor::from(Shape{n_}, entropy));
  }
  mean /= static_cast<double>(n) * static_cast<double>(layerHeads);
  std::vector<float> ceiling(n), positions(n);
  std::vector<float> additive;
  if (!layer.options.additive.empty()) additive = layer.options.additive.toFloats();
  for (std::size_t i = 0; i < n; ++i) {
    std::size_t visible = n;
    const auto valid = static_cast<std::size_t>(layer.options.validKeys < 0 ? n_ : std::min(layer.options.validKeys, n_));
    const auto parameter = static_cast<std::size_t>(layer.options.maskParameter);
    switch (layer.options.mask) {
      case kernels::AttentionMask::none:
        visible = valid;
        break;
      case kernels::AttentionMask::causal:
        visible = std::min(valid, i + 1);
        break;
      case kernels::AttentionMask::prefix:
        visible = std::min(valid, std::max(parameter, i + 1));
        break;
      case kernels::AttentionMask::blocks:
        visible = std::min(n, (i / parameter + 1) * parameter) - i / parameter * parameter;
        break;
    }
    if (!additive.empty() && layer.options.mask == kernels::AttentionMask::none) {
      visible = static_cast<std::size_t>(std::count_if(additive.begin() + static_cast<std::ptrdiff_t>(i * n),
                                                       additive.begin() + static_cast<std::ptrdiff_t>((i + 1) * n),
                                                       [](float value) { return value > -1e29f; }));
    }
    if (layer.options.validQueries >= 0 && i >= static_cast<std::size_t>(layer.options.validQueries)) visible = 1;
    ceiling[i] = static_cast<float>(std::log(static_cast<double>(std::max<std::size_t>(visible, 1))));
    positions[i] = static_cast<float>(i);
  }
  ceiling_ = Tensor::from(Shape{n_}, ceiling);
  positions_ = Tensor::from(Shape{n_}, positions);
  std::vector<float> from(2 * n), to(2 * n);
  for (std::size_t j = 0; j < n; ++j) {
    from[2 * j] = static_cast<float>(query_), from[2 * j + 1] = 1;
    to[2 * j] = static_cast<float>(j), to[2 * j + 1] = 0;
  }
  linksFrom_ = Tensor::from(Shape{n_, 2}, from);
  linksTo_ = Tensor::from(Shape{n_, 2}, to);
  rowTop_ = roundedTop(largest);
  std::vector<float> relative(row);
  for (float& value : relative) value = largest > 0 ? static_cast<float>(static_cast<double>(value) / largest) : 0.0f;
  linkWeights_ = Tensor::from(Shape{n_}, relative);

  const std::vector<double> exact(row.begin(), row.end());
  metrics_ = {{"entropy.mean", mean, "nats"},
              {"row.entropy", rowEntropy_, "nats"},
              {"row.effective-keys", std::exp(rowEntropy_), ""},
              {"row.top.key", static_cast<double>(top), ""},
              {"row.top.weight", largest, ""},
              {"row.sum.error", worstSum, ""},
              {"row.jacobian-norm", jacobianNorm(exact), ""},
              {"tokens", static_cast<double>(n_), ""},
              {"heads", static_cast<double>(source_ == "induction" ? 2 : heads_), ""}};
  if (!rollout_.empty()) {
    const auto values = rollout_.toFloats();
    double worst = 0;
    for (std::size_t i = 0; i < n; ++i)
      worst = std::max(worst, std::abs(std::accumulate(values.begin() + static_cast<std::ptrdiff_t>(i * n),
                                                       values.begin() + static_cast<std::ptrdiff_t>((i + 1) * n), 0.0) -
                                       1));
    metrics_.push_back({"rollout.row.sum.error", worst, ""});
  }
  if (!predictions_.empty()) {
    // How often the token that is expected is the one that comes next.
    int right = 0;
    for (std::size_t i = 0; i + 1 < n; ++i) right += predictions_[i] == labels_[i + 1] ? 1 : 0;
    metrics_.push_back({source_ == "induction" ? "induction.hits" : "model.hits", static_cast<double>(right), ""});
  }
  if (model_) metrics_.push_back({"model.bits-per-token", bitsPerToken_, "bits"});
}

ORRERY_LAB(SoftmaxAttentionLab);

}  // namespace orrery::attention
