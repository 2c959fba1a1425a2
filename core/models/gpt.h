#pragma once
// GPT-2: a causal transformer over tokens. Source: Radford et al. 2019, section 2.3 (pre-norm blocks, learnt positions, a norm before the
// head, residual projections first drawn smaller by sqrt(2 layers)); GELU in its tanh form. Weights have the layout and names of Hugging
// Face's GPT2LMHeadModel ("transformer.h.0.attn.c_attn.weight"): matrices are stored [in, out] there (its Conv1D), c_attn holds query, key
// and value side by side, and the head is the token table itself.

#include "core/nn/layers.h"

namespace orrery::models {

struct GptConfig {
  std::int64_t vocabulary = 256, context = 128;
  std::int64_t width = 128, layers = 4, heads = 4, mlpRatio = 4;
  double epsilon = 1e-5;  // of the layer norms
};

// Dropout of the embeddings and of what each block adds (GPT-2's embd_pdrop and resid_pdrop); step s of seed k has its own pattern.
struct GptDropout {
  double probability = 0;
  std::uint64_t seed = 0;
  std::int64_t step = 0;
};

// Normal with deviation 0.02 for matrices and tables, 0.02 / sqrt(2 layers) for projections into the residual stream, zeros for biases,
// ones for gains.
nn::Weights initialGpt(nn::Initializer& draw, const GptConfig& config);

// tokens u32 [B, T], T at most the context -> logits [B T, vocabulary]: row b T + t says what follows token t, from tokens 0 .. t only.
// Weights in the order of initialGpt().
nn::Variable gptForward(std::span<const nn::Variable> weights, const Tensor& tokens, const GptConfig& config,
                        const GptDropout& dropout = {});

}  // namespace orrery::models
