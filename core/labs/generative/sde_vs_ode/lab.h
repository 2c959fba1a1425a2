#pragma once
// The lab generative/sde-vs-ode: its state, shared by the computing half (sde_vs_ode.cpp) and the drawing half (panels.cpp,
// samples.cpp); what it offers is in describe.cpp.

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "core/figure/marks/marks.h"
#include "core/labs/generative/shared/cloud_sampler.h"
#include "core/labs/generative/shared/curves.h"
#include "core/labs/generative/shared/planar_density.h"
#include "core/labs/generative/shared/plane_network.h"
#include "core/metrics/distances.h"
#include "core/session/lab.h"

namespace orrery::generative {

// How the picture scales the state: x_t = alpha(sigma) times the scaled state, with sigma the relative noise level (generative.md C1).
enum class Display { vp, linear, edm };
double displayAlpha(Display display, double sigma);
double displayTime(Display display, double sigma);  // in [0, 1): of the linear path for `linear`, of the VP schedule otherwise
// Distances are measured at the scale of the VP schedule whatever is shown, so that the numbers do not depend on the view and every t
// compares: the variance of x_t is about 1 throughout.
double measureAlpha(double sigma);

constexpr int directionCount = 64;            // of the sliced distance
constexpr std::int64_t mostMeasured = 16384;  // particles the sliced distance looks at
constexpr std::int64_t energyMeasured = 512;  // particles the energy distance and the discrepancy look at
constexpr std::int64_t imageFrom = 20000;     // from this many particles on a density image replaces the points
constexpr std::int64_t pairCount = 32;        // pairs of the forgetting panel
constexpr std::int64_t fanCount = 96;         // continuations of the fan-out panel
constexpr double rasterShare = 1.4;           // what is drawn as a raster reaches this far beyond the canvas, whose panel may be wide or high
// Steps between two measurements: 8, less in runs of under 128 steps.
constexpr std::int64_t measureEvery(std::int64_t steps) { return steps >= 128 ? 8 : steps >= 16 ? steps / 16 : 1; }

// Everything the parameters say, read once per update.
struct Settings {
  std::string scene;
  CloudSolver solver[2];
  bool network[2] = {false, false};  // a user's network instead of the exact D
  std::int64_t steps = 128, particles = 4096, trails = 32;
  double trailShare = 0.5;
  std::vector<double> levels;  // steps + 1, the last 0
  double sigmaMax = 80;        // the first of them
  double shiftX = 0, shiftY = 0, startScale = 1;
  std::string errorKind;
  double errorAmount = 0;
  bool sharedStart = true, sharedNoise = true;
  Display display = Display::edm;
  bool showDensity = true, showField = false;
  std::string lower[2] = {"distance", "forget"};
  std::uint64_t seed = 0;
  std::int64_t traced = -1;
  // A particle dragged elsewhere at a frame, in scaled coordinates; both samplers go on from there.
  struct Moved {
    std::int64_t particle = -1, frame = 0;
    float x = 0, y = 0;
  } moved;
  std::array<double, 2> fanStart{};
};

// One of the two samplers.
struct Side {
  CloudDenoiser denoise;
  std::shared_ptr<const CloudSampler> sampler;
  kernels::StepOptions options;
  Tensor start;  // scaled coordinates [n, 2]
  CloudState state;
  Tensor path;                     // [steps + 1, trails, 2] in the picture's coordinates
  Tensor fan;                      // [steps + 1, fanCount, 2], (time, first coordinate at VP scale); only while the fan-out panel is shown
  Tensor tracedPath;               // [steps + 1, 1, 2] in the picture's coordinates, only while a particle is traced
  std::vector<double> separation;  // [steps + 1] root mean square distance of the pairs, VP scale
};

// A distance to the exact density; `floor` is that of a second exact sample, so what chance alone gives.
struct Distance {
  double side[2] = {0, 0}, floor = 0;
};
enum class DistanceKind { sliced, energy, discrepancy, likelihood };
constexpr DistanceKind distanceKinds[] = {DistanceKind::sliced, DistanceKind::energy, DistanceKind::discrepancy, DistanceKind::likelihood};
// The likelihood looks at as many particles as keep within this many components evaluated, so that a density of thousands of blobs does not
// hold a slider up, but at no fewer than energyMeasured.
constexpr std::int64_t likelihoodWork = std::int64_t{1} << 21;
// Of the discrepancy's kernel, at the VP scale.
constexpr double discrepancyScale = 0.5;

// What is measured against the exact density at one frame.
struct Tick {
  std::int64_t frame = 0;
  // sliced W2; energy distance; squared maximum mean discrepancy; mean -ln p_t above that of an exact sample, nats.
  Distance distances[4];
  const Distance& of(DistanceKind kind) const { return distances[static_cast<std::size_t>(kind)]; }
  Distance& of(DistanceKind kind) { return distances[static_cast<std::size_t>(kind)]; }
  std::vector<double> modeMass[2];  // share per component, only for named densities
};

class SdeVsOde : public Lab {
 public:
  static LabEntry describe();
  Expected<void> update(LabContext& context) override;
  bool keepsTime(const LabContext& context) const override;
  Expected<bool> advance(LabContext& context) override;
  Timeline timeline() const override;
  std::vector<Tensor> capture() const override;
  void restore(std::int64_t frame, std::vector<Tensor> state) override;
  Figure figure() const override;
  std::vector<Metric> metrics() const override;
  Changes pointer(const PointerEvent& event, const Values& values) const override;

 private:
  Expected<PlanarDensity> readDensity(LabContext& context) const;
  Expected<void> begin(gpu::Stream& stream);
  void drawExact();
  void judgeNetwork();
  void tracePaths(gpu::Stream& stream);
  void traceOne(gpu::Stream& stream);
  void moveParticle(const Side& side, CloudState& state, std::int64_t frame, std::int64_t firstRow) const;
  void measure(gpu::Stream& stream);
  const Tick& tick() const;  // the newest measurement at or before the frame

  double sigma() const { return settings_.levels[static_cast<std::size_t>(frame_)]; }
  double meanLogDensity(gpu::Stream& stream, const Tensor& scaled) const;  // mean ln p_t of rows of scaled coordinates at this level
  double alpha() const { return displayAlpha(settings_.display, sigma()); }
  double time() const { return displayTime(settings_.display, sigma()); }

  // panels.cpp
  struct Shown;  // device tensors made for one picture
  Shown prepare() const;
  Panel canvas(int side, const Shown& shown) const;
  Panel lowerPanel(const std::string& kind, const Shown& shown) const;
  Panel tracePanel(DistanceKind kind) const;
  Panel tablePanel() const;
  Panel forgetPanel() const;
  Panel fanPanel() const;
  Panel modesPanel() const;
  Panel marginalsPanel(const Shown& shown) const;
  Panel differencePanel(const Shown& shown) const;
  Panel twoTimePanel(const Shown& shown) const;
  Panel networkPanel(const std::string& kind) const;  // network.cpp: what a user's network gets wrong, over the plane or the levels
  Axis timeAxis() const;
  double reach() const;                // half the shorter side of the canvas
  std::string nameOf(int side) const;  // "SDE", "ODE", or "left" and "right" when both are of a kind
  Paint paintOf(int side, float alpha = 1) const;

  Settings settings_;
  // |D - D_network| under the exact p_t, root mean square of `count` of its particles, at a level.
  double networkErrorAt(double level, std::size_t count) const;
  bool networked() const { return settings_.network[0] || settings_.network[1]; }

  PlanarDensity density_;
  kernels::MixtureTable exactTable_, samplerTable_;  // of the density, and of what an imperfect network has seen of it
  PlaneNetwork network_;
  NetworkErrors networkErrors_;
  std::array<Side, 2> sides_;
  std::array<std::vector<ExactPoint>, 2> exact_;  // two independent exact samples; the second gives the floor
  std::vector<Tick> ticks_;
  struct Truth {
    double level = -1, likelihood = 0;
    ProjectedSample sample;
    double floors[4] = {0, 0, 0, 0};
  };
  Truth firstTruth_;  // of frame 0: kept, since every moved slider measures there again
  std::int64_t frame_ = 0;
  gpu::Stream* stream_ = nullptr;  // the session's, valid between update() and destruction
  bool fanShown_ = false;
};

// Device tensors made for one picture, in its coordinates.
struct SdeVsOde::Shown {
  Tensor points[2];  // [n, 2]
  Tensor image[2];   // counts [g, g] instead, for very many particles
  double imageHigh = 1;
  Tensor density;  // exact p_t [g, g]
  double densityHigh = 1;
  Tensor fieldAt, field[2];  // [m, 2], of either side's denoiser
};

// Small parts of the panels.
std::string decimals(double value, int places = 2);

}  // namespace orrery::generative
