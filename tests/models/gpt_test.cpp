// GPT-2: the forward pass is the published one, names and configuration are Hugging Face's, the corpus keeps its held-out part apart, and
// tiny-gpt learns.

#include "core/models/gpt.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/files.h"
#include "core/data/text_corpus.h"
#include "tests/models/plain.h"

using namespace orrery;
using namespace orrery::models;
using namespace orrery::testing;

namespace {

// Logits of every position, one sequence (Radford et al. 2019; Hugging Face modeling_gpt2).
Values plainGpt(const nn::Weights& weights, const GptConfig& c, const std::vector<std::uint32_t>& tokens) {
  const PlainWeights w(weights);
  const auto d = static_cast<std::size_t>(c.width), heads = static_cast<std::size_t>(c.heads);
  const Values wte = w("transformer.wte.weight"), wpe = w("transformer.wpe.weight");
  Values x;
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    for (std::size_t i = 0; i < d; ++i) x.push_back(wte[tokens[t] * d + i] + wpe[t * d + i]);
  }
  for (std::int64_t layer = 0; layer < c.layers; ++layer) {
    const std::string at = "transformer.h." + std::to_string(layer) + ".";
    const Values qkv = w.dense(w.norm(x, at + "ln_1", c.epsilon), at + "attn.c_attn", true);
    const Values mixed =
        plainAttention(columns(qkv, 3 * d, 0, d), columns(qkv, 3 * d, d, 2 * d), columns(qkv, 3 * d, 2 * d, 3 * d), d, heads, true);
    addTo(x, w.dense(mixed, at + "attn.c_proj", true));
    Values inner = w.dense(w.norm(x, at + "ln_2", c.epsilon), at + "mlp.c_fc", true);
    for (double& v : inner) v = 0.5 * v * (1 + std::tanh(std::sqrt(2 / 3.14159265358979324) * (v + 0.044715 * v * v * v)));
    addTo(x, w.dense(inner, at + "mlp.c_proj", true));
  }
  x = w.norm(x, "transformer.ln_f", c.epsilon);
  Values logits;
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    for (std::size_t v = 0; v < static_cast<std::size_t>(c.vocabulary); ++v) {
      double sum = 0;
      for (std::size_t i = 0; i < d; ++i) sum += x[t * d + i] * wte[v * d + i];
      logits.push_back(sum);
    }
  }
  return logits;
}

Tensor logitsOf(gpu::Stream& stream, const nn::Weights& weights, const GptConfig& config, const std::vector<std::uint32_t>& tokens,
                std::int64_t batch, const GptDropout& dropout = {}) {
  nn::Tape tape(stream);
  const auto constants = nn::constants(tape, weights);
  return gptForward(constants, Tensor::from(Shape{batch, static_cast<std::int64_t>(tokens.size()) / batch}, tokens), config, dropout)
      .value();
}

std::string manyParagraphs() {
  std::string text;
  for (int i = 0; i < 400; ++i) {
    text +=
        "Paragraph " + std::to_string(i) + " says that " + std::string(static_cast<std::size_t>(i % 37), 'a' + static_cast<char>(i % 26));
    text += i % 5 == 0 ? ", and more.\n\n\n" : ".\nA second line of it.\n\n";
  }
  return text;
}

}  // namespace

TEST_CASE("the GPT is the published one: logits equal a plain double-precision forward pass") {
  gpu::Stream stream = orrery::testing::openStream();
  GptConfig config;
  config.vocabulary = 50, config.context = 12, config.width = 24, config.layers = 2, config.heads = 3;
  nn::Initializer draw(stream, 3);
  nn::Weights weights = initialGpt(draw, config);
  shake(weights, 0.3);
  // Whole contexts, and shorter sequences.
  for (const std::int64_t length : {12, 8}) {
    auto tokens = kernels::testWords(2 * length, 92);
    for (auto& t : tokens) t %= 50;
    Values expected;
    for (std::int64_t b = 0; b < 2; ++b) {
      const Values one = plainGpt(weights, config, {tokens.begin() + b * length, tokens.begin() + (b + 1) * length});
      expected.insert(expected.end(), one.begin(), one.end());
    }
    // f32 through two layers: some tens of roundings of values of size one.
    CHECK(compare(logitsOf(stream, weights, config, tokens, 2), expected).worst < 2e-5);
  }
}

TEST_CASE("a token of a GPT does not see what follows it") {
  gpu::Stream stream = orrery::testing::openStream();
  GptConfig config;
  config.vocabulary = 16, config.context = 8, config.width = 16, config.layers = 2, config.heads = 2;
  nn::Initializer draw(stream, 4);
  nn::Weights weights = initialGpt(draw, config);
  shake(weights, 0.3);
  const auto a = logitsOf(stream, weights, config, {1, 2, 3, 4, 5, 6, 7, 8}, 1).toFloats(),
             b = logitsOf(stream, weights, config, {1, 2, 3, 4, 5, 9, 7, 8}, 1).toFloats();
  CHECK(std::equal(a.begin(), a.begin() + 5 * 16, b.begin()));
  CHECK_FALSE(std::equal(a.begin() + 5 * 16, a.begin() + 6 * 16, b.begin() + 5 * 16));
}

TEST_CASE("a GPT's dropout: another pattern every step, the same one for the same step, none when judged") {
  gpu::Stream stream = orrery::testing::openStream();
  GptConfig config;
  config.vocabulary = 16, config.context = 8, config.width = 16, config.layers = 1, config.heads = 2;
  nn::Initializer draw(stream, 4);
  const nn::Weights weights = initialGpt(draw, config);
  const auto at = [&](double p, std::int64_t step) {
    return logitsOf(stream, weights, config, {1, 2, 3, 4, 5, 6, 7, 8}, 1, {p, 1, step}).toFloats();
  };
  CHECK(at(0.2, 3) == at(0.2, 3));
  CHECK(at(0.2, 3) != at(0.2, 4));
  CHECK(at(0.2, 3) != at(0, 3));
  CHECK(at(0, 3) == at(0, 4));
}

TEST_CASE("a GPT's weights have Hugging Face's names and shapes") {
  gpu::Stream stream = orrery::testing::openStream();
  nn::Initializer draw(stream, 1);
  const nn::Weights weights = initialGpt(draw, GptConfig());
  std::int64_t parameters = 0;
  for (const auto& w : weights) parameters += w.value.count();
  // Tables, 12 d^2 + 13 d per layer, the last norm: the head is the token table.
  CHECK(parameters == (256 + 128) * 128 + 4 * (12 * 128 * 128 + 13 * 128) + 2 * 128);
  CHECK(shapeOf(weights, "transformer.wte.weight") == Shape{256, 128});
  CHECK(shapeOf(weights, "transformer.wpe.weight") == Shape{128, 128});
  CHECK(shapeOf(weights, "transformer.h.3.ln_1.weight") == Shape{128});
  CHECK(shapeOf(weights, "transformer.h.3.attn.c_attn.weight") == Shape{128, 384});
  CHECK(shapeOf(weights, "transformer.h.3.attn.c_attn.bias") == Shape{384});
  CHECK(shapeOf(weights, "transformer.h.3.attn.c_proj.weight") == Shape{128, 128});
  CHECK(shapeOf(weights, "transformer.h.3.mlp.c_fc.weight") == Shape{128, 512});
  CHECK(shapeOf(weights, "transformer.h.3.mlp.c_proj.weight") == Shape{512, 128});
  CHECK(shapeOf(weights, "transformer.ln_f.bias") == Shape{128});
}

TEST_CASE("a corpus is cut at blank lines, and no training window touches what is held out") {
  const TextCorpus corpus(manyParagraphs());
  const auto size = static_cast<std::int64_t>(corpus.text().size());
  std::int64_t at = 0, heldOut = 0;
  REQUIRE(corpus.blocks().size() > 20);
  for (const auto& block : corpus.blocks()) {
    CHECK(block.begin == at);
    at = block.end;
    if (block.end == size) break;
    CHECK(block.size() >= TextCorpus::blockBytes);
    CHECK(corpus.text()[static_cast<std::size_t>(block.end) - 1] == '\n');
    CHECK(corpus.text()[static_cast<std::size_t>(block.end)] == 'P');
  }
  CHECK(at == size);
  std::vector<bool> hidden(static_cast<std::size_t>(size), false);
  for (const auto& range : corpus.heldOut()) {
    heldOut += range.size();
    std::fill(hidden.begin() + range.begin, hidden.begin() + range.end, true);
  }
  CHECK(static_cast<double>(heldOut) / static_cast<double>(size) == Approx(0.1).margin(0.02));
  constexpr std::int64_t length = 129;
  std::int64_t before = -1;
  for (std::int64_t i = 0; i < corpus.windows(length); ++i) {
    const std::int64_t start = corpus.windowAt(i, length);
    REQUIRE(start > before);
    REQUIRE(std::find(hidden.begin() + start, hidden.begin() + start + length, true) == hidden.begin() + start + length);
    before = start;
  }
  // The last window ends where the last training stretch does.
  CHECK(before + length == corpus.training().back().end);
}

TEST_CASE("a text that is too short to hold a part out is refused") {
  const std::string path = stateFolder() + "/short-corpus.txt";
  REQUIRE(writeFileAtomically(path, "One paragraph.\n\nAnother.\n"));
  const auto corpus = TextCorpus::open(path);
  REQUIRE_FALSE(corpus);
  CHECK(corpus.error().message.find("25 bytes") != std::string::npos);
  CHECK_FALSE(TextCorpus::open(path + ".missing"));
}

TEST_CASE("tiny-gpt learns the project's notes, the same way every time, and is judged on what it has not seen") {
  gpu::Stream stream = orrery::testing::openStream();
  const auto* recipe = findRegistered<Recipe>("tiny-gpt");
  REQUIRE(recipe != nullptr);
  const Settings settings =
      settingsOf(*recipe, {"width=32", "layers=1", "heads=2", "batch=8", "context=32", "warmup=2", "steps=40", "learning-rate=0.01"});
  const auto run = trainShortly(stream, *recipe, settings, 40, false);
  CHECK(run.losses.front() == Approx(std::log(256)).margin(0.1));
  // Letters are unequally frequent: 40 steps take it well below 8 bits.
  CHECK(run.losses.back() < 0.7 * run.losses.front());
  CHECK(trainShortly(stream, *recipe, settings, 40, false).losses == run.losses);

  const auto judged = run.training->judge(stream, run.trainer.weights());
  REQUIRE(judged);
  CHECK(judged->at(0).name == "bits_per_byte");
  CHECK(judged->at(0).value == Approx(run.losses.back() / std::log(2)).epsilon(0.25));
  const auto corpus = TextCorpus::open(resourceFolder() + "/corpus/notes.txt");
  REQUIRE(corpus);
  std::int64_t heldOut = 0;
  for (const auto& range : corpus->heldOut()) heldOut += range.size();
  CHECK(judged->at(0).of.find(std::to_string(heldOut) + " ") == 0);
  const auto config = run.training->config();
  CHECK(config["model_type"] == "gpt2");
  CHECK(config["n_embd"] == 32);
  CHECK(config["n_positions"] == 32);
}
