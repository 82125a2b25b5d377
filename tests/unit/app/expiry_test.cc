#include "core/app/expiry.h"

#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "tests/support/catch.h"
#include "tests/support/run_task.h"

namespace aquifer::app {
namespace {

using namespace std::chrono_literals;
using obs::Registry;
using obs::TcpConnection;
using obs::TcpLabels;
using obs::TcpMetrics;

TcpLabels From(const std::string& workload) {
  TcpLabels labels;
  labels.source.workload = workload;
  return labels;
}

bool Shows(const Registry& registry, std::string_view workload) {
  return registry.Text().find("source_workload=\"" + std::string(workload) + "\"") !=
         std::string::npos;
}

Task<void> Sleep(Clock::duration duration) {
  const Status slept = co_await SleepFor(duration, StopToken());
  CHECK(slept.ok());
}

Task<void> ForgetsWhatIsOver() {
  Registry registry;
  TcpMetrics metrics(registry);
  StopSource stop;
  Scope scope;
  scope.Spawn(ExpireSeries(metrics, registry, ExpiryOptions{}, stop.token()));
  metrics.Open(From("gone")).Close(Reason::kConnectRefused);
  TcpConnection open = metrics.Open(From("open"));
  for (int i = 0; i < 59; ++i) {
    metrics.Open(From("busy")).Close(Reason::kOk);
    co_await Sleep(1min);
  }
  CHECK(Shows(registry, "gone"));
  co_await Sleep(3min);
  CHECK_FALSE(Shows(registry, "gone"));
  CHECK(Shows(registry, "busy"));
  co_await Sleep(24h);
  CHECK_FALSE(Shows(registry, "busy"));
  CHECK(Shows(registry, "open"));
  open.AddClientToServer(1);
  open.Close(Reason::kOk);
  CHECK(Shows(registry, "open"));
  stop.RequestStop();
  co_await scope.Join();
}

TEST_CASE("series of connections that are over go after an hour, those of open ones stay") {
  aquifer::test::RunVirtual(ForgetsWhatIsOver());
}

Task<void> MakesRoom() {
  Registry registry;
  TcpMetrics metrics(registry, 2);
  StopSource stop;
  Scope scope;
  scope.Spawn(ExpireSeries(metrics, registry, ExpiryOptions{}, stop.token()));
  for (int day = 0; day < 5; ++day) {
    for (const char* name : {"a", "b"}) {
      const std::string workload = name + std::to_string(day);
      metrics.Open(From(workload)).Close(Reason::kOk);
      CHECK(Shows(registry, workload));
    }
    co_await Sleep(24h);
  }
  stop.RequestStop();
  co_await scope.Join();
}

TEST_CASE("workloads that come and go never fill the bound") {
  aquifer::test::RunVirtual(MakesRoom());
}

}  // namespace
}  // namespace aquifer::app
