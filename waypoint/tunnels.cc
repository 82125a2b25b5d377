#include "waypoint/tunnels.h"

#include "waypoint/binding.h"
#include "waypoint/prefixed_stream.h"
#include "waypoint/tcp_proxy.h"

namespace aquifer::waypoint {
namespace {

constexpr int kNotServed = 404;
constexpr int kForbidden = 403;

}  // namespace

Task<void> Tunnels::OnConnect(hbone::IncomingTunnel tunnel, StopToken stop) {
  const RulesRef rules = parts_.rules.current();
  const mesh::SnapshotRef snapshot = mesh_.snapshot;
  Decoded<Bound> bound =
      snapshot == nullptr
          ? Decoded<Bound>(Refusal{"", "not ready"})
          : ResolveConnect(*snapshot, rules->gateway, own_.network, tunnel.request.authority);
  if (!bound) {
    metrics_.CountRefused(obs::HboneMetrics::Stage::kRequest, Reason::kUnknownDestination);
    log_.Limited(refused_, obs::Level::kWarn, "waypoint", "tunnel refused",
                 {{"peer", tunnel.peer.ToString()},
                  {"authority", hbone::ToString(tunnel.request.authority)},
                  {"error", bound.error().why}});
    (void)tunnel.Refuse(kNotServed, bound.error().why);
    co_return;
  }
  ConnectionContext context{.edge = Edge::kWaypoint,
                            .peer = tunnel.peer,
                            .peer_address = tunnel.peer_address,
                            .local_address = bound->address,
                            .destination = bound->destination};
  Carried carried = DeclaredOf(rules->routes, *bound, tunnel.peer.ns);
  if (carried == Carried::kTcp) {
    if (const std::optional<std::string> denied = DenyTcp(*rules, context)) {
      RequestRecord record;
      record.protocol = "TCP";
      record.service = bound->destination.service;
      record.details = *denied;
      parts_.observe(context, record);
      (void)tunnel.Refuse(kForbidden, *denied);
      co_return;
    }
  }
  const Status accepted = tunnel.Accept();
  if (!accepted) co_return;
  io::StreamPtr stream = std::move(tunnel.stream);
  Chunk first;
  if (carried == Carried::kUnknown) {
    Result<Inspected> inspected = co_await Inspect(*stream, limits_, stop);
    if (!inspected) co_return;
    carried = inspected->http ? Carried::kHttp : Carried::kTcp;
    first = std::move(inspected->first);
  }
  if (carried == Carried::kHttp) {
    co_await ServeHttp(std::move(stream), std::move(first), parts_, context, limits_, drain_, stop);
  } else {
    auto whole = std::make_unique<PrefixedStream>(std::move(first), std::move(stream));
    co_await ServeTcp(std::move(whole), backends_, parts_, context, stop);
  }
}

void Tunnels::OnHandshakeFailed(const Address& peer, const Address&, const Error& error,
                                const std::string& detail) {
  metrics_.CountRefused(obs::HboneMetrics::Stage::kHandshake, error.reason);
  log_.Limited(refused_, obs::Level::kWarn, "waypoint", "tunnel connection failed",
               {{"peer", peer.ToString()}, {"error", Describe(error)}, {"detail", detail}});
}

void Tunnels::OnBadRequest(const Address& peer, const certs::Identity& identity,
                           const Refusal& refusal) {
  metrics_.CountRefused(obs::HboneMetrics::Stage::kRequest, Reason::kBadRequest);
  log_.Limited(refused_, obs::Level::kWarn, "waypoint", "bad CONNECT",
               {{"peer", peer.ToString()},
                {"identity", identity.ToString()},
                {"error", refusal.ToString()}});
}

void Tunnels::OnConnectionBroken(const Address& peer, const certs::Identity& identity,
                                 const Error& error) {
  metrics_.CountRefused(obs::HboneMetrics::Stage::kConnection, error.reason);
  log_.Limited(
      refused_, obs::Level::kWarn, "waypoint", "tunnel connection broken",
      {{"peer", peer.ToString()}, {"identity", identity.ToString()}, {"error", Describe(error)}});
}

}  // namespace aquifer::waypoint
