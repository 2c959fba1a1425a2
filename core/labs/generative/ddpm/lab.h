#pragma once
// The lab generative/ddpm: its state, shared by the computing half (ddpm.cpp, training.cpp) and the drawing half (canvases.cpp,
// charts.cpp); what it offers is in describe.cpp.

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/diffusion/noise.h"
#include "core/labs/generative/ddpm/denoising_error.h"
#include "core/labs/generative/ddpm/network.h"
#include "core/labs/generative/shared/noise_chain.h"
#include "core/labs/generative/shared/plane_scene_panels.h"
#include "core/metrics/distances.h"
#include "core/models/point_denoiser.h"
#include "core/session/lab.h"

namespace orrery::generative {

// What is measured at one step: the reverse cloud against the exact density.
struct ChainTick {
  std::int64_t frame = 0;
  double sliced = 0, floor = 0;
};

// A schedule with everything that follows from it.
struct ChainResult {
  std::string kind;
  Chain chain;
  std::vector<double> error, variance, terms;  // per t
  double total() const;                        // of the terms
};

class Ddpm : public Lab {
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
  static constexpr std::size_t filmTiles = 11, filmParticles = 384, forwardMost = 4096, measuredMost = 4096;

  static Expected<ChainResult> chainFor(const std::string& kind, const LabContext& context, const DenoisingError& error);
  std::int64_t stepsAt(std::int64_t frame) const { return std::min<std::int64_t>(frame * stride_, main_.chain.steps()); }
  int timeAt(std::int64_t frame) const { return main_.chain.steps() - static_cast<int>(stepsAt(frame)); }
  int time() const { return learning_ ? shownTime_ : timeAt(frame_); }
  int filmTime(std::size_t tile) const;
  void begin(LabContext& context);
  // Steps [first, first + count) of the reverse chain; `trail` gets the state after each.
  Tensor reverse(gpu::Stream& stream, Tensor state, std::int64_t first, std::int64_t count, Tensor* trail) const;
  // Trails and film of both directions. False: under the user's network they ran away beyond all numbers.
  bool follow(gpu::Stream& stream);
  diffusion::State forwardAt(int t) const;  // x_t of the forward cloud
  void measure();
  const ChainTick& tick() const;

  // training.cpp: the network instead of the exact denoiser. The timeline is then the training's.
  void beginTraining(LabContext& context);
  void readShown(const LabContext& context);  // how its cloud is drawn
  Expected<bool> trainFrame(LabContext& context);
  std::int64_t trainedAt(std::int64_t frame) const { return std::min(frame * stepsPerFrame_, trainSteps_); }
  void runNetwork(gpu::Stream& stream);      // the reverse chain under the network: cloud, trails, film
  void measureNetwork(gpu::Stream& stream);  // its bound, at the measured frames
  const ChainResult* learned() const;        // main_ with the network's errors, newest at or before the frame
  void judgeDropped(gpu::Stream& stream);    // the bound of a user's network

  // canvases.cpp
  double half() const;
  Panel forwardPanel() const;
  std::vector<std::string> warnings() const;  // of the chain and the clip, whoever denoises
  Panel reversePanel() const;
  Panel filmPanel() const;
  Panel pictureFilm() const;
  Expected<void> readPicture(const Asset& file);
  std::string varianceName() const;

  // charts.cpp
  Panel lowerPanel(const std::string& kind) const;
  Panel schedulePanel() const;
  Panel snrPanel() const;
  Panel betaPanel() const;
  Panel variancePanel() const;
  Panel boundPanel() const;
  Panel weightPanel() const;
  Panel distancePanel() const;
  Panel trainingPanel() const;
  Axis timeAxis() const;
  void addNow(Panel& panel) const;  // a rule at t

  PlaneScene scene_;
  kernels::MixtureTable table_;
  DenoisingError error_;
  ScheduleRequest request_;
  ChainResult main_;
  std::optional<ChainResult> other_;  // the schedule to compare with
  std::vector<LinearStep> steps_;
  kernels::DevicePlan plan_;

  std::string predict_, lossWeight_, film_, lower_[2];
  double gamma_ = 5, interpolation_ = 0.5, clip_ = 0, trailShare_ = 0.3;
  ReverseVariance varianceKind_ = ReverseVariance::small;
  bool lastStepNoise_ = false, showDensity_ = true;
  std::int64_t particles_ = 4096, trails_ = 32, pinned_ = -1, stride_ = 1, frame_ = 0;
  std::uint64_t seed_ = 0;

  Tensor start_, state_;                         // scaled coordinates [n, 2]
  Tensor reversePath_, forwardPath_;             // [frames, trails, 2], x_t
  std::vector<std::vector<float>> reverseFilm_;  // x_t of the first particles, per tile
  // The user's picture: rgb in [-1, 1] with its fixed noise, row by row.
  struct Picture {
    int width = 0, height = 0;
    std::vector<float> x0, noise;
  } picture_;
  double stepAgainstJump_ = 0;                    // largest distance between a stepped and a jumped x_t of the trails
  diffusion::State data_;                         // x_0 of the forward cloud
  mutable diffusion::Noise forwardNoise_{0, 0};   // its path in level^2
  std::array<std::vector<ExactPoint>, 2> exact_;  // two exact samples; the second gives the floor
  std::vector<ChainTick> ticks_;

  // A user's network instead of the exact denoiser, over the whole chain.
  std::shared_ptr<const models::PointDenoiser> dropped_;
  std::string complaint_;  // what is suspicious about its answers

  bool learning_ = false;
  ChainNetwork network_;
  ChainTarget target_;
  int shownTime_ = 0;
  std::int64_t trainSteps_ = 600, stepsPerFrame_ = 4, batch_ = 1024, shownSteps_ = 25;
  double leastLoss_ = 0;
  std::vector<int> subTimes_;                    // where the network's reverse chain stops, T to 0
  std::map<std::int64_t, double> losses_;        // by frame: kept while going back and forth
  std::map<std::int64_t, ChainResult> learned_;  // by measured frame
  gpu::Stream* stream_ = nullptr;                // the session's, valid between update() and destruction
};

}  // namespace orrery::generative
