#include "app/shell/main_window.h"

#include <QApplication>
#include <QCloseEvent>
#include <QDockWidget>
#include <QHBoxLayout>
#include <QStackedWidget>
#include <QTabBar>
#include <QToolButton>
#include <QVBoxLayout>
#include <nlohmann/json.hpp>

#include "app/inspector/icons.h"
#include "app/inspector/inspector.h"
#include "app/inspector/small_widgets.h"
#include "app/shell/actions.h"
#include "app/shell/drop_overlay.h"
#include "app/shell/error_card.h"
#include "app/shell/lab_page.h"
#include "app/shell/library_dock.h"
#include "app/shell/notes_dock.h"
#include "app/shell/stage_pane.h"
#include "app/shell/start_page.h"
#include "app/shell/status_line.h"
#include "app/shell/transport_bar.h"
#include "app/viewport/viewport.h"

namespace orrery::app {

namespace {
constexpr int tickInterval = 250;                    // ms: frames per second and progress in the status bar
constexpr int journalInterval = 2000;                // ms: an edit is on disk within 3 s
constexpr int checkDelay = 2500;                     // ms after the first picture, which comes before the check
constexpr int checkLatest = 30000;                   // ms after the start at the latest
constexpr std::size_t mostCards = 3;
}  // namespace

MainWindow::MainWindow(std::shared_ptr<gpu::Device> device, Settings& settings, bool journal)
    : device_(std::move(device)), settings_(settings), journal_(!journal || settings.safeMode()), thumbnails_(device_) {
  setObjectName("orrery");
  setWindowTitle("Orrery");
  setAcceptDrops(true);
  setDockOptions(QMainWindow::AnimatedDocks);
  resize(1440, 900);
  buildCentre();
  buildChrome();
  const QByteArray geometry = settings_.value("window/geometry").toByteArray();
  if (!geometry.isEmpty()) restoreGeometry(geometry);
  overlay_ = new DropOverlay(this);
  qApp->installEventFilter(this);

  connect(&drops_, &DropController::planned, this, &MainWindow::showPlan);
  connect(&drops_, &DropController::decided, this, &MainWindow::applyPlan);
  tick_.setInterval(tickInterval);
  connect(&tick_, &QTimer::timeout, this, [this] {
    StagePane* pane = currentPane();
    check_.hold(pane && pane->session().progress().busy);
    status_->showPane(pane);
  });
  tick_.start();
  journalTimer_.setInterval(journalInterval);
  connect(&journalTimer_, &QTimer::timeout, this, [this] { journal_.record(stateOfAll()); });
  journalTimer_.start();
  checkTimer_.setSingleShot(true);
  connect(&checkTimer_, &QTimer::timeout, this, [this] { check_.run(device_, true); });
  checkTimer_.start(checkLatest);
  const auto pictureCame = [this] {
    if (checkTimer_.isActive() && checkTimer_.interval() == checkLatest) checkTimer_.start(checkDelay);
  };
  connect(&thumbnails_, &Thumbnails::arrived, this, pictureCame);
  connect(this, &MainWindow::firstPicture, this, pictureCame);
  newTab();
  offerRestore();
}

MainWindow::~MainWindow() {
  qApp->removeEventFilter(this);
  // Sessions end (and join their workers) before the device and the settings they use.
  tick_.stop();
  journalTimer_.stop();
  inspector_->setSession(nullptr);
  while (stack_->count() > 0) delete stack_->widget(0);
}

void MainWindow::buildCentre() {
  auto* body = new QWidget(this);
  body->setObjectName("stageBody");
  auto* column = new QVBoxLayout(body);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(0);
  tabRow_ = new QWidget(body);
  tabRow_->setObjectName("tabRow");
  tabRow_->setAttribute(Qt::WA_StyledBackground);
  auto* row = new QHBoxLayout(tabRow_);
  row->setContentsMargins(6, 0, 6, 0);
  row->setSpacing(2);
  tabs_ = new QTabBar(tabRow_);
  tabs_->setMovable(true);
  tabs_->setExpanding(false);
  tabs_->setElideMode(Qt::ElideRight);
  tabs_->setUsesScrollButtons(false);
  tabs_->setDrawBase(false);
  row->addWidget(tabs_);
  auto* plus = new QToolButton(tabRow_);
  plus->setObjectName("newTab");
  plus->setIcon(icon("plus", IconTone::muted));
  connect(plus, &QToolButton::clicked, this, &MainWindow::newTab);
  row->addWidget(plus);
  row->addStretch(1);
  column->addWidget(tabRow_);
  auto* notices = new QWidget(body);
  notices->setObjectName("noticeArea");
  notices->setAttribute(Qt::WA_StyledBackground);
  notices_ = new QVBoxLayout(notices);
  notices_->setContentsMargins(0, 0, 0, 0);
  notices_->setSpacing(0);
  column->addWidget(notices);
  stack_ = new QStackedWidget(body);
  column->addWidget(stack_, 1);
  setCentralWidget(body);

  connect(tabs_, &QTabBar::currentChanged, this, [this](int index) {
    if (QWidget* wanted = page(index)) stack_->setCurrentWidget(wanted);
    currentChanged();
  });
}

QWidget* MainWindow::page(int index) const {
  return index < 0 || index >= tabs_->count() ? nullptr : tabs_->tabData(index).value<QWidget*>();
}

LabPage* MainWindow::currentLabPage() const { return qobject_cast<LabPage*>(stack_->currentWidget()); }
StartPage* MainWindow::currentStartPage() const { return qobject_cast<StartPage*>(stack_->currentWidget()); }

StagePane* MainWindow::currentPane() const {
  LabPage* lab = currentLabPage();
  return lab ? &lab->active() : nullptr;
}

void MainWindow::addPage(QWidget* made, const QString& title, bool replaceStart) {
  const int current = tabs_->currentIndex();
  StartPage* start = replaceStart ? currentStartPage() : nullptr;
  stack_->addWidget(made);
  const int index = current + 1;
  tabs_->insertTab(index, title);
  tabs_->setTabData(index, QVariant::fromValue<QWidget*>(made));
  auto* close = new QToolButton(tabs_);
  close->setIcon(icon("close", IconTone::muted));
  close->setIconSize({12, 12});
  close->setAccessibleName(tr("Close tab"));
  close->setToolTip(tr("Close tab"));
  connect(close, &QToolButton::clicked, this, [this, made] {
    for (int i = 0; i < tabs_->count(); ++i)
      if (page(i) == made) return closeTab(i);
  });
  tabs_->setTabButton(index, QTabBar::RightSide, close);
  tabs_->setCurrentIndex(index);
  // A lab opened from a start page takes its place.
  if (start && current >= 0) {
    tabs_->removeTab(current);
    start->deleteLater();
    stack_->removeWidget(start);
  }
  stack_->setCurrentWidget(made);
  currentChanged();
}

void MainWindow::newTab() {
  auto* start = new StartPage(thumbnails_, settings_);
  connect(start, &StartPage::labChosen, this, [this](const QString& lab) { openLab(lab, true); });
  connect(start, &StartPage::fileChosen, this, [this](const QString& path) { openPaths({path}); });
  connect(start, &StartPage::openRequested, this, &MainWindow::chooseFiles);
  addPage(start, tr("Start"), false);
}

std::unique_ptr<Session> MainWindow::openSession(const std::string& lab) {
  SessionOptions options;
  options.sharedDevice = device_;
  auto opened = Session::open(lab, options);
  if (!opened) {
    showError(tr("The lab cannot be opened"), opened.error());
    return nullptr;
  }
  return std::move(*opened);
}

LabPage* MainWindow::addLab(std::unique_ptr<Session> session) {
  const QString lab = QString::fromStdString(session->lab().id);
  auto* made = new LabPage(std::move(session));
  for (StagePane* pane : made->panes()) adopt(pane);
  connect(made, &LabPage::paneAdded, this, &MainWindow::adopt);
  connect(made, &LabPage::activeChanged, this, &MainWindow::currentChanged);
  addPage(made, made->title(), true);
  settings_.addRecentLab(lab);
  fillRecentMenu();
  return made;
}

void MainWindow::openLab(const QString& lab, bool newTabWanted) {
  if (!newTabWanted) {
    for (int i = 0; i < tabs_->count(); ++i) {
      auto* open = qobject_cast<LabPage*>(page(i));
      if (open && open->active().session().lab().id == lab.toStdString()) return tabs_->setCurrentIndex(i);
    }
  }
  auto session = openSession(lab.toStdString());
  if (!session) return;
  // A lab that runs in time opens running, unless the desktop asks for calm.
  if (!settings_.value("reduceMotion", desktopReducesMotion()).toBool()) session->play();
  addLab(std::move(session));
}

void MainWindow::closeTab(int index) {
  QWidget* gone = page(index);
  if (!gone) return;
  if (LabPage* lab = qobject_cast<LabPage*>(gone)) {
    for (StagePane* pane : lab->panes())
      if (inspector_->session() == &pane->session()) inspector_->setSession(nullptr);
  }
  // Pages point at their tab by data: the tab goes first, then what it showed.
  tabs_->removeTab(index);
  stack_->removeWidget(gone);
  delete gone;
  if (tabs_->count() == 0) newTab();
  else if (QWidget* next = page(tabs_->currentIndex())) stack_->setCurrentWidget(next);
  currentChanged();
}

void MainWindow::adopt(StagePane* pane) {
  connect(pane, &StagePane::changed, this, [this, pane] {
    if (pane == currentPane()) paneChanged();
  });
  connect(pane, &StagePane::hovered, this, &MainWindow::setHoverText);
  connect(pane, &StagePane::contextMenuRequested, this, &MainWindow::showContextMenu);
  connect(pane, &StagePane::filesHovering, this, &MainWindow::considerDrop);
  connect(pane, &StagePane::filesDropped, this, &MainWindow::openPaths);
  connect(pane, &StagePane::keyPressed, this, &MainWindow::runKeys);
  connect(pane, &StagePane::locateRequested, this, &MainWindow::chooseFiles);
  connect(&pane->transport(), &TransportBar::recordRequested, this, [this, pane] { toggleRecording(pane); });
  pane->viewport().setReduceMotion(settings_.value("reduceMotion", desktopReducesMotion()).toBool());
}

void MainWindow::currentChanged() {
  StagePane* pane = currentPane();
  const QString lab = pane ? QString::fromStdString(pane->session().lab().id) : QString();
  inspector_->setSession(pane ? &pane->session() : nullptr);
  // Without a lab there is nothing to inspect, and the start page wants the room.
  inspectorDock_->setVisible(pane && inspectorWanted_ && !chromeHidden_);
  notes_->setLab(lab);
  library_->setCurrent(lab);
  setWindowTitle(pane ? shown(pane->session().lab().title) + QStringLiteral(" — Orrery") : QStringLiteral("Orrery"));
  status_->setHover({});
  status_->showPane(pane);
  fillPresetMenu();
  refreshActions();
}

void MainWindow::paneChanged() {
  if (StagePane* pane = currentPane(); pane && pane->session().picture()) emit firstPicture();
  inspector_->refresh();
  refreshActions();
}

void MainWindow::refreshActions() {
  StagePane* pane = currentPane();
  Session* session = pane ? &pane->session() : nullptr;
  for (const ActionEntry& entry : actions_->entries())
    if (entry.action->property("needsLab").toBool()) entry.action->setEnabled(session);
  actions_->find("export-data-set")->setEnabled(session && !session->lab().files.empty());
  const auto picture = session ? session->picture() : nullptr;
  for (const ActionEntry& entry : actions_->entries())
    if (entry.action->property("needsTime").toBool()) entry.action->setEnabled(picture && picture->frames > 1);
  QAction* undo = actions_->find("undo");
  QAction* redo = actions_->find("redo");
  undo->setEnabled(session && session->canUndo());
  redo->setEnabled(session && session->canRedo());
  undo->setText(undo->isEnabled() ? tr("&Undo %1").arg(shown(session->undoText())) : tr("&Undo"));
  redo->setText(redo->isEnabled() ? tr("&Redo %1").arg(shown(session->redoText())) : tr("&Redo"));
}

void MainWindow::showCard(ErrorCard* card) {
  QList<ErrorCard*> open = cards();
  // The oldest makes room: a window full of cards shows nothing else.
  for (std::size_t i = 0; open.size() >= static_cast<qsizetype>(mostCards) && i <= static_cast<std::size_t>(open.size()) - mostCards; ++i) open[qsizetype(i)]->deleteLater();
  notices_->addWidget(card);
  card->show();
}

QList<ErrorCard*> MainWindow::cards() const {
  QList<ErrorCard*> found;
  for (int i = 0; i < notices_->count(); ++i)
    if (auto* card = qobject_cast<ErrorCard*>(notices_->itemAt(i)->widget())) found.append(card);
  return found;
}

void MainWindow::showError(const QString& title, const Error& error) {
  showCard(new ErrorCard(ErrorCard::Kind::failure, title, QString::fromStdString(error.message), detailsOf(error, title), this));
}

void MainWindow::closeEvent(QCloseEvent* event) {
  if (chromeHidden_) toggleChrome();
  settings_.set("window/geometry", saveGeometry());
  settings_.set("window/layout", saveState());
  settings_.set("window/inspector", inspectorWanted_);
  journalTimer_.stop();
  journal_.endedWell();
  event->accept();
}

}  // namespace orrery::app
