// Backends as the mesh model knows them: a waypoint sends to the endpoints of a service itself, a
// gateway through the service's waypoint if it has one. Over HBONE where the endpoint speaks it, as
// the proxy's own identity. One worker; one thread.
#pragma once

#include <functional>
#include <string>

#include "certs/cache.h"
#include "hbone/pool.h"
#include "mesh/snapshot.h"
#include "waypoint/backends.h"
#include "waypoint/client_address.h"

namespace aquifer::waypoint {

// Who we are, for the choice of endpoints and in the tunnels we open.
struct OwnWorkload {
  certs::Identity identity;
  mesh::Workload workload;  // as the model has it, or made from the settings
  std::string network;
};

// A worker's current snapshot of the mesh. Replaced by a message on the worker's loop.
struct MeshSlot {
  mesh::SnapshotRef snapshot;
};

// The choice by the model alone. What it is made from outlives it.
class BackendChoice {
 public:
  // `edge` says whether waypoints of services are ours to use.
  BackendChoice(const mesh::Snapshot& snapshot, const OwnWorkload& own, Edge edge,
                const mesh::Random& random)
      : snapshot_(snapshot), own_(own), edge_(edge), random_(random) {}

  // Errors as Upstream::Open.
  Result<ChosenBackend> Choose(const UpstreamRequest& request) const;

 private:
  Result<ChosenBackend> ChooseEndpoint(const mesh::ServiceRef& service,
                                       const UpstreamRequest& request) const;
  Result<ChosenBackend> ChooseWaypoint(const mesh::ServiceRef& service, std::uint16_t port) const;
  Result<ChosenBackend> ChoosePod(const UpstreamRequest& request) const;
  ChosenBackend Direct(const mesh::WorkloadRef& workload, const Address& target,
                       const mesh::Service* service) const;

  const mesh::Snapshot& snapshot_;
  const OwnWorkload& own_;
  const Edge edge_;
  const mesh::Random& random_;
};

class MeshBackends final : public Backends {
 public:
  // All references outlive it. `edge` as for BackendChoice.
  MeshBackends(const MeshSlot& mesh, const OwnWorkload& own, Edge edge, hbone::Pool& pool,
               certs::CertCache& certs, std::function<std::uint64_t()> random);

  Result<ChosenBackend> Choose(const UpstreamRequest& request) override;
  Task<Result<io::StreamPtr>> Dial(ChosenBackend backend, StopToken stop) override;

 private:
  const MeshSlot& mesh_;
  const OwnWorkload& own_;
  const Edge edge_;
  hbone::Pool& pool_;
  certs::CertCache& certs_;
  std::function<std::uint64_t()> random_;
  std::shared_ptr<hbone::Dialer> dialer_ = std::make_shared<hbone::PlainDialer>();
};

}  // namespace aquifer::waypoint
