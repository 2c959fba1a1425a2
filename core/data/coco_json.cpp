// The JSON pull reader (see coco_json.h).

#include "core/data/coco_json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace orrery {

namespace {

constexpr int deepest = 64;

bool isDigit(char c) { return c >= '0' && c <= '9'; }

void appendUtf8(std::string& to, std::uint32_t code) {
  if (code < 0x80) {
    to += static_cast<char>(code);
  } else if (code < 0x800) {
    to += static_cast<char>(0xC0 | code >> 6);
    to += static_cast<char>(0x80 | (code & 63));
  } else if (code < 0x10000) {
    to += static_cast<char>(0xE0 | code >> 12);
    to += static_cast<char>(0x80 | (code >> 6 & 63));
    to += static_cast<char>(0x80 | (code & 63));
  } else {
    to += static_cast<char>(0xF0 | code >> 18);
    to += static_cast<char>(0x80 | (code >> 12 & 63));
    to += static_cast<char>(0x80 | (code >> 6 & 63));
    to += static_cast<char>(0x80 | (code & 63));
  }
}

}  // namespace

bool JsonCursor::fail(JsonFault fault) {
  if (fault_ == JsonFault::none) {
    fault_ = fault;
    faultAt_ = position();
  }
  return false;
}

char JsonCursor::next() {
  while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
  return at_ == end_ ? '\0' : *at_;
}

bool JsonCursor::expect(char c) {
  const char found = next();
  if (found == c && at_ != end_) {
    ++at_;
    return true;
  }
  return fail(at_ == end_ ? JsonFault::truncated : JsonFault::syntax);
}

bool JsonCursor::open(char c) {
  if (!ok()) return false;
  if (next() != c || at_ == end_) return fail(at_ == end_ ? JsonFault::truncated : JsonFault::wrongType);
  if (++depth_ > deepest) return fail(JsonFault::tooDeep);
  ++at_;
  return true;
}

JsonCursor::Kind JsonCursor::peek() {
  const char c = next();
  if (at_ == end_) return Kind::end;
  if (c == '{') return Kind::object;
  if (c == '[') return Kind::array;
  if (c == '"') return Kind::string;
  if (isDigit(c) || c == '-' || c == '+' || c == '.' || c == 'N' || c == 'I') return Kind::number;
  if (c == 't' || c == 'f') return Kind::boolean;
  if (c == 'n') return Kind::null;
  return Kind::other;
}

bool JsonCursor::literal(std::string_view word) {
  const auto left = static_cast<std::size_t>(end_ - at_);
  if (left < word.size()) return fail(std::string_view(at_, left) == word.substr(0, left) ? JsonFault::truncated : JsonFault::syntax);
  if (std::string_view(at_, word.size()) != word) return fail(JsonFault::syntax);
  at_ += word.size();
  return true;
}

bool JsonCursor::number(double& value) {
  if (!ok()) return false;
  if (peek() != Kind::number) return fail(at_ == end_ ? JsonFault::truncated : JsonFault::wrongType);
  const char* const start = at_;
  bool negative = false;
  if (*at_ == '-' || *at_ == '+') negative = *at_++ == '-';
  if (at_ == end_) return fail(JsonFault::truncated);
  if (*at_ == 'N') {
    value = std::numeric_limits<double>::quiet_NaN();
    return literal("NaN");
  }
  if (*at_ == 'I') {
    value = negative ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
    return literal("Infinity");
  }
  // Gather up to 19 digits and a power of ten; most numbers in these files then need one exact division.
  std::uint64_t mantissa = 0;
  int digits = 0, power = 0;
  const char* const firstDigit = at_;
  for (; at_ != end_ && isDigit(*at_); ++at_) {
    mantissa = mantissa * 10 + static_cast<std::uint64_t>(*at_ - '0');
    digits += digits > 0 || *at_ != '0';
  }
  std::ptrdiff_t length = at_ - firstDigit;
  if (at_ != end_ && *at_ == '.') {
    const char* const fraction = ++at_;
    for (; at_ != end_ && isDigit(*at_); ++at_) {
      mantissa = mantissa * 10 + static_cast<std::uint64_t>(*at_ - '0');
      digits += digits > 0 || *at_ != '0';
    }
    power = -static_cast<int>(std::min<std::ptrdiff_t>(at_ - fraction, 1000));
    length += at_ - fraction;
  }
  if (length == 0) return fail(at_ == end_ ? JsonFault::truncated : JsonFault::syntax);
  bool exponent = false;
  if (at_ != end_ && (*at_ == 'e' || *at_ == 'E')) {
    exponent = true;
    ++at_;
    if (at_ != end_ && (*at_ == '-' || *at_ == '+')) ++at_;
    if (at_ == end_) return fail(JsonFault::truncated);
    if (!isDigit(*at_)) return fail(JsonFault::syntax);
    while (at_ != end_ && isDigit(*at_)) ++at_;
  }
  static constexpr std::array<double, 23> powers{1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                                 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  if (!exponent && digits <= 19 && mantissa <= (std::uint64_t{1} << 53) && power >= -22) {
    value = static_cast<double>(mantissa) / powers[static_cast<std::size_t>(-power)];
    if (negative) value = -value;
    return true;
  }
  const char* from = *start == '+' ? start + 1 : start;
  const auto parsed = std::from_chars(from, at_, value);
  if (parsed.ec == std::errc::result_out_of_range) {
    // 1e400 and 1e-400: infinite or zero; the sign of the exponent tells which.
    const std::string_view text(from, static_cast<std::size_t>(at_ - from));
    const bool tiny = text.find("e-") != std::string_view::npos || text.find("E-") != std::string_view::npos;
    value = tiny ? 0.0 : negative ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
    return true;
  }
  return parsed.ec == std::errc() || fail(JsonFault::syntax);
}

bool JsonCursor::token(std::string_view& text, bool& quoted) {
  if (!ok()) return false;
  quoted = peek() == Kind::string;
  if (quoted) return string(text);
  const char* const start = at_;
  double value = 0;
  if (!number(value)) return false;
  text = std::string_view(start, static_cast<std::size_t>(at_ - start));
  return true;
}

bool JsonCursor::string(std::string_view& value) {
  if (!ok()) return false;
  if (next() != '"' || at_ == end_) return fail(at_ == end_ ? JsonFault::truncated : JsonFault::wrongType);
  const char* const start = ++at_;
  while (at_ != end_ && *at_ != '"' && *at_ != '\\') ++at_;
  if (at_ == end_) return fail(JsonFault::truncated);
  if (*at_ == '"') {
    value = std::string_view(start, static_cast<std::size_t>(at_ - start));
    ++at_;
    return true;
  }
  buffer_.assign(start, at_);
  while (at_ != end_ && *at_ != '"') {
    if (*at_ != '\\') {
      buffer_ += *at_++;
      continue;
    }
    if (++at_ == end_) break;
    const char c = *at_++;
    switch (c) {
      case '"': case '\\': case '/': buffer_ += c; break;
      case 'b': buffer_ += '\b'; break;
      case 'f': buffer_ += '\f'; break;
      case 'n': buffer_ += '\n'; break;
      case 'r': buffer_ += '\r'; break;
      case 't': buffer_ += '\t'; break;
      case 'u': {
        auto unit = [&](std::uint32_t& code) {
          if (end_ - at_ < 4) return fail(JsonFault::truncated);
          const auto parsed = std::from_chars(at_, at_ + 4, code, 16);
          if (parsed.ptr != at_ + 4) return fail(JsonFault::syntax);
          at_ += 4;
          return true;
        };
        std::uint32_t code = 0, low = 0;
        if (!unit(code)) return false;
        // Join a surrogate pair; a lone half becomes the replacement character.
        if (code >= 0xD800 && code < 0xDC00 && end_ - at_ >= 6 && at_[0] == '\\' && at_[1] == 'u') {
          at_ += 2;
          if (!unit(low)) return false;
          code = low >= 0xDC00 && low < 0xE000 ? 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00) : 0xFFFD;
        } else if (code >= 0xD800 && code < 0xE000) {
          code = 0xFFFD;
        }
        appendUtf8(buffer_, code);
        break;
      }
      default: return fail(JsonFault::syntax);
    }
  }
  if (at_ == end_) return fail(JsonFault::truncated);
  ++at_;
  value = buffer_;
  return true;
}

bool JsonCursor::boolean(bool& value) {
  if (!ok()) return false;
  value = next() == 't';
  if (at_ == end_) return fail(JsonFault::truncated);
  return literal(value ? "true" : "false");
}

bool JsonCursor::skip() {
  if (!ok()) return false;
  switch (peek()) {
    case Kind::end: return fail(JsonFault::truncated);
    case Kind::other: return fail(JsonFault::syntax);
    case Kind::null: return literal("null");
    case Kind::boolean: {
      bool ignored = false;
      return boolean(ignored);
    }
    case Kind::number: {
      double ignored = 0;
      return number(ignored);
    }
    case Kind::string: {
      std::string_view ignored;
      return string(ignored);
    }
    case Kind::array: return array([&] { skip(); });
    case Kind::object: return object([&](std::string_view) { skip(); });
  }
  return false;
}

}  // namespace orrery
