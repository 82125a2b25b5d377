#include "kube/yaml_scalar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>

namespace aquifer::kube {
namespace {

using nlohmann::json;

template <size_t N>
bool Among(const std::array<std::string_view, N>& words, std::string_view text) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

constexpr std::array<std::string_view, 5> kNull = {"", "~", "null", "Null", "NULL"};
constexpr std::array<std::string_view, 9> kTrue = {"true", "True", "TRUE", "yes", "Yes",
                                                   "YES",  "on",   "On",   "ON"};
constexpr std::array<std::string_view, 9> kFalse = {"false", "False", "FALSE", "no", "No",
                                                    "NO",    "off",   "Off",   "OFF"};

std::optional<std::int64_t> Integer(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  int base = 10;
  if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'o' || text[1] == 'b')) {
    base = text[1] == 'x' ? 16 : text[1] == 'o' ? 8 : 2;
    text.remove_prefix(2);
  } else if (text.size() > 1 && text[0] == '0') {
    base = 8;
  }
  if (text.empty() || text[0] == '-' || text[0] == '+') return std::nullopt;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return negative ? -value : value;
}

std::optional<double> Real(std::string_view text) {
  if (text.find_first_not_of("+-.0123456789eE") != std::string_view::npos) return std::nullopt;
  if (text.find_first_of("0123456789") == std::string_view::npos) return std::nullopt;
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

// Bytes that follow the first of a character, and the smallest second byte that is not an overlong
// or surrogate form.
struct Utf8Shape {
  int more = 0;
  std::uint8_t low = 0x80;
  std::uint8_t high = 0xbf;
};

std::optional<Utf8Shape> ShapeOf(std::uint8_t first) {
  if (first < 0x80) return Utf8Shape{};
  if (first >= 0xc2 && first <= 0xdf) return Utf8Shape{1};
  if (first == 0xe0) return Utf8Shape{2, 0xa0, 0xbf};
  if (first == 0xed) return Utf8Shape{2, 0x80, 0x9f};
  if (first >= 0xe1 && first <= 0xef) return Utf8Shape{2};
  if (first == 0xf0) return Utf8Shape{3, 0x90, 0xbf};
  if (first == 0xf4) return Utf8Shape{3, 0x80, 0x8f};
  if (first >= 0xf1 && first <= 0xf3) return Utf8Shape{3};
  return std::nullopt;
}

}  // namespace

json PlainScalar(const std::string& text) {
  if (Among(kNull, text)) return nullptr;
  if (Among(kTrue, text)) return true;
  if (Among(kFalse, text)) return false;
  if (const auto integer = Integer(text)) return *integer;
  if (const auto real = Real(text)) return *real;
  return text;
}

bool IsUtf8(std::string_view bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const auto shape = ShapeOf(static_cast<std::uint8_t>(bytes[at]));
    if (!shape || at + static_cast<size_t>(shape->more) >= bytes.size()) return false;
    for (int i = 1; i <= shape->more; ++i) {
      const auto byte = static_cast<std::uint8_t>(bytes[at + static_cast<size_t>(i)]);
      if (byte < (i == 1 ? shape->low : 0x80) || byte > (i == 1 ? shape->high : 0xbf)) return false;
    }
    at += static_cast<size_t>(shape->more) + 1;
  }
  return true;
}

std::string PrintableText(std::string_view text) {
  constexpr size_t kShown = 64;
  std::string shown;
  for (const char c : text.substr(0, kShown)) {
    shown.push_back(c >= 0x20 && c < 0x7f && c != '"' && c != '\\' ? c : '?');
  }
  if (text.size() > kShown) shown += "...";
  return shown;
}

}  // namespace aquifer::kube
