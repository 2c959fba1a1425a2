// The session's worker: one thread that takes, in this order, posted jobs, pointer actions, the newest values, a seek, and the next tick of
// the timeline. Newer values replace queued ones; a long update is cancelled for them, but never so often that no picture appears.

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/base/text.h"
#include "core/session/session_state.h"

namespace orrery {

namespace {

using Clock = std::chrono::steady_clock;

// An update shorter than this is left to finish: its picture is worth more than the few milliseconds.
constexpr auto supersedeAfter = std::chrono::milliseconds(100);
// Under a steady stream of newer values, a picture at least this often.
constexpr auto longestWithoutPicture = std::chrono::seconds(1);
// Work that takes longer than this gives way all the same: no picture of it could keep up with a hand, and the newest values are waiting.
constexpr auto longestHeldOn = std::chrono::seconds(3);
// Work that takes longer than this shows what there is so far (the busy state begins then, look.md), this often.
constexpr auto previewAfter = std::chrono::milliseconds(200), previewInterval = std::chrono::milliseconds(100);
// The observer hears of progress at most this often.
constexpr auto progressInterval = std::chrono::milliseconds(50);
// No screen shows more; beyond, several steps are taken per picture.
constexpr double mostPicturesPerSecond = 60;
// Behind by more than this, the lost time is dropped instead of caught up.
constexpr auto largestDebt = std::chrono::milliseconds(250);
// How often a worker with nothing else to do looks whether a checksum has arrived.
constexpr auto sumInterval = std::chrono::milliseconds(10);

}  // namespace

// Watches for cancellation while the engine works.
class Session::State::Watch : public Monitor {
 public:
  explicit Watch(State& state) : state_(state), began_(Clock::now()) {}

  bool cancelled() override {
    if (state_.cancelled) return true;
    const auto now = Clock::now();
    if (superseded_) return true;
    const bool due = now - state_.lastPicture > longestWithoutPicture && now - began_ < longestHeldOn;
    if (now - began_ < supersedeAfter || due) return false;
    const std::scoped_lock lock(state_.mutex);
    superseded_ = state_.wanted != state_.attempted;
    return superseded_;
  }

  void progress(double fraction, std::string_view what) override {
    {
      const std::scoped_lock lock(state_.mutex);
      state_.fraction = fraction;
      if (!what.empty()) state_.what = what;
    }
    const auto now = Clock::now();
    if (now - state_.lastAnnounced < progressInterval) return;
    state_.lastAnnounced = now;
    state_.tell();
  }

  bool previewDue() override {
    const auto now = Clock::now();
    if (now - began_ < previewAfter || now - lastPreview_ < previewInterval || superseded_ || state_.cancelled) return false;
    lastPreview_ = now;
    const std::scoped_lock lock(state_.mutex);
    return state_.observer != nullptr;
  }

  void preview(std::shared_ptr<const Picture> picture) override {
    {
      const std::scoped_lock lock(state_.mutex);
      state_.preview = std::move(picture);
    }
    state_.tell();
  }

  std::int64_t wantedFrame(std::int64_t current) override {
    const std::scoped_lock lock(state_.mutex);
    return state_.seek.value_or(current);
  }

  bool stopped() const { return state_.cancelled; }
  bool superseded() const { return superseded_ && !state_.cancelled; }

 private:
  State& state_;
  Clock::time_point began_, lastPreview_;
  bool superseded_ = false;
};

Session::State::State(const LabEntry& lab, SessionOptions given, std::shared_ptr<gpu::Device> opened)
    : entry(lab), options(std::move(given)), device(std::move(opened)), engine(entry, options, device), lastPicture(Clock::now()) {
  for (const auto& parameter : entry.parameters) {
    // Integers declared for reals are widened; a default outside its own domain is our bug, found by a test over all labs.
    const auto value = checked(parameter, parameter.initial);
    defaults[parameter.id] = value ? *value : parameter.initial;
  }
  values = defaults;
  held = options.deferred;
  thread = std::thread([this] { run(); });
}

Session::State::~State() {
  {
    const std::scoped_lock lock(mutex);
    quit = true;
    cancelled = true;
  }
  wake.notify_all();
  thread.join();
}

void Session::State::tell() {
  std::function<void()> call;
  {
    const std::scoped_lock lock(mutex);
    if (!quit) call = observer;
  }
  if (call) call();
}

bool Session::State::idleNow() const {
  return quit || (!busy && jobs.empty() && pointers.empty() && wanted == attempted && !seek && !sumsPending);
}

// Whether the timeline can go on from the newest picture.
bool Session::State::canPlay() const { return playing && !error && picture && picture->frames > 1; }

Clock::duration Session::State::tickInterval() const {
  const double rate = std::max(engine.timeline().framesPerSecond * speed, 0.01);
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1.0 / std::min(rate, mostPicturesPerSecond)));
}

void Session::State::run() {
  std::unique_lock lock(mutex);
  while (!quit) {
    if (held && jobs.empty()) {
      wake.wait(lock);
      continue;
    }
    // Asked once a round: a checksum that arrives later is looked at, and told of, in the next one.
    sumsPending = sumsMissing();
    checkSums();
    if (!jobs.empty()) {
      auto job = std::move(jobs.front());
      jobs.pop_front();
      busy = true;
      workBegan = Clock::now();
      lock.unlock();
      const bool lost = !runGuarded(job);
      lock.lock();
      busy = false;
      if (lost) valuesChanged();
    } else if (!pointers.empty()) {
      handlePointer(lock);
    } else if (wanted != attempted || seek) {
      reachWanted(lock);
    } else if (announce) {
      announce = false;
      lock.unlock();
      tell();
      lock.lock();
    } else if (canPlay()) {
      const auto now = Clock::now();
      if (!nextTick) nextTick = now;
      if (now >= *nextTick) {
        playTick(lock);
      } else {
        wake.wait_until(lock, *nextTick);
      }
    } else {
      nextTick.reset();
      if (idleNow()) idle.notify_all();
      if (sumsPending) {
        wake.wait_for(lock, sumInterval);
      } else {
        wake.wait(lock);
      }
    }
    if (idleNow()) idle.notify_all();
  }
  idle.notify_all();
}

// A probe may download and so notice a lost device before any update does. The lab starts again, and its update recovers. False = do that.
bool Session::State::runGuarded(const std::function<void()>& job) {
  try {
    job();
    return true;
  } catch (const gpu::DeviceLost&) {
    engine.restart();
    return false;
  } catch (const std::exception&) {
    // What a probe could not find out is not shown; the picture stands.
    return true;
  }
}

// A job of the queue: newer values do not stop it, only cancel() and the end of the session.
Expected<FilesWritten> Session::State::writeFiles(const std::string& folder) {
  class Writing : public Watch {
   public:
    using Watch::Watch;
    bool cancelled() override { return stopped(); }
  };
  Values snapshot;
  {
    const std::scoped_lock lock(mutex);
    snapshot = values;
    cancelled = quit;
    fraction = -1;
    what.clear();
  }
  Writing watch(*this);
  auto written = engine.writeFiles(snapshot, folder, watch);
  const std::scoped_lock lock(mutex);
  cancelled = quit;
  announce = true;
  return written;
}

// A press, drag or click becomes parameter changes; everything from press to release is one step of undo.
void Session::State::handlePointer(std::unique_lock<std::mutex>& lock) {
  const auto event = std::move(pointers.front());
  pointers.pop_front();
  // The newest of a row of drags tells all: the lab's answer depends on where the pointer is, not on how it came there.
  if (event.kind == PointerEvent::Kind::drag && !pointers.empty() && pointers.front().kind == PointerEvent::Kind::drag) {
    const auto& next = pointers.front();
    if (next.handle == event.handle && next.panel == event.panel && !event.handle.empty()) return;
  }
  const auto now = values;
  busy = true;
  lock.unlock();
  Changes changes;
  const bool lost = !runGuarded([&] { changes = engine.pointer(event, now); });
  lock.lock();
  busy = false;
  if (lost) valuesChanged();
  const bool click = event.kind == PointerEvent::Kind::click;
  if (!changes.empty()) {
    // Dragging beyond the end of a domain means its end.
    for (auto& [id, value] : changes) {
      if (const auto* parameter = entry.find(id)) value = clamped(*parameter, value);
    }
    if (auto done = change(changes, labelOf(changes), click ? "" : "pointer/" + event.panel + "/" + event.handle); !done)
      error = done.error();
  }
  if (click || event.kind == PointerEvent::Kind::release) history.endDrag();
}

void Session::State::reachWanted(std::unique_lock<std::mutex>& lock) {
  attempted = wanted;
  const auto target = seek;
  const auto snapshot = values;
  busy = true;
  cancelled = false;
  fraction = -1;
  what.clear();
  workBegan = Clock::now();
  lock.unlock();
  Watch watch(*this);
  auto result = engine.reach(snapshot, target, watch);
  lock.lock();

  // A seek that arrived meanwhile stays queued, and so does one given up for newer values. After an error or cancel() it is dropped.
  if (result ? seek == target : !watch.superseded()) seek.reset();
  if (!result && !watch.superseded()) engine.dropTarget();
  finishWork(lock, std::move(result), watch.superseded());
}

void Session::State::playTick(std::unique_lock<std::mutex>& lock) {
  const auto now = Clock::now();
  const auto interval = tickInterval();
  nextTick = now - *nextTick > largestDebt ? now + interval : *nextTick + interval;

  const bool atEnd = engine.frame() + 1 >= engine.timeline().frames;
  if (atEnd && !loop) {
    playing = false;
    announce = true;
    return;
  }
  // Above the rate of pictures, several steps go into one.
  const double rate = engine.timeline().framesPerSecond * speed;
  const int count = std::max(1, static_cast<int>(std::lround(rate / mostPicturesPerSecond)));
  const auto snapshot = values;
  busy = true;
  cancelled = false;
  fraction = -1;
  what.clear();
  workBegan = now;
  lock.unlock();
  Watch watch(*this);
  auto result = atEnd ? engine.reach(snapshot, 0, watch) : engine.step(count, watch);
  lock.lock();
  if (result && !*result) playing = false;  // the lab ended before its timeline said so
  finishWork(lock, std::move(result), watch.superseded());
}

void Session::State::finishWork(std::unique_lock<std::mutex>& lock, Expected<std::shared_ptr<const Picture>> result, bool superseded) {
  if (device != engine.device()) device = engine.device();
  recoveries = engine.recoveries();
  if (!result) {
    // Work given up for newer values is no error; they come next.
    if (!(superseded && result.error().code == ErrorCode::cancelled)) {
      preview.reset();
      error = result.error();
      playing = false;
    }
  } else {
    error.reset();
    preview.reset();
    if (*result) {
      picture = *result;
      lastPicture = Clock::now();
    }
  }
  busy = false;
  cancelled = false;
  announce = false;
  lock.unlock();
  tell();
  lock.lock();
}

std::vector<std::string> Session::State::paths() const {
  std::vector<std::string> paths;
  for (const auto& [id, value] : values) {
    const auto* asset = std::get_if<Asset>(&value);
    if (asset && !asset->path.empty()) paths.push_back(asset->path);
  }
  return paths;
}

bool Session::State::sumsMissing() const {
  const auto files = paths();
  return std::any_of(files.begin(), files.end(), [&](const auto& path) { return !sums.get(path); });
}

// Start what is missing, and compare what has arrived with what the recipe promised.
void Session::State::checkSums() {
  for (const auto& path : paths()) sums.request(path);
  for (auto promise = promised.begin(); promise != promised.end();) {
    const auto sum = sums.get(promise->first);
    if (!sum) {
      ++promise;
      continue;
    }
    if (!sum->empty() && *sum != promise->second) {
      notes.push_back(trf("The file '{}' has changed since this was saved; the picture may differ", promise->first));
      announce = true;
    }
    promise = promised.erase(promise);
  }
}

}  // namespace orrery
