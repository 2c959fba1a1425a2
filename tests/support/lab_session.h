#pragma once
// What every lab's test begins with: one device for the whole test program, a session on it, and what its picture says.

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/session/session.h"
#include "tests/support/catch.h"

namespace orrery::testing {

inline std::shared_ptr<gpu::Device> device() {
  static const std::shared_ptr<gpu::Device> shared = [] {
    auto opened = gpu::Device::open();
    REQUIRE(opened);
    return *opened;
  }();
  return shared;
}

// Values as they are written in lists of changes.
inline Value whole(std::int64_t v) { return Value(v); }
inline Value text(const char* v) { return Value(std::string(v)); }

// Opened, then the preset, then the changes. `deferred`: nothing is computed before it is asked for.
inline std::unique_ptr<Session> openLab(std::string_view lab, const Changes& changes = {}, const std::string& preset = {},
                                        bool deferred = false) {
  SessionOptions options;
  options.sharedDevice = device();
  options.deferred = deferred;
  auto session = Session::open(lab, options);
  REQUIRE(session);
  if (!preset.empty()) REQUIRE((*session)->applyPreset(preset).hasValue());
  if (!changes.empty()) {
    const auto set = (*session)->set(changes);
    if (!set) FAIL(set.error().message);
  }
  return std::move(*session);
}

inline std::map<std::string, double> metricsAt(Session& session, std::int64_t frame) {
  session.seek(frame);
  const auto done = session.wait();
  if (!done) FAIL(done.error().message);
  std::map<std::string, double> metrics;
  for (const Metric& metric : session.picture()->metrics) metrics[metric.name] = metric.value;
  return metrics;
}

// The changes fit their parameters, and computing them fails with a sentence that says `why`.
inline void refused(Session& session, const Changes& changes, const std::string& why) {
  REQUIRE(session.set(changes));
  const auto done = session.wait();
  REQUIRE_FALSE(done);
  INFO(done.error().message);
  CHECK(done.error().message.find(why) != std::string::npos);
}

// An array behind a mark of the present picture, by "<panel>.<mark>.<channel>".
inline std::vector<float> arrayNamed(Session& session, const std::string& name) {
  for (const auto& [key, tensor] : arraysOf(session.picture()->figure)) {
    if (key == name) return tensor.toFloats();
  }
  FAIL("no array " << name);
  return {};
}

// Every option of every choice but those left out, one at a time: `metric` stays finite at frame 1.
inline void tryEveryChoice(Session& session, const std::string& metric, std::initializer_list<std::string_view> leftOut) {
  for (const auto& parameter : session.lab().parameters) {
    const auto* choice = std::get_if<Choice>(&parameter.domain);
    if (choice == nullptr) continue;
    for (const auto& option : choice->options) {
      if (std::find(leftOut.begin(), leftOut.end(), option.id) != leftOut.end()) continue;
      INFO(parameter.id << " " << option.id);
      REQUIRE(session.set(parameter.id, Value(option.id)));
      CHECK(std::isfinite(metricsAt(session, 1).at(metric)));
    }
    REQUIRE(session.set(parameter.id, parameter.initial));
  }
}

// Every preset, made quick by `changes`: frame 1 is reached.
inline void tryEveryPreset(Session& session, const Changes& changes) {
  for (const auto& preset : session.lab().presets) {
    INFO(preset.id);
    REQUIRE(session.applyPreset(preset.id));
    REQUIRE(session.set(changes));
    session.seek(1);
    REQUIRE(session.wait());
  }
}

}  // namespace orrery::testing
