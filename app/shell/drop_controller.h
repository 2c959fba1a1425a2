#pragma once
// What dropping these files will do, found out on a worker while they hover: the content decides, never the extension.

#include <QObject>
#include <QStringList>
#include <QThreadPool>
#include <optional>
#include <vector>

#include "core/base/file_format.h"
#include "core/session/lab.h"
#include "core/session/session.h"

namespace orrery::app {

struct DropTarget {
  const LabEntry* lab = nullptr;
  const Acceptance* acceptance = nullptr;            // of the first file
  int score = 0;
};

struct DropPlan {
  QStringList paths;
  std::vector<FileReport> reports;                   // one per path, as far as they could be read
  std::vector<DropTarget> targets;                   // best first
  std::optional<SessionFile> scene;                  // a saved scene, or a figure with its recipe
  std::optional<Error> error;                        // unreadable, damaged, or nobody takes it

  bool possible() const { return !error && (scene || !targets.empty()); }
  // "Open in Softmax attention (npz or safetensors with q, k, v)": shown before the button is let go.
  QString sentence(const QString& currentLab) const;
  // Longer, for the card when nobody takes it: what it is, and what would take something like it.
  QString explanation() const;
};

// Blocking; any thread.
DropPlan planFor(const QStringList& paths);

class DropController : public QObject {
  Q_OBJECT

 public:
  explicit DropController(QObject* parent = nullptr);
  ~DropController() override;

  void hover(const QStringList& paths);              // empty = left
  void drop(const QStringList& paths);

 signals:
  void planned(const orrery::app::DropPlan& plan);   // for the overlay
  void decided(const orrery::app::DropPlan& plan);   // after a drop

 private:
  void consider(const QStringList& paths, bool dropped);
  QThreadPool pool_;
  std::optional<DropPlan> newest_;
  QStringList hovering_, running_, waitingDrop_;
};

}  // namespace orrery::app
