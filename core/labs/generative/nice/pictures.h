#pragma once
// The lab generative/nice on pictures: rows of numbers through additive couplings, and hidden pixels that climb the likelihood.

#include <string>
#include <string_view>
#include <vector>

#include "core/labs/generative/shared/picture_flow_lab.h"
#include "core/models/flat_flow.h"
#include "core/models/image_flow.h"

namespace orrery::generative {

class NicePictures final : public PictureFlowLab {
 public:
  Figure figure() const override;
  std::vector<Metric> metrics() const override;
  // Paints what is hidden, over the rows of pictures.
  Changes pointer(const PointerEvent& event, const Values& values) const override;

 protected:
  Expected<std::vector<WantedFlow>> plan(const LabContext& context) const override;
  std::vector<std::string_view> ownPictureParameters() const override { return {"hidden-part", "hidden-mask"}; }
  std::vector<std::string_view> ownEvaluated() const override { return {"hidden-part", "hidden-mask"}; }
  Expected<void> readPicture(const LabContext& context) override;
  void evaluateOwn(gpu::Stream& stream, nn::Tape& tape, std::span<const nn::Variable> weights) override;
  double reachOf(std::size_t stages) const override;
  std::string rowsTitle() const override;
  Saved saved() const override;
  std::string idOf(std::string_view id) const override { return "picture-" + std::string(id); }
  bool dequantises(const LabContext& context) const override { return context.flag("dequantise"); }

 private:
  const models::flows::FlatFlow& flatFlow() const { return static_cast<const models::flows::FlatFlow&>(flow()); }
  void inpaint(gpu::Stream& stream);
  std::vector<double> widths() const;  // e^-s of every value; empty without a scale layer
  Panel spectrumPanel() const;
  Panel widthsPanel() const;

  bool paints() const { return rows_ == "inpainting" && hiddenPart_ == "painted" && !runs_.empty(); }
  std::string hiddenPart_;
  models::flows::PaintedMask painted_{};  // 1: hidden
  double climbedFrom_ = 0, climbedTo_ = 0;  // mean ln p of the pictures with hidden pixels, nats per value
};

}  // namespace orrery::generative
