// The queue between those who log and the descriptor, and the thread that empties it. Push takes a
// lock only for as long as moving a string takes. Writes go out in portions that a writable pipe
// takes whole, so that a reader who stopped reading cannot hold up the end of the process. Owned by
// Logger; Push, Flush and dropped from any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/base/unique_fd.h"

namespace aquifer::obs {

struct LogWriterOptions {
  // Borrowed, open for as long as the writer lives. -1: lines are discarded and there is no thread.
  int fd = 2;
  size_t max_lines = 10'000;
  size_t max_bytes = 16u << 20;
  // How long the destructor may wait for a reader.
  std::chrono::milliseconds flush_timeout{1000};
};

class LogWriter {
 public:
  // `dropped_line` makes the line that tells of `count` lost ones; it runs on the writer's thread.
  LogWriter(const LogWriterOptions& options,
            std::function<std::string(std::uint64_t count)> dropped_line);
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  bool discards() const { return options_.fd < 0; }
  // Takes a whole line with its newline, or counts it as dropped.
  void Push(std::string line);
  bool Flush(std::chrono::milliseconds timeout);
  std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  using Lines = std::vector<std::string>;

  void Start();
  void Run();
  bool TakeLines(Lines& lines);
  void AppendDropped(Lines& lines);
  void WriteLines(const Lines& lines);
  bool WaitWritable();

  const LogWriterOptions options_;
  const std::function<std::string(std::uint64_t)> dropped_line_;
  std::atomic<std::uint64_t> dropped_{0};
  std::uint64_t dropped_told_ = 0;  // the writer's thread only

  std::mutex mutex_;
  std::condition_variable pushed_;
  std::condition_variable written_;
  Lines queue_;
  size_t queue_bytes_ = 0;
  std::uint64_t pushed_lines_ = 0;
  std::uint64_t written_lines_ = 0;
  bool stop_ = false;
  std::chrono::steady_clock::time_point stop_deadline_;

  UniqueFd wake_;  // readable once stop_ is set
  std::thread thread_;
};

}  // namespace aquifer::obs
