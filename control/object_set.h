// Every object of a mesh at one moment, by key. A source builds one and hands it over whole;
// readers see it immutable.
#pragma once

#include <map>
#include <utility>
#include <variant>

#include "control/endpoint_slice.h"
#include "control/entry_objects.h"
#include "control/gateway_objects.h"
#include "control/objects.h"
#include "control/policy_objects.h"

namespace aquifer::control {

using Object =
    std::variant<Namespace, Node, ServiceAccount, Pod, Service, GatewayClass, Gateway, HttpRoute,
                 TcpRoute, TlsRoute, UdpRoute, ReferenceGrant, AuthorizationPolicy,
                 PeerAuthentication, EndpointSlice, ServiceEntry, WorkloadEntry>;

ObjectKey KeyOf(const Object& object);

// Objects of one kind by "<namespace>/<name>", in the order in which ties are broken.
template <class T>
using ObjectMap = std::map<std::pair<std::string, std::string>, T>;

struct ObjectSet {
  ObjectMap<Namespace> namespaces;  // the first part of the key is empty
  ObjectMap<Node> nodes;            // likewise
  ObjectMap<ServiceAccount> service_accounts;
  ObjectMap<Pod> pods;
  ObjectMap<Service> services;
  ObjectMap<GatewayClass> gateway_classes;
  ObjectMap<Gateway> gateways;
  ObjectMap<HttpRoute> http_routes;
  ObjectMap<TcpRoute> tcp_routes;
  ObjectMap<TlsRoute> tls_routes;
  ObjectMap<UdpRoute> udp_routes;
  ObjectMap<ReferenceGrant> reference_grants;
  ObjectMap<AuthorizationPolicy> authorization_policies;
  ObjectMap<PeerAuthentication> peer_authentications;
  ObjectMap<EndpointSlice> endpoint_slices;
  ObjectMap<ServiceEntry> service_entries;
  ObjectMap<WorkloadEntry> workload_entries;

  // False if there is one of that key already; the one that is there stays.
  bool Add(Object object);
  size_t size() const;
};

// The object of that name, or null.
template <class T>
const T* FindObject(const ObjectMap<T>& objects, std::string_view namespace_name,
                    std::string_view name) {
  const auto found = objects.find({std::string(namespace_name), std::string(name)});
  return found == objects.end() ? nullptr : &found->second;
}

}  // namespace aquifer::control
