// Domains, checking and conversion of parameter values. See parameter.h.

#include "core/session/parameter.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/base/text.h"

namespace orrery {

namespace {

constexpr std::int64_t largestSeed = 0xFFFFFFFFll;
// Doubles hold every integer up to here; beyond, "a whole number" is no longer a claim we can check.
constexpr double largestExactInteger = 9007199254740992.0;

Error usage(const Parameter& parameter, std::string_view what) {
  return makeError(ErrorCode::usage, fmt::format("{}: {}", parameter.id, what));
}

// Whether the text is well-formed UTF-8: session files and recipes are JSON and could not hold anything else.
bool isUtf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const int follow = lead < 0x80                   ? 0
                       : lead >= 0xC2 && lead < 0xE0 ? 1
                       : lead >= 0xE0 && lead < 0xF0 ? 2
                       : lead >= 0xF0 && lead < 0xF5 ? 3
                                                     : -1;
    if (follow < 0 || i + static_cast<std::size_t>(follow) >= text.size()) return false;
    std::uint32_t code = follow == 0 ? lead : lead & (0x3Fu >> follow);
    for (int k = 1; k <= follow; ++k) {
      const auto next = static_cast<unsigned char>(text[i + static_cast<std::size_t>(k)]);
      if ((next & 0xC0) != 0x80) return false;
      code = code << 6 | (next & 0x3F);
    }
    // Overlong three- and four-byte forms, surrogates, and beyond the last plane.
    if ((follow == 2 && code < 0x800) || (follow == 3 && (code < 0x10000 || code > 0x10FFFF)) || (code >= 0xD800 && code < 0xE000))
      return false;
    i += static_cast<std::size_t>(follow) + 1;
  }
  return true;
}

std::optional<double> asNumber(const Value& value) {
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return static_cast<double>(*whole);
  if (const auto* real = std::get_if<double>(&value)) return *real;
  return std::nullopt;
}

std::string choicesOf(const Choice& choice) {
  std::string ids;
  for (const auto& option : choice.options) ids += (ids.empty() ? "" : ", ") + option.id;
  return ids;
}

Expected<Value> checkedInteger(const Parameter& parameter, const Value& value, std::int64_t low, std::int64_t high) {
  std::int64_t whole = 0;
  if (const auto* given = std::get_if<std::int64_t>(&value)) {
    whole = *given;
  } else if (const auto* real = std::get_if<double>(&value)) {
    if (!std::isfinite(*real)) return usage(parameter, trf("{} is not a finite number", toText(value)));
    if (*real != std::floor(*real)) return usage(parameter, trf("{} is not a whole number", toText(value)));
    if (std::abs(*real) > largestExactInteger) return usage(parameter, trf("{} is outside {} to {}", toText(value), low, high));
    whole = static_cast<std::int64_t>(*real);
  } else {
    return usage(parameter, trf("needs a whole number from {} to {}", low, high));
  }
  if (whole < low || whole > high) return usage(parameter, trf("{} is outside {} to {}", whole, low, high));
  return Value(whole);
}

Expected<Value> checkedReal(const Parameter& parameter, const Value& value, double low, double high) {
  const auto number = asNumber(value);
  if (!number) return usage(parameter, trf("needs a number from {} to {}", low, high));
  if (!std::isfinite(*number)) return usage(parameter, trf("{} is not a finite number", toText(value)));
  if (*number < low || *number > high) return usage(parameter, trf("{} is outside {} to {}", *number, low, high));
  return Value(*number);
}

struct Check {
  const Parameter& parameter;
  const Value& value;

  Expected<Value> operator()(const Switch&) const {
    if (!std::holds_alternative<bool>(value)) return usage(parameter, tr("needs on or off"));
    return value;
  }
  Expected<Value> operator()(const Integer& domain) const { return checkedInteger(parameter, value, domain.low, domain.high); }
  Expected<Value> operator()(const Real& domain) const { return checkedReal(parameter, value, domain.low, domain.high); }
  Expected<Value> operator()(const LogReal& domain) const { return checkedReal(parameter, value, domain.low, domain.high); }
  Expected<Value> operator()(const Choice& domain) const {
    const auto* id = std::get_if<std::string>(&value);
    if (!id) return usage(parameter, trf("needs one of {}", choicesOf(domain)));
    for (const auto& option : domain.options) {
      if (option.id == *id) return value;
    }
    return usage(parameter, trf("'{}' is not one of {}", *id, choicesOf(domain)));
  }
  Expected<Value> operator()(const Text& domain) const {
    const auto* text = std::get_if<std::string>(&value);
    if (!text) return usage(parameter, tr("needs a text"));
    if (text->size() > domain.longest)
      return usage(parameter, trf("the text has {} bytes, at most {} are allowed", text->size(), domain.longest));
    if (!isUtf8(*text)) return usage(parameter, tr("the text is not valid UTF-8"));
    return value;
  }
  Expected<Value> operator()(const FileWell&) const {
    if (!std::holds_alternative<Asset>(value)) return usage(parameter, tr("needs a file"));
    return value;
  }
  Expected<Value> operator()(const Seed&) const { return checkedInteger(parameter, value, 0, largestSeed); }
};

Expected<Value> numberFrom(const Parameter& parameter, std::string_view text) {
  // Keep whole numbers exact: a double would round beyond 2^53.
  std::int64_t whole = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), whole);
  if (code == std::errc() && end == text.data() + text.size()) return checked(parameter, Value(whole));
  const auto number = parseNumber(text);
  if (!number) return usage(parameter, number.error().message);
  return checked(parameter, Value(*number));
}

struct Parse {
  const Parameter& parameter;
  std::string_view text;

  Expected<Value> operator()(const Switch&) const {
    if (text == "on" || text == "true" || text == "1" || text == "yes") return Value(true);
    if (text == "off" || text == "false" || text == "0" || text == "no") return Value(false);
    return usage(parameter, trf("'{}' is not on or off", text));
  }
  Expected<Value> operator()(const Choice&) const { return checked(parameter, Value(std::string(text))); }
  Expected<Value> operator()(const Text&) const { return checked(parameter, Value(std::string(text))); }
  Expected<Value> operator()(const FileWell&) const { return checked(parameter, Value(Asset{std::string(text), {}})); }
  template <class Number>
  Expected<Value> operator()(const Number&) const {
    return numberFrom(parameter, text);
  }
};

}  // namespace

std::string_view kindOf(const Domain& domain) {
  constexpr std::string_view names[] = {"switch", "int", "float", "log", "choice", "text", "file", "seed"};
  static_assert(std::size(names) == std::variant_size_v<Domain>);
  return names[domain.index()];
}

nlohmann::json toJson(const Domain& domain) {
  struct Convert {
    nlohmann::json operator()(const Switch&) const { return nlohmann::json::object(); }
    nlohmann::json operator()(const Integer& d) const { return {{"low", d.low}, {"high", d.high}, {"logarithmic", d.logarithmic}}; }
    nlohmann::json operator()(const Real& d) const {
      nlohmann::json json{{"low", d.low}, {"high", d.high}};
      if (d.step > 0) json["step"] = d.step;
      return json;
    }
    nlohmann::json operator()(const LogReal& d) const { return {{"low", d.low}, {"high", d.high}}; }
    nlohmann::json operator()(const Choice& d) const {
      auto options = nlohmann::json::array();
      for (const auto& option : d.options) options.push_back({{"id", option.id}, {"label", tr(option.label)}});
      return {{"options", options}};
    }
    nlohmann::json operator()(const Text& d) const { return {{"multiline", d.multiline}, {"longest", d.longest}}; }
    nlohmann::json operator()(const FileWell& d) const { return {{"kinds", d.kinds}, {"folder", d.folder}}; }
    nlohmann::json operator()(const Seed&) const { return {{"low", 0}, {"high", largestSeed}}; }
  };
  return std::visit(Convert{}, domain);
}

Expected<Value> checked(const Parameter& parameter, const Value& value) { return std::visit(Check{parameter, value}, parameter.domain); }

Value clamped(const Parameter& parameter, const Value& value) {
  const auto number = asNumber(value);
  if (!number || !std::isfinite(*number)) return value;
  if (const auto* domain = std::get_if<Integer>(&parameter.domain)) {
    if (*number <= static_cast<double>(domain->low)) return domain->low;
    if (*number >= static_cast<double>(domain->high)) return domain->high;
    return static_cast<std::int64_t>(std::llround(*number));
  }
  if (const auto* real = std::get_if<Real>(&parameter.domain)) return std::clamp(*number, real->low, real->high);
  if (const auto* real = std::get_if<LogReal>(&parameter.domain)) return std::clamp(*number, real->low, real->high);
  return value;
}

Expected<Value> parseValue(const Parameter& parameter, std::string_view text) {
  return std::visit(Parse{parameter, text}, parameter.domain);
}

std::string toText(const Value& value) {
  struct Convert {
    std::string operator()(bool on) const { return on ? "on" : "off"; }
    std::string operator()(std::int64_t whole) const { return fmt::format("{}", whole); }
    std::string operator()(double real) const { return fmt::format("{}", real); }  // shortest text that reads back equal
    std::string operator()(const std::string& text) const { return text; }
    std::string operator()(const Asset& asset) const { return asset.path; }
  };
  return std::visit(Convert{}, value);
}

nlohmann::json toJson(const Value& value) {
  struct Convert {
    nlohmann::json operator()(bool on) const { return on; }
    nlohmann::json operator()(std::int64_t whole) const { return whole; }
    nlohmann::json operator()(double real) const { return real; }
    nlohmann::json operator()(const std::string& text) const { return text; }
    nlohmann::json operator()(const Asset& asset) const {
      nlohmann::json json{{"path", asset.path}};
      if (!asset.sha256.empty()) json["sha256"] = asset.sha256;
      return json;
    }
  };
  return std::visit(Convert{}, value);
}

Expected<Value> valueFromJson(const Parameter& parameter, const nlohmann::json& json) {
  const bool file = std::holds_alternative<FileWell>(parameter.domain);
  if (json.is_boolean()) return checked(parameter, Value(json.get<bool>()));
  if (json.is_number_unsigned() && json.get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return checked(parameter, Value(json.get<double>()));
  }
  if (json.is_number_integer()) return checked(parameter, Value(json.get<std::int64_t>()));
  if (json.is_number_float()) return checked(parameter, Value(json.get<double>()));
  if (json.is_string() && file) return checked(parameter, Value(Asset{json.get<std::string>(), {}}));
  if (json.is_string()) return checked(parameter, Value(json.get<std::string>()));
  if (json.is_object() && file) {
    const auto path = json.find("path"), sum = json.find("sha256");
    if (path == json.end() || !path->is_string()) return usage(parameter, tr("a file needs a path"));
    return checked(parameter, Value(Asset{path->get<std::string>(), sum != json.end() && sum->is_string() ? sum->get<std::string>() : ""}));
  }
  return usage(parameter, trf("a value of kind '{}' cannot be read from {}", kindOf(parameter.domain), std::string(json.type_name())));
}

}  // namespace orrery
