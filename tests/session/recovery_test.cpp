#include <stdexcept>

#include "tests/session/fake_lab.h"
#include "tests/support/catch.h"

using namespace orrery;
using test::switchboard;

TEST_CASE("A lost device is opened anew and the update repeated, with the same result at the same frame") {
  switchboard().reset();
  auto session = test::openFake();
  session->seek(7);
  REQUIRE(session->set("seed", std::int64_t{5}));
  REQUIRE(session->wait());
  const auto expected = test::stateOf(*session);
  REQUIRE(session->set("seed", std::int64_t{6}));
  REQUIRE(session->wait());
  const auto device = session->device();
  const int made = switchboard().made;

  switchboard().loseDevice = 1;
  REQUIRE(session->set("seed", std::int64_t{5}));
  REQUIRE(session->wait());
  CHECK(session->recoveries() == 1);
  CHECK(session->device() != device);
  CHECK(switchboard().made == made + 1);
  CHECK(session->picture()->frame == 7);
  CHECK(session->picture()->device == session->device());
  CHECK(test::stateOf(*session) == expected);
}

TEST_CASE("A loss while playing is recovered at the frame it had reached") {
  switchboard().reset();
  // A budget for no state but the first: going forward always means computing.
  auto session = test::openFake(1);
  session->seek(20);
  REQUIRE(session->wait());
  const auto expected = test::stateOf(*session);
  session->seek(10);
  REQUIRE(session->wait());
  switchboard().loseInAdvance = 1;
  session->seek(20);
  REQUIRE(session->wait());
  CHECK(session->recoveries() == 1);
  CHECK(session->picture()->frame == 20);
  CHECK(test::stateOf(*session) == expected);
}

TEST_CASE("A second loss within a minute is an error, and the session still works afterwards") {
  switchboard().reset();
  auto session = test::openFake();
  REQUIRE(session->wait());
  switchboard().loseDevice = 2;
  REQUIRE(session->set("seed", std::int64_t{5}));
  const auto failed = session->wait();
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == ErrorCode::gpu);
  CHECK(failed.error().message.find("lost twice") != std::string::npos);
  REQUIRE(session->set("seed", std::int64_t{6}));
  CHECK(session->wait());
}

TEST_CASE("A submission the driver loses is recovered like one the lab reports") {
  switchboard().reset();
  switchboard().submitWork = true;
  auto session = test::openFake();
  REQUIRE(session->set("seed", std::int64_t{9}));
  REQUIRE(session->wait());
  const auto expected = test::stateOf(*session);
  REQUIRE(session->set("seed", std::int64_t{10}));
  REQUIRE(session->wait());
  // A device of its own, so that the other tests keep theirs.
  auto own = gpu::Device::open();
  REQUIRE(own);
  session->setDevice(*own);
  REQUIRE(session->wait());
  (*own)->injectDeviceLost(1);
  REQUIRE(session->set("seed", std::int64_t{9}));
  REQUIRE(session->wait());
  CHECK(session->recoveries() == 1);
  CHECK(test::stateOf(*session) == expected);
}

TEST_CASE("Exhausted memory is answered by freeing and repeating once, then by an error with the numbers") {
  switchboard().reset();
  auto session = test::openFake();
  REQUIRE(session->wait());
  switchboard().exhaust = 1;
  REQUIRE(session->set("seed", std::int64_t{5}));
  CHECK(session->wait());
  switchboard().exhaust = 2;
  REQUIRE(session->set("seed", std::int64_t{6}));
  const auto failed = session->wait();
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == ErrorCode::outOfMemory);
  CHECK(failed.error().message.find("512 MiB") != std::string::npos);
  CHECK(failed.error().message.find("130 MiB") != std::string::npos);
  REQUIRE(session->set("seed", std::int64_t{7}));
  CHECK(session->wait());
}

TEST_CASE("Two sessions on one lost device move to the same new one") {
  switchboard().reset();
  auto first = test::openFake();
  auto second = test::openFake();
  REQUIRE(first->wait());
  REQUIRE(second->wait());
  switchboard().loseDevice = 1;
  REQUIRE(first->set("seed", std::int64_t{5}));
  REQUIRE(first->wait());
  switchboard().loseDevice = 1;
  REQUIRE(second->set("seed", std::int64_t{5}));
  REQUIRE(second->wait());
  CHECK(first->device() == second->device());
}

TEST_CASE("A loss that a probe notices is recovered by the next update") {
  switchboard().reset();
  auto session = test::openFake();
  session->seek(4);
  REQUIRE(session->wait());
  const auto expected = test::stateOf(*session);
  const int made = switchboard().made;
  switchboard().loseDevice = 1;
  session->onWorker([] { throw gpu::DeviceLost(); });
  REQUIRE(session->wait());
  CHECK(session->recoveries() == 1);
  CHECK(switchboard().made == made + 2);
  CHECK(session->picture()->frame == 4);
  CHECK(test::stateOf(*session) == expected);
  session->onWorker([] { throw std::runtime_error("no probe"); });
  CHECK(session->wait());
}
