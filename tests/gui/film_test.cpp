// Films from the window: recorded while it plays, exported from a dialog, cancelled, and dropped back on it.

#include <QDir>
#include <QFileInfo>
#include <QPushButton>
#include <QTemporaryDir>
#include <QToolButton>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/export/export.h"
#include "app/shell/actions.h"
#include "app/shell/error_card.h"
#include "app/shell/film_dialog.h"
#include "app/shell/film_job.h"
#include "app/shell/film_track.h"
#include "app/shell/transport_bar.h"
#include "tests/export/film_frames.h"
#include "tests/gui/window_fixture.h"

using namespace orrery;
using namespace orrery::app;

namespace {

StagePane& smallScene(OpenWindow& open) {
  open.settings.set("film/width", 320);
  open.settings.set("film/height", 200);
  open.settings.set("film/rate", 20);
  StagePane& pane = open.open(flagship);
  REQUIRE(pane.session().set({{"particles", std::int64_t{256}}, {"steps", std::int64_t{48}}}));
  REQUIRE(pane.session().wait());
  pane.session().seek(0);
  REQUIRE(pane.session().wait());
  return pane;
}

}  // namespace

TEST_CASE("The record button records what plays, changes of parameters and all, while the window goes on") {
  OpenWindow open;
  StagePane& pane = smallScene(open);
  const QTemporaryDir folder;
  const QString path = folder.filePath("film.mp4");
  open.window->setRecordingPath(path);
  auto* record = pane.transport().findChild<QToolButton*>("record");
  REQUIRE(record);
  REQUIRE(eventually([&] { return open.window->actions().find("record")->isEnabled(); }));
  pane.session().setLoop(true);
  QTest::mouseClick(record, Qt::LeftButton);
  CHECK(pane.session().playing());
  CHECK(record->isChecked());
  QTest::qWait(700);
  REQUIRE(pane.session().set("seed", std::int64_t{99}));
  QTest::qWait(700);
  auto* recording = pane.findChild<FilmRecording*>();
  REQUIRE(recording);
  const auto shots = recording->shots().size();
  CHECK(shots >= 20);
  std::size_t changes = 0;
  for (const auto& shot : recording->shots()) changes += shot.changes.size();
  CHECK(changes == 1);
  QTest::mouseClick(record, Qt::LeftButton);
  CHECK_FALSE(record->isChecked());

  // The window answers while the film is made: no turn of its loop takes long.
  QElapsedTimer clock;
  qint64 longest = 0;
  REQUIRE(eventually([&] {
    longest = std::max(longest, clock.isValid() ? clock.restart() : (clock.start(), qint64{0}));
    return QFileInfo::exists(path);
  }));
  CHECK(longest < 2000);  // 15 ms of waiting and a turn of the loop; two seconds allow for a machine with ten others on it
  CHECK(open.window->cards().isEmpty());
  REQUIRE(eventually([&] { return open.window->findChild<FilmCard*>() == nullptr; }));
  const auto film = orrery::testing::readFilm(path.toStdString());
  CHECK(film.frames.size() >= shots);
  CHECK(film.frames.size() <= shots + 10);
  CHECK(film.frames.front().width == 320);

  // Dropped on the window it brings its scene back: the values at its beginning.
  const auto* before = open.window->currentPane();
  open.window->openPaths({path});
  REQUIRE(eventually([&] { return open.window->currentPane() != nullptr && open.window->currentPane() != before; }));
  CHECK(open.window->currentPane()->session().lab().id == flagship);
  CHECK(std::get<std::int64_t>(open.window->currentPane()->session().value("steps")) == 48);
  CHECK(std::get<std::int64_t>(open.window->currentPane()->session().value("seed")) != 99);
}

TEST_CASE("Export film makes a film of the dialog's fields") {
  OpenWindow open;
  smallScene(open);
  const QTemporaryDir folder;
  open.window->exportFilm();
  auto* dialog = open.window->findChild<FilmDialog*>("filmDialog");
  REQUIRE(dialog);
  const auto plan = dialog->plan();
  REQUIRE(plan.hasValue());
  // 49 positions at 60 a second.
  CHECK(plan->seconds == Approx(49.0 / 60).margin(0.01));
  dialog->exportTo(folder.filePath("film"));
  REQUIRE(eventually([&] { return QFileInfo::exists(folder.filePath("film.mp4")); }));
  CHECK(orrery::testing::readFilm(folder.filePath("film.mp4").toStdString()).frames.size() == 16);
  CHECK(exporting::readRecipe(folder.filePath("film.mp4").toStdString()).hasValue());
  REQUIRE(eventually([&] { return open.window->findChild<FilmCard*>() == nullptr; }));

}

TEST_CASE("Several parameters move by key frames set from the window, while the film dialog is open") {
  OpenWindow open;
  StagePane& pane = smallScene(open);
  open.window->exportFilm();
  auto* dialog = open.window->findChild<FilmDialog*>("filmDialog");
  REQUIRE(dialog);
  CHECK_FALSE(dialog->isModal());
  REQUIRE(dialog->plan().hasValue());  // the timeline plays
  CHECK(dialog->plan()->animations.empty());

  auto &steps = dialog->addTrack(), &scene = dialog->addTrack();
  CHECK(steps.parameter() != scene.parameter());
  steps.setParameter("steps");
  scene.setParameter("scene");
  auto plan = dialog->plan();
  REQUIRE(plan.hasValue());
  REQUIRE(plan->animations.size() == 2);
  CHECK(exporting::toText(plan->animations[0]) == "steps=48:2000:log");  // what is proposed: from here to the end of the range
  CHECK(plan->animations[1].keys.size() > 3);                             // every choice in turn

  // The first key frame takes the place of what was proposed, and alone it is no motion.
  steps.setKey();
  REQUIRE_FALSE(dialog->plan().hasValue());
  CHECK(dialog->plan().error().message.find("one value does not move") != std::string::npos);
  const auto goTo = [&](std::int64_t frame) {
    pane.session().seek(frame);
    REQUIRE(pane.session().wait());
    REQUIRE(eventually([&] { return pane.session().picture()->frame == frame; }));
  };
  goTo(36);
  REQUIRE(pane.session().set("noise-share-left", 0.5));
  scene.setParameter("noise-share-left");
  scene.setKey();
  goTo(12);
  REQUIRE(pane.session().set("noise-share-left", 1.5));
  scene.setKey();
  REQUIRE(pane.session().set("noise-share-left", 2.0));
  scene.setKey();  // again at the same place: this one counts
  steps.setParameter("scene");
  plan = dialog->plan();
  REQUIRE(plan.hasValue());
  CHECK(exporting::toText(plan->animations[1]) == "noise-share-left=2@25%:0.5@75%:linear");

  steps.setParameter("noise-share-left");
  REQUIRE_FALSE(dialog->plan().hasValue());
  CHECK(dialog->plan().error().message.find("moves twice") != std::string::npos);
  dialog->close();
}

TEST_CASE("A film under way is cancelled without a trace, and one that cannot be written is a card") {
  OpenWindow open;
  StagePane& pane = smallScene(open);
  const QTemporaryDir folder;
  exporting::FilmPlan lengthy;
  lengthy.seconds = 1000;
  open.window->startFilm(pane.session().toJson(), lengthy, folder.filePath("long.mp4"));
  auto* card = open.window->findChild<FilmCard*>();
  REQUIRE(card);
  REQUIRE(eventually([&] { return QFileInfo::exists(folder.filePath("long.mp4.partial.mp4")); }));
  QElapsedTimer clock;
  clock.start();
  QTest::mouseClick(card->findChild<QPushButton*>(), Qt::LeftButton);
  REQUIRE(eventually([&] { return open.window->findChild<FilmCard*>() == nullptr; }));
  CHECK(clock.elapsed() < 5000);
  CHECK(QDir(folder.path()).entryList(QDir::Files).isEmpty());
  CHECK(open.window->cards().isEmpty());

  // A folder that is not there is a card.
  lengthy.seconds = 1;
  open.window->startFilm(pane.session().toJson(), lengthy, folder.filePath("no/folder/film.mp4"));
  REQUIRE(eventually([&] { return !open.window->cards().isEmpty(); }));
}
