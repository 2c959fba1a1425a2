#pragma once
// The lab generative/realnvp on pictures: checkerboards, squeezes, channel halves and several scales.

#include <string>
#include <vector>

#include "core/labs/generative/shared/picture_flow_lab.h"
#include "core/models/image_flow_file.h"

namespace orrery::generative {

class RealNvpPictures final : public PictureFlowLab {
 public:
  static Choice masksChoice();
  Figure figure() const override;

 protected:
  Expected<std::vector<WantedFlow>> plan(const LabContext& context) const override;
  std::string remedy() const override;
  Saved saved() const override {
    return {models::flows::namedParts(imageFlow(), shownWeights()), models::flows::saidOf(imageFlow().options())};
  }
  std::string idOf(std::string_view id) const override { return "picture-" + std::string(id); }

 private:
  const models::flows::ImageFlow& imageFlow() const { return static_cast<const models::flows::ImageFlow&>(flow()); }
};

}  // namespace orrery::generative
