#pragma once
// The lab generative/glow: its flows (glow.cpp), what it measures besides (evaluate.cpp), its own charts (charts.cpp) and a mixing of two
// channels (plane_mix.cpp); what it offers is in describe.cpp. Training and pictures are those of every flow of pictures.

#include <array>
#include <string>
#include <vector>

#include "core/labs/generative/shared/picture_flow_lab.h"
#include "core/models/image_flow_file.h"

namespace orrery::generative {

constexpr double mostAmount = 3;  // of an attribute

class Glow final : public PictureFlowLab {
 public:
  static LabEntry describe();
  static Choice mixingChoice();
  static Choice couplingChoice();
  Figure figure() const override;
  std::vector<Metric> metrics() const override;
  Changes pointer(const PointerEvent& event, const Values& values) const override;

 protected:
  Expected<std::vector<WantedFlow>> plan(const LabContext& context) const override;
  std::vector<std::string_view> ownPictureParameters() const override {
    return {"step",         "attribute", "amount", "with-folder", "without-folder", "first-image",
            "second-image", "matrix",    "w11",    "w12",         "w21",            "w22"};
  }
  std::vector<std::string_view> ownEvaluated() const override {
    return {"step", "attribute", "amount", "with-folder", "without-folder", "first-image", "second-image"};
  }
  Expected<void> readPicture(const LabContext& context) override;
  Expected<void> checkPicture() const override;
  void addRows(gpu::Stream& stream, nn::Tape& tape, std::span<const nn::Variable> weights, const std::vector<float>& found,
               const std::vector<float>& fresh, std::vector<float>& latents) override;
  void evaluateOwn(gpu::Stream& stream, nn::Tape& tape, std::span<const nn::Variable> weights) override;
  Changes stageChosen(const Stage& stage) const override;
  std::string rowsTitle() const override;
  Saved saved() const override {
    return {models::flows::namedParts(imageFlow(), shownWeights()), models::flows::saidOf(imageFlow().options())};
  }

 private:
  const models::flows::ImageFlow& imageFlow() const { return static_cast<const models::flows::ImageFlow&>(flow()); }
  // The way in latents from pictures without an attribute to pictures with it, and how much of it a column of its rows adds.
  std::vector<double> attributeDirection(gpu::Stream& stream, nn::Tape& tape, std::span<const nn::Variable> weights) const;
  double attributeStrength(std::int64_t column) const;
  void addAmount(Panel& panel) const;  // the slider below the rows of an attribute
  // Reads the pictures behind the rows that need some of the user's. Error: not there, or not pictures.
  Expected<void> readOwnPictures(const LabContext& context);
  // Latents of pictures of 8 bits a value, as the flow sees them.
  std::vector<float> latentsOf(gpu::Stream& stream, nn::Tape& tape, std::span<const nn::Variable> weights,
                               const std::vector<std::uint8_t>& pictures) const;
  std::size_t shownStep() const;                           // number of the step whose W and actnorm are shown, from 0
  std::size_t stageOf(std::size_t step, Kind kind) const;  // its stage

  // charts.cpp
  Panel matrixPanel() const;
  Panel actnormPanel() const;
  // plane_mix.cpp
  Expected<void> readPlaneMix(const LabContext& context);  // Error: a matrix without an inverse
  Panel planeMixPanel() const;
  static Changes planeMixChanges(const PointerEvent& event);

  std::int64_t step_ = 1;
  std::array<double, 4> planeMix_{1, 0, 0, 1};  // the matrix in the hand, row-major
  bool showPlaneMix_ = false;
  std::string attribute_;
  double amount_ = 0.75;  // of the attribute in the last column, in distances between the two means; the first has as much less
  std::string ownKey_;                               // which files the pictures below are of, and their side
  std::vector<std::uint8_t> with_, without_, two_;   // pictures of two folders; the two pictures to walk between
  std::vector<float> actnormBefore_, actnormAfter_;  // values of the first batch around the shown step's actnorm
  double worstMean_ = 0, worstVariance_ = 0;         // of its channels behind it: |mean|, |variance - 1|
};

}  // namespace orrery::generative
