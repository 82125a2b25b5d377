// Result<T, E>: a value or the reason there is none. The one error channel of the project: the
// peer, the network, the control plane and the file system fail through it; our own mistakes go
// through core/base/check.h. Copying one costs no allocation unless T or E does. Values, any
// thread.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "core/base/check.h"
#include "core/base/reason.h"

namespace aquifer {

// Why an operation failed. `os_error` is an errno value or 0; no text is built before somebody
// prints it (core/base/reason.h: Describe).
struct Error {
  Reason reason = Reason::kOk;
  int os_error = 0;

  friend bool operator==(const Error&, const Error&) = default;
};

// What a decoder answers when it refuses input: the path of the field in the sender's own names
// ("rules[2].to[0].operation.ports[1]") and a sentence fragment that says what is wrong with it.
// Built only on cold paths.
struct Refusal {
  std::string field;
  std::string why;

  std::string ToString() const { return field.empty() ? why : field + ": " + why; }
};

template <class T, class E = Error>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  using error_type = E;

  Result(T value)
      : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit by design
  Result(E error)
      : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit by design

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& operator*() & {
    AQ_CHECK(ok());
    return *std::get_if<0>(&state_);
  }
  const T& operator*() const& {
    AQ_CHECK(ok());
    return *std::get_if<0>(&state_);
  }
  T&& operator*() && {
    AQ_CHECK(ok());
    return std::move(*std::get_if<0>(&state_));
  }
  T* operator->() { return &**this; }
  const T* operator->() const { return &**this; }

  const E& error() const& {
    AQ_CHECK(!ok());
    return *std::get_if<1>(&state_);
  }
  E&& error() && {
    AQ_CHECK(!ok());
    return std::move(*std::get_if<1>(&state_));
  }

 private:
  std::variant<T, E> state_;
};

template <class E>
class [[nodiscard]] Result<void, E> {
 public:
  using value_type = void;
  using error_type = E;

  Result() = default;
  Result(E error) : error_(std::move(error)) {}  // NOLINT: implicit by design

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const E& error() const {
    AQ_CHECK(!ok());
    return *error_;
  }

 private:
  std::optional<E> error_;
};

using Status = Result<void>;

template <class T>
using Decoded = Result<T, Refusal>;

}  // namespace aquifer

#define AQ_CONCAT_(a, b) a##b
#define AQ_CONCAT(a, b) AQ_CONCAT_(a, b)

// AQ_TRY(auto name, expression): takes the value out of a Result or returns its error from the
// enclosing function.
#define AQ_TRY(declaration, ...) \
  AQ_TRY_(return, AQ_CONCAT(result_, __LINE__), declaration, __VA_ARGS__)
// The same inside a coroutine.
#define AQ_CO_TRY(declaration, ...) \
  AQ_TRY_(co_return, AQ_CONCAT(result_, __LINE__), declaration, __VA_ARGS__)
#define AQ_TRY_(leave, temporary, declaration, ...)        \
  auto temporary = (__VA_ARGS__);                          \
  if (!temporary.ok()) leave std::move(temporary).error(); \
  declaration = *std::move(temporary)

// The same for a Status, which has no value to take.
#define AQ_TRY_STATUS(...) AQ_TRY_STATUS_(return, AQ_CONCAT(status_, __LINE__), __VA_ARGS__)
#define AQ_CO_TRY_STATUS(...) AQ_TRY_STATUS_(co_return, AQ_CONCAT(status_, __LINE__), __VA_ARGS__)
#define AQ_TRY_STATUS_(leave, temporary, ...) \
  auto temporary = (__VA_ARGS__);             \
  if (!temporary.ok()) leave temporary.error()
