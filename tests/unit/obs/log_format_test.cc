#include "core/obs/log_format.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "tests/support/catch.h"

namespace aquifer::obs {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::system_clock::time_point kTime =
    std::chrono::sys_days(std::chrono::year(2024) / 5 / 3) + 3h + 18min + 7s + 26833us;

std::string Format(LogFormat format, std::string_view message, const std::vector<Field>& fields) {
  return FormatLogLine(format, {kTime, Level::kInfo, "xds", message, fields});
}

TEST_CASE("a text line has time, level, scope, message and fields in columns") {
  CHECK(Format(LogFormat::kText, "connected", {{"address", "istiod:15012"}, {"attempt", 3}}) ==
        "2024-05-03T03:18:07.026833Z\tinfo\txds\tconnected\taddress=istiod:15012 attempt=3\n");
}

TEST_CASE("a text line without fields ends with its message") {
  CHECK(Format(LogFormat::kText, "connected", {}) ==
        "2024-05-03T03:18:07.026833Z\tinfo\txds\tconnected\n");
}

TEST_CASE("a JSON line has level, time, scope, message and fields as members in this order") {
  CHECK(Format(LogFormat::kJson, "connected", {{"address", "istiod:15012"}, {"attempt", 3}}) ==
        "{\"level\":\"info\",\"time\":\"2024-05-03T03:18:07.026833Z\",\"scope\":\"xds\","
        "\"message\":\"connected\","
        "\"address\":\"istiod:15012\",\"attempt\":3}\n");
}

TEST_CASE("numbers and booleans of every kind print as themselves") {
  const std::string line = Format(LogFormat::kJson, "m",
                                  {{"a", std::numeric_limits<std::int64_t>::min()},
                                   {"b", std::numeric_limits<std::uint64_t>::max()},
                                   {"c", 0.25},
                                   {"d", true},
                                   {"e", std::uint16_t{15008}},
                                   {"f", std::numeric_limits<double>::infinity()}});
  CHECK(line.find("\"a\":-9223372036854775808,\"b\":18446744073709551615,\"c\":0.25,\"d\":true,"
                  "\"e\":15008,\"f\":null}") != line.npos);
}

TEST_CASE("values with blanks, quotes or equal signs are quoted in text") {
  const std::string line =
      Format(LogFormat::kText, "m",
             {{"a", "x y"}, {"b", "x=y"}, {"c", "x\"y\\"}, {"d", ""}, {"e", Quoted{"plain"}}});
  CHECK(line.ends_with("\ta=\"x y\" b=\"x=y\" c=\"x\\\"y\\\\\" d=\"\" e=\"plain\"\n"));
}

TEST_CASE("neither message nor value can start a line of its own") {
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    const std::string line =
        Format(format, "a\nb\r", {{"k", "c\n2024-05-03T03:18:07.026833Z\tinfo\taccess\tfake"}});
    CHECK(line.find('\n') == line.size() - 1);
    CHECK(line.find('\r') == line.npos);
  }
}

TEST_CASE("a message cannot add a column") {
  const std::string line = Format(LogFormat::kText, "a\tb", {});
  CHECK(std::count(line.begin(), line.end(), '\t') == 3);
}

TEST_CASE("JSON is valid whatever the bytes of a value") {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  const std::string line = Format(LogFormat::kJson, bytes, {{"k", bytes}});
  CHECK(nlohmann::json::accept(line));
}

TEST_CASE("a long value is cut and says so") {
  const std::string line =
      Format(LogFormat::kText, "m", {{"k", std::string(kMaxLogTextBytes + 1, 'x')}});
  CHECK(line.ends_with("\tk=" + std::string(kMaxLogTextBytes, 'x') + "...\n"));
}

TEST_CASE(
    "times before the epoch of the clock and whole seconds have six digits behind the point") {
  CHECK(FormatTime(std::chrono::system_clock::time_point{}) == "1970-01-01T00:00:00.000000Z");
  CHECK(FormatTime(std::chrono::system_clock::time_point{} - 1us) == "1969-12-31T23:59:59.999999Z");
}

}  // namespace
}  // namespace aquifer::obs
