// One captured pod as a worker serves it: who it is, and sockets in its network namespace. Owned by
// PodProxy; outlives its connections.
#pragma once

#include <string>

#include "hbone/dialer.h"
#include "hbone/pool.h"
#include "mesh/snapshot.h"
#include "mesh/tables.h"
#include "node-proxy/context.h"
#include "redirect/pod_sockets.h"

namespace aquifer::node {

class PodEndpoint final : public hbone::Dialer {
 public:
  // `trust_domain`: whatever the mesh says of the workload; empty: as the mesh says.
  PodEndpoint(WorkerContext& context, const std::string& uid, mesh::LocalName name,
              redirect::PodSockets sockets, std::string trust_domain = {})
      : context_(context),
        origin_(context.pool.NewOrigin(uid)),
        name_(std::move(name)),
        sockets_(std::move(sockets)),
        trust_domain_(std::move(trust_domain)),
        limits_(context.limits, context.log, uid, name_.ns, name_.name) {}

  // Whose its connections are in the pool.
  const std::string& origin() const { return origin_; }
  const mesh::LocalName& name() const { return name_; }
  const redirect::PodSockets& sockets() const { return sockets_; }
  PodLimits& limits() { return limits_; }

  // The pod's workload. Never found by address: an address used again must not lend its former
  // owner's identity. Waits a moment for a pod that is newer than what the control plane has told
  // us.
  Task<Result<mesh::WorkloadRef>> Workload(StopToken stop);
  // As whom it is served; of its workload.
  certs::Identity IdentityOf(const mesh::Workload& workload) const;
  // Dials from inside the pod, as the pod.
  Task<Result<io::SocketPtr>> Dial(Address to, StopToken stop) override;
  std::shared_ptr<io::BufferGauge> gauge() override { return limits_.gauge(); }
  certs::Pace pace() override { return limits_.PaceOfDials(); }
  // Dials an application inside the pod from its client's address, if that can be had.
  Task<Result<io::SocketPtr>> DialFrom(Ip source, Address to, bool keep_source, StopToken stop);

 private:
  Task<Result<io::SocketPtr>> Connect(UniqueFd fd, Place descriptor, Address to, StopToken stop);

  WorkerContext& context_;
  std::string origin_;
  mesh::LocalName name_;
  redirect::PodSockets sockets_;
  std::string trust_domain_;
  PodLimits limits_;
};

}  // namespace aquifer::node
