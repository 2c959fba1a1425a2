#pragma once
// A pull reader for large JSON files of boxes: one pass, no tree, nothing is copied, every error knows its byte. It accepts the NaN and Infinity
// that Python writes (as values, for the caller to refuse by name) and nothing nested deeper than 64.

#include <cstdint>
#include <string>
#include <string_view>

namespace orrery {

enum class JsonFault : std::uint8_t { none, truncated, syntax, tooDeep, wrongType };

class JsonCursor {
 public:
  enum class Kind : std::uint8_t { object, array, string, number, boolean, null, end, other };

  explicit JsonCursor(std::string_view text) : begin_(text.data()), at_(text.data()), end_(text.data() + text.size()) {}

  bool ok() const { return fault_ == JsonFault::none; }
  JsonFault fault() const { return fault_; }
  std::size_t faultAt() const { return faultAt_; }
  std::size_t position() const { return static_cast<std::size_t>(at_ - begin_); }
  std::size_t size() const { return static_cast<std::size_t>(end_ - begin_); }

  Kind peek();
  // Calls member(key) for every member, which must consume its value; stops at the first fault. `key` stays valid during the call.
  template <class Member>
  bool object(const Member& member) {
    if (!open('{')) return false;
    if (next() == '}') return close();
    while (ok()) {
      std::string_view key;
      if (!string(key) || !expect(':')) return false;
      const std::string_view kept = key;
      member(kept);
      if (!ok()) return false;
      const char c = next();
      if (c == '}') return close();
      if (c != ',') return fail(c == '\0' && at_ == end_ ? JsonFault::truncated : JsonFault::syntax);
      ++at_;
    }
    return false;
  }
  template <class Element>
  bool array(const Element& element) {
    if (!open('[')) return false;
    if (next() == ']') return close();
    while (ok()) {
      element();
      if (!ok()) return false;
      const char c = next();
      if (c == ']') return close();
      if (c != ',') return fail(c == '\0' && at_ == end_ ? JsonFault::truncated : JsonFault::syntax);
      ++at_;
    }
    return false;
  }
  bool number(double& value);
  // The raw token of a number ("12", "1.5e3"), or the text of a string: for ids.
  bool token(std::string_view& text, bool& quoted);
  // Without escapes a view into the file; with escapes a view into a buffer that the next call overwrites.
  bool string(std::string_view& value);
  bool boolean(bool& value);
  bool skip();
  // Whether only white space is left.
  bool atEnd() { return next() == '\0' && at_ == end_; }
  bool fail(JsonFault fault);

 private:
  char next();               // skips white space; '\0' at the end
  bool expect(char c);
  bool open(char c);
  bool close() {
    ++at_;
    --depth_;
    return true;
  }
  bool literal(std::string_view word);

  const char *begin_, *at_, *end_;
  int depth_ = 0;
  JsonFault fault_ = JsonFault::none;
  std::size_t faultAt_ = 0;
  std::string buffer_;
};

}  // namespace orrery
