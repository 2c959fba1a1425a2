#include "core/base/stop.h"

#include <utility>

namespace orrery {

namespace {

thread_local StopScope* innermost = nullptr;

}  // namespace

StopScope::StopScope(std::function<bool()> unwanted) : unwanted_(std::move(unwanted)), before_(innermost) { innermost = this; }

StopScope::~StopScope() { innermost = before_; }

bool stopRequested() {
  if (innermost == nullptr) return false;
  if (!innermost->stopped_) innermost->stopped_ = innermost->unwanted_();
  return innermost->stopped_;
}

}  // namespace orrery
