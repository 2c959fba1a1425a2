#pragma once
// Parameters: the single declaration from which the inspector, undo, presets, session files, the command line, sweeps and figures that
// reopen all follow. Everything a result depends on is a parameter: sliders, choices, seeds and the files dropped in.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/base/expected.h"

namespace orrery {

// A file or folder the user gave. An empty path = none (the lab's built-in input).
struct Asset {
  std::string path;
  std::string sha256;                       // of the content when it was opened; empty for folders
  bool operator==(const Asset&) const = default;
};

using Value = std::variant<bool, std::int64_t, double, std::string, Asset>;
using Values = std::map<std::string, Value, std::less<>>;

struct Switch {};                                                          // bool            kind "switch"
struct Integer { std::int64_t low = 0, high = 100; bool logarithmic = false; };   // int64    kind "int"
struct Real { double low = 0, high = 1; double step = 0; };                // double          kind "float"
struct LogReal { double low = 1e-3, high = 1e3; };                         // double, > 0     kind "log"
struct Choice {                                                            // string (an id)  kind "choice"
  struct Option { std::string id, label; };
  std::vector<Option> options;
};
struct Text { bool multiline = false; std::size_t longest = 1 << 16; };    // string          kind "text"
struct FileWell { std::vector<std::string> kinds; bool folder = false; };  // Asset           kind "file"; FileFormat ids
struct Seed {};                                                            // int64 0..2^32-1 kind "seed"

using Domain = std::variant<Switch, Integer, Real, LogReal, Choice, Text, FileWell, Seed>;

std::string_view kindOf(const Domain& domain);                             // the names above
nlohmann::json toJson(const Domain& domain);                               // {"low":..,"high":..} | {"options":[..]} | ...

struct Parameter {
  std::string id;                           // "noise-share-left"
  std::string label;                        // English, sentence case, the symbol last: "Noise share left ζ"
  std::string help;                         // one sentence
  std::string group;                        // "Density", "Samplers", ... the inspector's headings
  Value initial;
  Domain domain;
  std::string unit;                         // "nats", "px", "" ...
  bool (*visible)(const Values&) = nullptr; // shown by the inspector only when true (still settable)
};

// The value if it lies in the domain (integers given for reals are widened), otherwise a usage error that names the parameter, the value
// and the domain: "steps: 0 is outside 2 to 2000".
Expected<Value> checked(const Parameter& parameter, const Value& value);

// Numbers outside the domain become its nearer end; anything else is returned as it is. For pointer actions.
Value clamped(const Parameter& parameter, const Value& value);

// From text as typed by a user or given to --set: numbers accept expressions (1/3, 2e-4, 64k = 65536, 2^10, pi), switches on/off/true/false/1/0,
// choices an id, files a path.
Expected<Value> parseValue(const Parameter& parameter, std::string_view text);
Expected<double> parseNumber(std::string_view text);

std::string toText(const Value& value);                                    // parseValue() reads it back
nlohmann::json toJson(const Value& value);
Expected<Value> valueFromJson(const Parameter& parameter, const nlohmann::json& json);

}  // namespace orrery
