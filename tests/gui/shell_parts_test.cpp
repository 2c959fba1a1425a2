// Parts of the window that need no window: formulas in notes, number display, the journal, drop plans.

#include <QTemporaryDir>
#include <QTextBlock>
#include <algorithm>
#include <fstream>

#include "app/inspector/number_row.h"
#include "app/shell/drop_controller.h"
#include "app/shell/journal_keeper.h"
#include "app/shell/notes_dock.h"
#include "core/data/image.h"
#include "tests/gui/window_fixture.h"

using namespace orrery;
using namespace orrery::app;

TEST_CASE("A formula without a picture falls back to its TeX, and code is left alone") {
  QTemporaryDir folder;
  int missing = 0;
  const QString text = withFormulaImages("a $x^2$ b `$y$` c\n\n$$\\frac{1}{2}$$", folder.path(), &missing);
  CHECK(missing == 2);
  CHECK(text.contains("`x^2`"));
  CHECK(text.contains("`$y$`"));
  CHECK(text.contains("`\\frac{1}{2}`"));
}

TEST_CASE("A formula with a picture becomes an image named by the recipe's hash") {
  // printf 'i:x^2' | sha256sum
  CHECK(formulaHash({"x^2", false}) == formulaHash({" x^2 ", false}));
  CHECK(formulaHash({"x^2", false}) != formulaHash({"x^2", true}));
  QTemporaryDir folder;
  REQUIRE(QDir(folder.path()).mkpath("formulas"));
  const QString hash = formulaHash({"x^2", false});
  CHECK(hash == "d3d5911c4c99");
  std::ofstream((folder.path() + "/formulas/" + hash + ".svg").toStdString()) << "<svg/>";
  CHECK(withFormulaImages("a $x^2$ b", folder.path()) == "a ![formula](formula:" + hash + ") b");
}

TEST_CASE("Notes show their formulas as images and never as dollars") {
  application();
  for (const LabEntry& lab : registered<LabEntry>()) {
    const QString id = QString::fromStdString(lab.id);
    if (!QFile::exists(notesFolder(id) + "/notes.en.md")) continue;
    INFO(lab.id);
    Notes notes;
    notes.setLab(id);
    int images = 0;
    for (QTextBlock block = notes.document()->begin(); block.isValid(); block = block.next())
      for (auto it = block.begin(); !it.atEnd(); ++it) images += it.fragment().charFormat().isImageFormat() ? 1 : 0;
    CHECK(images > 0);
    CHECK_FALSE(notes.toPlainText().contains('$'));
  }
}

TEST_CASE("Every formula in every note has its picture") {
  int missing = 0;
  QStringList without;
  for (const LabEntry& lab : registered<LabEntry>()) {
    const QString folder = notesFolder(QString::fromStdString(lab.id));
    for (const char* language : {"en", "zh"}) {
      QFile file(folder + "/notes." + language + ".md");
      if (!file.open(QIODevice::ReadOnly)) continue;
      const int before = missing;
      withFormulaImages(QString::fromUtf8(file.readAll()), folder, &missing);
      if (missing > before) without << file.fileName();
    }
  }
  INFO("run packaging/dev/formulas.py for " << without.join(", ").toStdString());
  CHECK(missing == 0);
}

TEST_CASE("Fields show about four digits, group large numbers and use a true minus sign") {
  const NumberScale unit{0, 1, 0.01, false, false}, wide{0, 1e6, 0, false, false}, whole{0, 1e9, 1, false, true}, log{1e-6, 1, 0, true, false};
  CHECK(displayNumber(1, unit) == "1.00");
  CHECK(displayNumber(0.5, unit) == "0.50");
  CHECK(displayNumber(-0.25, {-1, 1, 0.01, false, false}) == QString(QChar(0x2212)) + "0.25");
  CHECK(displayNumber(20261120, whole) == QStringLiteral("20\u202F261\u202F120"));
  CHECK(displayNumber(128, whole) == "128");
  CHECK(displayNumber(3e-5, log) == QString("3e") + QChar(0x2212) + "5");
  CHECK(displayNumber(123456, wide) == QStringLiteral("123\u202F456"));
}

TEST_CASE("A slider's position and its value are inverse to each other") {
  for (const NumberScale scale : {NumberScale{0.01, 1, 0.005, false, false}, NumberScale{1e-5, 1, 0, true, false}, NumberScale{2, 2000, 1, true, true},
                                  NumberScale{0, 64, 1, false, true}}) {
    CHECK(scale.valueAt(0) == scale.low);
    CHECK(scale.valueAt(1) == scale.high);
    for (double fraction = 0; fraction <= 1; fraction += 0.05) {
      const double value = scale.valueAt(fraction);
      CHECK(value >= scale.low);
      CHECK(value <= scale.high);
      // A value rounded to the slider's grid stays there.
      CHECK(scale.valueAt(scale.fractionOf(value)) == Approx(value).epsilon(0.011).margin(scale.step));
      if (scale.integer) CHECK(value == std::round(value));
    }
    CHECK(scale.nudged(scale.high, 1, true) == scale.high);
    CHECK(scale.nudged(scale.low, 1, false) > scale.low);
  }
}

TEST_CASE("What was open comes back after a crash, and not after a proper end") {
  application();
  {
    JournalKeeper keeper(false);
    keeper.endedWell();
  }
  {
    JournalKeeper keeper(false);
    CHECK(keeper.leftBehind().isEmpty());
    keeper.record("{\"tabs\":[1]}");
    keeper.record("{\"tabs\":[2]}");
  }  // no endedWell(): as if killed
  {
    JournalKeeper keeper(false);
    CHECK(keeper.leftBehind() == "{\"tabs\":[2]}");
    // A second window at the same time keeps its own.
    JournalKeeper other(false);
    CHECK(other.leftBehind().isEmpty());
    keeper.endedWell();
  }
  JournalKeeper keeper(false);
  CHECK(keeper.leftBehind().isEmpty());
}

TEST_CASE("A damaged or unknown scene is refused with a sentence") {
  QTemporaryDir folder;
  const QString path = folder.filePath("scene.orrery");
  std::ofstream(path.toStdString()) << "{\"orrery\": 1, \"lab\": \"nowhere/nothing\"";
  DropPlan plan = planFor({path});
  CHECK_FALSE(plan.possible());
  REQUIRE(plan.error.has_value());
  CHECK_FALSE(plan.error->message.empty());
  plan = planFor({folder.filePath("absent")});
  CHECK_FALSE(plan.possible());
  CHECK(plan.error.has_value());
}

TEST_CASE("A folder of pictures and several pictures together are offered to the labs that take them as a set") {
  QTemporaryDir folder;
  QStringList paths;
  const std::string picture = encodeRgbPng(std::vector<std::uint8_t>(3 * 12 * 12, 77), 12, 12);
  for (const char* name : {"a.png", "b.png", "c.png"}) {
    paths << folder.filePath(name);
    std::ofstream(paths.back().toStdString(), std::ios::binary) << picture;
  }
  const DropPlan whole = planFor({folder.path()});
  REQUIRE(whole.possible());
  CHECK(whole.reports.front().counts.at("pictures") == 3);
  const DropPlan several = planFor(paths);
  REQUIRE(several.possible());
  for (const DropPlan* plan : {&whole, &several}) {
    const auto ddpm = std::find_if(plan->targets.begin(), plan->targets.end(), [](const DropTarget& target) { return target.lab->id == "generative/ddpm"; });
    REQUIRE(ddpm != plan->targets.end());
    CHECK(ddpm->acceptance->parameter == "folder");
    CHECK(plan->sentence("generative/ddpm").contains("a folder of pictures"));
    // Whoever takes only one of them comes after.
    CHECK(plan->targets.front().acceptance->names == "files");
  }
  // Nothing but text: what it is, and what was expected.
  QTemporaryDir empty;
  std::ofstream(empty.filePath("notes.txt").toStdString()) << "words";
  const DropPlan nothing = planFor({empty.path()});
  CHECK_FALSE(nothing.possible());
  CHECK(nothing.error->message.find("without pictures") != std::string::npos);
}
