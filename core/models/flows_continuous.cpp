// Continuous flows. Sources: Chen, Rubanova, Bettencourt and Duvenaud 2018, eq. 8 (instantaneous change of variables); Grathwohl et al.
// 2019, section 3.1 (Hutchinson's estimate, one probe for a whole solve); Finlay et al. 2020, eq. 6 (kinetic energy).
//   dz/dt = v(z, t),  v = W_L tanh(... tanh(W_0 [z, t] + b_0) ...) + b_L
// With g_i = 1 - h_i^2 the slopes of the hidden functions, the exact trace needs no tangents:
//   no hidden layer: tr W_0;    one: g_1 . c, c_k = (W_0 W_1)_kk;    two: g_2 . (C g_1), C_lk = (W_1)_lk (W_0 W_2)_kl
// Hutchinson's estimate is p . (dv/dz p): a tangent d through a layer is d <- g (W d).
// Shapes: z [n, D], tangents [n, w], trace and energy [n]. Times in the flow's own unit.

#include <cassert>
#include <cmath>

#include "core/kernels/elementwise.h"
#include "core/kernels/fill.h"
#include "core/kernels/slice.h"
#include "core/models/flows.h"

namespace orrery::models::flows {
namespace {

using nn::Variable;

// The rule as a table: the state of evaluation i is z + step reach[i] (slope of i - 1), the sum of slopes is weighed.
struct Rule {
  int evaluations;
  double reach[4], weight[4];
};
constexpr Rule rules[] = {{1, {0}, {1}}, {2, {0, 0.5}, {0, 1}}, {4, {0, 0.5, 0.5, 1}, {1.0 / 6, 1.0 / 3, 1.0 / 3, 1.0 / 6}}};
const Rule& ruleOf(Solver solver) { return rules[static_cast<std::size_t>(solver)]; }

class Continuous final : public Layer {
 public:
  explicit Continuous(const ContinuousOptions& options) : options_(options) {
    assert(options.depth >= 0 && options.depth <= 2 && options.steps > 0);
    net_.widths.push_back(options.dimensions + 1);
    for (int i = 0; i < options.depth; ++i) net_.widths.push_back(options.width);
    net_.widths.push_back(options.dimensions);
    net_.activation = kernels::Unary::tanh;
  }

  std::size_t weightCount() const override { return options_.sharesWeights ? 0 : 2 * net_.layers(); }
  bool sharesWeights() const override { return options_.sharesWeights; }

  nn::Weights initial(nn::Initializer& draw) const override {
    if (options_.sharesWeights) return {};
    nn::Weights weights = net_.initial(draw);
    for (std::size_t i = weights.size() - 2; i < weights.size(); ++i) weights[i].value = draw.constant(weights[i].value.shape(), 0);
    return weights;
  }

  Mapped forward(nn::Tape& tape, std::span<const Variable> weights, const Variable& x) const override {
    return solve(tape, weights, x, Wanted::exactTrace, {}, options_.from, options_.to);
  }
  Mapped estimate(nn::Tape& tape, std::span<const Variable> weights, const Variable& x, const Variable& probe) const override {
    return solve(tape, weights, x, Wanted::probedTrace, probe, options_.from, options_.to);
  }
  Variable inverse(nn::Tape& tape, std::span<const Variable> weights, const Variable& y) const override {
    return solve(tape, weights, y, Wanted::state, {}, options_.to, options_.from).y;
  }

  double forward(std::span<const std::vector<double>> weights, std::span<double> x) const override {
    return solve(weights, x, options_.from, options_.to);
  }
  void inverse(std::span<const std::vector<double>> weights, std::span<double> y) const override {
    solve(weights, y, options_.to, options_.from);
  }

 private:
  enum class Wanted { state, exactTrace, probedTrace };
  struct Slope {
    Variable v, trace, energy;
  };
  // The weights as the evaluations use them: the first matrix apart for z and for t, and what the exact trace takes: the trace itself,
  // c [1, w] or C [w, w].
  struct Parts {
    std::span<const Variable> all;
    Variable ofState, ofTime;  // [w, D], [w]
    Variable traceOf;
  };

  Parts partsOf(std::span<const Variable> weights, Wanted wanted) const {
    const std::int64_t d = options_.dimensions;
    const std::int64_t width = weights[0].shape()[0];
    Parts parts{weights, nn::slice(weights[0], 1, 0, d), nn::reshape(nn::slice(weights[0], 1, d, d + 1), Shape{width}), {}};
    if (wanted != Wanted::exactTrace) return parts;
    if (options_.depth == 0) {
      for (std::int64_t j = 0; j < d; ++j) {
        const Variable one = nn::reshape(nn::slice(nn::slice(parts.ofState, 0, j, j + 1), 1, j, j + 1), Shape{1});
        parts.traceOf = parts.traceOf.empty() ? one : nn::add(parts.traceOf, one);
      }
      return parts;
    }
    const Variable& head = weights[2 * net_.layers() - 2];
    const Variable& ofState = parts.ofState;
    parts.traceOf = options_.depth == 1 ? nn::reshape(nn::sum(nn::mul(ofState, nn::permute(head, {1, 0})), 1), Shape{1, width})
                                        : nn::mul(weights[2], nn::permute(nn::matmul(ofState, head), {1, 0}));
    return parts;
  }

  Slope slope(const Parts& parts, const Variable& z, double t, Wanted wanted, const Variable& probe) const {
    Variable h = z, tangent = wanted == Wanted::probedTrace ? probe : Variable();
    std::vector<Variable> slopes;  // g of the hidden layers
    const std::size_t last = net_.layers() - 1;
    Slope result;
    for (std::size_t i = 0; i <= last; ++i) {
      const Variable& weight = i == 0 ? parts.ofState : parts.all[2 * i];
      const Variable bias = i == 0 ? nn::add(parts.all[1], nn::affine(parts.ofTime, t, 0)) : parts.all[2 * i + 1];
      if (!tangent.empty()) tangent = nn::matmulTransposed(tangent, weight);
      if (i == last) {
        result.v = nn::linear(h, weight, bias);
        break;
      }
      h = nn::linear(h, weight, bias, kernels::Unary::tanh);
      if (wanted == Wanted::state) continue;
      slopes.push_back(nn::affine(nn::square(h), -1, 1));
      if (!tangent.empty()) tangent = nn::mul(slopes.back(), tangent);
    }
    if (wanted == Wanted::state) return result;
    if (wanted == Wanted::probedTrace) {
      result.trace = nn::sum(nn::mul(tangent, probe), 1);
    } else if (slopes.empty()) {
      result.trace = nn::add(parts.traceOf, nn::affine(nn::sum(result.v, 1), 0, 0));  // the same for every row
    } else {
      result.trace =
          nn::sum(nn::mul(slopes.back(), slopes.size() == 1 ? parts.traceOf : nn::matmulTransposed(slopes[0], parts.traceOf)), 1);
    }
    result.energy = nn::sum(nn::square(result.v), 1);
    return result;
  }

  // One step of the rule from time t.
  Mapped step(const Parts& parts, const Variable& z, double t, double length, Wanted wanted, const Variable& probe) const {
    const Rule& rule = ruleOf(options_.solver);
    const auto moved = [](const Variable& from, const Variable& slope, double by) {
      const Variable way = nn::affine(slope, by, 0);
      return from.empty() ? way : nn::add(from, way);
    };
    Mapped result{z, {}, {}};
    Slope before;
    for (int i = 0; i < rule.evaluations; ++i) {
      const Variable at = i == 0 ? z : moved(z, before.v, length * rule.reach[i]);
      before = slope(parts, at, t + length * rule.reach[i], wanted, probe);
      if (rule.weight[i] == 0) continue;
      result.y = moved(result.y, before.v, length * rule.weight[i]);
      if (wanted == Wanted::state) continue;
      result.logDet = moved(result.logDet, before.trace, length * rule.weight[i]);
      result.energy = moved(result.energy, before.energy, std::abs(length) * rule.weight[i]);
    }
    return result;
  }

  Mapped solve(nn::Tape& tape, std::span<const Variable> weights, const Variable& x, Wanted wanted, const Variable& probe, double from,
               double to) const {
    const double length = (to - from) / static_cast<double>(options_.steps);
    Mapped result{x, {}, {}};
    bool learns = x.needsGradient();
    for (const Variable& w : weights) learns = learns || w.needsGradient();
    if (!learns && options_.adaptive != nullptr && options_.adaptive->tolerance > 0) {
      return adaptive(tape, weights, x, wanted, probe, from, to);
    }
    const auto joined = [](const Variable& before, const Variable& more) { return before.empty() ? more : nn::add(before, more); };
    for (std::int64_t i = 0; i < options_.steps; ++i) {
      const double t = from + length * static_cast<double>(i);
      if (learns) {
        const Mapped one = step(partsOf(weights, wanted), result.y, t, length, wanted, probe);
        result.y = one.y;
        if (wanted == Wanted::state) continue;
        result.logDet = joined(result.logDet, one.logDet);
        result.energy = joined(result.energy, one.energy);
        continue;
      }
      // Nothing learns: what a step needed on its way is let go after it, and a long way needs no more memory than a short one.
      nn::Tape scratch(tape.stream());
      std::vector<Variable> own;
      for (const Variable& w : weights) own.push_back(scratch.constant(w.value()));
      const Variable ownProbe = probe.empty() ? Variable() : scratch.constant(probe.value());
      const Mapped one = step(partsOf(own, wanted), scratch.constant(result.y.value()), t, length, wanted, ownProbe);
      result.y = tape.constant(one.y.value());
      if (wanted != Wanted::state) {
        result.logDet = joined(result.logDet, tape.constant(one.logDet.value()));
        result.energy = joined(result.energy, tape.constant(one.energy.value()));
      }
      tape.stream().wait();
      tape.stream().submit();
    }
    return result;
  }

  // With steps as long as the tolerance lets them be: z [n, D], the volume and the energy side by side.
  Mapped adaptive(nn::Tape& tape, std::span<const Variable> weights, const Variable& x, Wanted wanted, const Variable& probe, double from,
                  double to) const {
    gpu::Stream& stream = tape.stream();
    const std::int64_t n = x.shape()[0], d = options_.dimensions;
    const auto slopeOf = [&](const Tensor& state, double t) {
      nn::Tape scratch(stream);
      std::vector<Variable> own;
      for (const Variable& w : weights) own.push_back(scratch.constant(w.value()));
      const Variable ownProbe = probe.empty() ? Variable() : scratch.constant(probe.value());
      const Variable z = scratch.constant(wanted == Wanted::state ? state : kernels::slice(stream, state, 1, 0, d));
      const Slope now = slope(partsOf(own, wanted), z, t, wanted, ownProbe);
      Tensor result = now.v.value();
      if (wanted != Wanted::state) {
        // The energy grows whichever way time runs.
        const Tensor energy = kernels::affine(stream, now.energy.value(), from < to ? 1.0f : -1.0f, 0);
        const Tensor parts[] = {result, now.trace.value().reshaped(Shape{n, 1}), energy.reshaped(Shape{n, 1})};
        result = kernels::concat(stream, parts, 1);
      }
      // What an evaluation needed on its way is let go after it.
      stream.wait();
      stream.submit();
      return result;
    };
    Tensor start = x.value();
    if (wanted != Wanted::state) {
      const Tensor parts[] = {start, kernels::fill(stream, Shape{n, 2}, 0.0f)};
      start = kernels::concat(stream, parts, 1);
    }
    const Variable end =
        tape.constant(solveAdaptive(stream, slopeOf, start, from, to, options_.adaptive->tolerance, options_.adaptive->evaluations));
    if (wanted == Wanted::state) return {end, {}, {}};
    const auto column = [&](std::int64_t i) { return nn::reshape(nn::slice(end, 1, i, i + 1), Shape{n}); };
    return {nn::slice(end, 1, 0, d), column(d), column(d + 1)};
  }

  // One point in double precision: its slope, and the trace.
  double slope(std::span<const std::vector<double>> weights, std::span<const double> z, double t, std::span<double> v) const {
    const auto d = static_cast<std::size_t>(options_.dimensions);
    std::vector<double> h(z.begin(), z.end());
    std::vector<std::vector<double>> tangents(d, std::vector<double>(d + 1, 0.0));
    for (std::size_t j = 0; j < d; ++j) tangents[j][j] = 1;
    h.push_back(t);
    for (std::size_t i = 0; i < net_.layers(); ++i) {
      const std::vector<double>&weight = weights[2 * i], &bias = weights[2 * i + 1];
      const auto in = static_cast<std::size_t>(net_.widths[i]), out = static_cast<std::size_t>(net_.widths[i + 1]);
      const bool bent = i + 1 < net_.layers();
      const auto times = [&](const std::vector<double>& from, std::size_t row) {
        double sum = 0;
        for (std::size_t c = 0; c < in; ++c) sum += weight[row * in + c] * from[c];
        return sum;
      };
      std::vector<double> next(out);
      std::vector<std::vector<double>> turned(d, std::vector<double>(out));
      for (std::size_t r = 0; r < out; ++r) {
        next[r] = times(h, r) + bias[r];
        if (bent) next[r] = std::tanh(next[r]);
        for (std::size_t j = 0; j < d; ++j) turned[j][r] = times(tangents[j], r) * (bent ? 1 - next[r] * next[r] : 1);
      }
      h = std::move(next);
      tangents = std::move(turned);
    }
    double trace = 0;
    for (std::size_t j = 0; j < d; ++j) {
      v[j] = h[j];
      trace += tangents[j][j];
    }
    return trace;
  }

  double solve(std::span<const std::vector<double>> weights, std::span<double> z, double from, double to) const {
    const std::size_t d = z.size();
    if (options_.adaptive != nullptr && options_.adaptive->tolerance > 0) {
      const auto slopeOf = [&](const std::vector<double>& state, double t) {
        std::vector<double> v(d + 1);
        v[d] = slope(weights, std::span(state).first(d), t, std::span(v).first(d));
        return v;
      };
      std::vector<double> start(z.begin(), z.end());
      start.push_back(0);
      std::int64_t uncounted = 0;
      const auto end = solveAdaptive(slopeOf, std::move(start), from, to, options_.adaptive->tolerance, uncounted);
      std::copy_n(end.begin(), d, z.begin());
      return end[d];
    }
    const Rule& rule = ruleOf(options_.solver);
    const double length = (to - from) / static_cast<double>(options_.steps);
    double logDet = 0;
    std::vector<double> v(d), at(d), end(d);
    for (std::int64_t s = 0; s < options_.steps; ++s) {
      const double t = from + length * static_cast<double>(s);
      end.assign(z.begin(), z.end());
      for (int i = 0; i < rule.evaluations; ++i) {
        for (std::size_t k = 0; k < d; ++k) at[k] = z[k] + (i == 0 ? 0 : length * rule.reach[i] * v[k]);
        const double trace = slope(weights, at, t + length * rule.reach[i], v);
        for (std::size_t k = 0; k < d; ++k) end[k] += length * rule.weight[i] * v[k];
        logDet += length * rule.weight[i] * trace;
      }
      std::copy(end.begin(), end.end(), z.begin());
    }
    return logDet;
  }

  ContinuousOptions options_;
  nn::Mlp net_;
};

}  // namespace

int evaluationsPerStep(Solver solver) { return ruleOf(solver).evaluations; }

LayerPtr continuous(const ContinuousOptions& options) { return std::make_shared<Continuous>(options); }

}  // namespace orrery::models::flows
