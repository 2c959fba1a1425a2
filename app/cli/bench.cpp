// orrery bench: the device's ceilings, the kernels as fractions of them, the labs' response and frame rate, and the registered jobs, in one
// run. Best or median of several, because a machine is never quite quiet.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>

#include "app/cli/commands.h"
#include "app/cli/output.h"
#include "core/base/bench_job.h"
#include "core/base/files.h"
#include "core/base/text.h"
#include "core/figure/fonts.h"
#include "core/kernels/benchmark.h"
#include "core/kernels/kernel.h"
#include "core/kernels/variant_choice.h"
#include "core/render/renderer.h"
#include "core/session/find_lab.h"
#include "core/session/nearest.h"

namespace orrery::cli {

namespace {

using Clock = std::chrono::steady_clock;

// The window's canvas in the numbers we state.
constexpr Vec2 canvas{1280, 720};
// Enough for a median to stand still, few enough for labs with many sliders.
constexpr int samplesPerSlider = 5;
constexpr double secondsOfSliders = 10, secondsOfPlaying = 4;
constexpr int warmFrames = 3;

double millisecondsSince(Clock::time_point began) { return std::chrono::duration<double, std::milli>(Clock::now() - began).count(); }

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// A value close to this one, inside the domain: what a slider does between two frames. Not a slider: nothing.
std::optional<Value> nudged(const Parameter& parameter, const Value& value, int sample) {
  // Up and down in turn, so that every sample changes something and the mean stays.
  const double sign = sample % 2 == 0 ? 1 : -1;
  if (const auto* real = std::get_if<Real>(&parameter.domain)) {
    const double step = 0.02 * (real->high - real->low) * sign, now = std::get<double>(value);
    return now + step > real->high || now + step < real->low ? now - step : now + step;
  }
  if (const auto* real = std::get_if<LogReal>(&parameter.domain)) {
    const double factor = std::pow(real->high / real->low, 0.02 * sign), now = std::get<double>(value);
    return now * factor > real->high || now * factor < real->low ? now / factor : now * factor;
  }
  if (const auto* whole = std::get_if<Integer>(&parameter.domain)) {
    const std::int64_t step = sign > 0 ? 1 : -1, now = std::get<std::int64_t>(value);
    if (whole->high - whole->low < 2) return std::nullopt;
    return Value(now + step > whole->high || now + step < whole->low ? now - step : now + step);
  }
  return std::nullopt;
}

struct LabSpeed {
  double updateMilliseconds = 0, framesPerSecond = 0;
  std::map<std::string, double> perSlider;  // median milliseconds
  std::int64_t frames = 0;
};

Expected<LabSpeed> measureLab(const LabEntry& lab, const std::vector<std::string>& settings, const std::shared_ptr<gpu::Device>& device) {
  SessionOptions options;
  options.sharedDevice = device;
  options.deferred = true;
  auto opened = Session::open(lab.id, options);
  if (!opened) return opened.error();
  auto& session = **opened;
  Changes changes;
  for (const auto& setting : settings) {
    // Settings are for the labs that have the parameter.
    if (!lab.find(setting.substr(0, setting.find('=')))) continue;
    auto change = readSetting(lab, setting);
    if (!change) return change.error();
    changes.push_back(*std::move(change));
  }
  if (!changes.empty()) {
    if (auto set = session.set(changes); !set) return set.error();
  }
  if (auto done = session.wait(); !done) return done.error();

  render::Renderer renderer(device);
  const auto draw = [&] {
    const auto picture = session.picture();
    (void)renderer.draw(layOut(picture->figure, canvas, Fonts::shared(), {}).list);
  };
  for (int i = 0; i < warmFrames; ++i) draw();

  LabSpeed speed;
  // From a slider's new value to the picture of it, over all sliders.
  std::vector<double> updates;
  const auto slidersBegan = Clock::now();
  for (const auto& parameter : lab.parameters) {
    if (parameter.visible && !parameter.visible(session.values())) continue;
    const auto start = session.value(parameter.id);
    std::vector<double> own;
    for (int sample = 0; sample <= samplesPerSlider; ++sample) {
      const auto value = nudged(parameter, start, sample);
      if (!value || millisecondsSince(slidersBegan) > 1000 * secondsOfSliders) break;
      const auto began = Clock::now();
      if (auto set = session.set(parameter.id, *value, Edit::drag); !set) return set.error();
      if (auto done = session.wait(); !done) return done.error();
      draw();
      // The first of each slider compiles pipelines and sizes buffers.
      if (sample > 0) own.push_back(millisecondsSince(began));
    }
    if (!own.empty()) {
      speed.perSlider[parameter.id] = median(own);
      updates.insert(updates.end(), own.begin(), own.end());
    }
    if (auto set = session.set(parameter.id, start); !set) return set.error();
  }
  if (auto done = session.wait(); !done) return done.error();
  speed.updateMilliseconds = median(updates);

  // While playing: advance, lay out, draw, one after the other.
  const auto frames = session.picture()->frames;
  if (frames > 1) {
    double playing = 0;
    for (int run = 0; playing < secondsOfPlaying * 1000; ++run) {
      // A fresh run at frame 0 has no kept states, so every frame is computed: any changed slider gives one.
      session.seek(0);
      if (auto done = session.wait(); !done) return done.error();
      bool fresh = run == 0;
      for (const auto& parameter : lab.parameters) {
        const auto value = fresh ? std::nullopt : nudged(parameter, session.value(parameter.id), run);
        if (!value) continue;
        if (auto set = session.set(parameter.id, *value); !set) return set.error();
        if (auto done = session.wait(); !done) return done.error();
        fresh = true;
      }
      if (!fresh) break;
      for (std::int64_t frame = 1; frame < session.picture()->frames && playing < secondsOfPlaying * 1000; ++frame) {
        const auto began = Clock::now();
        session.seek(frame);
        if (auto done = session.wait(); !done) return done.error();
        draw();
        // The first frames warm the pipelines of advance().
        if (run == 0 && frame <= warmFrames && frames > 2 * warmFrames) continue;
        playing += millisecondsSince(began);
        ++speed.frames;
      }
    }
    speed.framesPerSecond = 1000.0 * static_cast<double>(speed.frames) / playing;
  }
  return speed;
}

// A name says what it measures: a kernel, a lab (also without its wing) or a job.
Expected<void> sortNames(const std::vector<std::string>& names, std::vector<std::string>& kernelIds, std::vector<std::string>& labIds,
                         std::vector<std::string>& jobIds) {
  for (const auto& name : names) {
    if (findRegistered<kernels::Kernel>(name)) {
      kernelIds.push_back(name);
    } else if (findRegistered<BenchJob>(name)) {
      jobIds.push_back(name);
    } else if (const auto lab = findLab(name)) {
      labIds.push_back((*lab)->id);
    } else {
      std::vector<std::string> known;
      for (const auto& kernel : registered<kernels::Kernel>()) known.emplace_back(kernel.id);
      for (const auto& job : registered<BenchJob>()) known.emplace_back(job.id);
      for (const auto& entry : registered<LabEntry>()) known.push_back(entry.id);
      const auto close = nearest(name, known);
      return makeError(ErrorCode::usage,
                       close.empty() ? trf("there is no kernel, lab or job '{}' to measure", name)
                                     : trf("there is no kernel, lab or job '{}' to measure; did you mean {}?", name, joined(close)));
    }
  }
  return {};
}

// What both runs measured, by name: how long each took then and now. Frame rates are turned into milliseconds per frame.
nlohmann::json comparison(const nlohmann::json& then, const nlohmann::json& now) {
  std::map<std::string, double> before;
  const auto collect = [](const nlohmann::json& run, const auto& take) {
    const auto each = [&](const char* list, const char* field, const char* suffix, bool rate) {
      if (!run.contains(list) || !run[list].is_array()) return;
      for (const auto& one : run[list]) {
        if (!one.is_object() || !one.contains("id") || !one["id"].is_string() || !one.contains(field) || !one[field].is_number()) continue;
        const double value = one[field].get<double>();
        std::string name = one["id"].get<std::string>();
        if (one.contains("shape") && one["shape"].is_string()) name += " " + one["shape"].get<std::string>();
        if (value > 0) take(name + suffix, rate ? 1000 / value : value);
      }
    };
    each("kernels", "ms", "", false);
    each("labs", "update_ms", ", per change", false);
    each("labs", "fps", ", per frame", true);
    each("jobs", "value", "", false);
  };
  collect(then, [&](const std::string& name, double value) { before[name] = value; });
  auto list = nlohmann::json::array();
  collect(now, [&](const std::string& name, double value) {
    const auto found = before.find(name);
    if (found != before.end()) list.push_back({{"name", name}, {"then", found->second}, {"now", value}, {"ratio", value / found->second}});
  });
  return list;
}

// Times every kernel that has both a scalar and a subgroup build with each of them, and keeps the faster one for this device.
Expected<nlohmann::json> chooseVariants(const std::shared_ptr<gpu::Device>& device, const std::vector<std::string>& kernelIds, Table& table) {
  ProgressLine line;
  kernels::VariantChoice choice;
  auto list = nlohmann::json::array();
  auto ceilings = kernels::measureCeilings(device);
  for (const auto& kernel : registered<kernels::Kernel>()) {
    const std::string id(kernel.id);
    if (!kernelIds.empty() && std::find(kernelIds.begin(), kernelIds.end(), id) == kernelIds.end()) continue;
    if (kernel.benches == nullptr) continue;
    const auto cases = kernel.benches(*device);
    if (cases.empty() || cases.front().variant.empty()) continue;
    std::map<std::string, std::vector<kernels::Measurement>> measured;
    for (const char* variant : {"scalar", "subgroup"}) {
      line.show(trf("measuring {}", fmt::format("{}, {}", id, variant)));
      ::setenv("ORRERY_VARIANT", variant, 1);
      measured[variant] = kernels::measureKernels(device, ceilings, std::vector{id}, [](std::string_view) {});
    }
    ::unsetenv("ORRERY_VARIANT");
    // Over all shapes: how many times longer the other one takes, as a geometric mean.
    double log = 0;
    const auto &scalar = measured["scalar"], &subgroup = measured["subgroup"];
    for (std::size_t i = 0; i < scalar.size(); ++i) log += std::log(subgroup[i].milliseconds / scalar[i].milliseconds);
    const double ratio = std::exp(log / static_cast<double>(scalar.size()));
    choice[id] = ratio >= 1 ? "scalar" : "subgroup";
    const double gain = std::max(ratio, 1 / ratio);
    list.push_back({{"id", id}, {"variant", choice[id]}, {"gain", gain}});
    table.row({id, choice[id], trf("{:.2f} times as fast as {}", gain, ratio >= 1 ? "subgroup" : "scalar")});
  }
  if (auto kept = kernels::keepChoice(*device, choice); !kept) return kept.error();
  return nlohmann::json{{"device", device->summary().name}, {"kernels", list}};
}

}  // namespace

int bench(const BenchOptions& options) {
  if (options.choose && std::getenv("ORRERY_VARIANT") != nullptr) {
    return usage(tr("--choose times the variants itself: leave --variant and ORRERY_VARIANT out"));
  }
  nlohmann::json earlier;
  if (!options.against.empty()) {
    const auto text = readWholeFile(options.against);
    if (!text) return fail(text.error());
    earlier = nlohmann::json::parse(*text, nullptr, false);
    if (!earlier.is_object() || !earlier.contains("kernels") || !earlier.contains("jobs")) {
      return fail(makeError(ErrorCode::badInput, trf("{} is not what `orrery bench --json` writes: an object with kernels, labs and jobs", options.against)));
    }
  }
  std::vector<std::string> kernelIds, labIds, jobIds;
  if (auto sorted = sortNames(options.names, kernelIds, labIds, jobIds); !sorted) return fail(sorted.error());
  if (options.choose && !(labIds.empty() && jobIds.empty())) return usage(tr("--choose takes kernels only"));
  const bool all = options.names.empty();
  if (all) {
    for (const auto& lab : registered<LabEntry>()) labIds.push_back(lab.id);
    for (const auto& job : registered<BenchJob>()) jobIds.emplace_back(job.id);
  }
  // A setting that no measured lab has would be ignored without a word.
  for (const auto& setting : options.sets) {
    bool known = false;
    Error last;
    for (const auto& id : labIds) {
      const auto change = readSetting(*findRegistered<LabEntry>(id), setting);
      known = known || change.hasValue();
      if (!change) last = change.error();
    }
    if (!known) return labIds.empty() ? usage(tr("--set needs a lab to measure")) : fail(last);
  }

  const auto device = gpu::Device::open(options.device);
  if (!device) return fail(device.error());
  noteMissingMatrices(**device);
  nlohmann::json json{{"device", (*device)->summary().name}};
  std::string text = (*device)->summary().name + "\n";
  int code = 0;
  try {
    if (options.choose) {
      Table table;
      const auto chosen = chooseVariants(*device, kernelIds, table);
      if (!chosen) return fail(chosen.error());
      return options.json ? printJson(*chosen) : print(text + table.text(2));
    }
    ProgressLine line;
    line.show(tr("measuring the ceilings"));
    auto ceilings = kernels::measureCeilings(*device);
    auto list = nlohmann::json::array();
    Table table;
    if (all || !kernelIds.empty()) {
      const auto measured =
          kernels::measureKernels(*device, ceilings, kernelIds, [&](std::string_view kernel) { line.show(trf("measuring {}", kernel)); });
      for (const auto& one : measured) {
        list.push_back({{"id", one.id},
                        {"shape", one.shape},
                        {"variant", one.variant},
                        {"ms", one.milliseconds},
                        {"fraction", one.fraction},
                        {"bound", one.bound}});
        table.row({one.id, one.shape, one.variant, fmt::format("{:.3f} ms", one.milliseconds), fmt::format("{:.0f} %", 100 * one.fraction),
                   one.bound});
      }
    }
    json["ceilings"] = {{"mul_add_gflops", ceilings.mulAddGflops},
                        {"mul_add_f16_gflops", nullptr},
                        {"copy_gbps", ceilings.copyGBps},
                        {"dispatch_us", ceilings.dispatchMicroseconds}};
    text += trf("ceilings: {:.1f} GFLOP/s multiply-add, {:.1f} GB/s copy, {:.1f} µs per dispatch", ceilings.mulAddGflops, ceilings.copyGBps,
                ceilings.dispatchMicroseconds);
    if (ceilings.halfMulAddGflops > 0) {
      json["ceilings"]["mul_add_f16_gflops"] = ceilings.halfMulAddGflops;
      text += trf("; {:.1f} GFLOP/s multiply-add in f16", ceilings.halfMulAddGflops);
    }
    text += "\n";
    json["kernels"] = list;
    text += table.text(2);

    list = nlohmann::json::array();
    table = {};
    for (const auto& id : labIds) {
      line.show(trf("measuring {}", id));
      const auto speed = measureLab(*findRegistered<LabEntry>(id), options.sets, *device);
      if (!speed) {
        code = std::max(code, fail(speed.error()));
        list.push_back({{"id", id}, {"update_ms", nullptr}, {"fps", nullptr}, {"error", speed.error().message}});
        continue;
      }
      list.push_back({{"id", id},
                      {"update_ms", speed->updateMilliseconds},
                      {"fps", speed->frames > 0 ? nlohmann::json(speed->framesPerSecond) : nlohmann::json()},
                      {"sliders", speed->perSlider},
                      {"frames", speed->frames}});
      table.row({id, trf("{:.1f} ms per change", speed->updateMilliseconds),
                 speed->frames > 0 ? trf("{:.1f} frames/s", speed->framesPerSecond) : "-"});
    }
    json["labs"] = list;
    text += table.text(2);

    list = nlohmann::json::array();
    table = {};
    for (const auto& id : jobIds) {
      const auto& job = *findRegistered<BenchJob>(id);
      line.show(trf("measuring {}", id));
      const auto value = job.run();
      if (!value) {
        code = std::max(code, fail(value.error()));
        list.push_back({{"id", id}, {"value", nullptr}, {"unit", job.unit}, {"error", value.error().message}});
        continue;
      }
      list.push_back({{"id", id}, {"value", *value}, {"unit", job.unit}});
      table.row({id, fmt::format("{:.4g} {}", *value, job.unit), tr(job.summary)});
    }
    json["jobs"] = list;
    text += table.text(2);
    if (!options.against.empty()) {
      json["against"] = comparison(earlier, json);
      text += trf("against {}, now / then (less is faster):", options.against) + "\n";
      table = {};
      for (const auto& one : json["against"]) {
        table.row({one["name"].get<std::string>(), fmt::format("{:.3g} / {:.3g}", one["now"].get<double>(), one["then"].get<double>()),
                   fmt::format("{:.2f}", one["ratio"].get<double>())});
      }
      text += table.text(2);
    }
  } catch (const std::exception& failed) {
    return fail(makeError(ErrorCode::gpu, trf("the measurement could not be finished: {}", std::string(failed.what()))));
  }
  const int printed = options.json ? printJson(json) : print(text);
  return printed != 0 ? printed : code;
}

}  // namespace orrery::cli
