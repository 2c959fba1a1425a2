#include "app/shell/run_window.h"

#include <QApplication>
#include <QIcon>
#include <QLocale>
#include <QTimer>
#include <cstdio>
#include <cstdlib>

#include "app/shell/catalogue_translator.h"
#include "app/shell/main_window.h"
#include "core/base/files.h"
#include "core/base/text.h"

namespace orrery::app {

namespace {

// Qt ends the program by itself when it finds no display; this says it in our words first.
bool hasDisplay() {
  const char* platform = std::getenv("QT_QPA_PLATFORM");
  if (platform && *platform && QByteArray(platform) != "xcb" && !QByteArray(platform).startsWith("wayland")) return true;
  const auto set = [](const char* name) {
    const char* value = std::getenv(name);
    return value && *value;
  };
  return set("DISPLAY") || set("WAYLAND_DISPLAY");
}

}  // namespace

int runWindow(int& argc, char** argv, const WindowOptions& options) {
  if (!hasDisplay()) {
    std::fprintf(stderr, "orrery: %s\n",
                 orrery::tr("there is no display to open a window on; set DISPLAY, or use the commands: orrery --help").c_str());
    return 1;
  }
  // The canvas is our own Vulkan surface on an X11 or Wayland window.
  QCoreApplication::setAttribute(Qt::AA_DontCreateNativeWidgetSiblings);
  QApplication application(argc, argv);
  QApplication::setApplicationName("orrery");
  QApplication::setApplicationDisplayName("Orrery");
  QApplication::setApplicationVersion(ORRERY_VERSION);
  QApplication::setDesktopFileName("org.orrery.Orrery");
  QApplication::setWindowIcon(QIcon(QString::fromStdString(resourceFolder()) + "/icons/orrery.svg"));

  Settings settings(options.safeMode);
  QString language = QString::fromStdString(options.language);
  if (language.isEmpty()) language = settings.value("language").toString();
  if (language.isEmpty()) language = QLocale::system().language() == QLocale::Chinese ? "zh" : "en";
  (void)orrery::setLanguage(language.toStdString());
  CatalogueTranslator translator;
  QApplication::installTranslator(&translator);

  auto device = gpu::Device::open(options.device);
  if (!device) {
    std::fprintf(stderr, "orrery: %s\n", device.error().message.c_str());
    return 1;
  }
  const ThemeChoice choice = settings.theme();
  applyTheme(choice == ThemeChoice::system ? desktopTheme() : choice == ThemeChoice::dark ? ThemeKind::dark : ThemeKind::light);

  MainWindow window(*device, settings);
  window.show();
  if (!options.lab.empty()) window.openLab(QString::fromStdString(options.lab));
  QStringList files;
  for (const std::string& file : options.files) files << QString::fromStdString(file);
  if (!files.isEmpty()) QTimer::singleShot(0, &window, [&window, files] { window.openPaths(files); });
  return QApplication::exec();
}

}  // namespace orrery::app
