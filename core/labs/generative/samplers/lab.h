#pragma once
// The lab generative/samplers: its state, shared by the computing half (samplers.cpp) and the drawing half (figure.cpp); what it
// offers is in describe.cpp.

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
#include "core/labs/generative/shared/stated_network.h"
#include "core/models/point_denoiser.h"
#include "core/session/lab.h"

namespace orrery::generative {

// What runs on the bench: a sampler with its options. "unipc-3" is the sampler unipc at order 3, "dpm++3m-consistent" is dpm++3m with
// kappa 2.
struct Contestant {
  std::string id, title;
  const diffusion::Sampler* sampler = nullptr;
  diffusion::SamplerOptions options;
};

// One contestant's curve: error against function evaluations, coarse to fine.
struct BenchCurve {
  Contestant contestant;
  std::vector<double> evaluations, error;
  std::optional<double> order;  // of the last doubling; none for adaptive samplers
};

// What the samplers ask: the exact denoiser of a density of the line or of the plane, or a user's network.
struct BenchScene {
  std::size_t dimension = 1;
  bool gaussian = false;
  diffusion::LineMixture line;
  diffusion::PlaneMixture plane;
  std::shared_ptr<const models::PointDenoiser> network;
  double reach = 2.2;

  bool onLine() const { return dimension == 1 && !network; }  // quantiles say where every path ends
  int referenceSteps() const { return network ? 1024 : 4096; }  // over the whole way; a network is asked 4096 times
  diffusion::State denoise(const diffusion::State& x, double level) const;
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
  // The left sampler's error by where it starts: over quantiles of the line, or over the plane in deviations of the start cloud.
  struct StartMap {
    std::vector<double> start, error;
    std::size_t cells = 0;  // per side, in the plane
  };

  Expected<void> readScene(const LabContext& context);
  Expected<std::vector<std::string>> chosen(const LabContext& context) const;
  Expected<StartMap> startMap(const Contestant& one) const;
  Expected<Contestant> contestant(const std::string& id, const LabContext& context) const;
  diffusion::State startAt(double level) const;
  diffusion::State exactAt(double level) const;                                 // of the left sampler's start
  diffusion::State endOf(double from, double to) const;                         // of the exact path of the start at level `from`
  // The first and last level of runs of so many steps whose ends are not known yet.
  std::vector<std::pair<double, double>> missingEnds(const std::vector<int>& stepCounts) const;
  int stepsWithin(const Contestant& one) const { return std::max(1, static_cast<int>(std::lround(budget_ / one.sampler->evaluations))); }
  int doublings() const { return scene_.network ? 6 : 8; }                      // of the chart's step counts, from 4 on
  double distance(const diffusion::State& a, const diffusion::State& b) const;  // largest on the line, root mean square in the plane
  Expected<std::vector<double>> levelsFor(int steps) const;
  Expected<BenchCurve> curveOf(const Contestant& one, const std::atomic<bool>& stop) const;
  double errorInLaw(const Contestant& one, const std::vector<double>& levels, int& evaluations) const;
  Expected<Trajectory> trajectoryOf(const Contestant& one) const;

  // figure.cpp
  Panel chartPanel() const;
  Panel pathPanel(int side) const;
  Panel partPanel() const;
  Panel rulerPanel() const;
  Panel stepErrorPanel() const;
  Panel attemptPanel() const;
  Panel mapPanel() const;
  Panel namesPanel() const;
  Paint paintOf(int side, float alpha = 1) const;  // that of the same contestant on the chart

  BenchScene scene_;
  std::string sceneId_, third_;
  std::optional<NetworkProbe> probe_;  // of a network
  StartMap map_;
  diffusion::GridRequest request_;
  const diffusion::Grid* grid_ = nullptr;
  bool finalZero_ = false, exactStart_ = false, inLaw_ = false;
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
};

// The contestants of the chart's sets, by the set's id; empty for an unknown one.
std::vector<std::string> contestantsOf(const std::string& set);

}  // namespace orrery::generative
