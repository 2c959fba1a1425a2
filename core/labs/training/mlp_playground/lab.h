#pragma once
// The lab training/mlp-playground: its state, shared by the training half (mlp_playground.cpp) and the drawing half
// (figure.cpp).

#include <map>
#include <string>
#include <vector>

#include "core/data/planar_tasks.h"
#include "core/figure/figure.h"
#include "core/nn/layers.h"
#include "core/nn/trainer.h"
#include "core/session/lab.h"

namespace orrery::training {

// Pictures over the plane reach this far, beyond the square of the data: their panel may be wide.
constexpr double canvasReach = 1.6;

// What is measured at one frame of the timeline.
struct Record {
  double train = 0, heldOut = 0;            // mean loss over all points of the part
  double trainRight = 0, heldOutRight = 0;  // share of right classes
  std::vector<double> movement;             // per layer, how far its weights moved per step (root mean square); empty at frame 0
};

class MlpPlayground : public Lab {
 public:
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
  Expected<void> begin(LabContext& context);
  nn::Trainer::Loss lossOfStep(std::int64_t step) const;
  nn::Variable lossOf(const nn::Variable& output, const Tensor& target) const;
  Record measure(gpu::Stream& stream) const;
  // The network's output and hidden activations over the canvas, for the picture.
  void evaluate(gpu::Stream& stream);
  std::int64_t stepsAt(std::int64_t frame) const { return std::min(frame * stepsPerFrame_, totalSteps_); }
  const Record* record() const;

  Panel surfacePanel() const;
  Panel lossPanel() const;
  Panel unitsPanel() const;
  Panel weightsPanel() const;
  Panel movementPanel() const;

  PlanarTask task_;
  std::size_t trainCount_ = 0;
  Tensor trainX_, trainY_, heldOutX_, heldOutY_;
  nn::Mlp mlp_;
  nn::Trainer trainer_;
  std::int64_t totalSteps_ = 0, stepsPerFrame_ = 1, batch_ = 0, frame_ = 0;
  std::uint64_t seed_ = 0;
  gpu::Stream* stream_ = nullptr;           // the session's, from the last update
  std::map<std::int64_t, Record> records_;  // by frame: kept while going back and forth

  // The picture.
  std::int64_t layer_ = 1, unit_ = 0;         // hidden layer shown, from 1; unit from 1, 0 = the output
  Tensor surface_;                            // [cells, cells]: probability of class 1, or the prediction
  std::vector<Tensor> units_;                 // of the layer shown, [cells, cells] each
  Tensor trainPoints_[2], heldOutPoints_[2];  // by class; regression: [0] only
  Tensor trainTargets_, heldOutTargets_;      // regression: the colour
};

}  // namespace orrery::training
