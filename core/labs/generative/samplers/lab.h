#pragma once
// The lab generative/samplers: its state, shared by the computing half (samplers.cpp, scene.cpp, law.cpp, names.cpp) and the drawing half
// (figure.cpp, extra_panels.cpp); what it offers is in describe.cpp.

#include <array>
#include <atomic>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/diffusion/grid.h"
#include "core/diffusion/sampler.h"
#include "core/figure/marks/marks.h"
#include "core/labs/generative/shared/planar_density.h"
#include "core/labs/generative/shared/stated_network.h"
#include "core/metrics/distances.h"
#include "core/models/point_denoiser.h"
#include "core/session/lab.h"

namespace orrery::generative {

// What runs on the bench: a sampler with its options. "unipc-3" is the sampler unipc at order 3, "dpm++3m-consistent" is dpm++3m with
// kappa 2.
struct Contestant {
  std::string id, title;
  const diffusion::Sampler* sampler = nullptr;
  diffusion::SamplerOptions options;
  // Whether its end depends on the noise. A stochastic sampler without any (eta 0, churn 0) is a solver of the ODE like others.
  bool noisy = false;
};

// One contestant's curve: error against function evaluations, coarse to fine.
struct BenchCurve {
  Contestant contestant;
  std::vector<double> evaluations, error;
  std::optional<double> order;  // of the last doubling; none for adaptive samplers, nor under a wrong score, whose error stays
  bool inNoise = false;         // none because the errors it would be of are what chance alone gives
};

// What the law of noisy samplers is held against, between two levels: where they start, exact samples of where they should end, and how
// far apart two exact samples are.
struct BenchLaw {
  diffusion::State start;
  std::vector<double> quantiles;  // on a line, of the exact law at the end (a network's: sorted ends of its own ODE)
  ProjectedSample truth;          // in the plane
  double floor = 0;
};

// What is wrong with the score that the samplers see (as sde-vs-ode states it, kernels::ScoreError), as a share: constant: e + amount along
// the first coordinate; shrink: (1 - amount) e; field: e + amount times a smooth field over place and level.
enum class BenchError { none, constant, shrink, field };

// What the samplers ask: the exact denoiser of a density of the line or of the plane, or a user's network.
struct BenchScene {
  std::size_t dimension = 1;
  bool gaussian = false;
  diffusion::LineMixture line;
  diffusion::PlaneMixture plane;
  PlanarDensity density;  // in the plane: the same, for drawing samples
  std::shared_ptr<const models::PointDenoiser> network;
  double reach = 2.2;
  BenchError error = BenchError::none;
  double amount = 0;

  bool onLine() const { return dimension == 1 && !network; }  // quantiles say where every path ends
  int referenceSteps() const { return network ? 1024 : 4096; }  // over the whole way; a network is asked 4096 times
  diffusion::State denoise(const diffusion::State& x, double level) const;  // D, exact
  diffusion::State answer(const diffusion::State& x, double level) const;   // what the samplers are told: D with the score's error
  // The path of the exact ODE: quantiles on the line, else classic Runge-Kutta with `steps`.
  diffusion::State path(const diffusion::State& x, double from, double to, int steps) const;
};

class SamplerBench : public Lab {
 public:
  static LabEntry describe();
  Expected<void> update(LabContext& context) override;
  Figure figure() const override;
  std::vector<Metric> metrics() const override;
  Changes pointer(const PointerEvent& event, const Values& values) const override;

 private:
  struct Trajectory {
    Contestant contestant;
    std::vector<diffusion::Visit> visits;
    int evaluations = 0, rejected = 0;
    diffusion::State end;
    double from = 0, to = 0;   // levels
    double error = 0;          // at the end, against the exact path
    std::vector<double> away;  // at every visit, at the VP scale
    std::vector<double> own;   // what each step adds: from the visit before on the exact path, at the VP scale
    std::vector<diffusion::Attempt> attempts;  // of an adaptive sampler
  };
  // What a sampler of the chart makes of one particle.
  struct Overlay {
    Contestant contestant;
    std::vector<diffusion::Visit> visits;  // of that particle alone
    double error = 0;
  };
  // EDM's error in law by churn, under the score the samplers see and under the exact one.
  struct ChurnCurve {
    std::vector<double> churn, error, exactScore;
    double floor = 0;
    int steps = 0;
  };
  // The left sampler's error by where it starts: over quantiles of the line, or over the plane in deviations of the start cloud.
  struct StartMap {
    std::vector<double> start, error;
    std::size_t cells = 0;  // per side, in the plane
  };

  // What follows once the names of other libraries are replaced by what they stand for.
  Expected<void> measure(LabContext& context);
  Expected<Values> namedValues(const LabContext& context);  // names.cpp
  Expected<void> readScene(const LabContext& context);      // scene.cpp
  void readError(const LabContext& context);
  Expected<std::vector<std::string>> chosen(const LabContext& context) const;
  Expected<StartMap> startMap(const Contestant& one) const;
  Expected<Contestant> contestant(const std::string& id, const LabContext& context) const;
  diffusion::State startAt(double level) const;
  diffusion::State exactAt(double level) const;                                 // of the left sampler's start
  diffusion::State endOf(double from, double to) const;                         // of the exact path of the start at level `from`
  // The first and last level of runs of so many steps whose ends are not known yet.
  std::vector<std::pair<double, double>> missingEnds(const std::vector<int>& stepCounts) const;
  int stepsWithin(const Contestant& one) const { return std::max(1, static_cast<int>(std::lround(budget_ / one.sampler->evaluations))); }
  // Of the chart's step counts, from 4 on; laws of more than one dimension are measured by particles, which see no errors of many steps.
  int doublings(bool noisy = false) const { return scene_.network || (noisy && !scene_.onLine()) ? 6 : 8; }
  double distance(const diffusion::State& a, const diffusion::State& b) const;  // largest on the line, root mean square in the plane
  Expected<std::vector<double>> levelsFor(int steps) const;
  Expected<BenchCurve> curveOf(const Contestant& one, const std::atomic<bool>& stop) const;
  Expected<Trajectory> trajectoryOf(const Contestant& one) const;
  Expected<Overlay> overlayOf(const Contestant& one) const;

  // law.cpp
  bool drawsNoise(const Contestant& one) const;
  bool exactInLaw(const Contestant& one) const;  // one Gaussian: the variance is followed through the update
  std::size_t lawCount() const;                  // particles
  BenchLaw lawBetween(double from, double to) const;
  Expected<double> errorInLaw(const Contestant& one, const std::vector<double>& levels, int& evaluations) const;
  Expected<ChurnCurve> churnCurve(const Contestant& one, const std::atomic<bool>& stop) const;

  // figure.cpp
  Panel chartPanel() const;
  Panel pathPanel(int side) const;
  Panel partPanel() const;
  Panel rulerPanel() const;
  Panel stepErrorPanel() const;
  Panel attemptPanel() const;
  Panel mapPanel() const;
  Panel namesPanel() const;
  double chanceFloor() const;
  Changes dragLevel(const PointerEvent& event) const;
  // extra_panels.cpp
  std::vector<std::string> takenLines() const;
  Panel overlayPanel() const;
  Panel churnPanel() const;
  Paint paintOf(int side, float alpha = 1) const;  // that of the same contestant on the chart

  BenchScene scene_;
  std::string sceneId_, third_;
  std::optional<NetworkProbe> probe_;  // of a network
  StartMap map_;
  diffusion::GridRequest request_;
  const diffusion::Grid* grid_ = nullptr;
  bool finalZero_ = false, exactStart_ = false;
  bool inLaw_ = false, anyInLaw_ = false;  // whether all, or some, contestants drawn are judged by their law
  int budget_ = 32;
  std::uint64_t seed_ = 0;
  std::size_t particles_ = 24;
  std::vector<std::string> drawn_;  // contestants on the chart, in order
  std::vector<BenchCurve> curves_;  // drawn ones first
  std::array<Trajectory, 2> sides_;
  std::vector<double> levels_;  // of the left sampler
  std::vector<diffusion::Visit> exactPath_;
  std::vector<double> apartLevels_, apart_;                             // left against right where both stop at the same level, VP scale
  std::map<std::pair<double, double>, diffusion::State> ends_;  // of exact paths, by levels; of one scene, seed and number of particles
  std::map<std::pair<double, double>, BenchLaw> laws_;          // by levels; of one scene and seed
  std::array<std::string, 2> taken_;                            // what the library names left and right were taken for
  Changes adopted_;                                             // the parameters they stand for
  int traced_ = -1;
  std::vector<Overlay> overlay_;
  ChurnCurve churn_;
};

// Colour of the chart's contestant of this number.
Paint chartPaint(std::ptrdiff_t index, float alpha = 1);
// The band below what exact samples are apart from the truth.
std::shared_ptr<Mark> chanceBand(Range x, double floor);

// The contestants of the chart's sets, by the set's id; empty for an unknown one.
std::vector<std::string> contestantsOf(const std::string& set);

}  // namespace orrery::generative
