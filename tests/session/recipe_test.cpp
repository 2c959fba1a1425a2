#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/base/files.h"
#include "tests/session/fake_lab.h"
#include "tests/support/catch.h"

using namespace orrery;
using test::switchboard;

TEST_CASE("A recipe holds what differs from the defaults and restores the scene") {
  switchboard().reset();
  const auto folder = test::temporaryFolder();
  test::writeText(folder + "/points.npz", "abc");
  auto session = test::openFake();
  REQUIRE(session->set("steps", std::int64_t{40}));
  REQUIRE(session->set("words", std::string("量子 \"x\"\n")));
  REQUIRE(session->set("points", Asset{folder + "/points.npz", {}}));
  session->setSpeed(0.5);
  session->setLoop(true);
  session->seek(13);
  REQUIRE(session->wait());
  const auto recipe = session->toJson();
  CHECK(recipe["orrery"] == 1);
  CHECK(recipe["lab"] == test::fakeId);
  CHECK(recipe["parameters"].size() == 3);
  CHECK(recipe["parameters"]["points"]["sha256"] == sha256("abc"));
  CHECK(recipe["frame"] == 13);

  auto again = test::openFake();
  const auto parsed = parseRecipe(recipe.dump());
  REQUIRE(parsed);
  REQUIRE(again->restore(*parsed));
  REQUIRE(again->wait());
  CHECK(again->notes().empty());
  CHECK(again->values() == session->values());
  CHECK(again->picture()->frame == 13);
  CHECK(again->speed() == 0.5);
  CHECK(again->loop());
  CHECK(test::stateOf(*again) == test::stateOf(*session));
  CHECK(again->toJson() == recipe);
  CHECK_FALSE(again->canUndo());
  std::filesystem::remove_all(folder);
}

TEST_CASE("A recipe whose file is gone names it; beside the document it is found; a changed one is noted") {
  switchboard().reset();
  const auto folder = test::temporaryFolder(), other = test::temporaryFolder();
  test::writeText(folder + "/points.npz", "abc");
  auto session = test::openFake();
  REQUIRE(session->set("points", Asset{folder + "/points.npz", {}}));
  REQUIRE(session->wait());
  const auto recipe = session->toJson();
  session->resetAll();
  std::filesystem::rename(folder + "/points.npz", other + "/points.npz");
  const auto before = session->values();
  const auto missing = session->restore(recipe);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::notFound);
  CHECK(missing.error().message.find(folder + "/points.npz") != std::string::npos);
  CHECK(session->values() == before);

  REQUIRE(session->restore(recipe, other));
  REQUIRE(session->wait());
  CHECK(session->notes().empty());
  CHECK(std::get<Asset>(session->value("points")).path == other + "/points.npz");

  test::writeText(other + "/points.npz", "abd");
  REQUIRE(session->restore(recipe, other));
  REQUIRE(session->wait());
  REQUIRE(session->notes().size() == 1);
  CHECK(session->notes()[0].find("has changed") != std::string::npos);
  std::filesystem::remove_all(folder);
  std::filesystem::remove_all(other);
}

TEST_CASE("Recipes of strangers are checked before anything changes") {
  switchboard().reset();
  auto session = test::openFake();
  REQUIRE(session->wait());
  const auto before = session->values();
  const auto refused = [&](const std::string& text) {
    const auto json = parseRecipe(text);
    const bool failed = !json || !session->restore(*json);
    CHECK(session->values() == before);
    return failed;
  };
  CHECK(refused("{"));
  CHECK(refused("[]"));
  CHECK(refused("{}"));
  CHECK(refused(R"({"orrery": 1})"));
  CHECK(refused(R"({"orrery": 2, "lab": "test/fake"})"));
  CHECK(refused(R"({"orrery": 0, "lab": "test/fake"})"));
  CHECK(refused(R"({"orrery": "1", "lab": "test/fake"})"));
  CHECK(refused(R"({"orrery": 1, "lab": "test/other"})"));
  CHECK(refused(R"({"orrery": 1, "lab": "test/fake", "parameters": 3})"));
  CHECK(refused(R"({"orrery": 1, "lab": "test/fake", "parameters": {"steps": 0}})"));
  CHECK(refused(R"({"orrery": 1, "lab": "test/fake", "parameters": {"steps": "many"}})"));
  CHECK(refused(std::string(100000, '[')));
  // Unknown parameters and odd timelines are no reason to refuse.
  const auto json = parseRecipe(R"({"orrery": 1, "lab": "test/fake", "parameters": {"future": 1}, "frame": "x", "speed": [], "loop": 3})");
  REQUIRE(json);
  REQUIRE(session->restore(*json));
  REQUIRE(session->wait());
  REQUIRE(session->notes().size() == 1);
  CHECK(session->notes()[0].find("'future'") != std::string::npos);
}

TEST_CASE("A session file keeps three versions before it and survives no flipped byte unnoticed") {
  const auto folder = test::temporaryFolder();
  const auto path = folder + "/scene.orrery";
  nlohmann::json session{{"orrery", 1}, {"lab", "test/fake"}, {"parameters", {{"steps", 40}}}, {"frame", 3}};
  for (int version = 1; version <= 5; ++version) {
    session["frame"] = version;
    REQUIRE(writeSessionFile(path, session));
  }
  const auto frameOf = [](const std::string& file) {
    const auto read = readSessionFile(file);
    REQUIRE(read);
    CHECK(read->lab == "test/fake");
    return nlohmann::json::parse(read->json)["frame"].get<int>();
  };
  CHECK(frameOf(path) == 5);
  CHECK(frameOf(path + ".bak1") == 4);
  CHECK(frameOf(path + ".bak2") == 3);
  CHECK(frameOf(path + ".bak3") == 2);
  CHECK_FALSE(std::filesystem::exists(path + ".bak4"));
  CHECK_FALSE(std::filesystem::exists(path + ".partial"));

  const auto good = *readWholeFile(path);
  const auto truth = nlohmann::json::parse(readSessionFile(path)->json);
  int refused = 0;
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const unsigned char flip : {0x01, 0x20, 0x80, 0xFF}) {
      auto bad = good;
      bad[at] = static_cast<char>(static_cast<unsigned char>(bad[at]) ^ flip);
      test::writeText(folder + "/bad.orrery", bad);
      const auto read = readSessionFile(folder + "/bad.orrery");
      // White space may change without changing the content; anything else must be refused.
      if (read) {
        CHECK(nlohmann::json::parse(read->json) == truth);
      } else {
        ++refused;
      }
    }
  }
  CHECK(refused > static_cast<int>(good.size()) * 3);
  for (std::size_t length = 0; length + 2 < good.size(); ++length) {
    test::writeText(folder + "/bad.orrery", good.substr(0, length));
    CHECK_FALSE(readSessionFile(folder + "/bad.orrery"));
  }
  std::filesystem::remove_all(folder);
}

TEST_CASE("A session file of a newer version is refused with a sentence, and a damaged one names its backup") {
  const auto folder = test::temporaryFolder();
  test::writeText(folder + "/new.orrery", R"({"orrery": 2, "seal": "x"})");
  const auto newer = readSessionFile(folder + "/new.orrery");
  REQUIRE_FALSE(newer);
  CHECK(newer.error().message.find("newer Orrery") != std::string::npos);

  const auto path = folder + "/scene.orrery";
  const nlohmann::json session{{"orrery", 1}, {"lab", "test/fake"}};
  REQUIRE(writeSessionFile(path, session));
  REQUIRE(writeSessionFile(path, session));
  test::writeText(path, "{}");
  const auto damaged = readSessionFile(path);
  REQUIRE_FALSE(damaged);
  CHECK(damaged.error().message.find(path + ".bak1") != std::string::npos);
  CHECK_FALSE(readSessionFile(folder + "/none.orrery"));
  CHECK_FALSE(writeSessionFile(folder + "/missing/scene.orrery", session));
  std::filesystem::remove_all(folder);
}
