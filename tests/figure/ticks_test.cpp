#include <cmath>

#include "core/base/philox.h"
#include "core/figure/figure.h"
#include "core/figure/ticks.h"
#include "tests/support/catch.h"

using namespace orrery;

namespace {

// A range of any size and place: the span over 40 decades, the middle within 50 spans of zero.
Range anyRange(std::uint32_t index) {
  const auto words = philox({index, 0, 0, 0}, philoxKey(11));
  const double span = std::pow(10.0, -20 + 40 * static_cast<double>(philoxUniform(words[0])));
  const double middle = span * 100 * (static_cast<double>(philoxUniform(words[1])) - 0.5);
  return {middle - span / 2, middle + span / 2};
}

}  // namespace

TEST_CASE("Linear ticks are 3 to 6, inside the range, evenly spaced by 1, 2, 2.5 or 5 times a power of ten") {
  for (std::uint32_t i = 0; i < 3000; ++i) {
    const Range range = anyRange(i);
    for (const int wanted : {4, 5, 6}) {
      const std::vector<double> ticks = ticksFor(range, ScaleKind::linear, wanted);
      CAPTURE(range.low, range.high, wanted);
      REQUIRE(ticks.size() >= 3);
      REQUIRE(ticks.size() <= 6);
      REQUIRE(ticks.front() >= range.low);
      REQUIRE(ticks.back() <= range.high);
      const double step = (ticks.back() - ticks.front()) / static_cast<double>(ticks.size() - 1);
      const double mantissa = step / std::pow(10.0, std::floor(std::log10(step) + 1e-6));
      // 1e-6: the middle may be 50 spans away, so a step carries a few bits fewer than a double.
      const bool nice = std::abs(mantissa - 1) < 1e-6 || std::abs(mantissa - 2) < 1e-6 || std::abs(mantissa - 2.5) < 1e-6 || std::abs(mantissa - 5) < 1e-6;
      REQUIRE(nice);
      for (std::size_t k = 1; k < ticks.size(); ++k) REQUIRE(std::abs(ticks[k] - ticks[k - 1] - step) < 1e-6 * step);
    }
  }
}

TEST_CASE("Every tick of an axis has its own label") {
  for (std::uint32_t i = 0; i < 1000; ++i) {
    const TickLabels ticks = labelledTicks(anyRange(i), ScaleKind::linear, 5);
    CAPTURE(i);
    REQUIRE(ticks.labels.size() == ticks.at.size());
    for (std::size_t a = 1; a < ticks.labels.size(); ++a) REQUIRE(ticks.labels[a] != ticks.labels[a - 1]);
  }
}

TEST_CASE("Well known ranges get the ticks a person would choose") {
  CHECK(ticksFor({0, 1}, ScaleKind::linear, 5) == std::vector<double>{0, 0.25, 0.5, 0.75, 1});
  CHECK(ticksFor({0, 100}, ScaleKind::linear, 5) == std::vector<double>{0, 25, 50, 75, 100});
  CHECK(labelledTicks({0, 0.3}, ScaleKind::linear, 4).labels == std::vector<std::string>{"0", "0.1", "0.2", "0.3"});
  CHECK(labelledTicks({-1, 1}, ScaleKind::linear, 5).labels == std::vector<std::string>{"\u22121", "\u22120.5", "0", "0.5", "1"});
  CHECK(labelledTicks({0, 20000}, ScaleKind::linear, 5).labels == std::vector<std::string>{"0", "5 000", "10 000", "15 000", "20 000"});
}

TEST_CASE("Log axes tick whole decades, and 2 and 5 between them when there are few") {
  CHECK(ticksFor({1, 1000}, ScaleKind::log, 5) == std::vector<double>{1, 10, 100, 1000});
  CHECK(labelledTicks({1e-6, 1}, ScaleKind::log, 4).labels == std::vector<std::string>{"1e\u22126", "1e\u22124", "1e\u22122", "1e0"});
  CHECK(ticksFor({1, 50}, ScaleKind::log, 5) == std::vector<double>{1, 2, 5, 10, 20, 50});
  for (int decades = 3; decades < 60; ++decades) {
    const auto ticks = ticksFor({1e-20, std::pow(10.0, decades - 20)}, ScaleKind::log, 5);
    CAPTURE(decades);
    CHECK(ticks.size() >= 3);
    CHECK(ticks.size() <= 7);
  }
}

TEST_CASE("Ranges that no axis can show become ranges that one can") {
  const auto usable = [](Range r) { return std::isfinite(r.low) && std::isfinite(r.high) && r.low < r.high; };
  for (const ScaleKind scale : {ScaleKind::linear, ScaleKind::log}) {
    for (const Range range : {Range{1, 0}, Range{NAN, 1}, Range{0, INFINITY}, Range{5, 5}, Range{0, 0}, Range{-3, -3}, Range{1e308, 1.7e308}, Range{1e-320, 2e-320},
                              Range{1, 1 + 1e-15}, Range{-1e300, 1e300}, Range{-5, -1}, Range{0, 10}, Range{-10, 10}}) {
      const Range sane = saneRange(range, scale);
      CAPTURE(range.low, range.high);
      REQUIRE(usable(sane));
      if (scale == ScaleKind::log) REQUIRE(sane.low > 0);
      const auto ticks = ticksFor(range, scale);
      REQUIRE(ticks.size() >= 1);
      REQUIRE(ticks.size() <= 7);
      for (const double tick : ticks) REQUIRE((tick >= sane.low && tick <= sane.high));
    }
  }
}

TEST_CASE("A log range that reaches zero starts at the smallest positive value") {
  CHECK(saneRange({0, 100}, ScaleKind::log, 0.5).low == 0.5);
  CHECK(saneRange({-2, 100}, ScaleKind::log).low == Approx(0.01));
}

TEST_CASE("Numbers are written with the true minus, grouped thousands and no noise") {
  CHECK(formatNumber(0) == "0");
  CHECK(formatNumber(-0.0) == "0");
  CHECK(formatNumber(0.25) == "0.25");
  CHECK(formatNumber(-0.517) == "\u22120.517");
  CHECK(formatNumber(0.1 + 0.2) == "0.3");
  CHECK(formatNumber(1000) == "1 000");
  CHECK(formatNumber(2317) == "2 317");
  CHECK(formatNumber(16777216) == "16 777 216");
  CHECK(formatNumber(1e-5) == "1e\u22125");
  CHECK(formatNumber(-2.5e-7) == "\u22122.5e\u22127");
  CHECK(formatNumber(1.5e12) == "1.5e12");
  CHECK(formatNumber(0.5, 0.25) == "0.50");
  CHECK(formatNumber(3, 0.1) == "3.0");
  CHECK(formatNumber(-1e-12, 0.1) == "0");
  CHECK(formatNumber(NAN) == "NaN");
  CHECK(formatNumber(-INFINITY) == "\u2212\u221E");
}
