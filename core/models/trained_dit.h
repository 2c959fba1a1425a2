#pragma once
// A diffusion transformer as a denoiser D(x; level), whatever its network predicts and however it is told the time: what samplers drive
// (core/diffusion). States are scaled (x_t / alpha) against the relative noise level sigma / alpha, see core/diffusion/prediction.h.

#include <string>
#include <vector>

#include "core/base/expected.h"
#include "core/models/dit.h"
#include "core/models/network_meaning.h"

namespace orrery::models {

// What a user says of a file that does not say it itself; what is left out is read from config.json, or is as in the authors' code of DiT:
// noise is predicted, on the linear chain of 1000 steps, with heads of 64.
struct DitStated : NetworkStated {
  std::int64_t heads = 0;  // 0: not stated
};

struct TrainedDit {
  DitConfig config;
  nn::Weights weights;  // in the order of initialDit()
  diffusion::Prediction prediction = diffusion::Prediction::edm;
  ToldTime time = ToldTime::logLevel;
  const diffusion::Process* process = nullptr;  // whose x_t the network takes; null: the level itself is the deviation of the noise
  std::vector<std::string> classNames{};        // as config.json names them, else "0", "1" ...
  bool assumed = false;                         // neither a config.json nor the user says what it predicts or on which schedule

  // `path`: a folder that `orrery train tiny-dit` left, the file in it, or any .safetensors with the tensors of the authors' DiT: widths,
  // depth, classes and picture size are read from the shapes when no config.json lies beside it. Error: missing, damaged, another layout,
  // channels that are no picture's.
  static Expected<TrainedDit> open(gpu::Stream& stream, const std::string& path, const DitStated& stated = {});

  NetworkMeaning meaning() const;
  // D for patches [B, tokens, channels P P] at one level of the whole batch, classes u32 [B]. With guidance w other than 1: D_none + w
  // (D_class - D_none) (Ho and Salimans 2022, in their section 3.2 with w = 1 + their w).
  Tensor denoise(gpu::Stream& stream, const Tensor& patches, double level, const Tensor& classes, double guidance) const;
  // What the network itself says there, as an image in the order of ditPatches().
  Tensor predict(gpu::Stream& stream, const Tensor& patches, double level, const Tensor& classes) const;
};

// Pictures of these classes by EDM's sampler without churn (Karras et al. 2022, algorithm 1: Heun's method on the probability-flow ODE),
// all on the device, [B, channels, S, S] around -1 ... 1.
struct DitSampling {
  int steps = 18;
  double guidance = 2;
  std::uint64_t seed = 1;
};
Tensor ditSample(gpu::Stream& stream, const TrainedDit& network, const std::vector<std::uint32_t>& classes,
                 const DitSampling& sampling = {});

}  // namespace orrery::models
