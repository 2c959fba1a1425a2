// GPT-2's blocks on the kernels: x + attention(norm(x)), then x + mlp(norm(x)) with GELU in its tanh form.

#include "core/labs/attention/shared/gpt_file.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/base/files.h"
#include "core/base/text.h"
#include "core/kernels/layer_norm.h"
#include "core/kernels/matmul.h"
#include "core/kernels/permute.h"
#include "core/modelfile/tensor_file.h"

namespace orrery::attention {
namespace {

// Columns first .. first + count - 1 of a matrix [rows, columns]; of a vector, those elements.
Tensor columns(const Tensor& from, std::int64_t first, std::int64_t count) {
  const bool vector = from.shape().rank() == 1;
  const std::int64_t rows = vector ? 1 : from.shape()[0], all = from.shape()[-1];
  Tensor result(vector ? Shape{count} : Shape{rows, count});
  const auto values = from.as<float>();
  auto to = result.asMutable<float>();
  for (std::int64_t r = 0; r < rows; ++r) std::copy_n(values.begin() + r * all + first, count, to.begin() + r * count);
  return result;
}

// Reads tensors, remembering the first thing that is wrong.
class Reader {
 public:
  Reader(const modelfile::TensorFile& file, std::string prefix) : file_(file), prefix_(std::move(prefix)) {}

  Tensor operator()(const std::string& name, const std::vector<std::int64_t>& shape) {
    if (error_) return {};
    std::int64_t notFinite = 0;
    auto tensor = file_.read(prefix_ + name, &notFinite);
    if (!tensor) {
      error_ = tensor.error();
    } else if (tensor->shape() != Shape(shape)) {
      error_ =
          makeError(ErrorCode::badInput,
                    trf("{} has shape {}, {} is needed", prefix_ + name, tensor->shape().toString(), Shape(shape).toString()), "E-ATT-GPT");
    } else if (notFinite > 0) {
      error_ =
          makeError(ErrorCode::badInput,
                    trf("{} holds {} values that are not finite numbers; attention over them has no meaning", prefix_ + name, notFinite),
                    "E-ATT-NAN");
    } else {
      return *tensor;
    }
    return {};
  }
  const std::optional<Error>& error() const { return error_; }

 private:
  const modelfile::TensorFile& file_;
  std::string prefix_;
  std::optional<Error> error_;
};

}  // namespace

Expected<GptFile> GptFile::open(const std::string& path, double mostBytes) {
  auto file = modelfile::TensorFile::open(path);
  if (!file) return file.error();
  const std::string prefix = file->contains("transformer.wte.weight") ? "transformer." : "";
  const auto summary = [&](const std::string& name) -> const TensorSummary* {
    for (const TensorSummary& tensor : file->tensors()) {
      if (tensor.name == prefix + name) return &tensor;
    }
    return nullptr;
  };
  const TensorSummary *tokens = summary("wte.weight"), *positions = summary("wpe.weight");
  if (tokens == nullptr || positions == nullptr || summary("h.0.attn.c_attn.weight") == nullptr) {
    return makeError(ErrorCode::badInput,
                     trf("{} is no GPT-2: the tensors wte.weight, wpe.weight and h.0.attn.c_attn.weight are needed", path), "E-ATT-GPT");
  }
  const std::vector<std::int64_t>&tokenShape = tokens->shape, &positionShape = positions->shape;
  if (tokenShape.size() != 2 || positionShape.size() != 2 || tokenShape[1] != positionShape[1] || tokenShape[0] < 1 || tokenShape[1] < 1 ||
      positionShape[0] < 1) {
    return makeError(ErrorCode::badInput,
                     trf("{}: wte.weight should be [vocabulary, width] and wpe.weight [context, width], found {} and {}", path,
                         Shape(tokenShape).toString(), Shape(positionShape).toString()),
                     "E-ATT-GPT");
  }
  const std::int64_t d = tokenShape[1];
  std::int64_t layers = 0;
  while (summary("h." + std::to_string(layers) + ".attn.c_attn.weight") != nullptr) ++layers;
  const double bytes = 4.0 * (static_cast<double>(tokenShape[0] + positionShape[0]) * static_cast<double>(d) +
                              12.0 * static_cast<double>(layers) * static_cast<double>(d) * static_cast<double>(d));
  if (bytes > mostBytes) {
    return makeError(ErrorCode::outOfMemory,
                     trf("{} holds {:.1f} GiB of weights, the lab uses at most {:.0f}", path, bytes / (1 << 30), mostBytes / (1 << 30)),
                     "E-ATT-MEM");
  }

  GptFile gpt;
  // Heads: said beside the file, or 64 wide as in all published sizes.
  gpt.heads_ = d % 64 == 0 ? d / 64 : 0;
  const auto beside = std::filesystem::path(path).replace_filename("config.json").string();
  if (const auto text = readWholeFile(beside, 1 << 20)) {
    const auto config = nlohmann::json::parse(*text, nullptr, false);
    if (config.is_object() && config.contains("n_head") && config["n_head"].is_number_integer()) gpt.heads_ = config["n_head"];
    if (config.is_object() && config.contains("layer_norm_epsilon") && config["layer_norm_epsilon"].is_number()) {
      gpt.epsilon_ = std::clamp(config["layer_norm_epsilon"].get<double>(), 0.0, 1.0);
    }
  }
  if (gpt.heads_ < 1 || gpt.heads_ > 128 || d % gpt.heads_ != 0) {
    return makeError(ErrorCode::badInput,
                     trf("{} is {} wide: how many heads share it? Put the model's config.json (with n_head) beside the file", path, d),
                     "E-ATT-HEADS");
  }

  Reader read(*file, prefix);
  const auto norm = [&](const std::string& name) { return Norm{read(name + ".weight", {d}), read(name + ".bias", {d})}; };
  const auto dense = [&](const std::string& name, std::int64_t in, std::int64_t out) {
    return Dense{read(name + ".weight", {in, out}), read(name + ".bias", {out})};
  };
  gpt.tokenTable_ = read("wte.weight", tokenShape);
  gpt.positionTable_ = read("wpe.weight", positionShape);
  for (std::int64_t l = 0; l < layers && !read.error(); ++l) {
    const std::string at = "h." + std::to_string(l) + ".";
    Weights block;
    block.before = norm(at + "ln_1");
    const Dense packed = dense(at + "attn.c_attn", d, 3 * d);
    block.projection = dense(at + "attn.c_proj", d, d);
    block.middle = norm(at + "ln_2");
    const TensorSummary* up = summary(at + "mlp.c_fc.weight");
    const std::int64_t inner = up != nullptr && up->shape.size() == 2 ? up->shape[1] : 4 * d;
    block.up = dense(at + "mlp.c_fc", d, inner);
    block.down = dense(at + "mlp.c_proj", inner, d);
    if (read.error()) break;
    Dense* const parts[] = {&block.query, &block.key, &block.value};
    for (std::int64_t i = 0; i < 3; ++i) *parts[i] = {columns(packed.weight, i * d, d), columns(packed.bias, i * d, d)};
    gpt.blocks_.push_back(std::move(block));
  }
  gpt.last_ = norm("ln_f");
  if (read.error()) return *read.error();
  return gpt;
}

Tensor GptFile::embed(const std::vector<std::uint32_t>& ids) const {
  const auto d = static_cast<std::size_t>(width());
  const auto tokens = tokenTable_.as<float>(), positions = positionTable_.as<float>();
  Tensor x(Shape{static_cast<std::int64_t>(ids.size()), width()});
  auto values = x.asMutable<float>();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    for (std::size_t c = 0; c < d; ++c) values[i * d + c] = tokens[ids[i] * d + c] + positions[i * d + c];
  }
  return x;
}

Tensor GptFile::normalized(gpu::Stream& stream, const Tensor& x, const Norm& norm) const {
  kernels::LayerNormOptions options;
  options.epsilon = epsilon_, options.gain = norm.gain, options.shift = norm.shift;
  return kernels::layerNorm(stream, x, options);
}

GptFile::Block GptFile::block(gpu::Stream& stream, std::size_t index, const Tensor& x, const kernels::AttentionOptions& options) const {
  const Weights& w = blocks_[index];
  const std::int64_t n = x.shape()[0];
  const auto apply = [&](const Tensor& in, const Dense& dense) { return kernels::matmul(stream, in, dense.weight, {.bias = dense.bias}); };
  const auto apart = [&](const Tensor& in) { return kernels::permute(stream, in.reshaped(Shape{n, heads_, width() / heads_}), {1, 0, 2}); };
  Block result;
  LayerResult& layer = result.attention;
  const Tensor y = normalized(stream, x, w.before);
  layer.q = apart(apply(y, w.query)), layer.k = apart(apply(y, w.key)), layer.v = apart(apply(y, w.value));
  layer.attention = kernels::attention(stream, layer.q, layer.k, layer.v, options);
  const Tensor mixed = kernels::permute(stream, layer.attention.output, {1, 0, 2}).reshaped(Shape{n, width()});
  layer.output = apply(mixed, w.projection);
  const Tensor between = kernels::binary(stream, kernels::Binary::add, x, layer.output);
  const Tensor inner = kernels::matmul(stream, normalized(stream, between, w.middle), w.up.weight,
                                       {.bias = w.up.bias, .activation = kernels::Unary::geluTanh});
  result.x = kernels::matmul(stream, inner, w.down.weight, {.bias = w.down.bias, .residual = between});
  return result;
}

Tensor GptFile::logits(gpu::Stream& stream, const Tensor& x) const {
  return kernels::matmul(stream, normalized(stream, x, last_), tokenTable_, {.transposeB = true});
}

}  // namespace orrery::attention
