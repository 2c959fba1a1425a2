#pragma once
// Engine: one lab on one device, moved to wanted values and a wanted frame. Knows no threads and no queue; the session's worker owns it.
// A lost device is opened anew and the work repeated once; exhausted memory is answered by freeing what can be freed and repeating once.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "core/session/frame_store.h"
#include "core/session/session.h"

namespace orrery {

// How the engine asks whether to go on, and says how far it is.
class Monitor {
 public:
  virtual ~Monitor() = default;
  virtual bool cancelled() = 0;
  virtual void progress(double fraction, std::string_view what) = 0;
  virtual bool previewDue() { return false; }
  virtual void preview(std::shared_ptr<const Picture>) {}
  virtual std::int64_t wantedFrame(std::int64_t current) { return current; }  // a seek moved the target while replaying
};

class Engine {
 public:
  Engine(const LabEntry& entry, const SessionOptions& options, std::shared_ptr<gpu::Device> device);
  ~Engine();

  // Brings the lab to these values and this frame, and makes a picture of it. Without a frame the position is kept; when the number of
  // frames changes, the same share of the way. Cancelled: an Error, and the next call starts from the values again.
  Expected<std::shared_ptr<const Picture>> reach(const Values& values, std::optional<std::int64_t> frame, Monitor& monitor);

  // `count` steps of the lab's own time from where it is. At the end: null.
  Expected<std::shared_ptr<const Picture>> step(int count, Monitor& monitor);

  // The lab's data set for these values into a folder: all of it, or nothing.
  Expected<FilesWritten> writeFiles(const Values& values, const std::string& folder, Monitor& monitor);

  // Forgets a frame that was asked for and not reached.
  void dropTarget() { explicitFrame_.reset(); }

  Changes pointer(const PointerEvent& event, const Values& values) const;

  std::int64_t frame() const { return frame_; }
  const Timeline& timeline() const { return timeline_; }
  const std::shared_ptr<gpu::Device>& device() const { return device_; }
  void restart() { forget(); }                          // the lab and its memory go; the next reach() makes them anew
  void setDevice(std::shared_ptr<gpu::Device> device);  // the lab starts again on it with the next reach()
  int recoveries() const { return recoveries_; }
  std::size_t keptStates() const { return frames_.size(); }

 private:
  class Context;
  using Result = Expected<std::shared_ptr<const Picture>>;

  Result guarded(const std::function<Result()>& work);
  Expected<void> update(const Values& values, Monitor& monitor);
  Expected<void> moveTo(std::int64_t target, Monitor& monitor);
  Expected<bool> advance(Monitor& monitor);
  std::shared_ptr<Picture> pictureOf(Figure figure);  // at the present frame, without what the lab says of it
  std::shared_ptr<const Picture> picture(std::chrono::steady_clock::time_point began);
  void forget();  // the lab and all that lives on the device
  std::optional<Error> reopen();

  const LabEntry& entry_;
  SessionOptions options_;
  std::shared_ptr<gpu::Device> device_;
  std::unique_ptr<gpu::Stream> stream_;
  std::unique_ptr<Lab> lab_;
  FrameStore frames_;
  Timeline timeline_;

  std::optional<Values> applied_;               // of the last successful update
  std::set<std::string, std::less<>> touched_;  // changed in attempts that failed since: their traces may be inside the lab
  bool current_ = false;                        // the lab stands at applied_, at frame_
  bool restarting_ = true;                      // the update under way begins the timeline anew
  std::int64_t frame_ = 0;
  std::optional<std::int64_t> explicitFrame_;  // asked for and not reached yet
  std::uint64_t serial_ = 0;
  int recoveries_ = 0;
  std::optional<std::chrono::steady_clock::time_point> lastLoss_;
};

}  // namespace orrery
