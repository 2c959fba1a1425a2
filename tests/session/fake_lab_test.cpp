#include "tests/session/fake_lab.h"

#include <cstring>
#include <filesystem>
#include <fstream>

#include "core/base/files.h"
#include "tests/support/catch.h"

namespace orrery::test {

namespace {

class FakeLab : public Lab {
 public:
  FakeLab() { ++switchboard().made; }

  Expected<void> update(LabContext& context) override {
    auto& board = switchboard();
    ++board.updates;
    board.changed.clear();
    for (const auto& [id, value] : context.values()) {
      if (context.changed(id)) board.changed.push_back(id);
    }
    if (board.submitWork) {
      scratch_ = context.device().allocate(256);
      context.stream().fill(scratch_, 7);
    }
    if (board.loseDevice > 0 && board.loseDevice-- > 0) throw gpu::DeviceLost();
    if (board.exhaust > 0 && board.exhaust-- > 0) throw gpu::OutOfMemory(512u << 20, 130u << 20);
    for (int i = 0; i < board.updateMilliseconds; ++i) {
      if (context.cancelled()) return makeError(ErrorCode::cancelled, "stopped");
      context.progress(i / static_cast<double>(board.updateMilliseconds), "counting");
      context.preview([] {
        Figure figure;
        figure.title = "so far";
        return figure;
      });
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    if (context.text("mode") == "broken") return makeError(ErrorCode::badInput, "this mode is broken");
    steps_ = context.integer("steps");
    rate_ = context.number("rate");
    frame_ = 0;
    state_ = {static_cast<std::uint32_t>(context.integer("seed")), static_cast<std::uint32_t>(rate_ * 1e6), 3u, 4u};
    return {};
  }

  Expected<bool> advance(LabContext&) override {
    auto& board = switchboard();
    if (board.loseInAdvance > 0 && board.loseInAdvance-- > 0) throw gpu::DeviceLost();
    if (frame_ + 1 >= steps_) return false;
    ++board.advances;
    std::this_thread::sleep_for(std::chrono::milliseconds(board.advanceMilliseconds));
    for (auto& word : state_) word = word * 1664525u + 1013904223u + static_cast<std::uint32_t>(frame_);
    ++frame_;
    return true;
  }

  Timeline timeline() const override { return {steps_, "step", 30}; }

  std::vector<Tensor> capture() const override {
    if (!switchboard().capture) return {};
    return {Tensor::from<std::uint32_t>({4}, std::span<const std::uint32_t>(state_.data(), 4))};
  }

  void restore(std::int64_t frame, std::vector<Tensor> state) override {
    frame_ = frame;
    const auto words = state.at(0).as<std::uint32_t>();
    std::copy(words.begin(), words.end(), state_.begin());
  }

  Figure figure() const override { return {}; }

  std::vector<Metric> metrics() const override {
    std::vector<Metric> all{{"steps", static_cast<double>(steps_), ""}, {"rate", rate_, ""}};
    for (std::size_t i = 0; i < state_.size(); ++i) all.push_back({"state." + std::to_string(i), static_cast<double>(state_[i]), ""});
    return all;
  }

  Changes pointer(const PointerEvent& event, const Values&) const override {
    if (event.handle == "rate") return {{"rate", event.x}};
    return {};
  }

 private:
  std::int64_t steps_ = 0, frame_ = 0;
  double rate_ = 0;
  std::array<std::uint32_t, 4> state_{};
  gpu::BufferView scratch_;
};

LabEntry describe() {
  LabEntry entry;
  entry.id = fakeId;
  entry.title = "Fake lab";
  entry.summary = "For the session's tests";
  entry.parameters = {
      {"steps", "Steps", "How many frames.", "Time", std::int64_t{32}, Integer{2, 2000}, "", nullptr},
      {"rate", "Rate", "Any number.", "Time", std::int64_t{1}, Real{0, 10}, "nats", nullptr},
      {"sigma", "Noise level σ", "A log slider.", "Time", 0.5, LogReal{1e-3, 1e3}, "", nullptr},
      {"mode", "Mode", "Which.", "Other", std::string("plain"), Choice{{{"plain", "Plain"}, {"broken", "Broken"}}}, "", nullptr},
      {"words", "Words", "A text.", "Other", std::string("hello"), Text{true, 64}, "", nullptr},
      {"grid", "Grid", "A switch.", "Other", false, Switch{}, "", nullptr},
      {"points", "Points", "A file.", "Other", Asset{}, FileWell{{"npz"}, false}, "", nullptr},
      {"seed", "Seed", "A seed.", "Other", std::int64_t{1}, Seed{}, "", nullptr},
  };
  entry.presets = {{"fast", "Fast", "Few steps.", {{"steps", std::int64_t{4}}, {"rate", 2.0}}}};
  entry.views = {{"main", "Main"}};
  entry.accepts = {{"npz with points", "points", [](const FileReport& report) { return report.kind == "npz" ? 10 : 0; }, {{"grid", true}}}};
  entry.make = [] { return std::make_unique<FakeLab>(); };
  return entry;
}

const Registration<LabEntry> registration{describe()};

}  // namespace

Switchboard& switchboard() {
  static Switchboard board;
  return board;
}

void Switchboard::reset() {
  updates = advances = made = loseDevice = loseInAdvance = exhaust = updateMilliseconds = advanceMilliseconds = 0;
  submitWork = false;
  capture = true;
  changed.clear();
}

std::shared_ptr<gpu::Device> sharedDevice() {
  static const auto device = [] {
    auto opened = gpu::Device::open();
    if (!opened) FAIL(opened.error().message);
    return *opened;
  }();
  return device;
}

std::unique_ptr<Session> openFake(std::uint64_t historyBytes) {
  SessionOptions options;
  options.sharedDevice = sharedDevice();
  options.historyBytes = historyBytes;
  auto session = Session::open(fakeId, options);
  REQUIRE(session);
  return *std::move(session);
}

std::vector<double> stateOf(const Session& session) {
  std::vector<double> state;
  const auto picture = session.picture();
  if (!picture) return state;
  for (const auto& one : picture->metrics) {
    if (one.name.starts_with("state.")) state.push_back(one.value);
  }
  return state;
}

double metric(const Session& session, const std::string& name) {
  const auto picture = session.picture();
  REQUIRE(picture);
  for (const auto& one : picture->metrics) {
    if (one.name == name) return one.value;
  }
  FAIL("no metric " + name);
  return 0;
}

bool eventually(const std::function<bool()>& condition, double seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (std::chrono::steady_clock::now() < end) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return condition();
}

std::string temporaryFolder() {
  static std::atomic<int> number{0};
  const auto folder =
      std::filesystem::temp_directory_path() /
      ("orrery-test-" + std::to_string(std::chrono::steady_clock::now().time_since_epoch().count()) + "-" + std::to_string(number++));
  std::filesystem::create_directories(folder);
  return folder.string();
}

void writeText(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
}

}  // namespace orrery::test
