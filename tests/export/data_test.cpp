#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>

#include <nlohmann/json.hpp>

#include "app/export/export.h"
#include "core/modelfile/tensor_file.h"
#include "tests/figure/sample_figures.h"
#include "tests/support/catch.h"
#include "tests/support/scratch.h"

using namespace orrery;
using orrery::testing::Scratch;

namespace {

std::string bytesOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::pair<std::string, Tensor>> arrays() {
  return {{"sde.particles.xy", Tensor::from({2, 2}, {0.1f, -2.5f, NAN, INFINITY})},
          {"a.\"quoted\", name.index", Tensor::from(Shape{3}, std::vector<std::int32_t>{-7, 0, 2147483647})},
          {"image.pixels", Tensor::from(Shape{1, 1, 4}, std::vector<std::uint8_t>{1, 2, 3, 255})},
          {"empty.x", Tensor::from(Shape{0, 3}, std::vector<float>{})}};
}

const std::vector<Metric> metrics{{"map", 0.123456789012345, ""}, {"nothing", NAN, ""}};

}  // namespace

TEST_CASE("JSON data read back exactly; NaN and infinities are null") {
  const Scratch scratch;
  REQUIRE(exporting::writeData(arrays(), metrics, scratch.path("d.json")).hasValue());
  const auto json = nlohmann::json::parse(bytesOf(scratch.path("d.json")));
  CHECK(json["metrics"]["map"].get<double>() == 0.123456789012345);
  CHECK(json["metrics"]["nothing"].is_null());
  const auto& xy = json["arrays"]["sde.particles.xy"];
  CHECK(xy["shape"] == nlohmann::json({2, 2}));
  CHECK(xy["data"][0].get<float>() == 0.1f);
  CHECK(xy["data"][1].get<float>() == -2.5f);
  CHECK(xy["data"][2].is_null());
  CHECK(xy["data"][3].is_null());
  CHECK(json["arrays"]["a.\"quoted\", name.index"]["data"] == nlohmann::json({-7, 0, 2147483647}));
  CHECK(json["arrays"]["image.pixels"]["shape"] == nlohmann::json({1, 1, 4}));
  CHECK(json["arrays"]["empty.x"]["data"].empty());
}

TEST_CASE("Every float survives the text formats") {
  std::vector<float> values{0.1f, 1.0f / 3, 3.4028235e38f, 1.1754944e-38f, 1e-45f, -0.0f, 16777217.0f};
  const Scratch scratch;
  REQUIRE(exporting::writeData({{"v", samples::vectorOf(values)}}, {}, scratch.path("d.json")).hasValue());
  const auto json = nlohmann::json::parse(bytesOf(scratch.path("d.json")));
  for (std::size_t i = 0; i < values.size(); ++i) CHECK(json["arrays"]["v"]["data"][i].get<float>() == values[i]);
}

TEST_CASE("CSV is long form: array, indices, value") {
  const Scratch scratch;
  REQUIRE(exporting::writeData(arrays(), metrics, scratch.path("d.csv")).hasValue());
  std::istringstream lines(bytesOf(scratch.path("d.csv")));
  std::vector<std::string> all;
  for (std::string line; std::getline(lines, line);) all.push_back(line);
  REQUIRE(all.size() == 1 + 2 + 4 + 3 + 4);
  CHECK(all[0] == "array,index0,index1,index2,value");
  CHECK(all[1] == "metric.map,,,,0.123456789012345");
  CHECK(all[3] == "sde.particles.xy,0,0,,0.1");
  CHECK(all[4] == "sde.particles.xy,0,1,,-2.5");
  CHECK(all[5] == "sde.particles.xy,1,0,,NaN");
  CHECK(all[6] == "sde.particles.xy,1,1,,inf");
  CHECK(all[9] == "\"a.\"\"quoted\"\", name.index\",2,,,2147483647");
  CHECK(all[13] == "image.pixels,0,0,3,255");
}

TEST_CASE("NPZ members carry their shapes, types and checksums, and our own reader agrees") {
  const Scratch scratch;
  const std::string path = scratch.path("d.npz");
  REQUIRE(exporting::writeData(arrays(), metrics, path).hasValue());
  auto file = modelfile::TensorFile::open(path);
  REQUIRE(file.hasValue());
  CHECK(file->format() == "npz");
  std::int64_t notFinite = 0;
  auto xy = file->read("sde.particles.xy", &notFinite);
  REQUIRE(xy.hasValue());
  CHECK(xy->shape() == Shape{2, 2});
  CHECK(xy->as<float>()[1] == -2.5f);
  CHECK(notFinite == 2);
  auto metric = file->read("metric.map");
  REQUIRE(metric.hasValue());
  CHECK(metric->shape().rank() == 0);
  CHECK(metric->as<float>()[0] == 0.123456789012345f);
  // The header of the first member: magic, version 1.0, data at a multiple of 64.
  const std::string bytes = bytesOf(path);
  const std::size_t npy = bytes.find("\x93NUMPY");
  REQUIRE(npy != std::string::npos);
  CHECK(bytes[npy + 6] == 1);
  CHECK((10 + static_cast<std::uint8_t>(bytes[npy + 8]) + 256 * static_cast<std::uint8_t>(bytes[npy + 9])) % 64 == 0);
  CHECK(bytes.find("'descr': '<i4', 'fortran_order': False, 'shape': (3,), }") != std::string::npos);
  CHECK(bytes.find("'descr': '|u1', 'fortran_order': False, 'shape': (1,1,4), }") != std::string::npos);
  CHECK(bytes.find("'descr': '<f8', 'fortran_order': False, 'shape': (), }") != std::string::npos);
}

TEST_CASE("Data files of other kinds and unwritable places are refused with one sentence") {
  const auto wrong = exporting::writeData(arrays(), metrics, "data.xlsx");
  REQUIRE(!wrong.hasValue());
  CHECK(wrong.error().code == ErrorCode::usage);
  CHECK(wrong.error().message.find(".json, .csv or .npz") != std::string::npos);
  const Scratch scratch;
  const auto nowhere = exporting::writeData(arrays(), metrics, scratch.path("no/d.json"));
  REQUIRE(!nowhere.hasValue());
  CHECK(nowhere.error().message.find("no/d.json") != std::string::npos);
}

TEST_CASE("Every array of a figure can be written as data") {
  const Scratch scratch;
  for (const char* name : {"d.json", "d.csv", "d.npz"}) CHECK(exporting::writeData(arraysOf(samples::canvasFigure()), {}, scratch.path(name)).hasValue());
}
