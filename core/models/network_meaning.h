#pragma once
// What the output of a denoising network means, which x_t it takes and how it is told the time: all that a sampler needs to make a denoiser
// D(x; level) of it. States are scaled (x_t / alpha) against the relative noise level sigma / alpha, see core/diffusion/prediction.h.

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "core/base/expected.h"
#include "core/diffusion/prediction.h"
#include "core/diffusion/process.h"

namespace orrery::models {

// How a network is told the time.
enum class ToldTime {
  logLevel,  // timeScale ln(level) / 4, EDM's c_noise
  steps,     // 0 ... 999, the step of a chain of 1000
  unit,      // 0 ... 1, the time of the process itself
  level,     // the relative noise level itself
};

// What a user says of a network; what is left out is the network's own.
struct NetworkStated {
  std::optional<diffusion::Prediction> prediction;
  std::optional<ToldTime> time;
  std::string process;  // id of a diffusion::Process; "edm": the level itself is the deviation of the noise
  std::optional<double> dataDeviation;  // above 0; EDM's F is scaled by it
};

struct NetworkMeaning {
  diffusion::Prediction prediction = diffusion::Prediction::edm;
  ToldTime time = ToldTime::logLevel;
  const diffusion::Process* process = nullptr;  // whose x_t the network takes; null: the level itself is the deviation of the noise
  double dataDeviation = 0.5, timeScale = 1;

  double inputScale(double level) const;             // the network takes this times the state
  double told(double level) const;
  diffusion::Linear denoised(double level) const;    // D = .x times the state + .y times the output

  // The keys "prediction_type", "time", "noise_schedule", "sigma_data", "time_scale" of a config.json, as far as they are there. Error:
  // one names nothing that is known; `where` is the file's name.
  Expected<void> read(const nlohmann::json& config, const std::string& where);
  Expected<void> take(const NetworkStated& stated, const std::string& where);
};

}  // namespace orrery::models
