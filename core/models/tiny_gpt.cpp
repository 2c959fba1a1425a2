// The recipe tiny-gpt: the next byte of this project's own notes, English and Chinese (resources/corpus/notes.txt, written by
// packaging/dev/make_corpus.py). A GPT-2 over 256 bytes, cross entropy, AdamW, dropout, warm-up and cosine. Held out: every tenth block of
// paragraphs (core/data/text_corpus.h), which no training window touches.

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "core/base/files.h"
#include "core/base/philox.h"
#include "core/data/text_corpus.h"
#include "core/kernels/cross_entropy.h"
#include "core/models/gpt.h"
#include "core/models/recipe.h"

namespace orrery::models {
namespace {

std::vector<Setting> settings() {
  return {{"steps", 4000, 1, 1e7, true, "training steps", Setting::free},
          {"batch", 16, 1, 1024, true, "windows of text per step"},
          {"learning-rate", 2e-3, 1e-7, 1, false, "peak learning rate", Setting::free},
          {"warmup", 100, 0, 1e6, true, "steps of rising learning rate", Setting::free},
          {"weight-decay", 0.1, 0, 1, false, "AdamW's weight decay"},
          {"dropout", 0.1, 0, 0.9, false, "share of elements hidden while training"},
          {"context", 128, 4, 1024, true, "bytes a prediction may look back on"},
          {"width", 128, 8, 1024, true, "width of a token"},
          {"layers", 4, 1, 24, true, "transformer blocks"},
          {"heads", 4, 1, 16, true, "attention heads"},
          {"seed", 1, 0, 4294967295.0, true, "first weights and data"}};
}

class TinyGpt : public Training {
 public:
  explicit TinyGpt(const Settings& settings) : settings_(settings) {
    config_.layers = settings.integer("layers"), config_.heads = settings.integer("heads");
    // Heads share the width evenly; windows are whole texels.
    config_.width = std::max<std::int64_t>(settings.integer("width") / config_.heads, 1) * config_.heads;
    config_.context = settings.integer("context") / 4 * 4;
  }

  Expected<void> prepare() override {
    auto corpus = TextCorpus::open(resourceFolder() + "/corpus/notes.txt");
    if (!corpus) return corpus.error();
    corpus_ = *std::move(corpus);
    return {};
  }

  nn::Weights initial(nn::Initializer& draw) const override { return initialGpt(draw, config_); }

  nn::TrainerOptions options() const override {
    nn::TrainerOptions o = adamWithCosine(settings_);
    o.optimizer.weightDecay = settings_.number("weight-decay");
    o.optimizer.beta2 = 0.99;  // few windows per step: a shorter memory of squares than for large batches
    o.schedule.last = 0.02;
    return o;
  }

  nn::Trainer::Loss loss(std::int64_t step) override {
    return [this, step](nn::Tape&, std::span<const nn::Variable> weights) {
      // Windows begin anywhere in the training stretches: word i mod 4 of Philox block (i / 4, step, 0x700, 0).
      const std::int64_t batch = settings_.integer("batch"), length = config_.context + 1;
      const auto seed = static_cast<std::uint64_t>(settings_.integer("seed"));
      std::vector<std::int64_t> starts;
      for (std::int64_t i = 0; i < batch; ++i) {
        const PhiloxBlock words = philox({static_cast<std::uint32_t>(i / 4), static_cast<std::uint32_t>(step), 0x700, 0}, philoxKey(seed));
        const auto among = static_cast<std::uint32_t>(corpus_.windows(length));
        starts.push_back(corpus_.windowAt(philoxBounded(words[static_cast<std::size_t>(i % 4)], among), length));
      }
      const Windows w = windows(starts);
      return nn::crossEntropy(gptForward(weights, w.tokens, config_, {settings_.number("dropout"), seed, step}), w.targets);
    };
  }

  Expected<std::vector<Judgement>> judge(gpu::Stream& stream, const nn::Weights& weights) override {
    const Bits unseen = bitsOf(stream, weights, corpus_.heldOut());
    // As much of what was seen: every tenth block again, others.
    std::vector<TextCorpus::Range> some;
    for (std::size_t i = TextCorpus::heldOutEvery / 2; i < corpus_.blocks().size(); i += TextCorpus::heldOutEvery) {
      some.push_back(corpus_.blocks()[i]);
    }
    const Bits seen = bitsOf(stream, weights, some);
    const auto per = [](double bits, std::int64_t bytes) { return bits / static_cast<double>(std::max<std::int64_t>(bytes, 1)); };
    const auto bytes = [](std::int64_t n, const char* what) { return std::to_string(n) + what; };
    return std::vector<Judgement>{
        {"bits_per_byte", per(unseen.ascii + unseen.other, unseen.asciiBytes + unseen.otherBytes),
         bytes(unseen.asciiBytes + unseen.otherBytes, " held-out bytes of the project's notes")},
        {"bits_per_byte_ascii", per(unseen.ascii, unseen.asciiBytes), bytes(unseen.asciiBytes, " of them, ASCII")},
        {"bits_per_byte_chinese", per(unseen.other, unseen.otherBytes),
         bytes(unseen.otherBytes, " of them, not ASCII: three per Chinese character")},
        {"bits_per_byte_seen", per(seen.ascii + seen.other, seen.asciiBytes + seen.otherBytes),
         bytes(seen.asciiBytes + seen.otherBytes, " bytes it was trained on")}};
  }

  nlohmann::json config() const override {
    return {{"architectures", {"GPT2LMHeadModel"}},
            {"model_type", "gpt2"},
            {"vocab_size", config_.vocabulary},
            {"n_positions", config_.context},
            {"n_ctx", config_.context},
            {"n_embd", config_.width},
            {"n_layer", config_.layers},
            {"n_head", config_.heads},
            {"n_inner", config_.mlpRatio * config_.width},
            {"activation_function", "gelu_new"},
            {"layer_norm_epsilon", config_.epsilon},
            {"initializer_range", 0.02},
            {"embd_pdrop", settings_.number("dropout")},
            {"resid_pdrop", settings_.number("dropout")},
            {"attn_pdrop", 0.0},
            {"tie_word_embeddings", true},
            {"vocabulary", "bytes"}};  // token i is the byte i
  }

 private:
  struct Windows {
    Tensor tokens, targets;  // u32 [B, context], [B context]
  };
  struct Bits {
    double ascii = 0, other = 0;
    std::int64_t asciiBytes = 0, otherBytes = 0;
  };

  // Bytes from each start, and the byte after each; what lies behind the text is hidden.
  Windows windows(std::span<const std::int64_t> starts) const {
    const std::string& text = corpus_.text();
    const auto byteAt = [&](std::int64_t i) {
      return static_cast<std::uint32_t>(static_cast<unsigned char>(text[static_cast<std::size_t>(i)]));
    };
    const auto size = static_cast<std::int64_t>(text.size());
    std::vector<std::uint32_t> tokens, targets;
    for (const std::int64_t start : starts) {
      for (std::int64_t i = start; i < start + config_.context; ++i) {
        tokens.push_back(i < size ? byteAt(i) : 0);
        targets.push_back(i + 1 < size ? byteAt(i + 1) : static_cast<std::uint32_t>(config_.vocabulary));
      }
    }
    const auto batch = static_cast<std::int64_t>(starts.size());
    return {Tensor::from(Shape{batch, config_.context}, tokens), Tensor::from(Shape{batch * config_.context}, targets)};
  }

  // Every byte of the ranges predicted once, from at least half a context before it (what a text begins with has less).
  Bits bitsOf(gpu::Stream& stream, const nn::Weights& weights, const std::vector<TextCorpus::Range>& ranges) const {
    const std::int64_t half = config_.context / 2;
    struct Window {
      std::int64_t start, first, end;  // targets first .. end - 1
    };
    std::vector<Window> all;
    for (const TextCorpus::Range& r : ranges) {
      for (std::int64_t first = r.begin; first < r.end; first += half) {
        all.push_back({std::max<std::int64_t>(first - half, 0), first, std::min(first + half, r.end)});
      }
    }
    Bits result;
    constexpr std::size_t together = 16;
    for (std::size_t from = 0; from < all.size(); from += together) {
      const std::span<const Window> chunk(all.data() + from, std::min(together, all.size() - from));
      std::vector<std::int64_t> starts;
      for (const Window& w : chunk) starts.push_back(w.start);
      const Windows w = windows(starts);
      nn::Tape tape(stream);
      const auto constants = nn::constants(tape, weights);
      const Tensor nats = kernels::crossEntropy(stream, gptForward(constants, w.tokens, config_).value(), w.targets).loss;
      const auto values = nats.as<float>();
      for (std::size_t i = 0; i < chunk.size(); ++i) {
        for (std::int64_t t = std::max<std::int64_t>(chunk[i].first, 1); t < chunk[i].end; ++t) {
          const std::int64_t row = static_cast<std::int64_t>(i) * config_.context + t - 1 - chunk[i].start;
          const double bits = static_cast<double>(values[static_cast<std::size_t>(row)]) / std::numbers::ln2;
          const bool ascii = static_cast<unsigned char>(corpus_.text()[static_cast<std::size_t>(t)]) < 128;
          (ascii ? result.ascii : result.other) += bits;
          ++(ascii ? result.asciiBytes : result.otherBytes);
        }
      }
    }
    return result;
  }

  Settings settings_;
  GptConfig config_;
  TextCorpus corpus_;
};

std::unique_ptr<Training> make(const Settings& settings) { return std::make_unique<TinyGpt>(settings); }

const Registration<Recipe> registration{
    {"tiny-gpt", "The next byte of the project's own notes, English and Chinese: a GPT-2 on bytes", settings, make}};

}  // namespace
}  // namespace orrery::models
