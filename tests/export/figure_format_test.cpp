// Our own files are known by their content, and a stranger's drawing is not taken for one of ours.

#include <nlohmann/json.hpp>

#include "app/export/export.h"
#include "core/base/file_format.h"
#include "core/session/session.h"
#include "tests/support/catch.h"
#include "tests/support/scratch.h"

using namespace orrery;
using orrery::testing::Scratch;

TEST_CASE("inspect knows figures and scenes of ours by content") {
  Scratch scratch;
  DisplayList list;
  list.size = {100, 60};
  exporting::ExportOptions options;
  options.recipe = R"({"orrery": 1, "lab": "generative/sde-vs-ode", "parameters": {}})";
  const std::string svg = scratch.path("figure.svg");
  REQUIRE(exporting::writeSvg(list, svg, options).hasValue());
  auto report = inspectFile(svg);
  REQUIRE(report.hasValue());
  CHECK(report->kind == "figure");
  CHECK_FALSE(report->error.has_value());
  CHECK(report->metadata.at("orrery.lab") == "generative/sde-vs-ode");

  const std::string scene = scratch.path("scene.orrery");
  REQUIRE(writeSessionFile(scene, nlohmann::json::parse(options.recipe)).hasValue());
  auto saved = inspectFile(scene);
  REQUIRE(saved.hasValue());
  CHECK(saved->kind == "scene");
  CHECK(saved->metadata.at("orrery.lab") == "generative/sde-vs-ode");

  auto foreign = inspectFile(scratch.write("other.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>"));
  REQUIRE(foreign.hasValue());
  CHECK(foreign->kind == "figure");
  CHECK(foreign->error.has_value());
}
