#pragma once
// What the labs of flows of pictures share: a flow trained live on small pictures by maximum likelihood, others beside it on the same
// batches, and its pictures: states after any share of the stages, samples, rows of small pictures, bits per dimension against training,
// volumes stage by stage, masks, the error of the inverse. A lab names its flows and adds its own panels.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/figure/marks/marks.h"
#include "core/labs/generative/shared/picture_choice.h"
#include "core/labs/generative/shared/picture_mosaic.h"
#include "core/labs/generative/shared/picture_set.h"
#include "core/models/flow_file.h"
#include "core/models/picture_flow.h"
#include "core/nn/trainer.h"
#include "core/session/lab.h"

namespace orrery::generative {

// A flow to train, by an id for metrics and a name for people.
struct WantedFlow {
  std::string id, name;
  std::shared_ptr<const models::flows::PictureFlow> flow;
  nn::Weights weights{};  // where it starts; empty: drawn, and prepared by the first batch
  bool still = false;     // too dear to train: it is looked at, and the timeline is one frame
};

// A training run and what was measured of it at the present frame.
struct PictureFlowState {
  // All of a lab's flows start from weights of the same seed and see the same batches.
  struct Run {
    std::string id, name;
    std::shared_ptr<const models::flows::PictureFlow> flow;
    nn::Trainer trainer;
  };
  // Bits per dimension at one frame of the timeline, per run.
  struct Record {
    std::vector<double> train, heldOut;  // of the frame's batches, empty at frame 0; of the held-out pictures
  };
  // A row of small pictures and its name.
  struct PictureRow {
    std::string name;
    std::vector<float> values;  // [columns, 3, side, side], 0 ... 1
  };

  PictureSet pictures_;
  int bits_ = 5;
  bool dequantise_ = true;
  Tensor train_;                     // k / 2^n, [count, 3, side, side]
  Tensor heldOut_, firstBatch_;      // dequantised, [shown, 3, side, side]
  std::vector<Run> runs_;            // the first is the one that is looked at
  models::flows::HostWeights host_;  // its present weights
  std::int64_t totalSteps_ = 0, stepsPerFrame_ = 1, batch_ = 0, frame_ = 0;
  std::uint64_t seed_ = 0;
  std::map<std::int64_t, Record> records_;  // by frame: kept while going back and forth

  std::vector<double> heldOutBits_;  // per run
  std::vector<Tensor> down_, up_;    // states behind k stages of the held-out pictures; of the samples, [n, 3, side, side]
  std::vector<double> volumes_;      // per stage: ln |det|, mean over the held-out pictures, nats
  Tensor samples_;                   // [n, 3, side, side]
  std::vector<PictureRow> small_;    // the rows of small pictures
  std::vector<float> errors_;        // f^-1(f(x)) - x of the held-out values
};

class PictureFlowLab : public Lab, protected PictureFlowState {
 public:
  Expected<void> update(LabContext& context) override;
  bool keepsTime(const LabContext& context) const override;
  Expected<bool> advance(LabContext& context) override;
  Timeline timeline() const override;
  std::vector<Tensor> capture() const override;
  void restore(std::int64_t frame, std::vector<Tensor> state) override;
  std::vector<Metric> metrics() const override;
  Changes pointer(const PointerEvent& event, const Values& values) const override;
  // "model.safetensors": the first flow as it stands, which its parameter "weights" opens again.
  Expected<void> writeFiles(LabContext& context, FolderWriter& folder) override;

 protected:
  using Stage = models::flows::PictureFlow::Stage;
  using Kind = models::flows::PictureFlow::Kind;

  // The flows to train, the one that is looked at first. pictures_, train_, seed_, bits_ and batch_ are set. Called while the lab begins:
  // an Error leaves it as it was.
  virtual Expected<std::vector<WantedFlow>> plan(const LabContext& context) const = 0;
  // Parameters of the lab's own that change the picture only, and those among them that ask for an evaluation.
  virtual std::vector<std::string_view> ownPictureParameters() const { return {}; }
  virtual std::vector<std::string_view> ownEvaluated() const { return {}; }
  // Reads them; before each evaluation.
  virtual Expected<void> readPicture(const LabContext&) { return {}; }
  // Whether the values read fit the pictures; when they change and when training begins.
  virtual Expected<void> checkPicture() const { return {}; }
  // The latents of the rows of small pictures, appended to `latents`, with their names in small_; `found`: the held-out pictures' latents,
  // `fresh`: latents drawn at temperature 1. The base knows the rows "temperature", "interpolation" and "levels".
  virtual void addRows(gpu::Stream& stream, nn::Tape& tape, std::span<const nn::Variable> weights, const std::vector<float>& found,
                       const std::vector<float>& fresh, std::vector<float>& latents);
  // The first flow in a file: tensors, and metadata for what no tensor says.
  struct Saved {
    std::vector<std::pair<std::string, Tensor>> parts;
    models::flows::Said said;
  };
  virtual Saved saved() const = 0;
  const nn::Weights& shownWeights() const { return runs_.front().trainer.weights(); }
  // What else a lab measures; last.
  virtual void evaluateOwn(gpu::Stream&, nn::Tape&, std::span<const nn::Variable>) {}
  virtual Changes stageChosen(const Stage&) const { return {}; }
  // How a state behind so many stages is shown: 0, as colours 0 ... 1; otherwise -reach ... reach from black to full colour.
  virtual double reachOf(std::size_t stages) const;
  virtual std::string rowsTitle() const;
  // What to change when training leaves the numbers' range.
  virtual std::string remedy() const;
  // Ids of the shared parameters: "steps" of a lab that also trains something else is "picture-steps".
  virtual std::string idOf(std::string_view id) const { return std::string(id); }
  virtual bool dequantises(const LabContext&) const { return true; }

  const models::flows::PictureFlow& flow() const { return *runs_.front().flow; }
  std::size_t stageCount() const { return flow().stages().size(); }
  std::int64_t stepsAt(std::int64_t frame) const { return std::min(frame * stepsPerFrame_, totalSteps_); }
  const Record* record() const;
  double position() const { return share_ * static_cast<double>(stageCount()); }
  std::string stepName(const Stage& stage) const;   // "1.2": level and step from 1; "2" where there is one level and no squeeze
  std::string stageName(std::size_t stages) const;  // behind this many stages
  std::vector<std::size_t> stripStages() const;     // numbers of stages behind which the strip shows the state
  std::vector<float> shownAt(std::size_t stages, std::size_t first, std::size_t count) const;
  std::vector<float> shownBetween(double stages, std::size_t first, std::size_t count) const;
  void row(std::string name) { small_.push_back({std::move(name), {}}); }

  // picture_flow_mosaics.cpp
  Tensor mosaic(const std::vector<float>& pictures, std::size_t columns) const;
  Panel stagePanel() const;
  Panel samplesPanel() const;
  Panel rowsPanel() const;
  Panel stripPanel() const;
  Panel masksPanel() const;  // what every coupling lets pass, as pictures
  std::vector<std::size_t> maskedStages() const;  // those shown there, from the left
  static constexpr double maskGap = 1;            // pixels between its pictures
  // picture_flow_charts.cpp
  Panel bitsPanel() const;
  Panel volumesPanel() const;
  Panel inversePanel() const;
  Panel exitsPanel() const;  // the latents of every level against the prior

  gpu::Stream* stream_ = nullptr;  // the session's, from the last update
  double share_ = 1, temperature_ = 0.7;
  bool towardsData_ = false;
  std::string rows_;  // what the rows of small pictures show

 private:
  Expected<void> begin(LabContext& context);
  Expected<void> start(LabContext& context, PictureSet set);
  Tensor noisy(gpu::Stream& stream, const Tensor& pictures, const kernels::RandomKey& key) const;
  Tensor batchOf(gpu::Stream& stream, std::int64_t step) const;
  Expected<void> measure(gpu::Stream& stream);  // the record and the picture of the present weights
  void evaluate(gpu::Stream& stream);
  void evaluateForward(gpu::Stream& stream, nn::Tape& tape, std::span<const nn::Variable> weights);
  void evaluateInverse(gpu::Stream& stream, nn::Tape& tape, std::span<const nn::Variable> weights);
};

constexpr std::int64_t rowColumns = 6;  // pictures in a row of small ones

Tensor picturesOf(const std::vector<float>& values, std::int64_t side);  // [n, 3, side, side]

// Refuses a flow of which a training step takes minutes on any device a person sits at, or whose tape does not fit. Error: usage.
Expected<void> affordable(double operations, double bytes);
// The same of a trained flow, which need not be trained to be looked at: whether it can only be looked at. `lookingOperations` and
// `lookingBytes` are of one evaluation, of evaluatedPictures pictures. Error: usage, when that is too dear as well.
Expected<bool> onlyLookedAt(double operations, double bytes, double lookingOperations, double lookingBytes);
// Through the flow in one evaluation, at most: held-out ones and a first batch down, those, samples and rows up, samples up again with all
// states, pictures with labels down.
constexpr std::int64_t evaluatedPictures = 32 + 32 + (32 + 25 + 24) + 25 + 128;

}  // namespace orrery::generative
