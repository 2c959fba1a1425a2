// The main function of every test executable, and its watchdog: a case that runs longer than ORRERY_TEST_PATIENCE seconds (300) is taken to
// hang; its name and where every thread stands go to stderr, and the program ends with 3. ctest alone would only say "Timeout".
#define CATCH_CONFIG_MAIN
#include "tests/support/catch.h"

#include <execinfo.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>

#if __has_include(<catch2/catch_all.hpp>)
using ListenerBase = Catch::EventListenerBase;
#else
using ListenerBase = Catch::TestEventListenerBase;
#endif

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

std::atomic<bool> printed{false};

void printStack(int) {
  void* frames[64];
  backtrace_symbols_fd(frames, backtrace(frames, 64), STDERR_FILENO);
  printed = true;
}

void printAllStacks() {
  void* frame = nullptr;
  backtrace(&frame, 1);  // loads what it needs now, not inside a signal
  struct sigaction action {};
  action.sa_handler = printStack;
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR2, &action, nullptr);
  const auto self = syscall(SYS_gettid);
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    const long id = std::strtol(thread.path().filename().c_str(), nullptr, 10);
    if (id == self) continue;
    std::fprintf(stderr, "thread %ld\n", id);
    printed = false;
    if (syscall(SYS_tgkill, getpid(), id, SIGUSR2) != 0) continue;
    for (int i = 0; i < 100 && !printed; ++i) std::this_thread::sleep_for(10ms);
  }
}

struct Watched {
  std::mutex mutex;
  std::string name = "the start of the program";
  Clock::time_point began = Clock::now();

  void now(const std::string& what) {
    const std::scoped_lock lock(mutex);
    name = what;
    began = Clock::now();
  }
};
Watched* const watched = new Watched;  // never destroyed: it outlives the program's end

class Watchdog : public ListenerBase {
 public:
  using ListenerBase::ListenerBase;

  void testRunStarting(const Catch::TestRunInfo& info) override {
    ListenerBase::testRunStarting(info);
    const char* given = std::getenv("ORRERY_TEST_PATIENCE");
    const auto patience = std::chrono::seconds(given != nullptr ? std::max(std::atoi(given), 1) : 300);
    // Neither joined nor destroyed: it watches the end of the program too.
    std::thread([patience] {
      for (;;) {
        std::this_thread::sleep_for(1s);
        const std::scoped_lock lock(watched->mutex);
        if (Clock::now() - watched->began < patience) continue;
        std::fprintf(stderr, "\nafter %lld s this still runs: %s\n", static_cast<long long>(patience.count()), watched->name.c_str());
        printAllStacks();
        std::_Exit(3);
      }
    }).detach();
  }
  void testCaseStarting(const Catch::TestCaseInfo& info) override {
    ListenerBase::testCaseStarting(info);
    watched->now(info.name);
  }
  void testRunEnded(const Catch::TestRunStats& stats) override {
    ListenerBase::testRunEnded(stats);
    watched->now("the end of the program");
  }
};

}  // namespace

CATCH_REGISTER_LISTENER(Watchdog)
