#include "control/reconcile/reconcile.h"

#include <algorithm>
#include <utility>

#include "control/reconcile/connection_policy.h"
#include "control/reconcile/endpoints.h"
#include "control/reconcile/entries.h"
#include "control/reconcile/gateways.h"
#include "control/reconcile/index.h"
#include "control/reconcile/l4_routes.h"
#include "control/reconcile/peer_authentication.h"
#include "control/reconcile/request_policy.h"
#include "control/reconcile/routes.h"
#include "control/reconcile/serialize.h"
#include "control/reconcile/waypoints.h"
#include "control/reconcile/workloads.h"

namespace aquifer::control {
namespace {

std::string ResourceName(const Meta& meta) { return meta.namespace_name + "/" + meta.name; }

std::string Join(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

mesh::v1::WaypointFor ScopeWord(WaypointScope scope) {
  switch (scope) {
    case WaypointScope::kService:
      return mesh::v1::WAYPOINT_FOR_SERVICE;
    case WaypointScope::kWorkload:
      return mesh::v1::WAYPOINT_FOR_WORKLOAD;
    case WaypointScope::kAll:
      return mesh::v1::WAYPOINT_FOR_ALL;
    case WaypointScope::kNone:
      return mesh::v1::WAYPOINT_FOR_NONE;
  }
  return mesh::v1::WAYPOINT_FOR_NONE;
}

// Of a listener that can be used.
mesh::v1::ListenerProtocol ProtocolNumber(std::string_view protocol) {
  if (protocol == "HBONE") return mesh::v1::LISTENER_PROTOCOL_HBONE;
  if (protocol == "TCP") return mesh::v1::LISTENER_PROTOCOL_TCP;
  if (protocol == "TLS") return mesh::v1::LISTENER_PROTOCOL_TLS;
  if (protocol == "UDP") return mesh::v1::LISTENER_PROTOCOL_UDP;
  return mesh::v1::LISTENER_PROTOCOL_HTTP;
}

class Reconciler {
 public:
  Reconciler(const ObjectSet& objects, const MeshSettings& settings)
      : index_(objects, settings),
        gateways_(BindGateways(index_)),
        resolver_(index_, gateways_),
        entries_(index_, resolver_),
        peer_authentications_(index_) {}

  Reconciled Run() {
    AddServices();
    AddEntries();
    AddPolicies();
    AddWorkloads();
    AddClassStatuses();
    AddGateways();
    AddRoutes();
    AddL4Routes(Kind::kTcpRoute, index_.objects().tcp_routes);
    AddL4Routes(Kind::kTlsRoute, index_.objects().tls_routes);
    AddL4Routes(Kind::kUdpRoute, index_.objects().udp_routes);
    return std::move(result_);
  }

 private:
  void Put(ResourceType type, std::string name, Resource resource) {
    result_.resources.Of(type).insert_or_assign(std::move(name), std::move(resource));
  }

  void PutRestricted(ResourceType type, std::string name,
                     const google::protobuf::MessageLite& message,
                     const std::set<std::string>& gateways) {
    Resource resource = MakeResource(message);
    resource.restricted = true;
    resource.gateways.assign(gateways.begin(), gateways.end());
    Put(type, std::move(name), std::move(resource));
  }

  ObjectStatus& StatusOf(Kind kind, const Meta& meta) {
    ObjectStatus& status = result_.statuses[{kind, meta.namespace_name, meta.name}];
    status.generation = meta.generation;
    status.uid = meta.uid;
    return status;
  }

  void NoteConditions(Kind kind, const Meta& meta, const std::vector<Condition>& conditions) {
    if (conditions.empty()) return;
    ObjectStatus& status = StatusOf(kind, meta);
    status.conditions.insert(status.conditions.end(), conditions.begin(), conditions.end());
  }

  void AddServices() {
    std::map<Ip, const Service*> owners;
    for (const auto& [key, service] : index_.objects().services) {
      if (service.type == Service::Type::kExternalName) continue;
      for (const Ip& ip : service.cluster_ips) {
        const auto [place, added] = owners.emplace(ip, &service);
        if (!added) WarnShared("Services", ip, place->second->meta, service.meta);
      }
      const WaypointBinding waypoint = resolver_.ForService(service);
      if (waypoint.gateway != nullptr) service_waypoints_.emplace(&service, waypoint.gateway);
      NoteConditions(Kind::kService, service.meta, waypoint.conditions);
      // What was said of it before has to be taken back.
      if (service.has_waypoint_status) StatusOf(Kind::kService, service.meta);
      Put(ResourceType::kAddress, ServiceResourceName(service, index_),
          ServiceResource(MakeService(service, index_, waypoint)));
    }
  }

  void AddEntries() {
    for (const auto& [name, resource] : entries_.resources())
      Put(ResourceType::kAddress, name, resource);
    result_.warnings.insert(result_.warnings.end(), entries_.warnings().begin(),
                            entries_.warnings().end());
    for (const Entries::Note& note : entries_.notes())
      NoteConditions(note.kind, *note.meta, note.conditions);
    // What was said of them before has to be taken back.
    for (const auto& [key, entry] : index_.objects().service_entries) {
      if (entry.has_waypoint_status) StatusOf(Kind::kServiceEntry, entry.meta);
    }
    for (const auto& [key, entry] : index_.objects().workload_entries) {
      if (entry.has_waypoint_status) StatusOf(Kind::kWorkloadEntry, entry.meta);
    }
  }

  void WarnShared(std::string_view what, const Ip& ip, const Meta& first, const Meta& second) {
    result_.warnings.push_back(std::string(what) + " " + ResourceName(first) + " and " +
                               ResourceName(second) + " have the same address " + ip.ToString());
  }

  void AddPolicies() {
    for (const auto& [key, policy] : index_.objects().authorization_policies) {
      AddConnectionPolicy(policy);
      const RequestPolicy request =
          ToRequestPolicy(policy, index_, gateways_, service_waypoints_, entries_);
      NoteConditions(Kind::kAuthorizationPolicy, policy.meta, request.conditions);
      if (request.message) {
        PutRestricted(ResourceType::kAuthorizationPolicy, ResourceName(policy.meta),
                      *request.message, request.gateways);
      }
    }
    for (const istio::security::Authorization& policy : peer_authentications_.Policies()) {
      Put(ResourceType::kAuthorization, policy.namespace_() + "/" + policy.name(),
          MakeResource(policy));
    }
  }

  void AddConnectionPolicy(const AuthorizationPolicy& policy) {
    if (!policy.targets.empty()) return;
    const auto converted = ToConnectionPolicy(policy, index_.settings());
    Condition accepted{"ZtunnelAccepted", true, "Accepted", ""};
    if (!converted) {
      accepted = {"ZtunnelAccepted", false, "UnsupportedValue",
                  "node proxies enforce only ALLOW and DENY, and no dry-run"};
    } else if (!converted->dropped.empty()) {
      accepted = {
          "ZtunnelAccepted", false, "UnsupportedValue",
          "node proxies do not know HTTP; not enforced by them: " + Join(converted->dropped)};
    }
    NoteConditions(Kind::kAuthorizationPolicy, policy.meta, {accepted});
    if (!converted) return;
    const bool by_selector = converted->message.scope() == istio::security::WORKLOAD_SELECTOR;
    if (by_selector) selector_policies_.push_back(&policy);
    Put(ResourceType::kAuthorization, ResourceName(policy.meta), MakeResource(converted->message));
  }

  // Selector policies of the pod's own namespace and of the root namespace, and what
  // PeerAuthentication asks.
  std::vector<std::string> PoliciesOf(const Pod& pod) const {
    std::vector<std::string> names;
    for (const AuthorizationPolicy* policy : selector_policies_) {
      const std::string& space = policy->meta.namespace_name;
      if (space != pod.meta.namespace_name && space != index_.settings().root_namespace) continue;
      if (HasLabels(pod.meta.labels, *policy->selector))
        names.push_back(ResourceName(policy->meta));
    }
    if (auto name = peer_authentications_.PolicyOf(pod)) names.push_back(*std::move(name));
    return names;
  }

  void AddWorkloads() {
    std::map<Ip, const Pod*> owners;
    for (const Pod* pod : index_.live_pods()) {
      for (const Ip& ip : pod->ips) {
        if (pod->host_network) break;
        const auto [place, added] = owners.emplace(ip, pod);
        if (!added) WarnShared("Pods", ip, place->second->meta, pod->meta);
      }
      const WaypointBinding waypoint = resolver_.ForPod(*pod);
      NoteConditions(Kind::kPod, pod->meta, waypoint.conditions);
      auto workload = MakeWorkload(*pod, index_, waypoint, PoliciesOf(*pod));
      const std::vector<std::string> entered = entries_.AddTo(*pod, workload);
      Resource resource = WorkloadResource(workload, *pod, index_);
      resource.brought_by.insert(resource.brought_by.end(), entered.begin(), entered.end());
      Put(ResourceType::kAddress, workload.uid(), std::move(resource));
    }
    for (auto& [name, resource] : OutsideWorkloads(index_))
      Put(ResourceType::kAddress, name, std::move(resource));
  }

  // A waypoint listens on 15008 itself; captured, its port would be the node proxy's.
  void WarnCaptured(const BoundGateway& gateway) {
    if (gateway.role != GatewayRole::kWaypoint) return;
    for (const Pod* pod : gateway.pods) {
      if (!index_.IsCaptured(*pod)) continue;
      result_.warnings.push_back("Pod " + ResourceName(pod->meta) + " serves waypoint " +
                                 ResourceName(gateway.object->meta) +
                                 " and is enrolled itself; label it istio.io/dataplane-mode: none");
    }
  }

  // What nothing is made from, but somebody waits to hear about.
  void AddClassStatuses() {
    const GatewayClasses classes(index_.objects(), index_.settings());
    for (const auto& [key, object] : index_.objects().gateway_classes) {
      if (classes.RoleOf(object.meta.name))
        StatusOf(Kind::kGatewayClass, object.meta) = GatewayClassStatus(object);
    }
    for (const auto& [key, gateway] : index_.objects().gateways) {
      if (classes.RoleOf(gateway.class_name) == GatewayRole::kRemote)
        StatusOf(Kind::kGateway, gateway.meta) = RemoteGatewayStatus(gateway);
    }
  }

  void AddGateways() {
    for (const auto& [key, gateway] : gateways_) {
      WarnCaptured(gateway);
      StatusOf(Kind::kGateway, gateway.object->meta) = GatewayStatus(gateway, index_);
      const std::string name = ResourceName(gateway.object->meta);
      PutRestricted(ResourceType::kGateway, name, GatewayMessage(gateway), {name});
    }
  }

  mesh::v1::Gateway GatewayMessage(const BoundGateway& gateway) const {
    mesh::v1::Gateway message;
    message.set_namespace_(gateway.namespace_name());
    message.set_name(gateway.name());
    message.set_class_name(gateway.object->class_name);
    message.set_service_account(gateway.service_account);
    message.set_is_waypoint(gateway.role == GatewayRole::kWaypoint);
    message.set_waypoint_for(ScopeWord(gateway.scope));
    for (const BoundListener& listener : gateway.listeners) {
      if (!listener.usable) continue;
      mesh::v1::Listener& out = *message.add_listeners();
      out.set_name(listener.spec->name);
      out.set_port(listener.spec->port);
      out.set_protocol(ProtocolNumber(listener.spec->protocol));
      out.set_hostname(listener.spec->hostname);
    }
    if (gateway.service != nullptr) {
      message.add_addresses(index_.HostnameOf(*gateway.service));
      for (const Ip& ip : gateway.service->cluster_ips) message.add_addresses(ip.ToString());
    }
    for (const Pod* pod : gateway.pods) {
      for (const Ip& ip : pod->ips) message.add_addresses(ip.ToString());
    }
    const std::string_view xfcc =
        LabelOf(gateway.object->meta.annotations, "ambient.istio.io/xfcc-include-client-identity");
    message.set_xfcc_include_client_identity(xfcc == "true");
    message.mutable_mesh()->set_root_namespace(index_.settings().root_namespace);
    message.mutable_mesh()->set_trust_domain(index_.settings().trust_domain);
    return message;
  }

  void AddRoutes() {
    for (const auto& [key, route] : index_.objects().http_routes) {
      AttachedRoute attached = AttachRoute(route, index_, gateways_, service_waypoints_, entries_);
      for (const auto& [gateway, listener] : attached.listeners) CountRoute(gateway, listener);
      if (attached.message && !attached.gateways.empty()) {
        PutRestricted(ResourceType::kHttpRoute, ResourceName(route.meta), *attached.message,
                      attached.gateways);
      }
      StatusOf(Kind::kHttpRoute, route.meta) = std::move(attached.status);
    }
  }

  template <class Route>
  void AddL4Routes(Kind kind, const ObjectMap<Route>& routes) {
    for (const auto& [key, route] : routes) {
      AttachedL4Route attached = AttachL4Route(kind, route, index_, gateways_);
      for (const auto& [gateway, listener] : attached.listeners) CountRoute(gateway, listener);
      if (attached.message) {
        PutRestricted(ResourceType::kL4Route,
                      std::string(KindWord(kind)) + "/" + ResourceName(route.meta),
                      *attached.message, attached.gateways);
      }
      StatusOf(kind, route.meta) = std::move(attached.status);
    }
  }

  void CountRoute(const std::pair<std::string, std::string>& gateway, const std::string& name) {
    auto& listeners = result_.statuses[{Kind::kGateway, gateway.first, gateway.second}].listeners;
    const auto found =
        std::find_if(listeners.begin(), listeners.end(),
                     [&](const ListenerStatus& listener) { return listener.name == name; });
    if (found != listeners.end()) ++found->attached_routes;
  }

  const MeshIndex index_;
  const GatewayMap gateways_;
  const WaypointResolver resolver_;
  const Entries entries_;
  const PeerAuthentications peer_authentications_;
  ServiceWaypoints service_waypoints_;
  std::vector<const AuthorizationPolicy*> selector_policies_;
  Reconciled result_;
};

}  // namespace

Reconciled Reconcile(const ObjectSet& objects, const MeshSettings& settings) {
  return Reconciler(objects, settings).Run();
}

}  // namespace aquifer::control
