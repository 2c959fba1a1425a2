// orrery map: average precision of detections against a ground truth, by the COCO or VOC rules. Needs no device.

#include <cmath>
#include <nlohmann/json.hpp>

#include "app/cli/commands.h"
#include "app/cli/output.h"
#include "core/base/text.h"
#include "core/metrics/detection_files.h"

namespace orrery::cli {

int map(const MapOptions& options) {
  const auto protocol = mapProtocolOf(options.protocol);
  if (!protocol) return fail(protocol.error());
  for (const double threshold : options.thresholds) {
    if (!(threshold > 0 && threshold <= 1)) return usage(trf("--iou {} is outside 0 to 1", threshold));
  }
  MapRequest request;
  request.gt = options.truth;
  request.dt = options.detections;
  request.protocol = *protocol;
  request.ious = options.thresholds;
  request.lenient = options.lenient;
  ProgressLine line;
  request.progress = [&](double fraction) {
    line.show(tr("reading"), fraction);
    return true;
  };
  const auto result = evaluateFiles(request);
  if (!result) return fail(result.error());
  for (const auto& remark : result->notes) note(remark);
  return options.json ? printJson(toJson(*result)) : print(toText(*result));
}

}  // namespace orrery::cli
