#include "app/shell/journal_keeper.h"

#include "core/base/files.h"

namespace orrery::app {

namespace {
constexpr int mostWindows = 16;                      // windows at the same time that keep a journal
}

JournalKeeper::JournalKeeper(bool safeMode) {
  if (safeMode) return;
  for (int slot = 0; slot < mostWindows; ++slot) {
    const std::string path = stateFolder() + "/window-" + std::to_string(slot) + ".journal";
    auto opened = Journal::open(path);
    if (!opened) continue;
    const auto records = Journal::replay(path);
    if (!records.empty()) leftBehind_ = QByteArray::fromStdString(records.back());
    journal_ = std::move(*opened);
    last_ = leftBehind_;
    return;
  }
}

void JournalKeeper::record(const QByteArray& state) {
  if (!journal_ || state == last_) return;
  if (journal_->append(state.toStdString())) last_ = state;
}

void JournalKeeper::endedWell() {
  if (journal_) (void)journal_->clear().hasValue();
  last_.clear();
}

}  // namespace orrery::app
