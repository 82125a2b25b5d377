// One key and value of a log line. A field borrows: keys are literals, and text lives until the end
// of the call it is passed to, so that a line that is not enabled copies nothing. Values, any
// thread.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace aquifer::obs {

// Text that the text format always puts in quotes, whatever it holds; JSON makes no difference.
struct Quoted {
  std::string_view text;
};

class FieldValue {
 public:
  using Variant = std::variant<std::string_view, Quoted, std::int64_t, std::uint64_t, double, bool>;

  FieldValue(std::string_view text) : value_(text) {}  // NOLINT: implicit by design
  FieldValue(const std::string& text) : value_(std::string_view(text)) {}  // NOLINT
  FieldValue(const char* text) : value_(std::string_view(text)) {}         // NOLINT
  FieldValue(Quoted text) : value_(text) {}                                // NOLINT
  FieldValue(double number) : value_(number) {}                            // NOLINT
  FieldValue(std::same_as<bool> auto yes) : value_(yes) {}                 // NOLINT
  template <std::integral T>
    requires(!std::same_as<T, bool>)
  FieldValue(T number)  // NOLINT
      : value_(std::in_place_type<
                   std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>>,
               number) {}

  const Variant& get() const { return value_; }

 private:
  Variant value_;
};

struct Field {
  std::string_view key;
  FieldValue value;
};

}  // namespace aquifer::obs
