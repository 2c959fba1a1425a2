#pragma once
// One QGuiApplication for a test executable; no display needed.

#include <QGuiApplication>

inline QGuiApplication& qtApplication() {
  static int count = 1;
  static char name[] = "test_export";
  static char* arguments[] = {name, nullptr};
  static QGuiApplication& application = [] () -> QGuiApplication& {
    qputenv("QT_QPA_PLATFORM", "offscreen");
    return *new QGuiApplication(count, arguments);
  }();
  return application;
}
