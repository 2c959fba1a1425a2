#pragma once
// History: the undo and redo steps of one session's parameters. A drag is one step. Not thread-safe; the session guards it.

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/session/parameter.h"

namespace orrery {

class History {
 public:
  struct Change {
    Value before, after;
  };
  using Changed = std::map<std::string, Change, std::less<>>;

  // Adds a step, forgetting what could be redone. With a non-empty `dragKey` it is merged into the newest step while that is an open drag
  // with the same key. Changes that change nothing are left out; a step without any is not added.
  void record(Changed changes, std::string text, std::string_view dragKey = {});

  // Closes an open drag; a drag that came back to where it began leaves no step.
  void endDrag();

  bool canUndo() const { return position_ > 0; }
  bool canRedo() const { return position_ < steps_.size(); }
  std::string undoText() const { return canUndo() ? steps_[position_ - 1].text : std::string(); }
  std::string redoText() const { return canRedo() ? steps_[position_].text : std::string(); }

  // Puts the values of before (undo) or after (redo) the step into `values`.
  void undo(Values& values);
  void redo(Values& values);

  void clear();
  std::size_t size() const { return steps_.size(); }

  // Older steps are forgotten; a person does not go back further, and texts of 64 KiB would add up.
  static constexpr std::size_t longest = 1000;

 private:
  struct Step {
    Changed changes;
    std::string text;
  };
  std::vector<Step> steps_;
  std::size_t position_ = 0;  // steps_[0, position_) can be undone, the rest redone
  std::string dragKey_;       // of the open drag, which is steps_[position_ - 1]
};

}  // namespace orrery
