#pragma once
// The lab generative/score-sde: its state, shared by the computing half (score_sde.cpp) and the drawing half (figure.cpp); what it offers
// is in describe.cpp.

#include <optional>
#include <string>
#include <vector>

#include "core/diffusion/sde.h"
#include "core/figure/marks/marks.h"
#include "core/labs/generative/score_sde/picture_bits.h"
#include "core/labs/generative/shared/plane_network.h"
#include "core/labs/generative/shared/plane_scene.h"
#include "core/session/lab.h"

namespace orrery::generative {

// ln p_0 of points at time `first` by the probability-flow ODE from there to the last of `times` (rising), classic Runge-Kutta, with the
// divergence of u = f x - g^2 S / 2 exact (central differences of the denoiser) or by `probes` random signs per point (Hutchinson
// 1990). At the end the density is the exact one, or the normal prior of deviation sqrt(alpha^2 + sigma^2).
struct LikelihoodOptions {
  bool exactEnd = true;
  int probes = 0;  // 0: exact divergence
  std::uint64_t seed = 0;
  diffusion::Denoiser denoise{};  // whose score it is; empty: the exact one
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
  bool correct(diffusion::State& x, const diffusion::Moment& at, std::uint32_t step) const;  // false: a step longer than is stable
  static Expected<diffusion::Sde> chosenSde(const LabContext& context);
  Expected<void> rebuild(LabContext& context);
  void judgeLikelihood();
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
  double canvasHalf() const;
  Panel canvasPanel(bool forward) const;
  Panel ratesPanel() const;
  Panel variancePanel() const;
  Panel twoTimesPanel() const;
  Panel likelihoodPanel() const;
  Panel networkPanel() const;
  Panel picturePanel() const;  // picture.cpp
  Panel bitsPanel() const;

  PlaneScene scene_;
  kernels::MixtureTable table_;     // of the scene
  PlaneNetwork network_;            // a user's, instead of the exact denoiser
  NetworkErrors networkErrors_;
  gpu::Stream* stream_ = nullptr;   // the session's, valid between update() and destruction
  diffusion::Sde sde_;
  std::string sdeId_;
  std::vector<double> times_;                        // of the frames, from the last down to the first
  std::vector<diffusion::State> reverse_, forward_;  // a cloud per frame
  std::string predictor_;
  double share_ = 1, ratio_ = 0.16, early_ = 0.5;  // zeta, the corrector's signal to noise ratio, the early time of the scatter
  int correctorSteps_ = 0, probes_ = 0, unstable_ = 0;  // levels whose Langevin step was too long to correct anything
  bool exactEnd_ = true;
  std::size_t particles_ = 2048;
  std::uint64_t seed_ = 0;
  std::int64_t frame_ = 0;
  std::optional<JudgedPicture> judged_;
  std::vector<double> exactLog_, flowLog_;  // ln p_0 of data points, exact and by the ODE
};

}  // namespace orrery::generative
