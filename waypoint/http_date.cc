#include "waypoint/http_date.h"

#include <array>
#include <chrono>

namespace aquifer::waypoint {
namespace {

constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void AppendTwoDigits(std::string& text, std::int64_t value) {
  text += static_cast<char>('0' + value / 10 % 10);
  text += static_cast<char>('0' + value % 10);
}

}  // namespace

std::string FormatHttpDate(std::int64_t unix_seconds) {
  using std::chrono::days;
  using std::chrono::seconds;
  const std::chrono::sys_seconds time{seconds(unix_seconds)};
  const std::chrono::sys_days day = std::chrono::floor<days>(time);
  const std::chrono::year_month_day date(day);
  const std::int64_t of_day = (time - day).count();

  std::string text(kDays[std::chrono::weekday(day).c_encoding()]);
  text += ", ";
  AppendTwoDigits(text, static_cast<unsigned>(date.day()));
  text += ' ';
  text += kMonths[static_cast<unsigned>(date.month()) - 1];
  text += ' ' + std::to_string(static_cast<int>(date.year())) + ' ';
  AppendTwoDigits(text, of_day / 3600);
  text += ':';
  AppendTwoDigits(text, of_day / 60 % 60);
  text += ':';
  AppendTwoDigits(text, of_day % 60);
  text += " GMT";
  return text;
}

}  // namespace aquifer::waypoint
