#pragma once
// What the labs of normalizing flows in the plane share: a flow trained live on exact samples of a scene by maximum likelihood, and its
// pictures: cloud and grid after any share of the layers, the model's density, samples, the likelihood against the exact entropy, the error
// of the inverse. A lab names its layers and adds its own panels.

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/figure/marks/marks.h"
#include "core/labs/generative/shared/plane_energy.h"
#include "core/labs/generative/shared/plane_scene.h"
#include "core/models/flow_file.h"
#include "core/models/flows.h"
#include "core/nn/trainer.h"
#include "core/session/lab.h"

namespace orrery::generative {

// The layers of a flow of the plane, and the law of its latents.
struct PlaneFlowPlan {
  std::vector<models::flows::LayerPtr> layers;
  models::flows::Prior prior = models::flows::Prior::normal;
  double energyWeight = 0;  // of the mean energy of the ways, in the loss
  bool estimated = false;   // the loss takes the volume from one random probe per row
  // Trained on its own samples towards an energy: the loss is KL(model | target), with the energy turned up during the first half of the
  // run.
  bool reverse = false;
  bool trained = true;         // off: nothing is learnt, and the timeline is one frame
  nn::Weights weights;         // where it starts, or stays; empty: drawn
  models::flows::Said said{};  // what a file with it says besides its tensors
  std::int64_t calls = 0;      // of a velocity from one side to the other; 0: nothing flows
  // A second flow of the same law of latents, trained on the same batches for the chart of the likelihood alone; by names for people.
  std::vector<models::flows::LayerPtr> beside{};
  std::string name{}, besideName{};
};

// What is measured at one frame of the timeline, over the points shown.
struct PlaneFlowRecord {
  double likelihood = 0;  // mean -ln p of the model, nats
  double beside = 0;      // of the flow beside it
  double reverse = 0;     // KL(model | target) over fresh samples, where a flow trains on them
};

class PlaneFlowLab : public Lab {
 public:
  Expected<void> update(LabContext& context) override;
  Expected<bool> advance(LabContext& context) override;
  bool keepsTime(const LabContext& context) const override;
  Timeline timeline() const override;
  std::vector<Tensor> capture() const override;
  void restore(std::int64_t frame, std::vector<Tensor> state) override;
  std::vector<Metric> metrics() const override;
  Changes pointer(const PointerEvent& event, const Values& values) const override;
  // "model.safetensors": the weights as they stand. Error: usage, where nothing is learnt.
  Expected<void> writeFiles(LabContext& context, FolderWriter& folder) override;

 protected:
  // `data`: the components of the data's density, noise included; empty where the law is an energy.
  virtual Expected<PlaneFlowPlan> plan(const LabContext& context, const std::vector<kernels::Component>& data) const = 0;
  // The law, where it is not the scene's.
  virtual std::shared_ptr<const PlaneEnergy> target(const LabContext&) const { return nullptr; }
  // Parameters of the lab's own that change the picture only.
  virtual std::vector<std::string_view> ownPictureParameters() const { return {}; }
  // The flow, the law and the points are there; called before the first evaluation of a run.
  virtual void begun(gpu::Stream&) {}
  // Reads them; called before each evaluation.
  virtual void readPicture(const LabContext&) {}
  // Where the layers count the calls of a velocity: read when the data have been pushed to the latents.
  virtual models::flows::AdaptivePtr counted() const { return nullptr; }

  // Parameters every lab of this family has: training, picture, seed. `colour`: "volume" or "origin".
  static std::vector<Parameter> trainingParameters(std::int64_t steps, double learningRate, std::int64_t batch);
  static std::vector<Parameter> pictureParameters(const std::string& colour);
  static Parameter seedParameter();

  // The picture all these labs have: layers, density, samples and likelihood, and three panels of the lab's own choice.
  Figure flowFigure(const std::string& title, Panel middleRight, Panel lowerLeft, Panel lowerRight) const;
  // Panels by the ids "layers", "density", "samples", "likelihood", "inverse", "strip", "volumes".
  Panel layersPanel() const;
  Panel densityPanel() const;
  Panel samplesPanel() const;
  Panel likelihoodPanel() const;
  Panel divergencesPanel(Panel panel) const;
  Panel inversePanel() const;
  Panel stripPanel() const;
  Panel volumesPanel() const;

  std::size_t layerCount() const { return flow_.layers(); }
  std::int64_t stepsAt(std::int64_t frame) const { return std::min(frame * stepsPerFrame_, totalSteps_); }
  // Whether the density is as wide as the raster's cells wherever there is much of it, so that their sum is its mass to a hundredth.
  bool resolved() const { return doubt_ <= 0.01; }
  double half(double position) const;  // half the side of the canvas that shows the state after `position` layers
  const PlaneFlowRecord* record() const;
  std::vector<double> pointAt(double position) const;  // the followed point on its way
  std::vector<double> stripPositions() const;          // of the states the strip shows, from the left
  double position() const { return share_ * static_cast<double>(flow_.layers()); }

  PlaneScene scene_;
  kernels::MixtureTable table_;  // of the scene with the noise on the data
  double entropy_ = 0;           // mean -ln p of the data's own density over the points shown, nats
  models::flows::Flow flow_;
  models::flows::Prior prior_ = models::flows::Prior::normal;
  double energyWeight_ = 0;
  bool estimated_ = false, reverse_ = false;
  std::int64_t calls_ = 0;                     // of a velocity from one side to the other; 0: nothing flows
  models::flows::Said said_;                   // what a file with the flow says besides its tensors
  std::shared_ptr<const PlaneEnergy> target_;  // the law, where it is not the scene's
  std::vector<kernels::Component> widened_;    // the scene's components with the noise on the data
  double energy_ = -1;                         // mean energy of the data points' ways; negative where nothing flows
  nn::Trainer trainer_;
  models::flows::Flow besideFlow_;  // trained on the same batches, without layers when there is none
  nn::Trainer besideTrainer_;
  std::string name_, besideName_;
  models::flows::HostWeights host_;  // the present weights
  std::int64_t totalSteps_ = 0, stepsPerFrame_ = 1, batch_ = 0, frame_ = 0;
  std::map<std::int64_t, PlaneFlowRecord> records_;  // by frame: kept while going back and forth
  std::array<double, 2> point_{};                    // the followed point, on the data's side
  gpu::Stream* stream_ = nullptr;                    // the session's, from the last update

  // Index k: after k layers; 0 is the data's side, layerCount() the latents'.
  struct Way {
    std::vector<Tensor> cloud, grid;  // [n, 2]; [points, lines, 2]
    std::vector<Tensor> volume;       // ln |det| of the first k layers, [n]
  };
  Way down_;                                      // data pushed to latents
  Way up_;                                        // samples, with the grid that is square among the latents
  std::vector<std::vector<float>> layerVolumes_;  // per layer, ln |det| at the data points; empty: exactly 0
  std::vector<double> halves_{1};                 // half(k) of whole k
  std::vector<double> errors_;                    // |f^-1(f(x)) - x|_inf of the data points
  Tensor data_;                                   // [points, 2], never trained on
  Tensor samples_;                                // at the temperature asked for
  std::int64_t evaluations_ = 0;                  // of a velocity, counted from the data to the latents
  double inside_ = 0, outside_ = 0;               // the model's mass on the raster, and the share of its samples off it
  double doubt_ = 0;                              // how far a sum over the raster's cells may be from that mass

 private:
  Expected<void> begin(LabContext& context);
  // `watched`: what the flow watched of the batch, when the loss has been taken.
  nn::Trainer::Loss lossOfStep(const models::flows::Flow& flow, std::int64_t step, models::flows::Flow::Watched& watched) const;
  double besideLikelihood(gpu::Stream& stream) const;  // mean -ln p of the points shown, nats
  bool compares() const { return besideFlow_.layers() > 0; }
  void besideCurve(Panel& panel) const;
  nn::Variable energyOf(const nn::Variable& x) const;
  Expected<void> measure(gpu::Stream& stream);  // the record and the picture of the present weights
  void evaluate(gpu::Stream& stream);
  void integrate(double cell);  // density_ over the raster

  std::uint64_t seed_ = 0;
  double noise_ = 0, temperature_ = 1, share_ = 1;
  std::int64_t cells_ = 0, particles_ = 0;
  bool towardsData_ = false, colourOfOrigin_ = false;
  Tensor exact_, density_;  // the data's and the model's density on the raster, [cells, cells]
  double peak_ = 1;         // about the largest value of the data's
  double densest_ = 1;      // where colours end: the model's largest value on the raster, or what 99 % of the cells lie below
  Tensor origin_[2];        // angles of the data points and of the samples' latents, [n]
};

}  // namespace orrery::generative
