// ONNX graphs as denoisers: which input is which, what their answers mean, and what is no denoiser.

#include "core/models/onnx_denoiser.h"

#include <cmath>

#include "core/modelfile/safetensors_write.h"
#include "core/models/mlp_denoiser.h"
#include "tests/support/kernel_oracle.h"
#include "tests/support/onnx_writer.h"
#include "tests/support/scratch.h"
#include "tests/support/zero_perceptron.h"

using namespace orrery;
using namespace orrery::models;
using namespace orrery::testing;

namespace {

std::vector<double> numbers(const diffusion::State& s) { return {s.begin(), s.end()}; }

}  // namespace

TEST_CASE("a graph says what the perceptron of the same weights says, however its time and batch are shaped") {
  const Scratch folder;
  const Tensor w1 = drawn(Shape{24, 3}, 1, 0.6), w2 = drawn(Shape{2, 24}, 2, 0.3);
  const std::string plain = folder.path("net.safetensors");
  REQUIRE(modelfile::writeSafetensors(plain, std::vector<std::pair<std::string, Tensor>>{{"0.weight", w1}, {"2.weight", w2}}));
  struct Form {
    std::vector<std::int64_t> time;
    std::int32_t type;
    std::int64_t batch;
    bool first;
    ToldTime told;
  };
  for (const Form& form :
       {Form{{-1}, 1, -1, false, ToldTime::unit}, Form{{-1, 1}, 1, -1, true, ToldTime::unit}, Form{{}, 1, -1, false, ToldTime::logLevel},
        Form{{1}, 1, 1, false, ToldTime::unit}, Form{{4}, 1, 4, false, ToldTime::unit}, Form{{1}, 1, -1, false, ToldTime::unit},
        Form{{-1}, 7, -1, false, ToldTime::steps}}) {
    INFO(form.time.size() << " " << form.batch << " " << form.type);
    const std::string path = folder.write("net.onnx", onnxPerceptron(w1, w2, form.time, form.type, form.batch, form.first));
    const NetworkStated stated{diffusion::Prediction::v, form.told, "vp", {}};
    const auto graph = openPointDenoiser(path, stated), perceptron = openPointDenoiser(plain, stated);
    INFO((graph ? "" : graph.error().message));
    REQUIRE(graph);
    REQUIRE(perceptron);
    CHECK((*graph)->dimension() == 2);
    CHECK((*graph)->parameters() == 24 * 3 + 2 * 24);
    // Times of whole steps: in between, a network of whole numbers is told the nearest.
    const diffusion::Moment moment = findRegistered<diffusion::Process>("vp")->at(0.3);
    const double between = moment.sigma / moment.alpha;
    for (const double level : {between, 40.0, 0.05}) {
      if (form.type == 7 && level != between) continue;
      const Tensor x = drawn(Shape{11, 2}, 9, std::sqrt(1 + level * level));
      const auto values = x.as<float>();
      const diffusion::State state(std::vector<double>(values.begin(), values.end()));
      const auto exact = numbers((*perceptron)->denoise(state, level)), found = numbers((*graph)->denoise(state, level));
      gpu::Stream stream = openStream();
      const auto device = (*graph)->denoise(stream, x, level).toFloats();
      for (std::size_t i = 0; i < exact.size(); ++i) {
        CHECK(found[i] == Approx(exact[i]).epsilon(1e-9).margin(1e-9));                                         // both in double precision
        CHECK(static_cast<double>(device[i]) == Approx(exact[i]).margin(1e-5 * std::sqrt(1 + level * level)));  // f32, sums of 24 terms
      }
    }
  }
}

TEST_CASE("what is no denoiser is refused with what was expected and found") {
  const Scratch folder;
  const auto errorOf = [&](const OnnxParts& parts) {
    const auto network = openPointDenoiser(folder.write("net.onnx", onnxModel(parts)), {});
    REQUIRE_FALSE(network);
    return network.error().message;
  };
  const auto has = [](const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; };
  const std::vector<std::string> add{onnxNode("Add", {"x", "t"}, {"y"}, "sum")};
  CHECK(has(errorOf({{onnxNode("Neg", {"x"}, {"y"})}, {}, {onnxPort("x", {-1, 2})}, {onnxPort("y", {-1, 2})}}),
            "expected two inputs, points [B, d] and a time"));
  CHECK(has(errorOf({add, {}, {onnxPort("x", {-1, 3, 8, 8}), onnxPort("t", {-1, 1})}, {onnxPort("y", {-1, 3, 8, 8})}}),
            "found inputs 'x' [?, 3, 8, 8], 't' [?, 1]"));
  CHECK(has(errorOf({add, {}, {onnxPort("x", {-1, -1}), onnxPort("t", {-1, 1})}, {onnxPort("y", {-1, -1})}}),
            "leaves more open than the batch"));
  CHECK(has(errorOf({add, {}, {onnxPort("x", {-1, 70}), onnxPort("t", {-1, 1})}, {onnxPort("y", {-1, 70})}}), "at most 64 numbers"));
  CHECK(has(errorOf({add, {}, {onnxPort("x", {-1, 2}, 7), onnxPort("t", {-1, 1})}, {onnxPort("y", {-1, 2})}}), "found i64 and f32"));
  // It says one shape and gives another.
  CHECK(has(errorOf({{onnxNode("Concat", {"x", "x"}, {"z"}, "", {onnxInteger("axis", 1)}), onnxNode("Add", {"z", "t"}, {"y"})},
                     {},
                     {onnxPort("x", {-1, 2}), onnxPort("t", {-1, 1})},
                     {onnxPort("y", {-1, 2})}}),
            "'y' should be shaped like 'x', [1, 2], found [1, 4]"));
  // Batch statistics: a point's answer depends on its neighbours.
  const std::int64_t zero = 0;
  CHECK(has(errorOf({{onnxNode("ReduceSum", {"x", "axis"}, {"m"}), onnxNode("Sub", {"x", "m"}, {"z"}), onnxNode("Add", {"z", "t"}, {"y"})},
                     {onnxTensor("axis", {1}, std::string(reinterpret_cast<const char*>(&zero), 8), 7)},
                     {onnxPort("x", {-1, 2}), onnxPort("t", {-1, 1})},
                     {onnxPort("y", {-1, 2})}}),
            "with the other points of the batch"));
}
