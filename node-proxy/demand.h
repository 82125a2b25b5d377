// On-demand discovery (XDS_ON_DEMAND) between the loops: a connection on a worker that lacks a
// piece of the mesh asks for it, the control loop asks the control plane, and by the time of the
// answer the worker has the snapshot with it. One of them, on the control loop; Know is for
// workers.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/rt/event.h"
#include "core/rt/scope.h"
#include "mesh/inbound_target.h"
#include "mesh/snapshot.h"
#include "mesh/tables.h"

namespace aquifer::node {

struct WorkerContext;

class Demand {
 public:
  // Runs on the control loop; ok when the control plane has answered.
  using Fetch = std::function<Task<Status>(std::string name, StopToken stop)>;

  // Made on the control loop, before the workers; outlives them.
  explicit Demand(Fetch fetch) : control_(Loop::Current()), fetch_(std::move(fetch)) {}

  // From a worker's loop, which is there until Shutdown has returned.
  Task<Status> Know(std::string name, StopToken stop);
  // On the control loop: who still waits is told that we end. Before the workers go.
  Task<void> Shutdown();

 private:
  struct Waiting {
    Event done;
    Status status;
  };
  void Start(std::string name, Loop& worker, std::shared_ptr<Waiting> waiting);
  Task<void> Answer(std::string name, Loop& worker, std::shared_ptr<Waiting> waiting);

  Loop& control_;
  const Fetch fetch_;
  StopSource ended_;
  Scope asking_;
};

// Each of these is only for discovery on demand: context.demand is there. What is known not to be
// there is no error; what cannot be read is, as is a while without an answer: what is not known may
// be behind a waypoint or in the mesh.

// Until all that a connection of `source` to `target` depends on is known, or known not to be
// there.
Task<Status> KnowTheWay(WorkerContext& context, const mesh::Workload& source, Address target,
                        StopToken stop);
// The same of a CONNECT for `authority` that came to our workload at `local_ip`.
Task<Status> KnowInbound(WorkerContext& context, const mesh::Workload& own, Ip local_ip,
                         mesh::InboundAuthority authority, std::string network, StopToken stop);
// Asks for the workload of a pod of ours, which a control plane that does not know our node keeps
// to itself.
Task<Status> KnowOwn(WorkerContext& context, const mesh::LocalName& name, StopToken stop);

}  // namespace aquifer::node
