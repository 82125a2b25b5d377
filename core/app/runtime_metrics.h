// What the kernel says of this process and its threads, as metrics: descriptors, and of each worker
// thread how long it computed and how often it slept. Under the names that Istio's node proxy has
// for the same, which its dashboards read. Any thread; reads /proc/self at each scrape.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace aquifer::app {

struct RuntimeMetricsOptions {
  std::string proc = "/proc/self";
  std::string_view worker_threads = "aq-data-";  // how their names start; a number follows
};

// Families in the text format, without "# EOF". `tasks` is what the process works on just now.
std::string RuntimeMetrics(const RuntimeMetricsOptions& options, std::int64_t tasks);

}  // namespace aquifer::app
