#pragma once
// One application and one device for all window tests, and a window that is opened and closed by each of them.

#include <QApplication>
#include <QElapsedTimer>
#include <QTest>
#include <functional>
#include <memory>

#include "app/inspector/theme.h"
#include "app/shell/catalogue_translator.h"
#include "app/shell/main_window.h"
#include "app/shell/settings.h"
#include "app/shell/stage_pane.h"
#include "app/viewport/viewport.h"
#include "core/base/text.h"
#include "tests/support/catch.h"

namespace orrery::app {

inline QApplication& application() {
  static int argc = 1;
  static char name[] = "test_gui";
  static char* argv[] = {name, nullptr};
  static auto* app = [] {
    QCoreApplication::setAttribute(Qt::AA_DontCreateNativeWidgetSiblings);
    auto* made = new QApplication(argc, argv);
    QApplication::setQuitOnLastWindowClosed(false);
    QApplication::installTranslator(new CatalogueTranslator(made));
    applyTheme(ThemeKind::dark);
    return made;
  }();
  return *app;
}

inline std::shared_ptr<gpu::Device> sharedDevice() {
  static std::shared_ptr<gpu::Device> device = [] {
    gpu::DeviceOptions options;
    options.validation = true;
    auto opened = gpu::Device::open(options);
    REQUIRE(opened.hasValue());
    return *opened;
  }();
  return device;
}

// Turns the event loop until `condition` holds; lavapipe on two shared cores may take a while, so the limit is generous.
inline bool eventually(const std::function<bool()>& condition, int milliseconds = 60000) {
  QElapsedTimer clock;
  clock.start();
  while (clock.elapsed() < milliseconds) {
    if (condition()) return true;
    QTest::qWait(15);
  }
  return condition();
}

struct OpenWindow {
  Settings settings{true};                           // safe mode: nothing read from or written to disk
  std::unique_ptr<MainWindow> window;

  OpenWindow() {
    application();
    setLanguage("en");
    window = std::make_unique<MainWindow>(sharedDevice(), settings);
    window->show();
    REQUIRE(QTest::qWaitForWindowExposed(window.get(), 20000));
  }
  ~OpenWindow() {
    window->close();
    window.reset();
    orrery::setLanguage("en");
  }

  StagePane& open(const char* lab) {
    window->openLab(QString::fromLatin1(lab));
    REQUIRE(window->currentPane() != nullptr);
    StagePane& pane = *window->currentPane();
    REQUIRE(eventually([&] { return pane.session().picture() != nullptr && pane.viewport().presentedFrames() > 0; }));
    pane.session().pause();                          // labs open running; tests want to be the only cause of change
    return pane;
  }
};

constexpr const char* flagship = "generative/sde-vs-ode";

}  // namespace orrery::app
