// Sampler bench: forty samplers on step grids of every kind, judged by the exact path of the same start. Formulas and sources:
// core/diffusion (generative.md C5, C6). On the line the exact path keeps its quantile, x(s) = F_s^-1(F_T(x_T)); in the plane it is classic
// Runge-Kutta with 4096 steps in ln(level). Stochastic samplers have no such path: on one Gaussian their law is followed exactly (the
// update is linear, so the final variance is a sum over the start and every z), elsewhere particles are held against exact samples, with
// the distance that chance alone gives (law.cpp). A user's own network replaces the denoiser; then the reference is its own path by Runge-Kutta with 4096 evaluations.
// Double precision on the host. Units: data units; levels are relative noise levels sigma.
// Random numbers, key = seed: core/diffusion/noise.h; starts in the plane are its draws off the path, purpose 0.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <future>

#include "core/base/parallel.h"
#include "core/labs/generative/samplers/lab.h"
#include "core/diffusion/library_names.h"
#include "core/labs/generative/shared/stated_network.h"
#include "core/labs/generative/shared/step_grid.h"

namespace orrery::generative {

using diffusion::Run;
using diffusion::Sampler;
using diffusion::SamplerOptions;
using diffusion::State;

namespace {

constexpr std::size_t lineStarts = 24;
constexpr int pathPoints = 64;
constexpr int adaptiveSteps = 64;                              // of the grid that gives the adaptive samplers their ends
constexpr int pictureSteps = 1024, networkPictureSteps = 256;  // of the reference where only the picture shows it: errors below 1e-8
constexpr int mapSteps = 256;                                  // of the reference under the map of starts: errors below 1e-6
constexpr std::size_t mapCells = 40, mapQuantiles = 96;
constexpr double mapReach = 3;  // deviations of the start cloud
constexpr double aboveChance = 3;  // times the floor: below, chance is a sixth or more of an order
constexpr double almostZero = 1e-6;  // the plane's reference ends here instead of at 0: what remains moves a particle by less than 1e-5

}  // namespace

std::vector<std::string> contestantsOf(const std::string& set) {
  if (set == "classics") return {"euler", "heun", "dpm-2", "dpm++2m", "unipc-2", "dpm-3", "unipc-3", "rk4"};
  if (set == "one-step") return {"heun", "dpm-2", "dpm++2s", "res-2s", "exp-heun", "dpm-3", "rk4", "rk4-log"};
  if (set == "multistep") return {"dpm++2m", "res-multistep", "plms", "ipndm", "dpm++3m", "deis", "lms", "unipc-3"};
  if (set == "third") return {"dpm++2m", "dpm++3m", "dpm++3m-consistent", "unipc-2"};
  if (set == "adaptive") return {"euler", "rk4-log", "rk45", "dpm-adaptive"};
  if (set == "stochastic") return {"euler-a", "em", "ddpm-large", "dpm++2m-sde", "dpm++3m-sde", "seeds-2", "er-sde", "edm"};
  return {};
}

Expected<Contestant> SamplerBench::contestant(const std::string& id, const LabContext& context) const {
  Contestant one;
  one.id = id;
  SamplerOptions& o = one.options;
  o.eta = context.number("eta");
  o.noiseScale = context.number("noise-scale");
  o.churn = context.number("churn");
  o.churnFrom = context.number("churn-from");
  o.churnTo = context.number("churn-to");
  o.churnNoise = context.number("churn-noise");
  o.lmsOrder = static_cast<int>(context.integer("lms-order"));
  o.uniOrder = static_cast<int>(context.integer("unipc-order"));
  o.uniBh1 = context.text("unipc-variant") == "bh1";
  o.uniCorrector = context.flag("unipc-corrector");
  o.gradientGamma = context.number("gradient-gamma");
  o.kappa = context.text("second-difference") == "consistent" ? 2 : 1;
  o.sdeHeun = context.text("sde-form") == "heun";
  o.absolute = context.number("absolute-tolerance");
  o.relative = context.number("relative-tolerance");
  o.correctorSteps = static_cast<int>(context.integer("corrector-steps"));
  o.correctorRatio = context.number("corrector-ratio");
  o.dimension = scene_.dimension;
  one.sampler = diffusion::namedSampler(id, o);
  if (one.sampler == nullptr) return makeError(ErrorCode::usage, trf("There is no sampler '{}'", id));
  one.title = tr(one.sampler->title);
  if (one.sampler->id != id) one.title = one.sampler->id == "unipc" ? "UniPC-" + id.substr(6) : trf("{}, consistent", one.title);
  one.noisy = drawsNoise(one);
  if (exactStart_) o.exact = [this](double level) { return exactAt(level); };
  return one;
}

State SamplerBench::startAt(double level) const {
  if (scene_.onLine()) {
    State x(lineStarts);
    for (std::size_t i = 0; i < lineStarts; ++i)
      x[i] = scene_.line.quantile(0.03 + 0.94 * static_cast<double>(i) / (lineStarts - 1), level);
    return x;
  }
  return level * diffusion::Noise(seed_, scene_.dimension * particles_).fresh(0, 0);
}

State SamplerBench::exactAt(double level) const {
  if (scene_.onLine()) return startAt(level);
  const double from = levels_.front(), to = std::max(level, almostZero);
  if (to >= from) return startAt(from);
  // As many steps as keep the reference's own step.
  const double share = std::log(from / to) / std::log(from / std::min(to, std::max(levels_.back(), almostZero)));
  return scene_.path(startAt(from), from, to, std::max(16, static_cast<int>(std::lround(share * scene_.referenceSteps()))));
}

std::vector<std::pair<double, double>> SamplerBench::missingEnds(const std::vector<int>& stepCounts) const {
  std::vector<std::pair<double, double>> missing;
  for (const int steps : stepCounts) {
    const auto levels = levelsFor(steps);
    if (!levels) continue;  // whoever needs them says why
    const std::pair ends{levels->front(), levels->back()};
    if (ends_.count(ends) == 0 && std::find(missing.begin(), missing.end(), ends) == missing.end()) missing.push_back(ends);
  }
  return missing;
}

State SamplerBench::endOf(double from, double to) const {
  return scene_.onLine() ? startAt(to) : scene_.path(startAt(from), from, std::max(to, almostZero), scene_.referenceSteps());
}

double SamplerBench::distance(const State& a, const State& b) const {
  double most = 0, sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    most = std::max(most, std::abs(a[i] - b[i]));
    sum += (a[i] - b[i]) * (a[i] - b[i]);
  }
  return scene_.onLine() ? most : std::sqrt(sum * static_cast<double>(scene_.dimension) / static_cast<double>(a.size()));
}

Expected<std::vector<double>> SamplerBench::levelsFor(int steps) const {
  return diffusion::stepLevels(*grid_, steps, finalZero_, request_);
}

Expected<BenchCurve> SamplerBench::curveOf(const Contestant& one, const std::atomic<bool>& stop) const {
  BenchCurve curve;
  curve.contestant = one;
  const auto answer = [this](const State& x, double level) { return scene_.answer(x, level); };
  const bool law = one.noisy;
  double lastSteps = 0;
  for (int i = 0; i < doublings(law); ++i) {
    if (stop) return makeError(ErrorCode::cancelled, tr("Cancelled"));
    SamplerOptions options = one.options;
    // The adaptive samplers go through tolerances instead of step counts.
    const int steps = one.sampler->adaptive ? adaptiveSteps : 4 << i;
    if (one.sampler->adaptive) options.absolute = options.relative = std::pow(10.0, -1 - i);
    const auto levels = levelsFor(steps);
    if (!levels) return levels.error();
    int evaluations = 0;
    double error = 0, chance = 0;  // chance: what two exact samples are apart
    if (law) {
      const auto measured = errorInLaw(one, *levels, evaluations);
      if (!measured) return measured.error();
      error = *measured;
      if (!exactInLaw(one)) chance = laws_.at({levels->front(), levels->back()}).floor;
    } else {
      const State start = startAt(levels->front());
      Run run(answer, *levels, seed_, start.size(), options);
      const auto end = diffusion::sample(*one.sampler, run, start);
      if (!end) return end.error();
      evaluations = run.evaluations();
      error = distance(*end, ends_.at({levels->front(), levels->back()}));
    }
    if (!curve.evaluations.empty() && evaluations <= curve.evaluations.back()) continue;  // the grid has no more levels
    curve.evaluations.push_back(evaluations);
    curve.error.push_back(error);
    const auto done = static_cast<double>(levels->size() - 1);
    const std::size_t n = curve.error.size();
    curve.order.reset();
    curve.inNoise = error < aboveChance * chance;
    if (!one.sampler->adaptive && n > 1 && error > 0 && curve.error[n - 2] > 0 && !curve.inNoise && scene_.error == BenchError::none)
      curve.order = std::log(curve.error[n - 2] / error) / std::log(done / lastSteps);
    lastSteps = done;
  }
  return curve;
}

Expected<SamplerBench::Trajectory> SamplerBench::trajectoryOf(const Contestant& one) const {
  Trajectory result;
  result.contestant = one;
  const auto levels = levelsFor(stepsWithin(one));
  if (!levels) return levels.error();
  const State start = startAt(levels->front());
  Run run([this](const State& x, double level) { return scene_.answer(x, level); }, *levels, seed_, start.size(), one.options);
  run.record = true;
  const auto end = diffusion::sample(*one.sampler, run, start);
  if (!end) return end.error();
  result.evaluations = run.evaluations();
  result.rejected = run.rejected;
  result.visits = std::move(run.visits);
  result.attempts = std::move(run.attempts);
  result.end = *end, result.from = levels->front(), result.to = levels->back();
  // Follow the exact path from visit to visit, and from each visit to where the next should have been.
  const double whole = std::log(levels->front() / std::max(levels->back(), almostZero));
  const int steps = scene_.network ? networkPictureSteps : pictureSteps;
  const auto onwards = [&](const State& x, double from, double to) {
    return scene_.path(x, from, to, std::max(1, static_cast<int>(std::lround(steps * std::log(from / to) / whole))));
  };
  State exact = start, before = start;
  double from = levels->front();
  for (const diffusion::Visit& visit : result.visits) {
    const double to = std::max(visit.level, almostZero), scale = std::sqrt(1 + to * to);
    State kept = before;
    if (to < from) {
      exact = scene_.onLine() ? startAt(visit.level) : onwards(exact, from, to);
      kept = onwards(before, from, to);
    }
    result.away.push_back(distance(visit.x, exact) / scale);
    result.own.push_back(distance(visit.x, kept) / scale);
    before = visit.x;
    from = to;
  }
  return result;
}

Expected<SamplerBench::StartMap> SamplerBench::startMap(const Contestant& one) const {
  StartMap map;
  const auto levels = levelsFor(stepsWithin(one));
  if (!levels) return levels.error();
  const double from = levels->front(), to = std::max(levels->back(), almostZero);
  State start;
  if (scene_.onLine()) {
    start = State(mapQuantiles);
    for (std::size_t i = 0; i < mapQuantiles; ++i) {
      map.start.push_back((static_cast<double>(i) + 0.5) / mapQuantiles);
      start[i] = scene_.line.quantile(map.start.back(), from);
    }
  } else {
    // The first two coordinates go through the grid; further ones start at 0.
    map.cells = mapCells;
    start = State(mapCells * mapCells * scene_.dimension);
    for (std::size_t i = 0; i < mapCells * mapCells; ++i) {
      const auto at = [](std::size_t k) { return mapReach * (2 * (static_cast<double>(k) + 0.5) / mapCells - 1); };
      start[i * scene_.dimension] = from * at(i % mapCells);
      if (scene_.dimension > 1) start[i * scene_.dimension + 1] = from * at(i / mapCells);
    }
  }
  SamplerOptions options = one.options;
  options.exact = {};  // its path is that of the bench's own starts
  Run run([this](const State& x, double level) { return scene_.answer(x, level); }, *levels, seed_, start.size(), options);
  const auto end = diffusion::sample(*one.sampler, run, start);
  if (!end) return end.error();
  const State exact = scene_.path(start, from, to, scene_.network ? mapSteps / 4 : mapSteps);
  for (std::size_t i = 0; i < start.size(); i += scene_.dimension) {
    double sum = 0;
    for (std::size_t k = i; k < i + scene_.dimension; ++k) sum += ((*end)[k] - exact[k]) * ((*end)[k] - exact[k]);
    map.error.push_back(std::sqrt(sum));
  }
  return map;
}

Expected<SamplerBench::Overlay> SamplerBench::overlayOf(const Contestant& one) const {
  Overlay overlay;
  overlay.contestant = one;
  const auto levels = levelsFor(stepsWithin(one));
  if (!levels) return levels.error();
  // All particles run: what one does may depend on the others.
  const State start = startAt(levels->front());
  Run run([this](const State& x, double level) { return scene_.answer(x, level); }, *levels, seed_, start.size(), one.options);
  run.record = true;
  if (const auto end = diffusion::sample(*one.sampler, run, start); !end) return end.error();
  const std::size_t first = static_cast<std::size_t>(traced_) * scene_.dimension;
  for (const diffusion::Visit& visit : run.visits) {
    State x(scene_.dimension);
    for (std::size_t k = 0; k < scene_.dimension; ++k) x[k] = visit.x[first + k];
    overlay.visits.push_back({visit.level, visit.evaluations, std::move(x)});
  }
  double sum = 0;
  for (std::size_t k = 0; k < scene_.dimension; ++k) {
    const double off = overlay.visits.back().x[k] - exactPath_.back().x[first + k];
    sum += off * off;
  }
  overlay.error = std::sqrt(sum);
  return overlay;
}

Expected<std::vector<std::string>> SamplerBench::chosen(const LabContext& context) const {
  if (context.text("contestants") != "own") return contestantsOf(context.text("contestants"));
  std::vector<std::string> ids;
  for (std::string id : separated(context.text("compared"))) {
    SamplerOptions ignored;
    if (diffusion::namedSampler(id, ignored) == nullptr) {
      const auto named = diffusion::fromLibrary(id);
      if (named && named->sampler != nullptr) id = named->sampler->id;
    }
    if (diffusion::namedSampler(id, ignored) == nullptr || id == "ddim-inversion") {
      std::string all;
      for (const auto& name : diffusion::samplerNames()) all += (all.empty() ? "" : ", ") + name.id;
      return makeError(ErrorCode::usage, trf("There is no sampler '{}'; there are {}", id, all));
    }
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  }
  if (ids.empty()) return makeError(ErrorCode::usage, tr("No samplers to compare: write their ids, separated by commas"));
  return ids;
}

Expected<void> SamplerBench::measure(LabContext& context) {
  const SamplerBench before = *this;
  const auto kept = [&](const Error& error) {
    *this = before;
    return error;
  };
  const std::string& scene = context.text("scene");
  const bool reopened = (scene == "network" && pointNetworkChanged(context)) || context.anyChanged({"file", "invert", "spread", "strokes", "components"});
  if (scene != sceneId_ || reopened) {
    if (auto read = readScene(context); !read) return read.error();
    ends_.clear();
    laws_.clear();
  }
  readError(context);
  grid_ = &chosenGrid(context);
  request_ = gridRequest(context);
  finalZero_ = context.flag("final-zero");
  exactStart_ = context.text("start-up") == "exact";
  budget_ = static_cast<int>(context.integer("nfe"));
  if (context.anyChanged({"scene", "seed", "particles"})) ends_.clear();
  if (context.anyChanged({"scene", "seed"})) laws_.clear();
  seed_ = static_cast<std::uint64_t>(context.integer("seed"));
  particles_ = static_cast<std::size_t>(context.integer("particles"));
  third_ = context.text("third");
  auto drawn = chosen(context);
  if (!drawn) return kept(drawn.error());
  drawn_ = *std::move(drawn);

  // The left sampler's levels and the exact path they stand against.
  const auto left = contestant(context.text("left"), context), right = contestant(context.text("right"), context);
  if (!left) return kept(left.error());
  if (!right) return kept(right.error());
  for (const auto* side : {&*left, &*right}) {
    if (budget_ < std::lround(side->sampler->evaluations))
      return kept(makeError(ErrorCode::usage, trf("{} needs {} evaluations for one step; the budget is {}", side->title,
                                                  static_cast<int>(side->sampler->evaluations), budget_)));
  }
  const auto levels = levelsFor(stepsWithin(*left));
  if (!levels) return kept(levels.error());
  levels_ = *levels;
  static constexpr std::string_view sidesOnly[] = {"left", "right", "nfe", "third", "traced", "brush"};
  bool anew = context.restarting() || curves_.empty();
  for (const auto& [id, value] : context.values())
    anew = anew || (context.changed(id) && std::find(std::begin(sidesOnly), std::end(sidesOnly), id) == std::end(sidesOnly));

  // The contestants of the chart; on the line, where it costs little, also those that are not drawn, for their measured orders.
  std::vector<std::string> ids = drawn_;
  if (scene_.onLine() && anew) {
    for (const char* id :
         {"euler", "heun", "dpm-2", "dpm-3", "dpm++2s", "dpm++2m", "dpm++3m",       "dpm++3m-consistent", "unipc-1", "unipc-2", "unipc-3",
          "lms",   "plms", "pndm",  "ipndm", "deis",    "res-2s",  "res-multistep", "exp-heun",           "rk4",     "rk4-log", "rk45"})
      if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  }
  std::vector<Contestant> all;
  for (const std::string& id : ids) {
    auto one = contestant(id, context);
    if (!one) return kept(one.error());
    all.push_back(*std::move(one));
  }
  // Follow the exact path, both samplers, the map's starts and the references side by side: none needs another.
  const auto follow = [&] {
    std::vector<diffusion::Visit> path;
    const double from = levels_.front(), to = std::max(levels_.back(), almostZero);
    State x = startAt(from);
    for (int i = 0; i <= pathPoints; ++i) {
      const double level = from * std::pow(to / from, static_cast<double>(i) / pathPoints);
      if (scene_.onLine()) {
        x = startAt(i == pathPoints ? levels_.back() : level);
      } else if (i > 0) {
        x = scene_.path(x, path.back().level, level, (scene_.network ? networkPictureSteps : pictureSteps) / pathPoints);
      }
      path.push_back({level, 0, x});
    }
    return path;
  };
  std::vector<int> counts;
  for (const auto* side : {&*left, &*right}) counts.push_back(stepsWithin(*side));
  for (int i = 0; i < doublings() && anew; ++i) counts.push_back(4 << i);
  if (anew) counts.push_back(adaptiveSteps);
  const auto wanted = missingEnds(counts);
  // The laws that noisy samplers are held against, where they are not followed exactly.
  const auto judged = [&](const Contestant& one) { return one.noisy && !exactInLaw(one); };
  counts.clear();
  for (int i = 0; i < doublings(true) && anew && std::any_of(all.begin(), all.end(), judged); ++i) counts.push_back(4 << i);
  const bool churned = third_ == "churn";
  const auto edm = contestant("edm", context);
  if (!edm) return kept(edm.error());
  if (churned && !exactInLaw(*edm)) counts.push_back(stepsWithin(*edm));
  std::vector<std::pair<double, double>> lawEnds;
  for (const int steps : counts) {
    const auto found = levelsFor(steps);
    if (!found) return kept(found.error());
    const std::pair ends{found->front(), found->back()};
    if (laws_.count(ends) == 0 && std::find(lawEnds.begin(), lawEnds.end(), ends) == lawEnds.end()) lawEnds.push_back(ends);
  }
  std::vector<BenchLaw> laws(lawEnds.size());
  std::vector<State> found(wanted.size());
  std::optional<Expected<Trajectory>> runs[2];
  std::optional<Expected<StartMap>> map;
  const bool mapped = third_ == "map" && !left->noisy;
  const std::size_t others = wanted.size() + 4;
  parallelFor(others + laws.size(), 0, [&](std::size_t i) {
    if (i >= others) {
      laws[i - others] = lawBetween(lawEnds[i - others].first, lawEnds[i - others].second);
    } else if (i < wanted.size()) {
      found[i] = endOf(wanted[i].first, wanted[i].second);
    } else if (i - wanted.size() < 2) {
      runs[i - wanted.size()] = trajectoryOf(i == wanted.size() ? *left : *right);
    } else if (i - wanted.size() == 2) {
      exactPath_ = follow();
    } else if (mapped) {
      map = startMap(*left);
    }
  });
  for (std::size_t i = 0; i < wanted.size(); ++i) ends_.emplace(wanted[i], std::move(found[i]));
  for (std::size_t i = 0; i < laws.size(); ++i) laws_.emplace(lawEnds[i], std::move(laws[i]));
  for (std::size_t side = 0; side < 2; ++side) {
    if (!*runs[side]) return kept(runs[side]->error());
    sides_[side] = *std::move(*runs[side]);
    Trajectory& run = sides_[side];
    run.error = distance(run.end, ends_.at({run.from, run.to}));
  }
  map_ = {};
  if (map) {
    if (!*map) return kept(map->error());
    map_ = *std::move(*map);
  }
  // One particle under every sampler of the chart that has the evaluations for a step.
  traced_ = static_cast<int>(context.integer("traced"));
  overlay_.clear();
  const std::size_t starts = exactPath_.front().x.size() / scene_.dimension;
  if (traced_ >= 0 && static_cast<std::size_t>(traced_) >= starts)
    return kept(makeError(ErrorCode::usage, trf("There are {} starts, counted from 0: {} is none of them", starts, traced_)));
  for (std::size_t i = 0; i < drawn_.size() && i < all.size() && third_ == "overlay" && traced_ >= 0; ++i) {
    if (budget_ < std::lround(all[i].sampler->evaluations)) continue;
    auto overlay = overlayOf(all[i]);
    if (!overlay) return kept(overlay.error());
    overlay_.push_back(*std::move(overlay));
  }
  apartLevels_.clear();
  apart_.clear();
  for (const diffusion::Visit& a : sides_[0].visits) {
    for (const diffusion::Visit& b : sides_[1].visits) {
      if (std::abs(a.level - b.level) > 1e-9 * a.level) continue;
      apartLevels_.push_back(a.level);
      apart_.push_back(distance(a.x, b.x) / std::sqrt(1 + a.level * a.level));
      break;
    }
  }

  if (scene_.network) {
    // The canvas shows where the exact paths end.
    scene_.reach = 0.1;
    for (const double v : exactPath_.back().x) scene_.reach = std::max(scene_.reach, 1.1 * std::abs(v));
  }
  probe_.reset();
  if (scene_.network) probe_ = probeNetwork(*scene_.network, startAt(levels_.front()), levels_.front(), std::max(levels_.back(), 1e-3));

  // The chart, and EDM's error by churn.
  if (!anew && !churned) return {};
  std::vector<std::optional<Expected<BenchCurve>>> curves(all.size());
  std::optional<Expected<ChurnCurve>> churn;
  std::atomic<bool> stop{false};
  std::atomic<std::size_t> done{0};
  auto measured = std::async(std::launch::async, [&] {
    parallelFor(all.size() + 1, 0, [&](std::size_t i) {
      if (i == 0) {
        if (churned) churn = churnCurve(*edm, stop);
      } else if (anew) {
        curves[i - 1] = curveOf(all[i - 1], stop);
      }
      ++done;
    });
  });
  while (measured.wait_for(std::chrono::milliseconds(20)) != std::future_status::ready) {
    if (context.cancelled()) stop = true;
    context.progress(static_cast<double>(done) / static_cast<double>(all.size() + 1), tr("Measuring the samplers"));
  }
  churn_ = {};
  if (churn) {
    if (!*churn) return kept(churn->error());
    churn_ = *std::move(*churn);
  }
  if (!anew) return {};
  const auto drawnEnd = all.begin() + static_cast<std::ptrdiff_t>(drawn_.size());
  inLaw_ = std::all_of(all.begin(), drawnEnd, [](const Contestant& one) { return one.noisy; });
  anyInLaw_ = std::any_of(all.begin(), drawnEnd, [](const Contestant& one) { return one.noisy; });
  curves_.clear();
  for (auto& curve : curves) {
    if (!*curve) return kept(curve->error());
    curves_.push_back(*std::move(*curve));
  }
  return {};
}

ORRERY_LAB(SamplerBench);

}  // namespace orrery::generative
