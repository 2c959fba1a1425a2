// The claims of the lab generative/glow: training saves bits on pictures it has not seen, the first batch comes out standard, the inverse
// returns, temperature 0 gives one picture, additive couplings change no volume, the timeline returns to the same bits, and what cannot be
// learnt is refused with a sentence. The formulas behind it are tested in tests/models/image_flow_test.cpp.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>

#include "core/base/folder_writer.h"
#include "core/data/image.h"
#include "core/modelfile/safetensors_write.h"
#include "core/models/image_flow_file.h"
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
Changes small(std::int64_t steps, std::int64_t frames = 2) {
  return {{"side", whole(8)},
          {"pictures", whole(128)},
          {"steps-per-level", whole(2)},
          {"hidden", whole(16)},
          {"batch", whole(16)},
          {"steps", whole(steps)},
          {"steps-per-frame", whole(steps / frames)}};
}

// The pixels of a panel's mosaic: cell (row, column) as side x side x 3 values.
std::vector<std::uint8_t> cellOf(Session& session, const std::string& panel, std::int64_t side, std::int64_t row, std::int64_t column) {
  for (const auto& [key, tensor] : arraysOf(session.picture()->figure)) {
    if (key != panel + ".pictures.pixels") continue;
    const auto pixels = tensor.as<std::uint8_t>();
    std::vector<std::uint8_t> cell;
    for (std::int64_t y = 0; y < side; ++y) {
      for (std::int64_t x = 0; x < side; ++x) {
        const auto at = static_cast<std::size_t>(((row * (side + 1) + y) * tensor.shape()[1] + column * (side + 1) + x) * 4);
        cell.insert(cell.end(), {pixels[at], pixels[at + 1], pixels[at + 2]});
      }
    }
    return cell;
  }
  FAIL("no mosaic in " << panel);
  return {};
}

}  // namespace

TEST_CASE("glow: before training the first batch is standard; training saves bits on held-out pictures, and the inverse returns") {
  auto session = openLab("generative/glow", small(60));
  const auto first = metricsAt(*session, 0);
  CHECK(first.at("actnorm.mean") < 1e-4);
  CHECK(first.at("actnorm.variance") < 1e-3);
  CHECK(first.at("volume.mixing") == Approx(0).margin(0.01));  // rotations: 4 matrices, f32, times up to 16 pixels
  const auto last = metricsAt(*session, 2);
  CHECK(last.at("step") == 60);
  CHECK(last.at("actnorm.variance") > 1e-3);  // it is learnt further, and nothing holds it
  CHECK(last.at("bits.held-out") < first.at("bits.held-out") - 0.4);
  // A code for 5-bit values; the training pictures are told no worse than the others, up to the noise of 30 batches.
  CHECK(last.at("bits.held-out") < 5);
  CHECK(last.at("bits.held-out") > 0);
  for (const auto& m : {first, last}) CHECK(m.at("inverse-error") <= 1e-3);
  for (const auto& message : device()->validationMessages()) FAIL_CHECK(message);
}

TEST_CASE("glow: at temperature 0 every sample is the same picture, above it none are") {
  auto session = openLab("generative/glow", small(10));
  REQUIRE(session->set("temperature", 0.0));
  metricsAt(*session, 1);
  const auto one = cellOf(*session, "samples", 8, 0, 0);
  for (std::int64_t i = 1; i < 25; ++i) CHECK(cellOf(*session, "samples", 8, i / 5, i % 5) == one);
  // The first row of the ladder is T = 0 too.
  for (std::int64_t c = 0; c < 6; ++c) CHECK(cellOf(*session, "rows", 8, 0, c) == one);
  REQUIRE(session->set("temperature", 0.7));
  REQUIRE(session->wait());
  CHECK(cellOf(*session, "samples", 8, 0, 0) != cellOf(*session, "samples", 8, 0, 1));
  // The ladder's third row is T = 0.7 of the same latents.
  for (std::int64_t c = 0; c < 5; ++c) CHECK(cellOf(*session, "rows", 8, 2, c) == cellOf(*session, "samples", 8, 0, c));
  CHECK(session->picture()->frame == 1);
}

TEST_CASE("glow: additive couplings change no volume, and what is shown adds up to the likelihood's part") {
  Changes changes = small(10);
  changes.push_back({"coupling", text("additive")});
  auto session = openLab("generative/glow", changes);
  const auto additive = metricsAt(*session, 1);
  CHECK(additive.at("volume.coupling") == 0);
  CHECK(additive.at("volume.actnorm") != 0);
  REQUIRE(session->set("coupling", text("affine")));
  // ln sigmoid(2) per moved value at the start: half of 192 values at the first level and half of 96 at the second, two steps each.
  CHECK(metricsAt(*session, 0).at("volume.coupling") == Approx(2 * (96 + 48) * std::log(0.8807970779778823)).epsilon(1e-5));
  REQUIRE(session->set("mixing", text("shuffle")));
  CHECK(metricsAt(*session, 1).at("volume.mixing") == 0);
}

TEST_CASE("glow: the timeline goes back and forth to the same bits, and what changes the picture does not train again") {
  auto session = openLab("generative/glow", small(12, 4));
  const double end = metricsAt(*session, 4).at("bits.held-out"), middle = metricsAt(*session, 2).at("bits.held-out");
  CHECK(middle != end);
  CHECK(metricsAt(*session, 4).at("bits.held-out") == end);
  CHECK(metricsAt(*session, 2).at("bits.held-out") == middle);
  REQUIRE(session->set({{"way", 0.0}, {"temperature", 0.5}}));
  REQUIRE(session->wait());
  CHECK(session->picture()->frame == 2);
  // On the pictures' side the stage shows what the strip's first column shows.
  for (std::int64_t i = 0; i < 3; ++i) CHECK(cellOf(*session, "stage", 8, 0, i) == cellOf(*session, "strip", 8, i, 0));
  // At the latents it shows the strip's last; half way between two stages is the mean of both.
  REQUIRE(session->set("way", 1.0));
  REQUIRE(session->wait());
  for (std::int64_t i = 0; i < 3; ++i) CHECK(cellOf(*session, "stage", 8, 0, i) == cellOf(*session, "strip", 8, i, 4));
  // The other way round the samples arrive where the samples' panel has them.
  REQUIRE(session->set({{"way", 0.0}, {"direction", text("to-data")}}));
  REQUIRE(session->wait());
  for (std::int64_t i = 0; i < 25; ++i) CHECK(cellOf(*session, "stage", 8, i / 5, i % 5) == cellOf(*session, "samples", 8, i / 5, i % 5));
  CHECK(session->picture()->frame == 2);
}

TEST_CASE("glow: a click in the strip goes to that stage and shows that step's matrix") {
  auto session = openLab("generative/glow", small(10));
  metricsAt(*session, 0);
  PointerEvent click;
  click.panel = "strip";
  click.x = 2.4, click.y = 0.5;
  session->pointer(click);
  REQUIRE(session->wait());
  // Behind the second coupling: squeeze and two steps of three stages, of 15 in all.
  CHECK(std::get<double>(session->value("way")) == Approx(7.0 / 15));
  CHECK(std::get<std::int64_t>(session->value("step")) == 2);
  click.panel = "volumes";
  click.x = 3.2;
  session->pointer(click);
  REQUIRE(session->wait());
  CHECK(std::get<std::int64_t>(session->value("step")) == 3);
  bool found = false;
  for (const Panel& panel : session->picture()->figure.panels) {
    if (panel.id == "matrix") found = panel.title.find("2.1") != std::string::npos;
  }
  CHECK(found);
}

TEST_CASE("glow: redrawing the latents of one level leaves a picture otherwise as it was") {
  auto session = openLab("generative/glow", small(10));
  REQUIRE(session->set({{"rows", text("levels")}, {"way", 0.0}, {"temperature", 0.0}}));
  metricsAt(*session, 1);
  for (std::int64_t c = 0; c < 3; ++c) {
    // Nothing redrawn: the inverse of forward, up to 1e-3 of a pixel's range, so one of 255 after rounding.
    const auto there = cellOf(*session, "stage", 8, 0, c), back = cellOf(*session, "rows", 8, 0, c);
    for (std::size_t i = 0; i < there.size(); ++i) CHECK(std::abs(there[i] - back[i]) <= 1);
    // Another picture for each level.
    CHECK(cellOf(*session, "rows", 8, 1, c) != back);
    CHECK(cellOf(*session, "rows", 8, 2, c) != back);
    CHECK(cellOf(*session, "rows", 8, 2, c) != cellOf(*session, "rows", 8, 1, c));
  }
  // With both levels at 0 it would be the one picture of temperature 0; with one of them it is not.
  CHECK(cellOf(*session, "rows", 8, 1, 0) != cellOf(*session, "samples", 8, 0, 0));
}

TEST_CASE("glow: two channels in the hand: a column follows the pointer, and a matrix without an inverse is refused") {
  Changes changes = small(10);
  changes.push_back({"matrix", text("plane")});
  auto session = openLab("generative/glow", changes, {}, true);
  metricsAt(*session, 0);
  const auto noteOf = [&] {
    for (const Panel& panel : session->picture()->figure.panels) {
      if (panel.id == "matrix") return panel.note;
    }
    return std::string();
  };
  CHECK(noteOf() == "s = (0.80, 1.25), ln |det W| = 0.000");  // a rotation: 0.8 * 1.25 = 1
  PointerEvent drag;
  drag.kind = PointerEvent::Kind::drag;
  drag.panel = "matrix", drag.handle = "first";
  drag.x = 1, drag.y = 2;
  session->pointer(drag);
  REQUIRE(session->wait());
  CHECK(arrayNamed(*session, "matrix.first.x").back() == 1);
  CHECK(arrayNamed(*session, "matrix.first.y").back() == 2);
  // W = [1 -0.6; 2 0.8]: the second row is the pivot, s = (2, -0.6 - 0.5 * 0.8), det = 2.
  CHECK(noteOf() == "s = (2.00, -1.00), ln |det W| = 0.693");
  REQUIRE(session->set({{"w12", 0.5}, {"w22", 1.0}}));
  const auto singular = session->wait();
  REQUIRE_FALSE(singular);
  CHECK(singular.error().message.find("The mixing matrix is singular (det W = 0.0e+00); the flow is not invertible") != std::string::npos);
  REQUIRE(session->set("matrix", text("step")));
  REQUIRE(session->wait());
}

TEST_CASE("glow: a mixing that learns tells held-out pictures in fewer bits than a fixed one") {
  Changes changes = small(30);
  changes.push_back({"compare", text("mixings")});
  auto session = openLab("generative/glow", changes);
  const auto last = metricsAt(*session, 2);
  const double fixed = std::min(last.at("bits.reverse"), last.at("bits.shuffle"));
  CHECK(last.at("bits.lu") < fixed);
  CHECK(last.at("bits.dense") < fixed);
}

TEST_CASE("glow: what cannot be squeezed or learnt is refused with a sentence, and the lab stays usable") {
  auto session = openLab("generative/glow", small(10), {}, true);
  const auto refused = [&](const Changes& changes, const std::string& why) { orrery::testing::refused(*session, changes, why); };
  refused({{"side", whole(12)}, {"levels", whole(3)}}, "pad or crop the side to a multiple of 8");
  // The authors' size: 33 Gflop per picture forward, 3 times that with both products back, 16 pictures.
  refused({{"side", whole(64)}, {"levels", whole(4)}, {"steps-per-level", whole(32)}, {"hidden", whole(512)}},
          "One training step of this flow would take 1.6 Tflop and 12.2 GB");
  refused({{"side", whole(8)}, {"levels", whole(2)}, {"steps-per-level", whole(2)}, {"hidden", whole(16)}, {"data", text("patches")}},
          "Choose a picture first");
  refused({{"data", text("folder")}}, "Choose a folder of pictures first");
  const auto folder = std::filesystem::temp_directory_path() / "orrery-glow-test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const auto write = [&](const std::string& name, int side, auto&& value) {
    std::vector<std::uint8_t> rgb;
    for (int i = 0; i < side * side * 3; ++i) rgb.push_back(value(i));
    const std::string bytes = encodeRgbPng(rgb, side, side);
    std::ofstream(folder / name, std::ios::binary) << bytes;
  };
  // Three pictures are too few for a folder.
  for (int k = 0; k < 3; ++k) write("few" + std::to_string(k) + ".png", 8, [&](int i) { return static_cast<std::uint8_t>(i * (k + 1)); });
  refused({{"data", text("folder")}, {"folder", Value(Asset{folder.string(), ""})}}, "Expected at least 16 PNG or JPEG pictures");
  // One of 7 x 7 pixels has no patch of 8 x 8.
  write("tiny.png", 7, [](int i) { return static_cast<std::uint8_t>(i); });
  refused({{"data", text("patches")}, {"image", Value(Asset{(folder / "tiny.png").string(), ""})}}, "has no patch of 8 by 8");
  // Patches of a picture of waves are learnt.
  write("waves.png", 48,
        [](int i) { return static_cast<std::uint8_t>(127 + 100 * std::sin(0.3 * (i / 3 % 48) + 0.2 * (i / 144) + i % 3)); });
  REQUIRE(session->set({{"data", text("patches")}, {"image", Value(Asset{(folder / "waves.png").string(), ""})}}));
  CHECK(std::isfinite(metricsAt(*session, 1).at("bits.held-out")));
  // Sixteen pictures of any size are a set; other files are passed over.
  for (int k = 0; k < 16; ++k)
    write("p" + std::to_string(k) + ".png", 9 + k, [&](int i) { return static_cast<std::uint8_t>(i * 7 + 13 * k); });
  std::ofstream(folder / "notes.txt") << "no picture";
  REQUIRE(session->set({{"data", text("folder")}, {"folder", Value(Asset{folder.string(), ""})}}));
  CHECK(std::isfinite(metricsAt(*session, 1).at("bits.held-out")));
  refused({{"rows", text("attribute")}, {"attribute", text("size")}}, "Only ShapeWorld's pictures say what they show");
  std::filesystem::remove_all(folder);
  REQUIRE(session->set({{"data", text("single")}}));
  CHECK(std::isfinite(metricsAt(*session, 1).at("bits.held-out")));
}

TEST_CASE("glow: trained weights whose training step is too dear are looked at all the same") {
  // Twelve steps on 64 x 64 pixels: the tape of 512 pictures would take 8.05 GB, one evaluation takes 2.3.
  const orrery::testing::Scratch folder;
  const std::string path = folder.path("large.safetensors");
  models::flows::ImageFlowOptions options;
  options.height = options.width = 64;
  options.levels = 1, options.steps = 12, options.hidden = 16;
  const auto flow = models::flows::ImageFlow::make(options, 3);
  REQUIRE(flow);
  gpu::Stream stream(device());
  nn::Initializer draw(stream, 5);
  REQUIRE(modelfile::writeSafetensors(path, models::flows::namedParts(*flow, flow->initial(draw)), models::flows::saidOf(options)));
  auto session = openLab("generative/glow", {{"side", whole(64)}, {"pictures", whole(64)}, {"batch", whole(512)}}, {}, true);
  REQUIRE(session->set({{"levels", whole(1)}, {"steps-per-level", whole(12)}, {"hidden", whole(16)}}));
  session->seek(0);
  const auto refused = session->wait();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("One training step of this flow would take") != std::string::npos);
  REQUIRE(session->set("weights", Value(Asset{path, ""})));
  const auto now = metricsAt(*session, 0);
  CHECK(session->picture()->frames == 1);
  CHECK(std::isfinite(now.at("bits.held-out")));
  CHECK(now.at("inverse-error") <= 1e-3);
  for (const Panel& panel : session->picture()->figure.panels) {
    if (panel.id == "bits") CHECK(panel.message.find("not trained") != std::string::npos);
  }
}

TEST_CASE("glow: the slider says how much of an attribute the last column has, and the first lacks") {
  Changes changes = small(10);
  changes.push_back({"rows", text("attribute")});
  auto session = openLab("generative/glow", changes);
  REQUIRE(session->wait());
  // How far the ends of the first row are from each other.
  const auto apart = [&] {
    const auto first = cellOf(*session, "rows", 8, 0, 0), last = cellOf(*session, "rows", 8, 0, 5);
    double sum = 0;
    for (std::size_t i = 0; i < first.size(); ++i) sum += std::abs(static_cast<double>(last[i]) - static_cast<double>(first[i]));
    return sum;
  };
  const double usual = apart();
  const auto drag = [&](double x) {
    PointerEvent event;
    event.kind = PointerEvent::Kind::drag;
    event.panel = "rows", event.handle = "amount";
    event.x = x;
    session->pointer(event);
    REQUIRE(session->wait());
  };
  drag(4);  // of six columns; the end is 3
  CHECK(std::get<double>(session->value("amount")) == Approx(2));
  CHECK(apart() > usual);
  drag(-1);
  CHECK(std::get<double>(session->value("amount")) == 0);
  CHECK(apart() == 0);
  drag(99);
  CHECK(std::get<double>(session->value("amount")) == 3);
  CHECK(session->picture()->frame == 0);
}

TEST_CASE("glow: a learning rate that is far too large is stopped with a sentence") {
  Changes changes = small(60, 3);
  changes.push_back({"learning-rate", 0.1});
  auto session = openLab("generative/glow", changes, {}, true);
  session->seek(3);
  const auto done = session->wait();
  REQUIRE_FALSE(done);
  INFO(done.error().message);
  CHECK(done.error().message.find("Lower the learning rate 0.1") != std::string::npos);
  REQUIRE(session->set("learning-rate", 1e-3));
  CHECK(std::isfinite(metricsAt(*session, 1).at("bits.held-out")));
}

TEST_CASE("glow: every choice and preset runs") {
  Changes changes = small(10, 10);
  changes.push_back({"batch", whole(4)});
  auto session = openLab("generative/glow", changes);
  orrery::testing::tryEveryChoice(*session, "bits.held-out", {"patches", "folder", "array", "two-pictures", "folders"});
  changes.erase(changes.begin());  // not the side: the preset's levels belong to it
  orrery::testing::tryEveryPreset(*session, changes);
}

TEST_CASE("glow: a walk between two pictures begins and ends at them, and two folders make an attribute") {
  auto session = openLab("generative/glow", small(10));
  metricsAt(*session, 2);
  const auto folder = std::filesystem::temp_directory_path() / "orrery-glow-two";
  std::filesystem::remove_all(folder);
  for (const char* part : {"bright", "dark"}) std::filesystem::create_directories(folder / part);
  const auto write = [&](const std::string& name, int base) {
    std::vector<std::uint8_t> rgb;
    for (int i = 0; i < 16 * 16 * 3; ++i) rgb.push_back(static_cast<std::uint8_t>(base + (i * 37 + base) % 40));
    std::ofstream(folder / name, std::ios::binary) << encodeRgbPng(rgb, 16, 16);
  };
  const auto path = [&](const char* name) { return Value(Asset{(folder / name).string(), ""}); };
  write("a.png", 30), write("b.png", 180);
  for (int k = 0; k < 3; ++k)
    write("bright/" + std::to_string(k) + ".png", 170 + 10 * k), write("dark/" + std::to_string(k) + ".png", 20 + 10 * k);
  REQUIRE(session->set("rows", text("two-pictures")));
  auto refused = session->wait();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("Choose two pictures first") != std::string::npos);
  REQUIRE(session->set({{"first-image", path("a.png")}, {"second-image", path("b.png")}}));
  REQUIRE(session->wait());
  // Latents and pixels: both rows begin at the first picture and end at the second, whose values are far apart.
  const auto mean = [&](std::int64_t row, std::int64_t column) {
    double sum = 0;
    for (const std::uint8_t v : cellOf(*session, "rows", 8, row, column)) sum += v / 192.0;
    return sum;
  };
  CHECK(cellOf(*session, "rows", 8, 0, 0) == cellOf(*session, "rows", 8, 1, 0));
  for (std::int64_t row : {0, 1}) {
    CHECK(mean(row, 0) == Approx(50).margin(8));  // 30 and the mean of 0 ... 39, less half of a step of 8
    CHECK(mean(row, 5) == Approx(200).margin(8));
  }
  for (std::int64_t c = 0; c + 1 < 6; ++c) CHECK(mean(1, c) < mean(1, c + 1));

  REQUIRE(session->set({{"rows", text("attribute")}, {"attribute", text("folders")}}));
  refused = session->wait();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("Choose two folders first") != std::string::npos);
  REQUIRE(session->set({{"with-folder", path("bright")}, {"without-folder", path("dark")}}));
  REQUIRE(session->wait());
  for (std::int64_t row = 0; row < 4; ++row) CHECK(mean(row, 5) > mean(row, 0) + 10);  // more of it is brighter
  std::filesystem::remove_all(folder);
}

TEST_CASE("glow: a trained flow comes back from its file to the same pictures, and files that hold none are refused") {
  const auto folder = std::filesystem::temp_directory_path() / "orrery-glow-file";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  auto session = openLab("generative/glow", small(20));
  const auto trained = metricsAt(*session, 2);
  std::string problem = "not written";
  session->writeFiles(folder.string(),
                      [&](Expected<FilesWritten> written) { problem = written ? std::string() : written.error().message; });
  REQUIRE(session->wait());
  CHECK(problem.empty());
  const std::string file = (folder / "model.safetensors").string();
  const auto read = models::flows::readImageFlow(file, 8, 8);
  REQUIRE(read);
  CHECK(read->options.levels == 2);
  CHECK(read->options.steps == 2);
  CHECK(read->options.hidden == 16);
  CHECK(read->options.affine);
  REQUIRE(session->set("weights", Value(Asset{file, ""})));
  const auto back = metricsAt(*session, 0);
  // The mixing is one matrix instead of its factors: f32.
  CHECK(back.at("bits.held-out") == Approx(trained.at("bits.held-out")).epsilon(1e-4));
  CHECK(back.at("inverse-error") <= 1e-3);
  CHECK(metricsAt(*session, 2).at("bits.held-out") < back.at("bits.held-out"));  // training goes on from it

  const auto refused = [&](const std::string& name, std::vector<std::pair<std::string, Tensor>> parts, const std::string& why) {
    const std::string path = (folder / name).string();
    REQUIRE(modelfile::writeSafetensors(path, parts));
    const auto none = models::flows::readImageFlow(path, 8, 8);
    REQUIRE_FALSE(none);
    INFO(none.error().message);
    CHECK(none.error().message.find(why) != std::string::npos);
  };
  std::vector<std::pair<std::string, Tensor>> parts;
  for (const auto& w : read->weights) parts.emplace_back(w.name, w.value);
  refused("other.safetensors", {{"weight", Tensor::from(Shape{2}, std::vector<float>{1, 2})}}, "has no flow of pictures in it");
  auto broken = parts;
  for (auto& [name, tensor] : broken) {
    if (name == "levels.1.steps.0.invconv.weight")
      tensor = Tensor::from(tensor.shape(), std::vector<float>(static_cast<std::size_t>(tensor.count()), 1.0f));
  }
  refused("singular.safetensors", broken, "singular");
  broken = parts;
  std::erase_if(broken, [](const auto& part) { return part.first == "levels.0.steps.1.coupling.2.bias"; });
  refused("missing.safetensors", broken, "levels.0.steps.1.coupling.2.bias");
  std::filesystem::remove_all(folder);
}
