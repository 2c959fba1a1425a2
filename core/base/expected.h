#pragma once
// Expected<T>: a value, or an Error that says what was expected, what was found, where, and what to do.
// Used for files, models and user input. Exceptions are only for a lost device or exhausted memory (gpu/device.h).

#include <cassert>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace orrery {

enum class ErrorCode {
  usage,        // the caller asked for something that does not exist or is out of its domain; exit code 2
  notFound,     // a file or a named thing is not there
  badInput,     // a file's content is not what it should be
  unsupported,  // understood, but this build or device cannot do it
  io,           // the operating system refused a read or a write
  gpu,          // no device, or the device failed
  outOfMemory,
  cancelled,
  internal,
};

// `message` is one sentence for a person. `id` is a stable code such as "E-ST-05" (shared by window, command line and tests).
struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string message;
  std::string id;
};

// 2 for usage errors, 1 for everything else: the program's exit codes.
inline int exitCodeOf(const Error& error) { return error.code == ErrorCode::usage ? 2 : 1; }

template <class T>
class [[nodiscard]] Expected {
 public:
  Expected(T value) : content_(std::in_place_index<0>, std::move(value)) {}
  Expected(Error error) : content_(std::in_place_index<1>, std::move(error)) {}

  bool hasValue() const { return content_.index() == 0; }
  explicit operator bool() const { return hasValue(); }

  T& value() & { assert(hasValue()); return std::get<0>(content_); }
  const T& value() const& { assert(hasValue()); return std::get<0>(content_); }
  T&& value() && { assert(hasValue()); return std::get<0>(std::move(content_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const { assert(!hasValue()); return std::get<1>(content_); }

 private:
  std::variant<T, Error> content_;
};

template <>
class [[nodiscard]] Expected<void> {
 public:
  Expected() = default;
  Expected(Error error) : error_(std::move(error)), failed_(true) {}
  bool hasValue() const { return !failed_; }
  explicit operator bool() const { return !failed_; }
  const Error& error() const { assert(failed_); return error_; }

 private:
  Error error_;
  bool failed_ = false;
};

inline Error makeError(ErrorCode code, std::string message, std::string id = {}) {
  return Error{code, std::move(message), std::move(id)};
}

}  // namespace orrery
