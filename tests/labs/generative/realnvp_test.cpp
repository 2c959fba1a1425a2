// The claims of the lab generative/realnvp: a ring is learnt and its density integrates to 1, scaling helps and without it the lab is NICE,
// the inverse returns, the timeline returns to the same bits, and data without width are refused.

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>

#include "tests/support/lab_session.h"
#include "tests/support/scratch.h"

using namespace orrery;
using orrery::testing::arrayNamed;
using orrery::testing::device;
using orrery::testing::metricsAt;
using orrery::testing::openLab;
using orrery::testing::text;
using orrery::testing::whole;

namespace {

// A run small enough for a test.
Changes small(std::int64_t steps) {
  return {{"steps", whole(steps)}, {"steps-per-frame", whole(steps / 2)},
          {"width", whole(32)},    {"batch", whole(256)},
          {"learning-rate", 0.01}, {"particles", whole(1024)}};
}

}  // namespace

TEST_CASE("realnvp: the likelihood of two moons falls towards their entropy, the density integrates to 1, the inverse returns") {
  auto session = openLab("generative/realnvp", small(120));
  REQUIRE(session->set({{"scene", text("moons")}, {"raster", whole(256)}}));
  const auto first = metricsAt(*session, 0), last = metricsAt(*session, 2);
  CHECK(last.at("step") == 120);
  // A third of what a fresh flow, the standard normal, pays above the entropy is saved.
  CHECK(last.at("divergence") < 0.67 * first.at("divergence"));
  CHECK(last.at("divergence") > -0.1);  // nothing beats the data's own density; 0.1 is many standard errors of 1024 paired points
  // Midpoints of 256 x 256 cells over the raster, and the samples that fall off it: 1024 of them, so 4 standard errors of a share of a
  // fiftieth are 0.0175.
  CHECK(last.at("mass.raster") + last.at("mass.elsewhere") == Approx(1).margin(0.02));
  CHECK(last.at("inverse-error") < 1e-4);
  for (const auto& message : device()->validationMessages()) FAIL_CHECK(message);
}

TEST_CASE("realnvp: letting couplings scale saves likelihood on the ring") {
  Changes changes = small(100);
  changes.push_back({"raster", whole(32)});
  auto scaling = openLab("generative/realnvp", changes);
  const double with = metricsAt(*scaling, 2).at("nll");
  REQUIRE(scaling->set("scale-bound", 0.0));
  const auto without = metricsAt(*scaling, 2);
  CHECK(with < without.at("nll") - 0.1);
  // Without scaling no volume changes, anywhere.
  for (const float v : arrayNamed(*scaling, "volumes.mean.value")) CHECK(v == 0);
  for (const float v : arrayNamed(*scaling, "layers.points.scalar")) CHECK(v == 0);
}

TEST_CASE("realnvp: NICE beside it sees the same batches and tells the ring in more nats, and the timeline returns to the same bits") {
  auto session = openLab("generative/realnvp", {{"steps", whole(80)}, {"steps-per-frame", whole(40)}, {"batch", whole(256)},
                                                {"raster", whole(32)}, {"particles", whole(1024)}, {"width", whole(32)}},
                         "nice-vs-realnvp");
  const auto start = metricsAt(*session, 0), middle = metricsAt(*session, 1), last = metricsAt(*session, 2);
  CHECK(last.at("nll") < start.at("nll") - 0.1);
  CHECK(last.at("nll") < last.at("nll.beside") - 0.1);
  CHECK(last.at("nll.beside") > last.at("entropy") - 0.05);  // nothing beats the data's own density
  std::vector<std::string> curves;
  for (const Panel& panel : session->picture()->figure.panels) {
    if (panel.id != "likelihood") continue;
    for (const auto& mark : panel.marks) curves.push_back(mark->id());
    CHECK(panel.title.find("NICE") != std::string::npos);
  }
  CHECK(std::find(curves.begin(), curves.end(), "beside") != curves.end());
  CHECK(metricsAt(*session, 1) == middle);
  CHECK(metricsAt(*session, 2) == last);
  // Alone it is the same flow to the bit.
  REQUIRE(session->set("plane-compare", text("none")));
  const auto alone = metricsAt(*session, 2);
  CHECK(alone.at("nll") == last.at("nll"));
  CHECK(alone.count("nll.beside") == 0);
}

TEST_CASE("realnvp: points of more columns are told to be seen through two axes, with the share of the variance these keep") {
  // Independent columns of deviations 3, 2, 1, 1: the first two axes keep 13 of 15.
  const orrery::testing::Scratch folder;
  const std::string path = folder.path("four.csv");
  {
    std::ofstream file(path);
    for (int i = 0; i < 4; ++i) {
      for (int sign : {-1, 1}) {
        const double size[] = {3, 2, 1, 1};
        for (int c = 0; c < 4; ++c) file << (c == i ? sign * size[c] : 0.0) << (c == 3 ? '\n' : ',');
      }
    }
  }
  auto session = openLab("generative/realnvp", {{"scene", text("dropped")}, {"file", Asset{path, ""}}, {"steps", whole(10)}, {"batch", whole(64)},
                                                {"raster", whole(32)}, {"particles", whole(256)}});
  CHECK(metricsAt(*session, 0).at("columns.variance-shown") == Approx(13.0 / 15));
  const auto note = [&] {
    for (const Panel& panel : session->picture()->figure.panels) {
      if (panel.id == "samples") return panel.note;
    }
    return std::string("no panel");
  };
  CHECK(note().find("two principal axes of 4 columns: 87 % of the variance") != std::string::npos);
  REQUIRE(session->set("scene", text("ring8")));
  CHECK(metricsAt(*session, 0).count("columns.variance-shown") == 0);
  CHECK(note().find("columns") == std::string::npos);
}

TEST_CASE("realnvp: normalized between couplings it learns, its density integrates to 1, the inverse returns, and so does the timeline") {
  Changes changes = small(50);
  changes.insert(changes.end(), {{"scene", text("moons")}, {"raster", whole(112)}, {"couplings", whole(4)}, {"batch-norm", true}});
  auto session = openLab("generative/realnvp", changes);
  const auto first = metricsAt(*session, 0), last = metricsAt(*session, 2);
  CHECK(last.at("divergence") < 0.75 * first.at("divergence"));
  CHECK(last.at("divergence") > -0.1);
  // Midpoints of 112 x 112 cells, and the share of 1024 samples that fall off the raster: 4 standard errors of a fiftieth are 0.0175.
  CHECK(last.at("mass.raster") + last.at("mass.elsewhere") == Approx(1).margin(0.02));
  CHECK(last.at("inverse-error") < 1e-4);
  // Four couplings and three normalizations between them, which have found that the data are not of mean 0 and variance 1.
  const auto volumes = arrayNamed(*session, "volumes.mean.value");
  REQUIRE(volumes.size() == 7);
  for (const std::size_t k : {1, 3, 5}) CHECK(std::abs(volumes[k]) > 1e-3f);
  // Running statistics go back in time with the weights, and are none of what is learnt.
  const double middle = metricsAt(*session, 1).at("nll");
  CHECK(metricsAt(*session, 2).at("nll") == last.at("nll"));
  CHECK(metricsAt(*session, 1).at("nll") == middle);
  REQUIRE(session->set("batch-norm", false));
  CHECK(metricsAt(*session, 0).at("parameters") == last.at("parameters"));
  for (const auto& message : device()->validationMessages()) FAIL_CHECK(message);
}

TEST_CASE("realnvp: the timeline goes back and forth to the same bits, and what changes the picture does not train again") {
  Changes changes = small(24);
  changes.push_back({"raster", whole(32)});
  changes.push_back({"steps-per-frame", whole(6)});
  auto session = openLab("generative/realnvp", changes);
  const double end = metricsAt(*session, 4).at("nll"), middle = metricsAt(*session, 2).at("nll");
  CHECK(middle != end);
  const auto latents = arrayNamed(*session, "layers.points.xy");
  CHECK(metricsAt(*session, 4).at("nll") == end);
  CHECK(metricsAt(*session, 2).at("nll") == middle);
  REQUIRE(session->set({{"way", 0.0}, {"temperature", 0.5}}));
  REQUIRE(session->wait());
  CHECK(session->picture()->frame == 2);
  CHECK(arrayNamed(*session, "layers.points.xy") == arrayNamed(*session, "samples.data.xy"));  // layer 0: the data themselves
  CHECK(arrayNamed(*session, "layers.points.xy") != latents);
  // Half a layer is half of the move.
  REQUIRE(session->set("way", 1.0 / 12));
  REQUIRE(session->wait());
  const auto half = arrayNamed(*session, "layers.points.xy");
  REQUIRE(session->set("way", 2.0 / 12));
  REQUIRE(session->wait());
  const auto one = arrayNamed(*session, "layers.points.xy"), zero = arrayNamed(*session, "samples.data.xy");
  for (std::size_t i = 0; i < half.size(); ++i) CHECK(half[i] == Approx(0.5f * (zero[i] + one[i])).margin(1e-5));
}

TEST_CASE("realnvp: a point dragged among the latents is found among the data") {
  Changes changes = small(24);
  changes.push_back({"raster", whole(32)});
  auto session = openLab("generative/realnvp", changes);
  metricsAt(*session, 2);
  PointerEvent drag;
  drag.kind = PointerEvent::Kind::drag;
  drag.panel = "layers", drag.handle = "point";
  drag.x = 0.25, drag.y = -0.5;
  session->pointer(drag);
  REQUIRE(session->wait());
  // The picture is at the latents: the followed point's way ends where it was dragged to.
  const auto x = arrayNamed(*session, "layers.followed.x"), y = arrayNamed(*session, "layers.followed.y");
  CHECK(x.back() == Approx(0.25).margin(1e-5));
  CHECK(y.back() == Approx(-0.5).margin(1e-5));
  CHECK(x.front() == Approx(std::get<double>(session->value("point-x"))).margin(1e-6));
  PointerEvent click;
  click.panel = "strip";
  click.x = 3.5, click.y = 0.5;
  session->pointer(click);
  REQUIRE(session->wait());
  CHECK(std::get<double>(session->value("way")) == Approx(0.5));
}

TEST_CASE("realnvp: data without width are refused with a sentence, and noise makes them a density") {
  Changes changes = small(10);
  changes.push_back({"raster", whole(32)});
  auto session = openLab("generative/realnvp", changes, {}, true);
  REQUIRE(session->set("scene", text("two-deltas")));
  const auto refused = session->wait();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("add noise to the data") != std::string::npos);
  REQUIRE(session->set("noise", 0.1));
  // Two far blobs of deviation 0.1: ln 2 + ln(2 pi e 0.01); 1024 points, deviation of -ln p is 1.
  CHECK(metricsAt(*session, 0).at("entropy") == Approx(std::log(2) + 2.837877 - 2 * std::log(10)).margin(4 / 32.0));
}

TEST_CASE("realnvp: layers that stretch too far stop the training and says so") {
  Changes changes = small(40);
  changes.push_back({"raster", whole(32)});
  changes.push_back({"learning-rate", 0.1});
  changes.push_back({"scale-bound", 5.0});
  changes.push_back({"couplings", whole(12)});
  auto session = openLab("generative/realnvp", changes, {}, true);
  session->seek(2);
  const auto done = session->wait();
  REQUIRE_FALSE(done);
  INFO(done.error().message);
  CHECK(done.error().message.find("Numerical range exceeded after step") != std::string::npos);
  CHECK(done.error().message.find("Lower the learning rate 0.1") != std::string::npos);
  // The lab stays usable.
  REQUIRE(session->set({{"learning-rate", 1e-3}, {"scale-bound", 1.0}, {"couplings", whole(2)}}));
  CHECK(std::isfinite(metricsAt(*session, 1).at("nll")));
}

TEST_CASE("realnvp: every scene, choice and preset runs") {
  Changes changes{{"steps", whole(10)},      {"steps-per-frame", whole(5)}, {"batch", whole(64)}, {"raster", whole(32)},
                  {"particles", whole(256)}, {"width", whole(16)},          {"noise", 0.05}};
  auto session = openLab("generative/realnvp", changes);
  orrery::testing::tryEveryChoice(*session, "nll", {"dropped", "drawn", "single", "scene", "dense", "patches", "folder", "array"});
  orrery::testing::tryEveryPreset(*session, {{"steps", whole(10)},
                                             {"steps-per-frame", whole(5)},
                                             {"batch", whole(64)},
                                             {"raster", whole(32)},
                                             {"particles", whole(256)},
                                             {"width", whole(16)},
                                             {"hidden", whole(16)},
                                             {"picture-steps", whole(10)},
                                             {"pictures", whole(64)},
                                             {"side", whole(8)}});
}

namespace {

// Pictures, and a run small enough for a test.
Changes pictures(std::int64_t steps) {
  return {{"data", text("single")},
          {"side", whole(8)},
          {"pictures", whole(128)},
          {"couplings-per-stage", whole(2)},
          {"hidden", whole(16)},
          {"scale-bound", 1.0},
          {"picture-batch", whole(16)},
          {"picture-steps", whole(steps)},
          {"steps-per-frame", whole(steps / 2)}};
}

}  // namespace

TEST_CASE("realnvp: on pictures training saves bits on those it has not seen, and the inverse returns") {
  auto session = openLab("generative/realnvp", pictures(40));
  const auto first = metricsAt(*session, 0), last = metricsAt(*session, 2);
  CHECK(last.at("bits.held-out") < first.at("bits.held-out") - 0.5);
  CHECK(last.at("bits.held-out") < 5);
  CHECK(last.at("bits.held-out") > 0);
  CHECK(last.at("inverse-error") <= 1e-3);
  // Before training every coupling is the identity; afterwards both kinds have moved volumes.
  CHECK(first.at("volume.checker") == 0);
  CHECK(first.at("volume.coupling") == 0);
  CHECK(std::abs(last.at("volume.checker")) > 0.1);
  CHECK(std::abs(last.at("volume.coupling")) > 0.1);
  CHECK(last.at("volume.logit") == first.at("volume.logit"));
  for (const auto& message : device()->validationMessages()) FAIL_CHECK(message);
}

TEST_CASE("realnvp: pictures normalized by batches are learnt, the inverse takes the running statistics, and time goes back to the same bits") {
  auto session = openLab("generative/realnvp", pictures(40));
  REQUIRE(session->set({{"steps-per-frame", whole(10)}, {"batch-norm", true}, {"norm-momentum", 0.5}}));
  const auto start = metricsAt(*session, 0), last = metricsAt(*session, 4);
  // Statistics start at 0 and 1: no volume; then they are the batches'.
  CHECK(std::abs(start.at("volume.norm")) < 1e-2);
  CHECK(std::abs(last.at("volume.norm")) > 1);
  CHECK(last.at("bits.held-out") < start.at("bits.held-out"));
  CHECK(last.at("inverse-error") < 1e-3);
  const auto middle = metricsAt(*session, 2);
  metricsAt(*session, 3);
  CHECK(metricsAt(*session, 2) == middle);
  CHECK(metricsAt(*session, 4) == last);
  REQUIRE(session->set("batch-norm", false));
  CHECK(metricsAt(*session, 0).count("volume.norm") == 0);
  CHECK(metricsAt(*session, 0).at("parameters") == start.at("parameters"));  // statistics are no parameters
}

TEST_CASE("realnvp: a mask is painted over its picture, moves what it does not cover, and trains") {
  auto session = openLab("generative/realnvp", pictures(10));
  REQUIRE(session->set({{"masks", text("painted")}, {"mask", text("f0f0f0f00f0f0f0f")}, {"couplings-per-stage", whole(2)}, {"levels", whole(1)}}));
  const double side = 8, unit = side + 1;  // pictures(): 8 x 8 pixels, one of them between pictures
  metricsAt(*session, 1);
  // The window sends drags only to panels that say so.
  const Figure figure = session->picture()->figure;
  const auto panel = std::find_if(figure.panels.begin(), figure.panels.end(), [](const Panel& p) { return p.id == "masks"; });
  REQUIRE(panel != figure.panels.end());
  CHECK(std::any_of(panel->handles.begin(), panel->handles.end(), [](const Handle& handle) { return handle.id == "paint"; }));
  const auto at = [&](PointerEvent::Kind kind, std::size_t picture, double row, double column, bool alternate) {
    PointerEvent event;
    event.kind = kind;
    event.panel = "masks";
    event.x = static_cast<double>(picture) + (column + 0.5) / unit, event.y = (row + 0.5) / unit;
    event.alternate = alternate;
    session->pointer(event);
    const auto done = session->wait();
    if (!done) FAIL(done.error().message);
    return std::get<std::string>(session->value("mask"));
  };
  // The first mask takes what is painted; the second, its other half, the reverse. Row 0, column 4 and column 0; row 7.
  CHECK(at(PointerEvent::Kind::press, 0, 0, 4, false) == "f8f0f0f00f0f0f0f");
  CHECK(at(PointerEvent::Kind::drag, 0, 0, 0, true) == "78f0f0f00f0f0f0f");
  CHECK(at(PointerEvent::Kind::drag, 1, 7, 7, false) == "78f0f0f00f0f0f0e");
  CHECK(at(PointerEvent::Kind::drag, 1, 7, 0, true) == "78f0f0f00f0f0f8e");
  // The gap between two pictures and a click are nothing; below, a click still chooses the coupling.
  CHECK(at(PointerEvent::Kind::press, 0, 8, 3, false) == "78f0f0f00f0f0f8e");
  CHECK(at(PointerEvent::Kind::click, 0, 2, 7, false) == "78f0f0f00f0f0f8e");
  const auto shown = arrayNamed(*session, "masks.pictures.pixels");
  // Light where it passes, dark where it moves: row 0 of the first mask, as painted above.
  for (std::size_t column = 0; column < 8; ++column) CHECK((shown[4 * column] > 128) == (column >= 1 && column <= 4));
  const auto m = metricsAt(*session, 2);
  CHECK(std::isfinite(m.at("bits.held-out")));
  CHECK(std::abs(m.at("volume.checker")) > 0);
  CHECK(m.at("inverse-error") < 1e-3);
  REQUIRE(session->set("mask", text("everything")));
  const auto done = session->wait();
  REQUIRE_FALSE(done);
  CHECK(done.error().message.find("16 hexadecimal digits") != std::string::npos);
  REQUIRE(session->set("mask", text("ffffffffffffffff")));
  const auto full = session->wait();
  REQUIRE_FALSE(full);
  CHECK(full.error().message.find("leave some to move") != std::string::npos);
}

TEST_CASE("realnvp: with one level drawn anew a picture changes, and as it was it comes back") {
  auto session = openLab("generative/realnvp", pictures(20));
  metricsAt(*session, 2);
  for (const auto& [key, tensor] : arraysOf(session->picture()->figure)) {
    if (key != "rows.pictures.pixels") continue;
    const auto pixels = tensor.as<std::uint8_t>();
    const auto at = [&](std::size_t row, std::size_t i) {
      return pixels[((row * 9 + i / 8) * static_cast<std::size_t>(tensor.shape()[1]) + i % 8) * 4];
    };
    std::size_t changed[3] = {0, 0, 0};
    for (std::size_t row = 1; row < 3; ++row) {
      for (std::size_t i = 0; i < 64; ++i) changed[row] += at(row, i) != at(0, i) ? 1 : 0;
    }
    CHECK(changed[1] > 16);
    CHECK(changed[2] > 16);
  }
  // The first row is the first held-out picture again: as the strip shows it.
  std::vector<std::uint8_t> rows, strip;
  for (const auto& [key, tensor] : arraysOf(session->picture()->figure)) {
    if (key != "rows.pictures.pixels" && key != "strip.pictures.pixels") continue;
    const auto pixels = tensor.as<std::uint8_t>();
    for (std::size_t i = 0; i < 64; ++i) {
      (key[0] == 'r' ? rows : strip).push_back(pixels[(i / 8 * static_cast<std::size_t>(tensor.shape()[1]) + i % 8) * 4]);
    }
  }
  REQUIRE(rows.size() == 64);
  for (std::size_t i = 0; i < 64; ++i) CHECK(std::abs(int{rows[i]} - int{strip[i]}) <= 1);  // the inverse's error, and rounding
}

TEST_CASE("realnvp: a scale bound of 0 changes no volume but the logit's, beside it on the same batches") {
  Changes changes = pictures(20);
  changes.push_back({"compare", text("additive")});
  auto session = openLab("generative/realnvp", changes);
  const auto last = metricsAt(*session, 2);
  CHECK(last.at("bits.affine") == last.at("bits.held-out"));
  CHECK(last.at("bits.additive") > last.at("bits.affine"));
  REQUIRE(session->set({{"compare", text("none")}, {"scale-bound", 0.0}}));
  const auto bound = metricsAt(*session, 2);
  CHECK(bound.at("volume.checker") == 0);
  CHECK(bound.at("volume.coupling") == 0);
  CHECK(bound.at("bits.held-out") == Approx(last.at("bits.additive")).epsilon(1e-6));  // the other runs' means are f32
}

TEST_CASE("realnvp: what pictures cannot be is refused with a sentence, and the plane comes back") {
  auto session = openLab("generative/realnvp", pictures(10));
  const auto refused = [&](const Changes& changes, const std::string& why) { orrery::testing::refused(*session, changes, why); };
  refused({{"side", whole(9)}}, "pad or crop the side to a multiple of 4");
  refused({{"side", whole(8)}, {"alpha", 0.0}, {"bits", whole(2)}}, "take a larger");
  CHECK_FALSE(session->set("alpha", 0.25));  // outside 0 ... 0.2
  refused({{"alpha", 0.05}, {"hidden", whole(512)}, {"picture-batch", whole(512)}, {"couplings-per-stage", whole(12)}, {"side", whole(64)}},
          "One training step of this flow would take");
  REQUIRE(session->set("data", text("plane")));
  REQUIRE(session->set({{"steps", whole(10)}, {"steps-per-frame", whole(5)}, {"raster", whole(32)}, {"batch", whole(64)}}));
  CHECK(std::isfinite(metricsAt(*session, 1).at("nll")));
}

TEST_CASE("realnvp: every choice on pictures runs, and the timeline returns to the same bits") {
  auto session = openLab("generative/realnvp", pictures(10));
  const double middle = metricsAt(*session, 1).at("bits.held-out");
  metricsAt(*session, 2);
  CHECK(metricsAt(*session, 1).at("bits.held-out") == middle);
  for (const char* id : {"masks", "logit", "direction", "rows", "compare"}) {
    for (const auto& option : std::get<Choice>(session->lab().find(id)->domain).options) {
      INFO(id << " " << option.id);
      REQUIRE(session->set(id, Value(option.id)));
      CHECK(std::isfinite(metricsAt(*session, 1).at("bits.held-out")));
    }
  }
  REQUIRE(session->set("actnorm", true));
  CHECK(std::isfinite(metricsAt(*session, 1).at("volume.actnorm")));
}

TEST_CASE("realnvp: with the fine scale alone drawn anew the layout of pictures stays, with the coarse one it goes") {
  Changes changes = pictures(50);
  changes.insert(changes.end(), {{"temperature", 0.7}, {"pictures", whole(512)}, {"couplings-per-stage", whole(3)}, {"side", whole(16)}});
  auto session = openLab("generative/realnvp", changes);
  metricsAt(*session, 2);
  // Rows of the panel: as it was, level 1 (left first) anew, level 2 anew; pictures of 16 x 16 in cells of 17. Layout: the brightness of
  // blocks of 4 x 4 pixels against the picture's mean.
  std::vector<std::vector<double>> layout(3);
  for (const auto& [key, tensor] : arraysOf(session->picture()->figure)) {
    if (key != "rows.pictures.pixels") continue;
    const auto pixels = tensor.as<std::uint8_t>();
    for (std::size_t row = 0; row < 3; ++row) {
      for (std::size_t column = 0; column < 6; ++column) {
        std::vector<double> blocks(16, 0.0);
        double mean = 0;
        for (std::size_t i = 0; i < 256; ++i) {
          const std::size_t at = (row * 17 + i / 16) * static_cast<std::size_t>(tensor.shape()[1]) + column * 17 + i % 16;
          for (std::size_t c = 0; c < 3; ++c) blocks[i / 64 * 4 + i % 16 / 4] += static_cast<double>(pixels[at * 4 + c]) / 48;
        }
        for (const double v : blocks) mean += v / 16;
        for (const double v : blocks) layout[row].push_back(v - mean);
      }
    }
  }
  REQUIRE(layout[0].size() == 96);
  const auto likeness = [&](std::size_t row) {
    double both = 0, first = 0, second = 0;
    for (std::size_t i = 0; i < 96; ++i) {
      both += layout[0][i] * layout[row][i], first += layout[0][i] * layout[0][i], second += layout[row][i] * layout[row][i];
    }
    return both / std::sqrt(first * second);
  };
  INFO(likeness(1) << " " << likeness(2));
  CHECK(likeness(1) > 0.6);
  CHECK(likeness(1) > likeness(2) + 0.25);
}
