// Namespace, Node, ServiceAccount, Pod and Service. These objects have many fields that a mesh has
// no use for, so unknown ones are let by.
#include <algorithm>
#include <utility>

#include "control/decode/decode.h"
#include "control/names.h"

namespace aquifer::control {
namespace {

std::optional<Ip> ReadIp(Fields& fields, std::string_view key) {
  const auto text = fields.OptionalText(key, 64);
  if (!text || text->empty()) return std::nullopt;
  const auto ip = Ip::Parse(*text);
  if (!ip) fields.Refuse(key, "is not an IP address");
  return ip;
}

void AddOnce(std::vector<Ip>& ips, const Ip& ip) {
  if (std::find(ips.begin(), ips.end(), ip) == ips.end()) ips.push_back(ip);
}

bool ReadProtocol(Fields& fields) {
  return fields.Word("protocol", "TCP", {"TCP", "UDP", "SCTP"}) == "TCP";
}

void ReadContainerPorts(Fields& container, std::vector<ContainerPort>& ports) {
  container.ForEach("ports", 256, [&](Fields& fields) {
    ContainerPort port;
    port.name = fields.Text("name", "", 15);
    port.port = static_cast<std::uint16_t>(fields.RequiredNumber("containerPort", 1, 65535));
    port.tcp = ReadProtocol(fields);
    ports.push_back(std::move(port));
  });
}

// The API server's rule: the field's old name counts where the new one says nothing, and empty is
// nothing. As in redirect/pod_manifest.cc, for a pod has one identity.
std::string ReadServiceAccount(Fields& spec) {
  for (const std::string_view key : {"serviceAccountName", "serviceAccount"}) {
    std::string account = spec.Text(key, "", kMaxNameText);
    if (!account.empty()) return account;
  }
  return "default";
}

void ReadPodSpec(Fields& spec, Pod& pod) {
  pod.service_account = ReadServiceAccount(spec);
  if (!IsDnsSubdomain(pod.service_account))
    spec.Refuse("serviceAccountName", "is not a valid object name");
  pod.node_name = spec.Text("nodeName", "", kMaxNameText);
  if (!pod.node_name.empty() && !IsDnsSubdomain(pod.node_name))
    spec.Refuse("nodeName", "is not a valid object name");
  pod.host_network = spec.Flag("hostNetwork", false);
  spec.ForEach("containers", 64,
               [&](Fields& container) { ReadContainerPorts(container, pod.ports); });
  spec.ForEach("initContainers", 64, [&](Fields& container) {
    if (container.Text("restartPolicy") == "Always") ReadContainerPorts(container, pod.ports);
  });
}

Pod::Phase PhaseOf(std::string_view word) {
  if (word == "Pending") return Pod::Phase::kPending;
  if (word == "Running") return Pod::Phase::kRunning;
  if (word == "Succeeded") return Pod::Phase::kSucceeded;
  if (word == "Failed") return Pod::Phase::kFailed;
  return word.empty() ? Pod::Phase::kUnstated : Pod::Phase::kUnknown;
}

void ReadPodStatus(Fields& status, Pod& pod) {
  if (const auto ip = ReadIp(status, "podIP")) AddOnce(pod.ips, *ip);
  status.ForEach("podIPs", 8, [&](Fields& item) {
    if (const auto ip = ReadIp(item, "ip")) AddOnce(pod.ips, *ip);
  });
  pod.phase = PhaseOf(status.Text("phase"));
  status.ForEach("conditions", 64, [&](Fields& condition) {
    if (condition.Text("type") == "Ready") pod.ready = condition.Text("status") == "True";
  });
}

void ReadTargetPort(Fields& fields, ServicePort& port) {
  const Json* target = fields.Find("targetPort");
  if (target != nullptr && target->is_string()) {
    port.target_name = fields.Text("targetPort", "", 15);
    if (port.target_name.empty()) fields.Refuse("targetPort", "is empty");
    return;
  }
  const auto number = fields.Number("targetPort", 0, 0, 65535);
  port.target_port = number == 0 ? port.port : static_cast<std::uint16_t>(number);
}

ServicePort ReadServicePort(Fields& fields) {
  ServicePort port;
  port.name = fields.Text("name", "", 63);
  port.port = static_cast<std::uint16_t>(fields.RequiredNumber("port", 1, 65535));
  ReadTargetPort(fields, port);
  port.tcp = ReadProtocol(fields);
  port.app_protocol = fields.Text("appProtocol", "", kMaxNameText);
  return port;
}

void ReadClusterIps(Fields& spec, Service& service) {
  const std::string first = spec.Text("clusterIP", "", 64);
  service.headless = first == "None";
  std::vector<std::string> texts = spec.Texts("clusterIPs", 8, 64);
  if (!first.empty()) texts.insert(texts.begin(), first);
  for (const std::string& text : texts) {
    if (text.empty() || text == "None") continue;
    const auto ip = Ip::Parse(text);
    if (!ip) return spec.Refuse("clusterIP", "is neither an IP address nor None");
    AddOnce(service.cluster_ips, *ip);
  }
  if (service.headless && !service.cluster_ips.empty())
    spec.Refuse("clusterIPs", "must be empty when clusterIP is None");
}

Service::Type TypeOf(std::string_view word) {
  if (word == "NodePort") return Service::Type::kNodePort;
  if (word == "LoadBalancer") return Service::Type::kLoadBalancer;
  return word == "ExternalName" ? Service::Type::kExternalName : Service::Type::kClusterIp;
}

void ReadServiceSpec(Fields& spec, Service& service) {
  service.type = TypeOf(
      spec.Word("type", "ClusterIP", {"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"}));
  ReadClusterIps(spec, service);
  spec.ForEach("ports", 256, [&](Fields& item) {
    ServicePort port = ReadServicePort(item);
    const bool twice = std::any_of(
        service.ports.begin(), service.ports.end(),
        [&](const ServicePort& other) { return other.tcp == port.tcp && other.port == port.port; });
    if (twice) item.Refuse("port", "is there twice");
    service.ports.push_back(std::move(port));
  });
  service.selector = spec.LabelEntries("selector");
  service.internal_traffic_local =
      spec.Word("internalTrafficPolicy", "Cluster", {"Cluster", "Local"}) == "Local";
  service.traffic_distribution = spec.Text("trafficDistribution", "", kMaxNameText);
  service.publish_not_ready_addresses = spec.Flag("publishNotReadyAddresses", false);
}

void ReadServiceStatus(Fields& status, Service& service) {
  Fields balancer = status.Object("loadBalancer");
  balancer.ForEach("ingress", 16, [&](Fields& item) {
    if (const auto ip = ReadIp(item, "ip")) AddOnce(service.load_balancer_ips, *ip);
    const std::string hostname = item.Text("hostname", "", kMaxNameText);
    if (!hostname.empty()) service.load_balancer_hostnames.push_back(hostname);
  });
  status.ForEach("conditions", 64, [&](Fields& condition) {
    if (condition.Text("type") == kWaypointBound) service.has_waypoint_status = true;
  });
}

}  // namespace

Object DecodeNamespace(Fields& object, Meta meta) {
  if (!IsDnsLabel(meta.name)) object.Refuse("metadata.name", "is not a valid namespace name");
  // The API server sets this one itself, and selectors rely on it.
  meta.labels["kubernetes.io/metadata.name"] = meta.name;
  return Namespace{std::move(meta)};
}

Object DecodeNode(Fields&, Meta meta) { return Node{std::move(meta)}; }

Object DecodeServiceAccount(Fields&, Meta meta) { return ServiceAccount{std::move(meta)}; }

Object DecodePod(Fields& object, Meta meta) {
  Pod pod;
  Fields metadata = object.Object("metadata");
  metadata.ForEach("ownerReferences", 64, [&](Fields& owner) {
    if (!owner.Flag("controller", false)) return;
    pod.controller_kind = owner.RequiredText("kind", 63);
    pod.controller_name = owner.RequiredText("name", kMaxNameText);
  });
  pod.meta = std::move(meta);
  Fields spec = object.Object("spec");
  ReadPodSpec(spec, pod);
  Fields status = object.Object("status");
  ReadPodStatus(status, pod);
  return pod;
}

Object DecodeService(Fields& object, Meta meta) {
  Service service;
  if (!IsDnsLabel(meta.name)) object.Refuse("metadata.name", "is not a valid service name");
  service.meta = std::move(meta);
  Fields spec = object.Object("spec");
  ReadServiceSpec(spec, service);
  Fields status = object.Object("status");
  ReadServiceStatus(status, service);
  return service;
}

}  // namespace aquifer::control
