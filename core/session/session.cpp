// The public face of a session: every function takes the lock, changes what the worker shall do next, and returns.

#include "core/session/session.h"

#include <algorithm>
#include <cassert>
#include <filesystem>
#include <utility>

#include "core/base/text.h"
#include "core/session/find_lab.h"
#include "core/session/nearest.h"
#include "core/session/session_state.h"

namespace orrery {

namespace {

std::string idsOf(const LabEntry& entry) {
  std::string ids;
  for (const auto& parameter : entry.parameters) ids += (ids.empty() ? "" : ", ") + parameter.id;
  return ids;
}

}  // namespace

Session::Session() = default;
Session::~Session() = default;

Expected<std::unique_ptr<Session>> Session::open(std::string_view labId, SessionOptions options) {
  const auto entry = findLab(labId);
  if (!entry) return entry.error();
  auto device = options.sharedDevice;
  if (!device) {
    auto opened = gpu::Device::open(options.device);
    if (!opened) return opened.error();
    device = *std::move(opened);
  }
  options.sharedDevice.reset();
  std::unique_ptr<Session> session(new Session);
  session->state_ = std::make_unique<State>(**entry, std::move(options), std::move(device));
  return session;
}

const LabEntry& Session::lab() const { return state_->entry; }

// --- Parameters

std::string Session::State::labelOf(const Changes& changes) const {
  if (changes.size() != 1) return trf("{} changes", changes.size());
  const auto* parameter = entry.find(changes.front().first);
  return parameter ? tr(parameter->label) : changes.front().first;
}

void Session::State::valuesChanged() {
  ++wanted;
  wake.notify_all();
}

void Session::State::start() {
  held = false;
  wake.notify_all();
}

Expected<void> Session::State::change(const Changes& changes, std::string text, std::string_view dragKey) {
  // Check everything before anything changes.
  History::Changed changed;
  for (const auto& [id, value] : changes) {
    const auto* parameter = entry.find(id);
    if (!parameter) return makeError(ErrorCode::usage, trf("the lab '{}' has no parameter '{}'; it has {}", entry.id, id, idsOf(entry)));
    auto good = checked(*parameter, value);
    if (!good) return good.error();
    const auto earlier = changed.find(id);
    const Value before = earlier == changed.end() ? values[id] : earlier->second.before;
    changed[id] = {before, *std::move(good)};
  }

  const bool same = std::all_of(changed.begin(), changed.end(),
                                [&](const auto& entryOfChange) { return values[entryOfChange.first] == entryOfChange.second.after; });
  // The file may have another content than when it was last given. A value repeated after an error is tried again.
  for (const auto& [id, one] : changed) {
    if (const auto* asset = std::get_if<Asset>(&one.after)) {
      sums.forget(asset->path);
      sumsPending = true;
    }
  }
  for (const auto& [id, one] : changed) values[id] = one.after;
  history.record(std::move(changed), std::move(text), dragKey);
  if (!same || error) valuesChanged();
  else if (sumsPending) wake.notify_all();
  return {};
}

Expected<void> Session::set(std::string_view id, Value value, Edit edit) { return set(Changes{{std::string(id), std::move(value)}}, edit); }

Expected<void> Session::set(const Changes& changes, Edit edit) {
  const std::scoped_lock lock(state_->mutex);
  std::string key;
  if (edit == Edit::drag) {
    for (const auto& [id, value] : changes) key += id + "\n";
  }
  return state_->change(changes, state_->labelOf(changes), key);
}

void Session::endDrag() {
  const std::scoped_lock lock(state_->mutex);
  state_->history.endDrag();
}

Values Session::values() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->values;
}

Value Session::value(std::string_view id) const {
  const std::scoped_lock lock(state_->mutex);
  const auto found = state_->values.find(id);
  assert(found != state_->values.end() && "no such parameter");
  return found == state_->values.end() ? Value{} : found->second;
}

bool Session::isDefault(std::string_view id) const {
  const std::scoped_lock lock(state_->mutex);
  const auto now = state_->values.find(id);
  const auto initial = state_->defaults.find(id);
  return now == state_->values.end() || now->second == initial->second;
}

void Session::reset(std::string_view id) {
  const std::scoped_lock lock(state_->mutex);
  const auto initial = state_->defaults.find(id);
  if (initial == state_->defaults.end()) return;
  const Changes changes{{initial->first, initial->second}};
  (void)state_->change(changes, state_->labelOf(changes), {});
}

void Session::resetAll() {
  const std::scoped_lock lock(state_->mutex);
  (void)state_->change(Changes(state_->defaults.begin(), state_->defaults.end()), tr("Reset"), {});
}

Expected<void> Session::applyPreset(std::string_view id) {
  const std::scoped_lock lock(state_->mutex);
  std::vector<std::string> ids;
  for (const auto& preset : state_->entry.presets) {
    ids.push_back(preset.id);
    if (preset.id != id) continue;
    Values all = state_->defaults;
    for (const auto& [parameter, value] : preset.values) all[parameter] = value;
    return state_->change(Changes(all.begin(), all.end()), tr(preset.title), {});
  }
  if (ids.empty()) return makeError(ErrorCode::usage, trf("the lab '{}' has no presets", state_->entry.id));
  return makeError(ErrorCode::usage, trf("the lab '{}' has no preset '{}'; it has {}", state_->entry.id, id, joined(ids)));
}

bool Session::canUndo() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->history.canUndo();
}

bool Session::canRedo() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->history.canRedo();
}

void Session::undo() {
  const std::scoped_lock lock(state_->mutex);
  if (!state_->history.canUndo()) return;
  state_->history.undo(state_->values);
  state_->valuesChanged();
}

void Session::redo() {
  const std::scoped_lock lock(state_->mutex);
  if (!state_->history.canRedo()) return;
  state_->history.redo(state_->values);
  state_->valuesChanged();
}

std::string Session::undoText() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->history.undoText();
}

std::string Session::redoText() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->history.redoText();
}

// --- Files and pointer

Expected<void> Session::drop(const FileReport& report, const std::string& path) {
  const std::scoped_lock lock(state_->mutex);
  const Acceptance* best = state_->entry.takes(report);
  if (!best) {
    std::string kinds;
    for (const auto& acceptance : state_->entry.accepts) kinds += (kinds.empty() ? "" : "; ") + tr(acceptance.kinds);
    if (kinds.empty()) return makeError(ErrorCode::unsupported, trf("The lab '{}' takes no files", tr(state_->entry.title)));
    return makeError(ErrorCode::unsupported, trf("This is {}; the lab '{}' takes: {}", report.title, tr(state_->entry.title), kinds));
  }
  Changes changes(best->also.begin(), best->also.end());
  changes.emplace_back(best->parameter, Asset{path, {}});
  // What was said of other files before does not hold of this one.
  if (!best->names.empty()) changes.emplace_back(best->names, std::string());
  return state_->change(changes, tr("Open file"), {});
}

Expected<void> Session::drop(std::span<const FileReport> reports, std::span<const std::string> paths) {
  namespace fs = std::filesystem;
  const Acceptance* set = reports.size() > 1 ? state_->entry.takesTogether(reports) : nullptr;
  if (!set) {
    for (std::size_t i = 0; i < reports.size(); ++i) {
      if (auto taken = drop(reports[i], paths[i]); !taken) return taken;
    }
    return {};
  }
  const fs::path folder = fs::absolute(paths.front()).parent_path();
  std::string names;
  for (const std::string& path : paths) {
    const fs::path file = fs::absolute(path);
    if (file.parent_path() != folder) {
      return makeError(ErrorCode::usage, trf("Files taken as a set lie in one folder: expected all of them in {}, found {}; put them together first",
                                             folder.string(), file.string()));
    }
    if (file.filename().string().find('\n') != std::string::npos) {
      return makeError(ErrorCode::usage, tr("A file's name with a line break cannot stand in a list of names: rename it, or take its folder"));
    }
    names += (names.empty() ? "" : "\n") + file.filename().string();
  }
  Changes changes(set->also.begin(), set->also.end());
  changes.emplace_back(set->parameter, Asset{folder.string(), {}});
  changes.emplace_back(set->names, names);
  const std::scoped_lock lock(state_->mutex);
  return state_->change(changes, tr("Open files"), {});
}

void Session::pointer(PointerEvent event) {
  const std::scoped_lock lock(state_->mutex);
  state_->pointers.push_back(std::move(event));
  state_->wake.notify_all();
}

// --- Timeline

void Session::play() {
  const std::scoped_lock lock(state_->mutex);
  if (state_->playing) return;
  // At the end, play means: from the start.
  const auto& picture = state_->picture;
  if (!state_->seek && picture && picture->frames > 1 && picture->frame + 1 >= picture->frames) state_->seek = 0;
  state_->playing = true;
  state_->announce = true;
  state_->nextTick.reset();
  state_->start();
}

void Session::pause() {
  const std::scoped_lock lock(state_->mutex);
  if (!state_->playing) return;
  state_->playing = false;
  state_->announce = true;
  state_->wake.notify_all();
}

bool Session::playing() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->playing;
}

void Session::seek(std::int64_t frame) {
  const std::scoped_lock lock(state_->mutex);
  state_->seek = std::max<std::int64_t>(frame, 0);
  state_->start();
}

void Session::setSpeed(double speed) {
  const std::scoped_lock lock(state_->mutex);
  state_->speed = speed >= 0.1 ? std::min(speed, 10.0) : 0.1;  // NaN becomes 0.1
  state_->announce = true;
  state_->nextTick.reset();
  state_->wake.notify_all();
}

double Session::speed() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->speed;
}

void Session::setLoop(bool loop) {
  const std::scoped_lock lock(state_->mutex);
  state_->loop = loop;
  state_->announce = true;
  state_->wake.notify_all();
}

bool Session::loop() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->loop;
}

// --- Results

std::shared_ptr<const Picture> Session::picture() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->picture;
}

std::shared_ptr<const Picture> Session::preview() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->preview;
}

std::optional<Error> Session::error() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->error;
}

Progress Session::progress() const {
  const std::scoped_lock lock(state_->mutex);
  Progress progress;
  progress.busy = state_->busy;
  if (!progress.busy) return progress;
  progress.fraction = state_->fraction;
  progress.what = state_->what;
  progress.seconds = std::chrono::duration<double>(State::Clock::now() - state_->workBegan).count();
  return progress;
}

void Session::cancel() {
  const std::scoped_lock lock(state_->mutex);
  if (state_->busy) state_->cancelled = true;
}

Expected<void> Session::wait() {
  std::unique_lock lock(state_->mutex);
  state_->start();
  state_->idle.wait(lock, [this] { return state_->idleNow(); });
  if (state_->error) return *state_->error;
  return {};
}

void Session::onWorker(std::function<void()> job) {
  const std::scoped_lock lock(state_->mutex);
  state_->jobs.push_back(std::move(job));
  state_->wake.notify_all();
}

void Session::writeFiles(std::string folder, std::function<void(Expected<FilesWritten>)> then) {
  onWorker([state = state_.get(), folder = std::move(folder), then = std::move(then)] { then(state->writeFiles(folder)); });
}

void Session::observe(std::function<void()> observer) {
  const std::scoped_lock lock(state_->mutex);
  state_->observer = std::move(observer);
  // What was finished before somebody listened is news as well.
  state_->announce = true;
  state_->wake.notify_all();
}

std::vector<std::string> Session::notes() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->notes;
}

// --- Device

std::shared_ptr<gpu::Device> Session::device() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->device;
}

void Session::setDevice(std::shared_ptr<gpu::Device> device) {
  onWorker([state = state_.get(), device = std::move(device)]() mutable {
    state->engine.setDevice(device);
    const std::scoped_lock lock(state->mutex);
    state->device = std::move(device);
    state->valuesChanged();
  });
}

int Session::recoveries() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->recoveries;
}

}  // namespace orrery
