#include "core/app/runtime_metrics.h"

#include <sys/resource.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace aquifer::app {
namespace {

namespace fs = std::filesystem;

struct Thread {
  double busy_seconds = 0;
  std::uint64_t sleeps = 0;
};

std::string FirstLine(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::uint64_t EntriesOf(const fs::path& folder) {
  std::error_code error;
  std::uint64_t count = 0;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error))
    ++count;
  return count;
}

Thread ReadThread(const fs::path& folder) {
  constexpr std::string_view kSleeps = "voluntary_ctxt_switches:";
  Thread thread;
  // Nanoseconds on a processor come first.
  thread.busy_seconds = std::strtod(FirstLine(folder / "schedstat").c_str(), nullptr) / 1e9;
  std::ifstream status(folder / "status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(kSleeps))
      thread.sleeps = std::strtoull(&line[kSleeps.size()], nullptr, 10);
  }
  return thread;
}

// By the number at the end of the name. A thread may end while we read.
std::map<int, Thread> Workers(const fs::path& proc, std::string_view prefix) {
  std::map<int, Thread> workers;
  std::error_code error;
  for (fs::directory_iterator entry(proc / "task", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = FirstLine(entry->path() / "comm");
    int index = 0;
    if (!name.starts_with(prefix) || !absl::SimpleAtoi(name.substr(prefix.size()), &index))
      continue;
    workers[index] = ReadThread(entry->path());
  }
  return workers;
}

void AppendHead(std::string& out, std::string_view name, std::string_view type,
                std::string_view help) {
  absl::StrAppend(&out, "# HELP ", name, " ", help, ".\n# TYPE ", name, " ", type, "\n");
}

void AppendGauge(std::string& out, std::string_view name, std::string_view help,
                 std::uint64_t value) {
  AppendHead(out, name, "gauge", help);
  absl::StrAppend(&out, name, " ", value, "\n");
}

template <class Value>
void AppendPerWorker(std::string& out, std::string_view name, std::string_view help,
                     const std::map<int, Thread>& workers, Value value) {
  AppendHead(out, name, "counter", help);
  for (const auto& [index, thread] : workers)
    absl::StrAppend(&out, name, "_total{worker=\"", index, "\"} ", value(thread), "\n");
}

}  // namespace

std::string RuntimeMetrics(const RuntimeMetricsOptions& options, std::int64_t tasks) {
  const std::map<int, Thread> workers = Workers(options.proc, options.worker_threads);
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  std::string out;
  AppendGauge(out, "process_open_fds", "Open file descriptors",
              EntriesOf(fs::path(options.proc) / "fd"));
  AppendGauge(out, "process_max_fds", "The most file descriptors that may be open", files.rlim_cur);
  AppendGauge(out, "tokio_num_workers", "Worker threads", workers.size());
  // Work belongs to one worker from the start: there is no queue of all.
  AppendGauge(out, "tokio_global_queue_depth", "Work that no worker has taken yet, always none", 0);
  AppendGauge(out, "tokio_num_alive_tasks", "Sockets that workers carry",
              static_cast<std::uint64_t>(tasks < 0 ? 0 : tasks));
  AppendPerWorker(out, "tokio_worker_total_busy_duration_seconds",
                  "Time that the worker thread computed", workers,
                  [](const Thread& thread) { return thread.busy_seconds; });
  AppendPerWorker(out, "tokio_worker_park_count", "How often the worker thread went to sleep",
                  workers, [](const Thread& thread) { return thread.sleeps; });
  AppendPerWorker(out, "tokio_worker_park_unpark_count",
                  "How often the worker thread went to sleep or was woken", workers,
                  [](const Thread& thread) { return 2 * thread.sleeps; });
  return out;
}

}  // namespace aquifer::app
