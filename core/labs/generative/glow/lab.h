#pragma once
// The lab generative/glow: its state, shared by training (glow.cpp), measuring (evaluate.cpp), the pictures (mosaics.cpp), the charts
// (charts.cpp) and a mixing of two channels (plane_mix.cpp); what it offers is in describe.cpp.

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/figure/marks/marks.h"
#include "core/labs/generative/glow/pictures.h"
#include "core/models/image_flow.h"
#include "core/nn/trainer.h"
#include "core/session/lab.h"

namespace orrery::generative {

class Glow : public Lab {
 public:
  static LabEntry describe();
  static Choice mixingChoice();
  static Choice couplingChoice();
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
  using Stage = models::flows::ImageFlow::Stage;
  using Kind = models::flows::ImageFlow::Kind;

  // One flow in training. All of them start from the same weights of the couplings and see the same batches.
  struct Run {
    std::string id, name;
    models::flows::ImageFlow flow;
    nn::Trainer trainer;
  };
  // Bits per dimension at one frame of the timeline, per run.
  struct Record {
    std::vector<double> train, heldOut;  // of the frame's batches, empty at frame 0; of the held-out pictures
  };
  // What one step of the flow does to volumes, mean over the held-out pictures, nats.
  struct StepVolumes {
    double actnorm = 0, mixing = 0, coupling = 0;
  };
  // A row of small pictures and its name.
  struct PictureRow {
    std::string name;
    std::vector<float> values;  // [columns, 3, side, side], 0 ... 1
  };

  Expected<void> begin(LabContext& context);
  Expected<std::vector<Run>> plan(LabContext& context) const;
  Tensor batchOf(gpu::Stream& stream, std::int64_t step) const;
  Expected<void> measure(gpu::Stream& stream);  // the record and the picture of the present weights
  void evaluate(gpu::Stream& stream);
  void evaluateForward(gpu::Stream& stream, nn::Tape& tape, std::span<const nn::Variable> weights);
  void evaluateInverse(gpu::Stream& stream, nn::Tape& tape, std::span<const nn::Variable> weights);
  // The way in latents from pictures without an attribute to pictures with it, and how much of it a column of its rows adds.
  std::vector<double> attributeDirection(gpu::Stream& stream, nn::Tape& tape, std::span<const nn::Variable> weights) const;
  static double attributeStrength(std::int64_t column);

  const models::flows::ImageFlow& flow() const { return runs_.front().flow; }
  std::size_t stageCount() const { return flow().stages().size(); }
  std::int64_t stepsAt(std::int64_t frame) const { return std::min(frame * stepsPerFrame_, totalSteps_); }
  const Record* record() const;
  double position() const { return share_ * static_cast<double>(stageCount()); }
  std::size_t shownStep() const;                           // number of the step whose W and actnorm are shown, from 0
  std::size_t stageOf(std::size_t step, Kind kind) const;  // its stage
  std::string stepName(const Stage& stage) const;          // "1.2": level and step from 1
  std::string stageName(std::size_t stages) const;         // behind this many stages
  std::vector<std::size_t> stripStages() const;            // numbers of stages behind which the strip shows the state
  // Displayed values of the pictures [first, first + count) at a whole number of stages, and between two.
  std::vector<float> shownAt(std::size_t stages, std::size_t first, std::size_t count) const;
  std::vector<float> shownBetween(double stages, std::size_t first, std::size_t count) const;

  // mosaics.cpp
  Tensor mosaic(const std::vector<float>& pictures, std::size_t columns) const;
  Panel picturesPanel(const char* id) const;
  Panel stagePanel() const;
  Panel samplesPanel() const;
  Panel rowsPanel() const;
  Panel stripPanel() const;
  // charts.cpp
  Panel bitsPanel() const;
  Panel volumesPanel() const;
  Panel matrixPanel() const;
  Panel actnormPanel() const;
  Panel inversePanel() const;
  // plane_mix.cpp
  Expected<void> readPlaneMix(const LabContext& context);  // Error: a matrix without an inverse
  Panel planeMixPanel() const;
  static Changes planeMixChanges(const PointerEvent& event);

  PictureSet pictures_;
  int bits_ = 5;
  Tensor train_;                     // k / 2^n, [count, 3, side, side]
  Tensor heldOut_, firstBatch_;      // dequantised, [shown, 3, side, side]
  std::vector<Run> runs_;            // the first is the one that is looked at
  models::flows::HostWeights host_;  // its present weights
  std::int64_t totalSteps_ = 0, stepsPerFrame_ = 1, batch_ = 0, frame_ = 0;
  std::uint64_t seed_ = 0;
  std::map<std::int64_t, Record> records_;  // by frame: kept while going back and forth
  gpu::Stream* stream_ = nullptr;           // the session's, from the last update

  // The picture.
  double share_ = 1, temperature_ = 0.7;
  bool towardsData_ = false;
  std::int64_t step_ = 1;
  std::array<double, 4> planeMix_{1, 0, 0, 1};  // the matrix in the hand, row-major
  bool showPlaneMix_ = false;
  std::string rows_, attribute_;                     // what the rows of small pictures show; which attribute
  std::vector<double> heldOutBits_;                  // per run
  std::vector<Tensor> down_, up_;                    // states behind k stages of the held-out pictures; of the samples, [n, 3, side, side]
  std::vector<StepVolumes> volumes_;                 // per step
  std::vector<float> actnormBefore_, actnormAfter_;  // values of the first batch around the shown step's actnorm
  double worstMean_ = 0, worstVariance_ = 0;         // of its channels behind it: |mean|, |variance - 1|
  Tensor samples_;                                   // [n, 3, side, side]
  std::vector<PictureRow> small_;                    // the rows of small pictures
  std::vector<float> errors_;                        // f^-1(f(x)) - x of the held-out values
};

}  // namespace orrery::generative
