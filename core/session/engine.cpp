#include "core/session/engine.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "core/base/stop.h"
#include "core/base/text.h"

namespace orrery {

namespace {

using Clock = std::chrono::steady_clock;

// A second loss within this time is not bad luck but the work itself: repeating it would loop.
constexpr auto lossWindow = std::chrono::seconds(60);

// How many advances are handed to the device before the worker looks whether it has kept up.
constexpr int advancesInFlight = 16;

constexpr double mebibyte = 1024.0 * 1024.0;

// Sessions of one window share a device. The first that notices a loss opens the next one and the others join it.
std::shared_ptr<gpu::Device> replacementOf(const std::shared_ptr<gpu::Device>& lost, const gpu::DeviceOptions& options,
                                           std::optional<Error>& error) {
  struct Replacement {
    std::weak_ptr<gpu::Device> lost, next;
  };
  static std::mutex mutex;
  static std::vector<Replacement> replacements;
  const std::scoped_lock lock(mutex);
  std::erase_if(replacements, [](const Replacement& entry) { return entry.lost.expired() || entry.next.expired(); });
  for (const auto& entry : replacements) {
    if (entry.lost.lock() == lost) return entry.next.lock();
  }
  auto opened = gpu::Device::open(options);
  if (!opened) {
    error = opened.error();
    return nullptr;
  }
  replacements.push_back({lost, *opened});
  return *opened;
}

Error cancelledError() { return makeError(ErrorCode::cancelled, tr("Cancelled; the picture still shows the values before")); }

}  // namespace

class Engine::Context : public LabContext {
 public:
  Context(Engine& engine, const Values& values, Monitor& monitor) : engine_(engine), values_(values), monitor_(monitor) {}
  gpu::Stream& stream() override { return *engine_.stream_; }
  const Values& values() const override { return values_; }
  bool changed(std::string_view id) const override {
    if (!engine_.applied_ || engine_.touched_.contains(id)) return true;
    const auto now = values_.find(id);
    const auto before = std::as_const(*engine_.applied_).find(id);
    return now == values_.end() || before == engine_.applied_->end() || now->second != before->second;
  }
  bool restarting() const override { return engine_.restarting_; }
  bool cancelled() const override { return monitor_.cancelled(); }
  void progress(double fraction, std::string_view what) override { monitor_.progress(fraction, what); }
  void preview(const std::function<Figure()>& figure) override {
    if (monitor_.previewDue()) monitor_.preview(engine_.pictureOf(figure()));
  }

 private:
  Engine& engine_;
  const Values& values_;
  Monitor& monitor_;
};

Engine::Engine(const LabEntry& entry, const SessionOptions& options, std::shared_ptr<gpu::Device> device)
    : entry_(entry), options_(options), device_(std::move(device)), frames_(options.historyBytes) {}

Engine::~Engine() = default;

Engine::Result Engine::reach(const Values& values, std::optional<std::int64_t> frame, Monitor& monitor) {
  const auto began = Clock::now();
  if (frame) explicitFrame_ = frame;
  // The position to come back to, taken before an update or a recovery resets it.
  const auto before = frame_;
  const auto framesBefore = timeline_.frames;

  return guarded([&]() -> Result {
    const bool update = !current_ || !applied_ || *applied_ != values;
    if (update) {
      if (auto done = this->update(values, monitor); !done) return done.error();
    }
    // Come back to where the timeline stood: the frame asked for, or the same share of the way.
    std::int64_t target = explicitFrame_.value_or(before);
    if (!explicitFrame_ && framesBefore > 1 && timeline_.frames != framesBefore) {
      target =
          std::llround(static_cast<double>(before) * static_cast<double>(timeline_.frames - 1) / static_cast<double>(framesBefore - 1));
    }
    if (auto moved = moveTo(target, monitor); !moved) {
      if (!explicitFrame_) explicitFrame_ = target;
      return moved.error();
    }
    explicitFrame_.reset();
    return picture(began);
  });
}

Engine::Result Engine::step(int count, Monitor& monitor) {
  if (!current_ || !applied_) return std::shared_ptr<const Picture>();
  const auto began = Clock::now();
  const auto target = std::min(frame_ + count, timeline_.frames - 1);
  if (target <= frame_) return std::shared_ptr<const Picture>();
  const Values values = *applied_;
  return guarded([&]() -> Result {
    // After a recovery the lab is a fresh one: bring it back first.
    if (!current_) {
      if (auto done = update(values, monitor); !done) return done.error();
    }
    const auto start = frame_;
    if (auto moved = moveTo(target, monitor); !moved) return moved.error();
    if (frame_ == start) return std::shared_ptr<const Picture>();
    return picture(began);
  });
}

Expected<FilesWritten> Engine::writeFiles(const Values& values, const std::string& folder, Monitor& monitor) {
  FilesWritten written;
  if (!current_ || !applied_ || *applied_ != values) {
    if (auto reached = reach(values, std::nullopt, monitor); !reached) return reached.error();
  }
  const auto done = guarded([&]() -> Result {
    // After a recovery the lab is a fresh one: bring it back first.
    if (!current_) {
      if (auto updated = update(values, monitor); !updated) return updated.error();
    }
    auto writer = FolderWriter::open(folder);
    if (!writer) return writer.error();
    Context context(*this, values, monitor);
    StopScope stop([&] { return monitor.cancelled(); });
    auto wrote = lab_->writeFiles(context, *writer);
    if (stop.stopped()) wrote = cancelledError();
    if (!wrote) return wrote.error();
    auto committed = writer->commit();
    if (!committed) return committed.error();
    written = *committed;
    return std::shared_ptr<const Picture>();
  });
  if (!done) return done.error();
  return written;
}

Changes Engine::pointer(const PointerEvent& event, const Values& values) const { return lab_ ? lab_->pointer(event, values) : Changes{}; }

void Engine::setDevice(std::shared_ptr<gpu::Device> device) {
  forget();
  device_ = std::move(device);
}

Engine::Result Engine::guarded(const std::function<Result()>& work) {
  bool repeatedForMemory = false, repeatedForDevice = false;
  for (;;) {
    try {
      return work();
    } catch (const gpu::DeviceLost&) {
      const auto now = Clock::now();
      const bool again = repeatedForDevice || (lastLoss_ && now - *lastLoss_ < lossWindow);
      lastLoss_ = now;
      repeatedForDevice = true;
      const auto failed = reopen();
      if (failed) return *failed;
      if (again) {
        return makeError(ErrorCode::gpu, trf("The GPU device '{}' was lost twice within a minute; choose smaller values or another device",
                                             device_->summary().name));
      }
    } catch (const gpu::OutOfMemory& exhausted) {
      const auto needed = std::ceil(static_cast<double>(exhausted.needed()) / mebibyte);
      const auto free = std::floor(static_cast<double>(exhausted.available()) / mebibyte);
      // Free the kept states and the lab's own memory, then try once more.
      forget();
      if (repeatedForMemory) {
        return makeError(ErrorCode::outOfMemory,
                         trf("The device has too little memory: {} MiB are needed, {} MiB are free; choose smaller values", needed, free));
      }
      repeatedForMemory = true;
    } catch (const std::bad_alloc&) {
      forget();
      if (repeatedForMemory)
        return makeError(ErrorCode::outOfMemory, tr("The computer has too little memory for this; choose smaller values"));
      repeatedForMemory = true;
    } catch (const std::exception& bug) {
      // A bug of ours in one lab must not take the other labs and their unsaved work with it.
      forget();
      return makeError(ErrorCode::internal, trf("The lab '{}' failed: {}", entry_.id, std::string(bug.what())));
    }
  }
}

std::optional<Error> Engine::reopen() {
  const auto lost = device_;
  auto options = options_.device;
  if (options.index < 0) options.index = lost->summary().index;
  forget();
  std::optional<Error> error;
  if (auto next = replacementOf(lost, options, error)) {
    device_ = std::move(next);
    ++recoveries_;
  }
  return error;
}

void Engine::forget() {
  frames_.clear();
  lab_.reset();
  stream_.reset();
  applied_.reset();
  touched_.clear();
  current_ = false;
}

Expected<void> Engine::update(const Values& values, Monitor& monitor) {
  if (!stream_) stream_ = std::make_unique<gpu::Stream>(device_);
  if (!lab_) {
    lab_ = entry_.make();
    const std::vector<std::string_view> shaders(entry_.shaders.begin(), entry_.shaders.end());
    if (!shaders.empty()) device_->warm(shaders);
  }

  Context context(*this, values, monitor);
  restarting_ = !current_ || !applied_;
  const bool stays = !restarting_ && timeline_.frames > 1 && lab_->keepsTime(context);
  current_ = false;
  StopScope stop([&] { return monitor.cancelled(); });
  auto done = lab_->update(context);
  // Of work that was told to stop nothing is shown, whatever the lab made of its answers.
  if (stop.stopped() || (done && monitor.cancelled())) done = cancelledError();
  if (!done) {
    // What the failed attempt changed may have left traces in the lab, so it counts as changed until an update succeeds.
    for (const auto& [id, value] : values) {
      if (context.changed(id)) touched_.insert(id);
    }
    if (!stream_->empty()) stream_->finish();
    return done.error().code == ErrorCode::cancelled ? cancelledError() : done.error();
  }
  stream_->finish();

  applied_ = values;
  touched_.clear();
  current_ = true;
  if (stays) return {};
  frame_ = 0;
  timeline_ = lab_->timeline();
  frames_.clear();
  if (timeline_.frames > 1) frames_.keep(0, lab_->capture());
  return {};
}

Expected<bool> Engine::advance(Monitor& monitor) {
  Context context(*this, *applied_, monitor);
  StopScope stop([&] { return monitor.cancelled(); });
  auto moved = lab_->advance(context);
  if (stop.stopped()) moved = cancelledError();
  if (!moved) {
    // An advance that failed half way leaves no frame to stand on.
    current_ = false;
    return moved.error();
  }
  if (!*moved) return false;
  stream_->submit();
  ++frame_;
  if (frames_.wants(frame_)) frames_.keep(frame_, lab_->capture());
  return true;
}

Expected<void> Engine::moveTo(std::int64_t target, Monitor& monitor) {
  const auto last = std::max<std::int64_t>(timeline_.frames - 1, 0);
  target = std::clamp<std::int64_t>(target, 0, last);
  if (target == frame_) return {};

  // Going back: restore the nearest kept state; going far forward over kept states: the same.
  const auto kept = frames_.before(target);
  if (kept.state && (target < frame_ || kept.frame > frame_)) {
    const auto state = *kept.state;
    lab_->restore(kept.frame, state);
    frame_ = kept.frame;
  } else if (target < frame_) {
    // A lab that cannot be captured starts again from its update.
    const Values values = *applied_;
    if (auto done = update(values, monitor); !done) return done;
  }

  // Replay forward; the same steps from the same state give the same bits. What the update said of itself no longer holds.
  const auto from = frame_;
  int inFlight = 0;
  const auto say = [&] {
    if (target - from < 2) return;
    monitor.progress(static_cast<double>(frame_ - from) / static_cast<double>(target - from),
                     timeline_.training ? trf("Training up to frame {}", target) : trf("Going to frame {}", target));
  };
  say();
  while (frame_ < target) {
    if (monitor.cancelled()) {
      stream_->finish();
      return cancelledError();
    }
    const auto moved = advance(monitor);
    if (!moved) return moved.error().code == ErrorCode::cancelled ? cancelledError() : moved.error();
    if (!*moved) break;
    if (++inFlight % advancesInFlight == 0) stream_->wait();
    say();
    const auto wanted = std::clamp<std::int64_t>(monitor.wantedFrame(target), 0, last);
    if (wanted < frame_) break;
    target = wanted;
  }
  stream_->finish();
  return {};
}

std::shared_ptr<Picture> Engine::pictureOf(Figure figure) {
  auto result = std::make_shared<Picture>();
  result->figure = std::move(figure);
  // figure() may record work of its own, e.g. a density it draws only now.
  if (!stream_->empty()) stream_->finish();
  result->frame = frame_;
  result->frames = timeline_.frames;
  result->frameUnit = timeline_.unit;
  result->framesPerSecond = timeline_.framesPerSecond;
  result->serial = ++serial_;
  result->device = device_;
  return result;
}

std::shared_ptr<const Picture> Engine::picture(Clock::time_point began) {
  auto result = pictureOf(lab_->figure());
  result->metrics = lab_->metrics();
  result->timings = stream_->timings();
  result->updateMilliseconds = std::chrono::duration<double, std::milli>(Clock::now() - began).count();
  return result;
}

}  // namespace orrery
