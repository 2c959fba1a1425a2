#include "core/labs/generative/ddpm/chain.h"

#include "core/base/text.h"
#include "core/labs/generative/shared/number_list.h"

namespace orrery::generative {

Expected<Chain> chainOf(const LabContext& context, const std::string& kind) {
  ScheduleRequest request;
  request.kind = kind;
  request.steps = static_cast<int>(context.integer("steps"));
  request.first = context.number("beta-first");
  request.last = context.number("beta-last");
  request.keepSnr = context.flag("keep-snr");
  request.curve = numbersOf(context.text("curve"));
  if (kind == "drawn") {
    if (request.curve.size() < 2)
      return makeError(ErrorCode::usage, tr("The drawn schedule needs at least two values of β, separated by commas"));
    for (const double beta : request.curve) {
      if (!(beta > 0))
        return makeError(
            ErrorCode::usage,
            trf("β of the drawn schedule is {:.3g}, outside (0, 1): each step must keep some signal and add some noise", beta));
    }
  }
  return makeChain(request);
}

ReverseVariance reverseVarianceOf(const std::string& id) {
  if (id == "beta") return ReverseVariance::large;
  if (id == "interpolated") return ReverseVariance::interpolated;
  if (id == "analytic") return ReverseVariance::analytic;
  return ReverseVariance::small;
}

}  // namespace orrery::generative
