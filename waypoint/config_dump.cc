#include "waypoint/config_dump.h"

#include <nlohmann/json.hpp>

#include "proxy/certificates_json.h"

namespace aquifer::waypoint {
namespace {

using Json = nlohmann::ordered_json;

std::string_view ProtocolName(ListenerProtocol protocol) {
  switch (protocol) {
    case ListenerProtocol::kHttp:
      return "HTTP";
    case ListenerProtocol::kHbone:
      return "HBONE";
    case ListenerProtocol::kTcp:
      return "TCP";
    case ListenerProtocol::kTls:
      return "TLS";
    case ListenerProtocol::kUdp:
      return "UDP";
    case ListenerProtocol::kOther:
      return "other";
  }
  return "other";
}

std::string_view ActionName(PolicyAction action) {
  switch (action) {
    case PolicyAction::kAllow:
      return "ALLOW";
    case PolicyAction::kDeny:
      return "DENY";
    case PolicyAction::kAudit:
      return "AUDIT";
    case PolicyAction::kCustom:
      return "CUSTOM";
  }
  return "DENY";
}

Json DumpGateway(const Gateway& gateway) {
  Json listeners = Json::array();
  for (const Listener& listener : gateway.listeners) {
    listeners.push_back({{"name", listener.name},
                         {"port", listener.port},
                         {"protocol", ProtocolName(listener.protocol)},
                         {"hostname", listener.hostname}});
  }
  return {{"name", gateway.name.ToString()},
          {"class", gateway.class_name},
          {"serviceAccount", gateway.service_account},
          {"waypoint", gateway.is_waypoint},
          {"addresses", gateway.addresses},
          {"listeners", listeners}};
}

Json DumpRoute(const HttpRoute& route) {
  Json parents = Json::array();
  for (const ListenerRef& parent : route.listener_parents) {
    parents.push_back(parent.gateway.ToString() + ":" + parent.listener);
  }
  for (const ServiceRef& parent : route.service_parents) {
    parents.push_back(parent.ns + "/" + parent.hostname + ":" + std::to_string(parent.port));
  }
  Json rules = Json::array();
  for (const RouteRule& rule : route.rules) {
    Json backends = Json::array();
    for (const Backend& backend : rule.backends) {
      backends.push_back({{"service", backend.service.ns + "/" + backend.service.hostname},
                          {"port", backend.service.port},
                          {"weight", backend.weight},
                          {"invalid", backend.invalid}});
    }
    rules.push_back({{"name", rule.name},
                     {"matches", rule.matches.size()},
                     {"invalid", rule.filters.invalid},
                     {"backends", backends}});
  }
  return {{"name", route.name.ToString()},
          {"hostnames", route.hostnames},
          {"parents", parents},
          {"rules", rules}};
}

std::string_view KindName(L4Route::Kind kind) {
  switch (kind) {
    case L4Route::Kind::kTcp:
      return "TCPRoute";
    case L4Route::Kind::kTls:
      return "TLSRoute";
    case L4Route::Kind::kUdp:
      return "UDPRoute";
  }
  return "";
}

Json DumpL4Route(const L4Route& route) {
  Json listeners = Json::array();
  for (const ListenerRef& listener : route.listeners)
    listeners.push_back(listener.gateway.ToString() + ":" + listener.listener);
  Json backends = Json::array();
  for (const L4Backend& backend : route.backends) {
    backends.push_back({{"service", backend.service.ns + "/" + backend.service.hostname},
                        {"port", backend.service.port},
                        {"weight", backend.weight},
                        {"endpoints", backend.endpoints.size()},
                        {"invalid", backend.invalid}});
  }
  return {{"kind", KindName(route.kind)}, {"name", route.name.ToString()},
          {"hostnames", route.hostnames}, {"parents", listeners},
          {"backends", backends},         {"refused", route.refused}};
}

Json DumpPolicy(const Policy& policy) {
  return {{"name", policy.name.ToString()},
          {"action", ActionName(policy.action)},
          {"dryRun", policy.dry_run},
          {"rules", policy.rules.size()},
          {"refused", policy.refused}};
}

}  // namespace

std::string DumpConfig(const Rules* rules, const mesh::Snapshot* mesh,
                       const std::vector<certs::CertStatus>& certificates) {
  Json dump;
  if (rules != nullptr) {
    dump["gateway"] = DumpGateway(rules->gateway);
    dump["routes"] = Json::array();
    for (const RoutePtr& route : rules->all_routes) dump["routes"].push_back(DumpRoute(*route));
    dump["l4Routes"] = Json::array();
    for (const L4RoutePtr& route : rules->all_l4_routes)
      dump["l4Routes"].push_back(DumpL4Route(*route));
    dump["policies"] = Json::array();
    for (const PolicyPtr& policy : rules->all_policies) {
      dump["policies"].push_back(DumpPolicy(*policy));
    }
  }
  if (mesh != nullptr) {
    dump["services"] = mesh->service_count();
    dump["workloads"] = mesh->workload_count();
  }
  dump["certificates"] = proxy::CertificatesJson(certificates);
  // Names come from outside: bytes that are not UTF-8 are replaced and do not throw.
  return dump.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace aquifer::waypoint
