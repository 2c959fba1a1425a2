#pragma once
// The lab generative/score-smld: its state, shared by the computing half (score_smld.cpp) and the drawing half (figure.cpp); what it offers
// is in describe.cpp.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/figure/marks/marks.h"
#include "core/labs/generative/score_smld/learned_score.h"
#include "core/labs/generative/shared/plane_network.h"
#include "core/labs/generative/shared/plane_scene.h"
#include "core/labs/generative/shared/sample_distance.h"
#include "core/session/lab.h"

namespace orrery::generative {

// The ratio of neighbouring noise levels advised for data of d dimensions (Song and Ermon 2020, technique 2): the one at which neighbours
// share half of their mass, Phi(sqrt(2 d) (r - 1) + 3 r) - Phi(sqrt(2 d) (r - 1) - 3 r) = 1/2. None below 5 dimensions.
std::optional<double> advisedRatio(std::int64_t d);

// Random numbers of the samples the objectives see: the data, their noise, and the signs they are sliced along.
constexpr std::uint32_t lossDataPurpose = 0x532, lossNoisePurpose = 0x54, lossProbePurpose = 0x533;

class ScoreSmld : public Lab {
 public:
  static constexpr std::size_t learnedParticles = 512;  // of the cloud under a network that learns

  static LabEntry describe();
  Expected<void> update(LabContext& context) override;
  Expected<bool> advance(LabContext& context) override;
  bool keepsTime(const LabContext& context) const override;
  Timeline timeline() const override;
  std::vector<Tensor> capture() const override;
  void restore(std::int64_t frame, std::vector<Tensor> state) override;
  Figure figure() const override;
  std::vector<Metric> metrics() const override;
  Changes pointer(const PointerEvent& event, const Values& values) const override;

 private:
  enum class Mode { plain, annealed, metropolis };
  // The cloud after a frame's steps; everything a picture of that frame shows.
  struct Moment {
    diffusion::State x;
    double level = 0, acceptance = 1;  // accepted share of all proposals so far
    std::vector<double> mass;          // of each component, by the largest responsibility
    std::optional<SampleDistance> distance;  // to the law the chain is after at this level, where it was measured
  };
  // What is known of the training after a frame.
  struct Tick {
    double loss =
        0;  // mean over its steps, the constant subtracted: E |F + sigma S|^2 / 2 but for sampling noise and what is learnt by heart
    double error = 0;   // the same over fresh samples
    double region = 0;  // share of the picture where the score is off by more than 1 / sigma, at the shown level
    std::vector<double> mass;
    SampleDistance distance;
  };
  diffusion::State exactScore(const diffusion::State& x, double level) const;
  diffusion::State denoise(const diffusion::State& x, double level) const;  // exact, or the network's on the device; level above 0
  diffusion::State score(const diffusion::State& x, double level) const;    // what the chain follows
  void step(diffusion::State& x, std::int64_t number, double level, double& accepted) const;
  double levelOf(std::int64_t step) const;  // 0: the data's own density; a network has none below the smallest
  std::vector<double> massOf(const diffusion::State& x) const;
  void finish(Moment& moment) const;
  void measure(Moment& moment) const;
  const SampleDistance* distance() const;  // the newest at or before the frame
  void compareLosses();
  void compareNetworkLosses();  // network_losses.cpp
  const Moment& now() const { return moments_[learning_ ? 0 : static_cast<std::size_t>(frame_)]; }

  // training.cpp: a network that learns the score. The timeline is then the training's, and the cloud a short chain under the network.
  Expected<void> beginTraining(LabContext& context);
  Expected<bool> trainFrame(LabContext& context);
  void showLearned();
  double regionOff() const;
  std::int64_t trainedAt(std::int64_t frame) const { return std::min(frame * stepsPerFrame_, trainSteps_); }
  std::int64_t framesOfTraining() const { return (trainSteps_ + stepsPerFrame_ - 1) / stepsPerFrame_ + 1; }
  Panel trainingPanel() const;
  Panel learnedMap() const;

  // figure.cpp
  double canvasHalf() const;
  Panel cloudPanel() const;
  Panel tracePanel() const;
  Panel distancePanel() const;
  Panel ladderPanel() const;
  Panel lossPanel() const;
  Panel networkLossPanel() const;
  Panel scorePanel() const;

  PlaneScene scene_;
  kernels::MixtureTable table_;    // of the scene, for what a network gets wrong
  PlaneNetwork network_;           // a user's score network
  NetworkErrors networkErrors_;
  gpu::Stream* stream_ = nullptr;  // the session's, valid between update() and destruction
  Mode mode_ = Mode::annealed;
  double stepSize_ = 0.05, smallest_ = 1;  // smallest: the narrowest component's variance
  std::vector<double> ladder_;
  double bottom_ = 0.1;
  std::int64_t stepsPerLevel_ = 100, total_ = 1000, perFrame_ = 10, frame_ = 0, dimensions_ = 3072;
  std::uint64_t seed_ = 0;
  bool finalDenoise_ = true, oneLevel_ = false;  // the ladder asked for has one level: a plain chain
  std::string start_;
  std::size_t particles_ = 4096, samples_ = 10000;
  double lossLevel_ = 0.5, probeX_ = 0, probeY_ = 0;
  std::vector<Moment> moments_;  // frames 0 ... as far as was ever reached
  ExactSamples truth_;
  bool learning_ = false;
  ScoreTraining training_;
  Moment first_;                        // where the short chain begins
  std::map<std::int64_t, Tick> ticks_;  // by frame: kept while going back and forth
  std::int64_t trainSteps_ = 600, stepsPerFrame_ = 10, batch_ = 512;
  double shownLevel_ = 0.5;  // of the score and its error
  // The four objectives of S(x) = -(x - m) / theta, constants subtracted.
  std::vector<double> thetas_, explicit_, implicit_, sliced_, denoising_;
  // The same four of c times the network's score, over some of the samples. Each is c^2 square / 2 + c slope + rest, with its own square and
  // slope; `gap` and its standard error are how far it is from the explicit one at c = 1.
  struct NetworkLoss {
    const char* id;
    double square = 0, slope = 0, gap = 0, gapError = 0;
    double at(double c, double rest) const { return 0.5 * c * c * square + c * slope + rest; }
  };
  std::vector<NetworkLoss> networkLosses_;  // the explicit one first; empty without a network, or where its answers are no numbers
  double networkLossRest_ = 0;              // E |S|^2 / 2
  std::size_t networkLossSamples_ = 0;
};

}  // namespace orrery::generative
