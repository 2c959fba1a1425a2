#pragma once
// The lab generative/ddim: its state, shared by the computing half (ddim.cpp, measure.cpp) and the drawing half (planes.cpp, charts.cpp);
// what it offers is in describe.cpp.

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/labs/generative/ddim/steps.h"
#include "core/labs/generative/shared/plane_network.h"
#include "core/labs/generative/shared/plane_scene_panels.h"
#include "core/metrics/distances.h"
#include "core/session/lab.h"

namespace orrery::generative {

class Ddim : public Lab {
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
  static constexpr std::uint32_t stepPurpose = 44, dataPurpose = 45, exactPurpose = 46;  // of random numbers, see ddim.cpp
  static constexpr int directions = 64;                                                  // of the sliced distance
  enum class Mode { sample, explicitInversion, fixedPoint };
  // A walk between two latents: by w, the latent, where it ends, and ln p of the data there.
  struct Walk {
    std::vector<double> w, norm, latentX, latentY, endX, endY, logDensity;
  };
  struct Convergence {
    std::vector<double> steps, error;  // of the present spacing without noise, against the denoiser's own path at the least level
    std::vector<double> apart;         // of a network: against the exact path
    double order = 0;                  // between the last two of at least 64 steps
  };
  struct RoundTrip {
    std::vector<double> steps, explicitError, fixedError;  // mean distance
  };
  struct EtaCurve {
    int steps = 0;
    std::vector<double> eta, distance;
  };

  diffusion::State denoise(const diffusion::State& x, double level) const {
    return network_ ? network_->denoise(x, level) : scene_.mixture.denoise(x, level);
  }
  // In evaluations of one component: a network costs as much as so many.
  std::size_t cost() const { return network_ ? std::max<std::size_t>(network_->parameters() / 64, 1) : scene_.density.components.size(); }
  // Steps of the cloud on the device; `plan` is that of `steps`.
  kernels::StepResult cloudSteps(gpu::Stream& stream, const std::vector<LinearStep>& steps, const kernels::DevicePlan& plan,
                                 std::int64_t first, std::int64_t count, const Tensor& state, bool trail = false) const;
  std::size_t tracked() const;  // particles followed in double precision: fewer when a density has many components
  diffusion::State exactEnd(const diffusion::State& latent, double from, double to) const;
  diffusion::State ownEnd(const diffusion::State& latent, double from, double to) const;  // of the network's path
  Expected<std::vector<double>> levelsFor(int N) const;
  void begin(LabContext& context);  // the cloud, its trails and where it ends
  void beginInversion();
  void trackEnd();
  void walk();

  // measure.cpp
  static double apart(const diffusion::State& a, const diffusion::State& b);  // root mean square distance of particles
  static std::vector<double> distancesOf(const diffusion::State& a, const diffusion::State& b);
  static double meanOf(const std::vector<double>& values);
  double comparedApart() const;  // of the clouds of two step counts
  Expected<void> measureConvergence();
  Expected<void> measureRoundTrip(LabContext& context);
  Expected<void> measureEta(LabContext& context);
  bool shows(std::string_view panel) const { return lower_[0] == panel || lower_[1] == panel; }
  std::array<double, 2> latentNow() const { return interpolate(ends_[0], ends_[1], weight_, spherical_); }

  // Of frame f: the level, and how far the cloud is on its way from the latents (0) to the data (1).
  double levelAt(std::int64_t frame) const;
  double placeAt(std::int64_t frame) const;
  static double scaleOf(double level) { return 1 / std::sqrt(1 + level * level); }

  // planes.cpp
  double half() const;
  double distance() const { return 4 * half(); }  // between the centres of the two planes
  Panel planesPanel() const;
  Panel lowerPanel(const std::string& kind) const;

  // charts.cpp
  Panel convergencePanel() const;
  Panel roundTripPanel() const;
  Panel histogramPanel() const;
  Panel walkPanel() const;
  Panel etaPanel() const;
  Panel networkPanel(const std::string& kind) const;

  PlaneScene scene_;
  kernels::MixtureTable table_;
  PlaneNetwork network_;  // a user's, instead of the exact denoiser
  NetworkErrors networkErrors_;
  Chain chain_;
  std::vector<double> levels_;
  std::vector<LinearStep> steps_;
  kernels::DevicePlan plan_;
  Mode mode_ = Mode::sample;
  std::string spacing_, lower_[2];
  int T_ = 1000, N_ = 20, iterations_ = 5, compared_ = 0;
  double eta_ = 0, weight_ = 0.5;
  bool finalZero_ = true, spherical_ = true, showDensity_ = true;
  std::array<double, 2> ends_[2]{};  // the latents a and b
  std::int64_t particles_ = 4096, trails_ = 0, frame_ = 0;
  std::uint64_t seed_ = 0;

  Tensor start_, state_, end_, comparedEnd_;  // scaled coordinates [n, 2]
  Tensor path_;                               // [frames, trails, 2], in the picture's coordinates
  std::vector<float> goal_;                   // the angle each particle ends at, as a share of a turn
  std::vector<diffusion::State> visited_;     // inversion: every frame, on the host
  double residual_ = 0, returnError_ = 0;
  std::vector<double> residuals_, returnErrors_;
  diffusion::State trackedEnd_;          // of the tracked latents under the present steps
  std::vector<diffusion::State> draws_;  // the present latent's way: one without noise, many with
  Walk walks_[2];                        // straight and spherical
  Convergence convergence_;
  std::optional<RoundTrip> roundTrip_;
  std::vector<EtaCurve> etaCurves_;
  double etaFloor_ = 0, sliced_ = 0, slicedFloor_ = 0;
  mutable std::map<std::pair<double, double>, diffusion::State> exact_;  // of the tracked latents, by first and last level
  gpu::Stream* stream_ = nullptr;                                        // the session's
};

}  // namespace orrery::generative
