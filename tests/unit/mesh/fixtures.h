// Short ways to write workloads, services and their messages in tests of the mesh model.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "mesh/builder.h"
#include "mesh/service.h"
#include "mesh/workload.h"

namespace aquifer::mesh {

inline Ip IpOf(std::string_view text) { return Ip::Parse(text).value(); }
inline NetworkAddress At(std::string_view ip, std::string network = "") {
  return NetworkAddress{std::move(network), IpOf(ip)};
}

inline Workload Pod(std::string name, std::string_view ip, std::string ns = "default") {
  Workload workload;
  workload.uid = "Kubernetes//Pod/" + ns + "/" + name;
  workload.name = std::move(name);
  workload.ns = std::move(ns);
  workload.addresses = {IpOf(ip)};
  workload.protocol = TunnelProtocol::kHbone;
  return workload;
}

inline Workload Joins(Workload workload, std::string hostname, PortList ports = {{80, 8080}}) {
  workload.services.push_back({{workload.ns, std::move(hostname)}, std::move(ports)});
  return workload;
}

inline Service ServiceAt(std::string hostname, std::string_view vip, std::string ns = "default") {
  Service service;
  service.name = hostname.substr(0, hostname.find('.'));
  service.ns = std::move(ns);
  service.hostname = std::move(hostname);
  if (!vip.empty()) service.vips = {At(vip)};
  service.ports = {{80, 8080}};
  return service;
}

inline Service ServiceAtPrefix(std::string hostname, std::string_view cidr,
                               std::string ns = "default", std::string network = "") {
  Service service = ServiceAt(std::move(hostname), "", std::move(ns));
  service.cidr_vips = {{std::move(network), Cidr::Parse(cidr).value()}};
  return service;
}

inline Policy PolicyFor(std::string name, PolicyScope scope, std::string ns = "default") {
  Policy policy;
  policy.name = std::move(name);
  policy.ns = std::move(ns);
  policy.scope = scope;
  return policy;
}

inline size_t EndpointCount(const Snapshot& snapshot, const std::string& hostname) {
  const ServiceRef service = snapshot.FindService({"default", hostname});
  return service == nullptr ? 0 : snapshot.EndpointsOf(*service)->size();
}

inline std::string UidAt(const Snapshot& snapshot, const NetworkAddress& address) {
  const WorkloadRef workload = snapshot.FindWorkloadAt(address);
  return workload == nullptr ? "" : workload->uid;
}

}  // namespace aquifer::mesh
