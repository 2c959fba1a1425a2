#pragma once
// Session: one open lab. Holds its parameters, undo history and timeline, and runs the lab on a worker of its own. The window and the command
// line use the same Session; neither knows any lab.
//
// Threads: every public function may be called from any one controlling thread and returns at once, except the ones named wait*. The observer is
// called from the worker.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/session/lab.h"

namespace orrery {

// One finished picture. Immutable; shared with the viewport, which draws straight from its tensors.
struct Picture {
  Figure figure;
  std::vector<Metric> metrics;
  std::int64_t frame = 0, frames = 0;       // timeline position
  std::string frameUnit;
  double framesPerSecond = 30;              // of the timeline at speed 1
  double updateMilliseconds = 0;            // wall time of the update or advance that made it
  std::vector<gpu::Timing> timings;         // GPU spans of it
  std::uint64_t serial = 0;                 // grows with every picture
  std::shared_ptr<gpu::Device> device;      // the device that holds its tensors
};

struct Progress {
  bool busy = false;
  double fraction = -1;                     // -1 = unknown
  std::string what;
  double seconds = 0;                       // since the work began
};

struct SessionOptions {
  gpu::DeviceOptions device;
  std::shared_ptr<gpu::Device> sharedDevice;         // one device for all sessions of a window; opened when null
  std::uint64_t historyBytes = 128u << 20;           // memory budget for going back in time
  bool deferred = false;                             // the first update begins only with wait(), play() or seek(), not with open()
};

enum class Edit { step, drag };             // drag: merged with the previous set() of the same parameter until endDrag()

class Session {
 public:
  // Error: unknown lab (usage), no device (gpu). Starts the worker and the first update.
  static Expected<std::unique_ptr<Session>> open(std::string_view labId, SessionOptions options = {});
  ~Session();                                        // cancels and joins the worker

  const LabEntry& lab() const;

  // Parameters. set() checks the domain, posts, and replaces a queued newer value of the same update.
  Expected<void> set(std::string_view id, Value value, Edit edit = Edit::step);
  Expected<void> set(const Changes& changes, Edit edit = Edit::step);    // one undo step
  void endDrag();
  Values values() const;
  Value value(std::string_view id) const;
  bool isDefault(std::string_view id) const;
  void reset(std::string_view id);                   // one parameter to its default
  void resetAll();
  Expected<void> applyPreset(std::string_view id);

  bool canUndo() const;
  bool canRedo() const;
  void undo();
  void redo();
  std::string undoText() const;                      // "Steps N" for "Undo Steps N"; empty when there is nothing
  std::string redoText() const;

  // Files: gives the file to the lab's best acceptance. Error when this lab does not take it.
  Expected<void> drop(const FileReport& report, const std::string& path);
  // Several at once, one path per report: as one set where the lab takes them as one, otherwise one after another.
  Expected<void> drop(std::span<const FileReport> reports, std::span<const std::string> paths);

  // Pointer actions in the picture; become parameter changes (one undo step per press..release).
  void pointer(PointerEvent event);

  // Timeline.
  void play();
  void pause();
  bool playing() const;
  void seek(std::int64_t frame);                     // also step: seek(frame +- 1)
  void setSpeed(double speed);                       // 0.1 .. 10
  double speed() const;
  void setLoop(bool loop);
  bool loop() const;

  // Results.
  std::shared_ptr<const Picture> picture() const;    // the newest; null before the first
  std::shared_ptr<const Picture> preview() const;    // what there is so far of the one that is being computed (LabContext::preview); else null
  std::optional<Error> error() const;                // of the newest update; cleared by the next success
  Progress progress() const;
  void cancel();                                     // stops the running update; the last picture stays

  // Waits until everything posted has been computed (and seeks reached). The error of the newest update, if any.
  Expected<void> wait();

  // Writes the lab's data set (LabEntry::files) for the values as they are now into a folder, on the worker, with progress(); cancel() stops it.
  // Everything arrives or nothing. `then` is called on the worker; wait() includes it.
  void writeFiles(std::string folder, std::function<void(Expected<FilesWritten>)> then);

  // Runs a function on the worker between updates, e.g. to probe marks (which may download). Not called after destruction began.
  void onWorker(std::function<void()> job);

  // Called from the worker after every picture, error, progress change and timeline change. One observer.
  void observe(std::function<void()> observer);

  // The device, and replacing it (device menu; after loss the session does it by itself, once per 60 s).
  std::shared_ptr<gpu::Device> device() const;
  void setDevice(std::shared_ptr<gpu::Device> device);
  int recoveries() const;                            // how often the device was rebuilt

  // Recipe and session state: {"orrery": 1, "lab", "parameters": {id: value (only changed ones), files with sha256}, "frame", "view", ...}.
  nlohmann::json toJson() const;
  // Unknown parameters are reported (notes()) and ignored; missing ones get defaults. A file that is not where the recipe says is looked for by
  // its name in `folder` (of the document); not found there either: an Error that names it, and nothing changed. Clears the undo history.
  Expected<void> restore(const nlohmann::json& json, const std::string& folder = {});
  // Remarks of restore(): parameters this version does not know, files whose content has changed since (complete after wait()).
  std::vector<std::string> notes() const;

 private:
  Session();
  struct State;
  std::unique_ptr<State> state_;
};

// A file that holds a recipe or a session: reads "lab" and opens it. The format is versioned; newer versions are refused with a sentence.
struct SessionFile {
  std::string lab;
  std::string json;
};
Expected<SessionFile> readSessionFile(const std::string& path);        // *.orrery
Expected<void> writeSessionFile(const std::string& path, const nlohmann::json& session);   // JSON + checksum, atomic, keeps the last 3

// A recipe or session from text: valid JSON, not nested deeper than 64.
Expected<nlohmann::json> parseRecipe(std::string_view text);
// Reads the lab id from a recipe or session; refuses what is not one and what a newer version wrote.
Expected<std::string> labOfRecipe(const nlohmann::json& recipe);

}  // namespace orrery
