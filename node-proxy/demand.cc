#include "node-proxy/demand.h"

#include "core/rt/timer.h"
#include "mesh/missing.h"
#include "node-proxy/context.h"

namespace aquifer::node {
namespace {

constexpr auto kPatience = std::chrono::seconds(5);
// An address leads to a service, that to a waypoint: nothing is further away.
constexpr int kRounds = 3;

}  // namespace

Task<Status> Demand::Know(std::string name, StopToken stop) {
  const auto waiting = std::make_shared<Waiting>();
  control_.Post([this, name = std::move(name), &worker = Loop::Current(), waiting] {
    Start(name, worker, waiting);
  });
  AQ_CO_TRY_STATUS(co_await waiting->done.Wait(stop));
  co_return waiting->status;
}

void Demand::Start(std::string name, Loop& worker, std::shared_ptr<Waiting> waiting) {
  // After Shutdown the worker may be gone; whoever asked has been stopped.
  if (ended_.requested()) return;
  asking_.Spawn(Answer(std::move(name), worker, std::move(waiting)));
}

Task<void> Demand::Answer(std::string name, Loop& worker, std::shared_ptr<Waiting> waiting) {
  // Nobody waits longer than that for it.
  TimedStop timed(ended_.token(), kPatience, Reason::kTimeout);
  const Status known = co_await fetch_(std::move(name), timed.token());
  worker.Post([waiting = std::move(waiting), known] {
    waiting->status = known;
    waiting->done.Set();
  });
}

Task<void> Demand::Shutdown() {
  ended_.RequestStop();
  co_await asking_.Join();
}

Task<Status> KnowTheWay(WorkerContext& context, const mesh::Workload& source, Address target,
                        StopToken stop) {
  TimedStop timed(stop, kPatience, Reason::kTimeout);
  std::vector<std::string> asked;
  for (int round = 0; round < kRounds; ++round) {
    const mesh::SnapshotRef view = context.snapshot;
    std::vector<std::string> missing =
        mesh::MissingFor(*view, source, target, context.classify.network);
    // Those that are not there, either, have been answered as well.
    if (missing.empty() || missing == asked) break;
    for (const std::string& name : missing) {
      AQ_CO_TRY_STATUS(co_await context.demand->Know(name, timed.token()));
    }
    asked = std::move(missing);
  }
  co_return Status();
}

}  // namespace aquifer::node
