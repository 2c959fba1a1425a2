#include "core/models/mmdit.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/base/text.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/layer_norm.h"
#include "core/kernels/matmul.h"
#include "core/kernels/modulate.h"
#include "core/kernels/permute.h"
#include "core/kernels/philox.h"
#include "core/kernels/reduce.h"
#include "core/kernels/slice.h"

namespace orrery::models {

namespace {

using kernels::Binary;
using Dense = MmditSide::Dense;

Tensor apply(gpu::Stream& stream, const Dense& dense, const Tensor& x, std::optional<kernels::Unary> activation = {}) {
  kernels::MatmulOptions options;
  options.transposeB = true;
  options.bias = dense.bias;
  options.activation = activation;
  return kernels::matmul(stream, x, dense.weight, options);
}

// norm(x) (1 + scale) + shift; x [n, D], shift and scale [1, D].
Tensor modulatedNorm(gpu::Stream& stream, const Tensor& x, const Tensor& shift, const Tensor& scale, double epsilon) {
  kernels::LayerNormOptions options;
  options.epsilon = epsilon;
  const Tensor rows = kernels::layerNorm(stream, x, options).reshaped(Shape{1, x.shape()[0], x.shape()[1]});
  return kernels::modulate(stream, rows, scale, 1, shift).reshaped(x.shape());
}

// residual + gate x
Tensor gated(gpu::Stream& stream, const Tensor& residual, const Tensor& gate, const Tensor& x) {
  const Shape rows{1, x.shape()[0], x.shape()[1]};
  return kernels::modulate(stream, x.reshaped(rows), gate, 0, residual.reshaped(rows)).reshaped(x.shape());
}

// The vectors a side gets from y: six, two where it ends, nine with an attention of its own. [1, D] each.
std::vector<Tensor> modulations(gpu::Stream& stream, const MmditSide& side, const Tensor& y) {
  const std::int64_t d = y.shape()[1];
  const Tensor all = apply(stream, side.modulation, kernels::unary(stream, kernels::Unary::silu, y));
  std::vector<Tensor> list;
  for (std::int64_t at = 0; at < all.shape()[1]; at += d) list.push_back(kernels::slice(stream, all, 1, at, at + d));
  return list;
}

Tensor normalized(gpu::Stream& stream, const Tensor& x, const Tensor& gain, const Tensor& shift, QkNorm norm, double epsilon) {
  if (norm == QkNorm::off) return x;
  kernels::LayerNormOptions options;
  options.rootMeanSquare = norm == QkNorm::rms;
  options.epsilon = epsilon;
  options.gain = gain;
  if (norm == QkNorm::layer) options.shift = shift;
  return kernels::layerNorm(stream, x, options);
}

Tensor scaled(gpu::Stream& stream, const Tensor& x, double factor) {
  return factor == 1 ? x : kernels::affine(stream, x, static_cast<float>(factor), 0);
}

Tensor joined(gpu::Stream& stream, const Tensor& text, const Tensor& image) {
  if (text.empty()) return image;
  const Tensor parts[] = {text, image};
  return kernels::concat(stream, parts, 1);
}

}  // namespace

MmditBlock randomMmditBlock(gpu::Stream& stream, const RandomMmdit& o) {
  MmditBlock block;
  block.width = 64 * o.depth, block.heads = o.depth, block.norm = o.norm;
  const std::int64_t d = block.width;
  const auto deviation = static_cast<float>(1 / std::sqrt(static_cast<double>(d)));
  std::uint32_t number = 100;  // Philox streams 100 ...: one per matrix
  const auto matrix = [&](std::int64_t out, std::int64_t in, float spread) {
    return kernels::normal(stream, Shape{out, in}, {o.seed, number++, 0}, 0, spread);
  };
  for (MmditSide* side : {&block.text, &block.image}) {
    const bool ends = side == &block.text && o.textEnds;
    side->modulation.weight = matrix((ends ? 2 : 6) * d, d, static_cast<float>(o.modulation) * deviation);
    const Tensor query = matrix(d, d, deviation), other = matrix(d, d, deviation), value = matrix(d, d, deviation);
    const Tensor key = kernels::binary(stream, Binary::add, kernels::affine(stream, query, static_cast<float>(o.alike), 0),
                                       kernels::affine(stream, other, static_cast<float>(std::sqrt(1 - o.alike * o.alike)), 0));
    const Tensor parts[] = {query, key, value};
    side->qkv.weight = kernels::concat(stream, parts, 0);
    const Tensor proj = matrix(d, d, deviation), up = matrix(4 * d, d, deviation), down = matrix(d, 4 * d, deviation / 2);
    if (!ends) side->proj.weight = proj, side->up.weight = up, side->down.weight = down;
  }
  return block;
}

MmditHeads joinHeads(gpu::Stream& stream, const MmditBlock& block, const MmditProjections& p, QkNorm norm, double weightScale) {
  const auto side = [&](const Tensor& x, const Tensor& gain, const Tensor& shift) {
    return x.empty() ? x : normalized(stream, scaled(stream, x, weightScale), gain, shift, norm, block.epsilon);
  };
  return {joined(stream, side(p.textQ, block.text.gainQ, block.text.shiftQ), side(p.imageQ, block.image.gainQ, block.image.shiftQ)),
          joined(stream, side(p.textK, block.text.gainK, block.text.shiftK), side(p.imageK, block.image.gainK, block.image.shiftK)),
          joined(stream, p.textV, p.imageV)};
}

MmditResult mmditBlock(gpu::Stream& stream, const MmditBlock& block, const Tensor& text, const Tensor& image, const Tensor& y,
                       const MmditOptions& options) {
  const std::int64_t d = block.width, heads = block.heads;
  const Tensor told = y.reshaped(Shape{1, d});
  MmditResult result;
  MmditProjections& p = result.projections;

  // Each side on its own: modulate, project, cut into heads.
  const auto project = [&](const Dense& qkv, const Tensor& shift, const Tensor& scale, const Tensor& x, Tensor& q, Tensor& k, Tensor& v) {
    const Tensor packed = apply(stream, qkv, modulatedNorm(stream, x, shift, scale, block.epsilon));
    const Tensor apart = kernels::permute(stream, packed.reshaped(Shape{x.shape()[0], 3, heads, d / heads}), {1, 2, 0, 3});
    const auto part = [&](std::int64_t i) {
      return kernels::slice(stream, apart, 0, i, i + 1).reshaped(Shape{heads, x.shape()[0], d / heads});
    };
    q = part(0), k = part(1), v = part(2);
  };
  std::vector<Tensor> textSays, imageSays = modulations(stream, block.image, told);
  if (!text.empty()) {
    textSays = modulations(stream, block.text, told);
    project(block.text.qkv, textSays[0], textSays[1], text, p.textQ, p.textK, p.textV);
  }
  project(block.image.qkv, imageSays[0], imageSays[1], image, p.imageQ, p.imageK, p.imageV);

  // One attention over both.
  result.heads = joinHeads(stream, block, p, block.norm, options.weightScale);
  result.attention = kernels::attention(stream, result.heads.q, result.heads.k, result.heads.v);

  // Each side on its own again.
  const auto together = [&](const Tensor& perHead, std::int64_t n) {
    return kernels::permute(stream, perHead, {1, 0, 2}).reshaped(Shape{n, d});
  };
  const auto finish = [&](const MmditSide& side, const std::vector<Tensor>& m, const Tensor& x, std::int64_t first) {
    const std::int64_t n = x.shape()[0];
    const auto gate = [&](const Tensor& g) { return scaled(stream, g, options.gates); };
    const Tensor mixed = together(kernels::slice(stream, result.attention.output, 1, first, first + n), n);
    Tensor between = gated(stream, x, gate(m[2]), apply(stream, side.proj, mixed));
    if (side.attendsAlone()) {
      Tensor q, k, v;
      project(side.own.qkv, m[6], m[7], x, q, k, v);
      q = normalized(stream, scaled(stream, q, options.weightScale), side.own.gainQ, side.own.shiftQ, block.norm, block.epsilon);
      k = normalized(stream, scaled(stream, k, options.weightScale), side.own.gainK, side.own.shiftK, block.norm, block.epsilon);
      const Tensor alone = together(kernels::attention(stream, q, k, v).output, n);
      between = gated(stream, between, gate(m[8]), apply(stream, side.own.proj, alone));
    }
    const Tensor inner = apply(stream, side.up, modulatedNorm(stream, between, m[3], m[4], block.epsilon), kernels::Unary::geluTanh);
    return gated(stream, between, gate(m[5]), apply(stream, side.down, inner));
  };
  const std::int64_t words = text.empty() ? 0 : text.shape()[0];
  if (words > 0 && !block.text.ends()) result.text = finish(block.text, textSays, text, 0);
  result.image = finish(block.image, imageSays, image, words);
  return result;
}

Tensor largestLogits(gpu::Stream& stream, const Tensor& q, const Tensor& k) {
  const std::int64_t heads = q.shape()[0], n = q.shape()[1], m = k.shape()[1];
  const std::int64_t together = std::clamp<std::int64_t>((std::int64_t{1} << 22) / (n * m), 1, heads);
  std::vector<Tensor> parts;
  for (std::int64_t h = 0; h < heads; h += together) {
    const std::int64_t count = std::min(together, heads - h);
    const Tensor products = kernels::matmul(stream, kernels::slice(stream, q, 0, h, h + count), kernels::slice(stream, k, 0, h, h + count),
                                            {.transposeB = true});
    const Tensor sizes = kernels::unary(stream, kernels::Unary::abs, products);
    parts.push_back(kernels::reduce(stream, sizes.reshaped(Shape{count, n * m}), 1, kernels::Reduction::max));
  }
  const Tensor all = parts.size() == 1 ? parts[0] : kernels::concat(stream, parts, 0);
  return kernels::affine(stream, all, static_cast<float>(1 / std::sqrt(static_cast<double>(q.shape()[2]))), 0);
}

namespace {

constexpr const char* layoutName = "Stable Diffusion 3 (Stability-AI/sd3-ref)";

const TensorSummary* summaryOf(const modelfile::TensorFile& file, const std::string& name) {
  for (const TensorSummary& tensor : file.tensors()) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

bool startsWith(const std::string& text, std::string_view with) { return text.compare(0, with.size(), with) == 0; }
bool endsWith(const std::string& text, std::string_view with) {
  return text.size() >= with.size() && text.compare(text.size() - with.size(), with.size(), with) == 0;
}

// Reads tensors, remembering the first thing that is wrong.
class Reader {
 public:
  Reader(const MmditFile& from, std::string block) : from_(from), block_(std::move(block)) {}

  Tensor operator()(const std::string& part, const Shape& shape) {
    if (error_) return {};
    const std::string name = block_ + part;
    std::int64_t notFinite = 0;
    auto tensor = from_.file.read(name, &notFinite);
    if (!tensor) {
      error_ = tensor.error();
    } else if (tensor->shape() != shape) {
      error_ = makeError(ErrorCode::badInput,
                         trf("{}: '{}' has shape {}, {} is needed", from_.path, name, tensor->shape().toString(), shape.toString()));
    } else if (notFinite > 0) {
      error_ = makeError(ErrorCode::badInput, trf("{}: '{}' holds {} values that are not finite numbers", from_.path, name, notFinite));
    } else {
      return *tensor;
    }
    return {};
  }
  Tensor ifThere(const std::string& part, const Shape& shape) {
    return from_.file.contains(block_ + part) ? (*this)(part, shape) : Tensor();
  }
  Dense dense(const std::string& part, std::int64_t in, std::int64_t out) {
    return {(*this)(part + ".weight", Shape{out, in}), ifThere(part + ".bias", Shape{out})};
  }
  const std::optional<Error>& error() const { return error_; }

 private:
  const MmditFile& from_;
  std::string block_;
  std::optional<Error> error_;
};

}  // namespace

Expected<MmditFile> MmditFile::open(const std::string& path) {
  auto opened = modelfile::TensorFile::open(path);
  if (!opened) return opened.error();
  MmditFile result{*std::move(opened), path, {}};

  // Where do the blocks lie, and how many are there?
  const std::string first = "joint_blocks.0.x_block.attn.qkv.weight";
  for (const char* prefix : {"", "model.diffusion_model.", "diffusion_model."}) {
    if (result.file.contains(prefix + first)) result.prefix = prefix;
  }
  const auto shapeOf = [&](const std::string& name, std::size_t rank) {
    const TensorSummary* summary = summaryOf(result.file, result.prefix + name);
    return summary != nullptr && summary->shape.size() == rank ? Shape(summary->shape) : Shape{0};
  };
  if (!result.file.contains(result.prefix + first)) {
    if (result.file.contains("transformer_blocks.0.attn.add_q_proj.weight")) {
      return makeError(ErrorCode::badInput, trf("{} has the tensor names of diffusers; expected those of {}: 'joint_blocks.0.x_block...'. "
                                                "Take the original checkpoint",
                                                path, layoutName));
    }
    return makeError(ErrorCode::badInput, trf("{} has no tensor '{}': expected the layout of {}", path, first, layoutName));
  }
  while (result.file.contains(result.prefix + "joint_blocks." + std::to_string(result.blocks) + ".x_block.attn.qkv.weight"))
    ++result.blocks;

  // Sizes from shapes: the width, and with norms of queries and keys the width of a head; 64 otherwise.
  const Shape qkv = shapeOf(first, 2);
  if (qkv.rank() != 2 || qkv[1] < 1 || qkv[0] != 3 * qkv[1]) {
    return makeError(ErrorCode::badInput, trf("{}: '{}' should be [3 D, D], found {}", path, result.prefix + first,
                                              Shape(summaryOf(result.file, result.prefix + first)->shape).toString()));
  }
  result.width = qkv[1];
  const Shape gain = shapeOf("joint_blocks.0.x_block.attn.ln_q.weight", 1);
  const std::int64_t head = gain[0] > 0 ? gain[0] : 64;
  if (result.width % head != 0) {
    return makeError(ErrorCode::badInput, trf("{}: the width {} cannot be cut into heads of {}", path, result.width, head));
  }
  result.heads = result.width / head;
  if (gain[0] > 0) {
    const bool centred = result.file.contains(result.prefix + "joint_blocks.0.x_block.attn.ln_q.bias");
    result.norm = centred ? QkNorm::layer : QkNorm::rms;
  }

  // What stands around the blocks.
  if (const Shape s = shapeOf("x_embedder.proj.weight", 4); s.rank() == 4 && s[0] == result.width) {
    result.latentChannels = s[1], result.patch = s[2];
  }
  if (const Shape s = shapeOf("pos_embed", 3); s.rank() == 3 && s[2] == result.width) {
    result.tableSide = std::llround(std::sqrt(static_cast<double>(s[1])));
  }
  if (const Shape s = shapeOf("context_embedder.weight", 2); s.rank() == 2) result.textWidth = s[1];
  if (const Shape s = shapeOf("y_embedder.mlp.0.weight", 2); s.rank() == 2) result.pooledWidth = s[1];
  for (const TensorSummary& tensor : result.file.tensors()) {
    if (endsWith(tensor.name, "decoder.conv_in.weight") && !startsWith(tensor.name, result.prefix.empty() ? "\n" : result.prefix) &&
        tensor.shape.size() == 4 && tensor.shape[2] == 3 && tensor.shape[3] == 3) {
      result.autoencoderChannels = tensor.shape[1];
    }
  }
  return result;
}

Expected<MmditBlock> MmditFile::block(std::int64_t index, double mostBytes) const {
  if (index < 0 || index >= blocks) {
    return makeError(ErrorCode::usage, trf("{} has the joint blocks 0 to {}, block {} was asked for", path, blocks - 1, index));
  }
  const std::string base = prefix + "joint_blocks." + std::to_string(index) + ".";
  if (file.contains(base + "x_block.mlp.w1.weight")) {
    return makeError(ErrorCode::unsupported, trf("{}: block {} has a gated MLP (SwiGLU); one with fc1 and fc2 is needed", path, index));
  }
  double bytes = 0;
  for (const TensorSummary& tensor : file.tensors()) {
    if (startsWith(tensor.name, base)) bytes += 4.0 * static_cast<double>(Shape(tensor.shape).count());
  }
  if (bytes > mostBytes) {
    return makeError(ErrorCode::outOfMemory, trf("{}: block {} has {:.1f} GiB of weights, at most {:.0f} are used here", path, index,
                                                 bytes / (1 << 30), mostBytes / (1 << 30)));
  }

  MmditBlock result;
  result.width = width, result.heads = heads, result.norm = norm;
  const auto readSide = [&](MmditSide& side, const std::string& name) -> std::optional<Error> {
    Reader read(*this, base + name + ".");
    const bool ends = !file.contains(base + name + ".attn.proj.weight");
    const Shape head{width / heads};
    const bool alone = file.contains(base + name + ".attn2.qkv.weight");
    side.modulation = read.dense("adaLN_modulation.1", width, (alone ? 9 : ends ? 2 : 6) * width);
    side.qkv = read.dense("attn.qkv", width, 3 * width);
    side.gainQ = read.ifThere("attn.ln_q.weight", head), side.gainK = read.ifThere("attn.ln_k.weight", head);
    side.shiftQ = read.ifThere("attn.ln_q.bias", head), side.shiftK = read.ifThere("attn.ln_k.bias", head);
    if (alone) {
      side.own.qkv = read.dense("attn2.qkv", width, 3 * width), side.own.proj = read.dense("attn2.proj", width, width);
      side.own.gainQ = read.ifThere("attn2.ln_q.weight", head), side.own.gainK = read.ifThere("attn2.ln_k.weight", head);
      side.own.shiftQ = read.ifThere("attn2.ln_q.bias", head), side.own.shiftK = read.ifThere("attn2.ln_k.bias", head);
    }
    if (!ends) {
      side.proj = read.dense("attn.proj", width, width);
      const TensorSummary* up = summaryOf(file, base + name + ".mlp.fc1.weight");
      const std::int64_t inner = up != nullptr && up->shape.size() == 2 ? up->shape[0] : 4 * width;
      side.up = read.dense("mlp.fc1", width, inner);
      side.down = read.dense("mlp.fc2", inner, width);
    }
    return read.error();
  };
  if (auto error = readSide(result.text, "context_block")) return *error;
  if (auto error = readSide(result.image, "x_block")) return *error;
  if (result.image.ends()) {
    return makeError(ErrorCode::badInput,
                     trf("{}: the image side of block {} has no 'attn.proj.weight': it should have an output", path, index));
  }
  return result;
}

}  // namespace orrery::models
