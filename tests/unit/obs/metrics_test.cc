#include "core/obs/metrics.h"

#include <thread>

#include "tests/support/catch.h"

namespace aquifer::obs {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::steady_clock::time_point kStart{1h};

TEST_CASE("an empty registry is the end mark alone") {
  const Registry registry;
  CHECK(registry.Text() == "# EOF\n");
}

TEST_CASE("a counter has _total in its samples and nowhere else") {
  Registry registry;
  CounterFamily& family = registry.AddCounter({.name = "istio_requests", .help = "Requests seen"});
  family.With({{"code", "200"}, {"host", "a"}})->Add(3);
  family.With({{"code", "404"}, {"host", "a"}})->Add();
  CHECK(registry.Text() ==
        "# HELP istio_requests Requests seen.\n"
        "# TYPE istio_requests counter\n"
        "istio_requests_total{code=\"200\",host=\"a\"} 3\n"
        "istio_requests_total{code=\"404\",host=\"a\"} 1\n"
        "# EOF\n");
}

TEST_CASE("counters hold 64 bits") {
  Registry registry;
  const Handle<Counter> counter = registry.AddCounter({.name = "bytes", .help = "Bytes"}).With({});
  counter->Add(1ull << 40);
  counter->Add(1ull << 63);
  CHECK(registry.Text().find("bytes_total 9223373136366403584\n") != std::string::npos);
}

TEST_CASE("a gauge goes down and below zero") {
  Registry registry;
  const Handle<Gauge> gauge = registry.AddGauge({.name = "open", .help = "Open"}).With({});
  gauge->Set(2);
  gauge->Add(-5);
  CHECK(registry.Text() == "# HELP open Open.\n# TYPE open gauge\nopen -3\n# EOF\n");
}

TEST_CASE("a histogram counts a value in its bucket and all above") {
  Registry registry;
  HistogramFamily& family = registry.AddHistogram(
      {.name = "took_seconds", .help = "Time taken", .unit = "seconds"}, {0.0005, 0.1, 1, 5});
  const Handle<Histogram> histogram = family.With({{"kind", "A"}});
  for (const double value : {0.0005, 0.25, 1.0, 7.0}) histogram->Observe(value);
  CHECK(registry.Text() ==
        "# HELP took_seconds Time taken.\n"
        "# TYPE took_seconds histogram\n"
        "# UNIT took_seconds seconds\n"
        "took_seconds_sum{kind=\"A\"} 8.2505\n"
        "took_seconds_count{kind=\"A\"} 4\n"
        "took_seconds_bucket{le=\"0.0005\",kind=\"A\"} 1\n"
        "took_seconds_bucket{le=\"0.1\",kind=\"A\"} 1\n"
        "took_seconds_bucket{le=\"1.0\",kind=\"A\"} 3\n"
        "took_seconds_bucket{le=\"5.0\",kind=\"A\"} 3\n"
        "took_seconds_bucket{le=\"+Inf\",kind=\"A\"} 4\n"
        "# EOF\n");
}

TEST_CASE("very small and very large sums keep their digits") {
  Registry registry;
  const Handle<Histogram> histogram =
      registry.AddHistogram({.name = "took", .help = "H"}, {}).With({});
  histogram->Observe(2.5e-9);
  CHECK(registry.Text().find("took_sum 2.5e-09\n") != std::string::npos);
  histogram->Observe(1e300);
  CHECK(registry.Text().find("took_sum 1e+300\n") != std::string::npos);
}

TEST_CASE("a histogram without labels has none but le") {
  Registry registry;
  registry.AddHistogram({.name = "took", .help = "Time taken"}, {1}).With({})->Observe(0.5);
  CHECK(registry.Text() ==
        "# HELP took Time taken.\n# TYPE took histogram\ntook_sum 0.5\ntook_count 1\n"
        "took_bucket{le=\"1.0\"} 1\ntook_bucket{le=\"+Inf\"} 1\n# EOF\n");
}

TEST_CASE("label values are escaped and cannot add a sample") {
  Registry registry;
  registry.AddCounter({.name = "c", .help = "H"})
      .With({{"host", "a\"} 9\nc_total{host=\"b\\"}})
      ->Add();
  CHECK(registry.Text() ==
        "# HELP c H.\n# TYPE c counter\nc_total{host=\"a\\\"} 9\\nc_total{host=\\\"b\\\\\"} 1\n# "
        "EOF\n");
}

TEST_CASE("a label value is bounded in length") {
  Registry registry;
  registry.AddCounter({.name = "c", .help = "H"}).With({{"host", std::string(5000, 'x')}})->Add();
  CHECK(registry.Text().find("{host=\"" + std::string(Family::kMaxLabelValueBytes, 'x') +
                             "\"} 1\n") != std::string::npos);
}

TEST_CASE("the same label set is the same series") {
  Registry registry;
  CounterFamily& family = registry.AddCounter({.name = "c", .help = "H"});
  const Handle<Counter> first = family.With({{"a", "1"}});
  const Handle<Counter> second = family.With({{"a", "1"}});
  CHECK(&*first == &*second);
  CHECK(family.series_count() == 1);
}

TEST_CASE("adding a family that is there gives the one that is there") {
  Registry registry;
  CHECK(&registry.AddCounter({.name = "c", .help = "H"}) ==
        &registry.AddCounter({.name = "c", .help = "H"}));
}

TEST_CASE("label sets beyond the bound count in one series of others") {
  Registry registry;
  CounterFamily& family = registry.AddCounter({.name = "c", .help = "H", .max_series = 2});
  for (const char* host : {"a", "b", "x", "y", "a"})
    family.With({{"host", host}, {"code", "200"}})->Add();
  CHECK(registry.Text() ==
        "# HELP aquifer_metric_overflows Label sets counted as \\\"other\\\" because their family "
        "was full.\n"
        "# TYPE aquifer_metric_overflows counter\n"
        "aquifer_metric_overflows_total{family=\"c\"} 2\n"
        "# HELP c H.\n"
        "# TYPE c counter\n"
        "c_total{host=\"a\",code=\"200\"} 2\n"
        "c_total{host=\"b\",code=\"200\"} 1\n"
        "c_total{host=\"other\",code=\"other\"} 2\n"
        "# EOF\n");
}

TEST_CASE("a series that nobody holds and that has not counted for long is removed") {
  Registry registry;
  CounterFamily& family = registry.AddCounter({.name = "c", .help = "H", .expires = true});
  const Handle<Counter> held = family.With({{"host", "held"}});
  family.With({{"host", "counting"}})->Add();
  family.With({{"host", "idle"}})->Add();
  registry.ExpireIdle(kStart, 10min);
  family.With({{"host", "counting"}})->Add();
  registry.ExpireIdle(kStart + 9min, 10min);
  CHECK(family.series_count() == 3);
  registry.ExpireIdle(kStart + 10min, 10min);
  CHECK(registry.Text() ==
        "# HELP c H.\n# TYPE c counter\nc_total{host=\"held\"} 0\nc_total{host=\"counting\"} 2\n# "
        "EOF\n");
}

TEST_CASE("a removed series makes room and starts again from zero") {
  Registry registry;
  CounterFamily& family =
      registry.AddCounter({.name = "c", .help = "H", .max_series = 1, .expires = true});
  family.With({{"host", "a"}})->Add(7);
  family.With({{"host", "b"}})->Add(7);
  registry.ExpireIdle(kStart, 1min);
  registry.ExpireIdle(kStart + 1min, 1min);
  CHECK(family.series_count() == 0);
  CHECK(family.With({{"host", "b"}})->value() == 0);
  CHECK(family.series_count() == 1);
}

TEST_CASE("the time of a series without a holder starts when the last one lets go") {
  Registry registry;
  CounterFamily& family = registry.AddCounter({.name = "c", .help = "H", .expires = true});
  Handle<Counter> held = family.With({{"host", "a"}});
  registry.ExpireIdle(kStart, 10min);
  registry.ExpireIdle(kStart + 20min, 10min);
  held = {};
  registry.ExpireIdle(kStart + 25min, 10min);
  CHECK(family.series_count() == 1);
  registry.ExpireIdle(kStart + 30min, 10min);
  CHECK(family.series_count() == 0);
}

TEST_CASE("families that do not expire keep their series") {
  Registry registry;
  GaugeFamily& family = registry.AddGauge({.name = "build", .help = "H"});
  family.With({{"tag", "1"}})->Set(1);
  registry.ExpireIdle(kStart, 0s);
  registry.ExpireIdle(kStart + 1h, 0s);
  CHECK(family.series_count() == 1);
}

TEST_CASE("a callback is asked at each scrape until its registration ends") {
  Registry registry;
  int value = 4;
  {
    const Registry::Callback dropped =
        registry.AddCallback(MetricType::kCounter, {.name = "lines_dropped", .help = "Lost"},
                             [&value] { return value; });
    const Registry::Callback open = registry.AddCallback(
        MetricType::kGauge, {.name = "open_fds", .help = "Open"}, [&value] { return -value; });
    value = 5;
    CHECK(registry.Text() ==
          "# HELP lines_dropped Lost.\n# TYPE lines_dropped counter\nlines_dropped_total 5\n"
          "# HELP open_fds Open.\n# TYPE open_fds gauge\nopen_fds -5\n# EOF\n");
  }
  CHECK(registry.Text() == "# EOF\n");
}

TEST_CASE("threads count, name series, scrape and expire at the same time, and nothing is lost") {
  constexpr int kThreads = 4;
  constexpr int kRounds = 500;
  Registry registry;
  CounterFamily& family = registry.AddCounter({.name = "c", .help = "H", .expires = true});
  const Handle<Counter> shared = family.With({{"host", "shared"}});
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      const Handle<Counter> own = family.With({{"host", "shared"}});
      for (int j = 0; j < kRounds; ++j) {
        own->Add();
        family.With({{"host", std::to_string(i * kRounds + j)}})->Add();
      }
    });
  }
  for (int j = 1; j < 20; ++j) {
    static_cast<void>(registry.Text());
    registry.ExpireIdle(kStart + j * 1min, 1min);
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(shared->value() == kThreads * kRounds);
}

}  // namespace
}  // namespace aquifer::obs
