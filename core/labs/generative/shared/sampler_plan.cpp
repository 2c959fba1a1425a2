// Samplers as linear combinations.

#include "core/labs/generative/shared/sampler_plan.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace orrery::generative {

using diffusion::Run;
using diffusion::SamplerOptions;
using diffusion::State;

namespace {

// What cancels leaves less than this of the largest factor: products and differences of doubles.
constexpr double nothing = 1e-11;

// Everything a run asked for, in order, on symbols. Symbol 0 is the start.
struct Record {
  struct Asked {
    PlanEvent event;
    State place;      // of evaluations
    int evaluations;  // before it, of noise; with it, of evaluations
  };
  std::vector<Asked> asked;
  std::vector<diffusion::Visit> visits;
};

// Runs the sampler with `size` symbols; 0: counts only.
Record recordRun(const SamplerFunction& sampler, const std::vector<double>& levels, SamplerOptions options, std::size_t size) {
  Record record;
  int evaluations = 0;
  const bool counting = size == 0;
  const auto symbol = [&](PlanEvent event, const State& place) {
    event.symbol = static_cast<int>(record.asked.size()) + 1;
    State answer(counting ? 1 : size);
    if (!counting) answer[static_cast<std::size_t>(event.symbol)] = 1;
    record.asked.push_back({std::move(event), counting ? State() : place, evaluations});
    return answer;
  };
  const auto ask = [&](PlanEvent::Kind kind, const State& x, double level) {
    ++evaluations;
    PlanEvent event;
    event.kind = kind;
    event.level = level;
    return symbol(std::move(event), x);
  };
  // A direction's symbol is place - D: the level is divided out here.
  options.slope = [&](const State& x, double level) { return ask(PlanEvent::Kind::direction, x, level) / level; };
  options.noise = [&](double a, double b) {
    PlanEvent event;
    event.kind = PlanEvent::Kind::noise;
    // The path's part from a to b, or what is drawn at a step of this number.
    const auto at = std::find(levels.begin(), levels.end(), a);
    const bool step = at != levels.end() && at + 1 != levels.end() && *(at + 1) == b;
    event.interval = step ? static_cast<std::size_t>(at - levels.begin()) : static_cast<std::size_t>(a);
    return symbol(std::move(event), State());
  };
  Run run([&](const State& x, double level) { return ask(PlanEvent::Kind::denoised, x, level); }, levels, 0, 1, options);
  run.record = !counting;
  State start(counting ? 1 : size);
  start[0] = 1;
  run.visit(levels.front(), start);
  const State end = sampler(run, std::move(start));
  record.visits = std::move(run.visits);
  (void)end;
  return record;
}

// u by x and the symbols: what is left of u when x takes its share of the start is a matter of symbols.
std::vector<PlanTerm> expressed(const State& u, const State& x) {
  std::vector<PlanTerm> terms;
  const double share = x[0] != 0 ? u[0] / x[0] : 0;
  if (share != 0) terms.push_back({0, share});
  double most = 1;
  for (const double factor : u) most = std::max(most, std::abs(factor));
  for (std::size_t j = 1; j < u.size(); ++j) {
    const double left = u[j] - share * x[j];
    if (std::abs(left) > nothing * most) terms.push_back({static_cast<int>(j), left});
  }
  return terms;
}

}  // namespace

double SamplerPlan::evaluations(std::size_t count) const {
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i)
    for (const PlanEvent& event : steps[i].events) sum += event.kind == PlanEvent::Kind::noise ? 0 : 1;
  return sum;
}

SamplerPlan planRun(const SamplerFunction& sampler, const std::vector<double>& levels, const SamplerOptions& options) {
  const std::size_t size = recordRun(sampler, levels, options, 0).asked.size() + 1;
  Record record = recordRun(sampler, levels, options, size);
  SamplerPlan plan;
  std::size_t next = 0;
  std::map<int, std::size_t> madeIn;
  for (std::size_t i = 0; i + 1 < record.visits.size(); ++i) {
    const State& x = record.visits[i].x;
    PlanStep step;
    for (; next < record.asked.size() && record.asked[next].evaluations <= record.visits[i + 1].evaluations; ++next) {
      PlanEvent event = std::move(record.asked[next].event);
      if (event.kind != PlanEvent::Kind::noise) event.place = expressed(record.asked[next].place, x);
      madeIn[event.symbol] = i;
      step.events.push_back(std::move(event));
    }
    step.result = expressed(record.visits[i + 1].x, x);
    plan.steps.push_back(std::move(step));
  }
  // Carry a symbol from the step that makes it to the last one that reads it.
  std::map<int, std::size_t> lastRead;
  const auto read = [&](const std::vector<PlanTerm>& terms, std::size_t i) {
    for (const PlanTerm& term : terms)
      if (term.symbol != 0) lastRead[term.symbol] = i;
  };
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    for (const PlanEvent& event : plan.steps[i].events) read(event.place, i);
    read(plan.steps[i].result, i);
  }
  for (const auto& [symbol, last] : lastRead) {
    for (std::size_t i = madeIn[symbol]; i < last; ++i) {
      plan.steps[i].after.push_back(symbol);
      plan.steps[i + 1].before.push_back(symbol);
    }
  }
  return plan;
}

SamplerPlan planSteps(const SamplerFunction& sampler, const std::vector<double>& levels, const SamplerOptions& options, double zeta) {
  SamplerPlan plan;
  for (std::size_t i = 0; i + 1 < levels.size(); ++i) {
    const double a = levels[i], b = levels[i + 1];
    const auto [down, up] = diffusion::ancestral(a, b, b > 0 ? zeta : 0.0);
    PlanStep step = planRun(sampler, {a, down}, options).steps.front();
    for (PlanEvent& event : step.events)
      if (event.kind == PlanEvent::Kind::noise) event.interval = i;
    if (up > 0) {
      PlanEvent event;
      event.kind = PlanEvent::Kind::noise;
      event.symbol = static_cast<int>(step.events.size()) + 1;
      event.interval = i;
      step.result.push_back({event.symbol, up});
      step.events.push_back(std::move(event));
    }
    plan.steps.push_back(std::move(step));
  }
  return plan;
}

}  // namespace orrery::generative
