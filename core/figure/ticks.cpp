#include "core/figure/ticks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace orrery {

namespace {

constexpr const char* minus = "\u2212";
constexpr std::array<double, 4> steps{1, 2, 2.5, 5};

std::string withTrueMinus(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '-') result += minus;
    else result += c;
  }
  return result;
}

// "12345.5" -> "12 345.5".
std::string grouped(const std::string& digits) {
  const std::size_t start = digits.starts_with('-') ? 1 : 0;
  const std::size_t end = std::min(digits.find('.'), digits.size());
  std::string result;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > start && i < end && (end - i) % 3 == 0) result += ' ';
    result += digits[i];
  }
  return result;
}

std::string withoutTrailingZeros(std::string text) {
  if (text.find('.') == std::string::npos || text.find('e') != std::string::npos) return text;
  while (text.ends_with('0')) text.pop_back();
  if (text.ends_with('.')) text.pop_back();
  return text;
}

// Decimals that write `step` exactly: 0.25 -> 2, 5 -> 0.
int decimalsOf(double step) {
  const int exponent = static_cast<int>(std::floor(std::log10(step) + 1e-9));
  int decimals = std::max(0, -exponent);
  const double leading = step / std::pow(10.0, exponent);
  const bool half = std::abs(leading - std::round(leading)) > 1e-6;       // 2.5: one digit more
  if (half && exponent < 1) ++decimals;
  return decimals;
}

std::string fixedForm(double value, int decimals) {
  std::string text = grouped(fmt::format("{:.{}f}", value, std::min(decimals, 12)));
  const bool zero = text.find_first_of("123456789") == std::string::npos;
  if (zero && text.starts_with('-')) text.erase(0, 1);
  return withTrueMinus(text);
}

// "2.5e-7" with at most `digits` digits after the point.
std::string exponentForm(double value, int digits) {
  const std::string text = fmt::format("{:.{}e}", value, std::clamp(digits, 0, 15));
  const std::size_t e = text.find('e');
  const int exponent = std::stoi(text.substr(e + 1));
  return withTrueMinus(fmt::format("{}e{}", withoutTrailingZeros(text.substr(0, e)), exponent));
}

std::string notFinite(double value) {
  if (std::isnan(value)) return "NaN";
  return value > 0 ? "\u221E" : std::string(minus) + "\u221E";
}

bool prefersExponent(double largest, double step) { return largest >= 1e6 || (step < 1e-4 && largest < 1e-2); }

std::string formatOnAxis(double value, double step, double largest) {
  if (value == 0 || std::abs(value) < step * 1e-6) return "0";
  if (!prefersExponent(largest, step)) return fixedForm(value, decimalsOf(step));
  const int digits = static_cast<int>(std::floor(std::log10(std::abs(value)))) + decimalsOf(step / std::pow(10.0, std::floor(std::log10(step)))) -
                     static_cast<int>(std::floor(std::log10(step)));
  return exponentForm(value, digits);
}

struct Candidate {
  double step = 0, first = 0, count = 0;
};

// Ticks k * step inside the range; a hair of tolerance keeps the ends of [0, 0.3].
Candidate countTicks(Range range, double step) {
  const double slack = 1e-9 * (range.high - range.low) / step;
  const double first = std::ceil(range.low / step - slack);
  const double last = std::floor(range.high / step + slack);
  return {step, first, last - first + 1};
}

std::vector<double> linearTicks(Range range, int wanted, double* stepOut) {
  const double span = range.high - range.low;
  const int exponent = static_cast<int>(std::floor(std::log10(span)));
  Candidate best;
  double bestPenalty = 1e300;
  for (int k = exponent - 2; k <= exponent + 1; ++k) {
    for (const double mantissa : steps) {
      const double step = k >= 0 ? mantissa * std::pow(10.0, k) : mantissa / std::pow(10.0, -k);
      if (!std::isfinite(step) || step <= 0) continue;
      const Candidate candidate = countTicks(range, step);
      if (candidate.count < 1) continue;
      // Near the wanted number, rather one more than one fewer, and 2.5 only when it is clearly better.
      const double off = candidate.count - wanted;
      double penalty = (off < 0 ? -1.5 * off : off) + (mantissa == 2.5 ? 0.4 : 0.0) + (mantissa == 2.0 ? 0.1 : 0.0);
      if (candidate.count > 6) penalty += 10;
      if (candidate.count < 3) penalty += 5;
      if (penalty < bestPenalty) {
        bestPenalty = penalty;
        best = candidate;
      }
    }
  }
  std::vector<double> ticks;
  for (int i = 0; i < static_cast<int>(best.count); ++i) {
    double value = (best.first + i) * best.step;
    if (std::abs(value) < best.step * 1e-9) value = 0;
    ticks.push_back(std::clamp(value, range.low, range.high));
  }
  if (stepOut) *stepOut = best.step;
  return ticks;
}

// Decades, every k-th when there are many; with 2 and 5 between them when there are few; linear ticks inside less than a decade.
std::vector<double> logTicks(Range range, int wanted, double* stepOut) {
  const double low = std::log10(range.low), high = std::log10(range.high);
  if (stepOut) *stepOut = 0;
  const int first = static_cast<int>(std::ceil(low - 1e-9)), last = static_cast<int>(std::floor(high + 1e-9));
  const int decades = last - first + 1;
  std::vector<double> ticks;
  if (decades >= 3) {
    const int limit = std::clamp(wanted + 1, 4, 6);
    // Start at a multiple of the stride, so that 1 is among the ticks where it can be.
    const auto startOf = [&](int stride) { return first + ((-first % stride) + stride) % stride; };
    const auto countOf = [&](int stride) { return (last - startOf(stride)) / stride + 1; };
    int stride = 1;
    while (countOf(stride) > limit) ++stride;
    int start = startOf(stride);
    if (countOf(stride) < 3) start = first;
    for (int k = start; k <= last; k += stride) ticks.push_back(std::clamp(std::pow(10.0, k), range.low, range.high));
    return ticks;
  }
  for (int k = static_cast<int>(std::floor(low)); k <= last + 1; ++k) {
    for (const double m : {1.0, 2.0, 5.0}) {
      const double value = k >= 0 ? m * std::pow(10.0, k) : m / std::pow(10.0, -k);
      if (value >= range.low * (1 - 1e-9) && value <= range.high * (1 + 1e-9)) ticks.push_back(std::clamp(value, range.low, range.high));
    }
  }
  if (ticks.size() >= 3 && ticks.size() <= 7) return ticks;
  return linearTicks(range, wanted, stepOut);
}

}  // namespace

Range saneRange(Range range, ScaleKind scale, double positive) {
  if (!std::isfinite(range.low) || !std::isfinite(range.high) || range.low > range.high) range = scale == ScaleKind::log ? Range{0.1, 10} : Range{0, 1};
  // Keep every difference representable: beyond this the span itself overflows.
  range.low = std::clamp(range.low, -1e300, 1e300);
  range.high = std::clamp(range.high, -1e300, 1e300);
  if (scale == ScaleKind::log) {
    if (range.high <= 0) return {0.1, 10};
    range.high = std::max(range.high, 1e-290);
    if (range.low <= 0) range.low = positive > 0 && positive < range.high ? positive : range.high * 1e-4;
    if (range.low < 1e-300) range.low = 1e-300;
    if (range.high / range.low < 1 + 1e-9) return {range.low / 2, range.high * 2};
    return range;
  }
  const double size = std::max(std::abs(range.low), std::abs(range.high));
  // A constant, or a span below what doubles can divide: open it around the value.
  if (range.high - range.low <= size * 1e-12 || range.high - range.low < 1e-300) {
    const double half = size < 1e-299 ? 1.0 : 0.1 * size;
    const double middle = 0.5 * range.low + 0.5 * range.high;
    return {middle - half, middle + half};
  }
  return range;
}

std::vector<double> ticksFor(Range range, ScaleKind scale, int wanted) {
  const Range sane = saneRange(range, scale);
  return scale == ScaleKind::log ? logTicks(sane, wanted, nullptr) : linearTicks(sane, wanted, nullptr);
}

TickLabels labelledTicks(Range range, ScaleKind scale, int wanted) {
  const Range sane = saneRange(range, scale);
  TickLabels result;
  double step = 0;
  result.at = scale == ScaleKind::log ? logTicks(sane, wanted, &step) : linearTicks(sane, wanted, &step);
  double largest = 0, smallest = 1e300;
  for (const double value : result.at) {
    largest = std::max(largest, std::abs(value));
    if (value != 0) smallest = std::min(smallest, std::abs(value));
  }
  const bool decadesPlain = smallest >= 9e-4 && largest < 99999;
  for (const double value : result.at) {
    if (step > 0) result.labels.push_back(withoutTrailingZeros(formatOnAxis(value, step, largest)));
    else result.labels.push_back(decadesPlain ? formatNumber(value) : exponentForm(value, 0));
  }
  return result;
}

std::string formatNumber(double value, double step) {
  if (!std::isfinite(value)) return notFinite(value);
  if (step > 0 && std::isfinite(step)) return formatOnAxis(value, step, std::abs(value));
  if (value == 0) return "0";
  const double size = std::abs(value);
  // Whole numbers are written in full: "16 777 216".
  if (value == std::round(value) && size < 1e9) return fixedForm(value, 0);
  if (size >= 1e6 || size < 1e-4) return exponentForm(value, 3);
  const int decimals = std::max(0, 3 - static_cast<int>(std::floor(std::log10(size))));
  return withTrueMinus(grouped(withoutTrailingZeros(fmt::format("{:.{}f}", value, decimals))));
}

}  // namespace orrery
