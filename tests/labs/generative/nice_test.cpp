// The claims of the lab generative/nice: couplings keep areas while the scale layer changes them, the scale layer alone finds a Gaussian's
// widths, a scale bound of 0 makes RealNVP this lab to the bit, and what has no layer is refused.

#include <cmath>
#include <map>

#include "core/models/image_flow.h"
#include "tests/support/lab_session.h"

using namespace orrery;
using orrery::testing::arrayNamed;
using orrery::testing::device;
using orrery::testing::metricsAt;
using orrery::testing::openLab;
using orrery::testing::text;
using orrery::testing::whole;

namespace {

Changes small(std::int64_t steps) {
  return {{"steps", whole(steps)}, {"steps-per-frame", whole(steps / 2)},
          {"width", whole(32)},    {"batch", whole(256)},
          {"learning-rate", 0.01}, {"particles", whole(1024)},
          {"raster", whole(64)}};
}

}  // namespace

TEST_CASE("nice: four trained couplings keep the area of small triangles to 1 %, and the scale layer changes it by exp(s1 + s2)") {
  Changes changes = small(80);
  changes.push_back({"couplings", whole(4)});
  auto session = openLab("generative/nice", changes);
  const auto first = metricsAt(*session, 0), last = metricsAt(*session, 2);
  CHECK(last.at("divergence") < first.at("divergence") - 0.3);  // it has learnt something, so the couplings do move
  CHECK(last.at("area-change.couplings") < 0.01);
  const auto layers = arrayNamed(*session, "areas.median.y");
  REQUIRE(layers.size() == 6);  // before, four couplings, the scale
  const double scale = std::exp(last.at("log-scale.1") + last.at("log-scale.2"));
  CHECK(scale > 1.2);
  CHECK(static_cast<double>(layers[5]) == Approx(scale).epsilon(0.01));
  CHECK(last.at("inverse-error") < 1e-4);
  for (const auto& message : device()->validationMessages()) FAIL_CHECK(message);
}

TEST_CASE("nice: the scale layer alone finds a Gaussian's width, and its likelihood is the entropy") {
  Changes changes = small(200);
  changes.insert(changes.end(), {{"scene", text("gauss")},
                                 {"couplings", whole(0)},
                                 {"prior", text("normal")},
                                 {"learning-rate", 0.03},
                                 {"batch", whole(2048)},
                                 {"raster", whole(256)}});
  auto session = openLab("generative/nice", changes);
  const auto last = metricsAt(*session, 2);
  // The scene's deviation is 0.5. Batches of 2048: a width is known to 0.5 / sqrt(4096), a log-width to 0.016, less by Adam's averaging.
  CHECK(last.at("log-scale.1") == Approx(std::log(2)).margin(0.03));
  CHECK(last.at("log-scale.2") == Approx(std::log(2)).margin(0.03));
  CHECK(last.at("divergence") == Approx(0).margin(2e-3));  // flat at the optimum: squares of 0.03
  CHECK(last.at("inverse-error") < 1e-6);
  CHECK(last.at("mass.raster") == Approx(1).margin(0.02));
}

TEST_CASE("nice: RealNVP with a scale bound of 0 is this lab without its scale layer, to the bit") {
  Changes common = small(30);
  common.insert(common.end(), {{"scene", text("ring8")}, {"couplings", whole(6)}});
  Changes additive = common, affine = common;
  additive.insert(additive.end(), {{"scale-layer", Value(false)}, {"prior", text("normal")}});
  affine.push_back({"scale-bound", 0.0});
  auto nice = openLab("generative/nice", additive), realnvp = openLab("generative/realnvp", affine);
  for (const std::int64_t frame : {0, 1, 2}) {
    CHECK(metricsAt(*nice, frame).at("nll") == metricsAt(*realnvp, frame).at("nll"));
    const bool same = arrayNamed(*nice, "samples.model.xy") == arrayNamed(*realnvp, "samples.model.xy");
    CHECK(same);
  }
  CHECK(metricsAt(*nice, 2).at("nll") != metricsAt(*nice, 0).at("nll"));
}

TEST_CASE("nice: after one layer an output is blind to one input, after two every output sees every input") {
  auto session = openLab("generative/nice", small(20));
  metricsAt(*session, 2);
  REQUIRE(session->set("lower-left", text("jacobian")));
  REQUIRE(session->wait());
  const auto zeros = [&](int layer) {
    int count = 0;
    for (const float v : arrayNamed(*session, "jacobian.layer-" + std::to_string(layer) + ".value")) count += v == 0 ? 1 : 0;
    return count;
  };
  CHECK(zeros(0) == 2);
  CHECK(zeros(1) == 1);
  CHECK(zeros(2) == 0);
  CHECK(zeros(4) == 0);
  const auto j = arrayNamed(*session, "jacobian.layer-4.value");
  CHECK(j[0] * j[3] - j[1] * j[2] == Approx(1).margin(1e-5));
}

TEST_CASE("nice: no layer at all is refused with a sentence") {
  auto session = openLab("generative/nice", small(10), {}, true);
  REQUIRE(session->set({{"couplings", whole(0)}, {"scale-layer", Value(false)}}));
  const auto refused = session->wait();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("add a coupling or the scale layer") != std::string::npos);
}

TEST_CASE("nice: every choice and preset runs, and the timeline returns to the same bits") {
  auto session = openLab("generative/nice", {{"steps", whole(12)},
                                             {"steps-per-frame", whole(3)},
                                             {"batch", whole(64)},
                                             {"raster", whole(32)},
                                             {"particles", whole(256)},
                                             {"width", whole(16)}});
  const double middle = metricsAt(*session, 2).at("nll");
  metricsAt(*session, 4);
  CHECK(metricsAt(*session, 2).at("nll") == middle);
  for (const char* id : {"prior", "direction", "colour", "lower-left", "lower-right"}) {
    for (const auto& option : std::get<Choice>(session->lab().find(id)->domain).options) {
      INFO(id << " " << option.id);
      REQUIRE(session->set(id, Value(option.id)));
      CHECK(std::isfinite(metricsAt(*session, 1).at("nll")));
    }
  }
  orrery::testing::tryEveryPreset(*session, {{"steps", whole(10)},
                                             {"steps-per-frame", whole(5)},
                                             {"batch", whole(64)},
                                             {"raster", whole(32)},
                                             {"picture-steps", whole(10)},
                                             {"pictures", whole(64)},
                                             {"side", whole(8)}});
}

namespace {

// Pictures, and a run small enough for a test.
Changes pictures(std::int64_t steps) {
  return {{"data", text("single")},        {"side", whole(8)},
          {"pictures", whole(128)},        {"couplings", whole(4)},
          {"picture-width", whole(64)},    {"picture-batch", whole(32)},
          {"picture-learning-rate", 4e-3}, {"prior", text("logistic")},
          {"picture-steps", whole(steps)}, {"steps-per-frame", whole(steps / 2)}};
}

}  // namespace

TEST_CASE("nice: on pictures training saves bits on those it has not seen; only the scale changes volumes; the inverse returns") {
  auto session = openLab("generative/nice", pictures(80));
  const auto first = metricsAt(*session, 0), last = metricsAt(*session, 2);
  CHECK(last.at("bits.held-out") < first.at("bits.held-out") - 0.2);
  CHECK(last.at("volume.coupling") == 0);
  CHECK(last.at("volume.scale") > 0);  // pixels are narrow
  CHECK(last.at("inverse-error") <= 1e-5);
  // The volume is the sum of the scale's logarithms.
  const auto widths = arrayNamed(*session, "spectrum.width.y");
  REQUIRE(widths.size() == 192);
  double sum = 0;
  for (const float w : widths) sum -= std::log(static_cast<double>(w));
  CHECK(last.at("volume.scale") == Approx(sum).epsilon(1e-5));
  CHECK(std::is_sorted(widths.rbegin(), widths.rend()));
  for (const auto& message : device()->validationMessages()) FAIL_CHECK(message);
}

TEST_CASE("nice: on pictures, no volume without the scale, and a value costs more") {
  Changes changes = pictures(20);
  auto session = openLab("generative/nice", changes);
  const double with = metricsAt(*session, 2).at("bits.held-out");
  REQUIRE(session->set("scale-layer", Value(false)));
  const auto without = metricsAt(*session, 2);
  CHECK(without.at("volume.coupling") == 0);
  CHECK(without.count("volume.scale") == 0);
  CHECK(without.at("bits.held-out") > with + 1);
}

TEST_CASE("nice: hidden pixels climb the likelihood, and what is known stays") {
  Changes changes = pictures(60);
  auto session = openLab("generative/nice", changes);
  metricsAt(*session, 2);
  REQUIRE(session->set({{"rows", text("inpainting")}, {"hidden-part", text("below")}}));
  REQUIRE(session->wait());
  const auto now = metricsAt(*session, 2);
  CHECK(now.at("inpainting.end") > now.at("inpainting.start") + 0.5);
  for (const auto& [key, tensor] : arraysOf(session->picture()->figure)) {
    if (key != "rows.pictures.pixels") continue;
    const auto pixels = tensor.as<std::uint8_t>();
    const auto at = [&](std::size_t row, std::size_t y, std::size_t x) {
      return pixels[((row * 9 + y) * static_cast<std::size_t>(tensor.shape()[1]) + x) * 4];
    };
    std::size_t different = 0;
    for (std::size_t row = 1; row < 4; ++row) {
      for (std::size_t y = 0; y < 8; ++y) {
        for (std::size_t x = 0; x < 8; ++x) {
          if (y < 4) CHECK(at(row, y, x) == at(0, y, x));
          different += y >= 4 && at(row, y, x) != at(0, y, x) ? 1 : 0;
        }
      }
    }
    CHECK(different > 50);
  }
}

TEST_CASE("nice: hidden pixels are painted over the pictures, and what is not painted stays") {
  auto session = openLab("generative/nice", pictures(20));
  REQUIRE(session->set({{"rows", text("inpainting")}, {"hidden-part", text("painted")}, {"hidden-mask", text("0000000000000000")}}));
  const auto hidden = metricsAt(*session, 0);
  CHECK(hidden.at("inpainting.end") == hidden.at("inpainting.start"));  // nothing climbs
  const auto drag = [&](double x, double y, bool alternate) {
    PointerEvent event;
    event.kind = PointerEvent::Kind::drag;
    event.panel = "rows", event.handle = "paint";
    event.x = x, event.y = y, event.alternate = alternate;
    session->pointer(event);
    REQUIRE(session->wait());
  };
  const auto mask = [&] { return std::get<std::string>(session->value("hidden-mask")); };
  // Pictures of 8 x 8 pixels with one between them: a cell is a ninth of a unit. Row 2, column 0 and row 7, column 5, whichever picture.
  drag(0.5 / 9, 2.5 / 9, false);
  drag(3 + 5.5 / 9, 1 + 7.5 / 9, false);
  const auto two = models::flows::maskOfText(mask());
  REQUIRE(two);
  for (std::size_t i = 0; i < two->size(); ++i) CHECK((*two)[i] == (i == 16 || i == 61 ? 1 : 0));
  const auto now = metricsAt(*session, 0);
  CHECK(now.at("inpainting.end") > now.at("inpainting.start"));
  drag(8.5 / 9, 0.5 / 9, false);  // a gap
  CHECK(models::flows::maskOfText(mask()) == two);
  drag(0.5 / 9, 2.5 / 9, true);
  drag(5.5 / 9, 7.5 / 9, true);
  CHECK(mask() == "0000000000000000");
  orrery::testing::refused(*session, {{"hidden-mask", text("zz")}}, "16 hexadecimal digits");
}

TEST_CASE("nice: every choice on pictures runs, values without noise are warned of, and no layer at all is refused") {
  auto session = openLab("generative/nice", pictures(10));
  for (const char* id : {"split", "prior", "direction", "rows", "hidden-part"}) {
    for (const auto& option : std::get<Choice>(session->lab().find(id)->domain).options) {
      INFO(id << " " << option.id);
      REQUIRE(session->set(id, Value(option.id)));
      CHECK(std::isfinite(metricsAt(*session, 1).at("bits.held-out")));
    }
  }
  REQUIRE(session->set("dequantise", Value(false)));
  metricsAt(*session, 2);
  bool warned = false;
  for (const Panel& panel : session->picture()->figure.panels) warned = warned || panel.title.find("unbounded") != std::string::npos;
  CHECK(warned);
  REQUIRE(session->set({{"couplings", whole(0)}, {"scale-layer", Value(false)}}));
  const auto refused = session->wait();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("add a coupling or the scale layer") != std::string::npos);
}
