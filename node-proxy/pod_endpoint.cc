#include "node-proxy/pod_endpoint.h"

#include <tuple>

#include "core/rt/timer.h"
#include "node-proxy/demand.h"

namespace aquifer::node {
namespace {

constexpr auto kWorkloadWait = std::chrono::seconds(5);

}  // namespace

Task<Result<mesh::WorkloadRef>> PodEndpoint::Workload(StopToken stop) {
  mesh::WorkloadRef workload = context_.snapshot->FindLocal(name_);
  if (workload != nullptr) co_return workload;
  TimedStop timed(stop, kWorkloadWait, Reason::kUnknownWorkload);
  if (context_.demand != nullptr) std::ignore = co_await KnowOwn(context_, name_, timed.token());
  workload = context_.snapshot->FindLocal(name_);
  while (workload == nullptr) {
    const Status changed = co_await context_.snapshot_changed.Wait(timed.token());
    if (!changed) co_return changed.error();
    workload = context_.snapshot->FindLocal(name_);
  }
  co_return workload;
}

certs::Identity PodEndpoint::IdentityOf(const mesh::Workload& workload) const {
  certs::Identity identity = workload.identity();
  if (!trust_domain_.empty()) identity.trust_domain = trust_domain_;
  return identity;
}

Task<Result<io::SocketPtr>> PodEndpoint::Connect(UniqueFd fd, Place descriptor, Address to,
                                                 StopToken stop) {
  const Place dial = limits_.TryEnter(Bound::kDials);
  if (!dial) co_return Error{Reason::kOverload};
  io::SetTunnelOptions(fd.get(), context_.config.keepalive);
  Result<io::SocketPtr> socket = co_await io::ConnectWith(std::move(fd), to, stop);
  if (socket.ok()) std::move(descriptor).StayWith(**socket);
  co_return socket;
}

Task<Result<io::SocketPtr>> PodEndpoint::Dial(Address to, StopToken stop) {
  Place descriptor = limits_.TryEnter(Bound::kDescriptors);
  if (!descriptor) co_return Error{Reason::kOverload};
  AQ_CO_TRY(UniqueFd fd, sockets_.Upstream(to.ip));
  co_return co_await Connect(std::move(fd), std::move(descriptor), to, stop);
}

Task<Result<io::SocketPtr>> PodEndpoint::DialFrom(Ip source, Address to, bool keep_source,
                                                  StopToken stop) {
  if (!keep_source) co_return co_await Dial(to, stop);
  Place descriptor = limits_.TryEnter(Bound::kDescriptors);
  if (!descriptor) co_return Error{Reason::kOverload};
  AQ_CO_TRY(redirect::PodSockets::UpstreamSocket made, sockets_.UpstreamFrom(source, to.ip));
  if (!made.source_kept.ok()) {
    context_.log.Debug("inbound", "the client's address could not be kept",
                       {{"why", Describe(made.source_kept.error())}});
  }
  co_return co_await Connect(std::move(made.fd), std::move(descriptor), to, stop);
}

}  // namespace aquifer::node
