#include "waypoint/mesh_backends.h"

#include <algorithm>
#include <optional>

#include "hbone/connect.h"
#include "proxy/describe.h"

namespace aquifer::waypoint {
namespace {

std::uint16_t TargetPort(const mesh::Endpoint& endpoint, const mesh::Service& service,
                         std::uint16_t service_port) {
  if (const std::uint16_t own = endpoint.TargetPort(service_port); own != 0) return own;
  const mesh::Port* const port = mesh::FindPort(service.ports, service_port);
  return port == nullptr ? 0 : port->target_port;
}

std::optional<Ip> UsableIp(const mesh::Workload& workload, const mesh::Service& service) {
  for (const Ip& ip : workload.addresses) {
    if (service.Takes(ip)) return ip;
  }
  return std::nullopt;
}

Endpoint Describe(const mesh::Workload& workload, const Address& address) {
  return {.key = workload.uid,
          .address = address,
          .workload = workload.workload_name,
          .workload_namespace = workload.ns,
          .canonical_name = workload.canonical_name,
          .canonical_revision = workload.canonical_revision,
          .cluster = workload.cluster_id,
          .principal = workload.identity().ToString()};
}

// What a client that speaks HTTP/2 wants is kept where nothing else was declared.
bool SpeaksHttp2(mesh::AppProtocol protocol, bool client_speaks_h2) {
  return protocol == mesh::AppProtocol::kHttp2 || protocol == mesh::AppProtocol::kGrpc ||
         (protocol == mesh::AppProtocol::kUnknown && client_speaks_h2);
}

std::string KeyOf(const mesh::Route& route, bool http2) {
  std::string key = http2 ? "h2|" : "h1|";
  key += route.connect_to.ToString();
  if (route.protocol == mesh::Protocol::kHbone) key += "|" + route.target.ToString();
  for (const certs::Identity& identity : route.identities) key += "|" + identity.ToString();
  return key;
}

}  // namespace

MeshBackends::MeshBackends(const MeshSlot& mesh, const OwnWorkload& own, Edge edge,
                           hbone::Pool& pool, certs::CertCache& certs,
                           std::function<std::uint64_t()> random)
    : mesh_(mesh), own_(own), edge_(edge), pool_(pool), certs_(certs), random_(std::move(random)) {}

Result<ChosenBackend> BackendChoice::Choose(const UpstreamRequest& request) const {
  const std::optional<ServiceRef>& wanted = request.destination.service;
  if (!wanted) return ChoosePod(request);
  const mesh::ServiceRef service = snapshot_.FindService({wanted->ns, wanted->hostname});
  if (service == nullptr) return Error{Reason::kUnknownDestination};
  const mesh::Port* const port = mesh::FindPort(service->ports, wanted->port);
  if (port == nullptr) return Error{Reason::kUnknownDestination};
  // A waypoint never goes through another one; what enters the mesh here must not go past one.
  Result<ChosenBackend> chosen = edge_ == Edge::kGateway && service->has_waypoint()
                                     ? ChooseWaypoint(service, wanted->port)
                                     : ChooseEndpoint(service, request);
  if (!chosen) return chosen;
  chosen->http2 = SpeaksHttp2(port->app_protocol, request.client_speaks_h2);
  chosen->key = KeyOf(chosen->route, chosen->http2);
  return chosen;
}

Result<ChosenBackend> BackendChoice::ChooseEndpoint(const mesh::ServiceRef& service,
                                                    const UpstreamRequest& request) const {
  const std::uint16_t port = request.destination.service->port;
  const mesh::EndpointsRef endpoints = snapshot_.EndpointsOf(*service);
  const auto usable = [&](const mesh::Endpoint& endpoint) {
    return endpoint.workload->network == own_.network && UsableIp(*endpoint.workload, *service) &&
           TargetPort(endpoint, *service, port) != 0;
  };
  const auto fresh = [&](const mesh::Endpoint& endpoint) {
    const std::vector<std::string>& tried = request.tried;
    return usable(endpoint) &&
           std::find(tried.begin(), tried.end(), endpoint.workload->uid) == tried.end();
  };
  const mesh::Endpoint* chosen =
      mesh::ChooseEndpoint(*endpoints, *service, &own_.workload, fresh, random_);
  // With every endpoint tried the same ones are better than none.
  if (chosen == nullptr && !request.tried.empty()) {
    chosen = mesh::ChooseEndpoint(*endpoints, *service, &own_.workload, usable, random_);
  }
  if (chosen == nullptr) return Error{Reason::kNoHealthyUpstream};
  const Address target{*UsableIp(*chosen->workload, *service), TargetPort(*chosen, *service, port)};
  return Direct(chosen->workload, target, service.get());
}

Result<ChosenBackend> BackendChoice::ChooseWaypoint(const mesh::ServiceRef& service,
                                                    std::uint16_t port) const {
  const auto own_network = [&](const mesh::NetworkAddress& vip) {
    return vip.network == own_.network;
  };
  const auto vip = std::find_if(service->vips.begin(), service->vips.end(), own_network);
  // A service without an address cannot be named to its waypoint, and must not be reached past it.
  if (vip == service->vips.end()) return Error{Reason::kUnknownWaypoint};
  const Address target{vip->ip, port};
  mesh::ClassifyOptions options;
  options.network = own_.network;
  AQ_TRY(mesh::Route route, mesh::Classify(snapshot_, own_.workload, target, options, random_));
  // One on another network, or known by a host name only, is not one that we can reach.
  if (!route.to_waypoint || !route.hostname.empty()) return Error{Reason::kUnknownWaypoint};
  ChosenBackend chosen;
  if (route.destination != nullptr)
    chosen.endpoint = Describe(*route.destination, route.connect_to);
  chosen.route = std::move(route);
  return chosen;
}

Result<ChosenBackend> BackendChoice::ChoosePod(const UpstreamRequest& request) const {
  const Address& pod = request.destination.address;
  const mesh::WorkloadRef workload = snapshot_.FindWorkloadAt({own_.network, pod.ip});
  if (workload == nullptr) return Error{Reason::kUnknownDestination};
  ChosenBackend chosen = Direct(workload, pod, nullptr);
  chosen.http2 = SpeaksHttp2(request.destination.protocol, request.client_speaks_h2);
  chosen.key = KeyOf(chosen.route, chosen.http2);
  return chosen;
}

ChosenBackend BackendChoice::Direct(const mesh::WorkloadRef& workload, const Address& target,
                                    const mesh::Service* service) const {
  ChosenBackend chosen;
  chosen.endpoint = Describe(*workload, target);
  chosen.route.destination = workload;
  chosen.route.connect_to = target;
  if (workload->protocol == mesh::TunnelProtocol::kNone) return chosen;
  chosen.route.protocol = mesh::Protocol::kHbone;
  chosen.route.connect_to = Address{target.ip, hbone::kPort};
  chosen.route.target = target;
  // Exactly the pod's account, or what the service allows besides.
  if (service != nullptr) chosen.route.identities = service->identities;
  chosen.route.identities.push_back(workload->identity());
  return chosen;
}

Result<ChosenBackend> MeshBackends::Choose(const UpstreamRequest& request) {
  const mesh::SnapshotRef snapshot = mesh_.snapshot;
  if (snapshot == nullptr) return Error{Reason::kUnknownDestination};
  return BackendChoice(*snapshot, own_, edge_, random_).Choose(request);
}

Task<Result<io::StreamPtr>> MeshBackends::Dial(ChosenBackend backend, StopToken stop) {
  const mesh::Route& route = backend.route;
  if (route.protocol == mesh::Protocol::kTcp) {
    Result<io::SocketPtr> socket = co_await io::Connect(route.connect_to, stop);
    if (!socket) co_return socket.error();
    io::SetTunnelOptions((*socket)->fd());  // a head and its body are two writes
    co_return io::StreamPtr(*std::move(socket));
  }
  Result<certs::CertRef> certificate = co_await certs_.Get(own_.identity, stop);
  if (!certificate) co_return certificate.error();
  hbone::PoolKey key{.source = own_.identity,
                     .origin = "",
                     .expected = route.identities,
                     .expected_trust_domain = "",
                     .gateway = route.connect_to};
  hbone::ConnectRequest request;
  request.authority = route.target;
  request.baggage = proxy::BaggageOf(own_.workload);
  Result<hbone::Tunnel, hbone::TunnelError> tunnel = co_await pool_.Open(
      std::move(key), dialer_, (*certificate)->client, std::move(request), stop);
  if (!tunnel) co_return tunnel.error().error;
  co_return io::StreamPtr(std::move(tunnel->stream));
}

}  // namespace aquifer::waypoint
