#pragma once
// What the parts of the lab generative/sd3 have in common: each shows one published change, in isolation.

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "core/session/lab.h"

namespace orrery::generative::sd3 {

class Part {
 public:
  virtual ~Part() = default;
  // Whether a parameter changed that this part reads.
  virtual bool touched(const LabContext& context) const = 0;
  virtual Expected<void> update(LabContext& context) = 0;
  virtual Panel overview() const = 0;  // its panel among those of all parts
  virtual Figure detail() const = 0;
  virtual void addMetrics(std::vector<Metric>& metrics) const = 0;
  virtual Changes pointer(const PointerEvent&, const Values&) const { return {}; }

  bool stale = true;  // to be computed before it is shown
};

// The values of parameters as one text: what a result was computed for. A part that is not shown misses changes, so LabContext::changed()
// does not tell whether its result still stands.
inline std::string keyOf(const LabContext& context, std::initializer_list<std::string_view> ids) {
  std::string key;
  for (const std::string_view id : ids) {
    const Value& value = context.values().find(id)->second;
    key += toText(value) + "\n";
    if (const auto* asset = std::get_if<Asset>(&value)) key += asset->sha256 + "\n";
  }
  return key;
}

// A panel at a place of a figure.
inline void place(Figure& figure, Panel panel, int row, int column, int rowSpan = 1, int columnSpan = 1) {
  panel.row = row, panel.column = column, panel.rowSpan = rowSpan, panel.columnSpan = columnSpan;
  figure.panels.push_back(std::move(panel));
}

}  // namespace orrery::generative::sd3
