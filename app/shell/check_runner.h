#pragma once
// Runs kernels::checkKernels off the window's thread, and shows what it found.

#include <QObject>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "core/gpu/device.h"
#include "core/kernels/check.h"

class QWidget;

namespace orrery::app {

class CheckRunner : public QObject {
  Q_OBJECT

 public:
  enum class State { waiting, running, agreed, disagreed, failed };

  explicit CheckRunner(QObject* parent = nullptr) : QObject(parent) {}
  ~CheckRunner() override;                           // stops at the next kernel and joins

  void run(std::shared_ptr<gpu::Device> device, bool quick);
  void hold(bool isLabBusy) { held_ = isLabBusy; }   // a quick check waits between kernels for what the user is waiting for
  State state() const { return state_; }
  QString sentence() const;                          // for the status bar
  const std::vector<kernels::KernelReport>& reports() const { return reports_; }
  void showReport(QWidget* parent);

 signals:
  void changed();

 private:
  void stop();
  std::thread thread_;
  std::atomic<bool> stopping_{false}, held_{false};
  State state_ = State::waiting;
  bool quick_ = true;
  QString failure_, current_;
  std::shared_ptr<gpu::Device> device_;
  std::vector<kernels::KernelReport> reports_;
};

}  // namespace orrery::app
