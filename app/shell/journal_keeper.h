#pragma once
// Keeps what is open in the crash journal, and finds what an earlier run that did not end well left behind.

#include <QByteArray>
#include <optional>

#include "core/session/journal.h"

namespace orrery::app {

class JournalKeeper {
 public:
  // Takes the first journal no other running window holds. Nothing happens when none can be written, or in safe mode.
  explicit JournalKeeper(bool safeMode);

  // What the earlier run had open (JSON text); empty when it ended well.
  const QByteArray& leftBehind() const { return leftBehind_; }
  void record(const QByteArray& state);              // only when it differs from the last one
  void endedWell();

 private:
  std::optional<Journal> journal_;
  QByteArray leftBehind_, last_;
};

}  // namespace orrery::app
