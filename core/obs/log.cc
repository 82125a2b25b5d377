#include "core/obs/log.h"

#include <utility>
#include <vector>

namespace aquifer::obs {

Logger::Logger(LoggerOptions options)
    : format_(options.format),
      clock_(std::move(options.clock)),
      lowest_(options.levels.lowest()),
      highest_(options.levels.highest()),
      levels_(std::move(options.levels)),
      writer_(options.writer, [this](std::uint64_t count) {
        const Field field{"count", count};
        return FormatLogLine(format_,
                             {clock_(), Level::kWarn, "log", "log lines dropped", {&field, 1}});
      }) {}

Logger::~Logger() = default;

bool Logger::enabled(Level level, std::string_view scope) const {
  if (level < lowest_.load(std::memory_order_relaxed) || writer_.discards()) return false;
  if (level >= highest_.load(std::memory_order_relaxed)) return true;
  const std::shared_lock lock(levels_mutex_);
  return level >= levels_.For(scope);
}

void Logger::Log(Level level, std::string_view scope, std::string_view message,
                 std::span<const Field> fields) {
  if (enabled(level, scope)) Write(level, scope, message, fields);
}

void Logger::Limited(RateLimiter& limiter, Level level, std::string_view scope,
                     std::string_view message, std::span<const Field> fields) {
  if (!enabled(level, scope)) return;
  const std::optional<std::uint64_t> left_out = limiter.Admit(clock_());
  if (!left_out) return;
  if (*left_out == 0) return Write(level, scope, message, fields);
  std::vector<Field> all(fields.begin(), fields.end());
  all.push_back({"left_out", *left_out});
  Write(level, scope, message, all);
}

void Logger::SetLevels(LevelFilter levels) {
  const std::unique_lock lock(levels_mutex_);
  levels_ = std::move(levels);
  lowest_.store(levels_.lowest(), std::memory_order_relaxed);
  highest_.store(levels_.highest(), std::memory_order_relaxed);
}

LevelFilter Logger::levels() const {
  const std::shared_lock lock(levels_mutex_);
  return levels_;
}

void Logger::Write(Level level, std::string_view scope, std::string_view message,
                   std::span<const Field> fields) {
  writer_.Push(FormatLogLine(format_, {clock_(), level, scope, message, fields}));
}

}  // namespace aquifer::obs
