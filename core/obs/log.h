// Structured log lines, as text or JSON in the node proxy's own forms. main() owns the Logger and
// passes a reference to every part; any thread writes. The data path never waits for whoever reads
// the log: a line is formatted by its caller, put in a bounded queue and written by the one writer
// thread; when the queue is full it is dropped and counted.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/obs/field.h"
#include "core/obs/level_filter.h"
#include "core/obs/log_format.h"
#include "core/obs/log_writer.h"
#include "core/obs/rate_limiter.h"

namespace aquifer::obs {

using WallClock = std::function<std::chrono::system_clock::time_point()>;

struct LoggerOptions {
  LogFormat format = LogFormat::kText;
  LevelFilter levels;
  // Called by every thread that writes a line.
  WallClock clock = &std::chrono::system_clock::now;
  LogWriterOptions writer;
};

class Logger {
 public:
  explicit Logger(LoggerOptions options);
  // Writes what is queued, but no longer than options.writer.flush_timeout.
  ~Logger();
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  // For callers whose fields cost something to make; the calls below ask by themselves.
  bool enabled(Level level, std::string_view scope) const;

  // `scope` and keys are literals without blanks; `message` and text values may hold anything.
  void Log(Level level, std::string_view scope, std::string_view message,
           std::span<const Field> fields);
  void Log(Level level, std::string_view scope, std::string_view message,
           std::initializer_list<Field> fields = {}) {
    Log(level, scope, message, std::span<const Field>(fields.begin(), fields.size()));
  }
  void Trace(std::string_view scope, std::string_view message,
             std::initializer_list<Field> fields = {}) {
    Log(Level::kTrace, scope, message, fields);
  }
  void Debug(std::string_view scope, std::string_view message,
             std::initializer_list<Field> fields = {}) {
    Log(Level::kDebug, scope, message, fields);
  }
  void Info(std::string_view scope, std::string_view message,
            std::initializer_list<Field> fields = {}) {
    Log(Level::kInfo, scope, message, fields);
  }
  void Warn(std::string_view scope, std::string_view message,
            std::initializer_list<Field> fields = {}) {
    Log(Level::kWarn, scope, message, fields);
  }
  void Error(std::string_view scope, std::string_view message,
             std::initializer_list<Field> fields = {}) {
    Log(Level::kError, scope, message, fields);
  }
  // For what a peer can cause as often as it likes. The line that follows lines that `limiter` left
  // out ends in left_out=<count>.
  void Limited(RateLimiter& limiter, Level level, std::string_view scope, std::string_view message,
               std::span<const Field> fields);
  void Limited(RateLimiter& limiter, Level level, std::string_view scope, std::string_view message,
               std::initializer_list<Field> fields = {}) {
    Limited(limiter, level, scope, message, std::span<const Field>(fields.begin(), fields.size()));
  }

  void SetLevels(LevelFilter levels);
  LevelFilter levels() const;

  // Waits until every line logged before the call is written. False when that took longer than
  // `timeout`.
  bool Flush(std::chrono::milliseconds timeout) { return writer_.Flush(timeout); }
  // Lines lost so far to a full queue or a failing descriptor.
  std::uint64_t dropped() const { return writer_.dropped(); }

 private:
  void Write(Level level, std::string_view scope, std::string_view message,
             std::span<const Field> fields);

  const LogFormat format_;
  const WallClock clock_;
  // Copies of levels_.lowest() and highest(), so that only levels between them take the lock.
  std::atomic<Level> lowest_;
  std::atomic<Level> highest_;
  mutable std::shared_mutex levels_mutex_;
  LevelFilter levels_;
  LogWriter writer_;
};

}  // namespace aquifer::obs
