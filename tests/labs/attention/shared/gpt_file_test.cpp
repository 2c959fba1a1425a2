// A GPT-2 from a file in the softmax attention lab: the same network as models::gptForward, block by block, and what it refuses.

#include "core/labs/attention/shared/gpt_file.h"

#include <cmath>
#include <filesystem>
#include <fstream>

#include "core/base/registry.h"
#include "core/kernels/check_support.h"
#include "core/labs/attention/shared/token_text.h"
#include "core/modelfile/safetensors_write.h"
#include "core/models/gpt.h"
#include "core/session/lab.h"
#include "tests/support/catch.h"
#include "tests/support/lab_session.h"
#include "tests/support/scratch.h"

using namespace orrery;
using orrery::testing::Scratch;

namespace {

// A small network whose every part matters, written to `path` under names that begin with `prefix`.
nn::Weights writeGpt(const std::string& path, const models::GptConfig& config, const std::string& prefix = "transformer.") {
  gpu::Stream stream(orrery::testing::device());
  nn::Initializer draw(stream, 5);
  nn::Weights weights = models::initialGpt(draw, config);
  std::vector<std::pair<std::string, Tensor>> named;
  std::uint32_t seed = 40;
  for (auto& w : weights) {
    auto values = w.value.toFloats();
    const auto noise = kernels::testFloats(w.value.count(), ++seed, -0.3f, 0.3f);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] += noise[i];
    w.value = Tensor::from(w.value.shape(), values);
    named.emplace_back(prefix + w.name.substr(std::string("transformer.").size()), w.value);
  }
  REQUIRE(modelfile::writeSafetensors(path, named, {}));
  return weights;
}

models::GptConfig small() {
  models::GptConfig config;
  config.context = 32, config.width = 24, config.layers = 3, config.heads = 3;
  return config;
}

// The sentence with which the lab refuses these values.
std::string refusal(const Changes& changes) {
  auto session = orrery::testing::openLab("attention/softmax-attention", changes);
  const auto done = session->wait();
  return done ? std::string() : done.error().message;
}

}  // namespace

TEST_CASE("the lab's GPT-2 is gptForward's: the same bits per token and the same guesses, with either form of the names") {
  const Scratch folder;
  const std::string text = "to be or not to be, that is it", path = folder.path("model.safetensors");
  const auto config = small();
  folder.write("config.json", R"({"n_head": 3, "layer_norm_epsilon": 1e-5})");
  for (const char* prefix : {"transformer.", ""}) {
    const nn::Weights weights = writeGpt(path, config, prefix);
    auto session = orrery::testing::openLab("attention/softmax-attention",
                                            {{"source", std::string("model")}, {"model", Asset{path, ""}}, {"text", text}});
    const auto metrics = orrery::testing::metricsAt(*session, 0);

    gpu::Stream stream(orrery::testing::device());
    nn::Tape tape(stream);
    const auto constants = nn::constants(tape, weights);
    std::vector<std::uint32_t> ids;
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    const auto n = static_cast<std::int64_t>(ids.size());
    // The tape's attention wants whole texels: one more token at the end, which no earlier one sees.
    std::vector<std::uint32_t> padded = ids;
    while (padded.size() % 4 != 0) padded.push_back(0);
    const auto logits =
        models::gptForward(constants, Tensor::from(Shape{1, static_cast<std::int64_t>(padded.size())}, padded), config).value().toFloats();
    double bits = 0;
    int hits = 0;
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
      const auto row = std::span(logits).subspan(i * 256, 256);
      double sum = 0;
      for (const float v : row) sum += std::exp(static_cast<double>(v));
      bits += (std::log(sum) - static_cast<double>(row[ids[i + 1]])) / std::log(2.0);
      hits += static_cast<std::uint32_t>(std::max_element(row.begin(), row.end()) - row.begin()) == ids[i + 1] ? 1 : 0;
    }
    // Two orders of summing in f32 over three blocks.
    CHECK(metrics.at("model.bits-per-token") == Approx(bits / static_cast<double>(n - 1)).epsilon(1e-4));
    CHECK(metrics.at("model.hits") == hits);
    CHECK(metrics.at("heads") == 3);
    CHECK(metrics.at("row.sum.error") < 1e-5);
  }
}

TEST_CASE("knobs act on the real network: a flat temperature changes what it expects") {
  const Scratch folder;
  const std::string path = folder.path("model.safetensors");
  writeGpt(path, small());
  folder.write("config.json", R"({"n_head": 3})");
  auto session = orrery::testing::openLab(
      "attention/softmax-attention",
      {{"source", std::string("model")}, {"model", Asset{path, ""}}, {"text", std::string("hello hello")}, {"layer", std::int64_t{1}}});
  const auto sharp = orrery::testing::metricsAt(*session, 0);
  REQUIRE(session->set({{"temperature", 100.0}}));
  const auto flat = orrery::testing::metricsAt(*session, 0);
  // The last row of a causal map over 11 keys: almost ln 11.
  CHECK(flat.at("row.entropy") == Approx(std::log(11)).margin(1e-2));
  CHECK(sharp.at("row.entropy") < flat.at("row.entropy"));
  CHECK(sharp.at("model.bits-per-token") != flat.at("model.bits-per-token"));
}

TEST_CASE("a GPT-2 over another vocabulary is fed with token numbers") {
  const Scratch folder;
  const std::string path = folder.path("model.safetensors");
  auto config = small();
  config.vocabulary = 1000;
  writeGpt(path, config);
  folder.write("config.json", R"({"n_head": 3})");
  const Changes base{{"source", std::string("model")}, {"model", Asset{path, ""}}};
  auto with = [&](const std::string& tokens, const std::string& text) {
    Changes changes = base;
    changes.push_back({"tokens", tokens});
    changes.push_back({"text", text});
    return changes;
  };
  CHECK(refusal(with("ids", "[15, 999, 3, 3]")).empty());
  CHECK(refusal(with("bytes", "abc")).find("1000 tokens are not bytes") != std::string::npos);
  CHECK(refusal(with("ids", "15 1000")).find("token 1000 is outside") != std::string::npos);
  CHECK(refusal(with("ids", "15 x7")).find("'x7' is no token number") != std::string::npos);
  CHECK(refusal(with("ids", " , ")).find("no token number") != std::string::npos);
}

TEST_CASE("files that are no GPT-2 for this lab are refused with what was found and what to do") {
  const Scratch folder;
  const std::string path = folder.path("model.safetensors");
  const Changes changes{{"source", std::string("model")}, {"model", Asset{path, ""}}, {"text", std::string("abcd")}};
  // Heads are not in the file.
  writeGpt(path, small());
  CHECK(refusal(changes).find("config.json (with n_head)") != std::string::npos);
  folder.write("config.json", R"({"n_head": 5})");
  CHECK(refusal(changes).find("24 wide") != std::string::npos);
  folder.write("config.json", R"({"n_head": 3})");
  CHECK(refusal(changes).empty());
  // Longer than its positions.
  Changes longer = changes;
  longer.push_back({"text", std::string(33, 'a')});
  CHECK(refusal(longer).find("33 tokens, this model reads at most 32") != std::string::npos);
  // Something else, a part of another shape, and values that are none.
  const auto refusedWith = [&](const std::vector<std::pair<std::string, Tensor>>& tensors) {
    REQUIRE(modelfile::writeSafetensors(path, tensors, {}));
    return refusal(changes);
  };
  CHECK(refusedWith({{"q", Tensor::from(Shape{2}, {1.0f, 2.0f})}}).find("is no GPT-2") != std::string::npos);
  const auto zeros = [](Shape shape) { return Tensor::from(shape, std::vector<float>(static_cast<std::size_t>(shape.count()), 0.0f)); };
  std::vector<std::pair<std::string, Tensor>> parts{{"wte.weight", zeros({256, 24})},
                                                    {"wpe.weight", zeros({32, 24})},
                                                    {"h.0.attn.c_attn.weight", zeros({24, 72})},
                                                    {"h.0.ln_1.weight", zeros({7})},
                                                    {"h.0.ln_1.bias", zeros({24})}};
  CHECK(refusedWith(parts).find("h.0.ln_1.weight has shape [7], [24] is needed") != std::string::npos);
  parts[3].second = Tensor::from(Shape{24}, std::vector<float>(24, std::nanf("")));
  CHECK(refusedWith(parts).find("24 values that are not finite") != std::string::npos);
  parts[1].second = zeros({32, 23});
  CHECK(refusedWith(parts).find("wpe.weight [context, width]") != std::string::npos);
}

TEST_CASE("a dropped GPT-2 is offered to the lab's model well, a file of q, k, v to the other") {
  const Scratch folder;
  writeGpt(folder.path("model.safetensors"), small(), "");
  const auto report = inspectFile(folder.path("model.safetensors"));
  REQUIRE(report);
  const auto* lab = findRegistered<LabEntry>("attention/softmax-attention");
  REQUIRE(lab != nullptr);
  REQUIRE(lab->accepts.size() == 2);
  CHECK(lab->accepts[0].score(*report) == 0);
  CHECK(lab->accepts[1].score(*report) > 0);
  CHECK(lab->accepts[1].parameter == "model");
}
