#include "control/reconcile/l4_routes.h"

#include <utility>

#include "control/reconcile/backend_refs.h"
#include "control/reconcile/endpoints.h"

namespace aquifer::control {
namespace {

namespace pb = mesh::v1;

// Of a UDP backend; the message stays small, and the rest of the endpoints rests.
constexpr size_t kMaxEndpoints = 256;

pb::L4RouteKind KindNumber(Kind kind) {
  if (kind == Kind::kTcpRoute) return pb::L4_ROUTE_KIND_TCP;
  return kind == Kind::kTlsRoute ? pb::L4_ROUTE_KIND_TLS : pb::L4_ROUTE_KIND_UDP;
}

class Attacher {
 public:
  Attacher(Kind kind, const L4Route& route, const MeshIndex& index, const GatewayMap& gateways)
      : kind_(kind), route_(route), index_(index), gateways_(gateways) {}

  AttachedL4Route Run() {
    result_.status.generation = route_.meta.generation;
    result_.status.uid = route_.meta.uid;
    message_.set_kind(KindNumber(kind_));
    message_.set_namespace_(route_.meta.namespace_name);
    message_.set_name(route_.meta.name);
    message_.set_creation_seconds(route_.meta.creation_seconds);
    for (const std::string& hostname : route_.hostnames) message_.add_hostnames(hostname);
    for (size_t i = 0; i < route_.parents.size(); ++i) Attach(route_.parents[i], i);
    const Condition resolved = AddBackends();
    for (ParentStatus& parent : result_.status.parents) parent.conditions.push_back(resolved);
    if (message_.listeners_size() > 0) result_.message = std::move(message_);
    return std::move(result_);
  }

 private:
  void Attach(const ParentRef& parent, size_t place) {
    if (parent.group != kGatewayGroup || parent.kind != "Gateway") return;
    const std::string& space =
        parent.namespace_name.empty() ? route_.meta.namespace_name : parent.namespace_name;
    const BoundGateway* gateway = FindGateway(gateways_, space, parent.name);
    // A Gateway that is not ours, or not there, is for somebody else to judge.
    if (gateway == nullptr) return;
    const RouteToAttach route{KindWord(kind_), route_.meta.namespace_name, route_.hostnames};
    ListenersFound found = FindListeners(route, parent, *gateway, index_);
    for (const BoundListener* listener : found.listeners) AddListener(*gateway, *listener);
    if (found.accepted.status && route_.has_more_rules)
      found.accepted.message = "the first rule takes everything; nothing is left for the others";
    result_.status.parents.push_back(
        {ParentName(parent, space), {std::move(found.accepted)}, place});
  }

  // A route counts at a listener that is itself invalid, but nothing serves it there.
  void AddListener(const BoundGateway& gateway, const BoundListener& listener) {
    if (!result_.listeners.insert(PlaceOf(gateway, listener)).second || !listener.usable) return;
    WriteListener(gateway, listener, *message_.add_listeners());
    result_.gateways.insert(gateway.namespace_name() + "/" + gateway.name());
  }

  Condition AddBackends() {
    const bool udp = kind_ == Kind::kUdpRoute;
    BackendRefs refs(KindWord(kind_), route_.meta.namespace_name, index_, Grants::kRequired);
    for (const L4BackendRef& backend : route_.backends) {
      pb::L4Backend& out = *message_.add_backends();
      out.set_weight(backend.weight);
      const Service* service = refs.Resolve(backend.object, udp ? Transport::kUdp : Transport::kTcp,
                                            *out.mutable_invalid());
      if (service == nullptr) continue;
      refs.Write(*service, backend.object.port, *out.mutable_service());
      if (!udp) continue;
      for (const Address& endpoint : UdpEndpoints(*service, backend.object.port, index_)) {
        if (static_cast<size_t>(out.endpoints_size()) == kMaxEndpoints) break;
        out.add_endpoints(endpoint.ToString());
      }
    }
    return refs.ResolvedRefs();
  }

  const Kind kind_;
  const L4Route& route_;
  const MeshIndex& index_;
  const GatewayMap& gateways_;
  AttachedL4Route result_;
  pb::L4Route message_;
};

}  // namespace

AttachedL4Route AttachL4Route(Kind kind, const L4Route& route, const MeshIndex& index,
                              const GatewayMap& gateways) {
  return Attacher(kind, route, index, gateways).Run();
}

}  // namespace aquifer::control
