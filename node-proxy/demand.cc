#include "node-proxy/demand.h"

#include <algorithm>
#include <vector>

#include "core/rt/timer.h"
#include "mesh/missing.h"
#include "node-proxy/context.h"

namespace aquifer::node {
namespace {

constexpr auto kPatience = std::chrono::seconds(5);
// An address leads to a service, that to a waypoint: nothing is further away.
constexpr int kRounds = 3;

using Missing = std::function<std::vector<std::string>(const mesh::Snapshot&)>;

Task<Status> KnowAll(WorkerContext& context, Missing missing, StopToken stop) {
  TimedStop timed(stop, kPatience, Reason::kTimeout);
  std::vector<std::string> asked;
  for (int round = 0; round < kRounds; ++round) {
    const mesh::SnapshotRef view = context.snapshot;
    std::vector<std::string> names = missing(*view);
    // Those that are not there, either, have been answered as well.
    if (names.empty() || names == asked) break;
    for (const std::string& name : names) {
      const Status known = co_await context.demand->Know(name, timed.token());
      if (known.ok()) continue;
      // Of what cannot be read something that refuses may stand in the snapshot, and decides then.
      const std::vector<std::string> still = missing(*context.snapshot);
      const bool needed = std::find(still.begin(), still.end(), name) != still.end();
      if (needed || known.error().reason != Reason::kUnreadableResource) co_return known.error();
    }
    asked = std::move(names);
  }
  co_return Status();
}

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
  Missing missing = [&](const mesh::Snapshot& view) {
    return mesh::MissingFor(view, source, target, context.classify.network);
  };
  co_return co_await KnowAll(context, std::move(missing), stop);
}

Task<Status> KnowInbound(WorkerContext& context, const mesh::Workload& own, Ip local_ip,
                         mesh::InboundAuthority authority, std::string network, StopToken stop) {
  Missing missing = [&](const mesh::Snapshot& view) {
    return mesh::MissingForInbound(view, own, local_ip, authority, network);
  };
  co_return co_await KnowAll(context, std::move(missing), stop);
}

Task<Status> KnowOwn(WorkerContext& context, const mesh::LocalName& name, StopToken stop) {
  std::string uid = context.config.cluster_id + "//Pod/" + name.ns + "/" + name.name;
  co_return co_await context.demand->Know(std::move(uid), stop);
}

}  // namespace aquifer::node
