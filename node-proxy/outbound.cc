#include "node-proxy/outbound.h"

#include <algorithm>
#include <string>
#include <vector>

#include "core/rt/scope.h"
#include "core/rt/timer.h"
#include "node-proxy/demand.h"
#include "node-proxy/upstream.h"
#include "redirect/original_dst.h"

namespace aquifer::node {
namespace {

// How long a client may be gone before the dial made for it ends.
constexpr std::chrono::seconds kClientLook(1);
// Other endpoints that are tried when nobody could be asked at the first.
constexpr std::size_t kMoreEndpoints = 1;

void Describe(Session& session, const mesh::Route& route) {
  session.SetDestination(route.destination);
  session.SetService(route.service);
  if (route.hostname.empty()) session.SetDestinationAddress(route.connect_to);
}

Task<Result<io::StreamPtr, hbone::TunnelError>> TryRoute(const Outgoing& outgoing,
                                                         mesh::Route& route, Session& session,
                                                         StopToken stop) {
  if (!route.hostname.empty()) {
    const Status located = co_await Locate(outgoing, route, stop);
    if (!located) co_return hbone::TunnelError::Unreached(located.error());
    session.SetDestinationAddress(route.connect_to);
  }
  co_return co_await OpenRoute(outgoing, route, session, stop);
}

// Another endpoint for a connection whose first could not be reached, if there is one that would be
// reached the same way.
std::optional<mesh::Route> AnotherRoute(const Outgoing& outgoing, const mesh::Route& failed,
                                        std::vector<std::string>& tried) {
  if (failed.dialled == nullptr || tried.size() >= kMoreEndpoints) return std::nullopt;
  tried.push_back(failed.dialled->uid);
  const WorkerContext& context = outgoing.context;
  const mesh::SnapshotRef view = context.snapshot;
  Result<mesh::Route> other = mesh::Classify(*view, outgoing.source, outgoing.destination,
                                             context.classify, context.random, tried);
  if (!other || other->dialled == nullptr || other->protocol != failed.protocol)
    return std::nullopt;
  const bool again = std::find(tried.begin(), tried.end(), other->dialled->uid) != tried.end();
  if (again) return std::nullopt;
  return *std::move(other);
}

// By the route, or by another when its endpoint cannot be reached. Nothing of the client has been
// read yet, so that nothing is said twice.
Task<Result<io::StreamPtr>> OpenByRoute(const Outgoing& outgoing, mesh::Route route,
                                        Session& session, StopToken stop) {
  std::vector<std::string> tried;
  while (true) {
    Describe(session, route);
    Result<io::StreamPtr, hbone::TunnelError> opened =
        co_await TryRoute(outgoing, route, session, stop);
    if (opened.ok()) co_return *std::move(opened);
    const hbone::TunnelError& failed = opened.error();
    std::optional<mesh::Route> other;
    if (failed.unreached && !stop.requested()) other = AnotherRoute(outgoing, route, tried);
    if (!other) {
      session.FailTunnel(failed);
      co_return failed.error;
    }
    route = *std::move(other);
  }
}

// All that is needed until bytes can flow; nothing of it stays once they do.
Task<Result<io::StreamPtr>> OpenUpstream(WorkerContext& context,
                                         const std::shared_ptr<PodEndpoint>& pod,
                                         io::Socket& client, const Address* destination,
                                         Session& session, StopToken stop) {
  const Result<Address> target =
      destination != nullptr ? *destination : redirect::OriginalDestination(client.fd());
  if (!target) co_return session.RejectEarly(target.error());
  session.SetOriginalDestination(*target);
  const Result<mesh::WorkloadRef> source = co_await pod->Workload(stop);
  if (!source) co_return session.RejectEarly(source.error());
  session.SetSource(*source);
  if (context.demand != nullptr) {
    const Status known = co_await KnowTheWay(context, **source, *target, stop);
    if (!known) co_return session.RejectEarly(known.error());
  }

  const mesh::SnapshotRef view = context.snapshot;  // immutable: safe across every co_await below
  Result<mesh::Route> route =
      mesh::Classify(*view, **source, *target, context.classify, context.random);
  if (!route) co_return session.RejectEarly(route.error());
  // We would accept our own dial, and dial again, without end.
  if (route->protocol == mesh::Protocol::kTcp && route->connect_to == client.local())
    co_return session.RejectEarly(Error{Reason::kLoop});
  const Outgoing outgoing{context, pod, **source, client.peer(), *target};
  mesh::Route first = *std::move(route);
  co_return co_await OpenByRoute(outgoing, std::move(first), session, stop);
}

// A client that was reset waits for nothing any more. One that has only ended its own direction is
// still served.
Task<void> StopWhenReset(io::Socket& client, StopSource& dial, StopToken over) {
  const Status broken = co_await client.WaitBroken(over, kClientLook);
  if (!broken && !over.requested()) dial.RequestStop(broken.error().reason);
}

}  // namespace

// Out of line, or the compiler makes its frame, and all below it, a part of its caller's.
[[gnu::noinline]] Task<Result<io::StreamPtr>> OpenOutbound(WorkerContext& context,
                                                           const std::shared_ptr<PodEndpoint>& pod,
                                                           io::Socket& client,
                                                           const Address* destination,
                                                           Session& session, StopToken stop) {
  StopSource dial(stop);
  StopSource over;
  Scope watching;
  watching.Spawn(StopWhenReset(client, dial, over.token()));
  Result<io::StreamPtr> upstream =
      co_await OpenUpstream(context, pod, client, destination, session, dial.token());
  over.RequestStop();
  co_await watching.Join();
  co_return upstream;
}

// Its frame is there for as long as the connection is: it holds no more than copying needs.
Task<void> ServeOutbound(WorkerContext& context, std::shared_ptr<PodEndpoint> pod,
                         io::SocketPtr client, StopToken stop) {
  Session session(context, pod->limits().refusal_lines(), obs::Direction::kOutbound, client->peer(),
                  client->local());
  Result<io::StreamPtr> upstream =
      co_await OpenOutbound(context, pod, *client, nullptr, session, stop);
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
