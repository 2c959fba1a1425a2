// The claims of the lab generative/normalizing-flow: chains of ridges and centres learn and integrate to 1, a plane alone squeezes along
// one line only, no finite chain tears two blobs apart, the inverse returns, and the timeline returns to the same bits.

#include <cmath>
#include <map>

#include "tests/support/lab_session.h"

using namespace orrery;
using orrery::testing::arrayNamed;
using orrery::testing::device;
using orrery::testing::metricsAt;
using orrery::testing::openLab;

namespace {

const Value whole(std::int64_t v) { return Value(v); }
const Value text(const char* v) { return Value(std::string(v)); }

Changes small(const char* family, std::int64_t layers, std::int64_t steps) {
  return {{"family", text(family)}, {"layers", whole(layers)},  {"steps", whole(steps)}, {"steps-per-frame", whole(steps / 2)},
          {"batch", whole(512)},    {"particles", whole(1024)}, {"raster", whole(64)},   {"learning-rate", 0.03}};
}

}  // namespace

TEST_CASE("normalizing-flow: eight ridges and centres learn three ellipses, the density integrates to 1, the inverse returns") {
  Changes changes = small("both", 8, 120);
  changes.insert(changes.end(), {{"scene", text("tri")}, {"raster", whole(192)}});
  auto session = openLab("generative/normalizing-flow", changes);
  const auto first = metricsAt(*session, 0), last = metricsAt(*session, 2);
  CHECK(last.at("divergence") < first.at("divergence") - 0.2);
  CHECK(last.at("divergence") > -0.1);  // nothing beats the data's own density
  // Midpoints of 192 x 192 cells, and the share of 1024 samples that fall off the raster: 4 standard errors of a fiftieth are 0.0175.
  CHECK(last.at("mass.raster") + last.at("mass.elsewhere") == Approx(1).margin(0.02));
  CHECK(last.at("inverse-error") < 1e-4);
  for (const auto& message : device()->validationMessages()) FAIL_CHECK(message);
}

TEST_CASE("normalizing-flow: one plane stretches along one direction: no point moves along the ridge") {
  Changes changes = small("planar", 1, 40);
  changes.push_back({"scene", text("tri")});
  auto session = openLab("generative/normalizing-flow", changes);
  metricsAt(*session, 2);
  const auto latents = arrayNamed(*session, "layers.points.xy"), data = arrayNamed(*session, "samples.data.xy");
  // Every displacement is a multiple of one vector.
  double longest = 0, ux = 0, uy = 0;
  for (std::size_t i = 0; i < data.size(); i += 2) {
    const double dx = static_cast<double>(latents[i] - data[i]), dy = static_cast<double>(latents[i + 1] - data[i + 1]);
    if (std::hypot(dx, dy) > longest) longest = std::hypot(dx, dy), ux = dx / longest, uy = dy / longest;
  }
  CHECK(longest > 0.1);
  for (std::size_t i = 0; i < data.size(); i += 2) {
    const double dx = static_cast<double>(latents[i] - data[i]), dy = static_cast<double>(latents[i + 1] - data[i + 1]);
    CHECK(std::abs(dx * uy - dy * ux) < 1e-5);  // rounding of coordinates of a few units
  }
}

TEST_CASE("normalizing-flow: between two blobs every finite chain keeps mass") {
  Changes changes = small("both", 8, 40);
  changes.insert(changes.end(), {{"scene", text("two-deltas")}, {"noise", 0.1}});
  auto session = openLab("generative/normalizing-flow", changes);
  for (const char* family : {"planar", "radial", "both", "coupling"}) {
    REQUIRE(session->set("family", text(family)));
    const auto last = metricsAt(*session, 2);
    INFO(family);
    // The data's density half way, ten deviations from either blob, is e^-50 of its peak; the model's is far above it and positive.
    CHECK(last.at("bridge.data") < -40);
    CHECK(last.at("bridge.model") > last.at("bridge.data"));
    CHECK(std::isfinite(last.at("bridge.model")));
  }
}

TEST_CASE("normalizing-flow: a continuous flow learns, exact or estimated; a price on its energy makes its ways shorter") {
  // normalizing-flow, must hold 4, for the flow whose volume is integrated.
  Changes changes = small("continuous", 6, 80);
  changes.insert(changes.end(), {{"scene", text("tri")}, {"raster", whole(128)}, {"width", whole(32)}});
  auto session = openLab("generative/normalizing-flow", changes);
  double free = 0;
  for (const char* trace : {"exact", "hutchinson"}) {
    INFO(trace);
    REQUIRE(session->set({{"trace", text(trace)}, {"energy-penalty", 0.0}}));
    const auto first = metricsAt(*session, 0), last = metricsAt(*session, 2);
    CHECK(last.at("divergence") < first.at("divergence") - 0.5);
    CHECK(last.at("divergence") > -0.1);
    // Midpoints of 128 x 128 cells, and the share of 1024 samples that fall off the raster: 4 standard errors of a fiftieth are 0.0175.
    CHECK(last.at("mass.raster") + last.at("mass.elsewhere") == Approx(1).margin(0.02));
    CHECK(last.at("evaluations") == 12);
    CHECK(first.at("path-energy") == 0);  // it starts as the identity
    if (std::string(trace) == "exact") free = last.at("path-energy");
  }
  REQUIRE(session->set({{"trace", text("exact")}, {"energy-penalty", 0.3}}));
  const auto straight = metricsAt(*session, 2);
  CHECK(straight.at("path-energy") < 0.8 * free);
  for (const auto& message : device()->validationMessages()) FAIL_CHECK(message);
}

TEST_CASE("normalizing-flow: the timeline returns to the same bits, and every choice and preset runs") {
  auto session = openLab("generative/normalizing-flow", small("both", 4, 12));
  const double middle = metricsAt(*session, 1).at("nll");
  CHECK(metricsAt(*session, 2).at("nll") != middle);
  CHECK(metricsAt(*session, 1).at("nll") == middle);
  for (const char* id : {"direction", "colour", "lower-right"}) {
    for (const auto& option : std::get<Choice>(session->lab().find(id)->domain).options) {
      INFO(id << " " << option.id);
      REQUIRE(session->set(id, Value(option.id)));
      REQUIRE(session->wait());
      CHECK(session->picture()->frame == 1);
    }
  }
  orrery::testing::tryEveryPreset(*session, {{"steps", whole(10)}, {"steps-per-frame", whole(5)}, {"batch", whole(64)}, {"raster", whole(32)}});
}
