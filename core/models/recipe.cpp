#include "core/models/recipe.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>
#include <stdexcept>

#include "core/base/text.h"

namespace orrery::models {

Expected<void> Settings::set(std::string_view assignment) {
  const auto equals = assignment.find('=');
  if (equals == std::string_view::npos) return makeError(ErrorCode::usage, trf("'{}' is not of the form setting=value", assignment));
  const std::string_view id = assignment.substr(0, equals), text = assignment.substr(equals + 1);
  const auto found = std::find_if(declared_.begin(), declared_.end(), [&](const Setting& s) { return s.id == id; });
  if (found == declared_.end()) {
    std::string known;
    for (const Setting& s : declared_) known += (known.empty() ? "" : ", ") + s.id;
    return makeError(ErrorCode::usage, trf("the recipe has no setting '{}'; it has {}", id, known));
  }
  double value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size() || !(value >= found->low && value <= found->high) ||
      (found->whole && value != std::floor(value))) {
    return makeError(ErrorCode::usage, trf("{}: '{}' is not a {} from {} to {}", id, text, found->whole ? tr("whole number") : tr("number"),
                                           found->low, found->high));
  }
  found->initial = value;
  return {};
}

double Settings::number(std::string_view id) const {
  for (const Setting& s : declared_) {
    if (s.id == id) return s.initial;
  }
  throw std::logic_error("a recipe asks for a setting it has not declared");
}

std::string Settings::text() const {
  std::string text;
  for (const Setting& s : declared_) text += fmt::format("{}{}={}", text.empty() ? "" : " ", s.id, s.initial);
  return text;
}

Expected<void> Settings::setAll(std::string_view text) {
  std::istringstream words{std::string(text)};
  std::string word;
  while (words >> word) {
    if (auto taken = set(word); !taken) return taken;
  }
  return {};
}

nn::TrainerOptions adamWithCosine(const Settings& settings) {
  nn::TrainerOptions o;
  o.optimizer.kind = nn::OptimizerKind::adamw;
  o.optimizer.learningRate = settings.number("learning-rate");
  o.schedule.kind = nn::Schedule::Kind::cosine;
  o.schedule.warmup = settings.integer("warmup");
  o.schedule.total = settings.integer("steps");
  o.clipNorm = 1;
  return o;
}

}  // namespace orrery::models
