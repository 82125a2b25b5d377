#include "node-proxy/outbound.h"

#include "core/obs/trace_context.h"
#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "node-proxy/session.h"
#include "proxy/describe.h"
#include "redirect/original_dst.h"

namespace aquifer::node {
namespace {

constexpr auto kConnectTimeout = std::chrono::seconds(10);
// How long a client may be gone before the dial made for it ends.
constexpr std::chrono::seconds kClientLook(1);
// Connect, handshake and the answer to the CONNECT, which waits for the far side's connect.
constexpr auto kTunnelTimeout = std::chrono::seconds(30);

hbone::PoolKey KeyOf(const PodEndpoint& pod, const mesh::Workload& source,
                     const mesh::Route& route) {
  return hbone::PoolKey{.source = source.identity(),
                        .origin = pod.origin(),
                        .expected = route.identities,
                        .expected_trust_domain = {},
                        .gateway = route.connect_to};
}

hbone::ConnectRequest RequestOf(const WorkerContext& context, const mesh::Workload& source,
                                const mesh::Route& route, const Address& client) {
  return hbone::ConnectRequest{
      .authority = route.target,
      .baggage = proxy::BaggageOf(source),
      .forwarded_for = client,
      .forwarded_host = route.service == nullptr ? std::string() : route.service->hostname,
      .traceparent = obs::TraceContext::Make(context.random).ToString(),
      .forwarded_network = {}};
}

Task<Result<io::StreamPtr>> OpenPlain(PodEndpoint& pod, Address to, StopToken stop) {
  TimedStop timed(stop, kConnectTimeout, Reason::kConnectTimeout);
  Result<io::SocketPtr> socket = co_await pod.Dial(to, timed.token());
  if (!socket) co_return socket.error();
  co_return io::StreamPtr(*std::move(socket));
}

Task<Result<io::StreamPtr>> OpenTunnel(WorkerContext& context,
                                       const std::shared_ptr<PodEndpoint>& pod,
                                       const mesh::Workload& source, const mesh::Route& route,
                                       const Address& client, Session& session, StopToken stop) {
  session.SetHboneTarget(route.target.ToString());
  // Nothing goes without mutual TLS between these two, so a failure is theirs.
  session.SetSourceIdentity(source.identity());
  if (route.destination != nullptr) session.SetDestinationIdentity(route.destination->identity());
  Result<certs::CertRef> certificate = co_await context.certs.Get(source.identity(), stop);
  if (!certificate) co_return certificate.error();
  TimedStop timed(stop, kTunnelTimeout, Reason::kConnectTimeout);
  hbone::PoolKey key = KeyOf(*pod, source, route);
  hbone::ConnectRequest request = RequestOf(context, source, route, client);
  Result<hbone::Tunnel, hbone::TunnelError> tunnel = co_await context.pool.Open(
      std::move(key), pod, (*certificate)->client, std::move(request), timed.token());
  if (!tunnel) {
    session.FailTunnel(tunnel.error());
    co_return tunnel.error().error;
  }
  session.SetDestinationIdentity(tunnel->peer);
  co_return io::StreamPtr(std::move(tunnel->stream));
}

// All that is needed until bytes can flow; nothing of it stays once they do.
Task<Result<io::StreamPtr>> OpenUpstream(WorkerContext& context,
                                         const std::shared_ptr<PodEndpoint>& pod,
                                         io::Socket& client, Session& session, StopToken stop) {
  const Result<Address> target = redirect::OriginalDestination(client.fd());
  if (!target) co_return session.RejectEarly(target.error());
  session.SetDestinationAddress(*target);
  const Result<mesh::WorkloadRef> source = co_await pod->Workload(stop);
  if (!source) co_return session.RejectEarly(source.error());
  session.SetSource(*source);

  const mesh::SnapshotRef view = context.snapshot;  // immutable: safe across every co_await below
  const Result<mesh::Route> route =
      mesh::Classify(*view, **source, *target, context.classify, context.random);
  if (!route) co_return session.RejectEarly(route.error());
  const bool tunnelled = route->protocol == mesh::Protocol::kHbone;
  // We would accept our own dial, and dial again, without end.
  if (!tunnelled && route->connect_to == client.local())
    co_return session.RejectEarly(Error{Reason::kLoop});
  session.SetDestination(route->destination);
  session.SetService(route->service);
  session.SetDestinationAddress(route->connect_to);
  if (!tunnelled) co_return co_await OpenPlain(*pod, route->connect_to, stop);
  co_return co_await OpenTunnel(context, pod, **source, *route, client.peer(), session, stop);
}

// A client that was reset waits for nothing any more. One that has only ended its own direction is
// still served.
Task<void> StopWhenReset(io::Socket& client, StopSource& dial, StopToken over) {
  const Status broken = co_await client.WaitBroken(over, kClientLook);
  if (!broken && !over.requested()) dial.RequestStop(broken.error().reason);
}

// Out of line, or the compiler makes its frame, and all below it, a part of its caller's.
[[gnu::noinline]] Task<Result<io::StreamPtr>> OpenWhileWanted(
    WorkerContext& context, const std::shared_ptr<PodEndpoint>& pod, io::Socket& client,
    Session& session, StopToken stop) {
  StopSource dial(stop);
  StopSource over;
  Scope watching;
  watching.Spawn(StopWhenReset(client, dial, over.token()));
  Result<io::StreamPtr> upstream =
      co_await OpenUpstream(context, pod, client, session, dial.token());
  over.RequestStop();
  co_await watching.Join();
  co_return upstream;
}

}  // namespace

// Its frame is there for as long as the connection is: it holds no more than copying needs.
Task<void> ServeOutbound(WorkerContext& context, std::shared_ptr<PodEndpoint> pod,
                         io::SocketPtr client, StopToken stop) {
  Session session(context, obs::Direction::kOutbound, client->peer(), client->local());
  Result<io::StreamPtr> upstream = co_await OpenWhileWanted(context, pod, *client, session, stop);
  if (!upstream) {
    client->Reset();  // the application must not take this for an empty answer
    if (!session.failed()) session.Fail(upstream.error());
    co_return;
  }
  session.Open();
  const Status copied = co_await io::CopyBothWays(*client, **upstream, session.totals(), stop,
                                                  context.config.copy_limits);
  session.Finish(copied);
}

}  // namespace aquifer::node
