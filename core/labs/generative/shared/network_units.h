#pragma once
// A network of the plane that was trained on other numbers than a lab shows: points of a file are shown about their mean with a deviation
// of 0.7 (densityOfPoints), while a network trained on that file knows them as they stand there. Asked through the map between the two it is
// judged where it was trained. With u = centre + unit x the same noise is unit times as large, so D(x; level) = (D_u(u; unit level) - centre)
// / unit: exact, whatever the network predicts. A schedule that ends at L ends here at L / unit. Where data are much narrower than that, x above
// is noise nearly all, and D of x shrunk to the end stands for D of x: off by c^2 / L of data of deviation c at most, instead of at random.

#include <memory>
#include <string_view>
#include <vector>

#include "core/models/point_denoiser.h"
#include "core/session/lab.h"

namespace orrery::generative {

// The network's numbers of what lies at x in the plane: centre + unit x.
struct NetworkUnits {
  double centreX = 0, centreY = 0, unit = 1;
  bool shown() const { return centreX == 0 && centreY == 0 && unit == 1; }  // the plane's own
};
std::shared_ptr<const models::PointDenoiser> inUnits(std::shared_ptr<const models::PointDenoiser> network, const NetworkUnits& units);

// "network-units": the data's own numbers (of a file of points what stands in it, else what is shown), those less their mean over their
// deviation, or what is shown; and "network-scale", by which all that was multiplied.
std::vector<Parameter> networkUnitsParameters(bool (*visible)(const Values&));
bool networkUnitsChanged(const LabContext& context);
// Error: the file of the scene "dropped" cannot be read.
Expected<NetworkUnits> networkUnits(const LabContext& context);

}  // namespace orrery::generative
