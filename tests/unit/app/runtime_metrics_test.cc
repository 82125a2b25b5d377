#include "core/app/runtime_metrics.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/catch.h"

namespace aquifer::app {
namespace {

namespace fs = std::filesystem;

// A process with two workers and a thread that is none.
class Proc {
 public:
  Proc() {
    Thread("11", "aq-data-0", "2500000000 7 3", "voluntary_ctxt_switches:\t40\n");
    Thread("12", "aq-data-1", "500000000 7 3", "Name:\tx\nvoluntary_ctxt_switches:\t2\n");
    Thread("10", "aquifer-node", "1 1 1", "");
    fs::create_directories(folder_ / "fd");
    for (const char* fd : {"0", "1", "7"}) std::ofstream(folder_ / "fd" / fd).put('x');
  }
  ~Proc() { fs::remove_all(folder_); }
  std::string path() const { return folder_.string(); }

 private:
  void Thread(const char* id, const char* comm, const char* schedstat, const char* status) {
    const fs::path folder = folder_ / "task" / id;
    fs::create_directories(folder);
    std::ofstream(folder / "comm") << comm << "\n";
    std::ofstream(folder / "schedstat") << schedstat << "\n";
    std::ofstream(folder / "status") << status;
  }

  const fs::path folder_ =
      fs::temp_directory_path() / ("runtime-metrics-" + std::to_string(::getpid()));
};

bool Has(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

}  // namespace

TEST_CASE("worker threads are told by their names and shown by their numbers") {
  const Proc proc;
  const std::string text = RuntimeMetrics({.proc = proc.path()}, 5);
  CHECK(Has(text, "tokio_num_workers 2"));
  CHECK(Has(text, "tokio_num_alive_tasks 5"));
  CHECK(Has(text, "tokio_worker_total_busy_duration_seconds_total{worker=\"0\"} 2.5"));
  CHECK(Has(text, "tokio_worker_total_busy_duration_seconds_total{worker=\"1\"} 0.5"));
  CHECK(Has(text, "tokio_worker_park_count_total{worker=\"0\"} 40"));
  CHECK(Has(text, "tokio_worker_park_unpark_count_total{worker=\"1\"} 4"));
  CHECK(Has(text, "process_open_fds 3"));
  CHECK(Has(text, "# TYPE process_max_fds gauge"));
}

TEST_CASE("where the kernel says nothing there are no workers, and the families stay") {
  const std::string text = RuntimeMetrics({.proc = "/nonexistent"}, -1);
  CHECK(Has(text, "tokio_num_workers 0"));
  CHECK(Has(text, "tokio_num_alive_tasks 0"));
  CHECK(Has(text, "# TYPE tokio_worker_park_count counter"));
}

}  // namespace aquifer::app
