#pragma once
// The lab generative/rectified-flow: its state, shared by the computing half (rectified_flow.cpp, rounds.cpp) and the drawing half
// (figure.cpp); what it offers is in describe.cpp.

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/figure/marks/marks.h"
#include "core/labs/generative/shared/coupling.h"
#include "core/labs/generative/shared/flow_field.h"
#include "core/labs/generative/shared/network_velocity.h"
#include "core/labs/generative/shared/toy_network.h"
#include "core/metrics/distances.h"
#include "core/session/lab.h"

namespace orrery::generative {

// Where the velocity of a round comes from: round 1 in closed form and the others from a kernel average of their pairs, all from a kernel
// average, a network trained round after round, or a user's network in round 1 and a kernel average of the pairs it makes in the others.
enum class RoundSource { exact, regression, network, dropped };

struct RectifiedSettings {
  std::string scene, base;
  bool line = false;  // on the line: second coordinates are 0
  std::int64_t round = 1, pairs = 8192, steps = 1, pairSteps = 32, particles = 512;
  double width = 0.12;
  RoundSource source = RoundSource::exact;
  FlowSolver pairSolver = FlowSolver::rk4;
  bool distil = false;
  std::string timeLaw = "uniform";
  std::int64_t trainSteps = 300, stepsPerFrame = 5, trainBatch = 1024, layerWidth = 128, depth = 3;
  double learningRate = 4e-3;
  bool showDensity = true;
  std::string lower[2] = {"straightness", "budget"};
  std::array<double, 2> probe{};
  std::uint64_t seed = 0;
};

// How a flow moved a cloud from t = 1 to 0, and how straight.
struct FlowRun {
  Tensor path;              // [steps + 1, m, 2]
  std::vector<float> bend;  // [m]: the integral of |(Z_1 - Z_0) - v(Z_t, t)|^2 over t
  double straightness = 0;  // its mean: S(Z)
  double cost = 0;          // E|Z_1 - Z_0|^2
};
// `solver` steps with the velocity recorded at every one of them; the integral by the trapezoid rule. `open`: the velocity does not exist
// at t = 0 (points), the last step is Euler's.
FlowRun runFlow(gpu::Stream& stream, const Velocity& velocity, const Tensor& start, std::int64_t steps, FlowSolver solver,
                bool open = false);

// One round of reflow: the coupling it learns, and what its flow does. E|X_1 - X_0|^2 = cost + disagreement + straightness.
struct Round {
  std::vector<float> pairs;  // [n, 4] = (x_0, x_1)
  Tensor stored;             // the same on the device
  double pairCost = 0;       // E|X_1 - X_0|^2
  double disagreement = 0;   // the integral of E|X_1 - X_0 - v(X_t, t)|^2: what no velocity explains, and what this one misses
  FlowRun run;
  Tensor probe;                                             // [steps + 1, 4, 2]: the path of the chosen start (row 0)
  std::vector<std::pair<std::int64_t, double>> stepErrors;  // (Euler steps, sliced W2 to the data)
  double floor = 0;                                         // of sliced W2
};

class RectifiedFlow : public Lab {
 public:
  static LabEntry describe();
  Expected<void> update(LabContext& context) override;
  bool keepsTime(const LabContext& context) const override;
  Expected<bool> advance(LabContext& context) override;
  Timeline timeline() const override;
  std::vector<Tensor> capture() const override;
  void restore(std::int64_t frame, std::vector<Tensor> state) override;
  Figure figure() const override;
  std::vector<Metric> metrics() const override;
  Changes pointer(const PointerEvent& event, const Values& values) const override;

 private:
  Expected<void> begin(LabContext& context);
  Expected<void> buildRounds(LabContext& context);
  Velocity velocityOf(std::size_t round) const;
  void goOn(gpu::Stream& stream) const;  // throws Cancelled
  bool openAtData(std::size_t round) const;  // the closed form of round 1 to points
  // What round 1's velocity misses of the exact one: the integral of E|v - u|^2 over t; none where that has no closed form.
  std::optional<double> velocityError(gpu::Stream& stream) const;
  Expected<void> checkPairs() const;         // enough pairs inside a kernel width
  std::vector<float> firstPairs() const;
  std::vector<float> flowPairs(gpu::Stream& stream, std::size_t round);  // pairs that the flow of this round makes
  void judge(gpu::Stream& stream, Round& round, std::size_t index);
  void follow(gpu::Stream& stream);  // the few steps and the probe of the round shown
  ToyBatch batchOf(std::int64_t step) const;

  bool training() const { return settings_.source == RoundSource::network; }
  std::int64_t framesPerRound() const { return (settings_.trainSteps + settings_.stepsPerFrame - 1) / settings_.stepsPerFrame; }
  std::size_t shownRound() const;  // index of the round on show
  const Round& shown() const { return rounds_[shownRound()]; }
  double time() const;  // of the moving particles
  std::int64_t flowSteps() const { return training() ? 12 : 32; }

  // figure.cpp
  double reach() const;
  Panel couplingPanel() const;
  Panel flowPanel() const;
  Panel fewPanel() const;
  Panel lowerPanel(const std::string& kind) const;
  Panel straightnessPanel() const;
  Panel budgetPanel() const;
  Panel stepsPanel() const;
  Panel trainingPanel() const;
  void drawPaths(Panel& panel, const char* id, const Tensor& path, std::int64_t until, Paint paint, float width) const;
  void drawDensity(Panel& panel) const;

  RectifiedSettings settings_;
  PairSource source_;
  std::optional<ExactFlow> exact_;
  std::shared_ptr<const models::PointDenoiser> dropped_;
  std::string complaint_;  // what is suspicious about its answers
  gpu::Stream* stream_ = nullptr;
  LabContext* building_ = nullptr;  // only while rounds are built: asked between evaluations whether to go on
  std::int64_t frame_ = 0;
  Tensor starts_;                        // [m, 2] fresh base points, the same for every round
  std::vector<float> data_, otherData_;  // two samples of the data
  std::vector<Round> rounds_;
  Tensor few_;  // [N + 1, m, 2] Euler steps of the round shown
  double fewError_ = 0;
  std::optional<double> networkError_;

  // Training.
  ToyNetwork network_;
  std::map<std::int64_t, double> losses_;  // by frame
};

// The pairs whose base ends lie within h of a typical base point: the median over the first `probes` pairs.
double pairsWithin(std::span<const float> pairs, double h, std::size_t probes = 256);

}  // namespace orrery::generative
