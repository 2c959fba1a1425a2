// Recipes: settings are checked, a step lowers the loss, the forward pass is the published ViT's, a checkpoint continues.

#include "core/models/recipe.h"

#include <algorithm>
#include <cmath>

#include "core/kernels/check_support.h"
#include "core/models/vit.h"
#include "tests/support/kernel_oracle.h"

using namespace orrery;
using namespace orrery::models;

namespace {

using Values = std::vector<double>;

// The ViT in double precision with plain loops, on one image: Dosovitskiy et al. 2021, equations 1 to 4.
class Reference {
 public:
  Reference(const nn::Weights& weights, const VitConfig& config) : weights_(weights), c_(config) {}

  Values operator()(const std::vector<float>& image) const {
    const auto n = static_cast<std::size_t>(c_.tokens()), d = static_cast<std::size_t>(c_.width);
    const auto p = static_cast<std::size_t>(c_.patchSize), side = static_cast<std::size_t>(c_.imageSize), across = side / p;
    Values x(n * d);
    const auto &cls = get("vit.embeddings.cls_token"), &position = get("vit.embeddings.position_embeddings");
    const auto &kernel = get("vit.embeddings.patch_embeddings.projection.weight"),
               &bias = get("vit.embeddings.patch_embeddings.projection.bias");
    for (std::size_t t = 0; t < n; ++t) {
      for (std::size_t i = 0; i < d; ++i) {
        double sum = position[t * d + i] + (t == 0 ? cls[i] : bias[i]);
        for (std::size_t ch = 0; t > 0 && ch < 3; ++ch) {
          for (std::size_t r = 0; r < p; ++r) {
            for (std::size_t s = 0; s < p; ++s) {
              const std::size_t row = (t - 1) / across * p + r, column = (t - 1) % across * p + s;
              sum += kernel[((i * 3 + ch) * p + r) * p + s] * static_cast<double>(image[(ch * side + row) * side + column]);
            }
          }
        }
        x[t * d + i] = sum;
      }
    }
    for (std::int64_t layer = 0; layer < c_.layers; ++layer) {
      const std::string at = "vit.encoder.layer." + std::to_string(layer) + ".";
      const Values y = norm(x, at + "layernorm_before");
      const Values q = dense(y, at + "attention.attention.query"), k = dense(y, at + "attention.attention.key"),
                   v = dense(y, at + "attention.attention.value");
      Values mixed(n * d, 0);
      const std::size_t heads = static_cast<std::size_t>(c_.heads), h = d / heads;
      for (std::size_t head = 0; head < heads; ++head) {
        for (std::size_t i = 0; i < n; ++i) {
          Values weight(n);
          double sum = 0;
          for (std::size_t j = 0; j < n; ++j) {
            double score = 0;
            for (std::size_t e = 0; e < h; ++e) score += q[i * d + head * h + e] * k[j * d + head * h + e];
            sum += weight[j] = std::exp(score / std::sqrt(static_cast<double>(h)));
          }
          for (std::size_t j = 0; j < n; ++j) {
            for (std::size_t e = 0; e < h; ++e) mixed[i * d + head * h + e] += weight[j] / sum * v[j * d + head * h + e];
          }
        }
      }
      addTo(x, dense(mixed, at + "attention.output.dense"));
      Values inner = dense(norm(x, at + "layernorm_after"), at + "intermediate.dense");
      for (double& value : inner) value = kernels::unaryReference(kernels::Unary::gelu, value);
      addTo(x, dense(inner, at + "output.dense"));
    }
    const Values y = norm(x, "vit.layernorm");
    return dense(Values(y.begin(), y.begin() + static_cast<std::ptrdiff_t>(d)), "classifier");
  }

 private:
  Values get(const std::string& name) const {
    for (const auto& w : weights_) {
      if (w.name == name) {
        const auto floats = w.value.toFloats();
        return {floats.begin(), floats.end()};
      }
    }
    FAIL("no weight " << name);
    return {};
  }
  Values dense(const Values& x, const std::string& name) const {
    const Values w = get(name + ".weight"), b = get(name + ".bias");
    const std::size_t out = b.size(), in = w.size() / out;
    Values y;
    for (std::size_t row = 0; row < x.size() / in; ++row) {
      for (std::size_t o = 0; o < out; ++o) {
        double sum = b[o];
        for (std::size_t i = 0; i < in; ++i) sum += w[o * in + i] * x[row * in + i];
        y.push_back(sum);
      }
    }
    return y;
  }
  Values norm(const Values& x, const std::string& name) const {
    const Values gain = get(name + ".weight"), shift = get(name + ".bias");
    const std::size_t d = gain.size();
    Values y;
    for (std::size_t row = 0; row < x.size() / d; ++row) {
      double mean = 0, variance = 0;
      for (std::size_t i = 0; i < d; ++i) mean += x[row * d + i] / static_cast<double>(d);
      for (std::size_t i = 0; i < d; ++i) variance += (x[row * d + i] - mean) * (x[row * d + i] - mean) / static_cast<double>(d);
      for (std::size_t i = 0; i < d; ++i) y.push_back((x[row * d + i] - mean) / std::sqrt(variance + c_.epsilon) * gain[i] + shift[i]);
    }
    return y;
  }
  static void addTo(Values& x, const Values& y) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
  }

  const nn::Weights& weights_;
  VitConfig c_;
};

}  // namespace

TEST_CASE("the ViT is the published one: logits equal a plain double-precision forward pass") {
  gpu::Stream stream = orrery::testing::openStream();
  VitConfig config;
  config.imageSize = 16, config.patchSize = 4, config.width = 24, config.layers = 2, config.heads = 3;
  nn::Initializer draw(stream, 3);
  nn::Weights weights = initialVit(draw, config);
  // Larger weights than a fresh network's, so that every part matters.
  for (auto& w : weights) {
    const auto noise = kernels::testFloats(w.value.count(), 90, -0.3, 0.3);
    std::vector<float> values = w.value.toFloats();
    for (std::size_t i = 0; i < values.size(); ++i) values[i] += noise[i];
    w.value = Tensor::from(w.value.shape(), values);
  }
  const auto pixels = kernels::testFloats(2 * 3 * 16 * 16, 91, -1, 1);
  nn::Tape tape(stream);
  const auto constants = nn::constants(tape, weights);
  const Tensor patches = vitPatches(stream, Tensor::from(Shape{2, 3, 16, 16}, pixels), config);
  CHECK(patches.shape() == Shape{2, 20, 48});  // 17 tokens, padded to whole texels
  const Tensor logits = vitForward(constants, tape.constant(patches), config).value();
  const Reference reference(weights, config);
  Values expected;
  for (std::size_t i = 0; i < 2; ++i) {
    const std::vector<float> image(pixels.begin() + static_cast<std::ptrdiff_t>(i * 768),
                                   pixels.begin() + static_cast<std::ptrdiff_t>((i + 1) * 768));
    const Values row = reference(image);
    expected.insert(expected.end(), row.begin(), row.end());
  }
  // f32 through two layers: some tens of roundings of values of size one.
  CHECK(compare(logits, expected).worst < 2e-5);
}

TEST_CASE("the plan's TinyViT has the parameters the specification counts, with a classifier") {
  gpu::Stream stream = orrery::testing::openStream();
  nn::Initializer draw(stream, 1);
  std::int64_t parameters = 0;
  for (const auto& w : initialVit(draw, VitConfig())) parameters += w.value.count();
  CHECK(parameters == 360576 + 4 * 96 + 4);
}

TEST_CASE("settings take what is declared and name what is not") {
  Settings settings({{"batch", 64, 1, 4096, true, ""}, {"learning-rate", 1e-3, 1e-7, 1, false, ""}});
  CHECK(settings.set("batch=32"));
  CHECK(settings.set("learning-rate=2e-4"));
  CHECK(settings.integer("batch") == 32);
  CHECK(settings.number("learning-rate") == 2e-4);
  for (const auto& [text, says] : {std::pair{"batch", "setting=value"},
                                   {"batch=0", "from 1 to 4096"},
                                   {"batch=2.5", "whole number"},
                                   {"batch=", "whole number"},
                                   {"width=3", "it has batch, learning-rate"},
                                   {"learning-rate=nan", "number from"}}) {
    const auto refused = settings.set(text);
    INFO(text);
    REQUIRE_FALSE(refused);
    INFO(refused.error().message);
    CHECK(refused.error().code == ErrorCode::usage);
    CHECK(refused.error().message.find(says) != std::string::npos);
  }
  CHECK(settings.integer("batch") == 32);
}

TEST_CASE("tiny-vit trains: the loss of a small one falls, the same way every time") {
  gpu::Stream stream = orrery::testing::openStream();
  const auto* recipe = findRegistered<Recipe>("tiny-vit");
  REQUIRE(recipe != nullptr);
  Settings settings(recipe->settings());
  for (const char* set : {"width=32", "layers=1", "heads=2", "batch=16", "warmup=2", "steps=30", "learning-rate=0.003", "held-out=32"})
    REQUIRE(settings.set(set));
  const auto run = [&] {
    const auto training = recipe->make(settings);
    nn::Initializer draw(stream, 1);
    nn::Trainer trainer(training->initial(draw), training->options());
    // One batch again and again: it must be learnt by heart.
    double first = 0, last = 0;
    for (int i = 0; i < 30; ++i) {
      last = static_cast<double>(trainer.step(stream, training->loss(0)).loss.toFloats()[0]);
      if (i == 0) first = last;
    }
    const auto judged = training->judge(stream, trainer.weights());
    REQUIRE(judged);
    CHECK(judged->at(0).name == "accuracy");
    CHECK(judged->at(0).value >= 0);
    CHECK(judged->at(0).value <= 1);
    return std::pair{first, last};
  };
  const auto a = run(), b = run();
  // A classifier of zeros: the logarithm of 4 for the picture, and half of it for its patches.
  CHECK(a.first == Approx(1.5 * std::log(4)).margin(1e-3));
  CHECK(a.second < 0.8 * a.first);
  CHECK(a == b);
}
