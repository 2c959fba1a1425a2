#include "core/session/history.h"

#include <utility>

namespace orrery {

namespace {

void dropUnchanged(History::Changed& changes) {
  std::erase_if(changes, [](const auto& entry) { return entry.second.before == entry.second.after; });
}

}  // namespace

void History::record(Changed changes, std::string text, std::string_view dragKey) {
  // Continue an open drag: keep where it began, replace where it is.
  if (!dragKey.empty() && dragKey == dragKey_ && position_ > 0) {
    Step& step = steps_[position_ - 1];
    for (auto& [id, change] : changes) {
      const auto known = step.changes.find(id);
      if (known == step.changes.end()) {
        step.changes.emplace(id, std::move(change));
      } else {
        known->second.after = std::move(change.after);
      }
    }
    steps_.resize(position_);
    return;
  }

  endDrag();
  dropUnchanged(changes);
  if (changes.empty()) return;
  steps_.resize(position_);
  steps_.push_back({std::move(changes), std::move(text)});
  if (steps_.size() > longest) steps_.erase(steps_.begin());
  position_ = steps_.size();
  dragKey_ = dragKey;
}

void History::endDrag() {
  if (dragKey_.empty()) return;
  dragKey_.clear();
  if (position_ == 0) return;
  Step& step = steps_[position_ - 1];
  dropUnchanged(step.changes);
  if (step.changes.empty()) steps_.erase(steps_.begin() + static_cast<std::ptrdiff_t>(--position_));
}

void History::undo(Values& values) {
  endDrag();
  if (!canUndo()) return;
  for (const auto& [id, change] : steps_[--position_].changes) values[id] = change.before;
}

void History::redo(Values& values) {
  endDrag();
  if (!canRedo()) return;
  for (const auto& [id, change] : steps_[position_++].changes) values[id] = change.after;
}

void History::clear() {
  steps_.clear();
  position_ = 0;
  dragKey_.clear();
}

}  // namespace orrery
