// The workers of the node proxy under a control loop that never rests: snapshots, pods and
// questions from one thread, answers from the others. For ThreadSanitizer above all.
#include "core/rt/timer.h"
#include "mesh/builder.h"
#include "node-proxy/worker.h"
#include "tests/support/catch.h"
#include "tests/support/quiet_log.h"
#include "tests/support/run_task.h"

namespace aquifer::node {
namespace {

constexpr unsigned kWorkers = 3;
constexpr int kRounds = 40;

class NoAuthority final : public certs::Authority {
 public:
  Task<Result<certs::CertificateBundle, certs::Failure>> Fetch(certs::Identity,
                                                               StopToken) override {
    co_return certs::Failure{Error{Reason::kIdentityUnavailable}, "there is no CA"};
  }
};

// Answers of the workers; they come on the control loop.
struct Answers {
  int ok = 0;
  int all = 0;
  Event changed;
  void Take(bool good) {
    ++all;
    ok += good ? 1 : 0;
    changed.Wake();
  }
  Task<void> Await(int count) {
    TimedStop timed(StopToken(), std::chrono::seconds(30), Reason::kTimeout);
    while (all < count) {
      const Status waited = co_await changed.Wait(timed.token());
      REQUIRE(waited.ok());
    }
  }
};

Config Quiet() {
  Config config;
  config.mode = ProxyMode::kDedicated;
  config.keep_source = KeepSource::kOff;
  config.ipv6 = false;
  config.outbound_port = config.inbound_port = config.inbound_plaintext_port = 0;
  return config;
}

Task<void> OneRound(Worker& worker, mesh::SnapshotRef snapshot, int round, Answers& started,
                    Answers& stopped, Answers& counted) {
  redirect::Pod pod;
  pod.uid = "pod-" + std::to_string(round);
  pod.info = {.name = "pod", .ns = "default", .service_account = "default"};
  worker.SetSnapshot(std::move(snapshot));
  worker.StartPod(pod, [&started](Status s) { started.Take(s.ok()); });
  worker.CountConnections([&counted](const auto& counts) { counted.Take(!counts.empty()); });
  if (round % 2 == 0) {
    worker.StopPod(pod.uid, [&stopped] { stopped.Take(true); });
  } else {
    stopped.Take(true);
  }
  co_return;
}

Task<void> Churn() {
  const Config config = Quiet();
  obs::Logger log(test::QuietLog());
  obs::Registry registry;
  obs::TcpMetrics metrics(registry);
  obs::HboneMetrics hbone_metrics(registry);
  obs::OnDemandDnsMetrics on_demand_dns(registry);
  obs::LimitMetrics limit_metrics(registry);
  NodeBudget budget(BoundsOfProcess());
  NoAuthority authority;
  certs::CertStore store(authority, &certs::SystemWallTime);
  mesh::Builder builder;
  const WorkerInputs inputs{.config = config,
                            .log = log,
                            .tcp_metrics = metrics,
                            .hbone_metrics = hbone_metrics,
                            .on_demand_dns = on_demand_dns,
                            .limit_metrics = limit_metrics,
                            .budget = budget,
                            .store = store,
                            .control = Loop::Current(),
                            .home = nullptr};
  std::vector<std::unique_ptr<Worker>> workers;
  for (unsigned i = 0; i < kWorkers; ++i) {
    Result<std::unique_ptr<Worker>> worker = Worker::Start(inputs, i);
    REQUIRE(worker.ok());
    workers.push_back(*std::move(worker));
  }
  Answers started;
  Answers stopped;
  Answers counted;
  for (int round = 0; round < kRounds; ++round) {
    const mesh::SnapshotRef snapshot = builder.Build();
    for (const std::unique_ptr<Worker>& worker : workers)
      co_await OneRound(*worker, snapshot, round, started, stopped, counted);
    if (round % 8 == 0) co_await counted.Await((round + 1) * static_cast<int>(kWorkers));
  }
  constexpr int kAnswers = kRounds * static_cast<int>(kWorkers);
  co_await started.Await(kAnswers);
  co_await stopped.Await(kAnswers);
  co_await counted.Await(kAnswers);
  CHECK(started.ok == kAnswers);
  CHECK(counted.ok == kAnswers);
  Answers ended;
  for (const std::unique_ptr<Worker>& worker : workers)
    worker->Shutdown(std::chrono::seconds(5), [&ended] { ended.Take(true); });
  co_await ended.Await(kWorkers);
}

}  // namespace

TEST_CASE("workers take snapshots and pods while they are asked and until they are ended") {
  test::Run(Churn());
}

}  // namespace aquifer::node
