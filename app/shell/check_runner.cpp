#include "app/shell/check_runner.h"

#include <QDialog>
#include <QDialogButtonBox>
#include <QHeaderView>
#include <QLabel>
#include <QPushButton>
#include <QTableWidget>
#include <QVBoxLayout>
#include <algorithm>
#include <chrono>

#include "app/inspector/icons.h"
#include "app/inspector/small_widgets.h"
#include "app/inspector/theme.h"
#include "app/shell/figure_jobs.h"
#include "core/kernels/kernel.h"

namespace orrery::app {

// A lab that never rests, such as one that trains, holds the check up no longer than this for each kernel.
constexpr auto longestHold = std::chrono::seconds(2);

CheckRunner::~CheckRunner() { stop(); }

void CheckRunner::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
  stopping_ = false;
}

void CheckRunner::run(std::shared_ptr<gpu::Device> device, bool quick) {
  stop();
  state_ = State::running;
  device_ = device;
  quick_ = quick;
  current_.clear();
  emit changed();
  thread_ = std::thread([this, device = std::move(device), quick] {
    std::vector<kernels::KernelReport> reports;
    QString failure;
    try {
      reports = kernels::checkKernels(device, quick, [this, quick](std::string_view kernel) {
        onWindow(this, [this, name = QString::fromUtf8(kernel.data(), static_cast<qsizetype>(kernel.size()))] {
          current_ = name;
          emit changed();
        });
        const auto until = std::chrono::steady_clock::now() + longestHold;
        while (quick && held_ && !stopping_ && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(std::chrono::milliseconds(10));
        return !stopping_.load();
      });
    } catch (const std::exception& problem) {
      failure = QString::fromUtf8(problem.what());
    }
    if (stopping_) return;
    onWindow(this, [this, reports = std::move(reports), failure] {
      reports_ = reports;
      failure_ = failure;
      const bool agreed = std::all_of(reports_.begin(), reports_.end(), [](const auto& report) { return report.ok; });
      state_ = !failure.isEmpty() ? State::failed : agreed ? State::agreed : State::disagreed;
      emit changed();
    });
  });
}

QString CheckRunner::sentence() const {
  switch (state_) {
    case State::waiting: return tr("not checked yet");
    case State::running: return current_.isEmpty() ? tr("checking…") : tr("checking %1…").arg(current_);
    case State::agreed: return tr("checked against reference ✓");
    case State::disagreed:
      return tr("%1 kernels disagree with the reference")
          .arg(std::count_if(reports_.begin(), reports_.end(), [](const auto& report) { return !report.ok; }));
    case State::failed: return tr("the check failed: %1").arg(failure_);
  }
  return {};
}

void CheckRunner::showReport(QWidget* parent) {
  auto* dialog = new QDialog(parent);
  dialog->setAttribute(Qt::WA_DeleteOnClose);
  dialog->setWindowTitle(tr("Kernels against the reference"));
  dialog->resize(760, 520);
  auto* column = new QVBoxLayout(dialog);
  column->setContentsMargins(16, 14, 16, 14);
  auto* head = new QLabel(dialog);
  head->setWordWrap(true);
  column->addWidget(head);
  auto* table = new QTableWidget(dialog);
  table->setAccessibleName(tr("Kernels against the reference"));
  table->setColumnCount(4);
  table->setHorizontalHeaderLabels({tr("Kernel"), tr("What it does"), tr("Largest relative error"), tr("Result")});
  table->verticalHeader()->hide();
  table->setShowGrid(false);
  table->setEditTriggers(QAbstractItemView::NoEditTriggers);
  table->setSelectionBehavior(QAbstractItemView::SelectRows);
  table->horizontalHeader()->setSectionResizeMode(QHeaderView::ResizeToContents);
  table->horizontalHeader()->setSectionResizeMode(1, QHeaderView::Stretch);
  column->addWidget(table, 1);
  auto* buttons = new QDialogButtonBox(dialog);
  QPushButton* full = buttons->addButton(tr("Check every case"), QDialogButtonBox::ActionRole);
  QPushButton* close = buttons->addButton(tr("Close"), QDialogButtonBox::RejectRole);
  close->setDefault(true);
  column->addWidget(buttons);
  const auto fill = [this, head, table, full] {
    const QString device = device_ ? QString::fromStdString(device_->summary().name) : tr("no device");
    head->setText(quick_ ? tr("%1: %2. One case of each kernel, computed on this device and compared with plain C++ in double precision.").arg(device, sentence())
                         : tr("%1: %2. Every case of each kernel, computed on this device and compared with plain C++ in double precision.").arg(device, sentence()));
    full->setEnabled(state_ != State::running && device_);
    table->setRowCount(static_cast<int>(reports_.size()));
    for (int i = 0; i < table->rowCount(); ++i) {
      const kernels::KernelReport& report = reports_[std::size_t(i)];
      const kernels::Kernel* kernel = findRegistered<kernels::Kernel>(report.id);
      table->setItem(i, 0, new QTableWidgetItem(QString::fromStdString(report.id)));
      table->setItem(i, 1, new QTableWidgetItem(kernel ? shown(std::string(kernel->summary)) : QString()));
      table->setItem(i, 2, new QTableWidgetItem(QString::number(report.worstRelativeError, 'g', 3)));
      auto* result = new QTableWidgetItem(report.ok ? tr("agrees") : tr("disagrees"));
      result->setForeground(report.ok ? tokens().good : tokens().danger);
      table->setItem(i, 3, result);
      for (int c = 0; c < 4; ++c) table->item(i, c)->setToolTip(QString::fromStdString(report.where));
    }
  };
  fill();
  connect(this, &CheckRunner::changed, dialog, fill);
  connect(full, &QPushButton::clicked, this, [this] { run(device_, false); });
  connect(close, &QPushButton::clicked, dialog, &QDialog::close);
  dialog->show();
}

}  // namespace orrery::app
