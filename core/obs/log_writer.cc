#include "core/obs/log_writer.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "core/base/check.h"

namespace aquifer::obs {
namespace {

constexpr size_t kMaxLinesAWrite = 64;
// A pipe that polls writable takes this much without waiting (POSIX, pipe(7)); a longer line takes
// more than one write.
constexpr size_t kMaxBytesAWrite = PIPE_BUF;

// What is left to write of a batch.
struct Position {
  size_t line = 0;
  size_t offset = 0;

  void Advance(const std::vector<std::string>& lines, size_t bytes) {
    offset += bytes;
    while (line < lines.size() && offset >= lines[line].size()) offset -= lines[line++].size();
  }
};

ssize_t WritePortion(int fd, const std::vector<std::string>& lines, const Position& position) {
  std::array<iovec, kMaxLinesAWrite> parts;
  size_t count = 0;
  size_t room = kMaxBytesAWrite;
  size_t offset = position.offset;
  for (size_t i = position.line; i < lines.size() && count < parts.size() && room > 0; ++i) {
    const size_t length = std::min(lines[i].size() - offset, room);
    parts[count++] = {const_cast<char*>(lines[i].data()) + offset,
                      length};  // writev does not write to it
    room -= length;
    offset = 0;
  }
  return ::writev(fd, parts.data(), static_cast<int>(count));
}

}  // namespace

LogWriter::LogWriter(const LogWriterOptions& options,
                     std::function<std::string(std::uint64_t)> dropped_line)
    : options_(options), dropped_line_(std::move(dropped_line)) {
  if (!discards()) Start();
}

// The thread takes no signals: they are for main(), and a SIGPIPE of the log must not end the
// process.
void LogWriter::Start() {
  wake_.Reset(::eventfd(0, EFD_CLOEXEC));
  AQ_CHECK(wake_.valid());
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  AQ_CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
  thread_ = std::thread([this] { Run(); });
  AQ_CHECK(pthread_sigmask(SIG_SETMASK, &before, nullptr) == 0);
}

LogWriter::~LogWriter() {
  if (discards()) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    stop_deadline_ = std::chrono::steady_clock::now() + options_.flush_timeout;
  }
  pushed_.notify_one();
  AQ_CHECK(eventfd_write(wake_.get(), 1) == 0);
  thread_.join();
}

void LogWriter::Push(std::string line) {
  if (discards()) return;
  bool was_empty = false;
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= options_.max_lines || queue_bytes_ + line.size() > options_.max_bytes) {
      dropped_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    was_empty = queue_.empty();
    queue_bytes_ += line.size();
    ++pushed_lines_;
    queue_.push_back(std::move(line));
  }
  if (was_empty) pushed_.notify_one();
}

bool LogWriter::Flush(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  const std::uint64_t wanted = pushed_lines_;
  return written_.wait_for(lock, timeout, [&] { return written_lines_ >= wanted; });
}

void LogWriter::Run() {
  Lines lines;
  while (TakeLines(lines)) {
    const size_t taken = lines.size();
    AppendDropped(lines);
    WriteLines(lines);
    lines.clear();
    const std::lock_guard lock(mutex_);
    written_lines_ += taken;
    written_.notify_all();
  }
}

// Waits for lines; false once the writer is to stop and has taken the last.
bool LogWriter::TakeLines(Lines& lines) {
  std::unique_lock lock(mutex_);
  pushed_.wait(lock, [this] { return stop_ || !queue_.empty(); });
  if (queue_.empty()) return false;
  lines.swap(queue_);
  queue_bytes_ = 0;
  return true;
}

// Lines are lost behind those that fill the queue, so that is where the line about them goes.
void LogWriter::AppendDropped(Lines& lines) {
  const std::uint64_t dropped = dropped_.load(std::memory_order_relaxed);
  if (dropped == dropped_told_) return;
  lines.push_back(dropped_line_(dropped - dropped_told_));
  dropped_told_ = dropped;
}

void LogWriter::WriteLines(const Lines& lines) {
  Position position;
  while (position.line < lines.size()) {
    const bool writable = WaitWritable();
    const ssize_t written = writable ? WritePortion(options_.fd, lines, position) : -1;
    if (written >= 0) {
      position.Advance(lines, static_cast<size_t>(written));
    } else if (!writable || (errno != EINTR && errno != EAGAIN)) {
      dropped_.fetch_add(lines.size() - position.line, std::memory_order_relaxed);
      return;
    }
  }
}

// False when the time for the last lines is over.
bool LogWriter::WaitWritable() {
  // An event of stop ends the first poll, so that the second has the deadline.
  std::array<pollfd, 2> polled = {pollfd{options_.fd, POLLOUT, 0}, pollfd{wake_.get(), POLLIN, 0}};
  while (::poll(polled.data(), polled.size(), -1) < 0 && errno == EINTR) {
  }
  if (polled[0].revents != 0) return true;
  std::chrono::steady_clock::time_point deadline;
  {
    const std::lock_guard lock(mutex_);
    deadline = stop_deadline_;
  }
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return ::poll(polled.data(), 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0))) > 0;
}

}  // namespace aquifer::obs
