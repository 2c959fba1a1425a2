#include "core/session/session.h"

#include <mutex>
#include <nlohmann/json.hpp>

#include "tests/session/fake_lab.h"
#include "tests/support/catch.h"

using namespace orrery;
using test::switchboard;

TEST_CASE("An unknown lab is a usage error") {
  const auto session = Session::open("test/none-such");
  REQUIRE_FALSE(session);
  CHECK(session.error().code == ErrorCode::usage);
}

TEST_CASE("A new session computes its first picture from the defaults") {
  switchboard().reset();
  auto session = test::openFake();
  REQUIRE(session->wait());
  CHECK(test::metric(*session, "steps") == 32);
  CHECK(session->picture()->frames == 32);
  CHECK(session->picture()->frameUnit == "step");
  CHECK(session->picture()->device == session->device());
  CHECK(session->isDefault("steps"));
  CHECK(switchboard().changed.size() == session->values().size());
}

TEST_CASE("set() refuses what is outside the domain and leaves everything as it was") {
  switchboard().reset();
  auto session = test::openFake();
  REQUIRE(session->wait());
  const auto before = session->values();
  const auto refused = session->set(Changes{{"rate", 2.0}, {"steps", std::int64_t{0}}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message == "steps: 0 is outside 2 to 2000");
  CHECK(session->values() == before);
  CHECK_FALSE(session->canUndo());
  const auto unknown = session->set("stepz", std::int64_t{3});
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().message.find("steps, rate") != std::string::npos);
}

TEST_CASE("An update sees exactly what changed since the last success") {
  switchboard().reset();
  auto session = test::openFake();
  REQUIRE(session->wait());
  REQUIRE(session->set("rate", 3.0));
  REQUIRE(session->wait());
  CHECK(switchboard().changed == std::vector<std::string>{"rate"});

  // A failed attempt may leave traces, so what it changed stays marked until an update succeeds.
  REQUIRE(session->set(Changes{{"mode", std::string("broken")}, {"rate", 4.0}}));
  REQUIRE_FALSE(session->wait());
  REQUIRE(session->set(Changes{{"mode", std::string("plain")}, {"rate", 3.0}}));
  REQUIRE(session->wait());
  CHECK(switchboard().changed == std::vector<std::string>{"mode", "rate"});
}

TEST_CASE("An error keeps the last picture and is cleared by the next success") {
  switchboard().reset();
  auto session = test::openFake();
  REQUIRE(session->wait());
  const auto before = session->picture();
  REQUIRE(session->set("mode", std::string("broken")));
  const auto failed = session->wait();
  REQUIRE_FALSE(failed);
  CHECK(failed.error().message == "this mode is broken");
  CHECK(session->picture() == before);
  CHECK(session->error()->code == ErrorCode::badInput);
  session->play();
  session->seek(5);
  REQUIRE_FALSE(session->wait());
  CHECK(session->picture() == before);
  session->undo();
  REQUIRE(session->wait());
  CHECK_FALSE(session->error());
  CHECK(session->picture() != before);
}

TEST_CASE("Of many values set in a row the newest wins and most are never computed") {
  switchboard().reset();
  switchboard().updateMilliseconds = 20;
  auto session = test::openFake();
  for (int i = 1; i <= 300; ++i) REQUIRE(session->set("steps", std::int64_t{i + 2}, Edit::drag));
  REQUIRE(session->wait());
  CHECK(test::metric(*session, "steps") == 302);
  CHECK(switchboard().updates < 20);
}

TEST_CASE("A long update is given up for newer values, but pictures keep coming") {
  switchboard().reset();
  auto session = test::openFake();
  REQUIRE(session->wait());
  switchboard().updateMilliseconds = 400;
  std::uint64_t firstSerial = session->picture()->serial;
  const auto began = std::chrono::steady_clock::now();
  std::int64_t value = 3;
  while (std::chrono::steady_clock::now() - began < std::chrono::milliseconds(3500)) {
    REQUIRE(session->set("steps", value++, Edit::drag));
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  // Without cancelling there would be one update per 400 ms (9); without the promise of a picture per second, none would finish.
  CHECK(switchboard().updates > 10);
  CHECK(session->picture()->serial > firstSerial);
  REQUIRE(session->wait());
  CHECK(test::metric(*session, "steps") == static_cast<double>(value - 1));
}

TEST_CASE("Work of many seconds gives way to newer values however old the picture is") {
  switchboard().reset();
  auto session = test::openFake();
  REQUIRE(session->wait());
  switchboard().updateMilliseconds = 60000;
  const auto began = std::chrono::steady_clock::now();
  REQUIRE(session->set("rate", 2.0));
  REQUIRE(test::eventually([&] { return session->progress().busy && session->progress().what == "counting"; }));
  // By now a picture is overdue, for which shorter work would be left to finish.
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  switchboard().updateMilliseconds = 0;
  REQUIRE(session->set("rate", 3.0));
  REQUIRE(session->wait());
  CHECK(test::metric(*session, "rate") == 3.0);
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(20));
}

TEST_CASE("A long way to a frame is told as what it is, with its share") {
  switchboard().reset();
  auto session = test::openFake();
  REQUIRE(session->set("steps", std::int64_t{200}));
  REQUIRE(session->wait());
  switchboard().advanceMilliseconds = 10;
  session->seek(150);
  REQUIRE(test::eventually([&] {
    const Progress progress = session->progress();
    return progress.what == "Going to frame 150" && progress.fraction > 0.05 && progress.fraction < 1;
  }));
  switchboard().advanceMilliseconds = 0;
  REQUIRE(session->wait());
  // Another frame is on the way when the hand moves on.
  CHECK(session->picture()->frame == 150);
}

TEST_CASE("cancel() stops the running update soon and keeps the picture") {
  switchboard().reset();
  auto session = test::openFake();
  REQUIRE(session->wait());
  const auto before = session->picture();
  switchboard().updateMilliseconds = 5000;
  REQUIRE(session->set("rate", 2.0));
  REQUIRE(test::eventually([&] { return session->progress().busy && session->progress().what == "counting"; }));
  const auto began = std::chrono::steady_clock::now();
  session->cancel();
  const auto result = session->wait();
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(1));
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ErrorCode::cancelled);
  CHECK(session->picture() == before);
  CHECK_FALSE(session->progress().busy);
  switchboard().updateMilliseconds = 0;
  REQUIRE(session->set("rate", 2.0));
  REQUIRE(session->wait());
  CHECK(test::metric(*session, "rate") == 2.0);
}

TEST_CASE("Long work shows what there is so far, in place of no finished picture") {
  switchboard().reset();
  auto session = test::openFake();
  REQUIRE(session->wait());
  const auto before = session->picture();
  switchboard().updateMilliseconds = 700;

  // Nobody looks: nothing is drawn.
  REQUIRE(session->set("rate", 2.0));
  REQUIRE(test::eventually([&] { return session->progress().busy && session->progress().seconds > 0.4; }));
  CHECK(session->preview() == nullptr);
  REQUIRE(session->wait());

  session->observe([] {});
  const auto finished = session->picture();
  CHECK(finished != before);
  REQUIRE(session->set("rate", 3.0));
  REQUIRE(test::eventually([&] { return session->preview() != nullptr; }));
  CHECK(session->preview()->figure.title == "so far");
  CHECK(session->progress().seconds >= 0.2);
  CHECK(session->picture() == finished);
  REQUIRE(session->wait());
  CHECK(session->preview() == nullptr);
  CHECK(test::metric(*session, "rate") == 3.0);

  // Given up by the user, the finished picture is what remains.
  const auto third = session->picture();
  switchboard().updateMilliseconds = 5000;
  REQUIRE(session->set("rate", 4.0));
  REQUIRE(test::eventually([&] { return session->preview() != nullptr; }));
  session->cancel();
  CHECK_FALSE(session->wait());
  CHECK(session->preview() == nullptr);
  CHECK(session->picture() == third);
}

TEST_CASE("Destroying a session stops its work at once") {
  switchboard().reset();
  switchboard().updateMilliseconds = 20000;
  auto session = test::openFake();
  REQUIRE(test::eventually([&] { return session->progress().busy; }));
  const auto began = std::chrono::steady_clock::now();
  session.reset();
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(1));
}

TEST_CASE("The observer hears of pictures, errors and the timeline") {
  switchboard().reset();
  std::mutex mutex;
  int calls = 0;
  auto session = test::openFake();
  REQUIRE(session->wait());
  session->observe([&] {
    const std::scoped_lock lock(mutex);
    ++calls;
  });
  const auto heardAfter = [&](auto action) {
    int before = 0;
    {
      const std::scoped_lock lock(mutex);
      before = calls;
    }
    action();
    return test::eventually(
        [&] {
          const std::scoped_lock lock(mutex);
          return calls > before;
        },
        3);
  };
  CHECK(heardAfter([&] { REQUIRE(session->set("rate", 5.0)); }));
  CHECK(heardAfter([&] { REQUIRE(session->set("mode", std::string("broken"))); }));
  CHECK(heardAfter([&] { session->undo(); }));
  CHECK(heardAfter([&] { session->setLoop(true); }));
  session.reset();
}

TEST_CASE("Presets, reset and changed marks") {
  switchboard().reset();
  auto session = test::openFake();
  REQUIRE(session->set("words", std::string("other")));
  REQUIRE(session->applyPreset("fast"));
  CHECK(session->isDefault("words"));
  CHECK_FALSE(session->isDefault("steps"));
  session->reset("steps");
  CHECK(session->isDefault("steps"));
  CHECK_FALSE(session->isDefault("rate"));
  session->resetAll();
  CHECK(session->isDefault("rate"));
  const auto unknown = session->applyPreset("slow");
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().code == ErrorCode::usage);
  CHECK(unknown.error().message.find("'fast'") != std::string::npos);
}

TEST_CASE("A dropped file goes to the parameter that takes it, as one step") {
  switchboard().reset();
  auto session = test::openFake();
  FileReport report;
  report.kind = "npz";
  report.title = "NumPy archive";
  REQUIRE(session->drop(report, "/x/points.npz"));
  CHECK(std::get<Asset>(session->value("points")).path == "/x/points.npz");
  CHECK(std::get<bool>(session->value("grid")));
  session->undo();
  CHECK(std::get<Asset>(session->value("points")).path.empty());
  report.kind = "image";
  report.title = "a PNG image";
  const auto refused = session->drop(report, "/x/a.png");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("a PNG image") != std::string::npos);
  CHECK(refused.error().message.find("npz with points") != std::string::npos);
}

TEST_CASE("wait() returns whenever a file's checksum arrives") {
  switchboard().reset();
  auto session = test::openFake();
  // They are made by threads of their own: sooner, later or just while the worker goes to sleep.
  for (int i = 0; i < 3000; ++i) {
    REQUIRE(session->set("points", Asset{"/x/" + std::to_string(i) + ".npz"}));
    REQUIRE(session->wait());
  }
  // Given once more, it is read once more.
  const std::string path = test::temporaryFolder() + "/points.npz";
  test::writeText(path, "one");
  REQUIRE(session->set("points", Asset{path}));
  REQUIRE(session->wait());
  const auto before = session->toJson().dump();
  test::writeText(path, "two");
  REQUIRE(session->set("points", Asset{path}));
  REQUIRE(session->wait());
  CHECK(session->toJson().dump() != before);
}

TEST_CASE("A pointer drag changes its parameter, stays in the domain and is one step") {
  switchboard().reset();
  auto session = test::openFake();
  REQUIRE(session->wait());
  PointerEvent event;
  event.handle = "rate";
  event.kind = PointerEvent::Kind::press;
  event.x = 1;
  session->pointer(event);
  event.kind = PointerEvent::Kind::drag;
  for (int i = 0; i < 50; ++i) {
    event.x = i;
    session->pointer(event);
  }
  event.kind = PointerEvent::Kind::release;
  session->pointer(event);
  REQUIRE(session->wait());
  CHECK(test::metric(*session, "rate") == 10);
  session->undo();
  CHECK_FALSE(session->canUndo());
  CHECK(session->isDefault("rate"));
}

TEST_CASE("Jobs run on the worker between updates") {
  switchboard().reset();
  auto session = test::openFake();
  REQUIRE(session->wait());
  std::thread::id worker;
  session->onWorker([&] { worker = std::this_thread::get_id(); });
  REQUIRE(session->wait());
  CHECK(worker != std::thread::id());
  CHECK(worker != std::this_thread::get_id());
}

TEST_CASE("A deferred session computes nothing before it is asked to, and then only once") {
  switchboard().reset();
  SessionOptions options;
  options.sharedDevice = test::sharedDevice();
  options.deferred = true;
  auto session = Session::open(test::fakeId, options);
  REQUIRE(session);
  REQUIRE((*session)->applyPreset("fast"));
  REQUIRE((*session)->set("rate", 3.0));
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  CHECK(switchboard().updates == 0);
  REQUIRE((*session)->wait());
  CHECK(switchboard().updates == 1);
  CHECK(test::metric(**session, "rate") == 3.0);
}
