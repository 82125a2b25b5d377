// Log lines as bytes: "<time>\t<level>\t<scope>\t<message>\tk=v k=v\n", or one JSON object a line.
// What peers send cannot start a line, a field or a terminal sequence of its own: control and
// direction characters and broken UTF-8 are escaped. Pure functions, any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/obs/field.h"
#include "core/obs/level_filter.h"

namespace aquifer::obs {

enum class LogFormat : std::uint8_t { kText, kJson };

struct LogRecord {
  std::chrono::system_clock::time_point time;
  Level level;
  std::string_view scope;
  std::string_view message;
  std::span<const Field> fields;
};

// A message or a value longer than this is cut and ends in "...".
inline constexpr size_t kMaxLogTextBytes = 4096;

// The line with its newline.
std::string FormatLogLine(LogFormat format, const LogRecord& record);

// "2024-05-03T03:18:07.026833Z"
std::string FormatTime(std::chrono::system_clock::time_point time);

}  // namespace aquifer::obs
