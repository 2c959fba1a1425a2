#include "core/session/history.h"

#include <random>

#include "tests/session/fake_lab.h"
#include "tests/support/catch.h"

using namespace orrery;

namespace {

History::Changed one(Values& values, const std::string& id, Value after) {
  History::Changed changed{{id, {values[id], after}}};
  values[id] = after;
  return changed;
}

}  // namespace

TEST_CASE("Undoing everything gives the start, redoing everything gives the end") {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    Values values{{"a", std::int64_t{0}}, {"b", std::int64_t{0}}, {"c", std::int64_t{0}}};
    const Values start = values;
    History history;
    for (int edit = 0; edit < 40; ++edit) {
      const std::string id(1, static_cast<char>('a' + random() % 3));
      switch (random() % 6) {
        case 0:
          history.endDrag();
          break;
        case 1:
          history.undo(values);
          break;
        case 2:
          history.redo(values);
          break;
        case 3:
          history.record(one(values, id, static_cast<std::int64_t>(random() % 4)), id);
          break;
        default:
          history.record(one(values, id, static_cast<std::int64_t>(random() % 4)), id, id);
          break;
      }
    }
    while (history.canRedo()) history.redo(values);
    const Values end = values;
    std::size_t undone = 0;
    while (history.canUndo()) history.undo(values), ++undone;
    CHECK(values == start);
    while (history.canRedo()) history.redo(values), --undone;
    CHECK(values == end);
    CHECK(undone == 0);
  }
}

TEST_CASE("A drag is one step, and one that came back is none") {
  Values values{{"a", std::int64_t{0}}, {"b", std::int64_t{0}}};
  History history;
  for (std::int64_t i = 1; i <= 50; ++i) history.record(one(values, "a", i), "A", "a");
  history.endDrag();
  CHECK(history.size() == 1);
  for (std::int64_t i = 49; i >= 0; --i) history.record(one(values, "a", i), "A", "a");
  for (std::int64_t i = 1; i <= 50; ++i) history.record(one(values, "a", i), "A", "a");
  history.endDrag();
  CHECK(history.size() == 1);
  history.undo(values);
  CHECK(values["a"] == Value(std::int64_t{0}));
}

TEST_CASE("Drags of two parameters without an end between them are two steps") {
  Values values{{"a", std::int64_t{0}}, {"b", std::int64_t{0}}};
  History history;
  history.record(one(values, "a", std::int64_t{1}), "A", "a");
  history.record(one(values, "b", std::int64_t{1}), "B", "b");
  CHECK(history.size() == 2);
  CHECK(history.undoText() == "B");
}

TEST_CASE("A new step forgets what could be redone, and the oldest steps go first") {
  Values values{{"a", std::int64_t{0}}};
  History history;
  history.record(one(values, "a", std::int64_t{1}), "A");
  history.undo(values);
  CHECK(history.canRedo());
  history.record(one(values, "a", std::int64_t{2}), "A");
  CHECK_FALSE(history.canRedo());
  for (std::int64_t i = 0; i < 3000; ++i) history.record(one(values, "a", i), "A");
  CHECK(history.size() == History::longest);
}

TEST_CASE("A session's edits are undone and redone, and the picture follows") {
  test::switchboard().reset();
  auto session = test::openFake();
  REQUIRE(session->wait());
  const Values start = session->values();

  REQUIRE(session->set("steps", std::int64_t{100}));
  for (int i = 1; i <= 20; ++i) REQUIRE(session->set("rate", i / 10.0, Edit::drag));
  session->endDrag();
  REQUIRE(session->applyPreset("fast"));
  CHECK(session->undoText() == "Fast");
  REQUIRE(session->wait());
  CHECK(test::metric(*session, "steps") == 4);
  const Values end = session->values();

  session->undo();
  CHECK(session->undoText() == "Rate");
  CHECK(session->redoText() == "Fast");
  REQUIRE(session->wait());
  CHECK(test::metric(*session, "steps") == 100);
  CHECK(test::metric(*session, "rate") == 2.0);
  session->undo();
  CHECK(std::get<double>(session->value("rate")) == 1.0);
  session->undo();
  CHECK_FALSE(session->canUndo());
  CHECK(session->values() == start);
  session->undo();
  while (session->canRedo()) session->redo();
  CHECK(session->values() == end);
  REQUIRE(session->wait());
  CHECK(test::metric(*session, "steps") == 4);
}
