#pragma once
// Step grids: which noise levels a sampler visits (generative.md C6), all in the relative noise level.

#include <string>
#include <vector>

#include "core/base/expected.h"
#include "core/base/registry.h"

namespace orrery::diffusion {

struct GridRequest {
  int count = 10;  // levels above 0
  double sigmaMin = 0.002, sigmaMax = 80;
  double rho = 7;                         // of karras; polyexponential takes 1 unless set otherwise by the caller
  double a = 0.6, b = 0.6;                // of beta
  double shift = 3;                       // of flow-shift
  double mean = 0, deviation = 1;         // of logit-normal; of laplace mu and twice its beta
  std::string process = "scaled-linear";  // whose 1000 levels the grids over timesteps read
  std::vector<double> custom;             // of drawn: levels, falling
};

struct Grid {
  std::string id, title;
  std::string source;
  std::string otherNames;  // in diffusers, k-diffusion, ComfyUI and others, written as in library_names.h
  bool ownRange = false;   // takes its ends from a table, not from sigmaMin and sigmaMax
  std::vector<double> (*levels)(const GridRequest& request) = nullptr;
};

// `steps` steps from the largest level down, the last to 0 when `finalZero` (count = steps levels, then 0), otherwise to the smallest
// (count = steps + 1). Grids over timesteps may give fewer: repeated levels are merged.
Expected<std::vector<double>> stepLevels(const Grid& grid, int steps, bool finalZero, GridRequest request);

// Quantiles, for tests and other users.
double normalQuantile(double p);
double betaQuantile(double p, double a, double b);

}  // namespace orrery::diffusion
