#pragma once
// One joint block of the multimodal diffusion transformer (MMDiT) of Stable Diffusion 3. Source: Esser et al. 2024, section 4 and figure
// 2b; Peebles and Xie 2023 (adaptive layer norm); Dehghani et al. 2023 (norms of queries and keys). Two sides, text and image, each with
// its own weights; m = W SiLU(y) + b gives a side six vectors (shift, scale, gate of the attention, then of the MLP):
//   h = norm(x) (1 + scale) + shift,  (q, k, v) = h Wqkv + b, q and k normalised per head with a gain,
//   one softmax(q k^T / sqrt(dh)) v over the tokens of both sides, text first,
//   x' = x + gate proj(attention),  x'' = x' + gate' MLP(norm(x') (1 + scale') + shift'), MLP with GELU in its tanh form.
// Where a side ends (text in the last block) it has shift and scale only and gives keys and values, but no output. In Stable Diffusion 3.5
// medium the image side of some blocks also attends to itself alone, with weights and three vectors (shift, scale, gate) of its own; its
// result is added between the two lines above. Row vectors, weights [out, in]; tensor names and order of rows are those of the authors'
// code (Stability-AI/sd3-ref, sd3.5).

#include <optional>
#include <string>

#include "core/base/expected.h"
#include "core/kernels/attention.h"
#include "core/modelfile/tensor_file.h"
#include "core/tensor/tensor.h"

namespace orrery::models {

enum class QkNorm { off, rms, layer };

struct MmditSide {
  struct Dense {
    Tensor weight, bias;  // [out, in]; [out] or empty
  };
  Dense modulation;                     // [6 D, D], [2 D, D] where the side ends, [9 D, D] with an attention of its own
  Dense qkv;                            // [3 D, D]
  Dense proj, up, down;                 // empty where the side ends
  Tensor gainQ, gainK, shiftQ, shiftK;  // [D / heads]; empty: 1 and 0
  // The side's attention to itself alone; empty weights: there is none.
  struct Own {
    Dense qkv, proj;
    Tensor gainQ, gainK, shiftQ, shiftK;
  };
  Own own;
  bool ends() const { return proj.weight.empty(); }
  bool attendsAlone() const { return !own.qkv.weight.empty(); }
};

struct MmditBlock {
  std::int64_t width = 0, heads = 0;
  MmditSide text, image;
  QkNorm norm = QkNorm::off;
  double epsilon = 1e-6;  // of all norms
};

struct RandomMmdit {
  std::int64_t depth = 4;   // width 64 depth, depth heads
  bool textEnds = false;    // as in the last block
  double alike = 0;         // 0 ... 1: key weights = alike query weights + sqrt(1 - alike^2) others
  double modulation = 0.5;  // deviation of the modulations' weights times sqrt(D)
  QkNorm norm = QkNorm::rms;
  std::uint64_t seed = 0;
};
// Weights N(0, 1 / D), no biases, unit gains.
MmditBlock randomMmditBlock(gpu::Stream& stream, const RandomMmdit& options);

// What the rows of both sides are before the norm of queries and keys. [H, n, dh] each; those of the text are empty without text.
struct MmditProjections {
  Tensor textQ, textK, textV, imageQ, imageK, imageV;
};
struct MmditHeads {
  Tensor q, k, v;  // [H, Lc + Lx, dh], text first
};
// `weightScale` multiplies weights and biases of queries and keys (linear, so it is applied behind them).
MmditHeads joinHeads(gpu::Stream& stream, const MmditBlock& block, const MmditProjections& projections, QkNorm norm, double weightScale);

struct MmditOptions {
  double weightScale = 1;
  double gates = 1;  // multiplies all gates
};
struct MmditResult {
  Tensor text, image;  // [Lc, D] (empty without text or where it ends), [Lx, D]
  MmditProjections projections;
  MmditHeads heads;
  kernels::Attention attention;  // output [H, Lc + Lx, dh]
};
// text [Lc, D] or empty, image [Lx, D], y [D].
MmditResult mmditBlock(gpu::Stream& stream, const MmditBlock& block, const Tensor& text, const Tensor& image, const Tensor& y,
                       const MmditOptions& options = {});

// The largest |q . k| / sqrt(dh) of each head, [H]. As many heads at a time as fit 16 MiB of products, or one.
Tensor largestLogits(gpu::Stream& stream, const Tensor& q, const Tensor& k);

// A file with joint blocks: what the shapes of its tensors say.
struct MmditFile {
  modelfile::TensorFile file;
  std::string path, prefix;  // "" or "model.diffusion_model."
  std::int64_t width = 0, heads = 0, blocks = 0;
  QkNorm norm = QkNorm::off;
  // 0 where the tensor that says it is not there.
  std::int64_t latentChannels = 0, patch = 0;  // x_embedder.proj.weight [D, c, p, p]
  std::int64_t tableSide = 0;                  // pos_embed [1, side^2, D]
  std::int64_t textWidth = 0;                  // context_embedder.weight [D, width]
  std::int64_t pooledWidth = 0;                // y_embedder.mlp.0.weight [D, width]
  std::int64_t autoencoderChannels = 0;        // the convolution [n, c, 3, 3] into an autoencoder's decoder

  // Error: no joint blocks, a width that 64 or the heads do not divide, tensors of other shapes.
  static Expected<MmditFile> open(const std::string& path);
  // Error: no such block, a tensor missing, of another shape or not finite, a gated MLP, more than `mostBytes`.
  Expected<MmditBlock> block(std::int64_t index, double mostBytes) const;
};

}  // namespace orrery::models
