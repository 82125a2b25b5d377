#include "control/names.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

#include "absl/strings/ascii.h"
#include "core/base/address.h"

namespace aquifer::control {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsAlnum(char c) { return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsHexDigit(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool Within(char c, std::string_view set) { return set.find(c) != std::string_view::npos; }

// Up to `count` digits; empty if there is none.
std::optional<std::int64_t> TakeDigits(std::string_view& text, size_t count) {
  size_t length = 0;
  std::int64_t value = 0;
  for (; length < count && length < text.size() && IsDigit(text[length]); ++length) {
    value = value * 10 + (text[length] - '0');
  }
  if (length == 0) return std::nullopt;
  text.remove_prefix(length);
  return value;
}

std::uint64_t TakeUnit(std::string_view& text) {
  struct Unit {
    std::string_view word;
    std::uint64_t ms;
  };
  static constexpr Unit kUnits[] = {{"ms", 1}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}};
  for (const Unit& unit : kUnits) {
    if (!text.starts_with(unit.word)) continue;
    text.remove_prefix(unit.word.size());
    return unit.ms;
  }
  return 0;
}

// Days since 1970-01-01 in the proleptic Gregorian calendar, counted from March so that leap days
// come last.
std::int64_t DaysFromCivil(std::int64_t year, std::int64_t month, std::int64_t day) {
  year -= month <= 2 ? 1 : 0;
  const std::int64_t era = year / 400;
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146'097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
         719'468;
}

}  // namespace

bool IsWildcard(std::string_view hostname) { return hostname.starts_with("*."); }

bool IsHostname(std::string_view text) {
  if (text.size() > 253) return false;
  if (IsWildcard(text)) text.remove_prefix(2);
  return IsDnsSubdomain(text) && !Ip::Parse(text);
}

bool IsHttpToken(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return IsAlnum(c) || Within(c, "!#$%&'*+-.^_`|~");
  });
}

bool IsMatchablePath(std::string_view path) {
  if (!path.starts_with('/')) return false;
  for (const std::string_view bad : {"//", "/./", "/../", "%2f", "%2F", "#"}) {
    if (path.find(bad) != std::string_view::npos) return false;
  }
  if (path.ends_with("/.") || path.ends_with("/..")) return false;
  for (size_t i = 0; i < path.size(); ++i) {
    if (IsAlnum(path[i]) || Within(path[i], "-/._~!$&'()*+,;=:@")) continue;
    const bool escaped =
        path[i] == '%' && i + 2 < path.size() && IsHexDigit(path[i + 1]) && IsHexDigit(path[i + 2]);
    if (!escaped) return false;
    i += 2;
  }
  return true;
}

std::optional<std::uint64_t> ParseDuration(std::string_view text) {
  std::uint64_t total = 0;
  for (int parts = 0; parts < 4; ++parts) {
    const auto number = TakeDigits(text, 5);
    const std::uint64_t unit = number ? TakeUnit(text) : 0;
    if (unit == 0) return std::nullopt;
    total += static_cast<std::uint64_t>(*number) * unit;
    if (text.empty()) return total;
  }
  return std::nullopt;
}

std::optional<std::int64_t> ParseTimestamp(std::string_view text) {
  // 2024-05-31T09:24:56Z; a fraction of a second may stand before the Z.
  static constexpr std::string_view kShape = "dddd-dd-ddTdd:dd:dd";
  if (text.size() < kShape.size() + 1 || text.size() > 40 || text.back() != 'Z')
    return std::nullopt;
  for (size_t i = 0; i < kShape.size(); ++i) {
    if (kShape[i] == 'd' ? !IsDigit(text[i]) : text[i] != kShape[i]) return std::nullopt;
  }
  const auto number = [&](size_t at, size_t count) {
    std::string_view digits = text.substr(at, count);
    return *TakeDigits(digits, count);
  };
  const std::int64_t month = number(5, 2), day = number(8, 2), hour = number(11, 2),
                     minute = number(14, 2);
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59)
    return std::nullopt;
  const std::int64_t days = DaysFromCivil(number(0, 4), month, day);
  return ((days * 24 + hour) * 60 + minute) * 60 + number(17, 2);
}

std::string FormatTimestamp(std::int64_t seconds) {
  const std::chrono::sys_seconds time{std::chrono::seconds(seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02dZ",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text.data();
}

std::string LowerCase(std::string_view text) { return absl::AsciiStrToLower(text); }

}  // namespace aquifer::control
