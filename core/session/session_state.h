#pragma once
// The inside of a Session: what the controlling thread and the worker share. Included by session*.cpp only.

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "core/session/engine.h"
#include "core/session/file_sums.h"
#include "core/session/history.h"
#include "core/session/session.h"

namespace orrery {

struct Session::State {
  using Clock = std::chrono::steady_clock;

  State(const LabEntry& lab, SessionOptions given, std::shared_ptr<gpu::Device> opened);
  ~State();

  const LabEntry& entry;
  const SessionOptions options;

  mutable std::mutex mutex;  // guards everything down to `engine`
  std::condition_variable wake, idle;

  // Parameters.
  Values defaults, values;
  History history;
  std::uint64_t wanted = 1, attempted = 0;  // versions of `values`: the newest, and the last one the worker has tried
  std::deque<PointerEvent> pointers;
  std::deque<std::function<void()>> jobs;

  // Timeline.
  std::optional<std::int64_t> seek;
  bool playing = false;
  double speed = 1;
  bool loop = false;

  // Results.
  std::shared_ptr<const Picture> picture, preview;
  std::optional<Error> error;
  std::shared_ptr<gpu::Device> device;
  int recoveries = 0;

  // Files: their checksums, and those a recipe promised (by path).
  FileSums sums;
  bool sumsPending = false;  // the worker has not seen all of those wanted
  std::map<std::string, std::string> promised;
  std::vector<std::string> notes;

  // The work under way.
  bool busy = false;
  double fraction = -1;
  std::string what;
  Clock::time_point workBegan;
  std::atomic<bool> cancelled = false;
  bool announce = false;  // tell the observer although no work was done
  bool quit = false;
  bool held = false;                        // the first update waits for start()
  std::function<void()> observer;

  // The worker's own.
  Engine engine;
  Clock::time_point lastPicture;
  Clock::time_point lastAnnounced;
  std::optional<Clock::time_point> nextTick;
  std::thread thread;

  // With `mutex` held.
  Expected<void> change(const Changes& changes, std::string text, std::string_view dragKey);
  void valuesChanged();
  void start();
  std::string labelOf(const Changes& changes) const;
  bool idleNow() const;
  std::vector<std::string> paths() const;  // of the files among the values
  bool sumsMissing() const;

  // On the worker, without the lock.
  void run();
  void tell();
  Expected<FilesWritten> writeFiles(const std::string& folder);

 private:
  class Watch;
  void checkSums();
  bool runGuarded(const std::function<void()>& job);
  void reachWanted(std::unique_lock<std::mutex>& lock);
  void playTick(std::unique_lock<std::mutex>& lock);
  void handlePointer(std::unique_lock<std::mutex>& lock);
  void finishWork(std::unique_lock<std::mutex>& lock, Expected<std::shared_ptr<const Picture>> result, bool superseded);
  Clock::duration tickInterval() const;
  bool canPlay() const;
};

}  // namespace orrery
