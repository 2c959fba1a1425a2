#pragma once
// A lab made for the session's tests: a small linear congruential system that runs for `steps` frames. What goes wrong, and how long it
// takes, is told by a switchboard, so that each test can arrange its own trouble.

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/session/session.h"

namespace orrery::test {

struct Switchboard {
  std::atomic<int> updates{0}, advances{0}, made{0};
  std::atomic<int> loseDevice{0};  // so many of the next updates throw DeviceLost
  std::atomic<int> loseInAdvance{0};
  std::atomic<int> exhaust{0};             // so many of the next updates throw OutOfMemory
  std::atomic<int> updateMilliseconds{0};  // sleeps, looking at cancelled() every millisecond
  std::atomic<int> advanceMilliseconds{0};
  std::atomic<bool> submitWork{false};  // also records real device work
  std::atomic<bool> capture{true};
  std::vector<std::string> changed;  // ids the newest update saw as changed; read after wait()
  void reset();
};
Switchboard& switchboard();

constexpr const char* fakeId = "test/fake";

// One device for all tests of a process: opening one costs more than most tests.
std::shared_ptr<gpu::Device> sharedDevice();
std::unique_ptr<Session> openFake(std::uint64_t historyBytes = 128u << 20);

// The state behind a picture: the fake lab shows it as its metrics.
std::vector<double> stateOf(const Session& session);
double metric(const Session& session, const std::string& name);

// Waits until the condition holds; false after `seconds`.
bool eventually(const std::function<bool()>& condition, double seconds = 10);

std::string temporaryFolder();  // fresh and empty
void writeText(const std::string& path, const std::string& text);

}  // namespace orrery::test
