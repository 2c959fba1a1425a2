// Parts of the window that need no window: formulas in notes, number display, the journal, drop plans.

#include <QTemporaryDir>
#include <QTextBlock>
#include <fstream>

#include "app/inspector/number_row.h"
#include "app/shell/drop_controller.h"
#include "app/shell/journal_keeper.h"
#include "app/shell/notes_dock.h"
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
