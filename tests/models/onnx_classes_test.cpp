// ONNX graphs of pictures that take a class: which input is the class, what is said of it, and that each row gets the class asked for. The
// graphs know one picture per class, so that D is known without any other library. And giving up: between two nodes.

#include <cmath>
#include <set>

#include "core/base/stop.h"
#include "core/models/onnx_denoiser.h"
#include "tests/support/kernel_oracle.h"
#include "tests/support/onnx_writer.h"
#include "tests/support/scratch.h"

using namespace orrery;
using namespace orrery::models;
using namespace orrery::testing;

namespace {

constexpr std::int64_t classes = 4;

// Picture of a class: 64 numbers no two classes share.
float tableAt(std::int64_t label, std::int64_t i) { return static_cast<float>(std::sin(1.7 * static_cast<double>(label) + 0.3 * static_cast<double>(i))); }

std::vector<float> table() {
  std::vector<float> values;
  for (std::int64_t label = 0; label < classes; ++label)
    for (std::int64_t i = 0; i < 64; ++i) values.push_back(tableAt(label, i));
  return values;
}

// What the graph says is x_0, at the level itself.
const NetworkStated asData{diffusion::Prediction::data, ToldTime::unit, "vp", {}};

Expected<OnnxDenoiser> opened(gpu::Stream& stream, const Scratch& folder, const std::string& model, std::optional<std::int64_t> nullClass = {}) {
  return OnnxDenoiser::openForPictures(stream, folder.write("net.onnx", model), asData, nullClass);
}

std::string why(gpu::Stream& stream, const Scratch& folder, const std::string& model, std::optional<std::int64_t> nullClass = {}) {
  const auto network = opened(stream, folder, model, nullClass);
  REQUIRE_FALSE(network);
  return network.error().message;
}

// D of pictures of zeros with these classes is their pictures.
void checkRows(gpu::Stream& stream, const OnnxDenoiser& network, const std::vector<std::int64_t>& labels) {
  const auto rows = static_cast<std::int64_t>(labels.size());
  const auto clean = network.denoise(stream, Tensor::from(Shape{rows, 64}, std::vector<float>(labels.size() * 64, 0.5f)), 1.3, labels);
  INFO((clean ? "" : clean.error().message));
  REQUIRE(clean);
  const auto found = clean->toFloats();
  REQUIRE(found.size() == labels.size() * 64);
  for (std::size_t row = 0; row < labels.size(); ++row) {
    INFO("row " << row << " of class " << labels[row]);
    for (std::int64_t i = 0; i < 64; ++i) {
      const double expected = labels[row] < classes ? static_cast<double>(tableAt(labels[row], i)) : 0;
      // A look-up is exact; a product with a one-hot row rounds once per class.
      REQUIRE(std::abs(static_cast<double>(found[row * 64 + static_cast<std::size_t>(i)]) - expected) < 1e-6);
    }
  }
}

bool has(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

// y = x after `count` nodes, on pictures.
std::string longGraph(std::size_t count) {
  std::vector<std::string> nodes{onnxNode("Add", {"x", "t"}, {"v0"})};
  for (std::size_t i = 0; i + 1 < count; ++i)
    nodes.push_back(onnxNode("Neg", {"v" + std::to_string(i)}, {i + 2 == count ? "y" : "v" + std::to_string(i + 1)}));
  return onnxModel({nodes, {}, {onnxPort("x", {-1, 1, 8, 8}), onnxPort("t", {})}, {onnxPort("y", {-1, 1, 8, 8})}});
}

}  // namespace

TEST_CASE("a class goes to its row: numbers of every type and shape, and one-hot rows") {
  const Scratch folder;
  gpu::Stream stream = openStream();
  const std::string x = onnxPort("x", {-1, 1, 8, 8}), time = onnxPort("t", {-1});
  const std::vector<std::int64_t> mixed{2, 0, 3, 3, 1};
  for (const std::int32_t type : {6, 7}) {  // i32, i64
    for (const auto& shape : std::vector<std::vector<std::int64_t>>{{-1}, {-1, 1}, {1}}) {
      INFO("type " << type << ", " << shape.size() << " extents, the first " << shape[0]);
      const auto network = opened(stream, folder, onnxClassPictures(table(), x, time, onnxPort("label", shape, type)));
      INFO((network ? "" : network.error().message));
      REQUIRE(network);
      REQUIRE(network->classes());
      CHECK_FALSE(network->classes()->oneHot);
      // From the table that they are looked up in.
      CHECK(network->classes()->count == classes);
      CHECK_FALSE(network->classes()->none);
      checkRows(stream, *network, mixed);
      // Not told, the first is asked for.
      const auto clean = network->denoise(stream, Tensor::from(Shape{1, 64}, std::vector<float>(64, 0.0f)), 1).toFloats();
      CHECK(clean[5] == tableAt(0, 5));
    }
  }
  const auto oneHot = opened(stream, folder,
                             onnxClassPictures(table(), x, time, onnxPort("label", {-1, classes}), {{"null_class", "4"}}, "t", "label", true));
  INFO((oneHot ? "" : oneHot.error().message));
  REQUIRE(oneHot);
  REQUIRE(oneHot->classes());
  CHECK(oneHot->classes()->oneHot);
  CHECK(oneHot->classes()->count == classes);
  // After the last one there is a row of zeros.
  CHECK(oneHot->classes()->none == classes);
  checkRows(stream, *oneHot, {3, classes, 1});
  // A batch of fixed size is filled up.
  const auto fixed = opened(stream, folder, onnxClassPictures(table(), onnxPort("x", {2, 1, 8, 8}), onnxPort("t", {2}), onnxPort("label", {2}, 7)));
  REQUIRE(fixed);
  checkRows(stream, *fixed, mixed);
}

TEST_CASE("which input is the time and which the class is told by type, shape, name and order") {
  const Scratch folder;
  gpu::Stream stream = openStream();
  const std::string x = onnxPort("x", {-1, 1, 8, 8});
  struct Form {
    const char *first, *second;  // names of the two, both i64 [B]
    bool classFirst;
  };
  for (const Form& form : {Form{"timestep", "class_labels", false}, Form{"class_labels", "timestep", true}, Form{"t", "y", false},
                           Form{"y", "t", true}, Form{"a", "b", false}, Form{"a", "sigma", true}, Form{"Labels", "b", true}}) {
    INFO(form.first << " and " << form.second);
    const char *time = form.classFirst ? form.second : form.first, *label = form.classFirst ? form.first : form.second;
    const std::string one = onnxPort(form.first, {-1}, 7), two = onnxPort(form.second, {-1}, 7);
    const auto network = opened(stream, folder, onnxClassPictures(table(), x, one, two, {}, time, label));
    INFO((network ? "" : network.error().message));
    REQUIRE(network);
    checkRows(stream, *network, {1, 3, 2});
  }
  // A time [B, 1] is no class, a class [B, K] no time, in whatever order.
  for (const bool swapped : {false, true}) {
    const std::string time = onnxPort("a", {-1, 1}), label = onnxPort("b", {-1, classes});
    const auto network = opened(stream, folder, onnxClassPictures(table(), x, swapped ? label : time, swapped ? time : label, {}, "a", "b", true));
    INFO((network ? "" : network.error().message));
    REQUIRE(network);
    checkRows(stream, *network, {0, 2});
  }
}

TEST_CASE("the null class is stated, or in the metadata, or in config.json, or not known; what does not fit is refused") {
  const Scratch folder;
  gpu::Stream stream = openStream();
  const std::string x = onnxPort("x", {-1, 1, 8, 8}), time = onnxPort("t", {-1}), label = onnxPort("label", {-1}, 7);
  const auto graph = [&](const std::vector<std::pair<std::string, std::string>>& properties) {
    return onnxClassPictures(table(), x, time, label, properties);
  };
  const auto told = opened(stream, folder, graph({{"null_class", "3"}, {"producer", "test"}}));
  REQUIRE(told);
  CHECK(told->classes()->none == 3);
  CHECK(told->classes()->count == 3);  // the last row of the table is no class to choose
  const auto counted = opened(stream, folder, graph({{"num_classes", "2"}, {"null_class", "2"}}));
  REQUIRE(counted);
  CHECK(counted->classes()->count == 2);
  // What is stated goes before the metadata.
  const auto stated = opened(stream, folder, graph({{"null_class", "3"}}), 0);
  REQUIRE(stated);
  CHECK(stated->classes()->none == 0);
  CHECK(stated->classes()->count == classes);
  CHECK(has(why(stream, folder, graph({{"null_class", "4"}})), "null_class 4 does not fit"));
  CHECK(has(why(stream, folder, graph({{"num_classes", "9"}})), "num_classes 9 does not fit"));
  CHECK(has(why(stream, folder, graph({}), 12), "null_class 12"));
  CHECK(has(why(stream, folder, graph({{"num_classes", "0"}})), "num_classes 0"));
  // Metadata that are no number say nothing.
  CHECK(opened(stream, folder, graph({{"null_class", "none"}})).hasValue());
  CHECK(has(why(stream, folder, onnxClassPictures(table(), x, time, onnxPort("label", {-1}))), "perhaps classes as whole numbers"));
  const Scratch beside;
  beside.write("config.json", "{\"null_class\": 1, \"num_classes\": 4}");
  const auto configured = opened(stream, beside, graph({}));
  REQUIRE(configured);
  CHECK(configured->classes()->none == 1);
  // A class that the graph has not: said, and no picture. Points take no classes.
  const auto network = opened(stream, folder, graph({}));
  REQUIRE(network);
  const auto missing = network->denoise(stream, Tensor::from(Shape{1, 64}, std::vector<float>(64, 0.0f)), 1, {7});
  REQUIRE_FALSE(missing);
  CHECK(has(missing.error().message, "lookup"));
  const auto points = OnnxDenoiser::openForPoints(
      folder.write("points.onnx", onnxModel({{onnxNode("Add", {"x", "t"}, {"y"})},
                                             {},
                                             {onnxPort("x", {-1, 2}), onnxPort("t", {-1, 1}), onnxPort("c", {-1}, 7)},
                                             {onnxPort("y", {-1, 2})}})),
      {});
  REQUIRE_FALSE(points);
  CHECK(has(points.error().message, "expected two inputs"));
}

TEST_CASE("a graph is given up at the next node, on the host and on the device") {
  const Scratch folder;
  gpu::Stream stream = openStream();
  constexpr std::size_t nodes = 60;
  const auto network = opened(stream, folder, longGraph(nodes));
  INFO((network ? "" : network.error().message));
  REQUIRE(network);
  const Tensor x = Tensor::from(Shape{2, 64}, std::vector<float>(128, 0.25f));
  for (const int after : {1, 7, 59}) {
    INFO("after " << after);
    int asked = 0;
    StopScope stop([&] { return ++asked > after; });
    const auto given = network->denoise(stream, x, 1, {});
    REQUIRE_FALSE(given);
    CHECK(given.error().code == ErrorCode::cancelled);
    CHECK(asked == after + 1);
    CHECK(stop.stopped());
    // Once told, it stays so: nothing else is begun.
    CHECK(std::isnan(network->denoise(stream, x, 1).toFloats()[0]));
    CHECK(std::isnan(network->denoise(diffusion::State(64), 1)[0]));
    CHECK(asked == after + 1);
  }
  // Once per node where it goes on; an inner scope is asked in place of the outer, which is untouched.
  int asked = 0;
  StopScope outer([] { return true; });
  {
    StopScope inner([&] { return ++asked, false; });
    const auto whole = network->denoise(stream, x, 1, {});
    REQUIRE(whole);
    CHECK_FALSE(std::isnan(whole->toFloats()[0]));
    CHECK(asked == static_cast<int>(nodes));
  }
  CHECK_FALSE(outer.stopped());
  CHECK_FALSE(network->denoise(stream, x, 1, {}));
  CHECK(outer.stopped());
}
