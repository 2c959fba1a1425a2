#include "core/models/network_meaning.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/base/text.h"

namespace orrery::models {

namespace {

using diffusion::Prediction;

// The moment of the network's process at which the relative level is `level`.
struct Place {
  double t = 0;  // 0 ... 1
  diffusion::Moment moment;
};

Place placeOf(const diffusion::Process* process, double level) {
  if (process == nullptr) return {0, {1, level, 0, 1}};
  const double t = diffusion::timeOf(*process, level);
  return {t, process->at(t)};
}

template <class T>
struct Named {
  const char* name;
  T value;
};
// Our own words and those of other libraries' configurations.
constexpr Named<Prediction> predictions[] = {
    {"F", Prediction::edm},          {"epsilon", Prediction::epsilon},   {"x0", Prediction::data},
    {"sample", Prediction::data},    {"score", Prediction::score},       {"v", Prediction::v},
    {"v_prediction", Prediction::v}, {"velocity", Prediction::velocity}, {"flow_prediction", Prediction::velocity}};
constexpr Named<ToldTime> times[] = {{"log-level", ToldTime::logLevel}, {"steps", ToldTime::steps}, {"unit", ToldTime::unit}, {"level", ToldTime::level}};

// The value that `config[key]` names. Error: it names none.
template <class T, std::size_t n>
Expected<std::optional<T>> choice(const nlohmann::json& config, const std::string& where, const char* key, const Named<T> (&list)[n]) {
  const auto found = config.find(key);
  if (found == config.end()) return std::optional<T>();
  std::string all;
  for (const Named<T>& one : list) {
    if (found->is_string() && found->template get<std::string>() == one.name) return std::optional<T>(one.value);
    all += (all.empty() ? "" : ", ") + std::string(one.name);
  }
  return makeError(ErrorCode::badInput,
                   trf("{}: '{}' should be one of {}, found {}", where, key, all, found->dump()));
}

Expected<const diffusion::Process*> processNamed(const std::string& id, const std::string& where) {
  if (id.empty() || id == "edm") return static_cast<const diffusion::Process*>(nullptr);
  if (const auto* found = findRegistered<diffusion::Process>(id)) return found;
  std::string all;
  for (const auto& one : registered<diffusion::Process>()) all += (all.empty() ? "" : ", ") + one.id;
  return makeError(ErrorCode::badInput, trf("{}: there is no noise schedule '{}'; known are {}", where, id, all));
}

}  // namespace

double NetworkMeaning::inputScale(double level) const {
  return prediction == Prediction::edm ? diffusion::preconditioning(level, dataDeviation).in : placeOf(process, level).moment.alpha;
}

double NetworkMeaning::told(double level) const {
  switch (time) {
    case ToldTime::logLevel:
      return timeScale * std::log(level) / 4;
    case ToldTime::steps:
      return std::max(1000 * placeOf(process, level).t - 1, 0.0);  // step i of 1 ... 1000 is told as i - 1
    case ToldTime::unit:
      return placeOf(process, level).t;
    case ToldTime::level:
      return level;
  }
  return level;
}

diffusion::Linear NetworkMeaning::denoised(double level) const {
  const diffusion::Moment moment = placeOf(process, level).moment;
  const diffusion::Linear linear = diffusion::dataFrom(prediction, moment, dataDeviation);
  return {linear.x * moment.alpha, linear.y};
}

Expected<void> NetworkMeaning::read(const nlohmann::json& config, const std::string& where) {
  const auto real = [&](const char* name, double& into) {
    if (const auto found = config.find(name); found != config.end() && found->is_number()) into = found->get<double>();
  };
  real("time_scale", timeScale), real("sigma_data", dataDeviation);
  if (!(dataDeviation > 0)) return makeError(ErrorCode::badInput, trf("{}: 'sigma_data' should be above 0, found {}", where, dataDeviation));
  const auto predicted = choice(config, where, "prediction_type", predictions);
  if (!predicted) return predicted.error();
  const auto told = choice(config, where, "time", times);
  if (!told) return told.error();
  if (*predicted) prediction = **predicted;
  if (*told) time = **told;
  const auto schedule = config.find("noise_schedule");
  if (schedule == config.end() || !schedule->is_string()) return {};
  const auto named = processNamed(schedule->get<std::string>(), where);
  if (!named) return named.error();
  process = *named;
  return {};
}

Expected<void> NetworkMeaning::take(const NetworkStated& stated, const std::string& where) {
  if (stated.prediction) prediction = *stated.prediction;
  if (stated.time) time = *stated.time;
  if (stated.dataDeviation) dataDeviation = *stated.dataDeviation;
  if (stated.process.empty()) return {};
  const auto named = processNamed(stated.process, where);
  if (!named) return named.error();
  process = *named;
  return {};
}

}  // namespace orrery::models
