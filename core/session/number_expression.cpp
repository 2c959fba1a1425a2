// Numbers as people type them: a small calculator, independent of the locale.
//
//   sum      = product (('+' | '-') product)*
//   product  = signed (('*' | '/') signed)*
//   signed   = ('+' | '-') signed | power
//   power    = primary ('^' signed)?                 right-associative, binds tighter than the sign: -2^2 = -4
//   primary  = number suffix? | 'pi' | '(' sum ')'
//   suffix   = 'k' | 'M'                             1024 and 1024^2, as sequence lengths and particle counts are counted: 64k = 65536
//
// The true minus sign, the multiplication signs and the letter pi of Unicode are accepted, because the program itself prints them.

#include <charconv>
#include <cmath>
#include <numbers>
#include <optional>

#include "core/base/text.h"
#include "core/session/parameter.h"

namespace orrery {

namespace {

// Deep enough for any person, shallow enough for any stack.
constexpr int deepest = 64;

class Calculator {
 public:
  explicit Calculator(std::string_view text) : text_(text) {}

  std::optional<double> run() {
    const auto value = sum(0);
    skipBlanks();
    if (!value || at_ != text_.size()) return std::nullopt;
    return value;
  }

 private:
  void skipBlanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }

  bool take(std::string_view token) {
    skipBlanks();
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }

  bool takeMinus() { return take("-") || take("\u2212"); }
  bool takeTimes() { return take("*") || take("\u00d7") || take("\u00b7"); }

  std::optional<double> sum(int depth) {
    auto value = product(depth);
    while (value) {
      const bool plus = take("+");
      if (!plus && !takeMinus()) break;
      const auto right = product(depth);
      if (!right) return std::nullopt;
      value = plus ? *value + *right : *value - *right;
    }
    return value;
  }

  std::optional<double> product(int depth) {
    auto value = withSign(depth);
    while (value) {
      const bool times = takeTimes();
      if (!times && !take("/")) break;
      const auto right = withSign(depth);
      if (!right) return std::nullopt;
      value = times ? *value * *right : *value / *right;
    }
    return value;
  }

  std::optional<double> withSign(int depth) {
    if (depth > deepest) return std::nullopt;
    if (take("+")) return withSign(depth + 1);
    if (takeMinus()) {
      const auto value = withSign(depth + 1);
      return value ? std::optional(-*value) : std::nullopt;
    }
    return power(depth);
  }

  std::optional<double> power(int depth) {
    const auto base = primary(depth);
    if (!base || !take("^")) return base;
    const auto exponent = withSign(depth + 1);
    return exponent ? std::optional(std::pow(*base, *exponent)) : std::nullopt;
  }

  std::optional<double> primary(int depth) {
    if (take("(")) {
      const auto value = sum(depth + 1);
      return value && take(")") ? value : std::nullopt;
    }
    if (take("pi") || take("\u03c0")) return std::numbers::pi;
    return literal();
  }

  std::optional<double> literal() {
    skipBlanks();
    // from_chars would also read "inf" and "nan".
    if (at_ >= text_.size() || !(text_[at_] == '.' || (text_[at_] >= '0' && text_[at_] <= '9'))) return std::nullopt;
    double value = 0;
    const char* begin = text_.data() + at_;
    const auto [end, code] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (code != std::errc()) return std::nullopt;
    at_ += static_cast<std::size_t>(end - begin);
    if (at_ < text_.size() && text_[at_] == 'k') return ++at_, value * 1024.0;
    if (at_ < text_.size() && text_[at_] == 'M') return ++at_, value * 1024.0 * 1024.0;
    return value;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Expected<double> parseNumber(std::string_view text) {
  const auto value = Calculator(text).run();
  if (!value) return makeError(ErrorCode::usage, trf("'{}' is not a number (examples: 0.5, 1/3, 2e-4, 64k, 2^10, pi)", text));
  if (!std::isfinite(*value)) return makeError(ErrorCode::usage, trf("'{}' is not a finite number", text));
  return *value;
}

}  // namespace orrery
