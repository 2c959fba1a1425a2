#pragma once
// A GPT-2 from a file, run one block at a time so that the attention of every layer can be looked at and altered. Source: Radford et al.
// 2019, section 2.3. Tensor names and layout of Hugging Face's GPT2LMHeadModel or GPT2Model, with or without "transformer." in front;
// matrices [in, out]. What the names do not say (heads, the norms' epsilon) is read from config.json beside the file.

#include <string>
#include <vector>

#include "core/base/expected.h"
#include "core/labs/attention/shared/multi_head.h"
#include "core/tensor/tensor.h"

namespace orrery::attention {

class GptFile {
 public:
  // Error: not a GPT-2, a tensor is missing, of another shape or not finite, heads that do not divide the width, more than
  // `mostBytes` of weights.
  static Expected<GptFile> open(const std::string& path, double mostBytes);

  std::int64_t vocabulary() const { return tokenTable_.shape()[0]; }
  std::int64_t context() const { return positionTable_.shape()[0]; }
  std::int64_t width() const { return tokenTable_.shape()[1]; }
  std::int64_t heads() const { return heads_; }
  std::size_t layers() const { return blocks_.size(); }

  // Token and position vectors added, [n, width]. Every id is below the vocabulary, n at most the context.
  Tensor embed(const std::vector<std::uint32_t>& ids) const;
  // Block `index` (from 0) on x [n, width]: what attention does, and x of the next block.
  struct Block {
    LayerResult attention;
    Tensor x;
  };
  Block block(gpu::Stream& stream, std::size_t index, const Tensor& x, const kernels::AttentionOptions& options) const;
  // [n, vocabulary] from the last block's x: the scores of the token that follows. The head is the token table.
  Tensor logits(gpu::Stream& stream, const Tensor& x) const;

 private:
  struct Dense {
    Tensor weight, bias;  // [in, out], [out]
  };
  struct Norm {
    Tensor gain, shift;
  };
  struct Weights {
    Norm before, middle;
    Dense query, key, value, projection, up, down;
  };
  Tensor normalized(gpu::Stream& stream, const Tensor& x, const Norm& norm) const;

  std::int64_t heads_ = 0;
  double epsilon_ = 1e-5;
  Tensor tokenTable_, positionTable_;
  std::vector<Weights> blocks_;
  Norm last_;
};

}  // namespace orrery::attention
