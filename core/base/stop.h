#pragma once
// Whether the work of this thread is still wanted, for code too deep to be handed a LabContext: a graph of hundreds of nodes under a sampler
// under a lab. Who begins the work opens a StopScope, who works asks stopRequested() between pieces and gives up when told so. What comes of
// work given up may be anything: who opened the scope asks stopped() and throws it away.

#include <functional>

namespace orrery {

class StopScope {
 public:
  // `unwanted` is asked on this thread, as often as the work asks. Scopes nest; the innermost is asked.
  explicit StopScope(std::function<bool()> unwanted);
  ~StopScope();
  StopScope(const StopScope&) = delete;
  StopScope& operator=(const StopScope&) = delete;

  // Whether some work was told to stop. It stays so, whatever `unwanted` would say by now.
  bool stopped() const { return stopped_; }

 private:
  friend bool stopRequested();
  std::function<bool()> unwanted_;
  StopScope* before_;
  bool stopped_ = false;
};

// Once true, true until the scope ends. False where there is no scope.
bool stopRequested();

}  // namespace orrery
