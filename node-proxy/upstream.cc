#include "node-proxy/upstream.h"

#include <utility>
#include <vector>

#include "core/obs/trace_context.h"
#include "core/rt/timer.h"
#include "node-proxy/egress.h"
#include "proxy/describe.h"

namespace aquifer::node {
namespace {

constexpr auto kConnectTimeout = std::chrono::seconds(10);
constexpr auto kLookupTimeout = std::chrono::seconds(10);
// Connect, handshake and the answer to the CONNECT, which waits for the far side's connect.
constexpr auto kTunnelTimeout = std::chrono::seconds(30);

using Opened = Result<io::StreamPtr, hbone::TunnelError>;

hbone::PoolKey KeyOf(const Outgoing& outgoing, const mesh::Route& route) {
  return hbone::PoolKey{.source = outgoing.source.identity(),
                        .origin = outgoing.pod->origin(),
                        .expected = route.identities,
                        .expected_trust_domain = {},
                        .gateway = route.connect_to};
}

hbone::ConnectRequest RequestOf(const Outgoing& outgoing, const mesh::Route& route) {
  hbone::ConnectRequest request;
  if (route.protocol == mesh::Protocol::kDoubleHbone) {
    request.authority = hbone::HostPort{route.far.host, route.far.port};
  } else {
    request.authority = route.target;
  }
  request.baggage = proxy::BaggageOf(outgoing.source);
  request.forwarded_for = outgoing.client;
  if (route.service != nullptr) request.forwarded_host = route.service->hostname;
  request.traceparent = obs::TraceContext::Make(outgoing.context.random).ToString();
  return request;
}

Task<Opened> OpenPlain(const Outgoing& outgoing, Address to, StopToken stop) {
  TimedStop timed(stop, kConnectTimeout, Reason::kConnectTimeout);
  Result<io::SocketPtr> socket = co_await outgoing.pod->Dial(to, timed.token());
  if (socket.ok()) co_return io::StreamPtr(*std::move(socket));
  co_return hbone::TunnelError::Unreached(socket.error());
}

// The tunnel to whoever answers at connect_to: the endpoint, a waypoint or a gateway.
Task<Result<hbone::Tunnel, hbone::TunnelError>> OpenOuter(const Outgoing& outgoing,
                                                          const mesh::Route& route,
                                                          const hbone::ConnectRequest& request,
                                                          certs::TlsContextRef tls,
                                                          StopToken stop) {
  hbone::PoolKey key = KeyOf(outgoing, route);
  hbone::ConnectRequest asked = request;
  return outgoing.context.pool.Open(std::move(key), outgoing.pod, std::move(tls), std::move(asked),
                                    stop);
}

Task<Opened> OpenTunnel(const Outgoing& outgoing, const mesh::Route& route,
                        certs::TlsContextRef tls, Session& session, StopToken stop) {
  const hbone::ConnectRequest request = RequestOf(outgoing, route);
  Result<hbone::Tunnel, hbone::TunnelError> tunnel =
      co_await OpenOuter(outgoing, route, request, std::move(tls), stop);
  if (!tunnel) co_return std::move(tunnel).error();
  session.SetDestinationIdentity(tunnel->peer);
  co_return io::StreamPtr(std::move(tunnel->stream));
}

// The far side says who it is, in as far as it wants to be known; its certificate is the proof of
// its identity and of nothing else.
mesh::WorkloadRef FarWorkload(const WorkerContext& context, const hbone::InnerTunnel& tunnel) {
  if (!context.config.response_baggage || !tunnel.response.baggage) return nullptr;
  return std::make_shared<const mesh::Workload>(
      proxy::WorkloadOf(*tunnel.response.baggage, tunnel.peer));
}

// The session inside is this connection's alone; the tunnel to the gateway is shared.
Task<Opened> OpenAcross(const Outgoing& outgoing, const mesh::Route& route,
                        certs::TlsContextRef tls, Session& session, StopToken stop) {
  WorkerContext& context = outgoing.context;
  hbone::ConnectRequest request = RequestOf(outgoing, route);
  if (route.far.identities.empty()) {
    co_return hbone::TunnelError::Of(Error{Reason::kIdentityMismatch},
                                     "the service lists no identity that its far side could prove");
  }
  Result<hbone::Tunnel, hbone::TunnelError> outer =
      co_await OpenOuter(outgoing, route, request, tls, stop);
  if (!outer) co_return std::move(outer).error();
  request.forwarded_network = context.config.network;
  io::StreamPtr carrier = std::move(outer->stream);
  std::vector<certs::Identity> expected = route.far.identities;
  // Its turn is the pod's, which has to be there until it has come.
  const std::shared_ptr<PodEndpoint> pod = outgoing.pod;
  hbone::Charge charge{pod->pace(), pod->gauge()};
  Result<hbone::InnerTunnel, hbone::TunnelError> inner =
      co_await context.egress.inner.Open(std::move(carrier), std::move(tls), std::move(expected),
                                         std::move(request), std::move(charge), stop);
  if (!inner) co_return std::move(inner).error();
  if (mesh::WorkloadRef far = FarWorkload(context, *inner)) session.SetDestination(std::move(far));
  session.SetDestinationIdentity(inner->peer);
  co_return std::move(inner->stream);
}

bool Allowed(mesh::IpFamilies families, const Ip& ip) {
  if (families == mesh::IpFamilies::kIpv4) return ip.is_v4();
  if (families == mesh::IpFamilies::kIpv6) return ip.is_v6();
  return true;
}

// Any of those of the client's family, or else any that the service takes.
std::optional<Ip> Pick(const std::vector<Ip>& addresses, mesh::IpFamilies families,
                       const Ip& destination, const mesh::Random& random) {
  std::vector<Ip> same;
  std::vector<Ip> other;
  for (const Ip& ip : addresses) {
    if (Allowed(families, ip)) (ip.is_v4() == destination.is_v4() ? same : other).push_back(ip);
  }
  const std::vector<Ip>& from = same.empty() ? other : same;
  if (from.empty()) return std::nullopt;
  return from[random() % from.size()];
}

}  // namespace

Task<Status> Locate(const Outgoing& outgoing, mesh::Route& route, StopToken stop) {
  WorkerContext& context = outgoing.context;
  context.egress.on_demand_dns.Count(PeerLabelsOf(outgoing.source), route.hostname);
  TimedStop timed(stop, kLookupTimeout, Reason::kTimeout);
  const Result<std::vector<Ip>> addresses =
      co_await context.egress.names.Find(route.hostname, outgoing.pod->origin(), timed.token());
  if (!addresses) co_return addresses.error();
  const std::optional<Ip> ip =
      Pick(*addresses, route.families, outgoing.destination.ip, context.random);
  if (!ip) co_return Error{Reason::kNoHealthyUpstream};
  route.SetAddress(*ip);
  // A name may lead anywhere.
  if (mesh::ComesBack(route.connect_to, context.classify)) co_return Error{Reason::kLoop};
  co_return Status();
}

Task<Opened> OpenRoute(const Outgoing& outgoing, const mesh::Route& route, Session& session,
                       StopToken stop) {
  if (route.protocol == mesh::Protocol::kTcp)
    co_return co_await OpenPlain(outgoing, route.connect_to, stop);
  const bool across = route.protocol == mesh::Protocol::kDoubleHbone;
  session.SetHboneTarget(across ? route.far.host + ":" + std::to_string(route.far.port)
                                : route.target.ToString());
  // Nothing goes without mutual TLS between these two, so a failure is theirs.
  session.SetSourceIdentity(outgoing.source.identity());
  if (route.destination != nullptr) session.SetDestinationIdentity(route.destination->identity());
  Result<certs::CertRef> certificate =
      co_await outgoing.context.certs.Get(outgoing.source.identity(), stop);
  if (!certificate) co_return hbone::TunnelError::Of(certificate.error());
  certs::TlsContextRef tls = (*certificate)->client;
  TimedStop timed(stop, kTunnelTimeout, Reason::kConnectTimeout);
  if (across)
    co_return co_await OpenAcross(outgoing, route, std::move(tls), session, timed.token());
  co_return co_await OpenTunnel(outgoing, route, std::move(tls), session, timed.token());
}

}  // namespace aquifer::node
