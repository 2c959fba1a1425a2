// The claims of the lab training/mlp-playground: it learns what can be learnt and not what cannot, its timeline returns to the same bits,
// what changes the picture only does not train again, and a loss that runs away is stopped and named.

#include <cmath>
#include <cstring>
#include <map>

#include "core/session/session.h"
#include "tests/support/catch.h"
#include "tests/support/lab_session.h"
#include "tests/support/scratch.h"

using namespace orrery;
using orrery::testing::arrayNamed;
using orrery::testing::device;
using orrery::testing::metricsAt;

namespace {

std::unique_ptr<Session> openLab(const Changes& changes = {}) {
  auto session = orrery::testing::openLab("training/mlp-playground");
  REQUIRE(session->wait());
  if (!changes.empty()) REQUIRE(session->set(changes));
  return session;
}

const Value whole(std::int64_t v) { return Value(v); }
const Value text(const char* v) { return Value(std::string(v)); }

}  // namespace

TEST_CASE("two moons are learnt to 97 % of the held-out points, and the loss falls below a tenth of guessing") {
  auto session = openLab();
  const auto first = metricsAt(*session, 0);
  CHECK(first.at("step") == 0);
  CHECK(first.at("loss.train") == Approx(std::log(2)).margin(0.15));  // a fresh network guesses
  const auto last = metricsAt(*session, 200);
  CHECK(last.at("step") == 1000);
  CHECK(last.at("accuracy.held-out") >= 0.97);
  CHECK(last.at("loss.train") < 0.1 * std::log(2));
  CHECK(last.at("parameters") == 3 * 16 + 17 * 16 + 17);
  for (const auto& message : device()->validationMessages()) FAIL_CHECK(message);
}

TEST_CASE("exclusive or needs a hidden layer") {
  const Changes common{
      {"task", text("xor")}, {"noise", 0.0}, {"learning-rate", 0.03}, {"steps", whole(600)}, {"steps-per-frame", whole(50)}};
  auto line = openLab(common);
  REQUIRE(line->set("layers", whole(0)));
  // A line is right on three of the four quadrants at most.
  CHECK(metricsAt(*line, 12).at("accuracy.held-out") < 0.8);
  auto bent = openLab(common);
  REQUIRE(bent->set({{"layers", whole(1)}, {"width", whole(8)}}));
  CHECK(metricsAt(*bent, 12).at("accuracy.held-out") > 0.95);
}

TEST_CASE("a regression learns the surface: a hundredth of the targets' variance stays") {
  auto session = openLab({{"task", text("bumps")},
                          {"noise", 0.0},
                          {"width", whole(32)},
                          {"points", whole(2000)},
                          {"steps", whole(1500)},
                          {"steps-per-frame", whole(100)},
                          {"batch", whole(256)}});
  const auto before = metricsAt(*session, 0);
  const auto after = metricsAt(*session, 15);
  CHECK(after.at("loss.held-out") < 0.03 * before.at("loss.held-out"));
  CHECK(after.count("accuracy.train") == 0);
}

TEST_CASE("the timeline goes back and forth to the same bits, and a seed is a run") {
  const Changes changes{
      {"steps", whole(60)}, {"steps-per-frame", whole(3)}, {"clip", 1.0}, {"schedule", text("cosine")}, {"warmup", whole(10)}};
  auto session = openLab(changes);
  metricsAt(*session, 20);
  const auto end = arrayNamed(*session, "weights.weight-2.value");
  const auto middle = metricsAt(*session, 7);
  const auto atSeven = arrayNamed(*session, "weights.weight-2.value");
  CHECK(middle.at("step") == 21);
  CHECK(atSeven != end);
  metricsAt(*session, 20);
  CHECK(arrayNamed(*session, "weights.weight-2.value") == end);
  auto again = openLab(changes);
  metricsAt(*again, 7);
  CHECK(arrayNamed(*again, "weights.weight-2.value") == atSeven);
  CHECK(arrayNamed(*again, "surface.output.value") == (metricsAt(*session, 7), arrayNamed(*session, "surface.output.value")));
  REQUIRE(again->set("seed", whole(7)));
  metricsAt(*again, 7);
  CHECK(arrayNamed(*again, "weights.weight-2.value") != atSeven);
}

TEST_CASE("another layer or unit in the picture does not train again") {
  auto session = openLab({{"steps", whole(400)}, {"steps-per-frame", whole(20)}});
  metricsAt(*session, 20);
  const auto weights = arrayNamed(*session, "weights.weight-1.value"), units = arrayNamed(*session, "units.unit-1.value");
  REQUIRE(session->set({{"layer", whole(2)}, {"unit", whole(3)}}));
  REQUIRE(session->wait());
  CHECK(session->picture()->frame == 20);
  CHECK(arrayNamed(*session, "weights.weight-1.value") == weights);
  CHECK(arrayNamed(*session, "units.unit-1.value") != units);
  CHECK_FALSE(arrayNamed(*session, "surface.activation.value").empty());
  // A click on the second tile chooses unit 2, on it again the output.
  PointerEvent click;
  click.kind = PointerEvent::Kind::click;
  click.panel = "units";
  click.x = 1.5, click.y = 0.5;
  session->pointer(click);
  REQUIRE(session->wait());
  CHECK(std::get<std::int64_t>(session->value("unit")) == 2);
  session->pointer(click);
  REQUIRE(session->wait());
  CHECK(std::get<std::int64_t>(session->value("unit")) == 0);
}

TEST_CASE("a loss that runs away stops the training, says at which step, and the lab stays usable") {
  auto session = openLab({{"task", text("bumps")},
                          {"optimizer", text("sgd")},
                          {"activation", text("relu")},
                          {"learning-rate", 10.0},
                          {"momentum", 0.99},
                          {"layers", whole(4)},
                          {"width", whole(64)}});
  session->seek(200);
  const auto done = session->wait();
  REQUIRE_FALSE(done);
  INFO(done.error().message);
  CHECK(done.error().message.find("no longer a number after step") != std::string::npos);
  CHECK(done.error().message.find("Lower the learning rate 10") != std::string::npos);
  REQUIRE(session->set("learning-rate", 0.001));
  session->seek(3);
  REQUIRE(session->wait());
  CHECK(std::isfinite(metricsAt(*session, 3).at("loss.train")));
}

TEST_CASE("points from a file train, and no file is asked for with a sentence") {
  const orrery::testing::Scratch folder;
  folder.write("classes.csv", "x,y,label\n0,0,0\n10,0,1\n0,20,1\n10,20,0\n");
  auto session = openLab({{"task", text("file")}, {"file", Value(Asset{folder.path("classes.csv"), {}})}, {"steps", whole(20)}});
  const auto metrics = metricsAt(*session, 4);
  CHECK(metrics.at("step") == 20);
  REQUIRE(session->set("file", Value(Asset{})));
  const auto none = session->wait();
  REQUIRE_FALSE(none);
  CHECK(none.error().message.find("Choose a file first") != std::string::npos);
}

TEST_CASE("every task, activation, optimizer and preset runs") {
  auto session = openLab({{"steps", whole(10)}, {"points", whole(64)}});
  for (const auto& parameter : session->lab().parameters) {
    const auto* choice = std::get_if<Choice>(&parameter.domain);
    if (choice == nullptr) continue;
    for (const auto& option : choice->options) {
      if (option.id == "file") continue;
      INFO(parameter.id << " " << option.id);
      REQUIRE(session->set(parameter.id, Value(option.id)));
      CHECK(std::isfinite(metricsAt(*session, 2).at("loss.held-out")));
    }
    REQUIRE(session->set(parameter.id, parameter.initial));
  }
  for (const auto& preset : session->lab().presets) {
    INFO(preset.id);
    REQUIRE(session->applyPreset(preset.id));
    session->seek(1);
    REQUIRE(session->wait());
  }
}
