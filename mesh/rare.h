// An optional for what most have not: empty it is one pointer wide. Copies are deep, equality is
// the values'. A value, any thread.
#pragma once

#include <memory>
#include <optional>
#include <utility>

namespace aquifer::mesh {

template <class T>
class Rare {
 public:
  Rare() = default;
  // NOLINTBEGIN(google-explicit-constructor)
  Rare(std::nullopt_t) {}
  Rare(T value) : value_(std::make_unique<T>(std::move(value))) {}
  // NOLINTEND(google-explicit-constructor)
  Rare(const Rare& other) : value_(other ? std::make_unique<T>(*other) : nullptr) {}
  Rare(Rare&&) noexcept = default;
  Rare& operator=(Rare other) noexcept {
    value_ = std::move(other.value_);
    return *this;
  }

  explicit operator bool() const { return value_ != nullptr; }
  bool has_value() const { return value_ != nullptr; }
  void reset() { value_.reset(); }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return value_.get(); }
  const T* operator->() const { return value_.get(); }

  friend bool operator==(const Rare& a, const Rare& b) {
    if (!a || !b) return a.has_value() == b.has_value();
    return *a == *b;
  }

 private:
  std::unique_ptr<T> value_;
};

}  // namespace aquifer::mesh
