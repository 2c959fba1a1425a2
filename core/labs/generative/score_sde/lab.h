#pragma once
// The lab generative/score-sde: its state, shared by the computing half (score_sde.cpp) and the drawing half (figure.cpp); what it offers
// is in describe.cpp.

#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/diffusion/sde.h"
#include "core/figure/marks/marks.h"
#include "core/labs/generative/score_sde/picture_bits.h"
#include "core/labs/generative/shared/plane_network.h"
#include "core/labs/generative/shared/plane_scene.h"
#include "core/labs/generative/shared/sample_distance.h"
#include "core/session/lab.h"

namespace orrery::generative {

// Random directions v of Hutchinson's estimate v^T (grad u) v of div u. For a symmetric matrix A one probe has the variance
// 2 (|A|_F^2 - sum A_ii^2) with random signs and 2 |A|_F^2 with normal numbers (Hutchinson 1990; Avron and Toledo 2011).
enum class ProbeLaw { signs, normal };

// u = f x - g^2 S / 2 of the probability-flow ODE at points, and div u: exact by central differences along the axes, or the mean over
// `probes` of v . (du/dx v), v of point p and probe d the Philox block (p, d, 0x5E0, 0).
struct FlowDrift {
  diffusion::State u;
  std::vector<double> divergence;
};
FlowDrift flowDrift(const diffusion::Denoiser& denoise, const diffusion::Moment& at, const diffusion::State& x, int probes = 0,
                    std::uint64_t seed = 0, ProbeLaw law = ProbeLaw::signs);

// ln p_0 of points at time `first` by the probability-flow ODE from there to the last of `times` (rising), classic Runge-Kutta, with the
// divergence of u exact or by `probes` random directions per point. At the end the density is the exact one, or the normal prior of
// deviation sqrt(alpha^2 + sigma^2).
struct LikelihoodOptions {
  bool exactEnd = true;
  int probes = 0;  // 0: exact divergence
  std::uint64_t seed = 0;
  diffusion::Denoiser denoise{};  // whose score it is; empty: the exact one
  ProbeLaw law = ProbeLaw::signs;
};
std::vector<double> flowLikelihood(const diffusion::PlaneMixture& mixture, const diffusion::Sde& sde, const std::vector<double>& times,
                                   const diffusion::State& points, const LikelihoodOptions& options = {});

class ScoreSde : public Lab {
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
  diffusion::State denoise(const diffusion::State& x, double level) const;  // exact, or the network's on the device
  diffusion::State score(const diffusion::State& x, const diffusion::Moment& at) const;
  // Langevin steps; false: one is longer than is stable.
  bool correct(diffusion::State& x, const diffusion::Moment& at, std::uint32_t step, std::uint32_t run) const;
  static Expected<diffusion::Sde> chosenSde(const LabContext& context, const std::string& id);
  // One diffusion and the cloud it brings back.
  struct Way {
    std::string id;
    diffusion::Sde sde;
    std::vector<double> times;                                // of the frames, from the last down to the first
    std::vector<diffusion::State> reverse;                    // a cloud per frame
    int unstable = 0;                                         // levels whose Langevin step was too long to correct anything
    std::map<std::size_t, SampleDistance> distances;          // by frame
    const SampleDistance& distance(std::size_t frame) const;  // the newest at or before the frame
  };
  static std::vector<double> timesOf(const LabContext& context, const diffusion::Sde& sde);
  // Every step of a cloud from `x` on; another `run` has other noise. Error: cancelled, or it ran away under a network.
  Expected<void> wayBack(LabContext& context, diffusion::State x, std::uint32_t run, Way& way) const;
  diffusion::State startOf(const Way& way) const;
  Expected<void> rebuild(LabContext& context);
  Expected<void> replay(LabContext& context);
  Changes replayNear(double x, double y, const Values& values) const;
  double fanSpread() const;  // root mean square distance of the replays from their mean, now
  // measure.cpp: how far the clouds are off, at some of the frames
  void measure(Way& way) const;
  void measure();
  // likelihood.cpp
  static bool likelihoodChanged(const LabContext& context);
  void judgeLikelihood();
  std::vector<double> likelihoodTimes(int steps) const;
  void judgeMap();
  // picture.cpp: a user's picture under a user's network of pictures.
  struct JudgedPicture {
    std::int64_t side = 0;
    diffusion::State picture;  // as it was judged, [3, side, side]
    double endDeviation = 1;   // of the law it ends in
    PictureBits bits;
  };
  static bool picturesNetwork(const LabContext& context) { return !context.file("picture-network").path.empty(); }
  static bool pictureChanged(const LabContext& context);
  Expected<std::optional<JudgedPicture>> judgePicture(LabContext& context, const diffusion::Sde& sde, double first, double last) const;
  static constexpr int knots = 5;          // of drawn curves
  diffusion::SdeRates ratesAtKnot(int knot) const;
  std::size_t frameOf(double time) const;  // the frame nearest to a time
  static double varianceOfX(const diffusion::State& pairs);
  double correlation() const;              // of the x coordinates at the early time and now, reverse paths

  // figure.cpp
  // States beyond the canvas are drawn at the size they would have with unit variance.
  static double shownScale(const diffusion::Moment& at) { return at.alpha > 0.999 ? 1 / std::hypot(1, at.sigma) : 1.0; }
  static Paint comparedPaint(std::size_t k, float alpha = 1) { return Paint::series(4 + static_cast<int>(k), alpha); }
  static std::string comparedName(const std::string& id) { return id == "ve" ? "VE" : id == "vp" ? "VP" : "sub-VP"; }
  double canvasHalf() const;
  Panel canvasPanel(bool forward) const;
  void addTrails(Panel& panel, bool forward) const;
  void addFan(Panel& panel) const;
  Role fanRole() const { return share_ > 0 ? Role::stochastic : Role::deterministic; }
  Panel ratesPanel() const;
  Panel variancePanel() const;
  Panel twoTimesPanel() const;
  Panel likelihoodPanel() const;
  Panel mapPanel() const;  // likelihood.cpp
  Panel distancePanel() const;
  Panel comparedPanel() const;  // the three clouds, each at its own t
  Panel networkPanel() const;
  Panel picturePanel() const;  // picture.cpp
  Panel bitsPanel() const;

  PlaneScene scene_;
  kernels::MixtureTable table_;     // of the scene
  PlaneNetwork network_;            // a user's, instead of the exact denoiser
  NetworkErrors networkErrors_;
  gpu::Stream* stream_ = nullptr;   // the session's, valid between update() and destruction
  Way way_;                         // the one chosen
  std::vector<Way> compared_;       // VP, sub-VP and VE, when they are compared
  Way fan_;                         // `replays` ways back of one particle, with other noise each
  std::vector<diffusion::State> forward_;  // a cloud per frame
  ExactSamples truth_;
  std::string predictor_;
  double share_ = 1, ratio_ = 0.16, early_ = 0.5;  // zeta, the corrector's signal to noise ratio, the early time of the scatter
  int correctorSteps_ = 0, probes_ = 0;
  ProbeLaw probeLaw_ = ProbeLaw::signs;
  bool exactEnd_ = true;
  std::size_t particles_ = 2048, replays_ = 0, replayed_ = 0;
  std::uint64_t seed_ = 0;
  std::int64_t frame_ = 0;
  std::optional<JudgedPicture> judged_;
  diffusion::State judgedPoints_;           // data points
  std::vector<double> exactLog_, flowLog_;  // their ln p_0, exact and by the ODE
  struct Map {
    std::int64_t cells = 0;  // a side; 0: the density has too many components for a map
    double half = 1;
    std::vector<double> flow, exact;  // ln p_0 at the centres of the cells
  } map_;
};

}  // namespace orrery::generative
