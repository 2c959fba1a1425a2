#pragma once
// The lab generative/flow-matching: its state, shared by the computing half (flow_matching.cpp, studies.cpp) and the drawing half
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

enum class VelocitySource { exact, regression, network, dropped };  // the last: a user's own

// Everything the parameters say, read once per update.
struct FlowSettings {
  std::string scene, base;
  FlowPath path;
  Coupling coupling = Coupling::independent;
  bool full = false;  // one batch of all pairs
  std::int64_t batch = 256, pairs = 4096;
  double epsilon = 0.05, width = 0.06;
  VelocitySource source = VelocitySource::exact;
  FlowSolver solver = FlowSolver::rk4;
  std::int64_t steps = 64, particles = 16384, trails = 256;
  bool hutchinson = false;
  // Training.
  std::int64_t trainSteps = 600, stepsPerFrame = 4, trainBatch = 1024, layerWidth = 128, depth = 3;
  double learningRate = 2e-3;
  std::string timeLaw = "uniform";
  std::int64_t shownParticles = 1024, shownSteps = 10;
  double shownTime = 0;
  // Picture.
  bool showDensity = true, showField = true, paperDirection = false;
  std::string lower[2] = {"loss", "distance"};
  std::int64_t heatGrid = 64;
  std::array<double, 2> pairData{}, pairNoise{}, dye{};
  double dyeRadius = 0;
  std::uint64_t seed = 0;
};

// What is measured at one frame.
struct FlowTick {
  double sliced = 0, floor = 0;  // to the law of x_t
  double loss = 0;               // network: mean over the steps of the frame
};

// What a regression can explain at one time, and what it leaves.
struct LossPart {
  double t = 0, irreducible = 0, error = 0, irreducibleNoise = 0;  // E tr Cov[dx/dt | x], E |v - u|^2, standard error of the first
};

class FlowMatching : public Lab {
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
  Expected<void> readLaws(LabContext& context);
  Expected<void> begin(LabContext& context);
  ToyBatch batchOf(std::int64_t step) const;
  Velocity velocity() const;
  Velocity velocityWithDivergence() const;
  bool stopsShort(double to) const;  // whether no velocity exists at that time: the last step to points
  Tensor stepped(gpu::Stream& stream, const Velocity& v, const Tensor& cloud, double t, double to) const;
  // The cloud's states after every step from t = 1: [steps + 1, n, 2].
  Tensor follow(gpu::Stream& stream, const Tensor& start, std::int64_t steps, FlowSolver solver) const;
  void integrateShown(gpu::Stream& stream);  // network: the preview cloud
  void measure();
  void study(gpu::Stream& stream);                             // what the lower panels need at this frame
  std::vector<float> lawAt(double t, std::size_t half) const;  // points of x_t

  bool training() const { return settings_.source == VelocitySource::network; }
  bool exactLaw() const { return exact_.has_value() && settings_.coupling == Coupling::independent; }
  double time() const;  // of the picture
  std::int64_t stepsAt(std::int64_t frame) const { return std::min(frame * settings_.stepsPerFrame, settings_.trainSteps); }
  double inputScale(double t) const;   // c_in of the network
  double outputScale(double t) const;  // the velocity is this times what the network says
  bool shown(const char* panel) const { return settings_.lower[0] == panel || settings_.lower[1] == panel; }

  // studies.cpp
  void prepareLoss();
  void studyLoss(gpu::Stream& stream);
  void studyCoupling();
  void studyDensity(gpu::Stream& stream);
  void studyResidual();

  // figure.cpp
  double reach() const;
  std::string timeText() const;
  Axis timeAxis() const;
  Panel pairsPanel() const;
  Panel flowPanel() const;
  Panel lowerPanel(const std::string& kind) const;
  Panel lossPanel() const;
  Panel trainingPanel() const;
  Panel distancePanel() const;
  Panel couplingPanel() const;
  Panel densityPanel() const;
  Panel residualPanel() const;
  Panel determinantPanel() const;
  Panel errorPanel() const;  // studies.cpp: the velocity against the exact one, over the plane

  FlowSettings settings_;
  PairSource source_;               // data, base and coupling
  std::optional<ExactFlow> exact_;  // of independent pairs, when the base allows it
  Tensor stored_;                   // [m, 4] pairs for regression
  ToyNetwork network_;
  std::shared_ptr<const models::PointDenoiser> dropped_;
  std::string complaint_;  // what is suspicious about its answers
  gpu::Stream* stream_ = nullptr;  // the session's, from the last update
  std::int64_t frame_ = 0;

  Tensor start_, cloud_;                    // [n, 2]
  Tensor path_;                             // [steps + 1, trails, 2], or of the preview cloud [shownSteps + 1, n, 2]
  Tensor dyed_;                             // rows of the cloud that carry dye, u32
  PairSource::Pairs drawnPairs_;            // of the pairs panel
  std::array<PairSource::Pairs, 2> truth_;  // two independent sets; the second gives the floor
  std::map<std::int64_t, FlowTick> ticks_;

  // Studies of the picture shown.
  std::vector<LossPart> lossParts_;
  std::vector<std::array<double, 2>> couplingCost_;  // (batch, mean squared distance)
  Tensor flowDensity_, exactDensity_;                // [g, g]
  double densityHigh_ = 1, densityError_ = 0;        // largest |ln p_flow - ln p| where p is at least a thousandth of its peak
  Tensor residual_;                                  // [g, g], of the continuity equation
  double residualShare_ = 0, residualHigh_ = 1;
  Tensor grid_;   // [steps + 1, 5 m, 2]: grid points and their neighbours, followed from t = 1
  struct Probe {  // of the loss study: points of the law of x_t, their exact velocity
    double t = 0;
    Tensor points;
    std::vector<double> velocity;
  };
  std::vector<Probe> probes_;
};

// The continuity equation's residual d p / dt + div (p u) on a grid of g x g points over [-half, half]^2, central differences; `relative`
// is its largest value over that of d p / dt. Host, double precision.
struct Continuity {
  std::vector<double> residual;
  double relative = 0, largestRate = 0;
};
Continuity continuityResidual(const ExactFlow& flow, double t, std::int64_t g, double half);
// The same for d p / d tau = 1/2 Laplace p of x = x_0 + sqrt(tau) eps.
Continuity heatResidual(const PlanarDensity& data, double tau, std::int64_t g, double half);

}  // namespace orrery::generative
