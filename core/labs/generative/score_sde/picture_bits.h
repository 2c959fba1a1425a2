#pragma once
// The likelihood of one picture under a network, in bits per dimension. In scaled states, x = x_t / alpha against the relative noise level s,
// the probability-flow ODE is dx / d ln s = x - D(x; s), so
//   ln p(x_low) = ln N(x_high; 0, V I) + int (d - tr dD/dx) d ln s    from the lowest level to the highest (Song et al. 2021, eq. 39),
// the trace by Hutchinson's v . (dD/dx v), v of random signs, one v per probe for the whole way (Grathwohl et al. 2019). The derivative is a
// central difference of steps of 1/50 of the level: a network answers in f32. Bits per dimension = -ln p / (d ln 2) + 7 for 8-bit values
// on -1 ... 1 with the noise of one step added. Random numbers, key = seed: philox (i / 4, probe, 0x5E1, 0) for the signs of value i,
// (i / 4, 0, 0x5E2, 0) for the noise of a step. Units: nats, bits; classic Runge-Kutta in ln s.

#include <cstdint>
#include <functional>
#include <vector>

#include "core/base/expected.h"
#include "core/diffusion/density.h"

namespace orrery::generative {

struct PictureBitsOptions {
  double low = 0.002, high = 80;  // levels
  double endVariance = 6401;      // V, of a state at the highest: of noise and what is left of the data
  int steps = 32, probes = 4;
  std::uint64_t seed = 0;
};

struct PictureBits {
  std::vector<double> probes;   // bits per dimension by each
  diffusion::State end;         // x at the highest level
  int evaluations = 0;          // of D, for one picture
  double mean() const;
  double error() const;         // standard error of the mean; 0 with one probe
};

// `denoise` is asked for several pictures of x.size() values at once. `progress` is told the share that is done; false ends the work.
// Error: cancelled; badInput, when the network's answers are no numbers.
Expected<PictureBits> pictureBits(const diffusion::Denoiser& denoise, const diffusion::State& x, const PictureBitsOptions& options,
                                  const std::function<bool(double)>& progress = {});

// 8-bit values as a picture on -1 ... 1 with uniform noise of one step.
diffusion::State dequantizedPicture(const std::vector<std::uint8_t>& values, std::uint64_t seed);

}  // namespace orrery::generative
