#include <map>
#include <random>

#include "core/session/frame_store.h"
#include "tests/session/fake_lab.h"
#include "tests/support/catch.h"

using namespace orrery;
using test::switchboard;

namespace {

std::vector<Tensor> stateOfBytes(std::int64_t floats) {
  Tensor tensor({floats});
  tensor.asMutable<float>()[0] = 1;
  return {tensor};
}

}  // namespace

TEST_CASE("Kept states stay within the budget, keep frame 0, and lie at even distances") {
  FrameStore store(10 * 400);
  for (std::int64_t frame = 0; frame < 1000; ++frame) {
    if (store.wants(frame)) store.keep(frame, stateOfBytes(100));
    CHECK(store.bytes() <= 10 * 400);
    const auto kept = store.before(frame);
    REQUIRE(kept.state);
    CHECK(frame - kept.frame < 256);
  }
  CHECK(store.before(0).frame == 0);
  CHECK(store.size() >= 5);
}

TEST_CASE("Storage shared by states counts once, and one state larger than the budget is still kept") {
  FrameStore store(1000);
  const auto shared = stateOfBytes(100);
  store.keep(0, shared);
  store.keep(1, shared);
  CHECK(store.bytes() == 400);
  FrameStore small(10);
  small.keep(0, stateOfBytes(100));
  CHECK(small.before(5).frame == 0);
  CHECK(small.before(5).state);
  store.clear();
  CHECK(store.bytes() == 0);
  CHECK_FALSE(store.before(0).state);
}

TEST_CASE("Scrubbing back and forth gives bit-identical states at every frame") {
  // 16 bytes per state: budgets for all, for five, for one, and a lab that cannot be captured at all.
  for (const std::uint64_t budget : {std::uint64_t{1} << 20, std::uint64_t{80}, std::uint64_t{1}, std::uint64_t{0}}) {
    switchboard().reset();
    switchboard().capture = budget != 0;
    auto session = test::openFake(budget);
    REQUIRE(session->set("steps", std::int64_t{50}));
    REQUIRE(session->wait());
    std::map<std::int64_t, std::vector<double>> expected;
    for (std::int64_t frame = 0; frame < 50; ++frame) {
      session->seek(frame);
      REQUIRE(session->wait());
      REQUIRE(session->picture()->frame == frame);
      expected[frame] = test::stateOf(*session);
    }
    std::mt19937 random(3);
    for (int i = 0; i < 60; ++i) {
      const auto frame = static_cast<std::int64_t>(random() % 50);
      session->seek(frame);
      REQUIRE(session->wait());
      INFO("budget " << budget << " frame " << frame);
      REQUIRE(session->picture()->frame == frame);
      CHECK(test::stateOf(*session) == expected[frame]);
    }
  }
}

TEST_CASE("Seeking beyond the ends stops at them") {
  switchboard().reset();
  auto session = test::openFake();
  session->seek(100000);
  REQUIRE(session->wait());
  CHECK(session->picture()->frame == 31);
  session->seek(-5);
  REQUIRE(session->wait());
  CHECK(session->picture()->frame == 0);
}

TEST_CASE("Playing runs to the end, publishes every tick, and stops") {
  switchboard().reset();
  auto session = test::openFake();
  REQUIRE(session->wait());
  std::vector<std::int64_t> frames;
  session->observe([&] {
    const auto picture = session->picture();
    if (frames.empty() || frames.back() != picture->frame) frames.push_back(picture->frame);
  });
  const auto began = std::chrono::steady_clock::now();
  session->setSpeed(2);
  session->play();
  REQUIRE(test::eventually([&] { return !session->playing(); }));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  session->observe({});
  REQUIRE(session->wait());
  session->onWorker([] {});
  REQUIRE(session->wait());
  CHECK(session->picture()->frame == 31);
  CHECK(frames.size() == 32);
  // 31 steps at 60 per second are 0.52 s; a loaded machine may be slower but never faster.
  CHECK(took.count() > 0.45);
}

TEST_CASE("At a high speed several steps make one picture") {
  switchboard().reset();
  auto session = test::openFake();
  REQUIRE(session->set("steps", std::int64_t{601}));
  REQUIRE(session->wait());
  const auto before = session->picture()->serial;
  session->setSpeed(10);
  session->play();
  REQUIRE(test::eventually([&] { return !session->playing(); }, 30));
  CHECK(session->picture()->frame == 600);
  // 300 frames per second at no more than 60 pictures per second: five steps each.
  CHECK(session->picture()->serial - before == 120);
}

TEST_CASE("A loop goes round, and play at the end begins anew") {
  switchboard().reset();
  auto session = test::openFake();
  REQUIRE(session->set("steps", std::int64_t{5}));
  session->setLoop(true);
  session->setSpeed(10);
  session->play();
  // Four steps a round: after 20 more pictures it has gone round at least four times.
  REQUIRE(test::eventually([&] { return session->picture() && session->picture()->serial > 22; }));
  CHECK(session->playing());
  session->pause();
  session->setLoop(false);
  session->seek(4);
  REQUIRE(session->wait());
  session->play();
  REQUIRE(test::eventually([&] { return !session->playing(); }));
  CHECK(session->picture()->frame == 4);
}

TEST_CASE("A changed parameter keeps the place on the timeline, also when it gets longer") {
  switchboard().reset();
  auto session = test::openFake();
  REQUIRE(session->set("steps", std::int64_t{11}));
  session->seek(5);
  REQUIRE(session->wait());
  REQUIRE(session->set("rate", 4.0));
  REQUIRE(session->wait());
  CHECK(session->picture()->frame == 5);
  REQUIRE(session->set("steps", std::int64_t{101}));
  REQUIRE(session->wait());
  CHECK(session->picture()->frame == 50);
}

TEST_CASE("A newer seek redirects one that is under way") {
  switchboard().reset();
  auto session = test::openFake();
  REQUIRE(session->set("steps", std::int64_t{2000}));
  REQUIRE(session->wait());
  switchboard().advanceMilliseconds = 2;
  session->seek(1999);
  REQUIRE(test::eventually([] { return switchboard().advances > 5; }));
  session->seek(3);
  REQUIRE(session->wait());
  CHECK(session->picture()->frame == 3);
  CHECK(switchboard().advances < 1000);
}
