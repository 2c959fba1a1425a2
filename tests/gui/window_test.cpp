// The window under Xvfb: opens, moves a slider, undoes, drags a file in, exports, speaks Chinese, closes.

#include <QAbstractButton>
#include <QAbstractItemView>
#include <QAccessible>
#include <QComboBox>
#include <QDir>
#include <QDropEvent>
#include <QLabel>
#include <QLineEdit>
#include <QMenuBar>
#include <QMimeData>
#include <QPushButton>
#include <QTemporaryDir>
#include <QWheelEvent>
#include <QXmlStreamReader>
#include <fstream>

#include "app/inspector/inspector.h"
#include "app/inspector/number_row.h"
#include "app/inspector/row_label.h"
#include "app/inspector/slider.h"
#include "app/inspector/small_widgets.h"
#include "app/shell/actions.h"
#include "app/shell/drop_overlay.h"
#include "app/shell/error_card.h"
#include "app/shell/export_dialog.h"
#include "app/shell/library_dock.h"
#include "app/shell/start_page.h"
#include "app/shell/transport_bar.h"
#include "core/base/files.h"
#include "tests/gui/window_fixture.h"

using namespace orrery;
using namespace orrery::app;

namespace {

// The first visible slider of the inspector.
NumberRow* firstNumber(MainWindow& window) {
  for (NumberRow* row : window.inspector().findChildren<NumberRow*>())
    if (row->isVisible()) return row;
  return nullptr;
}

double numberOf(Session& session, const std::string& id) {
  const Value value = session.value(id);
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return static_cast<double>(*whole);
  return std::get<double>(value);
}

// A NumPy file of points [n, 2] f32, version 1.0.
QString writePoints(const QString& path, int n) {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(n) + ", 2), }";
  while ((10 + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  std::ofstream file(path.toStdString(), std::ios::binary);
  file << "\x93NUMPY" << '\x01' << '\x00' << static_cast<char>(header.size() & 255) << static_cast<char>(header.size() >> 8) << header;
  for (int i = 0; i < n; ++i) {
    const float point[2] = {static_cast<float>(i % 17) / 17 - 0.5f, static_cast<float>(i % 29) / 29 - 0.5f};
    file.write(reinterpret_cast<const char*>(point), sizeof(point));
  }
  return path;
}

void dragOver(QWidget* target, QMimeData& data) {
  QDragEnterEvent enter(QPoint(40, 40), Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
  QApplication::sendEvent(target, &enter);
  REQUIRE(enter.isAccepted());
}

void dropOn(QWidget* target, QMimeData& data) {
  QDropEvent drop(QPointF(40, 40), Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
  QApplication::sendEvent(target, &drop);
}

}  // namespace

TEST_CASE("The start page has a card for every lab and the first of them moves") {
  OpenWindow open;
  StartPage* start = open.window->currentStartPage();
  REQUIRE(start != nullptr);
  REQUIRE(start->cards().size() == static_cast<qsizetype>(registered<LabEntry>().size()));
  REQUIRE(open.window->library().shownLabs() == static_cast<int>(registered<LabEntry>().size()));
  QLabel* hint = nullptr;
  for (QLabel* label : start->findChildren<QLabel*>())
    if (label->text() == "Drop a model, image, text or detection file anywhere") hint = label;
  CHECK(hint != nullptr);
  QImage first;
  int different = 0;
  Thumbnails* thumbnails = open.window->findChild<Thumbnails*>();
  Thumbnails own(sharedDevice());
  if (!thumbnails) thumbnails = &own;
  own.setLive(flagship);
  QObject::connect(thumbnails, &Thumbnails::arrived, open.window.get(), [&](const QString& lab, const QImage& picture) {
    if (lab != flagship) return;
    if (!first.isNull() && first != picture) ++different;
    first = picture;
  });
  CHECK(eventually([&] { return different >= 2; }));
}

TEST_CASE("The moving card holds no other card up, and none is made while a stage is in use") {
  const std::string other = "generative/score-smld";
  Thumbnails thumbnails(sharedDevice());
  int arrivals = 0;
  QObject::connect(&thumbnails, &Thumbnails::arrived, &thumbnails, [&](const QString& lab) { arrivals += lab.toStdString() == other; });
  // Without what earlier starts left on disk.
  QDir(QString::fromStdString(cacheFolder()) + "/thumbnails").removeRecursively();
  thumbnails.setLive(flagship);
  thumbnails.picture(flagship);
  thumbnails.picture(QString::fromStdString(other));
  QTest::qWait(500);
  CHECK(arrivals == 0);
  thumbnails.setAwake(true);
  CHECK(eventually([&] { return arrivals == 1; }));
}

TEST_CASE("Dragging a slider changes the picture and is one undo step") {
  OpenWindow open;
  StagePane& pane = open.open(flagship);
  NumberRow* row = firstNumber(*open.window);
  REQUIRE(row != nullptr);
  const std::string id = row->parameter().id;
  const double before = numberOf(pane.session(), id);
  REQUIRE_FALSE(pane.session().canUndo());
  REQUIRE(pane.session().wait().hasValue());
  QTest::qWait(300);
  const QImage canvasBefore = pane.viewport().grabCanvas();
  REQUIRE_FALSE(canvasBefore.isNull());
  const std::uint64_t serial = pane.session().picture()->serial;

  Slider* slider = row->slider();
  const int y = slider->height() / 2;
  const int from = slider->width() / 4;
  QTest::mousePress(slider, Qt::LeftButton, {}, {from, y});
  for (int x = from; x <= slider->width() * 3 / 4; x += 12) QTest::mouseMove(slider, {x, y});
  QTest::mouseRelease(slider, Qt::LeftButton, {}, {slider->width() * 3 / 4, y});

  CHECK(numberOf(pane.session(), id) != before);
  CHECK_FALSE(pane.session().isDefault(id));
  REQUIRE(eventually([&] { return pane.session().picture()->serial > serial; }));
  REQUIRE(pane.session().wait().hasValue());
  CHECK(eventually([&] { return pane.viewport().grabCanvas() != canvasBefore; }, 10000));

  // The whole drag is one step back.
  QAction* undo = open.window->actions().find("undo");
  REQUIRE(undo->isEnabled());
  undo->trigger();
  CHECK(numberOf(pane.session(), id) == before);
  CHECK_FALSE(pane.session().canUndo());
  open.window->actions().find("redo")->trigger();
  CHECK(numberOf(pane.session(), id) != before);

  // Double click on the label resets.
  QTest::mouseDClick(row->findChild<RowLabel*>(), Qt::LeftButton);
  CHECK(numberOf(pane.session(), id) == before);
  CHECK(pane.session().isDefault(id));
}

TEST_CASE("Number fields take expressions, refuse nonsense in words, and the wheel scrolls instead of editing") {
  OpenWindow open;
  StagePane& pane = open.open(flagship);
  NumberRow* row = firstNumber(*open.window);
  REQUIRE(row != nullptr);
  const std::string id = row->parameter().id;
  const double before = numberOf(pane.session(), id);
  QLineEdit* field = row->field();
  field->setFocus();
  field->selectAll();
  QTest::keyClicks(field, "1/0 banana");
  QTest::keyClick(field, Qt::Key_Return);
  CHECK(numberOf(pane.session(), id) == before);
  QLabel* problem = row->findChild<QLabel*>("wrong");
  REQUIRE(problem != nullptr);
  CHECK(problem->isVisible());
  CHECK_FALSE(problem->text().isEmpty());

  // Half of what it is now, as an expression.
  field->selectAll();
  QTest::keyClicks(field, QString::fromStdString(toText(pane.session().value(id))) + "/2*1");
  QTest::keyClick(field, Qt::Key_Return);
  CHECK(problem->isHidden());
  CHECK(numberOf(pane.session(), id) == Approx(before / 2).margin(1));

  const double now = numberOf(pane.session(), id);
  Slider* slider = row->slider();
  QWheelEvent wheel(QPointF(10, 8), slider->mapToGlobal(QPointF(10, 8)), {}, {0, 120}, Qt::NoButton, Qt::NoModifier, Qt::NoScrollPhase, false);
  QApplication::sendEvent(slider, &wheel);
  CHECK(numberOf(pane.session(), id) == now);
}

TEST_CASE("A file says what it will do while it hovers and does it when it is dropped") {
  OpenWindow open;
  QTemporaryDir folder;
  const QString path = writePoints(folder.filePath("points.npy"), 400);
  QMimeData data;
  data.setUrls({QUrl::fromLocalFile(path)});
  dragOver(open.window.get(), data);
  REQUIRE(eventually([&] { return open.window->dropOverlay().text().startsWith("Open in "); }));
  CHECK(open.window->dropOverlay().isVisible());
  dropOn(open.window.get(), data);
  // Several labs take points: a small list asks which.
  const QString wanted = QString::fromStdString(findRegistered<LabEntry>(flagship)->title);
  QPushButton* choice = nullptr;
  REQUIRE(eventually([&] {
    for (auto* button : open.window->findChildren<QPushButton*>()) {
      if (button->accessibleName() == wanted) choice = button;
    }
    return choice != nullptr;
  }));
  choice->click();
  REQUIRE(eventually([&] { return open.window->currentPane() != nullptr; }));
  CHECK(open.window->dropOverlay().isHidden());
  Session& session = open.window->currentPane()->session();
  CHECK(session.lab().id == flagship);
  bool held = false;
  for (const auto& [id, value] : session.values())
    if (const auto* asset = std::get_if<Asset>(&value)) held = held || asset->path == path.toStdString();
  CHECK(held);
  const auto done = session.wait();
  INFO((done ? std::string() : done.error().message));
  CHECK(done.hasValue());
}

TEST_CASE("A file nobody takes and a file that is not there are answered in a card") {
  OpenWindow open;
  QTemporaryDir folder;
  const QString path = folder.filePath("noise.bin");
  std::ofstream(path.toStdString(), std::ios::binary) << std::string(300, '\x07');
  open.window->openPaths({path});
  REQUIRE(eventually([&] { return open.window->cards().size() == 1; }));
  CHECK_FALSE(open.window->cards().front()->message().isEmpty());
  open.window->openPaths({folder.filePath("absent.npz")});
  REQUIRE(eventually([&] { return open.window->cards().size() == 2; }));
  CHECK(open.window->currentPane() == nullptr);
  // Dismissing puts a card away.
  for (QAbstractButton* button : open.window->cards().front()->findChildren<QAbstractButton*>())
    if (button->accessibleName() == "Dismiss") button->click();
  CHECK(eventually([&] { return open.window->cards().size() == 1; }));
}

TEST_CASE("An exported SVG has text and a recipe, and dropping it brings the scene back") {
  OpenWindow open;
  StagePane& pane = open.open(flagship);
  NumberRow* row = firstNumber(*open.window);
  const std::string id = row->parameter().id;
  emit row->typed(QString::fromStdString(toText(pane.session().value(id))) + "/2*1");
  const double value = numberOf(pane.session(), id);
  REQUIRE(pane.session().wait().hasValue());
  QTemporaryDir folder;
  const QString path = folder.filePath("figure.svg");
  open.window->exportFigure();
  auto* dialog = open.window->findChild<ExportDialog*>();
  REQUIRE(dialog != nullptr);
  REQUIRE(eventually([&] { return !dialog->findChild<QLabel*>("preview")->pixmap().isNull(); }));
  REQUIRE(dialog->format() == "svg");
  dialog->exportTo(path);
  REQUIRE(eventually([&] { return QFile::exists(path); }));
  QFile file(path);
  REQUIRE(file.open(QIODevice::ReadOnly));
  QXmlStreamReader xml(&file);
  int texts = 0;
  while (!xml.atEnd()) texts += xml.readNext() == QXmlStreamReader::StartElement && xml.name() == QLatin1String("text") ? 1 : 0;
  CHECK_FALSE(xml.hasError());
  CHECK(texts > 3);

  open.window->openPaths({path});
  REQUIRE(eventually([&] { return open.window->currentPane() != nullptr && open.window->currentPane() != &pane; }));
  CHECK(numberOf(open.window->currentPane()->session(), id) == value);
}

TEST_CASE("Playing moves on, stepping and scrubbing go where they say") {
  OpenWindow open;
  StagePane& pane = open.open(flagship);
  REQUIRE(pane.session().wait().hasValue());
  const auto picture = pane.session().picture();
  REQUIRE(picture->frames > 2);
  CHECK(eventually([&] { return pane.transport().isVisible(); }, 5000));
  open.window->actions().find("start")->trigger();
  REQUIRE(pane.session().wait().hasValue());
  open.window->actions().find("step")->trigger();
  REQUIRE(eventually([&] { return pane.session().picture()->frame == 1; }));
  open.window->actions().find("play")->trigger();
  REQUIRE(eventually([&] { return pane.session().picture()->frame > 2; }));
  open.window->actions().find("play")->trigger();
  CHECK_FALSE(pane.session().playing());
}

TEST_CASE("In Chinese no English label is left in menus, inspector, library and transport, and none comes back") {
  OpenWindow open;
  open.open(flagship);
  open.window->setLanguage("zh");
  REQUIRE(eventually([&] { return !open.window->menuBar()->actions().empty() && open.window->menuBar()->actions().front()->text().contains(QStringLiteral("文件")); }));
  QTest::qWait(50);
  QStringList texts;
  for (QLabel* label : open.window->findChildren<QLabel*>()) texts << label->text();
  for (QAbstractButton* button : open.window->findChildren<QAbstractButton*>()) texts << button->text() << button->toolTip() << button->accessibleName();
  for (QComboBox* combo : open.window->findChildren<QComboBox*>())
    for (int i = 0; i < combo->count(); ++i) texts << combo->itemText(i);
  for (QLineEdit* line : open.window->findChildren<QLineEdit*>()) texts << line->placeholderText();
  for (const Command& command : open.window->paletteCommands()) texts << command.title << command.detail;
  QStringList english;
  for (const QString& text : texts)
    if (!text.isEmpty() && orrery::tr(text.toStdString()) != text.toStdString()) english << text;
  INFO(english.join(" | ").toStdString());
  CHECK(english.isEmpty());
  open.window->setLanguage("en");
  REQUIRE(eventually([&] { return open.window->menuBar()->actions().front()->text() == "&File"; }));
}

TEST_CASE("Every control has an accessible name") {
  OpenWindow open;
  const auto check = [&] {
    QStringList nameless;
    for (QWidget* widget : open.window->findChildren<QWidget*>()) {
      const bool control = qobject_cast<QAbstractButton*>(widget) || qobject_cast<QLineEdit*>(widget) || qobject_cast<QAbstractSlider*>(widget) ||
                           qobject_cast<QComboBox*>(widget) || qobject_cast<QAbstractItemView*>(widget) || qobject_cast<Viewport*>(widget);
      // Parts of Qt's own compound widgets (a scroll area's bars, a combo box's list) are named by the widget they belong to.
      if (!control || widget->objectName().startsWith("qt_") || QByteArray(widget->metaObject()->className()).startsWith("QScrollBar") ||
          !widget->isVisible() || qobject_cast<QComboBox*>(widget->parentWidget()) || qobject_cast<QLineEdit*>(widget->parentWidget()))
        if (!(control && widget->objectName() == "reroll")) continue;
      QAccessibleInterface* accessible = QAccessible::queryAccessibleInterface(widget);
      if (!accessible || accessible->text(QAccessible::Name).trimmed().isEmpty())
        nameless << QString("%1 '%2' in %3").arg(widget->metaObject()->className(), widget->objectName(), widget->parentWidget()->metaObject()->className());
    }
    INFO(nameless.join(" | ").toStdString());
    CHECK(nameless.isEmpty());
  };
  check();
  open.open(flagship);
  check();
}

TEST_CASE("The palette reaches every action, lab, preset and parameter") {
  OpenWindow open;
  StagePane& pane = open.open(flagship);
  QStringList titles;
  for (const Command& command : open.window->paletteCommands()) titles << command.title;
  for (const ActionEntry& entry : open.window->actions().entries()) {
    INFO(entry.id.toStdString());
    CHECK(titles.contains(withoutMnemonic(entry.action->text())));
  }
  const std::function<void(QMenu*)> walk = [&](QMenu* menu) {
    for (QAction* action : menu->actions()) {
      if (action->menu()) walk(action->menu());
      else if (!action->isSeparator()) CHECK(titles.contains(withoutMnemonic(action->text())));
    }
  };
  for (QAction* top : open.window->menuBar()->actions()) walk(top->menu());
  for (const LabEntry& lab : registered<LabEntry>()) {
    CHECK(titles.contains(QString::fromStdString(lab.title)));
    for (const Preset& preset : lab.presets) CHECK(titles.contains(QString::fromStdString(preset.title)));
  }
  for (const Parameter& parameter : pane.session().lab().parameters) CHECK(titles.contains(QString::fromStdString(parameter.label)));
  CHECK(matchScore("exp fig", "Export figure…") > 0);
  CHECK(matchScore("fig", "Export figure…") > matchScore("igu", "Export figure…"));
  CHECK(matchScore("banana", "Export figure…") == 0);
}

TEST_CASE("Compare opens a second copy with the same parameters") {
  OpenWindow open;
  StagePane& pane = open.open(flagship);
  NumberRow* row = firstNumber(*open.window);
  const std::string id = row->parameter().id;
  emit row->typed(QString::fromStdString(toText(pane.session().value(id))) + "/2*1");
  const double value = numberOf(pane.session(), id);
  open.window->actions().find("compare")->trigger();
  REQUIRE(open.window->currentPane() != &pane);
  CHECK(numberOf(open.window->currentPane()->session(), id) == value);
  open.window->actions().find("compare")->trigger();
  CHECK(open.window->currentPane() != nullptr);
}

TEST_CASE("Hiding all chrome and showing it again loses nothing, in both themes") {
  OpenWindow open;
  open.open(flagship);
  QAction* chrome = open.window->actions().find("toggle-chrome");
  chrome->trigger();
  CHECK_FALSE(open.window->inspector().isVisible());
  CHECK_FALSE(open.window->library().isVisible());
  chrome->trigger();
  CHECK(open.window->inspector().isVisible());
  CHECK(open.window->library().isVisible());
  open.window->setTheme(ThemeChoice::light);
  CHECK(themeInUse() == ThemeKind::light);
  QTest::qWait(50);
  CHECK(open.window->inspector().isVisible());
  open.window->setTheme(ThemeChoice::dark);
  QTest::qWait(50);
  CHECK(themeInUse() == ThemeKind::dark);
}

namespace {

int threads() { return static_cast<int>(QDir("/proc/self/task").entryList(QDir::Dirs | QDir::NoDotAndDotDot).size()); }

}  // namespace

TEST_CASE("Closing leaves no threads behind, and the device saw no misuse") {
  {
    OpenWindow first;                                // warms what lives as long as the process: the device's own threads, Qt's pools
    first.open(flagship);
  }
  QTest::qWait(200);
  const int before = threads();
  {
    OpenWindow second;
    second.open(flagship);
    second.window->newTab();
    second.window->openLab(flagship, true);
  }
  CHECK(eventually([&] { return threads() <= before; }, 10000));
  std::string messages;
  for (const std::string& message : sharedDevice()->validationMessages()) messages += message + "\n";
  INFO(messages);
  CHECK(messages.empty());
}
