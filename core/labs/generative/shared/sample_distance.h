#pragma once
// How far a cloud of the plane is from exact samples of p_t (generative.md C7): sliced W2, and that of a second exact sample, the floor
// that chance alone gives; at the scale of unit total noise, (x_t / alpha) / sqrt(1 + level^2), so that levels and diffusions compare. And
// how much less likely its points are than exact ones, which a halo raises whatever the shares of the modes.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/diffusion/state.h"
#include "core/labs/generative/shared/curves.h"
#include "core/labs/generative/shared/plane_scene.h"

namespace orrery::generative {

struct SampleDistance {
  double sliced = 0, floor = 0;
  double excess = 0, excessFloor = 0;  // mean -ln p_t above that of exact samples; among those, likewise; nats
  // Whether the cloud is off: two exact samples, too, differ by the floor, with room for chance.
  bool off() const { return sliced > 2 * floor; }
};

// Exact samples of a scene with the noise that carries them to any level; distances to them, and of their pairs, are root mean squares.
// Three of them: one pair alone differs from another by more than half. Random numbers, key = seed: x_0 of purposes `purpose` to purpose +
// 2; the noise core/diffusion/noise.h off the path, step 0, purposes the same.
class ExactSamples {
 public:
  static constexpr std::size_t most = 16384, samples = 3;  // points; samples

  ExactSamples() = default;
  ExactSamples(const PlaneScene& scene, std::uint64_t seed, std::size_t count, std::uint32_t purpose);
  // Of the first points of a cloud of pairs in scaled coordinates x_t / alpha, as many as there are exact ones.
  SampleDistance to(const diffusion::State& scaled, double level) const;

 private:
  diffusion::PlaneMixture mixture_;
  std::array<diffusion::State, samples> x_, noise_;
};

// Distances along an axis, as a curve and, with `band`, the grey floor under it. Returns the highest value, for the axis.
struct DistanceCourse {
  std::vector<double> x, sliced, floor;
  void add(double at, const SampleDistance& distance) {
    x.push_back(at), sliced.push_back(distance.sliced), floor.push_back(distance.floor);
  }
};
double addDistances(Panel& panel, const DistanceCourse& course, std::string id, Paint paint, std::string name, bool band);

}  // namespace orrery::generative
