#pragma once
// The main window: tabs of labs in the middle, library left, inspector right, notes below, status bar; it knows no lab.
// main_window.cpp: pages and tabs. main_window_chrome.cpp: menus, docks, theme, language. main_window_files.cpp: open, save, export, drops.
// main_window_films.cpp: films.

#include <QMainWindow>
#include <QTimer>
#include <memory>
#include <nlohmann/json_fwd.hpp>

#include "app/shell/check_runner.h"
#include "app/shell/command_palette.h"
#include "app/shell/drop_controller.h"
#include "app/shell/journal_keeper.h"
#include "app/shell/settings.h"
#include "app/shell/thumbnails.h"
#include "core/session/session.h"

class QDockWidget;
class QStackedWidget;
class QTabBar;
class QVBoxLayout;

namespace orrery::exporting {
struct FilmPlan;
}

namespace orrery::app {

class Actions;
class DropOverlay;
class ErrorCard;
class FilmRecording;
class Inspector;
class LabPage;
class Library;
class Notes;
class StagePane;
class StartPage;
class StatusLine;

class MainWindow : public QMainWindow {
  Q_OBJECT

 public:
  MainWindow(std::shared_ptr<gpu::Device> device, Settings& settings, bool journal = true);
  ~MainWindow() override;

  // Pages.
  void openLab(const QString& lab, bool newTab = false);
  void openPaths(const QStringList& paths);          // as if dropped
  void newTab();
  void closeTab(int index);
  StagePane* currentPane() const;                    // null on a start page
  StartPage* currentStartPage() const;

  // Chrome.
  void setLanguage(const QString& language);
  void setTheme(ThemeChoice choice);
  void toggleChrome();
  void showPalette();
  QList<Command> paletteCommands();
  Actions& actions() { return *actions_; }
  Inspector& inspector() { return *inspector_; }
  Library& library() { return *library_; }
  DropOverlay& dropOverlay() { return *overlay_; }
  QList<ErrorCard*> cards() const;

  // Files.
  void exportFigure(const QString& panel = {});
  void exportData();
  void exportDataSet();
  void writeDataSet(const QString& folder);
  void copyFigureNow();
  bool saveScene(bool as = false);
  void chooseFiles();
  void exportFilm();
  // A film of the scene this recipe is, made beside the window.
  void startFilm(nlohmann::json recipe, const exporting::FilmPlan& plan, const QString& path);
  // Begins to record what plays, or ends it and asks where to.
  void toggleRecording(StagePane* pane);
  void setRecordingPath(const QString& path) { recordTo_ = path; }  // instead of asking

 signals:
  void firstPicture();                               // a lab on the stage has a picture

 protected:
  void dragEnterEvent(QDragEnterEvent* event) override;
  void dragMoveEvent(QDragMoveEvent* event) override;
  void dragLeaveEvent(QDragLeaveEvent* event) override;
  void dropEvent(QDropEvent* event) override;
  void closeEvent(QCloseEvent* event) override;
  bool eventFilter(QObject* watched, QEvent* event) override;

 private:
  // main_window.cpp
  void buildCentre();
  void addPage(QWidget* page, const QString& title, bool replaceStart);
  void adopt(StagePane* pane);
  LabPage* addLab(std::unique_ptr<Session> session);
  std::unique_ptr<Session> openSession(const std::string& lab);
  void currentChanged();
  void paneChanged();
  void refreshActions();
  QWidget* page(int index) const;
  LabPage* currentLabPage() const;
  void showCard(ErrorCard* card);
  void showError(const QString& title, const Error& error);

  // main_window_chrome.cpp
  void buildChrome();
  void buildMenus();
  void buildLabMenu();
  void buildHelpMenu();
  void rebuildChrome();
  void fillRecentMenu();
  void fillPresetMenu();
  void fillDeviceMenu();
  void useDevice(int index);
  void setHoverText(const QString& text);
  void runKeys(int key, Qt::KeyboardModifiers modifiers);
  void about();
  void showContextMenu(const QPoint& at, const QString& panel, const QString& value);

  // main_window_films.cpp
  void stopRecording(StagePane* pane, FilmRecording* recording);

  // main_window_files.cpp
  void considerDrop(const QStringList& paths);
  void showPlan(const DropPlan& plan);
  void applyPlan(const DropPlan& plan);
  void giveFiles(const DropPlan& plan, const DropTarget& target);
  void openScene(const SessionFile& scene, const QString& path);
  QByteArray stateOfAll() const;
  void restoreAll(const QByteArray& state);
  void offerRestore();

  std::shared_ptr<gpu::Device> device_;
  Settings& settings_;
  JournalKeeper journal_;
  CheckRunner check_;
  Thumbnails thumbnails_;
  DropController drops_;
  Actions* actions_ = nullptr;
  QTabBar* tabs_ = nullptr;
  QWidget* tabRow_ = nullptr;
  QStackedWidget* stack_ = nullptr;
  QVBoxLayout* notices_ = nullptr;
  Library* library_ = nullptr;
  Inspector* inspector_ = nullptr;
  Notes* notes_ = nullptr;
  StatusLine* status_ = nullptr;
  QDockWidget *libraryDock_ = nullptr, *inspectorDock_ = nullptr, *notesDock_ = nullptr;
  DropOverlay* overlay_ = nullptr;
  QMenu *recentMenu_ = nullptr, *presetMenu_ = nullptr, *deviceMenu_ = nullptr;
  QTimer tick_, journalTimer_, checkTimer_;
  bool chromeHidden_ = false;
  bool inspectorWanted_ = true;                      // it is hidden on start pages all the same
  QByteArray layoutWithChrome_;
  QString recordTo_;
};

}  // namespace orrery::app
