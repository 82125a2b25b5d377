#include "control/object_set.h"

namespace aquifer::control {
namespace {

// The place of each type in the variant is the value of its Kind.
static_assert(std::variant_size_v<Object> == kKindCount);
static_assert(
    std::is_same_v<std::variant_alternative_t<static_cast<size_t>(Kind::kPod), Object>, Pod>);
static_assert(std::is_same_v<
              std::variant_alternative_t<static_cast<size_t>(Kind::kGateway), Object>, Gateway>);
static_assert(
    std::is_same_v<std::variant_alternative_t<static_cast<size_t>(Kind::kWorkloadEntry), Object>,
                   WorkloadEntry>);

template <class T>
bool Put(ObjectMap<T>& objects, T object) {
  std::pair key{object.meta.namespace_name, object.meta.name};
  return objects.try_emplace(std::move(key), std::move(object)).second;
}

struct Adder {
  ObjectSet& set;

  bool operator()(Namespace object) { return Put(set.namespaces, std::move(object)); }
  bool operator()(Node object) { return Put(set.nodes, std::move(object)); }
  bool operator()(ServiceAccount object) { return Put(set.service_accounts, std::move(object)); }
  bool operator()(Pod object) { return Put(set.pods, std::move(object)); }
  bool operator()(Service object) { return Put(set.services, std::move(object)); }
  bool operator()(GatewayClass object) { return Put(set.gateway_classes, std::move(object)); }
  bool operator()(Gateway object) { return Put(set.gateways, std::move(object)); }
  bool operator()(HttpRoute object) { return Put(set.http_routes, std::move(object)); }
  bool operator()(TcpRoute object) { return Put(set.tcp_routes, std::move(object)); }
  bool operator()(TlsRoute object) { return Put(set.tls_routes, std::move(object)); }
  bool operator()(UdpRoute object) { return Put(set.udp_routes, std::move(object)); }
  bool operator()(ReferenceGrant object) { return Put(set.reference_grants, std::move(object)); }
  bool operator()(AuthorizationPolicy object) {
    return Put(set.authorization_policies, std::move(object));
  }
  bool operator()(PeerAuthentication object) {
    return Put(set.peer_authentications, std::move(object));
  }
  bool operator()(EndpointSlice object) { return Put(set.endpoint_slices, std::move(object)); }
  bool operator()(ServiceEntry object) { return Put(set.service_entries, std::move(object)); }
  bool operator()(WorkloadEntry object) { return Put(set.workload_entries, std::move(object)); }
};

}  // namespace

ObjectKey KeyOf(const Object& object) {
  return std::visit(
      [&](const auto& value) {
        return ObjectKey{static_cast<Kind>(object.index()), value.meta.namespace_name,
                         value.meta.name};
      },
      object);
}

bool ObjectSet::Add(Object object) { return std::visit(Adder{*this}, std::move(object)); }

size_t ObjectSet::size() const {
  return namespaces.size() + nodes.size() + service_accounts.size() + pods.size() +
         services.size() + gateway_classes.size() + gateways.size() + http_routes.size() +
         tcp_routes.size() + tls_routes.size() + udp_routes.size() + reference_grants.size() +
         authorization_policies.size() + peer_authentications.size() + endpoint_slices.size() +
         service_entries.size() + workload_entries.size();
}

}  // namespace aquifer::control
