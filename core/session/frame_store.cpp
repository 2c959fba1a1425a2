#include "core/session/frame_store.h"

#include <iterator>
#include <utility>

namespace orrery {

void FrameStore::clear() {
  states_.clear();
  users_.clear();
  bytes_ = 0;
  stride_ = 1;
}

bool FrameStore::wants(std::int64_t frame) const { return frame % stride_ == 0 && !states_.contains(frame); }

void FrameStore::keep(std::int64_t frame, std::vector<Tensor> state) {
  if (!wants(frame) || state.empty()) return;
  count(state, true);
  states_.emplace(frame, std::move(state));
  // Frame 0 stays even when it alone is over the budget: without it going back would mean computing the update again.
  while (bytes_ > budget_ && states_.size() > 1) thin();
}

FrameStore::Kept FrameStore::before(std::int64_t frame) const {
  auto next = states_.upper_bound(frame);
  if (next == states_.begin()) return {};
  --next;
  return {next->first, &next->second};
}

void FrameStore::thin() {
  stride_ *= 2;
  for (auto state = states_.begin(); state != states_.end();) {
    if (state->first % stride_ == 0) {
      ++state;
    } else {
      count(state->second, false);
      state = states_.erase(state);
    }
  }
}

void FrameStore::count(const std::vector<Tensor>& state, bool add) {
  for (const auto& tensor : state) {
    auto& users = users_[tensor.storageId()];
    if (add && users++ == 0) bytes_ += tensor.bytes();
    if (!add && --users == 0) {
      bytes_ -= tensor.bytes();
      users_.erase(tensor.storageId());
    }
  }
}

}  // namespace orrery
