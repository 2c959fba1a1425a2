// map, inspect, check and bench.

#include <cmath>

#include "tests/cli/process.h"
#include "tests/support/catch.h"

using namespace orrery::test;

namespace {

const std::string truth =
    R"({"images":[{"id":1,"file_name":"a.jpg","width":100,"height":100},{"id":2,"file_name":"b.jpg","width":100,"height":100}],
 "categories":[{"id":3,"name":"cat"},{"id":7,"name":"dog"}],
 "annotations":[{"id":1,"image_id":1,"category_id":3,"bbox":[10,10,40,40],"area":1600,"iscrowd":0},
                {"id":2,"image_id":2,"category_id":7,"bbox":[20,20,50,60],"area":3000,"iscrowd":0}]})";
// The cat is found exactly; the dog's box is too wide: intersection 50 x 60 over union 60 x 60, an IoU of 5/6.
const std::string results = R"([{"image_id":1,"category_id":3,"bbox":[10,10,40,40],"score":0.9},
                               {"image_id":2,"category_id":7,"bbox":[20,20,60,60],"score":0.8}])";

}  // namespace

TEST_CASE("map gives the twelve COCO numbers and each class") {
  const TemporaryFolder folder;
  const auto gt = folder.write("gt.json", truth), dt = folder.write("dt.json", results);
  const auto ran = runProgram({"map", "--gt", gt, "--dt", dt, "--json"});
  INFO(ran.err);
  REQUIRE(ran.code == 0);
  const auto json = ran.json();
  REQUIRE(json["stats"].size() == 12);
  // The dog counts at IoU 0.50 to 0.80, seven of the ten thresholds; the cat at all: (1 + 0.7) / 2.
  CHECK(json["stats"][0].get<double>() == Approx(0.85).margin(1e-9));
  CHECK(json["stats"][1].get<double>() == Approx(1).margin(1e-9));
  CHECK(json["stats"][2].get<double>() == Approx(1).margin(1e-9));
  CHECK(json["stats"][3].get<double>() == -1);
  CHECK(json["protocol"] == "coco");
  REQUIRE(json["per_class"].size() == 2);
  CHECK(json["per_class"][0]["name"] == "cat");
  CHECK(json["per_class"][0]["id"] == 3);
  CHECK(json["per_class"][1]["ap"].get<double>() == Approx(0.7).margin(1e-9));

  const auto strict = runProgram({"map", "--gt", gt, "--dt", dt, "--iou", "0.5", "--iou", "0.9", "--json"}).json();
  CHECK(strict["stats"][0].get<double>() == Approx(0.75).margin(1e-9));
}

TEST_CASE("map by the VOC rules gives each class and the mean") {
  const TemporaryFolder folder;
  const auto gt = folder.write("gt.json", truth), dt = folder.write("dt.json", results);
  for (const std::string protocol : {"voc07", "voc10"}) {
    INFO(protocol);
    const auto json = runProgram({"map", "--gt", gt, "--dt", dt, "--protocol", protocol, "--iou", "0.9", "--json"}).json();
    CHECK(json["protocol"] == protocol);
    CHECK(json["ap"]["cat"].get<double>() == Approx(1).margin(1e-9));
    CHECK(json["ap"]["dog"].get<double>() == Approx(0).margin(1e-9));
    CHECK(json["map"].get<double>() == Approx(0.5).margin(1e-9));
  }
  const auto text = runProgram({"map", "--gt", gt, "--dt", dt});
  CHECK(text.code == 0);
  CHECK(text.out.find("0.850") != std::string::npos);
}

TEST_CASE("map refuses unknown protocols, thresholds and damaged files") {
  const TemporaryFolder folder;
  const auto gt = folder.write("gt.json", truth), dt = folder.write("dt.json", results);
  checkRefused(runProgram({"map", "--gt", gt, "--dt", dt, "--protocol", "voc99"}), 2, {"voc99"});
  checkRefused(runProgram({"map", "--gt", gt, "--dt", dt, "--iou", "1.5"}), 2, {"1.5"});
  checkRefused(runProgram({"map", "--gt", gt, "--dt", dt, "--iou", "x"}), 2, {"--iou"});
  const auto cut = folder.write("cut.json", truth.substr(0, truth.size() / 2));
  checkRefused(runProgram({"map", "--gt", cut, "--dt", dt}), 1, {"cut.json"});
}

TEST_CASE("inspect says what a file is, and what is wrong with it") {
  const TemporaryFolder folder;
  const auto gt = folder.write("gt.json", truth);
  const auto good = runProgram({"inspect", gt, "--json"});
  CHECK(good.code == 0);
  const auto report = good.json();
  CHECK(report["kind"].get<std::string>().starts_with("coco"));
  CHECK(report["counts"]["images"] == 2);
  CHECK(report["error"].is_null());
  CHECK(runProgram({"inspect", gt}).out.find("2") != std::string::npos);

  const auto lfs = folder.write("w.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1991879104\n");
  const auto pointer = runProgram({"inspect", lfs});
  CHECK(pointer.code == 1);
  CHECK(pointer.err.find("Git LFS") != std::string::npos);
  const auto json = runProgram({"inspect", lfs, "--json"});
  CHECK(json.code == 1);
  CHECK(json.json()["error"]["message"].get<std::string>().find("Git LFS") != std::string::npos);
  CHECK(runProgram({"inspect", folder.write("empty", "")}).code == 1);
}

TEST_CASE("check compares every kernel with its reference") {
  const auto ran = runProgram({"check", "--quick", "--json"});
  INFO(ran.err);
  const auto json = ran.json();
  CHECK_FALSE(json["device"].get<std::string>().empty());
  REQUIRE(json["kernels"].size() >= 10);
  for (const auto& kernel : json["kernels"]) {
    INFO(kernel.dump());
    CHECK(kernel["ok"] == true);
    CHECK(kernel["worst_relative_error"].is_number());
    CHECK(kernel["where"].is_string());
  }
  CHECK(ran.code == 0);
}

TEST_CASE("bench states a kernel as a fraction of the ceiling of the same run") {
  const auto ran = runProgram({"bench", "fill", "--json"});
  INFO(ran.err);
  REQUIRE(ran.code == 0);
  const auto json = ran.json();
  for (const auto* key : {"mul_add_gflops", "copy_gbps", "dispatch_us"}) CHECK(json["ceilings"][key].get<double>() > 0);
  // A number where the device has 16-bit arithmetic, null where it has none.
  const auto& half = json["ceilings"].at("mul_add_f16_gflops");
  CHECK((half.is_null() || half.get<double>() > 0));
  REQUIRE_FALSE(json["kernels"].empty());
  for (const auto& kernel : json["kernels"]) {
    CHECK(kernel["id"] == "fill");
    CHECK(kernel["ms"].get<double>() > 0);
    CHECK(kernel["fraction"].get<double>() > 0);
    CHECK(kernel["bound"].is_string());
  }
  CHECK(json["labs"].empty());
  CHECK(json["jobs"].empty());
}

TEST_CASE("bench compares with an earlier run, and refuses a file that is none") {
  const TemporaryFolder folder;
  const auto earlier = folder.write("then.json", R"({"kernels": [{"id": "fill", "shape": "65536", "ms": 1e9}, {"id": "gone", "ms": 1}], "labs": [], "jobs": []})");
  const auto ran = runProgram({"bench", "fill", "--against", earlier, "--json"});
  REQUIRE(ran.code == 0);
  const auto json = ran.json();
  const auto& against = json["against"];
  for (const auto& one : against) CHECK(one["ratio"].get<double>() == Approx(one["now"].get<double>() / one["then"].get<double>()));
  std::size_t shared = 0;
  for (const auto& kernel : json["kernels"]) shared += kernel["shape"] == "65536" ? 1 : 0;
  CHECK(against.size() == shared);
  checkRefused(runProgram({"bench", "fill", "--against", folder.write("list.json", "[1, 2]")}), 1, {"list.json", "orrery bench --json"});
  checkRefused(runProgram({"bench", "fill", "--against", folder.path("none.json")}), 1, {"none.json"});
}

TEST_CASE("asked for cooperative matrices, a device without them says so and runs what it has") {
  const auto ran = runProgram({"bench", "matmul", "--variant", "matrix", "--json"});
  REQUIRE(ran.code == 0);
  for (const auto& one : ran.json()["kernels"]) CHECK((one["variant"] == "matrix") == (ran.err.find("no cooperative matrices") == std::string::npos));
}

TEST_CASE("bench --choose times both builds of a kernel and says which is used from now on") {
  // Other tests shall not find the choice.
  const TemporaryFolder folder;
  const std::map<std::string, std::string> own{{"XDG_CACHE_HOME", folder.path("cache")}};
  const auto ran = runProgram({"bench", "--choose", "lu", "--json"}, own);
  INFO(ran.err);
  REQUIRE(ran.code == 0);
  const auto kernels = ran.json()["kernels"];
  REQUIRE(kernels.size() == 1);
  CHECK(kernels[0]["id"] == "lu");
  const std::string chosen = kernels[0]["variant"];
  CHECK((chosen == "scalar" || chosen == "subgroup"));
  CHECK(kernels[0]["gain"].get<double>() >= 1);
  const auto again = runProgram({"bench", "lu", "--json"}, own);
  REQUIRE(again.code == 0);
  for (const auto& one : again.json()["kernels"]) CHECK(one["variant"] == chosen);
}

TEST_CASE("bench measures a lab's response and frame rate") {
  const auto ran = runProgram({"bench", "sde-vs-ode", "--json"});
  INFO(ran.err);
  REQUIRE(ran.code == 0);
  const auto lab = ran.json()["labs"].at(0);
  CHECK(lab["id"] == "generative/sde-vs-ode");
  CHECK(lab["update_ms"].get<double>() > 0);
  CHECK(lab["fps"].get<double>() > 0);
  CHECK_FALSE(lab["sliders"].empty());
  for (const auto& [id, milliseconds] : lab["sliders"].items()) CHECK(milliseconds.get<double>() > 0);
}
