#pragma once
// The lab generative/sd3: six parts, each a published change in isolation; what it offers is in describe.cpp.

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "core/labs/generative/sd3/block.h"
#include "core/labs/generative/sd3/codec.h"
#include "core/labs/generative/sd3/guidance.h"
#include "core/labs/generative/sd3/positions.h"
#include "core/labs/generative/sd3/shift.h"
#include "core/labs/generative/sd3/times.h"

namespace orrery::generative {

class Sd3 : public Lab {
 public:
  static LabEntry describe();
  Expected<void> update(LabContext& context) override;
  Figure figure() const override;
  std::vector<Metric> metrics() const override;
  Changes pointer(const PointerEvent& event, const Values& values) const override;

 private:
  // In the order in which they are computed: the block's image tokens come from the codec.
  std::array<std::pair<const char*, sd3::Part*>, 6> parts() const;
  bool shows(std::string_view part) const { return show_ == "overview" || show_ == part; }

  mutable sd3::Times times_;
  mutable sd3::ResolutionShift shift_;
  mutable sd3::LatentCodec codec_;
  mutable sd3::Positions positions_;
  mutable sd3::JointBlock block_{codec_};
  mutable sd3::Guidance guidance_;
  std::string show_;
};

}  // namespace orrery::generative
