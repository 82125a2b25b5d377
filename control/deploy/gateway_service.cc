#include "control/deploy/gateway_service.h"

#include <algorithm>
#include <set>
#include <utility>

#include "control/kube/values.h"
#include "control/names.h"

namespace aquifer::control {
namespace {

constexpr std::uint16_t kStatusPort = 15021;
constexpr size_t kMaxPortName = 63;

// Listener names may be longer than those of ports and hold dots, and end up the same.
std::string PortName(const std::string& listener, std::set<std::string>& used) {
  std::string name = listener;
  std::replace(name.begin(), name.end(), '.', '-');
  name.resize(std::min(name.size(), kMaxPortName));
  while (name.back() == '-') name.pop_back();
  const std::string base = name;
  for (int i = 1; !used.insert(name).second; ++i) {
    const std::string suffix = "-" + std::to_string(i);
    name = base.substr(0, kMaxPortName - suffix.size()) + suffix;
  }
  return name;
}

Json Port(std::string name, std::uint16_t number, std::string_view protocol) {
  return {
      {"name", std::move(name)}, {"port", number}, {"targetPort", number}, {"protocol", protocol}};
}

Json Ports(const Gateway& gateway) {
  std::set<std::string> names = {"status-port"};
  std::set<std::pair<std::uint16_t, bool>> taken = {{kStatusPort, false}};
  Json ports = Json::array();
  ports.push_back(Port("status-port", kStatusPort, "TCP"));
  for (const Listener& listener : gateway.listeners) {
    const bool udp = listener.protocol == "UDP";
    if (!taken.emplace(listener.port, udp).second) continue;
    Json port = Port(PortName(listener.name, names), listener.port, udp ? "UDP" : "TCP");
    // Protocols of other makers have a slash, which the word may have too.
    if (!udp) port["appProtocol"] = LowerCase(listener.protocol);
    ports.push_back(std::move(port));
  }
  return ports;
}

Result<std::string, DeployProblem> TypeOf(const DeploymentParts& parts) {
  const std::string_view type = LabelOf(parts.gateway.meta.annotations, kServiceType);
  if (type.empty())
    return std::string(parts.role == GatewayRole::kWaypoint ? "ClusterIP" : "LoadBalancer");
  if (type == "ClusterIP" || type == "NodePort" || type == "LoadBalancer") return std::string(type);
  return DeployProblem{std::string(kInvalidParameters),
                       "annotation " + std::string(kServiceType) + " is \"" + PrintableText(type) +
                           "\", none of ClusterIP, NodePort, LoadBalancer"};
}

}  // namespace

Result<Json, DeployProblem> ServiceSpec(const DeploymentParts& parts) {
  const Gateway& gateway = parts.gateway;
  AQ_TRY(const std::string type, TypeOf(parts));
  Json spec;
  spec["type"] = type;
  spec["ports"] = Ports(gateway);
  spec["selector"][std::string(kGatewayNameLabel)] = gateway.meta.name;
  if (parts.role == GatewayRole::kWaypoint) spec["ipFamilyPolicy"] = "PreferDualStack";
  // An address without a value asks for whichever there is.
  const auto& addresses = gateway.addresses;
  if (type == "LoadBalancer" && addresses.size() == 1 && Ip::Parse(addresses[0].value))
    spec["loadBalancerIP"] = addresses[0].value;
  return spec;
}

}  // namespace aquifer::control
