#include "core/session/parameter.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <numbers>

#include "core/session/find_lab.h"
#include "core/session/lab.h"
#include "core/session/nearest.h"
#include "tests/support/catch.h"

using namespace orrery;

namespace {

const Parameter steps{"steps", "Steps", "", "", std::int64_t{18}, Integer{2, 2000}, "", nullptr};
const Parameter rate{"rate", "Rate", "", "", 0.5, Real{-1, 1}, "", nullptr};
const Parameter sigma{"sigma", "Sigma", "", "", 1.0, LogReal{1e-3, 1e3}, "", nullptr};
const Parameter mode{"mode", "Mode", "", "", std::string("a"), Choice{{{"a", "A"}, {"b", "B"}}}, "", nullptr};
const Parameter words{"words", "Words", "", "", std::string(), Text{false, 8}, "", nullptr};
const Parameter grid{"grid", "Grid", "", "", false, Switch{}, "", nullptr};
const Parameter seed{"seed", "Seed", "", "", std::int64_t{0}, Seed{}, "", nullptr};
const Parameter file{"points", "Points", "", "", Asset{}, FileWell{{"npz"}, false}, "", nullptr};

double number(std::string_view text) {
  const auto value = parseNumber(text);
  INFO(text);
  REQUIRE(value);
  return *value;
}

std::string complaint(const Expected<Value>& value) {
  REQUIRE_FALSE(value);
  CHECK(value.error().code == ErrorCode::usage);
  return value.error().message;
}

}  // namespace

TEST_CASE("Typed numbers are calculated as on paper") {
  CHECK(number("1/3") == 1.0 / 3.0);
  CHECK(number("2e-4") == 2e-4);
  CHECK(number("64k") == 65536);
  CHECK(number("1M") == 1048576);
  CHECK(number("2^10") == 1024);
  CHECK(number("pi") == std::numbers::pi);
  CHECK(number("2*pi/4") == std::numbers::pi / 2);
  CHECK(number(" ( 1 + 2 ) * 3 - 4 / 2 ") == 7);
  CHECK(number("-2^2") == -4);
  CHECK(number("2^3^2") == 512);
  CHECK(number("2^-1") == 0.5);
  CHECK(number("1-2-3") == -4);
  CHECK(number("8/2/2") == 2);
  CHECK(number("--3") == 3);
  CHECK(number("\u22120.5") == -0.5);
  CHECK(number(".5") == 0.5);
}

TEST_CASE("What is not a finite number is refused") {
  for (const auto* text : {"",    "  ", "abc", "1/0",  "0/0", "nan", "inf", "1e999", "1e308*10", "0,5",
                           "1 2", "(1", "1)",  "2**3", "1+",  "*2",  "k",   "3kk",   "0x10",     "pie"}) {
    INFO(text);
    CHECK_FALSE(parseNumber(text));
  }
  CHECK_FALSE(parseNumber(std::string(100000, '(')));
  CHECK_FALSE(parseNumber(std::string(100000, '-') + "1"));
}

TEST_CASE("A value outside its domain is refused with the name, the value and the domain") {
  CHECK(complaint(checked(steps, std::int64_t{0})) == "steps: 0 is outside 2 to 2000");
  CHECK(complaint(parseValue(steps, "0")) == "steps: 0 is outside 2 to 2000");
  CHECK(complaint(parseValue(steps, "5/2")) == "steps: 2.5 is not a whole number");
  CHECK(complaint(parseValue(rate, "1.5")) == "rate: 1.5 is outside -1 to 1");
  CHECK(complaint(parseValue(mode, "c")) == "mode: 'c' is not one of a, b");
  CHECK(complaint(parseValue(grid, "maybe")) == "grid: 'maybe' is not on or off");
  CHECK(complaint(parseValue(seed, "-1")) == "seed: -1 is outside 0 to 4294967295");
  CHECK(complaint(parseValue(words, "far too long")) == "words: the text has 12 bytes, at most 8 are allowed");
  CHECK(complaint(checked(rate, std::numeric_limits<double>::quiet_NaN())).find("not a finite number") != std::string::npos);
  CHECK(complaint(checked(sigma, std::numeric_limits<double>::infinity())).find("not a finite number") != std::string::npos);
  CHECK(complaint(checked(steps, 1e300)).find("outside 2 to 2000") != std::string::npos);
  CHECK(complaint(checked(words, std::string("\xff"))).find("UTF-8") != std::string::npos);
  CHECK(complaint(checked(words, std::string("\xed\xa0\x80"))).find("UTF-8") != std::string::npos);
  CHECK_FALSE(checked(sigma, 0.0));
  CHECK_FALSE(checked(grid, std::int64_t{1}));
  CHECK_FALSE(checked(rate, std::string("0.5")));
  CHECK_FALSE(checked(file, std::string("path")));
}

TEST_CASE("Values at the ends of a domain are inside, and integers are widened for reals") {
  CHECK(*checked(steps, std::int64_t{2}) == Value(std::int64_t{2}));
  CHECK(*checked(steps, 2000.0) == Value(std::int64_t{2000}));
  CHECK(*checked(rate, std::int64_t{1}) == Value(1.0));
  CHECK(*parseValue(seed, "4294967295") == Value(std::int64_t{4294967295}));
  CHECK(*parseValue(steps, "2^10") == Value(std::int64_t{1024}));
  CHECK(*checked(words, std::string("量子")) == Value(std::string("量子")));
  CHECK(*parseValue(grid, "on") == Value(true));
  CHECK(*parseValue(file, "a b.npz") == Value(Asset{"a b.npz", ""}));
}

TEST_CASE("Every value survives the way through text and through JSON") {
  const std::vector<std::pair<Parameter, Value>> cases = {{steps, std::int64_t{18}},
                                                          {rate, 1.0 / 3.0},
                                                          {rate, 0.1 + 0.2},
                                                          {sigma, 2e-3},
                                                          {mode, std::string("b")},
                                                          {words, std::string("a\nb=c")},
                                                          {grid, true},
                                                          {grid, false},
                                                          {seed, std::int64_t{4294967295}},
                                                          {file, Asset{"/x/y.npz", ""}}};
  for (const auto& [parameter, value] : cases) {
    INFO(parameter.id);
    CHECK(*parseValue(parameter, toText(value)) == value);
    const auto text = toJson(value).dump();
    CHECK(*valueFromJson(parameter, nlohmann::json::parse(text)) == value);
  }
  const Value withSum = Asset{"/x", "ab12"};
  CHECK(*valueFromJson(file, toJson(withSum)) == withSum);
}

TEST_CASE("JSON of the wrong kind is refused") {
  for (const auto* text : {"null", "[]", "{}", "\"x\"", "true", "1e400", "18446744073709551615", "{\"path\":1}"}) {
    INFO(text);
    const auto json = nlohmann::json::parse(text, nullptr, false);
    if (json.is_discarded()) continue;
    CHECK_FALSE(valueFromJson(steps, json));
  }
  CHECK_FALSE(valueFromJson(file, nlohmann::json::object()));
  CHECK_FALSE(valueFromJson(mode, nlohmann::json(1)));
}

TEST_CASE("Pointer actions beyond a domain mean its end") {
  CHECK(clamped(steps, 1.2) == Value(std::int64_t{2}));
  CHECK(clamped(steps, 17.6) == Value(std::int64_t{18}));
  CHECK(clamped(rate, 7.0) == Value(1.0));
  CHECK(clamped(sigma, 0.0) == Value(1e-3));
  CHECK(clamped(mode, std::string("zzz")) == Value(std::string("zzz")));
}

TEST_CASE("Domains say their kind and ends") {
  CHECK(kindOf(steps.domain) == "int");
  CHECK(kindOf(sigma.domain) == "log");
  CHECK(kindOf(file.domain) == "file");
  CHECK(kindOf(seed.domain) == "seed");
  CHECK(toJson(steps.domain)["high"] == 2000);
  CHECK(toJson(mode.domain)["options"][1]["id"] == "b");
}

TEST_CASE("A mistyped name finds the one that was meant") {
  const std::vector<std::string> names{"attention/softmax-attention", "generative/sde-vs-ode", "vision/detection-map"};
  CHECK(nearest("sde-vs-oed", names).at(0) == "generative/sde-vs-ode");
  CHECK(nearest("detectionmap", names).at(0) == "vision/detection-map");
  CHECK(nearest("attention", names).at(0) == "attention/softmax-attention");
  CHECK(nearest("zzzzzz", names).empty());
  CHECK(nearest(std::string(100000, 'a'), names).empty());
  CHECK_FALSE(findLab("test/fkae"));
  CHECK(findLab("test/fkae").error().message.find("'test/fake'") != std::string::npos);
  CHECK((*findLab("fake"))->id == "test/fake");
}

TEST_CASE("The defaults and presets of every lab lie in their domains") {
  for (const auto& lab : registered<LabEntry>()) {
    for (const auto& parameter : lab.parameters) {
      INFO(lab.id << " " << parameter.id);
      const auto value = checked(parameter, parameter.initial);
      CHECK(value);
    }
    for (const auto& preset : lab.presets) {
      for (const auto& [id, value] : preset.values) {
        INFO(lab.id << " " << preset.id << " " << id);
        const auto* parameter = lab.find(id);
        REQUIRE(parameter);
        CHECK(checked(*parameter, value));
      }
    }
    for (const auto& acceptance : lab.accepts) {
      INFO(lab.id << " " << acceptance.kinds);
      const auto* well = lab.find(acceptance.parameter);
      REQUIRE(well);
      CHECK(std::holds_alternative<FileWell>(well->domain));
    }
  }
}
