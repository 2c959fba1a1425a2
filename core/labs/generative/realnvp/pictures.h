#pragma once
// The lab generative/realnvp on pictures: checkerboards, squeezes, channel halves and several scales.

#include <optional>
#include <string>
#include <vector>

#include "core/labs/generative/shared/picture_flow_lab.h"
#include "core/models/image_flow_file.h"

namespace orrery::generative {

class RealNvpPictures final : public PictureFlowLab {
 public:
  static Choice masksChoice();
  Figure figure() const override;
  Changes pointer(const PointerEvent& event, const Values& values) const override;

 protected:
  Expected<std::vector<WantedFlow>> plan(const LabContext& context) const override;
  std::string remedy() const override;
  Saved saved() const override {
    return {models::flows::namedParts(imageFlow(), shownWeights()), models::flows::saidOf(imageFlow().options())};
  }
  std::string idOf(std::string_view id) const override { return "picture-" + std::string(id); }

 private:
  // A cell of the painted mask; where `swapped`, its coupling lets pass what is not painted.
  struct MaskCell {
    std::size_t index = 0;
    bool swapped = false;
  };
  std::optional<MaskCell> maskCellAt(double x, double y) const;
  const models::flows::ImageFlow& imageFlow() const { return static_cast<const models::flows::ImageFlow&>(flow()); }
};

}  // namespace orrery::generative
