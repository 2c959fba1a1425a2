#include "app/cli/interrupt.h"

#include <csignal>

namespace orrery::cli {

namespace {
volatile std::sig_atomic_t wasAsked = 0;
struct sigaction earlier[2];
constexpr int signals[] = {SIGINT, SIGTERM};
}  // namespace

Interrupt::Interrupt() {
  wasAsked = 0;
  struct sigaction action {};
  action.sa_handler = [](int) { wasAsked = 1; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  for (int i = 0; i < 2; ++i) sigaction(signals[i], &action, &earlier[i]);
}

Interrupt::~Interrupt() {
  for (int i = 0; i < 2; ++i) sigaction(signals[i], &earlier[i], nullptr);
}

bool Interrupt::asked() { return wasAsked != 0; }

}  // namespace orrery::cli
