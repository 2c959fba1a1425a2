// What every LabContext shares, and looking labs up.

#include "core/session/lab.h"

#include <cassert>

#include "core/session/find_lab.h"
#include "core/session/nearest.h"

namespace orrery {

namespace {

const Value& valueOf(const Values& values, std::string_view id) {
  const auto found = values.find(id);
  assert(found != values.end() && "a lab asked for a parameter it does not declare");
  return found->second;
}

}  // namespace

bool LabContext::flag(std::string_view id) const { return std::get<bool>(valueOf(values(), id)); }
std::int64_t LabContext::integer(std::string_view id) const { return std::get<std::int64_t>(valueOf(values(), id)); }

double LabContext::number(std::string_view id) const {
  const Value& value = valueOf(values(), id);
  const auto* whole = std::get_if<std::int64_t>(&value);
  return whole ? static_cast<double>(*whole) : std::get<double>(value);
}

const std::string& LabContext::text(std::string_view id) const { return std::get<std::string>(valueOf(values(), id)); }
const Asset& LabContext::file(std::string_view id) const { return std::get<Asset>(valueOf(values(), id)); }

bool LabContext::anyChanged(std::initializer_list<std::string_view> ids) const {
  for (const auto id : ids) {
    if (changed(id)) return true;
  }
  return false;
}

const Parameter* LabEntry::find(std::string_view parameter) const {
  for (const auto& candidate : parameters) {
    if (candidate.id == parameter) return &candidate;
  }
  return nullptr;
}

const Acceptance* LabEntry::takes(const FileReport& report, int* score) const {
  const Acceptance* best = nullptr;
  int bestScore = 0;
  for (const Acceptance& acceptance : accepts) {
    const int value = acceptance.score ? acceptance.score(report) : 0;
    if (value > bestScore) best = &acceptance, bestScore = value;
  }
  if (score) *score = bestScore;
  return best;
}

const Acceptance* LabEntry::takesTogether(std::span<const FileReport> reports, int* score) const {
  const Acceptance* best = nullptr;
  int bestScore = 0;
  for (const Acceptance& acceptance : accepts) {
    if (acceptance.names.empty() || !acceptance.score) continue;
    int sum = 0;
    for (const FileReport& report : reports) {
      const int value = acceptance.score(report);
      sum = value > 0 && sum >= 0 ? sum + value : -1;
    }
    if (sum > bestScore) best = &acceptance, bestScore = sum;
  }
  if (score) *score = bestScore;
  return best;
}

Expected<const LabEntry*> findLab(std::string_view id) {
  if (const auto* entry = findRegistered<LabEntry>(id)) return entry;

  // Accept the last part alone where it is unique: "sde-vs-ode" for "generative/sde-vs-ode".
  const LabEntry* match = nullptr;
  int matches = 0;
  std::vector<std::string> ids;
  for (const auto& entry : registered<LabEntry>()) {
    if (entry.id.substr(entry.id.find('/') + 1) == id) match = &entry, ++matches;
    ids.push_back(entry.id);
  }
  if (matches == 1) return match;
  const auto close = nearest(id, ids);
  if (close.empty()) return makeError(ErrorCode::usage, trf("there is no lab '{}'; `orrery labs` lists them", id));
  return makeError(ErrorCode::usage, trf("there is no lab '{}'; did you mean {}?", id, joined(close)));
}

}  // namespace orrery
