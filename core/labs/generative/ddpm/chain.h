#pragma once
// The chain that the lab's parameters say, for points of the plane and for pictures.

#include <string>

#include "core/labs/generative/shared/noise_chain.h"
#include "core/session/lab.h"

namespace orrery::generative {

// `kind`: a choice of "schedule". Error: of makeChain(), or a drawn curve that is none.
Expected<Chain> chainOf(const LabContext& context, const std::string& kind);
// A choice of "variance".
ReverseVariance reverseVarianceOf(const std::string& id);

}  // namespace orrery::generative
