// File, Export data set: offered where a lab has one, written on its worker.

#include <QFileInfo>
#include <QTemporaryDir>

#include "app/shell/actions.h"
#include "app/shell/error_card.h"
#include "tests/gui/window_fixture.h"

using namespace orrery;
using namespace orrery::app;

TEST_CASE("A data set is exported from the window where the lab offers one") {
  OpenWindow open;
  QAction* action = open.window->actions().find("export-data-set");
  REQUIRE(action != nullptr);
  CHECK_FALSE(action->isEnabled());
  open.open("attention/softmax-attention");
  CHECK_FALSE(action->isEnabled());
  StagePane& pane = open.open("data/shapeworld");
  CHECK(action->isEnabled());

  QTemporaryDir folder;
  REQUIRE(pane.session().set("export", std::int64_t{5}));
  open.window->writeDataSet(folder.filePath("set"));
  REQUIRE(eventually([&] { return QFileInfo::exists(folder.filePath("set/instances.json")); }));
  CHECK(QFileInfo::exists(folder.filePath("set/images/shapeworld_000004.png")));
  CHECK(open.window->cards().isEmpty());

  // A folder that cannot be written is a card.
  open.window->writeDataSet("/proc/nowhere");
  REQUIRE(eventually([&] { return !open.window->cards().isEmpty(); }));
}
