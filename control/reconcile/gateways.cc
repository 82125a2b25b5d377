#include "control/reconcile/gateways.h"

#include <algorithm>
#include <optional>

#include "control/names.h"

namespace aquifer::control {
namespace {

constexpr std::string_view kGatewayName = "gateway.networking.k8s.io/gateway-name";
constexpr std::string_view kOldGatewayName = "istio.io/gateway-name";
// The definition of Gateway takes no more.
constexpr size_t kMaxStatusAddresses = 16;

// The label of the Gateway beats that of its class. A waypoint of an account handles all traffic to
// its pods unless told otherwise.
WaypointScope ScopeOf(const BoundGateway& gateway, const MeshIndex& index) {
  static constexpr std::string_view kKey = "istio.io/waypoint-for";
  std::string_view word = LabelOf(gateway.object->meta.labels, kKey);
  const auto* object = FindObject(index.objects().gateway_classes, "", gateway.object->class_name);
  if (word.empty() && object != nullptr) word = LabelOf(object->meta.labels, kKey);
  if (word.empty() && !gateway.for_service_account.empty()) return WaypointScope::kAll;
  if (word == "workload") return WaypointScope::kWorkload;
  if (word == "all") return WaypointScope::kAll;
  return word == "none" ? WaypointScope::kNone : WaypointScope::kService;
}

bool SelectsByGatewayName(const Service& service, std::string_view gateway) {
  return LabelOf(service.selector, kGatewayName) == gateway ||
         LabelOf(service.selector, kOldGatewayName) == gateway;
}

const Service* ServiceByConvention(const BoundGateway& gateway, const MeshIndex& index) {
  const auto& services = index.objects().services;
  for (auto at = services.lower_bound({gateway.namespace_name(), ""});
       at != services.end() && at->first.first == gateway.namespace_name(); ++at) {
    if (LabelOf(at->second.meta.labels, kGatewayName) == gateway.name()) return &at->second;
  }
  const std::string suffix = gateway.role == GatewayRole::kWaypoint ? "-istio-waypoint" : "-istio";
  if (const Service* found =
          FindObject(services, gateway.namespace_name(), gateway.name() + suffix))
    return found;
  // A service that merely shares the gateway's name may well be the application behind it.
  const Service* same_name = FindObject(services, gateway.namespace_name(), gateway.name());
  return same_name != nullptr && SelectsByGatewayName(*same_name, gateway.name()) ? same_name
                                                                                  : nullptr;
}

// A Hostname address links the Gateway to a Service of its own namespace, by short or full name.
void BindNamedService(BoundGateway& gateway, std::string_view value, const MeshIndex& index) {
  std::string_view service = value;
  const std::string suffix = index.HostnameOf(gateway.namespace_name(), "");
  if (service.ends_with(suffix)) service.remove_suffix(suffix.size());
  if (service.empty() || service.find('.') != std::string_view::npos) {
    gateway.unsupported_address =
        "only Services of the Gateway's own namespace can be its address, not " +
        std::string(value);
    return;
  }
  gateway.service = FindObject(index.objects().services, gateway.namespace_name(), service);
}

void BindService(BoundGateway& gateway, const MeshIndex& index) {
  const auto& addresses = gateway.object->addresses;
  const bool automatic =
      addresses.empty() || (addresses.size() == 1 && addresses[0].type == "IPAddress");
  if (automatic) {
    gateway.service = ServiceByConvention(gateway, index);
  } else if (addresses.size() == 1 && addresses[0].type == "Hostname") {
    BindNamedService(gateway, addresses[0].value, index);
  } else {
    gateway.unsupported_address =
        "spec.addresses may hold one address of type Hostname or IPAddress";
  }
}

void AddPods(std::vector<const Pod*>& pods, const std::vector<const Pod*>& more) {
  for (const Pod* pod : more) {
    if (std::find(pods.begin(), pods.end(), pod) == pods.end()) pods.push_back(pod);
  }
}

void BindPods(BoundGateway& gateway, const MeshIndex& index) {
  for (const std::string_view key : {kGatewayName, kOldGatewayName}) {
    AddPods(gateway.pods,
            index.PodsWith(gateway.namespace_name(), {{std::string(key), gateway.name()}}));
  }
  if (gateway.service != nullptr) AddPods(gateway.pods, index.PodsOf(*gateway.service));
  const std::string suffix = gateway.role == GatewayRole::kWaypoint ? "-istio-waypoint" : "-istio";
  gateway.service_account =
      gateway.pods.empty() ? gateway.name() + suffix : gateway.pods[0]->service_account;
}

void JudgeProtocol(BoundListener& listener, const BoundGateway& gateway) {
  const bool waypoint = gateway.role == GatewayRole::kWaypoint;
  const std::string& protocol = listener.spec->protocol;
  const bool known =
      protocol == "HTTP" || protocol == "TCP" || protocol == "TLS" || protocol == "UDP";
  listener.usable = waypoint ? protocol == "HBONE" && listener.spec->port == kHbonePort : known;
  if (listener.usable && protocol == "TLS" && !listener.spec->tls_passthrough) {
    listener.usable = false;
    listener.reason = "UnsupportedValue";
    listener.message = "TLS is not terminated; tls.mode has to be Passthrough";
  }
  if (listener.usable || !listener.reason.empty()) return;
  listener.reason = "UnsupportedProtocol";
  if (waypoint) {
    listener.message = "a waypoint has one listener, of protocol HBONE on port 15008";
  } else if (protocol == "http" || protocol == "https" || protocol == "hbone" ||
             protocol == "tcp" || protocol == "tls" || protocol == "udp") {
    listener.message = "protocols are written in capitals";
  } else {
    listener.message = "protocol " + protocol + " is not served by gateways of this class";
  }
}

// Why two listeners of one Gateway cannot both be served; empty: they can (Gateway API, distinct
// listeners). A protocol without routes opens no port, and is in nobody's way.
std::string_view ConflictOf(const Listener& a, const Listener& b) {
  const bool udp = a.protocol == "UDP";
  if (a.port != b.port || udp != (b.protocol == "UDP")) return "";
  if (a.protocol != b.protocol) {
    const bool routed = !KindOfRoutes(a.protocol).empty() && !KindOfRoutes(b.protocol).empty();
    return routed ? "ProtocolConflict" : "";
  }
  // Nothing but the port tells a connection of TCP, or a datagram, from another.
  if (udp || a.protocol == "TCP") return "ProtocolConflict";
  if (a.protocol == "TLS" && a.tls_passthrough != b.tls_passthrough) return "ProtocolConflict";
  return a.hostname == b.hostname ? "HostnameConflict" : "";
}

// Neither wins (Gateway API, conflicted listeners).
void JudgeConflicts(std::vector<BoundListener>& listeners) {
  for (BoundListener& listener : listeners) {
    for (const BoundListener& other : listeners) {
      if (&other != &listener && listener.conflict.empty())
        listener.conflict = ConflictOf(*listener.spec, *other.spec);
    }
  }
  for (BoundListener& listener : listeners) {
    if (listener.conflict.empty() || listener.reason == "UnsupportedProtocol") continue;
    listener.usable = false;
    listener.reason = listener.conflict;
    listener.message = listener.conflict == "HostnameConflict"
                           ? "another listener of this port has the same host name"
                           : "another listener has this port";
  }
}

BoundGateway Bind(const Gateway& object, GatewayRole role, const MeshIndex& index) {
  BoundGateway gateway;
  gateway.object = &object;
  gateway.role = role;
  if (role == GatewayRole::kWaypoint) {
    gateway.for_service_account = LabelOf(object.meta.annotations, "istio.io/for-service-account");
  }
  gateway.scope = ScopeOf(gateway, index);
  BindService(gateway, index);
  BindPods(gateway, index);
  for (const Listener& spec : object.listeners) {
    BoundListener listener;
    listener.spec = &spec;
    JudgeProtocol(listener, gateway);
    gateway.listeners.push_back(std::move(listener));
  }
  JudgeConflicts(gateway.listeners);
  return gateway;
}

Condition GatewayAccepted(const BoundGateway& gateway) {
  if (!gateway.unsupported_address.empty()) {
    return {"Accepted", false, "UnsupportedAddress", gateway.unsupported_address};
  }
  const auto usable = std::count_if(gateway.listeners.begin(), gateway.listeners.end(),
                                    [](const BoundListener& listener) { return listener.usable; });
  if (usable == 0) return {"Accepted", false, "ListenersNotValid", "no listener can be used"};
  if (static_cast<size_t>(usable) < gateway.listeners.size()) {
    return {"Accepted", true, "ListenersNotValid", "some listeners cannot be used"};
  }
  return {"Accepted", true, "Accepted", ""};
}

// Who waits for a Gateway wants the address that it will keep, not the host name until then.
bool AwaitsBalancer(const BoundGateway& gateway) {
  const Service* service = gateway.service;
  return service != nullptr && service->type == Service::Type::kLoadBalancer &&
         service->load_balancer_ips.empty() && service->load_balancer_hostnames.empty();
}

Condition GatewayProgrammed(const BoundGateway& gateway, bool accepted, bool has_address) {
  if (!accepted) return {"Programmed", false, "Invalid", "the Gateway is not accepted"};
  if (has_address && AwaitsBalancer(gateway)) {
    return {"Programmed", false, "AddressNotAssigned",
            "the load balancer of Service " + gateway.service->meta.name + " has no address yet"};
  }
  if (has_address) return {"Programmed", true, "Programmed", ""};
  const std::string where = gateway.service == nullptr
                                ? "no Service and no ready pod of it"
                                : "no ready pod behind Service " + gateway.service->meta.name;
  return {"Programmed", false, "AddressNotAssigned", "there is " + where};
}

ListenerStatus StatusOf(const BoundListener& listener, bool programmed) {
  ListenerStatus status;
  status.name = listener.spec->name;
  const std::string reason = listener.usable ? "Accepted" : listener.reason;
  status.conditions.push_back({"Accepted", listener.usable, reason, listener.message});
  const bool serves = listener.usable && programmed;
  status.conditions.push_back({"Programmed", serves,
                               serves            ? "Programmed"
                               : listener.usable ? "Pending"
                                                 : "Invalid",
                               ""});
  if (!listener.conflict.empty()) {
    status.conditions.push_back(
        {"Conflicted", true, std::string(listener.conflict), listener.message});
  }
  const std::string_view served = KindOfRoutes(listener.spec->protocol);
  const auto& kinds = listener.spec->kinds;
  const auto is_served = [&](const Listener::RouteKind& kind) {
    return kind.group == kGatewayGroup && kind.kind == served;
  };
  const bool allowed = kinds.empty() || std::any_of(kinds.begin(), kinds.end(), is_served);
  if (listener.usable && allowed && !served.empty()) status.supported_kinds = {std::string(served)};
  const auto foreign = std::find_if_not(kinds.begin(), kinds.end(), is_served);
  const bool known = foreign == kinds.end();
  status.conditions.push_back({"ResolvedRefs", known, known ? "ResolvedRefs" : "InvalidRouteKinds",
                               known ? "" : "routes of kind " + foreign->kind + " are not served"});
  return status;
}

}  // namespace

bool BoundGateway::HasReadyPod() const {
  return std::any_of(pods.begin(), pods.end(), [](const Pod* pod) { return IsReady(*pod); });
}

std::string_view KindOfRoutes(std::string_view protocol) {
  if (protocol == "HTTP" || protocol == "HTTPS") return "HTTPRoute";
  if (protocol == "TCP") return "TCPRoute";
  if (protocol == "TLS") return "TLSRoute";
  return protocol == "UDP" ? "UDPRoute" : "";
}

GatewayMap BindGateways(const MeshIndex& index) {
  const GatewayClasses classes(index.objects(), index.settings());
  GatewayMap gateways;
  for (const auto& [key, object] : index.objects().gateways) {
    const auto role = classes.RoleOf(object.class_name);
    if (role && *role != GatewayRole::kRemote) gateways.emplace(key, Bind(object, *role, index));
  }
  return gateways;
}

const BoundGateway* FindGateway(const GatewayMap& gateways, std::string_view namespace_name,
                                std::string_view name) {
  const auto found = gateways.find({std::string(namespace_name), std::string(name)});
  return found == gateways.end() ? nullptr : &found->second;
}

bool AllowsNamespace(const Listener& listener, std::string_view gateway_namespace,
                     std::string_view other, const MeshIndex& index) {
  switch (listener.from) {
    case Listener::From::kAll:
      return true;
    case Listener::From::kNone:
      return false;
    case Listener::From::kSame:
      return gateway_namespace == other;
    case Listener::From::kSelector:
      return listener.namespaces.Selects(index.NamespaceLabels(other));
  }
  return false;
}

std::vector<StatusAddress> AddressesOf(const BoundGateway& gateway, const MeshIndex& index) {
  std::vector<StatusAddress> addresses;
  if (!gateway.HasReadyPod()) return addresses;
  if (gateway.service == nullptr) {
    for (const Pod* pod : gateway.pods) {
      if (IsReady(*pod)) addresses.push_back({"IPAddress", pod->ips[0].ToString()});
    }
    return addresses;
  }
  const Service& service = *gateway.service;
  for (const Ip& ip : service.load_balancer_ips) addresses.push_back({"IPAddress", ip.ToString()});
  for (const std::string& host : service.load_balancer_hostnames)
    addresses.push_back({"Hostname", host});
  if (!addresses.empty()) return addresses;
  addresses.push_back({"Hostname", index.HostnameOf(service)});
  if (gateway.role == GatewayRole::kWaypoint) {
    for (const Ip& ip : service.cluster_ips) addresses.push_back({"IPAddress", ip.ToString()});
  }
  return addresses;
}

ObjectStatus GatewayStatus(const BoundGateway& gateway, const MeshIndex& index) {
  ObjectStatus status;
  status.generation = gateway.object->meta.generation;
  status.uid = gateway.object->meta.uid;
  status.addresses = AddressesOf(gateway, index);
  const Condition accepted = GatewayAccepted(gateway);
  Condition programmed = GatewayProgrammed(gateway, accepted.status, !status.addresses.empty());
  if (status.addresses.size() > kMaxStatusAddresses) {
    if (programmed.status)
      programmed.message = std::to_string(kMaxStatusAddresses) + " of " +
                           std::to_string(status.addresses.size()) + " addresses are listed";
    status.addresses.resize(kMaxStatusAddresses);
  }
  for (const BoundListener& listener : gateway.listeners) {
    status.listeners.push_back(StatusOf(listener, programmed.status));
  }
  status.conditions = {accepted, programmed};
  // What older tools wait for; it says the same.
  status.conditions.push_back(
      {"Ready", programmed.status, programmed.status ? "Ready" : programmed.reason, ""});
  return status;
}

// Nothing here serves it: it is what its author says of it.
ObjectStatus RemoteGatewayStatus(const Gateway& gateway) {
  ObjectStatus status;
  status.generation = gateway.meta.generation;
  status.uid = gateway.meta.uid;
  for (const GatewayAddressSpec& address : gateway.addresses) {
    if (!address.value.empty()) status.addresses.push_back({address.type, address.value});
  }
  const bool reachable = !status.addresses.empty();
  const std::string reason = reachable ? "Programmed" : "AddressNotAssigned";
  const std::string message =
      reachable ? "the gateway is remote" : "a remote gateway needs an address in spec.addresses";
  status.conditions = {{"Accepted", true, "Accepted", ""},
                       {"Programmed", reachable, reason, message},
                       {"Ready", reachable, reachable ? "Ready" : reason, ""}};
  for (const Listener& listener : gateway.listeners) {
    status.listeners.push_back(
        {listener.name,
         0,
         {},
         {{"Accepted", true, "Accepted", ""},
          {"Programmed", reachable, reachable ? "Programmed" : "Pending", ""},
          {"ResolvedRefs", true, "ResolvedRefs", ""}}});
  }
  return status;
}

}  // namespace aquifer::control
