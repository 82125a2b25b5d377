// ServiceEntry and WorkloadEntry (networking.istio.io).
#include <algorithm>
#include <utility>

#include "control/decode/decode.h"
#include "control/entry_objects.h"
#include "control/names.h"

namespace aquifer::control {
namespace {

constexpr size_t kMaxHosts = 256;
constexpr size_t kMaxPorts = 256;
constexpr size_t kMaxEndpoints = 4096;
constexpr size_t kMaxAddresses = 256;
constexpr size_t kMaxWorkloadPorts = 256;
constexpr std::int64_t kMaxWeight = 1'000'000;
// Every endpoint names every host with all its ports and addresses.
constexpr size_t kMaxProduct = 100'000;

void ReadWorkloadPorts(Fields& fields, EnteredWorkload& workload) {
  const Json* ports = fields.Find("ports");
  if (ports == nullptr) return;
  if (!ports->is_object() || ports->size() > kMaxWorkloadPorts)
    return fields.Refuse("ports", "is not a mapping of at most 256 ports");
  Fields read = fields.Object("ports");
  for (const auto& [name, unused] : ports->items()) {
    const auto number = read.RequiredNumber(name, 1, 65535);
    workload.ports.emplace(name, static_cast<std::uint16_t>(number));
  }
}

void ReadAddress(Fields& fields, EnteredWorkload& workload) {
  const std::string address = fields.Text("address", "", 512);
  if (address.empty() || address.starts_with("unix:")) return;
  workload.ip = Ip::Parse(address);
  if (workload.ip) return;
  workload.hostname = LowerCase(address);
  if (!IsHostname(workload.hostname) || IsWildcard(workload.hostname))
    fields.Refuse("address", "is neither an IP address nor a host name");
}

EnteredWorkload ReadWorkload(Fields& fields) {
  EnteredWorkload workload;
  ReadAddress(fields, workload);
  ReadWorkloadPorts(fields, workload);
  workload.labels = fields.LabelEntries("labels");
  workload.network = fields.Text("network", "", kMaxNameText);
  workload.locality = fields.Text("locality", "", kMaxNameText);
  workload.service_account = fields.Text("serviceAccount", "", kMaxNameText);
  if (!workload.service_account.empty() && !IsDnsSubdomain(workload.service_account))
    fields.Refuse("serviceAccount", "is not a valid object name");
  workload.weight = static_cast<std::uint32_t>(fields.Number("weight", 0, 0, kMaxWeight));
  return workload;
}

ServiceEntry::Port ReadPort(Fields& fields) {
  ServiceEntry::Port port;
  port.number = static_cast<std::uint16_t>(fields.RequiredNumber("number", 1, 65535));
  port.target_port = static_cast<std::uint16_t>(fields.Number("targetPort", port.number, 0, 65535));
  if (port.target_port == 0) port.target_port = port.number;
  port.name = fields.Text("name", "", kMaxNameText);
  port.protocol = LowerCase(fields.Text("protocol", "", 63));
  return port;
}

ServiceEntry::Resolution ResolutionOf(std::string_view word) {
  using Resolution = ServiceEntry::Resolution;
  if (word == "STATIC") return Resolution::kStatic;
  if (word == "DNS" || word == "DNS_ROUND_ROBIN") return Resolution::kDns;
  return word == "DYNAMIC_DNS" ? Resolution::kDynamicDns : Resolution::kNone;
}

void ReadHosts(Fields& spec, ServiceEntry& entry) {
  for (const std::string& host : spec.Texts("hosts", kMaxHosts, kMaxNameText)) {
    entry.hosts.push_back(LowerCase(host));
    if (!IsHostname(entry.hosts.back())) spec.Refuse("hosts", "has one that is no host name");
  }
  if (entry.hosts.empty()) spec.Refuse("hosts", "is required");
}

void ReadAddresses(Fields& spec, ServiceEntry& entry) {
  for (const std::string& text : spec.Texts("addresses", kMaxAddresses, 64)) {
    const auto prefix = Cidr::Parse(text);
    if (!prefix) return spec.Refuse("addresses", "has one that is neither an IP address nor CIDR");
    entry.addresses.push_back(*prefix);
  }
}

void ReadSpec(Fields& spec, ServiceEntry& entry) {
  ReadHosts(spec, entry);
  ReadAddresses(spec, entry);
  spec.ForEach("ports", kMaxPorts, [&](Fields& item) { entry.ports.push_back(ReadPort(item)); });
  entry.resolution = ResolutionOf(
      spec.Word("resolution", "NONE", {"NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"}));
  spec.ForEach("endpoints", kMaxEndpoints,
               [&](Fields& item) { entry.endpoints.push_back(ReadWorkload(item)); });
  if (spec.Has("workloadSelector"))
    entry.selector = spec.Object("workloadSelector").LabelEntries("labels");
  if (entry.selector && !entry.endpoints.empty())
    spec.Refuse("endpoints", "must be absent beside workloadSelector");
  const size_t each = entry.hosts.size() * (entry.ports.size() + entry.addresses.size() + 1);
  if (each * std::max<size_t>(entry.endpoints.size(), 1) > kMaxProduct)
    spec.Refuse("endpoints", "are too many for so many hosts, ports and addresses");
  // How many pods there are is not known here.
  if (entry.selector && each > kMaxProduct / 100)
    spec.Refuse("workloadSelector", "goes with fewer hosts, ports and addresses");
  entry.subject_alt_names = spec.Texts("subjectAltNames", 256);
  const std::vector<std::string> exported = spec.Texts("exportTo", 64, kMaxNameText);
  entry.own_namespace_only = exported.size() == 1 && exported[0] == ".";
}

bool TellsOfWaypoint(Fields& status) {
  bool tells = false;
  status.ForEach("conditions", 64, [&](Fields& condition) {
    tells = tells || condition.Text("type") == kWaypointBound;
  });
  return tells;
}

void ReadStatus(Fields& status, ServiceEntry& entry) {
  entry.has_waypoint_status = TellsOfWaypoint(status);
  status.ForEach("addresses", kMaxAddresses, [&](Fields& item) {
    const auto ip = Ip::Parse(item.Text("value", "", 64));
    if (ip) entry.given.push_back({*ip, LowerCase(item.Text("host", "", kMaxNameText))});
  });
}

}  // namespace

Object DecodeServiceEntry(Fields& object, Meta meta) {
  ServiceEntry entry;
  entry.meta = std::move(meta);
  Fields spec = object.Object("spec");
  ReadSpec(spec, entry);
  Fields status = object.Object("status");
  ReadStatus(status, entry);
  return entry;
}

Object DecodeWorkloadEntry(Fields& object, Meta meta) {
  WorkloadEntry entry;
  entry.meta = std::move(meta);
  Fields spec = object.Object("spec");
  entry.workload = ReadWorkload(spec);
  Fields status = object.Object("status");
  entry.has_waypoint_status = TellsOfWaypoint(status);
  return entry;
}

}  // namespace aquifer::control
