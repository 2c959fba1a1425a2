#pragma once
// FrameStore: a lab's captured states by frame, within a memory budget, so that the timeline can go back. When the budget is full every
// second state is thinned out; frames between two kept ones are replayed from the earlier. Frame 0 is always kept. Used by one thread.

#include <cstdint>
#include <map>
#include <unordered_map>
#include <vector>

#include "core/tensor/tensor.h"

namespace orrery {

class FrameStore {
 public:
  explicit FrameStore(std::uint64_t budget) : budget_(budget) {}

  void clear();
  // Whether keep() would keep this frame: saves the capture of those that would be thinned out at once.
  bool wants(std::int64_t frame) const;
  void keep(std::int64_t frame, std::vector<Tensor> state);

  struct Kept {
    std::int64_t frame = 0;
    const std::vector<Tensor>* state = nullptr;  // valid until the next keep() or clear()
  };
  // The newest kept state at or before `frame`; state is null when there is none.
  Kept before(std::int64_t frame) const;

  std::uint64_t bytes() const { return bytes_; }  // storage shared by several states counts once
  std::size_t size() const { return states_.size(); }

 private:
  void thin();
  void count(const std::vector<Tensor>& state, bool add);

  std::uint64_t budget_;
  std::uint64_t bytes_ = 0;
  std::int64_t stride_ = 1;  // multiples of it are kept
  std::map<std::int64_t, std::vector<Tensor>> states_;
  std::unordered_map<const void*, std::int64_t> users_;  // storage -> how many states hold it
};

}  // namespace orrery
