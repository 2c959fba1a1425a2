#pragma once
// Pictures of a plane scene under the path x_t = alpha (x_0 + level eps): the density of x_t as a heat map, clouds, where a particle may
// have come from, and what a drag over them changes.

#include <memory>
#include <string>

#include "core/diffusion/state.h"
#include "core/figure/marks/marks.h"
#include "core/labs/generative/shared/curves.h"
#include "core/labs/generative/shared/plane_scene.h"

namespace orrery::generative {

// A square canvas of half side `half` without axes.
Panel planePanel(std::string id, double half);
constexpr double planeRasterShare = 1.4;  // what is drawn as a raster reaches this far beyond the canvas, whose panel may be wide or high

// The exact density of x_t, drawn behind particles. Points of no width are shown one cell wide.
std::shared_ptr<HeatMapMark> densityMark(gpu::Stream& stream, const PlaneScene& scene, const kernels::MixtureTable& table, double alpha,
                                         double level, double half, ColorMap map);

// The same computed on the host, of a law seen through a zoom: at canvas place p the density of x_0 + level eps at p / scale. For labs whose
// states are the host's.
std::shared_ptr<HeatMapMark> hostDensityMark(const PlaneScene& scene, double scale, double level, double half);

// Pairs times a scale, as f32 [n, 2] on the host.
Tensor pairsOf(const diffusion::State& state, double scale = 1);
std::shared_ptr<PointsMark> cloudMark(std::string id, Tensor xy, Paint paint, double half);

// The posterior p(x_0 | x_t) of one particle at (x, y) in scaled coordinates (x_t / alpha): an ellipse of two deviations per component of
// more than a hundredth, and links from the particle to their centres, weighted. In data units; the particle is drawn at alpha (x, y).
void addPosterior(Panel& panel, const PlaneScene& scene, double x, double y, double alpha, double level);

// Handles "component-k" at alpha times the centres of a scene with modes.
void addBlobHandles(Panel& panel, const PlaneScene& scene, double alpha);
// Dragging one of them moves the blob; pressing or dragging over the painted scene paints. Empty when the event does neither.
Changes sceneChanges(const PointerEvent& event, const Values& values, double alpha);

}  // namespace orrery::generative
