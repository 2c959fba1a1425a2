// Menus, docks, theme, language and the palette of the main window. All of it can be thrown away and built again, which is how the language
// changes at run time; pages and sessions stay.

#include <QAbstractItemView>
#include <QApplication>
#include <QClipboard>
#include <QComboBox>
#include <QDesktopServices>
#include <QDockWidget>
#include <QKeyEvent>
#include <QLineEdit>
#include <QMenuBar>
#include <QMessageBox>
#include <QPlainTextEdit>
#include <QSlider>
#include <QStackedWidget>
#include <QTabBar>
#include <QToolButton>
#include <nlohmann/json.hpp>

#include "app/inspector/icons.h"
#include "app/inspector/inspector.h"
#include "app/inspector/small_widgets.h"
#include "app/shell/actions.h"
#include "app/shell/keys_dialog.h"
#include "app/shell/lab_page.h"
#include "app/shell/library_dock.h"
#include "app/shell/main_window.h"
#include "app/shell/notes_dock.h"
#include "app/shell/stage_pane.h"
#include "app/shell/start_page.h"
#include "app/shell/status_line.h"
#include "app/shell/transport_bar.h"
#include "app/viewport/viewport.h"
#include "core/base/text.h"

namespace orrery::app {

namespace {

constexpr int libraryWidth = 232, inspectorWidth = 300, notesHeight = 240;

QDockWidget* dockFor(QMainWindow* window, const QString& name, const QString& title, QWidget* body, Qt::DockWidgetArea area) {
  auto* dock = new QDockWidget(title, window);
  dock->setObjectName(name);
  dock->setFeatures(QDockWidget::DockWidgetClosable);
  dock->setTitleBarWidget(new QWidget(dock));        // quiet: no title bar
  dock->setWidget(body);
  window->addDockWidget(area, dock);
  return dock;
}

QKeySequence key(const char* text) { return QKeySequence(QString::fromLatin1(text), QKeySequence::PortableText); }

}  // namespace

void MainWindow::buildChrome() {
  tabRow_->findChild<QToolButton*>("newTab")->setToolTip(tr("New tab"));
  tabRow_->findChild<QToolButton*>("newTab")->setAccessibleName(tr("New tab"));
  tabs_->setAccessibleName(tr("Open labs"));

  library_ = new Library(thumbnails_, this);
  libraryDock_ = dockFor(this, "library", tr("Library"), library_, Qt::LeftDockWidgetArea);
  connect(library_, &Library::labChosen, this, &MainWindow::openLab);
  inspector_ = new Inspector(this);
  inspectorDock_ = dockFor(this, "inspector", tr("Inspector"), inspector_, Qt::RightDockWidgetArea);
  connect(inspector_, &Inspector::exportRequested, this, [this] { exportFigure(); });
  connect(inspector_, &Inspector::changed, this, &MainWindow::refreshActions);
  notes_ = new Notes(this);
  notesDock_ = dockFor(this, "notes", tr("Notes"), notes_, Qt::BottomDockWidgetArea);
  setCorner(Qt::BottomLeftCorner, Qt::LeftDockWidgetArea);
  setCorner(Qt::BottomRightCorner, Qt::RightDockWidgetArea);
  library_->setMinimumWidth(160);
  inspector_->setMinimumWidth(240);
  notes_->setMinimumHeight(80);
  resizeDocks({libraryDock_, inspectorDock_}, {libraryWidth, inspectorWidth}, Qt::Horizontal);
  resizeDocks({notesDock_}, {notesHeight}, Qt::Vertical);
  notesDock_->hide();

  status_ = new StatusLine(check_, this);
  setStatusBar(status_);
  status_->setDevice(QString::fromStdString(device_->summary().name));
  connect(status_, &StatusLine::reportRequested, this, [this] { check_.showReport(this); });
  connect(status_, &StatusLine::cancelRequested, this, [this] {
    if (StagePane* pane = currentPane()) pane->session().cancel();
  });

  actions_ = new Actions(settings_, this);
  const QByteArray layout = settings_.value("window/layout").toByteArray();
  if (!layout.isEmpty()) restoreState(layout);
  inspectorWanted_ = settings_.value("window/inspector", true).toBool();
  buildMenus();

  QStringList names;
  for (const Recent& recent : settings_.recents().mid(0, 3)) names << recent.title();
  library_->setRecentLine(names.isEmpty() ? QString() : tr("Recent: %1").arg(names.join(QStringLiteral(" · "))));
}

void MainWindow::buildMenus() {
  auto* bar = new QMenuBar(this);
  setMenuBar(bar);
  Actions& a = *actions_;
  const auto lab = [](QAction* action) { action->setProperty("needsLab", true); };

  QMenu* file = bar->addMenu(tr("&File"));
  a.add(file, "new-tab", tr("New tab"), "plus", key("Ctrl+T"), [this] { newTab(); });
  a.add(file, "open", tr("Open…"), "folder", key("Ctrl+O"), [this] { chooseFiles(); });
  recentMenu_ = file->addMenu(icon("file", IconTone::muted), tr("Open recent"));
  file->addSeparator();
  lab(a.add(file, "save-scene", tr("Save scene"), "save", key("Ctrl+S"), [this] { saveScene(); }));
  lab(a.add(file, "save-scene-as", tr("Save scene as…"), {}, key("Ctrl+Shift+S"), [this] { saveScene(true); }));
  file->addSeparator();
  lab(a.add(file, "export-figure", tr("Export figure…"), "export", key("Ctrl+E"), [this] { exportFigure(); }));
  lab(a.add(file, "export-film", tr("Export film…"), "film", key("Ctrl+Shift+E"), [this] { exportFilm(); }));
  lab(a.add(file, "copy-figure", tr("Copy figure"), "copy", key("Ctrl+Shift+C"), [this] { copyFigureNow(); }));
  lab(a.add(file, "export-data", tr("Export data…"), "data", key("Ctrl+Alt+E"), [this] { exportData(); }));
  a.add(file, "export-data-set", tr("Export data set…"), "folder", {}, [this] { exportDataSet(); });
  file->addSeparator();
  a.add(file, "close-tab", tr("Close tab"), "close", key("Ctrl+W"), [this] { closeTab(tabs_->currentIndex()); });
  a.add(file, "quit", tr("Quit"), {}, key("Ctrl+Q"), [this] { close(); });

  QMenu* edit = bar->addMenu(tr("&Edit"));
  a.add(edit, "undo", tr("&Undo"), "undo", key("Ctrl+Z"), [this] {
    if (StagePane* pane = currentPane()) pane->session().undo();
    paneChanged();
  });
  a.add(edit, "redo", tr("&Redo"), "redo", key("Ctrl+Shift+Z"), [this] {
    if (StagePane* pane = currentPane()) pane->session().redo();
    paneChanged();
  });
  edit->addSeparator();
  lab(a.add(edit, "reset-lab", tr("Reset lab"), "reset", key("R"), [this] {
    if (StagePane* pane = currentPane()) pane->session().resetAll();
    paneChanged();
  }));
  presetMenu_ = edit->addMenu(icon("preset", IconTone::muted), tr("Presets"));
  edit->addSeparator();
  a.add(edit, "search-labs", tr("Search labs"), "search", key("Ctrl+F"), [this] {
    actions_->find("show-library")->setChecked(true);
    library_->focusSearch();
  });
  a.add(edit, "palette", tr("Command palette"), "keys", key("Ctrl+Shift+P"), [this] { showPalette(); });

  QMenu* view = bar->addMenu(tr("&View"));
  const std::tuple<QDockWidget*, const char*, QString, const char*> docks[] = {{libraryDock_, "show-library", tr("Library"), "Ctrl+Shift+L"},
                                                                               {inspectorDock_, "show-inspector", tr("Inspector"), "Ctrl+Shift+I"},
                                                                               {notesDock_, "show-notes", tr("Notes"), "Ctrl+Shift+N"}};
  for (const auto& [dock, id, title, keys] : docks) {
    QAction* action = a.add(view, id, title, {}, key(keys), [] {});
    action->setCheckable(true);
    action->setChecked(dock == inspectorDock_ ? inspectorWanted_ : !dock->isHidden());
    connect(action, &QAction::toggled, this, [this, dock = dock](bool on) {
      if (dock == inspectorDock_) inspectorWanted_ = on;
      dock->setVisible(on && (dock != inspectorDock_ || currentPane()));
    });
  }
  a.add(view, "toggle-chrome", tr("Hide or show everything but the stage"), "fullscreen", key("Tab"), [this] { toggleChrome(); });
  view->addSeparator();
  lab(a.add(view, "fit", tr("Fit the picture"), "fit", key("F"), [this] {
    if (StagePane* pane = currentPane()) pane->viewport().fit();
  }));
  lab(a.add(view, "overlay", tr("Probes and GPU timings"), "overlay", key("H"), [this] {
    if (StagePane* pane = currentPane()) pane->viewport().setOverlayVisible(!pane->viewport().overlayVisible());
  }));
  a.add(view, "full-screen", tr("Full screen"), "fullscreen", key("F11"), [this] { isFullScreen() ? showNormal() : showFullScreen(); });
  view->addSeparator();
  QMenu* theme = view->addMenu(icon("sun", IconTone::muted), tr("Theme"));
  const std::tuple<const char*, QString, ThemeChoice> themes[] = {
      {"theme-system", tr("As the system"), ThemeChoice::system}, {"theme-light", tr("Light"), ThemeChoice::light}, {"theme-dark", tr("Dark"), ThemeChoice::dark}};
  for (const auto& [id, title, choice] : themes) {
    QAction* action = a.add(theme, id, title, {}, {}, [this, choice = choice] { setTheme(choice); });
    action->setCheckable(true);
    action->setChecked(settings_.theme() == choice);
  }
  QMenu* language = view->addMenu(icon("language", IconTone::muted), tr("Language"));
  for (const auto& [id, title] : {std::pair("en", QStringLiteral("English")), std::pair("zh", QStringLiteral("简体中文"))}) {
    QAction* action = a.add(language, QStringLiteral("language-") + id, title, {}, {}, [this, id = QString(id)] { setLanguage(id); });
    action->setCheckable(true);
    action->setChecked(orrery::language() == id);
  }
  QAction* motion = a.add(view, "reduce-motion", tr("Reduce motion"), {}, {}, [] {});
  motion->setCheckable(true);
  motion->setChecked(settings_.value("reduceMotion", desktopReducesMotion()).toBool());
  connect(motion, &QAction::toggled, this, [this](bool on) {
    settings_.set("reduceMotion", on);
    for (int i = 0; i < stack_->count(); ++i)
      if (auto* one = qobject_cast<LabPage*>(stack_->widget(i)))
        for (StagePane* pane : one->panes()) pane->viewport().setReduceMotion(on);
  });

  buildLabMenu();
  buildHelpMenu();
  fillRecentMenu();
  fillPresetMenu();
  fillDeviceMenu();

  // The way to everything, said where the eye looks for it.
  auto* anything = new QToolButton(bar);
  anything->setText(tr("Ctrl+Shift+P anything"));
  anything->setAccessibleName(tr("Command palette"));
  anything->setFont(smallFont());
  anything->setCursor(Qt::PointingHandCursor);
  connect(anything, &QToolButton::clicked, this, &MainWindow::showPalette);
  bar->setCornerWidget(anything, Qt::TopRightCorner);
}

void MainWindow::buildLabMenu() {
  Actions& a = *actions_;
  QMenu* menu = menuBar()->addMenu(tr("&Lab"));
  const auto time = [&](const char* id, const QString& text, const char* picture, const char* keys, void (*act)(TransportBar&)) {
    a.add(menu, id, text, picture, key(keys), [this, act] {
      if (StagePane* pane = currentPane()) act(pane->transport());
    })->setProperty("needsTime", true);
  };
  time("play", tr("Play or pause"), "play", "Space", [](TransportBar& bar) { bar.togglePlay(); });
  time("step-back", tr("Step back"), "step-back", "Left", [](TransportBar& bar) { bar.step(-1); });
  time("step", tr("Step forward"), "step", "Right", [](TransportBar& bar) { bar.step(1); });
  time("start", tr("Go to start"), "start", "Home", [](TransportBar& bar) { bar.goTo(false); });
  time("end", tr("Go to end"), "end", "End", [](TransportBar& bar) { bar.goTo(true); });
  time("loop", tr("Loop"), "loop", "L", [](TransportBar& bar) { bar.toggleLoop(); });
  time("record", tr("Record what plays"), "record", "Ctrl+Shift+R", [](TransportBar& bar) { emit bar.recordRequested(); });
  menu->addSeparator();
  a.add(menu, "compare", tr("Compare side by side"), "compare", key("Ctrl+\\"), [this] {
    LabPage* lab = currentLabPage();
    if (!lab) return;
    if (lab->comparing()) inspector_->setSession(nullptr);
    if (auto done = lab->toggleCompare(device_); !done) showError(tr("No second copy could be opened"), done.error());
    currentChanged();
  })->setProperty("needsLab", true);
  a.add(menu, "cancel", tr("Cancel the computation"), "close", key("Esc"), [this] {
    if (StagePane* pane = currentPane()) pane->session().cancel();
  })->setProperty("needsLab", true);
  menu->addSeparator();
  deviceMenu_ = menu->addMenu(icon("device", IconTone::muted), tr("Device"));
  a.add(menu, "check", tr("Check this device…"), "check", {}, [this] { check_.showReport(this); });
}

void MainWindow::buildHelpMenu() {
  Actions& a = *actions_;
  QMenu* window = menuBar()->addMenu(tr("&Window"));
  const auto turn = [this](int by) {
    if (tabs_->count() > 0) tabs_->setCurrentIndex((tabs_->currentIndex() + by + tabs_->count()) % tabs_->count());
  };
  a.add(window, "next-tab", tr("Next tab"), {}, key("Ctrl+Tab"), [turn] { turn(1); });
  a.add(window, "previous-tab", tr("Previous tab"), {}, key("Ctrl+Shift+Tab"), [turn] { turn(-1); });
  QMenu* help = menuBar()->addMenu(tr("&Help"));
  a.add(help, "keys-and-notes", tr("Keys and notes"), "notes", key("F1"), [this] {
    actions_->find("show-notes")->setChecked(true);
    showKeys(*actions_, this);
  });
  a.add(help, "about", tr("About Orrery"), "info", {}, [this] { about(); });
}

void MainWindow::fillRecentMenu() {
  recentMenu_->clear();
  const QList<Recent> recents = settings_.recents();
  int number = 0;
  for (const Recent& recent : recents) {
    QAction* action = recentMenu_->addAction(icon(recent.lab.isEmpty() ? "file" : "lab", IconTone::muted), recent.title());
    if (!recent.path.isEmpty()) action->setToolTip(recent.path);
    if (++number <= 9) action->setShortcut(QKeySequence(Qt::CTRL | static_cast<Qt::Key>(Qt::Key_0 + number)));
    connect(action, &QAction::triggered, this, [this, recent] { recent.lab.isEmpty() ? openPaths({recent.path}) : openLab(recent.lab); });
  }
  recentMenu_->setEnabled(!recents.isEmpty());
  if (recents.isEmpty()) return;
  recentMenu_->addSeparator();
  connect(recentMenu_->addAction(tr("Clear the list")), &QAction::triggered, this, [this] {
    settings_.clearRecents();
    fillRecentMenu();
  });
}

void MainWindow::fillPresetMenu() {
  presetMenu_->clear();
  StagePane* pane = currentPane();
  presetMenu_->setEnabled(pane != nullptr);
  if (!pane) return;
  for (const Preset& preset : pane->session().lab().presets) {
    QAction* action = presetMenu_->addAction(shown(preset.title));
    action->setToolTip(shown(preset.help));
    connect(action, &QAction::triggered, this, [this, id = preset.id] {
      if (StagePane* now = currentPane()) (void)now->session().applyPreset(id).hasValue();
      paneChanged();
    });
  }
}

void MainWindow::fillDeviceMenu() {
  deviceMenu_->clear();
  for (const gpu::DeviceSummary& summary : gpu::listDevices()) {
    QAction* action = deviceMenu_->addAction(QString::fromStdString(summary.name));
    action->setCheckable(true);
    action->setChecked(summary.index == device_->summary().index);
    connect(action, &QAction::triggered, this, [this, index = summary.index] { useDevice(index); });
  }
}

void MainWindow::useDevice(int index) {
  if (index != device_->summary().index) {
    gpu::DeviceOptions options;
    options.index = index;
    auto opened = gpu::Device::open(options);
    if (!opened) {
      showError(tr("The device cannot be used"), opened.error());
    } else {
      device_ = *opened;
      thumbnails_.setDevice(device_);
      for (int i = 0; i < stack_->count(); ++i)
        if (auto* lab = qobject_cast<LabPage*>(stack_->widget(i)))
          for (StagePane* pane : lab->panes()) pane->session().setDevice(device_);
      status_->setDevice(QString::fromStdString(device_->summary().name));
      check_.run(device_, true);
    }
  }
  fillDeviceMenu();
}

void MainWindow::rebuildChrome() {
  settings_.set("window/layout", saveState());
  settings_.set("window/inspector", inspectorWanted_);
  inspector_->setSession(nullptr);
  for (QDockWidget* dock : {libraryDock_, inspectorDock_, notesDock_}) {
    removeDockWidget(dock);
    delete dock;
  }
  delete actions_;
  setMenuBar(nullptr);
  setStatusBar(nullptr);
  buildChrome();
  for (int i = 0; i < tabs_->count(); ++i) {
    if (auto* lab = qobject_cast<LabPage*>(page(i))) {
      tabs_->setTabText(i, lab->title());
      for (StagePane* pane : lab->panes()) pane->retranslate();
    } else if (auto* start = qobject_cast<StartPage*>(page(i))) {
      tabs_->setTabText(i, tr("Start"));
      start->reload();
    }
    if (QWidget* close = tabs_->tabButton(i, QTabBar::RightSide)) {
      close->setAccessibleName(tr("Close tab"));
      close->setToolTip(tr("Close tab"));
    }
  }
  currentChanged();
}

void MainWindow::setLanguage(const QString& language) {
  if (!orrery::setLanguage(language.toStdString())) return;
  settings_.set("language", language);
  // The menu that called must not be deleted under its own feet.
  QTimer::singleShot(0, this, [this] {
    rebuildChrome();
    // Titles and axis labels are composed by the labs: their pictures are made again in the new language.
    for (int i = 0; i < stack_->count(); ++i)
      if (auto* lab = qobject_cast<LabPage*>(stack_->widget(i)))
        for (StagePane* pane : lab->panes()) (void)pane->session().restore(pane->session().toJson()).hasValue();
  });
}

void MainWindow::setTheme(ThemeChoice choice) {
  settings_.setTheme(choice);
  applyTheme(choice == ThemeChoice::system ? desktopTheme() : choice == ThemeChoice::dark ? ThemeKind::dark : ThemeKind::light);
  thumbnails_.themeChanged();
  for (int i = 0; i < stack_->count(); ++i) {
    if (auto* lab = qobject_cast<LabPage*>(stack_->widget(i)))
      for (StagePane* pane : lab->panes()) pane->applyTheme();
  }
  QTimer::singleShot(0, this, &MainWindow::rebuildChrome);
}

void MainWindow::toggleChrome() {
  if (!chromeHidden_) layoutWithChrome_ = saveState();
  chromeHidden_ = !chromeHidden_;
  if (chromeHidden_) {
    for (QDockWidget* dock : {libraryDock_, inspectorDock_, notesDock_}) dock->hide();
  } else {
    restoreState(layoutWithChrome_);
  }
  menuBar()->setVisible(!chromeHidden_);
  status_->setVisible(!chromeHidden_);
  tabRow_->setVisible(!chromeHidden_);
}

QList<Command> MainWindow::paletteCommands() {
  QList<Command> commands;
  // The menu bar itself is walked, so that nothing in it can be out of reach.
  const std::function<void(QMenu*, const QString&)> walk = [&](QMenu* menu, const QString& path) {
    for (QAction* action : menu->actions()) {
      const QString text = withoutMnemonic(action->text());
      if (action->isSeparator()) continue;
      if (action->menu()) {
        walk(action->menu(), path + QStringLiteral(" › ") + text);
        continue;
      }
      QString english = action->objectName();
      commands.append({text, path, action->shortcut().toString(QKeySequence::NativeText), "keys", [action = QPointer<QAction>(action)] {
                         if (action) action->trigger();
                       },
                       english.replace('-', ' ')});
    }
  };
  for (QAction* top : menuBar()->actions())
    if (top->menu()) walk(top->menu(), withoutMnemonic(top->text()));
  for (const LabEntry& lab : registered<LabEntry>()) {
    const QString id = QString::fromStdString(lab.id);
    commands.append({shown(lab.title), tr("Lab · %1").arg(shown(lab.summary)), {}, "lab", [this, id] { openLab(id); }, QString::fromStdString(lab.title + " " + lab.id)});
  }
  if (StagePane* pane = currentPane()) {
    for (const Parameter& parameter : pane->session().lab().parameters) {
      const QString id = QString::fromStdString(parameter.id);
      commands.append({shown(parameter.label), tr("Parameter · %1").arg(shown(parameter.group)), {}, "parameter", [this, id] {
                         actions_->find("show-inspector")->setChecked(true);
                         inspector_->reveal(id);
                       },
                       QString::fromStdString(parameter.label + " " + parameter.id)});
    }
  }
  // Presets of every lab: choosing one opens its lab.
  for (const LabEntry& lab : registered<LabEntry>()) {
    if (currentPane() && currentPane()->session().lab().id == lab.id) continue;       // those are in the menu
    for (const Preset& preset : lab.presets)
      commands.append({shown(preset.title), tr("Preset of %1").arg(shown(lab.title)), {}, "preset", [this, labId = QString::fromStdString(lab.id), id = preset.id] {
                         openLab(labId);
                         if (StagePane* pane = currentPane()) (void)pane->session().applyPreset(id).hasValue();
                         paneChanged();
                       },
                       QString::fromStdString(preset.title + " " + preset.id)});
  }
  return commands;
}

void MainWindow::showPalette() { (new CommandPalette(paletteCommands(), this))->show(); }

void MainWindow::setHoverText(const QString& text) { status_->setHover(text); }

void MainWindow::runKeys(int pressed, Qt::KeyboardModifiers modifiers) {
  if (QAction* action = actions_->byKeys(QKeySequence(QKeyCombination(modifiers, static_cast<Qt::Key>(pressed))))) return action->trigger();
  for (QAction* action : recentMenu_->actions())
    if (action->shortcut() == QKeySequence(QKeyCombination(modifiers, static_cast<Qt::Key>(pressed)))) return action->trigger();
}

void MainWindow::showContextMenu(const QPoint& at, const QString& panel, const QString& value) {
  QMenu menu(this);
  if (!value.isEmpty()) menu.addAction(icon("copy", IconTone::muted), tr("Copy value"), this, [value] { QApplication::clipboard()->setText(value); });
  menu.addAction(icon("copy", IconTone::muted), tr("Copy figure"), this, &MainWindow::copyFigureNow);
  if (!panel.isEmpty()) menu.addAction(icon("export", IconTone::muted), tr("Export this panel…"), this, [this, panel] { exportFigure(panel); });
  menu.addAction(icon("fit", IconTone::muted), tr("Reset the view"), this, [this] {
    if (StagePane* pane = currentPane()) pane->viewport().fit();
  });
  menu.exec(at);
}

void MainWindow::about() {
  QMessageBox box(this);
  box.setWindowTitle(tr("About Orrery"));
  box.setIconPixmap(windowIcon().pixmap(64, 64));
  box.setText("<b>Orrery " ORRERY_VERSION "</b>");
  box.setInformativeText(tr("An instrument for the mechanisms inside machine-learning models.\nMIT licence.") + "\n\n" +
                         QString::fromStdString(device_->summary().name + " · " + device_->summary().driver) + "\nQt " + qVersion());
  box.addButton(tr("Close"), QMessageBox::AcceptRole);
  box.exec();
}

bool MainWindow::eventFilter(QObject* watched, QEvent* event) {
  // Keys without Ctrl belong to the control that has the focus, as far as it uses them; otherwise to the window's actions.
  if (event->type() == QEvent::ShortcutOverride && qApp->activeModalWidget() == nullptr) {
    auto* pressed = static_cast<QKeyEvent*>(event);
    QWidget* focus = QApplication::focusWidget();
    if (focus && focus == watched && focus->window() == this && !pressed->modifiers().testFlag(Qt::ControlModifier)) {
      const int code = pressed->key();
      const bool field = qobject_cast<QLineEdit*>(focus) || qobject_cast<QPlainTextEdit*>(focus);
      const bool walks = field || qobject_cast<QComboBox*>(focus) || qobject_cast<QSlider*>(focus) || qobject_cast<QAbstractItemView*>(focus);
      const bool arrows = code == Qt::Key_Left || code == Qt::Key_Right || code == Qt::Key_Home || code == Qt::Key_End;
      const bool tab = code == Qt::Key_Tab || code == Qt::Key_Backtab;
      const bool inControls = focus != this && !qobject_cast<Viewport*>(focus);
      if ((tab && inControls) || (code == Qt::Key_Space && (field || qobject_cast<QAbstractButton*>(focus) || qobject_cast<QComboBox*>(focus))) ||
          (arrows && walks) || (code == Qt::Key_Escape && field)) {
        event->accept();
        return true;
      }
    }
  }
  return QMainWindow::eventFilter(watched, event);
}

}  // namespace orrery::app
